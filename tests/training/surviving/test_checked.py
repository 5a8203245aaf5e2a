"""What a reward function gives is a finite number a report, or None, or the run stops with a sentence."""

import asyncio
import copy
import functools
import json
import math

import numpy as np
import pytest
import torch
import yaml

from orapo import OrapoError
from orapo.errors import RunFailedError
from orapo.facts import FactSReward
from orapo.models.whole import whole_checkpoints
from orapo.training.recipe import read_recipe
from orapo.training.rewards.terms import reward_terms
from orapo.training.run import train
from orapo.training.surviving.checked import MOST, RewardError, checked, refuse_infinite

SECRET = "Large left effusion of Mrs Doe."
REPORTS, STUDIES = [SECRET, "No effusion.", "Edema."], ["s1", "s1", "s2"]


def ask(reward, **columns):
    (door,) = checked(reward, "study_id")
    return door(completions=REPORTS, **{"study_id": STUDIES, **columns})


def taste(given):
    def taste(completions, **columns):
        return given

    return taste


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([1, 0.5, None], [1.0, 0.5, None]),
        ((True, False, -2), [1.0, 0.0, -2.0]),
        (np.array([0.5, 1, 2], dtype=np.float32), [0.5, 1.0, 2.0]),
        (torch.tensor([0.5, 1, 2]), [0.5, 1.0, 2.0]),
        ([np.float64(0.25), torch.tensor(1.0), MOST], [0.25, 1.0, MOST]),
        ((value for value in (1, 2, 3)), [1.0, 2.0, 3.0]),
    ],
    ids=["list", "tuple", "numpy", "torch", "scalars", "generator"],
)
def test_numbers_of_any_kind_and_none_come_through(given, expected):
    assert ask(taste(given)) == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([0, math.inf, 0], r"gave inf at a report of study s1; expected a finite number"),
        ([0, 0, -math.inf], r"gave -inf at a report of study s2"),
        ([math.nan, 0, 0], r"gave nan at a report of study s1; .* or None for unknown"),
        ([0, 0, 1e308], r"gave 1e\+308 at a report of study s2; .*of a size of at most 1e\+06"),
        ([0, 0, 10**400], r"gave inf at a report of study s2"),
        ([0, SECRET, 0], r"gave str at a report of study s1"),
        ([0, "0.5", 0], r"gave str at a report of study s1"),
        ([0, [1.0], 0], r"gave list at a report of study s1"),
        ([0, 1j, 0], r"gave complex at a report of study s1"),
        ([0, torch.zeros(2), 0], r"gave Tensor of shape \(2,\) at a report of study s1"),
        ([1.0, 1.0], r"gave 2 values at reports of studies s1, s2; expected 3, one a report"),
        ([1.0] * 4, r"gave 4 values"),
        (0.5, r"gave float at reports of studies s1, s2; expected 3"),
        (None, r"gave NoneType at reports"),
        (SECRET, r"gave str at reports"),
        ({"a": 1, "b": 2, "c": 3}, r"gave dict at reports"),
        ({1.0, 2.0, 3.0}, r"gave set at reports"),
        (np.ones((3, 1)), r"gave ndarray of shape \(3, 1\) at reports"),
    ],
)
def test_what_is_no_reward_is_named_with_reward_study_and_what_came(given, said):
    with pytest.raises(RewardError, match=rf"^reward 'taste' {said}") as caught:
        ask(taste(given))
    assert "Mrs Doe" not in str(caught.value)


def test_a_reward_that_raises_is_named_and_quotes_no_report():
    def strict(completions, **columns):
        raise ValueError(f"can't read {completions[0]!r}")

    with pytest.raises(
        RewardError,
        match=r"reward 'strict' raised ValueError in test_checked.py, line \d+, at 3 reports of "
        r"studies s1, s2",
    ) as caught:
        ask(strict)
    assert "Mrs Doe" not in str(caught.value)
    assert caught.value.__suppress_context__  # a traceback would show the message after all


def test_a_reward_s_own_sentence_is_left_as_it_is():
    def judge(completions, **columns):
        raise OrapoError("the judge's model has no such name")

    with pytest.raises(OrapoError, match=r"^the judge's model has no such name$"):
        ask(judge)


def test_without_ids_the_row_is_named():
    (door,) = checked(taste([0, math.nan, 0]), "study_id")
    with pytest.raises(RewardError, match="at a report of row 2"):
        door(completions=REPORTS)


def test_many_studies_are_not_all_listed():
    (door,) = checked(taste([1.0]), "study_id")
    ids = [f"s{number}" for number in range(20)]
    with pytest.raises(RewardError, match=r"studies s0, .*s7 and 12 more;"):
        door(completions=["."] * 20, study_id=ids)


def test_the_door_bears_the_reward_s_name_and_is_the_reward_otherwise():
    facts, partial, plain = checked(
        [FactSReward(2.0), functools.partial(taste, 1), taste(1)], "study_id"
    )
    assert (facts.__name__, partial.__name__, plain.__name__) == ("facts", "taste", "taste")
    assert facts.facts_beta == 2.0
    assert copy.deepcopy(facts).facts_beta == 2.0
    assert checked(facts, "study_id") == [facts]  # once is enough
    assert not hasattr(plain, "facts_beta")


async def awaited(reward):
    (door,) = checked(reward, "study_id")
    return await door(completions=REPORTS, study_id=STUDIES)


def test_a_reward_that_is_awaited_has_the_same_door():

    async def slow(completions, **columns):
        return [0.5, None, math.inf if columns["study_id"][0] == "s1" else 1.0]

    with pytest.raises(RewardError, match=r"reward 'slow' gave inf at a report of study s2"):
        asyncio.run(awaited(slow))


def test_a_model_s_rewards_are_looked_at_after_trl_has_called_it():
    model = torch.nn.Linear(1, 1)
    assert checked([model, "owner/model"], "study_id") == [model, "owner/model"]
    rewards = torch.tensor([[0.5, math.nan], [math.nan, 1.0]])
    ids = ["s1", "s2"]
    refuse_infinite(rewards, ["facts", "taste"], [False, False], ids)  # NaN is None here
    with pytest.raises(RewardError, match=r"reward 'model' gave nan at reports of study s1"):
        refuse_infinite(rewards, ["facts", "model"], [False, True], ids)
    with pytest.raises(RewardError, match=r"reward 'model' gave -inf at reports of study s2"):
        refuse_infinite(
            torch.tensor([[0.0, 0.0], [0.0, -math.inf]]), ["f", "model"], [False, True], ids
        )


@pytest.mark.parametrize("weight", ["inf", "-inf", "nan", "1e308", "", "much"])
def test_a_weight_is_a_finite_number(weight):
    with pytest.raises(OrapoError, match=r"reward term 'length=.*': expected name=weight"):
        reward_terms([f"length={weight}"])


# ---------------------------------------------------------------- in a run


def steady(completions, **columns):
    return [0.1 * place for place in range(len(completions))]


def late_infinity(completions, trainer_state, **columns):
    values = steady(completions)
    return values if trainer_state.global_step < 3 else [*values[1:], math.inf]


def late_quote(completions, trainer_state, **columns):
    if trainer_state.global_step < 3:
        return steady(completions)
    raise KeyError(completions[0])


def silent(completions, **columns):
    return [None] * len(completions)


@pytest.fixture
def recipe(run_settings, tmp_path):
    def read(**changes):
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump({**run_settings, **changes}))
        return read_recipe(["--config", str(path)])

    return read


@pytest.mark.parametrize("name", ["late_infinity", "late_quote"])
def test_a_run_stops_at_the_reward_and_says_what_it_kept(recipe, tmp_path, name, monkeypatch):
    monkeypatch.syspath_prepend(str(__file__.rpartition("/")[0]))
    with pytest.raises(RewardError) as caught:
        train(*recipe(reward_terms=[f"test_checked:{name}=0.5"]))
    run = tmp_path / "run"
    assert str(caught.value).startswith(f"reward '{name}' ")
    assert "studies " in str(caught.value) or "study " in str(caught.value)
    assert f"kept: {run / 'checkpoint-2'}, --resume goes on from it" in str(caught.value)
    assert [folder.name for folder in whole_checkpoints(run)] == ["checkpoint-2"]
    assert caught.value.__cause__ is None


def test_the_reward_that_gave_none_is_named_and_not_the_judge(recipe, monkeypatch):
    monkeypatch.syspath_prepend(str(__file__.rpartition("/")[0]))
    with pytest.raises(RunFailedError, match="of reward 'silent' are unknown") as caught:
        train(*recipe(reward="test_checked:silent", reward_terms=[]))
    assert "judge" not in str(caught.value)


def test_a_reward_that_breaks_the_weights_stops_before_a_checkpoint_is_marked(
    recipe, tmp_path, monkeypatch
):
    """Whatever made them so: no checkpoint with NaN in it is whole, and none is the end of a run."""
    from orapo.training import OraPOTrainer

    step = OraPOTrainer.training_step

    def break_one(self, model, inputs, num_items_in_batch=None):
        loss = step(self, model, inputs, num_items_in_batch)
        if self.state.global_step == 3:
            with torch.no_grad():
                next(p for p in model.parameters() if p.requires_grad).view(-1)[0] = math.nan
        return loss

    monkeypatch.setattr(OraPOTrainer, "training_step", break_one)
    run = tmp_path / "run"
    with pytest.raises(
        RunFailedError, match=r"step \d: weights are no longer finite numbers.*kept: .*checkpoint-2"
    ):
        train(*recipe())
    assert [folder.name for folder in whole_checkpoints(run)] == ["checkpoint-2"]
    assert not (run / "model.safetensors").exists()

    def no_constant(name):
        raise AssertionError(name)

    for line in (run / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=no_constant)
    json.loads(
        (run / "checkpoint-2" / "trainer_state.json").read_text(), parse_constant=no_constant
    )


@pytest.mark.parametrize("field", ["learning_rate", "dpo_tau", "beta", "temperature"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_recipe_holds_no_number_that_is_none(recipe, field, value):
    with pytest.raises(OrapoError, match=rf"{field} must be a finite number, not {value}"):
        recipe(**{field: value})
