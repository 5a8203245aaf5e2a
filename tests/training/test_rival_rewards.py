"""Rewards that FactS is compared with."""

import sys
import types

import pytest

from orapo.errors import MissingExtraError
from orapo.training.rival_rewards import AccuracyReward, BleuReward, radeval_reward

LABELS = {"Cardiomegaly": 1, "Pleural Effusion": 1}


def test_accuracy_is_1_only_where_every_label_is_right():
    texts = ["Cardiomegaly. Pleural effusion.", "Cardiomegaly.", "Pneumothorax.", "the the"]
    assert AccuracyReward()(texts, labels=[LABELS] * 4) == [1.0, 0.0, 0.0, 0.0]


def test_accuracy_without_a_reference_is_unknown_not_zero():
    assert AccuracyReward()(["Cardiomegaly."], labels=[{}]) == [None]


def test_bleu_is_of_words_not_of_facts():
    reference = "There is a small left pleural effusion."
    same, denied, other = BleuReward()(
        [reference, "There is no small left pleural effusion.", "Clear."], report=[reference] * 3
    )
    assert same == pytest.approx(1.0)
    assert denied > 0.5
    assert other == pytest.approx(0.0, abs=0.05)


def test_bleu_agrees_with_sacrebleu():
    import sacrebleu

    text, reference = "The lungs are clear today.", "The lungs are clear."
    expected = sacrebleu.sentence_bleu(text, [reference], use_effective_order=True).score
    assert BleuReward()([text], report=[reference])[0] == pytest.approx(expected / 100)


def test_bleu_without_a_reference_is_unknown():
    assert BleuReward()(["Clear.", "Clear."], report=[None, ""]) == [None, None]


def test_radeval_is_asked_for_the_figure_of_a_report_and_an_error_rate_is_turned_round(monkeypatch):
    asked = {}

    def make_reward_fn(metric, reference_column, key, score_transform):
        asked.update(metric=metric, column=reference_column, key=key)
        return lambda completions, **columns: [score_transform(0.5) for _ in completions]

    module = types.ModuleType("radeval.rewards")
    module.make_reward_fn = make_reward_fn
    monkeypatch.setitem(sys.modules, "radeval", types.ModuleType("radeval"))
    monkeypatch.setitem(sys.modules, "radeval.rewards", module)
    reward = radeval_reward("radcliq", "radcliq_v1", -1.0)
    assert asked == {"metric": "radcliq", "column": "report", "key": "radcliq_v1"}
    assert reward(["Clear."], report=["Clear."]) == [-0.5]


def test_without_radeval_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "radeval.rewards", None)
    with pytest.raises(MissingExtraError, match=r"radeval"):
        radeval_reward("radgraph", "radgraph_partial")
