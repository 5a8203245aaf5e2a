"""Paired comparison: what is the same, what is better, and what is chance."""

import numpy as np
import pytest

from orapo.evaluation.inputs import Reference
from orapo.evaluation.significance import compared
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


def test_the_order_of_the_systems_turns_the_sign_and_nothing_else():
    truth, right = studies(30)
    other = {name: text if n % 3 else "Normal." for n, (name, text) in enumerate(right.items())}
    for one, two in zip(
        run({"a": right, "b": other}, truth), run({"b": other, "a": right}, truth), strict=True
    ):
        assert one["difference"] == pytest.approx(-two["difference"])
        assert one["interval"] == pytest.approx([-bound for bound in reversed(two["interval"])])
        assert one["p"] == pytest.approx(two["p"], abs=0.03)


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
