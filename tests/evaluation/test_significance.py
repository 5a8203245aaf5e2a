"""Paired comparison: what is the same, what is better, and what is chance."""

from dataclasses import replace

import numpy as np
import pytest

from orapo.evaluation.figures.language import MEANING
from orapo.evaluation.inputs import Reference
from orapo.evaluation.significance import _in_words, compared
from orapo.labels import CHEXPERT, UncertainPolicy

TEXTS = {"Edema": "There is edema.", "Fracture": "Rib fracture.", "Cardiomegaly": "Cardiomegaly."}


def studies(count, seed=0):
    rng = np.random.default_rng(seed)
    drawn = rng.choice(list(TEXTS), count)
    truth = {
        f"s{n}": Reference(
            f"s{n}", {**CHEXPERT.blank(), str(name): 1}, "given", patient_id=f"p{n // 2}"
        )
        for n, name in enumerate(drawn)
    }
    return truth, {f"s{n}": TEXTS[str(name)] for n, name in enumerate(drawn)}


def run(systems, truth):
    return compared(systems, truth, uncertain=UncertainPolicy.NEGATIVE, resamples=999, seed=0)[
        "comparisons"
    ]


def test_a_system_and_itself_do_not_differ():
    truth, right = studies(40)
    for pair in run({"a": right, "b": dict(right)}, truth):
        assert (pair["difference"], pair["p"], pair["p_holm"]) == (0, 1, 1)
        assert "have the same" in pair["in_words"]


def test_a_clearly_better_system_is_better_beyond_chance_in_every_figure():
    truth, right = studies(60)
    wrong = dict.fromkeys(right, "There is edema.")
    for pair in run({"right": right, "wrong": wrong}, truth):
        # of all 14 labels three have support here
        best = 3 / 14 if pair["figure"] == "r2gen_macro" else 1
        assert pair["value_a"] == pytest.approx(best)
        assert pair["interval"][0] > 0
        assert pair["p_holm"] < 0.02
        assert pair["in_words"].startswith("right's ")


def test_what_is_not_english_has_no_facts_and_is_left_out_of_both_sides():
    truth, right = studies(40)
    wrong = dict.fromkeys(right, "There is edema.")
    foreign = dict.fromkeys(list(right)[:30], "Kein Erguss und kein Infarkt.")
    last = list(right)[30:]
    for pair in run({"half": right | foreign, "wrong": wrong}, truth):
        if pair["figure"] == "facts_reward":
            hits = sum(right[name] == "There is edema." for name in last) / 10
            assert (pair["value_a"], pair["studies"]) == (1, 10)
            assert pair["value_b"] == pytest.approx(hits)
        else:
            assert pair["value_a"] < 0.5  # they say nothing there
            assert pair["studies"] == 40


def test_the_order_of_the_systems_turns_the_sign_and_nothing_else():
    truth, right = studies(30)
    other = {name: text if n % 3 else "Normal." for n, (name, text) in enumerate(right.items())}
    for one, two in zip(
        run({"a": right, "b": other}, truth), run({"b": other, "a": right}, truth), strict=True
    ):
        assert one["difference"] == pytest.approx(-two["difference"])
        assert one["interval"] == pytest.approx([-bound for bound in reversed(two["interval"])])
        assert one["p"] == pytest.approx(two["p"], abs=0.03)


def test_the_result_says_how_it_was_made():
    truth, right = studies(6)
    result = compared(
        {"a": right, "b": right, "c": right},
        truth,
        uncertain=UncertainPolicy.POSITIVE,
        resamples=20,
        seed=3,
    )
    pairs = result.pop("comparisons")
    assert [(pair["a"], pair["b"]) for pair in pairs[::5]] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [pair["figure"] for pair in pairs[:5]] == [
        *("macro_uncertain_positive", "r2gen_macro", "micro_uncertain_positive"),
        *("example_uncertain_positive", "facts_reward"),
    ]
    wins = result.pop("wins")
    assert [(pair["a"], pair["b"]) for pair in wins] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert result.pop("beside").keys() == {"r2gen_macro"}  # what a figure may stand beside
    assert result == {
        "studies": 6,
        "patients": 3,
        "resampled": "patients",
        "uncertain": "positive",
        "resamples": 20,
        "seed": 3,
        "not_english": {"a": 0, "b": 0, "c": 0},
        "headline": "macro_uncertain_positive",
    }
    nobody = {name: replace(one, patient_id="") for name, one in truth.items()}
    alone = compared(
        {"a": right, "b": right}, nobody, uncertain=UncertainPolicy.NEGATIVE, resamples=20, seed=3
    )
    assert (alone["patients"], alone["resampled"]) == (6, "studies (no patient is known)")


def test_what_each_figure_is_of_two_systems_by_hand():
    truth = {
        name: Reference(name, {**CHEXPERT.blank(), "Edema": 1, "Fracture": 1}, "given")
        for name in ("s1", "s2")
    }
    half = dict.fromkeys(truth, "There is edema.")
    pairs = run({"all": dict.fromkeys(truth, "Edema. Rib fracture."), "half": half}, truth)
    assert {pair["figure"]: round(pair["value_b"], 4) for pair in pairs} == {
        "macro_uncertain_negative": 0.5,
        "r2gen_macro": 0.0714,
        "micro_uncertain_negative": 0.6667,
        "example_uncertain_negative": 0.6667,
        "facts_reward": 0.6667,
    }
    for pair in pairs:  # both studies alike: no resample differs
        assert pair["value_a"] - pair["value_b"] == pytest.approx(pair["difference"])
        assert pair["interval"] == pytest.approx([pair["difference"]] * 2)


@pytest.mark.parametrize(
    ("figure", "difference", "interval", "said"),
    [
        (
            "facts_reward", 0.25, [0.1, 0.4],
            "A's mean FactS reward is higher than B's by 0.250, 95 % interval 0.100 to 0.400, "
            "p = 0.0123 (0.0246 after Holm's correction).",
        ),
        (
            "macro_uncertain_negative", -0.25, [-0.4, 0.1],
            "B's macro F1 is higher than A's by 0.250, 95 % interval -0.100 to "
            "0.400, p = 0.0123 (0.0246 after Holm's correction).",
        ),
        (
            "rouge_l", 0.25, [0.1, 0.4],
            "A's ROUGE-L is higher than B's by 0.250, 95 % interval 0.100 to 0.400, "
            "p = 0.0123 (0.0246 after Holm's correction).",
        ),
        ("micro_uncertain_negative", 0.0, [0, 0], "A and B have the same micro F1."),
    ],
)  # fmt: skip
def test_a_comparison_in_words(figure, difference, interval, said):
    pair = {"a": "A", "b": "B", "figure": figure, "difference": difference}
    pair |= {"interval": interval, "p": 0.0123, "p_holm": 0.0246}
    assert _in_words(pair, UncertainPolicy.NEGATIVE) == said


def test_words_are_compared_when_asked_for():
    pytest.importorskip("sacrebleu", reason="the extra [language] is not installed")
    pytest.importorskip("pycocoevalcap", reason="the extra [language] is not installed")
    truth, right = studies(8)
    truth = {name: replace(one, report=right[name]) for name, one in truth.items()}
    wrong = dict.fromkeys(right, "Nothing of that.")
    pairs = compared(
        {"right": right, "wrong": wrong},
        truth,
        uncertain=UncertainPolicy.NEGATIVE,
        resamples=50,
        seed=0,
        language=True,
    )["comparisons"]
    words = {pair["figure"]: pair for pair in pairs if pair["figure"] in MEANING}
    assert set(words) == set(MEANING)
    assert words["rouge_l"]["value_a"] == pytest.approx(1)
    assert words["rouge_l"]["value_b"] < 0.5
    assert words["chrf"]["value_a"] == pytest.approx(1)


def test_chance_differences_are_rarely_significant():
    significant = 0
    for seed in range(40):
        truth, right = studies(30, seed)
        rng = np.random.default_rng([seed, 1])
        noisy = [
            {name: text if rng.random() < 0.6 else "Normal." for name, text in right.items()}
            for _ in range(2)
        ]
        pair = run({"a": noisy[0], "b": noisy[1]}, truth)[0]
        significant += pair["p"] < 0.05
    assert significant <= 6  # 2 are expected


def test_what_may_be_chance_is_called_so():
    pair = {"a": "A", "b": "B", "figure": "facts_reward", "difference": 0.01}
    pair |= {"interval": [-0.1, 0.1], "p": 0.04, "p_holm": 0.2}
    assert _in_words(pair, UncertainPolicy.POSITIVE).endswith(
        ": that may be chance; no difference could be shown."
    )


def test_a_study_without_any_label_says_nothing_about_the_reward():
    known = {**CHEXPERT.blank(), "Edema": 1}
    truth = {"a": Reference("a", known, "given"), "b": Reference("b", CHEXPERT.blank(), "given")}
    pairs = run({"one": dict.fromkeys(truth, "Edema."), "none": dict.fromkeys(truth, "")}, truth)
    reward = next(pair for pair in pairs if pair["figure"] == "facts_reward")
    assert (reward["value_a"], reward["value_b"]) == (1.0, 0.0)
