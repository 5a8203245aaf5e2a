"""Rewards that FactS is compared with."""

import pytest

from orapo.training.rewards.terms import AccuracyReward, BleuReward

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
