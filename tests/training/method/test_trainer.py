"""One whole optimiser step of OraPOTrainer against the equations of DESIGN 1.3, in float64."""

import copy
import math
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import TrainerCallback
from trl import GRPOTrainer
from trl.trainer import grpo_trainer

from orapo import OrapoError
from orapo.models.whole import mark_whole
from orapo.preferences import Preference
from orapo.training import OraPOConfig, OraPOTrainer
from orapo.training.method import oracle
from orapo.training.method.experts import ExpertPairs
from orapo.training.surviving.resumable import LOOP_FILE

K = 4
NAN = math.nan
# All dyadic, since TRL holds rewards in float32. One study for each case of the method.
REWARDS = {
    "s0": [0.0, 0.0, 0.5, 1.0],  # two zeros: two rejected answers
    "s1": [0.5, 1.0, 0.25, 0.25],  # no zero: its worst, the first of the two
    "s2": [0.0, 0.0, 0.0, 0.0],  # exploration failed: no advantage, four pairs
    "s3": [NAN, 0.0, 1.0, 0.5],  # the judge failed once
}
REFERENCE_REWARD = 0.75
# Not 1e-12: transformers computes RMS norms and rotary embeddings in float32 even in a float64 model.
FLOAT64 = 1e-8
TAU, W_MIN, W_MAX, GAMMA = 5.0, 0.05, 0.15, 2.0
CLIP_LENGTH, LENGTH = 12, 7.0  # the longest rollout, and what L_GRPO is divided by
EXPERT_WEIGHT = 0.3


class TableReward:
    """Rewards from a table by study and place in the group; the reference's own where alone.

    A list of tables holds one for each visit. As TRL allows, it logs on every call.
    """

    __name__ = "facts"

    def __init__(self, tables, reference=REFERENCE_REWARD):
        self.tables = tables if isinstance(tables, list) else [tables]
        self.reference = reference
        self.visits = []

    def __call__(self, completions, study_id, trainer_state, log_metric, log_extra, **columns):
        log_metric("judge/reports", len(completions))
        log_extra("study", study_id)
        if len(completions) == 1:
            return [self.reference]
        table = self.tables[min(len(self.visits), len(self.tables) - 1)]
        self.visits.append(study_id[::K])
        values = [table[s][i % K] for i, s in enumerate(study_id)]
        return [None if math.isnan(v) else v for v in values]


class Recorder(TrainerCallback):
    """Keeps the gradients just before the optimiser takes its step."""

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.gradients = {
            n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()
        }


def float64_logps(
    self, model, input_ids, attention_mask, logits_to_keep, batch_size=None, **kwargs
):
    """TRL's scoring without its fused head, which computes in float32."""
    fields = {
        k: kwargs[k] for k in ("pixel_values", "pixel_attention_mask") if kwargs.get(k) is not None
    }
    out = model(input_ids=input_ids, attention_mask=attention_mask, **fields)
    logits = out.logits[:, :-1] / (1.0 if self._switches[0]._plain else self.temperature)
    logps = logits.log_softmax(-1).gather(-1, input_ids[:, 1:, None])[..., 0]
    probabilities = logits.softmax(-1)
    entropy = -(probabilities * logits.log_softmax(-1)).sum(-1)
    return logps[:, -logits_to_keep:], entropy[:, -logits_to_keep:], None


def make_trainer(model, processor, dataset, tmp_path, rewards=REWARDS, beside=(), **settings):
    accumulation = settings.pop("gradient_accumulation_steps", 1)
    experts = settings.pop("experts", None)
    reward = rewards if isinstance(rewards, TableReward) else TableReward(rewards)
    args = OraPOConfig(
        output_dir=str(tmp_path),
        **{
            "num_generations": K,
            "per_device_train_batch_size": 16 // accumulation,
            "gradient_accumulation_steps": accumulation,
            "max_completion_length": CLIP_LENGTH,
            "loss_length": LENGTH,
            "max_steps": 1,
            "learning_rate": 1e-3,
            "max_grad_norm": 0.0,
            "beta": 0.04,
            "dpo_tau": TAU,
            "use_cpu": True,
            "bf16": False,
            "gradient_checkpointing": False,
            "report_to": "none",
            "save_strategy": "no",
            "disable_tqdm": True,
            "logging_steps": 1,
            "seed": 3,
            # few tokens to choose from, so that rollouts end at different lengths
            "generation_kwargs": {"suppress_tokens": list(range(12, 330))},
            **settings,
        },
    )
    trainer = OraPOTrainer(
        model,
        [reward, *beside],
        args,
        train_dataset=dataset,
        eval_dataset=dataset if "eval_strategy" in settings else None,
        processing_class=processor,
        experts=experts,
    )
    trainer.recorder = Recorder()
    trainer.add_callback(trainer.recorder)
    generate = trainer._generate_and_score_completions

    def keep(inputs):
        trainer.generation_inputs, trainer.generation = inputs, generate(inputs)
        return trainer.generation

    trainer._generate_and_score_completions = keep
    return trainer


def disturb(model, seed=5):
    """Move the policy away from the reference, as an earlier step would have."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(0.05 * noise.to(parameter.dtype))


def token_logps(model, processor, row, answer_ids, prompt_width, temperature=1.0):
    """Log-probabilities of one answer, computed alone: no padding, no batch.

    Positions begin where the left padding of the batch ends, because transformers computes rotary
    embeddings in float32 and so makes 1e-9 of difference between shifted positions.
    """
    text = processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text_of(row)}]}],
        add_generation_prompt=True,
    )
    x = processor(images=[[row["images"][0]]], text=[text], return_tensors="pt")
    prompt = x["input_ids"].shape[1]
    ids = torch.cat([x["input_ids"], torch.tensor([answer_ids])], dim=1)
    positions = torch.arange(ids.shape[1])[None] + prompt_width - prompt
    out = model(
        input_ids=ids,
        position_ids=positions,
        attention_mask=torch.ones_like(ids),
        pixel_values=x["pixel_values"],
        pixel_attention_mask=x["pixel_attention_mask"],
    )
    # what is no word can't be said, so it has no part in the distribution
    tokenizer = processor.tokenizer
    marked = {number for number, one in tokenizer.added_tokens_decoder.items() if one.special}
    special = sorted(marked - {tokenizer.eos_token_id})
    logits = out.logits[0, prompt - 1 : -1].index_fill(-1, torch.tensor(special), -math.inf)
    logps = (logits / temperature).log_softmax(-1)
    return logps.gather(-1, torch.tensor(answer_ids)[:, None])[:, 0]


def text_of(row):
    content = row["prompt"][0]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def reference_loss(
    trainer,
    policy,
    reference,
    table,
    *,
    beta,
    temperature=1.0,
    method="orapo",
    lesson="dpo",
    experts=None,
    length=LENGTH,
):
    """DESIGN 1.3, equation by equation, one study and one rollout at a time."""
    processor, total = trainer.processing_class, 0.0
    inputs, batch = trainer.generation_inputs, trainer.generation
    studies, width = len(inputs) // K, batch["prompt_ids"].shape[1]
    for i in range(studies):
        rewards = table[inputs[i * K]["study_id"]]
        known = [r for r in rewards if not math.isnan(r)]
        if experts and inputs[i * K]["study_id"] in experts:
            total = total + EXPERT_WEIGHT / studies * expert_loss(
                processor, policy, reference, inputs[i * K], experts, width
            )
        if not known:
            continue
        zeros = [j for j, r in enumerate(rewards) if r == 0]
        zrr = len(zeros) / len(known)
        weight = min(max(W_MIN + (W_MAX - W_MIN) * zrr**GAMMA, W_MIN), W_MAX)
        rejected = zeros
        if not zeros and min(known) < REFERENCE_REWARD:
            rejected = [rewards.index(min(known))]
        if not rejected or method == "grpo":
            weight, rejected = 0.0, []
        mean = sum(known) / len(known)
        grpo = dpo = 0.0
        chosen = processor.tokenizer(
            inputs[i * K]["report"] + "<end_of_utterance>", add_special_tokens=False
        )["input_ids"]
        for j, reward in enumerate(rewards):
            row = inputs[i * K + j]
            n = i * K + j
            answer = batch["completion_ids"][n][batch["completion_mask"][n].bool()].tolist()
            logps = token_logps(policy, processor, row, answer, width, temperature)
            with torch.no_grad():
                ref = token_logps(reference, processor, row, answer, width, temperature)
            if not math.isnan(reward):
                ratio = torch.exp(logps - logps.detach())
                token = -torch.minimum(
                    ratio * (reward - mean), ratio.clamp(0.8, 1.2) * (reward - mean)
                )
                token = token + beta * (torch.exp(ref - logps) - (ref - logps) - 1)
                grpo = grpo + token.sum() / length / len(known)
            if j in rejected:
                plain = token_logps(policy, processor, row, answer, width)
                plus = token_logps(policy, processor, row, chosen, width)
                with torch.no_grad():
                    plain_ref = token_logps(reference, processor, row, answer, width)
                    plus_ref = token_logps(reference, processor, row, chosen, width)
                delta_plus = (plus.sum() - plus_ref.sum()) / len(chosen)
                delta_minus = (plain.sum() - plain_ref.sum()) / len(answer)
                loss = -torch.log(torch.sigmoid(TAU * (delta_plus - delta_minus)))
                if lesson != "dpo":
                    loss = (loss if lesson == "both" else 0) - plus.sum() / len(chosen)
                dpo = dpo + loss / len(rejected)
        total = total + ((1 - weight) * grpo + weight * dpo) / studies
    return total


def expert_loss(processor, policy, reference, row, experts, width):
    """-log sigmoid(tau * (D_better - D_worse)) of an expert's pair of a study."""
    deltas = []
    for text in experts[row["study_id"]]:
        ids = processor.tokenizer(text + "<end_of_utterance>", add_special_tokens=False)
        answer = ids["input_ids"]
        logps = token_logps(policy, processor, row, answer, width)
        with torch.no_grad():
            ref = token_logps(reference, processor, row, answer, width)
        deltas.append((logps.sum() - ref.sum()) / len(answer))
    return -torch.log(torch.sigmoid(TAU * (deltas[0] - deltas[1])))


def assert_step_matches(
    trainer,
    policy,
    reference,
    table,
    tolerance,
    loss_tolerance=1e-7,
    scale=lambda batch: 1.0,
    **settings,
):
    # The whole KL part of these losses is 8e-4.
    trainer.train()
    # the learning rate has moved the weights since: compare with the policy before the step
    expected = reference_loss(trainer, policy, reference, table, **settings)
    expected = expected * scale(trainer.generation)
    expected.backward()
    got = trainer.recorder.gradients
    assert trainer.state.log_history[0]["loss"] == pytest.approx(
        expected.item(), abs=loss_tolerance
    )
    compared = 0
    for name, parameter in policy.named_parameters():
        if parameter.grad is None:
            assert got[name] is None or not got[name].any()
            continue
        torch.testing.assert_close(got[name], parameter.grad, atol=tolerance, rtol=tolerance)
        compared += bool(parameter.grad.any())
    assert compared > 20


@pytest.mark.parametrize("beta", [0.0, 0.04])
@pytest.mark.parametrize("accumulation", [1, 4])
def test_a_step_is_the_equations_in_float64(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, monkeypatch, beta, accumulation
):
    monkeypatch.setattr(GRPOTrainer, "_get_per_token_logps_and_entropies", float64_logps)
    model = tiny_model.double()
    reference = copy.deepcopy(model)
    trainer = make_trainer(
        model,
        tiny_processor,
        tiny_dataset,
        tmp_path,
        beta=beta,
        gradient_accumulation_steps=accumulation,
    )
    disturb(model)
    policy = copy.deepcopy(reference)
    disturb(policy)
    assert_step_matches(trainer, policy, reference, REWARDS, FLOAT64, beta=beta)


@pytest.mark.parametrize("limit", [CLIP_LENGTH, 20])
@pytest.mark.parametrize("method", ["orapo", "grpo"])
def test_the_limit_of_the_sampling_does_not_move_the_mix(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, monkeypatch, limit, method
):
    """L_GRPO is divided by the mean length of the reports, whatever a rollout's longest length is."""
    monkeypatch.setattr(GRPOTrainer, "_get_per_token_logps_and_entropies", float64_logps)
    model = tiny_model.double()
    reference = copy.deepcopy(model)
    trainer = make_trainer(
        *(model, tiny_processor, tiny_dataset, tmp_path),
        max_completion_length=limit,
        loss_length=None,
        method=method,
    )
    disturb(model)
    policy = copy.deepcopy(reference)
    disturb(policy)
    reports = tiny_processor.tokenizer([row["report"] for row in tiny_dataset])["input_ids"]
    mean = sum(len(ids) + 1 for ids in reports) / len(reports)  # the end counts
    settings = {"beta": 0.04, "method": method, "length": mean}
    assert_step_matches(trainer, policy, reference, REWARDS, FLOAT64, **settings)


def test_without_reports_the_length_is_trl_s(tiny_model, tiny_processor, tiny_dataset, tmp_path):
    rows = tiny_dataset.remove_columns("report")
    settings = {"method": "grpo", "loss_length": None}
    trainer = make_trainer(tiny_model, tiny_processor, rows, tmp_path, **settings)
    assert trainer.loss_length == CLIP_LENGTH


@pytest.mark.parametrize("lesson", ["sft", "both"])
def test_the_lesson_of_supervision_has_the_same_weights(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, monkeypatch, lesson
):
    monkeypatch.setattr(GRPOTrainer, "_get_per_token_logps_and_entropies", float64_logps)
    model = tiny_model.double()
    reference = copy.deepcopy(model)
    trainer = make_trainer(model, tiny_processor, tiny_dataset, tmp_path, lesson=lesson)
    disturb(model)
    policy = copy.deepcopy(reference)
    disturb(policy)
    assert_step_matches(trainer, policy, reference, REWARDS, FLOAT64, beta=0.04, lesson=lesson)


@pytest.mark.parametrize("accumulation", [1, 4])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_experts_pairs_join_the_dpo_term_with_their_own_weight(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, monkeypatch, accumulation, temperature
):
    monkeypatch.setattr(GRPOTrainer, "_get_per_token_logps_and_entropies", float64_logps)
    model = tiny_model.double()
    reference, policy = copy.deepcopy(model), copy.deepcopy(model)
    names = [row["study_id"] for row in tiny_dataset]
    experts = {
        names[0]: ("No pneumothorax is seen.", "Large effusion on the left."),
        names[2]: ("The heart is enlarged.", "Normal."),
    }
    judged = [
        Preference("p", study, "", (), worse, better, "right", "r", "a", "b")
        for study, (better, worse) in experts.items()
    ]
    tie = Preference("p", names[1], "", (), "Effusion.", "Normal.", "tie", "r", "a", "b")
    trainer = make_trainer(
        model,
        tiny_processor,
        tiny_dataset,
        tmp_path,
        method="orapo+rlhf",
        experts=ExpertPairs([*judged, tie]),
        expert_weight=EXPERT_WEIGHT,
        temperature=temperature,
        gradient_accumulation_steps=accumulation,
    )
    disturb(model)
    disturb(policy)
    assert_step_matches(
        *(trainer, policy, reference, REWARDS, FLOAT64),
        beta=0.04,
        temperature=temperature,
        experts=experts,
    )


@pytest.mark.parametrize("accumulation", [1, 4])
def test_the_sampling_temperature_does_not_reach_the_dpo_term(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, monkeypatch, accumulation
):
    monkeypatch.setattr(GRPOTrainer, "_get_per_token_logps_and_entropies", float64_logps)
    model = tiny_model.double()
    reference, policy = copy.deepcopy(model), copy.deepcopy(model)
    trainer = make_trainer(
        model,
        tiny_processor,
        tiny_dataset,
        tmp_path,
        temperature=0.7,
        gradient_accumulation_steps=accumulation,
    )
    disturb(model)
    disturb(policy)
    assert_step_matches(trainer, policy, reference, REWARDS, FLOAT64, beta=0.04, temperature=0.7)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_a_step_with_the_fused_head_agrees_in_float32(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, temperature
):
    reference, policy = copy.deepcopy(tiny_model), copy.deepcopy(tiny_model)
    trainer = make_trainer(
        tiny_model, tiny_processor, tiny_dataset, tmp_path, temperature=temperature
    )
    disturb(tiny_model)
    disturb(policy)
    assert_step_matches(
        trainer,
        policy,
        reference,
        REWARDS,
        2e-4,
        loss_tolerance=1e-5,
        beta=0.04,
        temperature=temperature,
    )


def test_method_grpo_is_the_grpo_part_alone(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr(GRPOTrainer, "_get_per_token_logps_and_entropies", float64_logps)
    model = tiny_model.double()
    reference, policy = copy.deepcopy(model), copy.deepcopy(model)
    trainer = make_trainer(model, tiny_processor, tiny_dataset, tmp_path, method="grpo")
    disturb(model)
    disturb(policy)
    assert_step_matches(trainer, policy, reference, REWARDS, FLOAT64, beta=0.04, method="grpo")


@pytest.mark.parametrize("accumulation", [1, 4])
def test_dapo_s_loss_is_a_mean_over_tokens_without_those_of_unknown_reward(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, monkeypatch, accumulation
):
    monkeypatch.setattr(GRPOTrainer, "_get_per_token_logps_and_entropies", float64_logps)
    model = tiny_model.double()
    reference, policy = copy.deepcopy(model), copy.deepcopy(model)
    trainer = make_trainer(
        *(model, tiny_processor, tiny_dataset, tmp_path),
        method="grpo",
        loss_type="dapo",
        epsilon_high=0.28,
        gradient_accumulation_steps=accumulation,
    )
    disturb(model)
    disturb(policy)
    assert_step_matches(
        *(trainer, policy, reference, REWARDS, FLOAT64),
        # the GRPO part divides by the rollouts and the longest one, this by all tokens
        scale=lambda batch: 16 * LENGTH / batch["completion_mask"].sum().item(),
        beta=0.04,
        method="grpo",
    )


def test_without_any_known_reward_nothing_is_learned(
    tiny_model, tiny_processor, tiny_dataset, tmp_path
):
    before = copy.deepcopy(tiny_model.state_dict())
    table = {study: [NAN] * K for study in REWARDS}
    trainer = make_trainer(tiny_model, tiny_processor, tiny_dataset, tmp_path, rewards=table)
    trainer.train()
    assert all(g is None or not g.any() for g in trainer.recorder.gradients.values())
    assert len(trainer.oracle) == 0
    assert trainer.state.log_history[0]["oracle/unknown_rewards"] == 1.0
    for name, value in tiny_model.state_dict().items():
        torch.testing.assert_close(value, before[name])


def test_the_log_names_no_study_when_the_judge_fails(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, caplog
):
    table = {study: [NAN] * K for study in REWARDS}
    trainer = make_trainer(tiny_model, tiny_processor, tiny_dataset, tmp_path, rewards=table)
    trainer.train()
    assert "lungs are clear" not in caplog.text
    assert "study_id" not in caplog.text


FIRST, SECOND = (
    REWARDS,
    {
        "s0": [0.0, 0.0, 0.0, 1.0],
        "s1": [0.5, 1.0, 0.25, 0.0],
        "s2": [0.5, 0.25, 1.0, 0.5],
        "s3": [NAN, NAN, NAN, NAN],  # teaches nothing: the first visit's rate stays
    },
)
# zt = 0.5 * (first visit's rate) + 0.5 * (second visit's)
SMOOTHED = {
    "s0": 0.5 * 2 / 4 + 0.5 * 3 / 4,
    "s1": 0.5 * 0 + 0.5 * 1 / 4,
    "s2": 0.5 * 1 + 0.5 * 0,
    "s3": 1 / 3,
}


# GRPO alone: all are above their reports. DPO alone: all earn the same, nothing.
ONE_TERM = {"grpo": [1.0, 0.875, 1.0, 0.875], "dpo": [0.0] * K}


@pytest.mark.parametrize("term", ONE_TERM)
def test_the_norms_of_both_gradients_are_those_of_the_step(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, term
):
    trainer = make_trainer(
        *(tiny_model, tiny_processor, tiny_dataset, tmp_path),
        dict.fromkeys(REWARDS, ONE_TERM[term]),
        beta=0.0,
        grad_every=1,
    )
    trainer.train()
    gradients = [g for g in trainer.recorder.gradients.values() if g is not None]
    whole = torch.stack([g.norm() for g in gradients]).norm().item()
    logged = trainer.state.log_history[0]
    other = "dpo" if term == "grpo" else "grpo"
    assert logged[f"grad/{term}"] == pytest.approx(whole, rel=1e-5)
    assert logged[f"grad/{term}"] > 1e-3
    assert logged[f"grad/{other}"] == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(
    "checkpointing", [None, {"use_reentrant": False}, {"use_reentrant": True}, {}]
)
def test_gradients_are_measured_every_so_many_steps_and_change_nothing(
    tiny_processor, tiny_dataset, tmp_path, tiny_model, checkpointing
):
    """Nothing is measured with reentrant checkpointing (torch's default), and the run goes on."""
    models = [tiny_model, copy.deepcopy(tiny_model)]
    logged = []
    for model, every in zip(models, (2, 0), strict=True):
        trainer = make_trainer(
            *(model, tiny_processor, tiny_dataset, tmp_path),
            max_steps=3,
            grad_every=every,
            gradient_accumulation_steps=2,
            gradient_checkpointing=checkpointing is not None,
            gradient_checkpointing_kwargs=checkpointing,
        )
        trainer.train()
        steps = trainer.state.log_history[:3]
        logged.append([step.get("grad/dpo") is not None for step in steps])
    measured = checkpointing is None or not checkpointing.get("use_reentrant", True)
    assert logged == [[measured, False, measured], [False] * 3]
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(one, other)


def test_no_memory_for_gradients_ends_the_measuring_not_the_run(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, monkeypatch, caplog
):
    def full(*_, **__):
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(torch.autograd, "grad", full)
    settings = {"max_steps": 2, "grad_every": 1}
    trainer = make_trainer(tiny_model, tiny_processor, tiny_dataset, tmp_path, **settings)
    trainer.train()
    assert trainer.state.global_step == 2
    assert caplog.text.count("are not measured any more: no memory") == 1


def test_the_smoothing_acts_where_each_study_is_visited_once(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, monkeypatch
):
    """One epoch: a first visit is smoothed with the rates of the studies before it."""
    monkeypatch.setattr(oracle, "RUNNING_GROUPS", 2)  # two groups say enough
    weights = {}
    for first in ("running", "own"):
        trainer = make_trainer(
            *(copy.deepcopy(tiny_model), tiny_processor, tiny_dataset, tmp_path),
            max_steps=-1,
            num_train_epochs=1,
            per_device_train_batch_size=2 * K,
            zrr_first=first,
        )
        trainer.train()
        assert trainer.state.global_step == 2
        early, late = trainer.reward_funcs[0].visits
        share = {name: rate(REWARDS[name]) for name in REWARDS}
        before = sum(share[name] for name in early) / 2
        smoothed = {name: share[name] for name in early}
        for name in late:
            smoothed[name] = share[name]
            if first == "running":
                smoothed[name] = 0.5 * before + 0.5 * share[name]
        assert rates(trainer) == pytest.approx(smoothed)
        weights[first] = trainer.generation["sample_weight"]
    assert not torch.equal(weights["running"], weights["own"])


def rate(rewards):
    known = [one for one in rewards if not math.isnan(one)]
    return known.count(0.0) / len(known)


class OracleAtStart(TrainerCallback):
    """Keeps what the oracle knew before the first step."""

    def on_train_begin(self, args, state, control, **kwargs):
        self.rates = rates(self.trainer)


def rates(trainer):
    return {study: trainer.oracle[study] for study in REWARDS if study in trainer.oracle}


def test_the_oracle_smooths_a_study_s_rate_over_its_visits_and_weighs_by_it(
    tiny_model, tiny_processor, tiny_dataset, tmp_path
):
    trainer = make_trainer(
        tiny_model, tiny_processor, tiny_dataset, tmp_path, [FIRST, SECOND], max_steps=2
    )
    trainer.train()
    assert rates(trainer) == pytest.approx(SMOOTHED)
    rows = {row["study_id"]: n for n, row in enumerate(trainer.generation_inputs[::K])}
    sample_weight = trainer.generation["sample_weight"].view(-1, K)
    pair_weight = trainer.generation["pair_weight"].view(-1, K)
    for study, zeros in {"s0": [0, 1, 2], "s1": [3], "s2": [1]}.items():  # s2: its worst
        weight = W_MIN + (W_MAX - W_MIN) * SMOOTHED[study] ** GAMMA
        assert sample_weight[rows[study]].tolist() == pytest.approx([1 - weight] * K)
        share = weight * K / len(zeros)
        expected = [share if j in zeros else 0.0 for j in range(K)]
        assert pair_weight[rows[study]].tolist() == pytest.approx(expected)


def test_the_oracle_s_memory_is_in_the_checkpoint(
    tiny_model, tiny_processor, tiny_dataset, tmp_path
):
    saving = {"save_strategy": "steps", "save_steps": 2}
    trainer = make_trainer(
        tiny_model, tiny_processor, tiny_dataset, tmp_path, [FIRST, SECOND], max_steps=2, **saving
    )
    trainer.train()
    again = make_trainer(tiny_model, tiny_processor, tiny_dataset, tmp_path, FIRST, max_steps=3)
    assert rates(again) == {}
    start = OracleAtStart()
    start.trainer = again
    again.add_callback(start)
    again.train(resume_from_checkpoint=True)
    assert start.rates == pytest.approx(SMOOTHED)
    # a third visit with the first one's rewards
    assert again.oracle["s0"] == pytest.approx(0.5 * SMOOTHED["s0"] + 0.5 * 2 / 4)


def test_a_report_meets_the_reference_model_once(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, monkeypatch
):
    """Its log-probability there never changes, so that later visits, and a resumed run, know it."""
    scored = []
    score = OraPOTrainer._answer_logps

    def spy(self, model, batch, chosen_rows, rejected_rows):
        if model is self.ref_model:
            scored.append(len(chosen_rows))
        return score(self, model, batch, chosen_rows, rejected_rows)

    monkeypatch.setattr(OraPOTrainer, "_answer_logps", spy)
    saving = {"save_strategy": "steps", "save_steps": 2}
    trainer = make_trainer(
        tiny_model, tiny_processor, tiny_dataset, tmp_path, FIRST, max_steps=2, **saving
    )
    trainer.train()
    assert scored == [4, 0]
    batch, ids = trainer.generation, [row["study_id"] for row in trainer.generation_inputs]
    with torch.no_grad():
        anew, _ = score(trainer, trainer.ref_model, batch, list(range(len(ids))), [])
    pairs = batch["pair_weight"] > 0
    torch.testing.assert_close(batch["ref_chosen_logps"][pairs], anew[pairs])

    again = make_trainer(tiny_model, tiny_processor, tiny_dataset, tmp_path, FIRST, max_steps=3)
    again.train(resume_from_checkpoint=True)
    assert scored == [4, 0, 0]
    assert again.oracle.reference_logps == trainer.oracle.reference_logps


def test_a_reference_that_is_synchronised_is_asked_every_time(
    tiny_model, tiny_processor, tiny_dataset, tmp_path
):
    trainer = make_trainer(
        tiny_model, tiny_processor, tiny_dataset, tmp_path, FIRST, sync_ref_model=True
    )
    trainer.train()
    assert trainer.oracle.reference_logps == {}


@pytest.mark.parametrize(
    "window", [{"steps_per_generation": 4, "gradient_accumulation_steps": 1}, {"num_iterations": 4}]
)
@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize("saved", [True, False])
def test_a_generation_that_a_resume_goes_on_with_or_repeats_is_counted_once(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, window, step, saved
):
    """One generation gives four steps; the run stops within the second one.

    Without its rollouts (a checkpoint of another number of processes) its prompts are sampled anew.
    """
    if "steps_per_generation" in window:
        window = {**window, "per_device_train_batch_size": K}
    settings = {"save_strategy": "steps", "save_steps": 4 + step, **window}
    trainer = make_trainer(
        tiny_model,
        tiny_processor,
        tiny_dataset,
        tmp_path,
        [FIRST, SECOND],
        max_steps=4 + step,
        **settings,
    )
    trainer.train()
    assert rates(trainer) == pytest.approx(SMOOTHED)
    if not saved:
        checkpoint = tmp_path / f"checkpoint-{4 + step}"
        (checkpoint / LOOP_FILE).unlink()
        mark_whole(checkpoint)

    reward = TableReward([FIRST, SECOND])
    again = make_trainer(
        tiny_model, tiny_processor, tiny_dataset, tmp_path, reward, max_steps=8, **window
    )
    again.train(resume_from_checkpoint=True)
    assert len(reward.visits) == (not saved)
    if not saved:  # the rest of the second generation, sampled anew
        assert sorted(reward.visits[0]) == sorted(trainer.reward_funcs[0].visits[1])
    assert rates(again) == pytest.approx(SMOOTHED)

    tables = [SECOND] if saved else [FIRST, SECOND]
    more = make_trainer(
        tiny_model, tiny_processor, tiny_dataset, tmp_path, tables, max_steps=9, **window
    )
    more.train(resume_from_checkpoint=True)
    assert len(more.reward_funcs[0].visits) == len(tables)  # and then the third generation counts
    assert more.oracle["s0"] == pytest.approx(0.5 * SMOOTHED["s0"] + 0.5 * 3 / 4)


def test_a_resume_that_skips_no_data_counts_its_first_generation(
    tiny_model, tiny_processor, tiny_dataset, tmp_path
):
    window = {"num_iterations": 2}
    settings = {"save_strategy": "steps", "save_steps": 1, **window}
    make_trainer(
        tiny_model, tiny_processor, tiny_dataset, tmp_path, FIRST, max_steps=1, **settings
    ).train()
    again = make_trainer(
        tiny_model,
        tiny_processor,
        tiny_dataset,
        tmp_path,
        SECOND,
        max_steps=2,
        ignore_data_skip=True,
        **window,
    )
    again.train(resume_from_checkpoint=True)
    assert rates(again) == pytest.approx(SMOOTHED)


def test_a_rollout_as_good_as_the_reference_is_not_rejected(
    tiny_model, tiny_processor, tiny_dataset, tmp_path
):
    """5/6 is no number of float32, in which TRL holds the rewards of rollouts."""
    reward = TableReward(dict.fromkeys(REWARDS, [5 / 6] * K), reference=5 / 6)
    trainer = make_trainer(tiny_model, tiny_processor, tiny_dataset, tmp_path, reward)
    trainer.train()
    assert trainer.state.log_history[0]["oracle/pairs"] == 0
    assert trainer.state.log_history[0]["oracle/weight"] == 0


@pytest.mark.parametrize("rejected", ["worst", "zero"])
@pytest.mark.parametrize(("own", "paired"), [(0.0, 0), (None, 4), (0.5, 4)])
def test_a_report_that_earns_nothing_itself_is_no_chosen_answer(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, rejected, own, paired
):
    """An unknown reward is no zero: such a report stays."""
    reward = TableReward(dict.fromkeys(REWARDS, [0.0] * K), reference=own)
    trainer = make_trainer(
        tiny_model, tiny_processor, tiny_dataset, tmp_path, reward, rejected=rejected
    )
    trainer.train()
    logged = trainer.state.log_history[0]
    assert logged["oracle/pairs"] == paired
    assert logged["oracle/weight"] == pytest.approx(W_MAX if paired else 0)
    assert logged.get("oracle/reference_zero") == {0.0: 1.0, None: None, 0.5: 0.0}[own]


def test_what_the_reward_logs_about_a_reference_report_is_no_metric_of_the_rollouts(
    tiny_model, tiny_processor, tiny_dataset, tmp_path
):
    trainer = make_trainer(tiny_model, tiny_processor, tiny_dataset, tmp_path)
    trainer.train()
    assert trainer.state.log_history[0]["judge/reports"] == 4 * K


def test_padding_changes_no_log_probability_of_a_report(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr(GRPOTrainer, "_get_per_token_logps_and_entropies", float64_logps)
    trainer = make_trainer(tiny_model.double(), tiny_processor, tiny_dataset, tmp_path)
    trainer.train()
    batch = trainer.generation
    extra = (len(batch["chosen_ids"]), 7)
    wider = {
        **batch,
        "chosen_ids": torch.cat([batch["chosen_ids"], torch.full(extra, 40)], dim=1),
        "chosen_mask": torch.cat([batch["chosen_mask"], torch.zeros(extra, dtype=int)], dim=1),
    }
    rows, rejected = [0, 4, 8, 12], [1, 5]
    with torch.no_grad():
        narrow = trainer._answer_logps(trainer.model, batch, rows, rejected)
        wide = trainer._answer_logps(trainer.model, wider, rows, rejected)
    for got, expected in zip(wide, narrow, strict=True):
        assert (expected < -1).all()
        torch.testing.assert_close(got, expected, rtol=0, atol=FLOAT64)


def test_evaluation_leaves_the_oracle_alone(tiny_model, tiny_processor, tiny_dataset, tmp_path):
    trainer = make_trainer(
        tiny_model, tiny_processor, tiny_dataset, tmp_path, per_device_eval_batch_size=4
    )
    trainer.evaluate(tiny_dataset)
    assert len(trainer.oracle) == 0


def test_evaluation_within_training_leaves_the_oracle_alone(
    tiny_model, tiny_processor, tiny_dataset, tmp_path
):
    class OtherInEvaluation(TableReward):
        def __call__(self, *args, **columns):
            self.tables = [FIRST if self.trainer.model.training else SECOND]
            self.seen = getattr(self, "seen", 0) + (not self.trainer.model.training)
            return super().__call__(*args, **columns)

    reward = OtherInEvaluation(FIRST)
    trainer = make_trainer(
        tiny_model,
        tiny_processor,
        tiny_dataset,
        tmp_path,
        reward,
        max_steps=2,
        per_device_eval_batch_size=K,
        eval_strategy="steps",
        eval_steps=1,
    )
    reward.trainer = trainer
    trainer.train()
    assert reward.seen == 2 * len(tiny_dataset)
    assert rates(trainer) == {"s0": 2 / 4, "s1": 0, "s2": 1, "s3": pytest.approx(1 / 3)}
    assert sum("eval_loss" in line for line in trainer.state.log_history) == 2


def test_the_loss_in_evaluation_is_that_of_trl(tiny_model, tiny_processor, tiny_dataset, tmp_path):
    tokenizer = tiny_processor.tokenizer
    marked = {number for number, one in tokenizer.added_tokens_decoder.items() if one.special}
    silent = {*range(12, 330), *marked} - {tokenizer.eos_token_id}
    settings = {
        "beta": 0.0,
        "per_device_eval_batch_size": K,
        "generation_kwargs": {"suppress_tokens": sorted(silent)},
    }
    plain = copy.deepcopy(tiny_model)
    ours = make_trainer(tiny_model, tiny_processor, tiny_dataset, tmp_path, **settings)
    trl = GRPOTrainer(
        plain,
        TableReward(REWARDS),
        ours.args,
        train_dataset=tiny_dataset,
        processing_class=tiny_processor,
    )
    losses = []
    for trainer in (ours, trl):
        disturb(trainer.model)
        torch.manual_seed(0)
        losses.append(trainer.evaluate(tiny_dataset.select([0, 1, 2]))["eval_loss"])
    assert losses[0] == losses[1] != 0


def test_placeholders_cannot_be_sampled(tiny_model, tiny_processor, tiny_dataset, tmp_path):
    trainer = make_trainer(
        tiny_model, tiny_processor, tiny_dataset, tmp_path, generation_kwargs=None
    )
    tokenizer = tiny_processor.tokenizer
    special = set(tokenizer.all_special_ids) - {tokenizer.eos_token_id}
    assert special <= set(trainer.generation_config.suppress_tokens)
    assert tokenizer.eos_token_id not in trainer.generation_config.suppress_tokens


def test_placeholders_cannot_be_sampled_under_vllm(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, monkeypatch
):
    class Engine:
        """Stands for TRL's `VLLMGeneration`, which hands these to vLLM with every request."""

        vllm_client = SimpleNamespace(
            get_server_info=lambda: {"model_config": {"logprobs_mode": "processed_logprobs"}}
        )

        def __init__(self, generation_kwargs, **settings):
            self.generation_kwargs = generation_kwargs

    monkeypatch.setattr(grpo_trainer, "VLLMGeneration", Engine)
    given = {"seed": 7, "logit_bias": {9: 1.5}}
    trainer = make_trainer(
        tiny_model,
        tiny_processor,
        tiny_dataset,
        tmp_path,
        generation_kwargs=given,
        use_vllm=True,
        vllm_mode="server",
    )
    tokenizer = tiny_processor.tokenizer
    marked = {number for number, one in tokenizer.added_tokens_decoder.items() if one.special}
    special = marked - {tokenizer.eos_token_id}
    assert tiny_processor.tokenizer.convert_tokens_to_ids("<image>") in special
    passed = trainer.vllm_generation.generation_kwargs
    assert passed == {"seed": 7, "logit_bias": {9: 1.5, **dict.fromkeys(special, -100.0)}}
    assert given == {"seed": 7, "logit_bias": {9: 1.5}}  # the caller's own is left alone


def test_a_missing_column_is_said_before_anything_runs(tiny_model, tiny_processor, tiny_dataset):
    with pytest.raises(OrapoError, match=r"lacks the column.*report"):
        OraPOTrainer(
            tiny_model,
            TableReward(REWARDS),
            OraPOConfig("x", use_cpu=True, bf16=False),
            train_dataset=tiny_dataset.remove_columns("report"),
            processing_class=tiny_processor,
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", "ppo"),
        ("w_max", 0.01),
        ("zrr_alpha", 1.5),
        ("dpo_tau", 0.0),
        ("rejected", "all"),
        ("uncertain", "maybe"),
        ("loss_type", "grpo"),
        ("lesson", "none"),
        ("max_minutes", -1.0),
        ("vision_learning_rate", -1e-4),
        ("top_entropy_quantile", 0.2),  # TRL compares entropies times the weights of the mix
    ],
)
def test_a_wrong_setting_is_named(field, value, tmp_path):
    with pytest.raises(OrapoError, match=field):
        OraPOConfig(str(tmp_path), use_cpu=True, bf16=False, **{field: value})


def test_a_colocated_vllm_is_refused_for_a_model_that_sees(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr(grpo_trainer, "VLLMGeneration", lambda **settings: None)
    with pytest.raises(OrapoError, match="TRL issue 6294"):
        make_trainer(
            tiny_model,
            tiny_processor,
            tiny_dataset,
            tmp_path,
            use_vllm=True,
            vllm_mode="colocate",
        )


def test_the_base_is_as_it_was_when_vllm_has_been_given_the_sum(
    tiny_model, tiny_processor, tiny_dataset, tmp_path, monkeypatch
):
    class Engine:
        vllm_client = SimpleNamespace(
            get_server_info=lambda: {"model_config": {"logprobs_mode": "processed_logprobs"}}
        )

        def __init__(self, model, generation_kwargs, **settings):
            self.model, self.generation_kwargs = model, generation_kwargs

        def sync_weights(self):
            self.model.merge_adapter()
            self.model.unmerge_adapter()

    monkeypatch.setattr(grpo_trainer, "VLLMGeneration", Engine)
    adapter = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    trainer = make_trainer(
        get_peft_model(tiny_model, adapter).to(torch.bfloat16),
        tiny_processor,
        tiny_dataset,
        tmp_path,
        use_vllm=True,
        vllm_mode="server",
    )
    before = copy.deepcopy(trainer.model.state_dict())
    trainer.vllm_generation.sync_weights()
    for name, value in trainer.model.state_dict().items():
        assert value.equal(before[name]), name
