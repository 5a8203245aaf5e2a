"""`orapo train --dry-run`: what a recipe would do, read from its data and its model's config.

No weight is loaded. Films are read as a training reads them, and the longest of some prompts is put
through the model's own processor, so that image tokens are counted and not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch

from orapo.data.conversation import check_views, shown_films, user_message
from orapo.data.study import Study
from orapo.data.target import check_target, study_labels, target_text
from orapo.errors import OrapoError
from orapo.facts.forms.sentences import split_sentences
from orapo.labels import CHEXPERT
from orapo.models.hub import find_model
from orapo.training.config import OraPOConfig
from orapo.training.method.pace import trained_tower
from orapo.training.method.set_up import oracle_column
from orapo.training.preparing.balance import check_generation, shown_rows
from orapo.training.preparing.dataset import training_dataset
from orapo.training.preparing.engines import check_vllm
from orapo.training.preparing.estimate import (
    GIB,
    Engine,
    Load,
    Part,
    adapted,
    host_memory,
    memory_parts,
    model_shape,
    peak,
)
from orapo.training.preparing.policy import (
    empty_policy,
    load_config,
    load_processor,
    lost_steps,
)
from orapo.training.preparing.self_check import SelfCheck, self_check
from orapo.training.preparing.texts import check_learnable
from orapo.training.recipe import RunConfig
from orapo.training.rewards.learned import LearnedReward
from orapo.training.rewards.terms import judge_settings, rewards_of
from orapo.training.surviving.films import SetAside, readable_studies
from orapo.training.trl_contract import callable_name

A10: Final = 22.0
"""GiB that a card sold with 24 GB leaves."""
_SAMPLED: Final = 16
"""Studies whose prompts are put through the processor."""
_TOKENISED: Final = 2000
"""Reports, the longest, whose tokens are counted."""
_CHARACTERS: Final = 4.0
"""Characters of a token of a judge, in English text and JSON; a rule of thumb."""
_FACT_TOKENS: Final = 70
"""Tokens of one fact in a judge's answer; as many facts as sentences are taken."""


@dataclass(frozen=True)
class Hardware:
    """On what a run would run.

    Attributes:
        gpu: Bytes of a GPU.
        gpu_name: Which it is.
        processes: GPUs that train.
        sharded: What is spread over them, see `orapo.training.preparing.estimate.Engine`.
        engine: ``deepspeed``, ``fsdp``, or empty.
        checkpointing: Whether FSDP computes activations again.
    """

    gpu: float
    gpu_name: str
    processes: int = 1
    sharded: str = "nothing"
    engine: str = ""
    checkpointing: bool = False


def hardware(memory: float | None = None, accelerate: Path | None = None) -> Hardware:
    """Look at this machine's GPU and at an accelerate file.

    Args:
        memory: GiB of a GPU, in place of what is here.
        accelerate: As ``accelerate launch --config_file`` takes it.

    Raises:
        OrapoError: The file can't be read.
    """
    name, gpu = f"no GPU here, {A10:g} GiB taken", A10 * GIB
    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        smallest = min(cards, key=lambda card: int(card.total_memory))
        name, gpu = smallest.name, float(smallest.total_memory)
    if memory is not None:
        name, gpu = f"{memory:g} GiB as given", memory * GIB
    if accelerate is None:
        return Hardware(gpu, name)
    import yaml

    try:
        settings = yaml.safe_load(accelerate.read_text(encoding="utf-8"))
        processes = int(settings.get("num_processes", 1))
        kind = str(settings.get("distributed_type", "NO"))
        stage = int((settings.get("deepspeed_config") or {}).get("zero_stage", 0))
        fsdp = settings.get("fsdp_config") or {}
    except (OSError, ValueError, AttributeError, yaml.YAMLError):
        raise OrapoError(f"{accelerate}: can't be read as an accelerate file (YAML)") from None
    by_stage = {1: "optimiser", 2: "gradients", 3: "weights"}
    sharded = "weights" if kind == "FSDP" else by_stage.get(stage, "nothing")
    engine = kind.lower() if kind in ("DEEPSPEED", "FSDP") else ""
    again = bool(fsdp.get("fsdp_activation_checkpointing"))
    return Hardware(gpu, name, processes, sharded, engine, again)


@dataclass(frozen=True)
class Schedule:
    """How often is sampled and stepped."""

    steps: int
    rollouts: int
    studies_per_step: float
    epochs: float


def schedule(config: OraPOConfig, studies: int, processes: int) -> Schedule:
    """Count steps and rollouts as TRL's sampler and transformers' Trainer do.

    Raises:
        OrapoError: The studies don't fill one generation, or its size is no multiple of K.
    """
    per_process = config.per_device_train_batch_size * config.steps_per_generation
    group = config.num_generations
    if per_process * processes % group:
        raise OrapoError(
            f"a generation has {per_process * processes} rollouts on {processes} GPU(s), which is "
            f"no multiple of num_generations {group}"
        )
    in_generation = per_process * processes // group
    check_generation(studies, in_generation)
    reuse = config.steps_per_generation * config.num_iterations
    micro_steps = studies // in_generation * reuse
    per_epoch = -(-micro_steps // config.gradient_accumulation_steps)
    whole = config.max_steps <= 0
    steps = -int(-config.num_train_epochs * per_epoch // 1) if whole else config.max_steps
    epochs = steps / per_epoch
    # an epoch's last step is shorter where its micro-steps don't divide
    full, rest = divmod(steps, per_epoch)
    micro = full * micro_steps + min(micro_steps, rest * config.gradient_accumulation_steps)
    generations = full * (micro_steps // reuse) - (-(micro - full * micro_steps) // reuse)
    return Schedule(
        steps=steps,
        rollouts=generations * in_generation * group,
        studies_per_step=generations * in_generation / steps,
        epochs=epochs,
    )


@dataclass(frozen=True)
class DryRun:
    """What a recipe would do.

    Attributes:
        shown: Studies of an epoch, repeated ones counted as often.
        patients: Those that are known; 0 where the data name none.
        host: Bytes of the machine's own memory while the model is loaded.
        longest_report: Tokens of the longest report of those that were looked at.
        notes: What is allowed, and should be known.
    """

    studies: int
    shown: int
    patients: int
    set_aside: int
    self_check: SelfCheck
    prompt_tokens: int
    image_tokens: int
    parameters: int
    trainable: int
    schedule: Schedule
    hardware: Hardware
    parts: tuple[Part, ...]
    host: float
    longest_report: int
    notes: tuple[str, ...]
    hours: float | None
    judge_calls: int
    judge_tokens: tuple[int, int]
    judge_cost: float | None

    @property
    def peak(self) -> float:
        """Bytes of a GPU at the fullest moment."""
        return peak(self.parts)

    @property
    def fits(self) -> bool:
        """Whether that is less than the GPU has."""
        return self.peak <= self.hardware.gpu

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON takes it."""
        return {**asdict(self), "peak": self.peak, "fits": self.fits}


def dry_run(
    run: RunConfig,
    config: OraPOConfig,
    studies: Sequence[Study],
    machine: Hardware,
    step_seconds: float | None = None,
    held_out: Sequence[Study] = (),
) -> DryRun:
    """Work out what a recipe would do.

    Args:
        run: What is trained on what.
        config: How.
        studies: `orapo.training.run.training_studies`.
        machine: On which hardware.
        step_seconds: Of a step, as measured; without them no hours are told.
        held_out: `orapo.training.run.probe_studies`.

    Raises:
        OrapoError: Data, model or batch can't be used, or a training would not learn from them what they say.
        RunFailedError: Too many studies can't be read.
    """
    find_model(run.model, run.model_revision)
    views = check_views(run.views)
    set_aside = SetAside(len(studies), run.max_unreadable_share)
    readable = readable_studies(studies, views, set_aside, quiet=config.disable_tqdm)
    target = check_target(run.target)
    some = [study_labels(study, target) for study in readable[:_SAMPLED]]
    if run.engine == "llm":
        judge_settings(run)
    # a term that there is none of is told here, not in the run
    rewards, _ = rewards_of(run, config, some, None)
    names = [callable_name(reward) for reward in rewards]
    if config.method not in ("sft", "dpo"):
        learned = [LearnedReward.__name__] if config.has_learned_reward else []
        oracle_column([*names, *learned], config.oracle_reward)
    probed = SetAside(len(held_out), run.max_unreadable_share)
    held_out = readable_studies(held_out, views, probed, quiet=True)
    dataset = training_dataset(
        readable, target=target, prompt_fields=run.prompt_fields, views=views
    )
    shown = shown_rows(readable, target, run.repeat_rare, run.studies_seed)
    plan = schedule(config, len(shown), machine.processes)
    films = (path for study in readable for path in shown_films(study, views))
    check_vllm(run, config, films, machine.engine == "fsdp" or machine.sharded == "weights")
    model_config = load_config(run)
    processor = load_processor(run)
    model, adapter = empty_policy(run, model_config, processor)
    check_learnable(run, config, model, processor, readable, dataset, held_out)
    prompt, images, patches = _longest_prompt(processor, model_config, dataset)
    reports = [target_text(study, target) for study in readable]
    lengths = _report_lengths(processor, reports)
    policy = adapted(model, adapter)
    if config.vision_learning_rate is not None:
        trained_tower(policy, config.vision_learning_rate)
    shape = model_shape(policy)
    engine = _engine(run, config, model_config, machine)
    rows = config.per_device_train_batch_size
    generated = rows * config.steps_per_generation
    orapo = config.has_oracle
    load = Load(
        rows=rows,
        generated=generated,
        # scattered over micro-batches, in the worst case each rollout brings its own report
        reports=min(rows, generated) if orapo and config.temperature == 1.0 else 0,
        prompt=prompt,
        answer=config.max_completion_length,
        patches=patches,
        films_shared=config.share_films and shape.films_shareable,
        group=config.num_generations,
        report=max(lengths),
    )
    calls, tokens, cost = _judge(run, plan, reports)
    return DryRun(
        studies=len(readable),
        shown=len(shown),
        patients=len({study.patient_id for study in readable if study.patient_id}),
        set_aside=len(set_aside.studies),
        self_check=self_check(run, config, readable),
        prompt_tokens=prompt,
        image_tokens=images,
        parameters=shape.parameters,
        trainable=shape.trainable,
        schedule=plan,
        hardware=machine,
        parts=tuple(memory_parts(shape, load, engine, machine.gpu)),
        host=host_memory(shape, engine),
        longest_report=max(lengths),
        notes=tuple(_notes(run, config, load, lengths, processor, model_config, machine)),
        hours=None if step_seconds is None else plan.steps * step_seconds / 3600,
        judge_calls=calls,
        judge_tokens=tokens,
        judge_cost=cost,
    )


def _engine(run: RunConfig, config: OraPOConfig, model_config: Any, machine: Hardware) -> Engine:
    dtype = _dtype(run, model_config)
    narrow = config.bf16 or config.fp16
    size = torch.empty((), dtype=dtype).element_size()
    mode = config.vllm_mode if config.use_vllm else "here"
    return Engine(
        processes=machine.processes,
        sharded=machine.sharded,
        # accelerate makes the weights float32 before FSDP spreads them, for mixed precision
        weight_size=4 if machine.engine == "fsdp" and narrow else size,
        reference_size=size,
        compute_size=2 if narrow else size,
        bits=4 if run.load_in_4bit else 8 if run.load_in_8bit else None,
        optimizer=str(getattr(config.optim, "value", config.optim)),
        master_weights=machine.engine == "deepspeed",
        reference=not run.use_peft and (config.has_oracle or config.beta != 0),
        checkpointing=checkpointing(config) or machine.checkpointing,
        eager=run.attn_implementation == "eager",
        generates=mode,
        vllm_share=config.vllm_gpu_memory_utilization if mode == "colocate" else 0.0,
    )


def _dtype(run: RunConfig, model_config: Any) -> torch.dtype:
    """Return in which dtype the weights are loaded."""
    saved = getattr(model_config, "dtype", None) or torch.float32
    dtype = saved if run.dtype in (None, "auto") else getattr(torch, str(run.dtype))
    return getattr(torch, dtype) if isinstance(dtype, str) else dtype


def checkpointing(config: Any) -> bool:
    """Say whether activations are computed again; transformers renames the field."""
    for name in ("activation_checkpointing", "gradient_checkpointing"):
        value = getattr(config, name, None)
        if value is not None:
            return bool(value)
    return False


def _report_lengths(processor: Any, reports: Sequence[str]) -> list[int]:
    """Return the tokens of reports, the end token among them; of many, those of the longest texts."""
    longest = sorted(reports, key=len)[-_TOKENISED:]
    return [len(ids) + 1 for ids in processor.tokenizer(longest)["input_ids"]]


def _notes(
    run: RunConfig,
    config: OraPOConfig,
    load: Load,
    lengths: Sequence[int],
    processor: Any,
    model_config: Any,
    machine: Hardware,
) -> Iterator[str]:
    lost = lost_steps(run, config, _dtype(run, model_config), machine.engine)
    if lost:
        yield lost[0].upper() + lost[1:]
    room = getattr(model_config.get_text_config(), "max_position_embeddings", None)
    if room and load.prompt + config.max_completion_length > room:
        yield (
            f"Prompt and answer take up to {load.prompt + config.max_completion_length} tokens, more than the "
            f"{room} that the model was made for: what it writes behind them is worth little"
        )
    most = config.max_completion_length
    cut = sum(length > most for length in lengths)
    if cut:
        yield (
            f"{cut} of the {len(lengths)} longest reports have more tokens (up to {max(lengths)}) than "
            f"max_completion_length {most}: no rollout can be as long as what it is compared with"
        )
    if config.share_films and not load.films_shared:
        yield "Films are encoded once a rollout: how this model encodes them is not known"
    images = processor.image_processor
    if getattr(images, "do_center_crop", False) and not hasattr(images, "image_grid_pinpoints"):
        yield (
            f"{type(images).__name__} shows the middle of a film alone, a square; the ends of its longer side "
            "are cut off"
        )


def _longest_prompt(processor: Any, model_config: Any, dataset: Any) -> tuple[int, int, int]:
    """Return tokens, image tokens and patches of the longest of some prompts."""
    image = getattr(model_config, "image_token_id", None)
    vision = model_config.vision_config
    longest = (0, 0, 0)
    for row in dataset.select(range(min(_SAMPLED, len(dataset)))):
        text = processor.apply_chat_template(
            user_message(row["prompt"][0]["content"], len(row["images"])),
            add_generation_prompt=True,
        )
        inputs = processor(images=[row["images"]], text=[text], return_tensors="pt")
        ids = inputs["input_ids"][0]
        pixels = inputs["pixel_values"]
        if "image_grid_thw" in inputs:
            patches = int(inputs["image_grid_thw"].prod(dim=-1).sum())
        elif pixels.ndim == 3:  # LFM2-VL: patches of each tile, padded
            patches = pixels.shape[0] * pixels.shape[1]
        else:
            films = pixels.flatten(0, -4)
            side = vision.patch_size  # InternVL's has two
            height, width = (side, side) if isinstance(side, int) else side
            patches = len(films) * (films.shape[-2] // height) * (films.shape[-1] // width)
        longest = max(longest, (len(ids), int((ids == image).sum()), patches))
    return longest


def _judge(
    run: RunConfig, plan: Schedule, reports: Sequence[str]
) -> tuple[int, tuple[int, int], float | None]:
    """Return calls, tokens in and out, and cost, with rollouts as long as the reports."""
    if run.engine != "llm":
        return 0, (0, 0), None
    from orapo.facts.llm.prompt import messages, response_format

    schema = len(str(response_format(CHEXPERT))) if run.judge_structured else 0
    sent = answered = 0.0
    for report in reports:
        sentences = [report[span.start : span.end] for span in split_sentences(report)]
        chat = messages(sentences, CHEXPERT)
        sent += (sum(len(message["content"]) for message in chat) + schema) / _CHARACTERS
        answered += len(sentences) * _FACT_TOKENS
    # every rollout, and the reference reports once
    calls = plan.rollouts + len(reports)
    tokens = (int(calls * sent / len(reports)), int(calls * answered / len(reports)))
    if len(run.judge_prices) != 2:
        return calls, tokens, None
    cost = sum(count / 1e6 * price for count, price in zip(tokens, run.judge_prices, strict=True))
    return calls, tokens, cost
