"""The guard of runs with a learned reward: probes in, what it does to weights and reward."""

import json
from types import SimpleNamespace

import torch
from hypothesis import given
from hypothesis import strategies as st

from orapo.training import OraPOConfig
from orapo.training.watching.guard import Course, Guard


class Control:
    should_training_stop = False


class State:
    def __init__(self, global_step, max_steps=100):
        self.global_step, self.max_steps = global_step, max_steps
        self.is_world_process_zero = True


def guarded(tmp_path, tiny_model, probes, whole=True, steps=100, **settings):
    """Show a guard probes (learned, macro-F1), the model moved between them.

    Returns it, what it said, its learned reward and the number of the weights that stand at the end.
    """
    config = OraPOConfig(str(tmp_path), use_cpu=True, bf16=False, **settings)
    path, said, weights = tmp_path / "probe.jsonl", [], []
    reward = SimpleNamespace(factor=1.0)
    guard = Guard(config, path, 1, reward, said.append)
    guard.whole = whole
    parameter = next(iter(tiny_model.parameters()))
    for step, (learned, macro_f1) in enumerate(probes):
        parameter.data.copy_(torch.full_like(parameter, float(step)))
        weights.append(parameter.detach().clone())
        with path.open("a") as file:
            file.write(json.dumps({"step": step, "learned": learned, "macro_f1": macro_f1}) + "\n")
        guard.probed(tiny_model)
        control = Control()
        guard.on_step_end(None, State(step), control, model=tiny_model)
        if control.should_training_stop:
            break
    guard.on_train_end(None, State(step, steps), Control(), model=tiny_model)
    return guard, said, reward, int(parameter.flatten()[0])


PARTING = [(0.0, 0.40), (0.5, 0.44), (0.9, 0.42), (1.4, 0.36), (2.0, 0.32)]
"""Means of three: 0.40, 0.42, 0.42, 0.41, 0.37; the last one alone lies beyond the limit of 0.02."""


def test_one_probe_beyond_the_limit_is_borne(tmp_path, tiny_model):
    guard, said, reward, _ = guarded(tmp_path, tiny_model, PARTING)
    assert not said
    assert reward.factor == 1.0
    assert guard.ended is None


def test_where_the_rewards_part_the_guard_goes_back_and_halves_the_weight(tmp_path, tiny_model):
    probes = [*PARTING[:3], (1.4, 0.30), (2.0, 0.28)]
    guard, said, reward, place = guarded(tmp_path, tiny_model, probes)
    assert place == 2  # the highest learned reward of those within 0.02 of the highest mean
    assert reward.factor == 0.5
    assert guard.ended is None
    assert len(said) == 1
    assert "step 4: held-out macro-F1 is 0.333 and was 0.420" in said[0]


def test_what_was_before_a_return_is_not_in_the_mean_after_it():
    course = Course(0.02)
    for macro_f1, learned in [(0.40, 0.0), (0.1, 1.0), (0.1, 1.0)]:
        course.take(macro_f1, learned)
    assert course.back
    course.take(0.40, 0.5)
    assert course.inside


def test_after_four_halvings_the_guard_ends_the_run_with_the_best_weights(tmp_path, tiny_model):
    guard, said, reward, place = guarded(tmp_path, tiny_model, [(0.0, 0.40), *[(1.0, 0.1)] * 20])
    assert reward.factor == 0.0
    assert len(said) == 5
    assert "the weights are those of the best probe" in guard.ended
    assert place == 0
    assert not list(tmp_path.glob("guard_best*"))


def test_where_no_process_holds_all_weights_the_run_ends_at_once(tmp_path, tiny_model):
    guard, said, _, place = guarded(
        tmp_path, tiny_model, [(0.0, 0.40), (1.0, 0.1), (1.0, 0.1), (1.0, 0.1)], whole=False
    )
    assert guard.ended is not None
    assert len(said) == 1
    assert "best probe" not in guard.ended
    assert place == 2


def test_the_guard_lets_a_run_go_on_where_both_rise(tmp_path, tiny_model):
    guard, _, reward, place = guarded(tmp_path, tiny_model, [(0.0, 0.3), (0.5, 0.4), (0.6, 0.5)])
    assert guard.ended is None
    assert reward.factor == 1.0
    assert place == 2  # the last weights stay


def test_where_both_fall_the_run_goes_on_but_does_not_end_with_such_weights(tmp_path, tiny_model):
    probes = [(0.0, 0.4), (0.5, 0.4), (-0.5, 0.1), (-0.6, 0.1), (-0.6, 0.1)]
    guard, _, reward, place = guarded(tmp_path, tiny_model, probes, steps=4)
    assert guard.ended is None
    assert reward.factor == 1.0
    assert place == 1


def test_without_a_limit_the_guard_looks_on(tmp_path, tiny_model):
    probes = [(0.0, 0.4), (1.0, 0.1), (1.0, 0.1), (1.0, 0.1)]
    guard, _, reward, place = guarded(tmp_path, tiny_model, probes, max_f1_loss=0.0, steps=3)
    assert guard.ended is None
    assert reward.factor == 1.0
    assert place == 3


def test_an_interrupted_run_goes_on_with_the_weight_it_had(tmp_path, tiny_model):
    probes = [(0.0, 0.40), (1.0, 0.1), (1.0, 0.1)]
    guarded(tmp_path, tiny_model, probes)
    config = OraPOConfig(str(tmp_path), use_cpu=True, bf16=False)
    reward = SimpleNamespace(factor=1.0)
    guard = Guard(config, tmp_path / "probe.jsonl", 1, reward)
    guard.on_train_begin(None, State(2), Control())
    assert reward.factor == 0.5


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-3, 3)), min_size=1, max_size=40))
def test_the_best_weights_are_those_of_a_probe_within_the_limit(probes):
    course = Course(0.02)
    factors = []
    for place, (macro_f1, learned) in enumerate(probes):
        course.take(macro_f1, learned)
        assert course.inside or not course.keep
        assert course.keep or place  # the first is the best so far
        factors.append(course.factor)
    assert factors == sorted(factors, reverse=True)
    again = Course.of([{"macro_f1": f1, "learned": one} for f1, one in probes], 0.02)
    assert (again.factor, again.back, again.keep) == (course.factor, course.back, course.keep)


def test_the_guard_keeps_a_kl_budget(tmp_path):
    config = OraPOConfig(str(tmp_path), use_cpu=True, bf16=False, beta=0.1, max_kl=0.5)
    guard = Guard(config, tmp_path / "probe.jsonl", 1, SimpleNamespace(factor=1.0))
    control = Control()
    guard.on_log(None, State(1), control, {"kl": 0.4})
    assert not control.should_training_stop
    guard.on_log(None, State(1), control, {"kl": 0.6})
    assert control.should_training_stop
    assert "0.600, above max_kl" in guard.ended
