"""Long and short answers go through the model apart, and nothing but the time changes."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_trainer import FLOAT64, REWARDS, assert_step_matches, disturb, float64_logps, make_trainer
from trl import GRPOTrainer

from orapo.training import passes


def lengths_and_width():
    answers = st.lists(st.integers(0, 64), min_size=1, max_size=100)
    return answers.flatmap(lambda each: st.tuples(st.just(each), st.integers(max(*each, 1), 80)))


@given(lengths_and_width(), st.integers(1, 50))
def test_every_row_is_in_one_part_and_two_parts_save_what_they_must(answers, prompt):
    lengths, width = torch.tensor(answers[0]), answers[1]
    found = passes.parts(lengths, prompt, width)
    assert sorted(torch.cat(found).tolist()) == list(range(len(lengths)))
    assert len(found) <= 2
    if len(found) == 2:
        assert all(len(part) >= passes.LEAST_ROWS for part in found)
        tokens = sum(len(part) * (prompt + int(lengths[part].max())) for part in found)
        assert tokens <= (1 - passes.LEAST_SAVED) * len(lengths) * (prompt + width)


def test_the_part_that_saves_most_is_taken():
    lengths = torch.tensor([60, 10, 12, 60, 11, 58] * 6)
    short, long = passes.parts(lengths, 20, 64)
    assert lengths[short].max() == 12
    assert lengths[long].min() == 58
    assert short.tolist() == sorted(short.tolist())  # a study's rollouts stay together


@pytest.mark.parametrize(
    "lengths", [[30] * 64, [64] + [10] * 30, [10] * 15 + [64] * 40, [5]], ids=str
)
def test_few_rows_and_answers_of_one_length_stay_together(lengths):
    width = 64 if max(lengths) == 64 else max(lengths)
    assert len(passes.parts(torch.tensor(lengths), 20, width)) == 1


@pytest.mark.parametrize(("beta", "temperature"), [(0.0, 1.0), (0.04, 1.0), (0.04, 0.7)])
def test_a_step_in_two_passes_is_the_equations_in_float64(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, monkeypatch, beta, temperature
):
    widths = []

    def scoring(self, model, input_ids, attention_mask, width, **fields):
        widths.append(width)
        return float64_logps(self, model, input_ids, attention_mask, width, **fields)

    monkeypatch.setattr(GRPOTrainer, "_get_per_token_logps_and_entropies", scoring)
    monkeypatch.setattr(passes, "LEAST_ROWS", 1)
    monkeypatch.setattr(passes, "LEAST_SAVED", 0.0)
    model = tiny_model.double()
    reference, policy = copy.deepcopy(model), copy.deepcopy(model)
    trainer = make_trainer(
        model, tiny_processor, tiny_dataset, tmp_path, beta=beta, temperature=temperature
    )
    disturb(model)
    disturb(policy)
    assert_step_matches(
        trainer, policy, reference, REWARDS, FLOAT64, beta=beta, temperature=temperature
    )
    assert len(set(widths)) > 1  # they were parted
