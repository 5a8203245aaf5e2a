"""Three in ten answers of the judge fail, and the rest is learned as if those had not been asked for.

The equations here never see an unknown reward: rollouts of which FactS is unknown are taken out first,
and what is left is a smaller group (DESIGN 1.3, 1.4).
"""

import copy
import math

import numpy as np
import pytest
import torch
from test_trainer import (
    FLOAT64,
    GAMMA,
    LENGTH,
    REFERENCE_REWARD,
    TAU,
    W_MAX,
    W_MIN,
    K,
    TableReward,
    disturb,
    float64_logps,
    make_trainer,
    token_logps,
)
from transformers import TrainerCallback
from trl import GRPOTrainer

VISITS, STUDIES, FAILED, ALPHA, BETA, SHARE = 5, 4, 24, 0.5, 0.04, 0.25
CLOCK = ("step_time", "seconds/", "train_runtime", "_per_second")


def tables(failing=True):
    """FactS of every visit, study and rollout: 24 of 80 unknown, of one study at one visit all."""
    rng = np.random.default_rng(0)
    facts = rng.choice([0.0, 0.0, 0.25, 0.5, 1.0], (VISITS, STUDIES, K))
    places = rng.permutation(facts.size)
    whole = np.arange(facts.size).reshape(facts.shape)[2, 1]
    places = [*whole, *(place for place in places if place not in whole)][:FAILED]
    if failing:
        facts.flat[places] = np.nan
    return [{f"s{i}": list(map(float, visit[i])) for i in range(STUDIES)} for visit in facts]


class Wordy:
    """A reward beside FactS that is known for every rollout; where FactS is not, ``unjudged``."""

    __name__ = "wordy"

    def __init__(self, facts, unjudged=0.5):
        self.facts, self.unjudged = facts, unjudged

    def __call__(self, completion_ids, study_id, **columns):
        table = self.facts.tables[len(self.facts.visits) - 1]
        return [
            self.unjudged if math.isnan(table[study][i % K]) else self.value(ids)
            for i, (ids, study) in enumerate(zip(completion_ids, study_id, strict=True))
        ]

    @staticmethod
    def value(ids):
        return len(ids) / 16  # dyadic, since TRL holds rewards in float32


def failing_run(model, processor, dataset, tmp_path, unjudged=0.5, **settings):
    facts = TableReward(tables())
    return make_trainer(
        model,
        processor,
        dataset,
        tmp_path,
        facts,
        beside=[Wordy(facts, unjudged)],
        reward_weights=[1.0, SHARE],
        max_steps=VISITS,
        zrr_alpha=ALPHA,
        max_unknown=0.5,
        **settings,
    )


class Steps(TrainerCallback):
    """Keeps the weights before each step, and its rollouts and gradients."""

    def __init__(self, trainer):
        self.trainer, self.kept = trainer, []

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        self.weights = copy.deepcopy(model.state_dict())

    def on_step_end(self, args, state, control, **kwargs):
        trainer = self.trainer
        self.kept.append(
            (
                self.weights,
                trainer.generation_inputs,
                trainer.generation,
                trainer.recorder.gradients,
            )
        )


def loss_without_the_unknown(processor, policy, reference, inputs, batch, table, rates):
    """The loss of a step over what the judge did answer; updates ``rates``."""
    total, prompt = 0.0, batch["prompt_ids"].shape[1]
    for first in range(0, len(inputs), K):
        row = inputs[first]
        study = row["study_id"]
        answered = [
            (reward, batch["completion_ids"][n][batch["completion_mask"][n].bool()].tolist())
            for n, reward in enumerate(table[study], start=first)
            if not math.isnan(reward)
        ]
        if not answered:
            continue
        facts = [reward for reward, _ in answered]
        sums = [reward + SHARE * Wordy.value(ids) for reward, ids in answered]
        rate = facts.count(0.0) / len(facts)
        rates[study] = ALPHA * rates[study] + (1 - ALPHA) * rate if study in rates else rate
        rejected = [i for i, reward in enumerate(facts) if reward == 0]
        if not rejected and min(facts) < REFERENCE_REWARD:
            rejected = [facts.index(min(facts))]
        weight = W_MIN + (W_MAX - W_MIN) * rates[study] ** GAMMA if rejected else 0.0

        def both(ids, row=row):
            with torch.no_grad():
                before = token_logps(reference, processor, row, ids, prompt)
            return token_logps(policy, processor, row, ids, prompt), before

        report = processor.tokenizer(
            row["report"] + "<end_of_utterance>", add_special_tokens=False
        )["input_ids"]
        now, before = both(report)
        plus = (now - before).sum() / len(report)
        grpo = dpo = 0.0
        for i, (_, ids) in enumerate(answered):
            now, before = both(ids)
            advantage = sums[i] - sum(sums) / len(sums)
            # the ratio is 1: one step a generation
            token = -torch.exp(now - now.detach()) * advantage
            token = token + BETA * (torch.exp(before - now) - (before - now) - 1)
            grpo = grpo + token.sum() / LENGTH / len(answered)
            if i in rejected:
                minus = (now - before).sum() / len(ids)
                dpo = dpo - torch.log(torch.sigmoid(TAU * (plus - minus))) / len(rejected)
        total = total + ((1 - weight) * grpo + weight * dpo) / STUDIES
    return total


def test_three_in_ten_unknown_rewards_change_nothing_but_how_many_are_known(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr(GRPOTrainer, "_get_per_token_logps_and_entropies", float64_logps)
    model = tiny_model.double()
    reference = copy.deepcopy(model)
    trainer = failing_run(model, tiny_processor, tiny_dataset, tmp_path, beta=BETA)
    disturb(model)
    steps = Steps(trainer)
    trainer.add_callback(steps)
    trainer.train()
    rates, unknown = {}, 0
    for (weights, inputs, batch, got), table, log in zip(
        steps.kept, tables(), trainer.state.log_history, strict=False
    ):
        policy = copy.deepcopy(reference)
        policy.load_state_dict(weights)
        expected = loss_without_the_unknown(
            tiny_processor, policy, reference, inputs, batch, table, rates
        )
        expected.backward()
        assert log["loss"] == pytest.approx(expected.item(), abs=1e-7)
        compared = 0
        for name, parameter in policy.named_parameters():
            if parameter.grad is None or not parameter.grad.any():
                assert got[name] is None or not got[name].any()
                continue
            torch.testing.assert_close(got[name], parameter.grad, atol=FLOAT64, rtol=FLOAT64)
            compared += 1
        assert compared > 20
        known = [reward for rewards in table.values() for reward in rewards if reward == reward]
        assert log["rewards/facts/mean"] == pytest.approx(sum(known) / len(known))
        assert log["oracle/unknown_rewards"] == pytest.approx(1 - len(known) / (STUDIES * K))
        unknown += STUDIES * K - len(known)
        assert all(math.isfinite(v) for v in log.values() if isinstance(v, float))
    assert unknown == FAILED
    assert {study: trainer.oracle[study] for study in rates} == pytest.approx(rates)


@pytest.mark.parametrize(
    "path",
    [
        {},
        {"scale_rewards": "group"},
        {"scale_rewards": "batch"},
        {"multi_objective_aggregation": "normalize_then_sum"},
        {"num_iterations": 2, "steps_per_generation": 2, "gradient_accumulation_steps": 2},
        {"method": "grpo"},
    ],
    ids=str,
)
def test_what_other_rewards_say_of_an_unjudged_rollout_reaches_nothing(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, path
):
    ends = []
    for unjudged in (0.5, 1000.0):
        model = copy.deepcopy(tiny_model)
        trainer = failing_run(
            model, tiny_processor, tiny_dataset, tmp_path / str(unjudged), unjudged, **path
        )
        trainer.train()
        figures = [
            {name: value for name, value in log.items() if not any(c in name for c in CLOCK)}
            for log in trainer.state.log_history
        ]
        ends.append((model.state_dict(), figures))
    (weights, figures), (others, other_figures) = ends
    assert figures == other_figures
    assert all(torch.equal(weights[name], others[name]) for name in weights)
