"""Figures of an ablation against computations of another kind."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from orapo.ablation.results import Comparison, Run, around_step, label_curves, mean_curve
from orapo.labels import LABELS, UncertainPolicy

STUDIES = 60


def labels_of(matrix):
    return [dict(zip(LABELS, map(int, row), strict=True)) for row in matrix]


@pytest.fixture
def truth():
    return np.random.default_rng(0).random((STUDIES, 14)) < 0.3


def guesses(truth, errors, seed):
    """Predictions that err in a share of the cells."""
    return np.where(np.random.default_rng(seed).random(truth.shape) < errors, ~truth, truth)


def comparison(truth, patients=None, resamples=400):
    return Comparison(
        labels_of(truth),
        patients or [""] * STUDIES,
        labels_of(truth),
        uncertain=UncertainPolicy.POSITIVE,
        resamples=resamples,
    )


def runs_of(truth, method, errors, seeds):
    return [
        Run(method, seed, 100, labels_of(guesses(truth, errors, 10 + seed)), seconds=1.0)
        for seed in seeds
    ]


def test_a_row_is_the_mean_and_spread_over_seeds(truth):
    row = comparison(truth).row(runs_of(truth, "orapo", 0.2, range(3)))
    each = [
        f1_score(truth, guesses(truth, 0.2, 10 + seed), average="macro", zero_division=0)
        for seed in range(3)
    ]
    assert row["macro_f1_by_seed"] == pytest.approx(each, abs=1e-9)
    assert row["macro_f1"] == pytest.approx(np.mean(each), abs=1e-9)
    assert row["macro_f1_spread"] == pytest.approx(np.std(each, ddof=1), abs=1e-9)
    low, high = row["macro_f1_interval"]
    assert low < row["macro_f1"] < high


def test_one_seed_has_no_spread(truth):
    assert comparison(truth).row(runs_of(truth, "orapo", 0.2, [0]))["macro_f1_spread"] is None


def test_a_method_that_is_better_is_found_better(truth):
    methods = {
        "grpo_facts": runs_of(truth, "grpo_facts", 0.35, range(3)),
        "orapo": runs_of(truth, "orapo", 0.05, range(3)),
        "as_good": runs_of(truth, "as_good", 0.35, range(3)),
    }
    found = comparison(truth).differences(methods, "grpo_facts")
    assert set(found) == {"orapo", "as_good"}
    better = found["orapo"]
    assert better["difference_interval"][0] > 0
    assert better["p"] < 0.01
    assert better["ratio"] > 1.17
    assert found["as_good"]["difference"] == 0  # the very same predictions
    assert found["as_good"]["p"] == 1
    assert better["p_holm"] == pytest.approx(2 * better["p"])


def test_only_seeds_that_both_have_are_compared(truth):
    methods = {
        "grpo_facts": runs_of(truth, "grpo_facts", 0.3, [0, 1, 2, 3]),
        "sft": runs_of(truth, "sft", 0.2, [1, 3]),
    }
    found = comparison(truth).differences(methods, "grpo_facts")["sft"]
    assert found["seeds"] == 2
    own, other = (
        np.mean(
            [
                f1_score(truth, guesses(truth, errors, 10 + seed), average="macro", zero_division=0)
                for seed in (1, 3)
            ]
        )
        for errors in (0.2, 0.3)
    )
    assert found["difference"] == pytest.approx(own - other, abs=1e-9)


def test_a_model_that_is_not_trained_stands_beside_every_seed(truth):
    methods = {
        "base": [Run("base", 0, 0, labels_of(guesses(truth, 0.4, 5)))],
        "grpo_facts": runs_of(truth, "grpo_facts", 0.2, range(3)),
    }
    assert comparison(truth).differences(methods, "grpo_facts")["base"]["seeds"] == 3


def test_few_patients_make_wide_intervals(truth):
    runs = runs_of(truth, "orapo", 0.2, range(2))
    alone = comparison(truth).row(runs)["macro_f1_interval"]
    few = comparison(truth, [str(i % 4) for i in range(STUDIES)]).row(runs)["macro_f1_interval"]
    assert few != alone


def test_rare_labels_and_kinds_of_studies(truth):
    truth = truth.copy()
    truth[:, LABELS.index("Fracture")] = False
    truth[:2, LABELS.index("Fracture")] = True
    made = comparison(truth)
    assert made.rare == ["Fracture"]
    groups = made.groups()
    assert groups["with a rare label"] == [0, 1]
    for place in groups["with 3 findings or more"]:
        assert truth[place][1:].sum() >= 3
    row = made.row([Run("perfect", 0, 1, labels_of(truth))])
    assert row["by_difficulty"]["with a rare label"] == 1


def test_curves_are_means_over_the_runs_that_have_the_step():
    runs = [
        Run("a", 0, 1, [], log=[{"step": 1, "x": 0.2}, {"step": 2, "x": 0.4}]),
        Run("a", 1, 1, [], log=[{"step": 1, "x": 0.6}, {"step": 3}]),
    ]
    assert mean_curve(runs, "x") == [(1, pytest.approx(0.4)), (2, 0.4)]
    assert around_step(runs, "x", 2, reach=1) == pytest.approx(0.4)
    assert around_step(runs, "x", 50) is None
    probes = [
        {"step": 0, "per_label": {"Fracture": 0.0}},
        {"step": 5, "per_label": {"Fracture": 1}},
    ]
    twice = [Run("a", seed, 1, [], probes=probes) for seed in (0, 1)]
    assert label_curves(twice, ["Fracture"]) == {"Fracture": [(0, 0.0), (5, 1.0)]}
