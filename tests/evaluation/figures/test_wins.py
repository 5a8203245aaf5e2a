"""Who wins where: right about a label where the other is not."""

import numpy as np
import pytest

from orapo.evaluation.bootstrap import Resampler
from orapo.evaluation.clinical import label_matrix
from orapo.evaluation.counts import Counts
from orapo.evaluation.figures.wins import wins_by_label, wins_by_score
from orapo.labels import UncertainPolicy

TRUTH = [{"Edema": 1}, {"Edema": 1}, {"Edema": 0}, {"Edema": 0}]
ONE = [{"Edema": 1}, {"Edema": 1}, {"Edema": 0}, {"Edema": 1}]
OTHER = [{"Edema": 0}, {"Edema": 1}, {"Edema": 1}, {"Edema": 0}]


def counts(labels):
    truth = label_matrix(TRUTH, "reference")
    return Counts.of(label_matrix(labels, "prediction"), truth, UncertainPolicy.POSITIVE)


def of(label, wins):
    return next(row for row in wins if row["label"] == label)


def test_a_win_is_a_study_that_one_system_has_right_and_the_other_has_not():
    edema = of("Edema", wins_by_label(counts(ONE), counts(OTHER), Resampler("abcd", 200)))
    assert (edema["positive"], edema["wins"], edema["losses"], edema["ties"]) == (2, 2, 1, 1)
    assert edema["net"] == pytest.approx(1 / 4)
    assert edema["low"] < 1 / 4 < edema["high"]


def test_the_other_way_round_the_signs_turn():
    there = of("Edema", wins_by_label(counts(ONE), counts(OTHER), Resampler("abcd", 200)))
    back = of("Edema", wins_by_label(counts(OTHER), counts(ONE), Resampler("abcd", 200)))
    assert (back["wins"], back["losses"], back["net"]) == (1, 2, -there["net"])
    assert (back["low"], back["high"]) == pytest.approx((-there["high"], -there["low"]))


def test_where_no_study_differs_there_is_no_interval_that_looks_certain():
    fracture = of("Fracture", wins_by_label(counts(ONE), counts(OTHER), Resampler("abcd", 200)))
    assert (fracture["ties"], fracture["net"]) == (4, 0)
    assert (fracture["low"], fracture["high"]) == (None, None)


def test_studies_of_one_patient_are_drawn_together():
    (apart, together) = (
        of("Edema", wins_by_label(counts(ONE), counts(OTHER), Resampler(patients, 400)))
        for patients in ("abcd", "aabb")
    )
    assert together["net"] == apart["net"]
    assert (together["low"], together["high"]) == (0, 0.5)  # of two patients: 1/2, 0


def test_a_study_without_a_score_is_neither_won_nor_lost():
    told = wins_by_score(
        np.array([0.5, np.nan, 0.1, 0.3]), np.array([0.2, 0.9, 0.4, 0.3]), Resampler("abcd", 50)
    )
    assert (told["wins"], told["losses"], told["ties"], told["net"]) == (1, 1, 1, 0)


def test_without_any_score_there_is_no_figure():
    none = np.array([np.nan, np.nan])
    assert wins_by_score(none, none, Resampler("ab", 50)) == {
        "wins": 0, "losses": 0, "ties": 0, "net": None, "low": None, "high": None
    }  # fmt: skip
