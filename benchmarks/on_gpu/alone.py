"""Steps of gpu_check on one GPU with the whole model: LoRA, gradients, attention, long reports."""

import gc
import math
import statistics

import torch
from on_gpu.shape import (
    LORA_TARGET,
    SPECIAL,
    adapter,
    build_config,
    build_processor,
    phantom,
    random_model,
    train_studies,
    with_long_reports,
)
from on_gpu.verdict import Findings
from transformers import PrinterCallback, TrainerCallback, set_seed

from orapo import FactSReward, OraPOConfig, OraPOTrainer
from orapo.data.conversation import user_message
from orapo.training.preparing.dataset import training_dataset
from orapo.training.preparing.dry_run import Hardware, dry_run
from orapo.training.preparing.estimate import GIB
from orapo.training.recipe import RunConfig

CARD = 22 * GIB
"""What a card sold with 24 GB leaves; a larger one is held to it."""


def settings(scale, folder, **fields):
    """The recipe `one-gpu`, one study a step."""
    return OraPOConfig(
        output_dir=str(folder / "run"),
        use_cpu=scale.device == "cpu",
        **{
            "max_steps": 3,
            "per_device_train_batch_size": 8,
            "gradient_accumulation_steps": 1,
            "num_generations": 8,
            "max_completion_length": scale.answer,
            "learning_rate": 1e-4,
            "bf16": True,
            "gradient_checkpointing": True,
            "grad_every": 0,
            "report_to": "none",
            "logging_steps": 1,
            "save_strategy": "no",
            "disable_tqdm": True,
            "seed": 0,
            **fields,
        },
    )


def make_trainer(scale, config, studies, processor, reward=None, attention="sdpa"):
    """The whole model with a fresh adapter; equal calls make equal ones."""
    model = random_model(scale, processor, attention)
    set_seed(0)  # of the adapter
    trainer = OraPOTrainer(
        model,
        reward or FactSReward(),
        config,
        train_dataset=training_dataset(studies),
        processing_class=processor,
        peft_config=adapter(),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def estimate(scale, config, studies, processor, folder):
    """What `orapo train --dry-run` says of the same run on a card of 24 GB."""
    model = folder / "model"
    build_config(scale, processor).save_pretrained(model)
    processor.save_pretrained(model)
    manifest = folder / "phantom" / "manifest.jsonl"
    run = RunConfig(
        *(str(model), str(manifest)),
        use_peft=True,
        lora_target_modules=LORA_TARGET,
        dtype=str(scale.dtype).removeprefix("torch."),
    )
    return dry_run(run, config, studies, Hardware(CARD, "24 GB"))


def bits(tensor):
    return tensor.detach().view(torch.int16 if tensor.element_size() == 2 else torch.int32)


def losses(trainer):
    return [line for line in trainer.state.log_history if "loss" in line]


def check_losses(found, trainer, steps):
    log = losses(trainer)
    found.demand(len(log) == steps, f"{len(log)} steps were logged, not {steps}")
    for name in ("loss", "grad_norm"):
        values = [float(line[name]) for line in log]
        found.figures[name] = values
        found.demand(all(map(math.isfinite, values)), f"{name} is not finite: {values}")
    found.demand(
        any(float(line["grad_norm"]) > 0 for line in log), "no step had a gradient: nothing learns"
    )
    for name in sorted({name for line in log for name in line if name.startswith("seconds/")}):
        found.figures[name] = statistics.median(line[name] for line in log if name in line)
    return log


def check_memory(found, planned):
    """Hold the peak against the dry run: what was counted, and with its reserve the whole."""
    reserve = sum(part.bytes for part in planned.parts if part.name.startswith("reserve"))
    found.figures["dry run, counted GiB"] = (planned.peak - reserve) / GIB
    found.figures["dry run, with reserve GiB"] = planned.peak / GIB
    if not torch.cuda.is_available():
        found.notes.append("memory: on a GPU alone")
        return
    free, total = torch.cuda.mem_get_info()
    context = total - free - torch.cuda.memory_reserved()  # and what else runs on this card
    whole = (torch.cuda.max_memory_reserved() + context) / GIB
    found.figures["peak, reserved and context GiB"] = whole
    found.close(
        "peak, allocated GiB",
        torch.cuda.max_memory_allocated() / GIB,
        (planned.peak - reserve) / GIB,
        0.15,
    )
    found.demand(
        whole <= 1.15 * planned.peak / GIB,
        f"the card holds {whole:.1f} GiB, the dry run says {planned.peak / GIB:.1f}",
    )


def hold_to_a_small_card():
    if torch.cuda.is_available():
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, CARD / total))
        torch.cuda.reset_peak_memory_stats()


def lora(scale, folder):
    """Three steps with LoRA: finite, the adapter moves, the base does not, memory as foretold."""
    found, steps = Findings(), 3
    hold_to_a_small_card()
    studies = train_studies(phantom(scale, folder))
    processor = build_processor(scale, studies)
    config = settings(scale, folder, max_steps=steps)
    planned = estimate(scale, config, studies, processor, folder)
    trainer = make_trainer(scale, config, studies, processor)
    named = dict(trainer.model.named_parameters())
    before = {name: bits(weight).to("cpu", copy=True) for name, weight in named.items()}
    trainer.train()
    check_losses(found, trainer, steps)
    moved = {
        name
        for name, weight in named.items()
        if not torch.equal(bits(weight), before[name].to(weight.device))
    }
    base = sorted(name for name in moved if "lora_" not in name)
    found.demand(not base, f"{len(base)} weights of the base moved, for example {base[:1]}")
    adapters = [name for name in named if "lora_" in name]
    still = [name for name in adapters if "lora_B" in name and name not in moved]
    found.demand(adapters and not still, f"{len(still)} of {len(adapters)} adapters did not move")
    found.demand(
        all(bool(named[name].isfinite().all()) for name in adapters), "the adapter is not finite"
    )
    check_memory(found, planned)
    tokens = [line["completions/mean_length"] * 8 for line in losses(trainer)]
    found.figures["generated tokens a second"] = (
        statistics.median(tokens) / found.figures["seconds/generate"]
    )
    return found.verdict()


def long_reports(scale, folder):
    """One step with rollouts and radiologists' reports of 800 tokens."""
    found = Findings()
    hold_to_a_small_card()
    studies = train_studies(phantom(scale, folder))
    processor = build_processor(scale, studies)
    studies = with_long_reports(studies, processor.tokenizer, scale.long - 1)
    config = settings(scale, folder, max_steps=1, max_completion_length=scale.long)
    planned = estimate(scale, config, studies, processor, folder)
    trainer = make_trainer(scale, config, studies, processor)
    widths = []
    loss = trainer._compute_loss

    def watched(model, inputs):
        widths.append(
            (inputs["chosen_mask"].sum(dim=1).max(), inputs["completion_mask"].sum(dim=1).max())
        )
        return loss(model, inputs)

    trainer._compute_loss = watched
    trainer.train()
    check_losses(found, trainer, 1)
    report, rollout = (max(int(width[place]) for width in widths) for place in (0, 1))
    found.figures |= {"tokens of a report": report, "tokens of a rollout": rollout}
    found.demand(0.8 * scale.long <= report <= scale.long, f"the report has {report} tokens")
    found.demand(rollout > 0.5 * scale.long, f"the longest rollout has {rollout} tokens only")
    check_memory(found, planned)
    return found.verdict()


def halves(completions, **_):
    """A reward that differs within every group; 1 for a report alone, which is y+."""
    return [1.0] if len(completions) == 1 else [float(i % 2) for i in range(len(completions))]


halves.__name__ = "facts"


class Gradient(TrainerCallback):
    """The gradient of the first optimiser step, on the host."""

    def __init__(self, model):
        self.model = model
        self.kept = None

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        self.kept = torch.cat(
            [
                parameter.grad.detach().flatten().float().cpu()
                for parameter in self.model.parameters()
                if parameter.grad is not None
            ]
        )


def gradients(scale, folder):
    """Micro-batches of 8 and of 4 have one gradient; log-probabilities hardly differ from float32's."""
    found = Findings()
    studies = train_studies(phantom(scale, folder))
    processor = build_processor(scale, studies)
    kept = []
    for rows in (8, 4):
        config = settings(
            *(scale, folder),
            max_steps=1,
            per_device_train_batch_size=rows,
            gradient_accumulation_steps=8 // rows,
            max_grad_norm=0.0,
            max_completion_length=min(scale.answer, 64),
        )
        trainer = make_trainer(scale, config, studies, processor, halves)
        gradient = Gradient(trainer.model)
        trainer.add_callback(gradient)
        trainer.train()
        kept.append(gradient.kept)
        if rows == 8:
            compare_precision(found, scale, trainer)
        del trainer, gradient
        release()
    cosine = float(torch.nn.functional.cosine_similarity(kept[0], kept[1], dim=0))
    found.figures |= {"cosine": cosine, "norms": [float(one.norm()) for one in kept]}
    found.demand(cosine > 0.99, f"cosine of the gradients {cosine:.4f}")
    # the cosine is blind to a factor, as a wrong division by the micro-batches is
    ratio = float(kept[0].norm() / kept[1].norm())
    found.demand(abs(ratio - 1) < 0.05, f"the gradients' norms differ by a factor of {ratio:.3f}")
    return found.verdict()


def release():
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@torch.no_grad()
def compare_precision(found, scale, trainer):
    """Hold the trainer's log-probabilities of reports against a forward pass of one row, also in float32."""
    model = trainer.model.eval()
    trainer.model.train()
    rows = [trainer.train_dataset[place] for place in (0, 0, 1, 1, 2, 2, 3, 3)]
    given = trainer._generate_and_score_completions(rows)
    model.eval()
    autocast = torch.autocast(scale.device, torch.bfloat16)
    with autocast:
        mask = given["chosen_mask"]
        sums = trainer._summed_logps(
            trainer.model, given, list(range(len(rows))), given["chosen_ids"], mask
        )
    places = (0, 2)
    together = [float(sums[place] / mask[place].sum()) for place in places]
    answers = [given["chosen_ids"][place][mask[place].bool()] for place in places]
    with autocast:
        narrow = [alone(trainer, rows[p], a) for p, a in zip(places, answers, strict=True)]
    model.float()
    wide = [alone(trainer, rows[p], a) for p, a in zip(places, answers, strict=True)]
    apart = max(abs(a - float(b.mean())) for a, b in zip(together, narrow, strict=True))
    found.figures["trainer and lone pass, nats a token"] = apart
    found.demand(
        apart < 0.02, f"trainer and a lone forward pass are {apart:.3f} nats a token apart"
    )
    narrow, wide = torch.cat(narrow), torch.cat(wide)
    error = float((narrow - wide).abs().mean())
    alike = float(torch.corrcoef(torch.stack([narrow, wide]))[0, 1])
    found.figures |= {"bf16 and float32, nats a token": error, "their correlation": alike}
    found.demand(error < 0.05, f"bf16 and float32 are {error:.3f} nats a token apart")
    found.demand(alike > 0.99, f"bf16's and float32's log-probabilities correlate by {alike:.3f}")


def alone(trainer, row, answer):
    """Log-probabilities of an answer's tokens by the model's own forward pass of one row."""
    processor, device = trainer.processing_class, answer.device
    text = processor.apply_chat_template(
        user_message(row["prompt"][0]["content"], len(row["images"])), add_generation_prompt=True
    )
    inputs = processor(images=[row["images"]], text=[text], return_tensors="pt").to(device)
    return answer_logps(trainer.model, dict(inputs), answer[None])[0]


def answer_logps(model, inputs, answers):
    """(N, L) log-probabilities of answers behind (left-padded) prompts."""
    width = inputs["input_ids"].shape[1]
    more = {"input_ids": answers, "attention_mask": torch.ones_like(answers)}
    more["mm_token_type_ids"] = torch.zeros_like(answers)
    joined = {
        name: torch.cat([value, more[name]], dim=1) if name in more else value
        for name, value in inputs.items()
    }
    logits = model(**joined, use_cache=False).logits[:, width - 1 : -1].float()
    return logits.log_softmax(-1).gather(2, answers[..., None])[..., 0]


@torch.no_grad()
def attention(scale, folder):
    """Kernels of attention agree, and padding on the left changes nothing."""
    from importlib.util import find_spec

    found = Findings()
    studies = train_studies(phantom(scale, folder))
    processor = build_processor(scale, studies)
    model = random_model(scale, processor).eval()
    prompts = ["What do you see?", f"What do you see? They say: {studies[0].report}"]
    films = [[row["images"][0]] for row in (training_dataset(studies)[i] for i in (0, 1))]
    texts = [
        processor.apply_chat_template(user_message(prompt, 1), add_generation_prompt=True)
        for prompt in prompts
    ]

    def inputs(rows):
        return processor(
            images=[films[row] for row in rows],
            text=[texts[row] for row in rows],
            return_tensors="pt",
            padding=True,
            padding_side="left",
        ).to(scale.device)

    torch.manual_seed(0)
    answers = torch.randint(len(SPECIAL), 300, (2, 24), device=scale.device)
    both = inputs((0, 1))
    padded = int((both["attention_mask"][0] == 0).sum())
    found.demand(padded > 0, "no row is padded: nothing is checked")
    base = answer_logps(model, dict(both), answers)
    lone = torch.cat([answer_logps(model, dict(inputs((r,))), answers[r : r + 1]) for r in (0, 1)])
    kinds = ["eager", *(["flash_attention_2"] if find_spec("flash_attn") else [])]
    others = {"alone, not padded": lone}
    for kind in kinds:
        model.set_attn_implementation(kind)
        others[kind] = answer_logps(model, dict(both), answers)
    for name, other in others.items():
        error = float((base - other).abs().mean())
        found.figures[f"sdpa and {name}, nats a token"] = error
        found.demand(error < 0.05, f"sdpa and {name} are {error:.3f} nats a token apart")
    found.figures["padding"] = padded
    if "flash_attention_2" not in kinds:
        found.notes.append("flash_attention_2 is not installed: sdpa against eager alone")
    return found.verdict()
