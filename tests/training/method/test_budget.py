"""What a run may spend: it ends there, and the learning rate with it."""

import json

import pytest
import torch
from run_recipe import recipe
from torch.optim.lr_scheduler import LambdaLR

from orapo.training import OraPOConfig
from orapo.training.method.budget import Budget
from orapo.training.run import train


def budget(tmp_path, **settings):
    return Budget(OraPOConfig(str(tmp_path), use_cpu=True, bf16=False, **settings))


def log_of(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "rollouts" in line]


def test_a_run_ends_when_its_rollouts_are_spent(run_settings):
    folder = train(*recipe(run_settings, max_rollouts=8))
    assert [line["rollouts"] for line in log_of(folder)] == [4.0, 8.0]


def test_without_a_budget_it_has_all_its_steps(run_settings):
    folder = train(*recipe(run_settings))
    assert [line["rollouts"] for line in log_of(folder)] == [4.0, 8.0, 12.0, 16.0]


def test_what_was_spent_is_in_the_checkpoint(run_settings, tmp_path):
    whole = train(*recipe(run_settings, max_rollouts=12))
    # step 2 saved a checkpoint with 8 rollouts; a run that goes on has 4 left
    for kept in (tmp_path / "run").glob("checkpoint-*"):
        state = json.loads((kept / "loop_state.json").read_text())
        assert state["budget"]["rollouts"] == 4 * int(kept.name.rpartition("-")[2])
    assert log_of(whole)[-1]["rollouts"] == 12


def test_the_learning_rate_falls_with_the_budget_where_that_is_spent_faster(tmp_path):
    spent = budget(tmp_path, max_rollouts=100)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = LambdaLR(optimizer, lambda step: 1 - step / 10)
    spent.follow(schedule, total_steps=10)
    rates = []
    for _ in range(3):
        spent.rollouts += 20  # a fifth of the budget in a tenth of the steps
        optimizer.step()
        schedule.step()
        rates.append(schedule.get_last_lr()[0])
    assert rates == pytest.approx([0.8, 0.6, 0.4])


def test_a_run_with_a_budget_follows_it(run_settings):
    settings = {"lr_scheduler_type": "linear", "warmup_steps": 0, "learning_rate": 1e-3}
    whole = [line["learning_rate"] for line in log_of(train(*recipe(run_settings, **settings)))]
    settings |= {"max_rollouts": 8, "output_dir": run_settings["output_dir"] + "-short"}
    short = [line["learning_rate"] for line in log_of(train(*recipe(run_settings, **settings)))]
    assert short == pytest.approx(whole[::2])  # half of the rollouts: two steps' fall in each


def test_minutes_count_what_the_checkpoint_says_was_spent_before(tmp_path):
    spent = budget(tmp_path, max_minutes=1.0)
    spent.restore({"rollouts": 0, "seconds": 45.0})
    assert 0.75 <= spent.share() < 0.8


def test_without_limits_nothing_is_ever_spent(tmp_path):
    free = budget(tmp_path)
    free.rollouts = 10**9
    assert free.share() == 0
