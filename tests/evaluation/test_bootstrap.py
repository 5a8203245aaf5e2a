"""Resampling by patient, and what is made of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orapo.evaluation.bootstrap import Resampler, holm


def test_studies_of_one_patient_are_drawn_together():
    resampler = Resampler(["a", "b", "a", "", ""], resamples=50)
    assert resampler.patients == 4
    weights = resampler.draw(lambda w: w)
    assert weights.shape == (50, 5)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 3] != weights[:, 4]).any()
    # as many patients as there are, in every resample
    assert (weights[:, [0, 1, 3, 4]].sum(axis=1) == 4).all()


def test_the_interval_of_a_mean_is_about_two_standard_errors_wide():
    values = np.random.default_rng(0).normal(3, 2, 400)
    resampler = Resampler([""] * 400, resamples=2000, seed=1)
    (interval,) = resampler.interval(lambda w: w @ values / w.sum(axis=1))
    error = values.std() / 20
    assert interval.value == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_clustered_studies_have_wider_intervals():
    values = np.random.default_rng(0).normal(0, 1, 50).repeat(8)

    def width(patients):
        mean = Resampler(patients, 500).interval(lambda w: w @ values / w.sum(axis=1))[0]
        return mean.high - mean.low

    patients = [f"p{n}" for n in range(50) for _ in range(8)]
    assert width(patients) > 2 * width([""] * 400)


def test_the_same_seed_draws_the_same_and_chunks_do_not_matter(monkeypatch):
    values = np.arange(30.0)
    mean = lambda w: w @ values / w.sum(axis=1)  # noqa: E731
    whole = Resampler([""] * 30, 100, seed=4).draw(mean)
    monkeypatch.setattr("orapo.evaluation.bootstrap._CELLS_AT_ONCE", 90)
    assert (Resampler([""] * 30, 100, seed=4).draw(mean) == whole).all()
    assert (Resampler([""] * 30, 100, seed=5).draw(mean) != whole).any()


def test_a_figure_that_applies_to_no_study_has_no_numbers():
    (interval,) = Resampler(["", ""], 10).interval(lambda w: np.full(len(w), np.nan))
    assert interval.as_dict() == {"value": None, "low": None, "high": None}


def test_swapping_takes_each_patient_from_one_system():
    def seen(first, second):
        assert (first + second == 1).all()
        assert (first[:, 0] == first[:, 1]).all()
        return first[:, 0]

    taken = Resampler(["a", "a", "b"], 200).swapped(seen)
    assert 0.35 < taken.mean() < 0.65


def test_swaps_are_as_many_as_asked_for_in_chunks_too(monkeypatch):
    patients = [f"p{n // 2}" for n in range(30)]
    whole = Resampler(patients, 100, seed=4).swapped(lambda first, second: first)
    assert whole.shape == (100, 30)
    monkeypatch.setattr("orapo.evaluation.bootstrap._CELLS_AT_ONCE", 90)
    assert (Resampler(patients, 100, seed=4).swapped(lambda first, second: first) == whole).all()
    other = Resampler(patients, 100, seed=5).swapped(lambda first, second: first)
    assert (other != whole).any()


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_never_lowers_a_p_and_keeps_their_order(p_values):
    corrected = holm(p_values)
    assert all(after >= before for before, after in zip(p_values, corrected, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert sorted(corrected) == [corrected[index] for index in order]
