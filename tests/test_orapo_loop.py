"""The method in one file (examples/orapo_loop.py) is the method of the trainer, to 1e-8."""

import copy
import importlib.util
import math
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOTrainer

from orapo import OraPOConfig, OraPOTrainer
from orapo.losses import zero_reward_rate
from orapo.models.placeholders import no_words

FILE = Path(__file__).parents[1] / "examples" / "orapo_loop.py"
# One study for each case of the method; all dyadic, since TRL holds rewards in float32.
REWARDS = {
    "s0": [0.0, 0.0, 0.5, 1.0],  # two zeros: two rejected answers
    "s1": [0.5, 1.0, 0.25, 0.25],  # no zero: its worst, the first of the two
    "s2": [0.0, 0.0, 0.0, 0.0],  # exploration failed: no advantage, four pairs
    "s3": [math.nan, 0.0, 1.0, 0.5],  # the judge failed once
}
UNKNOWN = {
    "s0": [math.nan] * 4,  # nothing is known: no loss
    "s1": [1.0, 0.875, 1.0, 0.875],  # all above the reference report: no pair
    "s2": [math.nan, math.nan, math.nan, 0.0],
    "s3": [0.75, 0.75, 0.75, 0.75],
}
OWN = 0.75


@pytest.fixture
def loop(monkeypatch):
    """The example as a module, with short reports."""
    spec = importlib.util.spec_from_file_location("orapo_loop", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "MAX_TOKENS", 12)
    return module


class TableReward:
    """Rewards from a table, by study and place in the group; the reference report's own alone."""

    __name__ = "facts"

    def __init__(self, table):
        self.table = table

    def __call__(self, completions, study_id, **columns):
        if len(completions) == 1:
            return [OWN]
        rewards = [self.table[name][n % 4] for n, name in enumerate(study_id)]
        return [None if math.isnan(reward) else reward for reward in rewards]


class Gradients(TrainerCallback):
    """Keeps them as they are before the optimiser takes its step."""

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.kept = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def in_float64(self, model, input_ids, attention_mask, logits_to_keep, batch_size=None, **inputs):
    """TRL's scoring without its fused head, which computes in float32."""
    names = ("pixel_values", "pixel_attention_mask")
    films = {name: inputs[name] for name in names if inputs.get(name) is not None}
    logits = model(input_ids=input_ids, attention_mask=attention_mask, **films).logits[:, :-1]
    every = logits.log_softmax(-1)
    logps = every.gather(-1, input_ids[:, 1:, None])[..., 0][:, -logits_to_keep:]
    entropy = -(every.exp() * every).sum(-1)[:, -logits_to_keep:]
    return logps, entropy, None


def disturbed(model):
    """Move a policy away from its reference, as earlier steps would have."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(0.05 * noise)
    return model


@pytest.mark.parametrize("table", [REWARDS, UNKNOWN], ids=["every case", "unknown and no pair"])
def test_its_loss_and_gradients_are_the_trainers(
    loop, table, tiny_model, tiny_processor, tiny_dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr(GRPOTrainer, "_get_per_token_logps_and_entropies", in_float64)
    # one prompt for all, as the example has it
    rows = [{**row, "prompt": tiny_dataset[0]["prompt"]} for row in tiny_dataset]
    model = tiny_model.double()
    reference = copy.deepcopy(model)
    trainer = OraPOTrainer(
        model,
        [TableReward(table)],
        OraPOConfig(
            str(tmp_path),
            num_generations=loop.ROLLOUTS,
            per_device_train_batch_size=16,
            max_completion_length=loop.MAX_TOKENS,
            loss_length=loop.LENGTH,
            zrr_alpha=loop.ALPHA,
            w_min=loop.W_MIN,
            w_max=loop.W_MAX,
            zrr_gamma=loop.GAMMA,
            dpo_tau=loop.TAU,
            beta=loop.KL_WEIGHT,
            epsilon=loop.CLIP,
            max_steps=1,
            max_grad_norm=0.0,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            max_unknown=1.0,
            # few tokens to choose from, so that rollouts end at different lengths
            generation_kwargs={"suppress_tokens": list(range(12, 330))},
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tiny_processor,
    )
    disturbed(model)
    policy = disturbed(copy.deepcopy(reference))
    gradients, seen = Gradients(), {}
    trainer.add_callback(gradients)

    def keep(name, method):
        def keeping(*arguments):
            seen[name] = (arguments, method(*arguments))
            return seen[name][1]

        return keeping

    for name in ("_generate_and_score_completions", "_compute_loss"):
        monkeypatch.setattr(trainer, name, keep(name, getattr(trainer, name)))
    trainer.train()

    (inputs,), batch = seen["_generate_and_score_completions"]
    studies = inputs[:: loop.ROLLOUTS]
    rewards = torch.tensor([table[row["study_id"]] for row in studies], dtype=torch.float64)
    names = ("pixel_values", "pixel_attention_mask")
    assert batch["prompt_mask"].all()
    lengths = batch["completion_mask"].sum(dim=1)
    assert lengths.min() < lengths.max()
    tokenizer = tiny_processor.tokenizer
    loss, _ = loop.orapo_loss(
        policy,
        reference,
        sorted(no_words(tokenizer) - {tokenizer.eos_token_id}),
        batch["prompt_ids"][:: loop.ROLLOUTS],
        {name: batch[name][:: loop.ROLLOUTS] for name in names if name in batch},
        (batch["completion_ids"], batch["completion_mask"]),
        loop.encode(tokenizer, [row["report"] for row in studies]),
        rewards,
        torch.full((4,), OWN, dtype=torch.float64),
        zero_reward_rate(rewards),  # the first visit of each study
    )
    loss.backward()
    theirs = seen["_compute_loss"][1]
    assert theirs.dtype == torch.float64
    assert abs(theirs.item() - loss.item()) < 1e-8
    assert abs(loss.item()) > 1e-3
    compared = 0
    for name, parameter in policy.named_parameters():
        if parameter.grad is not None:
            expected = gradients.kept.get(name, torch.zeros_like(parameter))
            torch.testing.assert_close(parameter.grad, expected, atol=1e-8, rtol=1e-8)
            compared += bool(parameter.grad.any())
    assert compared > 20


def test_what_it_samples_ends_with_its_first_end(loop, tiny_model, tiny_processor, tiny_dataset):
    message = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Report."}]}
    ]
    text = tiny_processor.apply_chat_template(message, add_generation_prompt=True)
    images = [row["images"] for row in tiny_dataset]
    films = dict(tiny_processor(images=images, text=[text] * 4, return_tensors="pt"))
    prompt = films.pop("input_ids")
    del films["attention_mask"]
    end = tiny_processor.tokenizer.eos_token_id
    torch.manual_seed(0)
    answers, mask = loop.sample(tiny_model, prompt, films, list(range(6, 330)), [end])
    assert answers.shape == mask.shape
    assert len(answers) == 4 * loop.ROLLOUTS
    for answer, one in zip(answers.tolist(), mask.tolist(), strict=True):
        length = answer.index(end) + 1 if end in answer else len(answer)
        assert one == [1] * length + [0] * (len(answer) - length)
    assert mask.sum(dim=1).unique().numel() > 1


def test_it_is_short_and_uses_no_trainer():
    text = FILE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250
    assert "trl" not in text.lower().replace("control", "")
    lines = [line for line in text.splitlines() if "import" in line and "orapo" in line]
    used = {line.split()[1] for line in lines if line.startswith("from")}
    assert used == {"orapo", "orapo.data.conversation", "orapo.data.phantom", "orapo.facts"}
