"""The oracle's memory of a study, and the run's own rate that an unseen study begins with."""

import json
import math

import pytest
import torch

from orapo.training.method.oracle import FILE_NAME, RUNNING_GROUPS, OracleState

A = 0.5


def update(oracle, rates, first="running"):
    """Take in one generation; return the smoothed rates by study id."""
    values = torch.tensor(list(rates.values()), dtype=torch.float64)
    smoothed = oracle.update(list(rates), values, A, first)
    return dict(zip(rates, smoothed.tolist(), strict=True))


def after(groups, rate=0.75):
    """An oracle that has seen so many groups of a rate."""
    oracle = OracleState()
    for number in range(groups):
        update(oracle, {f"old{number}": rate})
    return oracle


def test_the_first_generation_has_no_past():
    assert update(OracleState(), {"a": 0.0, "b": 1.0}) == {"a": 0.0, "b": 1.0}


def test_a_first_visit_is_smoothed_with_the_run_s_rate_and_later_ones_with_the_study_s():
    oracle = after(RUNNING_GROUPS)
    assert update(oracle, {"new": 0.25})["new"] == pytest.approx(A * 0.75 + (1 - A) * 0.25)
    first = oracle["new"]
    assert update(oracle, {"new": 1.0})["new"] == pytest.approx(A * first + (1 - A) * 1.0)


def test_few_groups_before_say_little():
    weight = A * 8 / RUNNING_GROUPS
    assert update(after(8), {"new": 0.25})["new"] == pytest.approx(
        weight * 0.75 + (1 - weight) * 0.25
    )


def test_studies_of_one_generation_do_not_inform_each_other():
    oracle = after(RUNNING_GROUPS)
    together = update(oracle, {"a": 0.25, "b": 0.25, "c": 1.0})
    assert together["a"] == together["b"]
    assert together["c"] == pytest.approx(A * 0.75 + (1 - A) * 1.0)


def test_the_run_s_rate_follows_the_training():
    oracle = after(RUNNING_GROUPS, rate=1.0)
    for number in range(5 * RUNNING_GROUPS):
        update(oracle, {f"later{number}": 0.0})
    assert update(oracle, {"new": 0.0})["new"] < 0.01


def test_in_the_paper_s_form_a_first_visit_is_its_own():
    assert update(after(RUNNING_GROUPS), {"new": 0.25}, first="own") == {"new": 0.25}


def test_a_study_of_unknown_rewards_stays_unknown_and_tells_the_run_nothing():
    oracle = after(RUNNING_GROUPS)
    assert math.isnan(update(oracle, {"silent": math.nan})["silent"])
    assert "silent" not in oracle
    assert update(oracle, {"new": 0.25})["new"] == pytest.approx(A * 0.75 + (1 - A) * 0.25)


def test_the_run_s_rate_is_in_the_checkpoint(tmp_path):
    oracle = after(20)
    oracle.save(tmp_path)
    again = OracleState()
    again.load(tmp_path)
    assert update(again, {"new": 0.25}) == update(oracle, {"new": 0.25})


def test_a_generation_counted_before_a_resume_is_not_counted_in_the_run_s_rate_again(tmp_path):
    oracle = after(20)
    update(oracle, {"half": 0.0})
    oracle.save(tmp_path, position=1)
    again = OracleState()
    again.load(tmp_path)
    assert update(again, {"half": 1.0}) == {"half": oracle["half"]}
    assert update(again, {"new": 0.25}) == update(oracle, {"new": 0.25})


def test_a_checkpoint_of_before_takes_the_mean_of_its_studies(tmp_path):
    after(RUNNING_GROUPS).save(tmp_path)
    path = tmp_path / FILE_NAME
    state = json.loads(path.read_text())
    old = {name: state[name] for name in ("smoothed_zrr", "reference_logps", "position", "counted")}
    path.write_text(json.dumps({"version": 3, **old}))
    again = OracleState()
    again.load(tmp_path)
    assert update(again, {"new": 0.25})["new"] == pytest.approx(A * 0.75 + (1 - A) * 0.25)
