"""Calibration of words: which wording a finding has, and how often it comes true."""

import pytest

from orapo.evaluation.bootstrap import Interval, Resampler, share_interval
from orapo.evaluation.figures.wording import PHRASES, hedging, wording
from orapo.facts import label_report


def resampler(studies, patients=None):
    return Resampler(patients or [""] * studies, 300, seed=0)


def phrases(text, labels=None):
    table = hedging([label_report(text)], [labels or {}], resampler(1))
    return {phrase: row["cells"] for phrase, row in table.items()}


def test_a_call_is_followed_by_what_the_reference_says():
    predicted = [{"Edema": -1}, {"Edema": -1}, {"Edema": -1}, {"Edema": 1}]
    reference = [{"Edema": 1}, {}, {"Edema": 0}, {"Edema": -1}]
    table = wording(predicted, reference, resampler(4))
    assert table["uncertain"]["cells"] == 3
    positive = table["uncertain"]["reference_positive"]
    assert positive["value"] == pytest.approx(1 / 3)
    assert positive["low"] < 1 / 3 < positive["high"]
    assert table["positive"]["reference_uncertain"]["value"] == 1
    assert table["negative"] == {
        "cells": 0, "reference_positive": None, "reference_uncertain": None
    }  # fmt: skip
    assert table["blank"]["cells"] == 4 * 12  # No Finding apart


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("Likely pneumonia.", "likely"),
        ("Opacity most likely pneumonia.", "likely"),
        ("Findings suggestive of edema.", "suggests"),
        ("Probable pneumonia.", "probable"),
        ("Possible small effusion.", "possible"),
        ("Pneumonia cannot be excluded.", "not excluded"),
        ("This may represent atelectasis.", "may, could"),
        ("Pneumonia is unlikely.", "unlikely"),
        ("Concern for pneumonia.", "suspected"),
        ("Basal atelectasis versus scar.", "or, versus"),
        ("Possible atelectasis or scar.", "possible"),
    ],
)
def test_a_finding_has_the_phrase_of_its_sentence(text, phrase):
    assert set(phrases(text)) == {phrase}


@pytest.mark.parametrize(
    "text",
    [
        "Pneumonia.",
        "No pneumonia.",
        "The film is likely rotated. Pneumonia.",
        "Cardiomegaly, likely chronic.",  # what follows hedges something else
        "Likely pneumonia. Pneumonia is present.",  # said plainly, too
        "No acute disease is likely.",
        "Likely vascular congestion.",  # a finding that is itself uncertain for Edema
        "Stable mediastinal contour.",
    ],
)
def test_plain_statements_have_none(text):
    assert phrases(text) == {}


def test_the_nearest_phrase_counts_and_each_finding_has_its_own():
    assert phrases("Possible pneumonia and probable effusion.") == {"probable": 1, "possible": 1}
    assert phrases("Likely edema with pleural effusion.") == {"likely": 1}


def test_phrases_stand_in_the_order_of_their_certainty_with_the_call_they_are_part_of():
    texts = ["Possible edema.", "Likely edema.", "Probable edema.", "Possible edema."]
    truth = [{"Edema": 1}, {"Edema": 1}, {"Edema": 1}, {"Edema": 0}]
    table = hedging([label_report(text) for text in texts], truth, resampler(4))
    assert list(table) == ["likely", "probable", "possible"]
    assert list(table) == [phrase for phrase in PHRASES if phrase in table]
    assert [row["call"] for row in table.values()] == ["positive", "uncertain", "uncertain"]
    assert table["possible"]["reference_positive"]["value"] == 0.5


def test_studies_of_a_patient_are_one_draw():
    predicted = [{"Edema": 1}] * 6
    reference = [{"Edema": 1}] * 3 + [{"Edema": 0}] * 3
    apart = wording(predicted, reference, resampler(6))["positive"]["reference_positive"]
    together = wording(predicted, reference, resampler(6, ["a"] * 3 + ["b"] * 3))
    assert apart["high"] < 1
    assert together["positive"]["reference_positive"]["high"] == 1


def test_none_of_few_is_no_certainty():
    # Wilson's interval for 0 of 5 and 5 of 5: scipy.stats.binomtest(0, 5).proportion_ci(
    # method="wilson") gives 0 to 0.43448
    low, high = share_interval(Interval(0, 0, 0), 5), share_interval(Interval(1, 1, 1), 5)
    assert (low.low, low.high) == (0, pytest.approx(0.43448, abs=1e-5))
    assert (high.low, high.high) == (pytest.approx(1 - 0.43448, abs=1e-5), 1)
    between = Interval(0.5, 0.2, 0.8)
    assert share_interval(between, 5) is between
    # the same patient five times is one patient
    five = wording([{"Edema": 1}] * 5, [{"Edema": 0}] * 5, resampler(5, ["a"] * 5))
    assert five["positive"]["reference_positive"]["high"] == pytest.approx(0.79346, abs=1e-5)
