"""What a run says of itself: seconds by phase, warnings in words, a stop when the judge fails."""

import json
import math
from types import SimpleNamespace

import pytest
import torch

from orapo import OraPOConfig, OrapoError
from orapo.training.watching.watch import WARNINGS_FILE, WINDOW, PhaseClock, Watch, identical_share

HEALTHY = {
    "oracle/zero_reward_share": 0.4,
    "oracle/all_zero_groups": 0.1,
    "oracle/unknown_rewards": 0.0,
    "oracle/weight": 0.08,
    "completions/identical": 0.1,
    "facts/no_finding": 0.3,
    "frac_reward_zero_std": 0.2,
    "entropy": 1.0,
    "rewards/facts/mean": 0.3,
}


@pytest.fixture
def watch(tmp_path):
    watch = Watch(OraPOConfig(str(tmp_path), use_cpu=True, bf16=False, report_to="none"))
    watch.folder = tmp_path
    return watch


class Run:
    """Feeds a watch with logged steps, as a trainer does."""

    def __init__(self, watch):
        self.watch = watch
        self.state = SimpleNamespace(global_step=0, max_steps=1000, is_world_process_zero=True)
        self.control = SimpleNamespace(should_save=False, should_training_stop=False)

    def steps(self, count=WINDOW, **figures):
        for _ in range(count):
            self.state.global_step += 1
            named = {name.replace("__", "/"): value for name, value in figures.items()}
            self.watch.on_log(None, self.state, self.control, {**HEALTHY, **named})

    def probe(self, macro_f1):
        self.watch.on_log(None, self.state, self.control, {"probe/macro_f1": macro_f1})

    def kinds(self):
        path = self.watch.folder / WARNINGS_FILE
        return (
            [json.loads(line)["kind"] for line in path.read_text().splitlines()]
            if path.exists()
            else []
        )


def test_a_healthy_run_is_silent(watch):
    run = Run(watch)
    run.steps(5 * WINDOW)
    assert run.kinds() == []
    assert not run.control.should_training_stop


@pytest.mark.parametrize(
    ("kind", "figures"),
    [
        ("one_report", {"completions__identical": 0.95}),
        ("all_normal", {"facts__no_finding": 0.97}),
        ("entropy_gone", {"entropy": 0.05}),
        ("weights_at_most", {"oracle__weight": 0.15}),
        ("constant_reward", {"frac_reward_zero_std": 1.0}),
        ("pairs_satisfied", {"dpo__margin": 6.0, "oracle__all_zero_groups": 0.5}),
    ],
)
def test_what_goes_wrong_is_said_once_while_it_lasts(watch, kind, figures, caplog):
    run = Run(watch)
    run.steps()
    run.steps(3 * WINDOW, **figures)
    assert run.kinds() == [kind]
    assert "step" in caplog.text
    run.steps()  # it passes
    run.steps(**figures)
    assert run.kinds() == [kind, kind]


@pytest.mark.parametrize(("margin", "zeros"), [(6.0, 0.1), (0.5, 0.5)])
def test_a_wide_margin_where_rollouts_earn_and_a_narrow_one_are_no_fault(watch, margin, zeros):
    run = Run(watch)
    run.steps(2 * WINDOW, dpo__margin=margin, oracle__all_zero_groups=zeros)
    assert run.kinds() == []


def test_one_odd_step_is_no_warning(watch):
    run = Run(watch)
    run.steps()
    run.steps(1, completions__identical=1.0, entropy=0.0, facts__no_finding=1.0)
    assert run.kinds() == []


def test_a_reward_that_rises_while_the_held_out_f1_falls_is_called_so(watch):
    run = Run(watch)
    for reward, f1 in ((0.3, 0.30), (0.4, 0.28), (0.5, 0.25)):
        run.steps(rewards__facts__mean=reward)
        run.probe(f1)
    assert run.kinds() == ["reward_hacking"]


@pytest.mark.parametrize("f1s", [(0.30, 0.31, 0.25), (0.30, 0.295, 0.29)])
def test_a_wavering_f1_is_not(watch, f1s):
    run = Run(watch)
    for reward, f1 in zip((0.3, 0.4, 0.5), f1s, strict=True):
        run.steps(rewards__facts__mean=reward)
        run.probe(f1)
    assert run.kinds() == []


def test_too_many_unknown_rewards_stop_the_run_with_a_checkpoint(watch):
    run = Run(watch)
    run.steps(4, oracle__unknown_rewards=0.9)
    assert watch.stopped is None  # five steps are asked for
    run.steps(1, oracle__unknown_rewards=0.9)
    assert "max_unknown (20%)" in watch.stopped
    assert run.control.should_save
    assert run.control.should_training_stop


def test_a_judge_that_fails_now_and_then_stops_nothing(watch):
    run = Run(watch)
    run.steps(100, oracle__unknown_rewards=0.19)
    assert watch.stopped is None


def test_a_phase_within_a_phase_is_counted_once(monkeypatch):
    times = iter([0.0, 1.0, 3.0, 10.0])
    monkeypatch.setattr("orapo.training.watching.watch.time.perf_counter", lambda: next(times))
    clock = PhaseClock()
    with clock.phase("loss"), clock.phase("generate"):
        pass
    assert clock.taken() == {"generate": 2.0, "loss": 8.0}
    assert clock.taken() == {}


def test_rollouts_are_identical_up_to_their_padding():
    ids = torch.tensor([[5, 1, 0], [5, 1, 9], [5, 1, 9], [7, 1, 0]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 0], [1, 1, 1], [1, 1, 0]])
    assert identical_share(ids, mask) == 0.5


def test_a_share_above_one_is_refused(tmp_path):
    with pytest.raises(OrapoError, match="max_unknown"):
        OraPOConfig(str(tmp_path), max_unknown=1.5)
    assert math.isclose(OraPOConfig(str(tmp_path), use_cpu=True, bf16=False).max_unknown, 0.2)


def another(watch):
    """A watch of a new process that goes on from a checkpoint of ``watch``."""
    other = Watch(watch._config)
    other.folder = watch.folder
    other.restore(json.loads(json.dumps(watch.saved())))
    return other


def test_a_resumed_run_warns_where_an_unbroken_one_does(watch):
    run = Run(watch)
    run.steps(WINDOW, entropy=1.0)
    for reward, macro_f1 in ((0.4, 0.5), (0.5, 0.4)):
        run.steps(5, rewards__facts__mean=reward, entropy=0.05)
        run.probe(macro_f1)
    run.watch = another(watch)
    run.watch.on_train_begin(None, run.state, run.control)
    run.steps(5, rewards__facts__mean=0.9, entropy=0.05)
    run.probe(0.3)
    assert run.kinds() == ["reward_hacking"]
    run.steps(5, entropy=0.05)
    assert run.kinds() == ["reward_hacking", "entropy_gone"]
    run.watch = another(run.watch)
    run.steps(5, entropy=0.05)
    assert run.kinds() == ["reward_hacking", "entropy_gone"]  # it lasts


def test_warnings_after_the_checkpoint_are_dropped_when_a_run_goes_on(watch):
    run = Run(watch)
    run.steps(2 * WINDOW, frac_reward_zero_std=1.0)
    assert run.kinds() == ["constant_reward"]
    run.state.global_step = WINDOW - 1
    watch.on_train_begin(None, run.state, run.control)
    assert run.kinds() == []


def test_a_run_that_was_stopped_gets_another_chance_when_it_goes_on(watch):
    run = Run(watch)
    run.steps(5, oracle__unknown_rewards=0.9)
    assert watch.stopped is not None
    run.watch = another(watch)
    run.steps(4, oracle__unknown_rewards=0.9)
    assert run.watch.stopped is None
