"""The graded score among the figures of an evaluation and a comparison."""

import math

import numpy as np

from orapo.evaluation.figures.graded import GRADED_FIGURES, graded_figures
from orapo.evaluation.inputs import Reference
from orapo.evaluation.report_figures import FIGURES, UNITS, in_units
from orapo.evaluation.significance import compared
from orapo.labels import CHEXPERT, UncertainPolicy


def reference(text, **more):
    return Reference("s", {**CHEXPERT.blank(), "Pleural Effusion": 1}, "given", report=text, **more)


def test_errors_are_counted_by_category():
    figures = graded_figures(
        ["Large right effusion. Pneumonia."], [reference("Small left effusion.")]
    )
    assert set(figures) == set(GRADED_FIGURES)
    assert {name for name, values in figures.items() if values[0] == 1} == {
        "graded_wrong_location", "graded_wrong_severity_or_size", "graded_false_finding",
    }  # fmt: skip


def test_every_figure_of_a_report_has_its_unit():
    """Counts and shares stand in one column."""
    assert (FIGURES | GRADED_FIGURES).keys() <= UNITS.keys()
    assert in_units("graded_score", -0.25) == "-0.250"
    assert in_units("graded_missed_finding", 1.5) == "1.50"


def test_without_a_reference_text_nothing_is_known():
    figures = graded_figures(["Left effusion."], [reference("")])
    assert all(math.isnan(values[0]) for values in figures.values())


def test_an_empty_report_counts_zero_and_misses_all():
    """Else a model that is silent half of the time would seem to miss nothing."""
    figures = graded_figures(["", "Left effusion."], [reference("Left effusion.")] * 2)
    assert figures["graded_score"].tolist() == [0, 1]
    assert figures["graded_missed_finding"].tolist() == [1, 0]
    assert figures["graded_false_finding"].tolist() == [0, 0]


def test_a_report_that_is_not_english_has_no_score_and_missed_nothing():
    """Unread is no zero, as for FactS."""
    figures = graded_figures(
        ["Kein Nachweis eines Pleuraergusses. Herz nicht vergrößert.", "Left effusion."],
        [reference("Left effusion.")] * 2,
    )
    assert figures["graded_score"][1] == 1
    assert all(math.isnan(values[0]) for values in figures.values())


def test_the_age_of_the_reference_is_used():
    text = "Aortic calcification."
    young, old = (
        graded_figures(["The lungs are clear."], [reference(text, age=age)])["graded_score"][0]
        for age in (25, 85)
    )
    assert young < old


def test_systems_are_compared_by_it_where_there_are_texts():
    truth = {f"s{n}": reference("Small left effusion.") for n in range(30)}
    right, wrong = (dict.fromkeys(truth, f"Small {side} effusion.") for side in ("left", "right"))
    pairs = compared(
        {"right": right, "wrong": wrong},
        truth,
        uncertain=UncertainPolicy.NEGATIVE,
        resamples=200,
        seed=0,
    )["comparisons"]
    figures = {pair["figure"]: pair for pair in pairs}
    assert figures["facts_reward"]["difference"] == 0
    assert figures["graded_score"]["difference"] > 0.5
    assert "mean graded score" in figures["graded_score"]["in_words"]
    bare = {name: reference("") for name in truth}
    without = compared(
        {"right": right, "wrong": wrong},
        bare,
        uncertain=UncertainPolicy.NEGATIVE,
        resamples=200,
        seed=0,
    )["comparisons"]
    assert "graded_score" not in {pair["figure"] for pair in without}
    assert all(np.isfinite(pair["p"]) for pair in without)
