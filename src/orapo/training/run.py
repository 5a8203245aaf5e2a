"""One training run from a recipe: manifest and checkpoint in, checkpoint and logs out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import torch
import transformers
from transformers import PrinterCallback, ProgressCallback, TrainerCallback
from transformers.integrations import (
    get_reporting_integration_callbacks,
    is_deepspeed_zero3_enabled,
)
from trl import ModelConfig, TrlParser

from orapo.data.conversation import check_prompt_fields, check_views
from orapo.data.manifest import read_manifest
from orapo.data.study import Study
from orapo.errors import OrapoError, RunFailedError
from orapo.facts import FactsEngine, FactSReward, RulesEngine
from orapo.labels import CHEXPERT
from orapo.training.callbacks import LogFile, Probe
from orapo.training.card import write_card
from orapo.training.checkpoints import last_checkpoint, saving, whole_checkpoints
from orapo.training.config import OraPOConfig
from orapo.training.dataset import check_target, training_dataset
from orapo.training.films import SetAside, readable_studies
from orapo.training.interruption import StopOnSignal
from orapo.training.policy import load_policy
from orapo.training.rewards import reward_terms
from orapo.training.trainer import OraPOTrainer
from orapo.training.watch import Bar

LOG_FILE = "metrics.jsonl"
PROBE_FILE = "probe.jsonl"


@dataclass
class TaskConfig:
    """What a run trains, on which data and by which reward.

    Attributes:
        model: Folder of a checkpoint, or its name on the hub.
        data: Manifest (JSONL).
        train_split: Split to train on.
        probe_split: Split on which greedy reports are scored during training; none if empty.
        probe_every: Steps between probes; 0 for none.
        probe_studies: Studies of a probe, from the split's beginning.
        reward_terms: What is rewarded beside FactS, ``name=weight`` each (`training.rewards`).
        radeval_python: The interpreter that holds RadEval, for terms ``radeval/METRIC``.
        engine: What reads the reports for the reward: ``rules`` or ``llm``.
        lexicon: The rules' own TOML file; CheXpert's labels are expected.
        judge_model: The llm engine's model; ``judge_url`` says where it is.
        judge_url: Address of an OpenAI-compatible API.
        judge_allow_remote: Whether reports may leave this machine.
        judge_concurrency: Calls at a time.
        judge_timeout: Seconds that an answer may take.
        judge_retries: Attempts after the first.
        judge_prices: What a million tokens in and out cost.
        judge_max_cost: No call is begun that could bring the cost above it; the reports left are
            unknown. 0: no limit.
        judge_structured: Whether the server is asked to hold answers to the JSON schema.
        target: What is learned to be written: ``sections`` (findings and impression where a study
            has them), ``findings``, ``impression`` or ``report`` (the whole text).
        views: The films of a study that are shown: ``frontal`` for one, ``all`` for all.
        prompt_fields: What the prompt tells of the study beside the question, of
            ``orapo.data.conversation.PROMPT_FIELDS``.
        max_unreadable_share: Share of studies that may turn out unreadable before the run stops.

    Raises:
        OrapoError: One of the last three is impossible.
    """

    model: str = field(metadata={"help": "folder of a checkpoint, or a name on the hub"})
    data: str = field(metadata={"help": "manifest (JSONL)"})
    train_split: str = field(default="train", metadata={"help": "split to train on"})
    probe_split: str = field(default="", metadata={"help": "split to score during training"})
    probe_every: int = field(default=0, metadata={"help": "steps between probes; 0 for none"})
    probe_studies: int = field(default=200, metadata={"help": "studies of a probe"})
    reward_terms: list[str] = field(
        default_factory=list, metadata={"help": "rewards beside FactS, name=weight each"}
    )
    radeval_python: str = field(
        default="", metadata={"help": "interpreter that holds RadEval, for radeval/METRIC"}
    )
    engine: str = field(default="rules", metadata={"help": "reads reports: rules or llm"})
    lexicon: str = field(default="", metadata={"help": "TOML file that adds to the rules"})
    judge_model: str = field(default="", metadata={"help": "the llm engine's model"})
    judge_url: str = field(
        default="http://127.0.0.1:8000/v1", metadata={"help": "an OpenAI-compatible API"}
    )
    judge_allow_remote: bool = field(
        default=False, metadata={"help": "let reports leave this machine"}
    )
    judge_concurrency: int = field(default=16, metadata={"help": "calls of the judge at a time"})
    judge_timeout: float = field(default=60.0, metadata={"help": "seconds an answer may take"})
    judge_retries: int = field(default=5, metadata={"help": "attempts after the first"})
    judge_prices: list[float] = field(
        default_factory=list, metadata={"help": "price of a million tokens in, and out"}
    )
    judge_max_cost: float = field(default=0.0, metadata={"help": "stop below it; 0: no limit"})
    judge_structured: bool = field(default=True, metadata={"help": "ask for the JSON schema"})
    target: str = field(
        default="sections", metadata={"help": "sections, findings, impression or report"}
    )
    views: str = field(default="frontal", metadata={"help": "films of a study: frontal or all"})
    prompt_fields: list[str] = field(
        default_factory=list, metadata={"help": "what the prompt tells of the study"}
    )
    max_unreadable_share: float = field(
        default=0.01, metadata={"help": "share of studies that may be unreadable"}
    )

    def __post_init__(self) -> None:
        check_target(self.target)
        check_views(self.views)
        self.prompt_fields = list(check_prompt_fields(self.prompt_fields or ()))
        if not 0 <= self.max_unreadable_share <= 1:
            raise OrapoError(
                f"max_unreadable_share must be from 0 to 1, not {self.max_unreadable_share}"
            )


@dataclass
class RunConfig(ModelConfig, TaskConfig):
    """``TaskConfig``, and how the model is loaded; the rest of a recipe is ``OraPOConfig``.

    All of TRL's ``ModelConfig`` keep their meaning (``use_peft``, ``lora_r``, ``load_in_4bit``,
    ``attn_implementation``, ...), but ``model`` stands for its ``model_name_or_path``. Without
    ``lora_target_modules`` LoRA goes into all linear layers.

    Attributes:
        dtype: Of the weights; by default that in which they were saved.
        min_pixels: Films are enlarged to so many pixels; 0 leaves it to the processor.
        max_pixels: Films are reduced to so many pixels; 0 leaves it to the processor. It decides the
            number of image tokens, so memory and time.

    Raises:
        OrapoError: A field is impossible.
    """

    dtype: str | None = field(
        default="auto",
        metadata={
            "help": "dtype of the weights",
            "choices": ["auto", "bfloat16", "float16", "float32"],
        },
    )
    min_pixels: int = field(default=0, metadata={"help": "fewest pixels of a film; 0: as it comes"})
    max_pixels: int = field(default=0, metadata={"help": "most pixels of a film; 0: as it comes"})

    def __post_init__(self) -> None:
        TaskConfig.__post_init__(self)
        if self.model_name_or_path is not None:
            raise OrapoError("a recipe names its model in the field model, not model_name_or_path")
        if (self.load_in_4bit or self.load_in_8bit) and not self.use_peft:
            raise OrapoError("load_in_4bit and load_in_8bit need use_peft: true")
        if self.min_pixels < 0 or self.max_pixels < 0 or 0 < self.max_pixels < self.min_pixels:
            raise OrapoError("min_pixels and max_pixels must be 0, or the latter the larger one")
        try:
            ModelConfig.__post_init__(self)
        except ValueError as error:
            raise OrapoError(f"the recipe can't be used: {error}") from None


class _Parser(TrlParser):
    """TRL's parser, without a page of usage before what is wrong."""

    def error(self, message: str) -> NoReturn:
        raise OrapoError(f"the recipe can't be used: {message}")


def read_recipe(arguments: Sequence[str]) -> tuple[RunConfig, OraPOConfig]:
    """Read ``--config recipe.yaml`` and the fields given beside it, which win.

    Raises:
        OrapoError: The file is missing or broken, or a field is unknown or has a wrong value.
    """
    words = list(arguments)
    if "--config" in words[:-1]:
        _check_recipe(Path(words[words.index("--config") + 1]))
    known = {item.name for kind in (RunConfig, OraPOConfig) for item in fields(kind)} | {"config"}
    for word in words:
        name = word.removeprefix("--").partition("=")[0].removeprefix("no_")
        if word.startswith("--") and name.replace("-", "_") not in known:
            raise OrapoError(f"unknown field {word}{_perhaps(name, known)}")
    parser = _Parser((RunConfig, OraPOConfig), prog="orapo train")
    try:
        with warnings.catch_warnings():
            # of fields that transformers renames while both names work
            warnings.simplefilter("ignore", FutureWarning)
            run, config = parser.parse_args_and_config(words)
    except ValueError as error:
        raise OrapoError(f"the recipe can't be used: {error}") from None
    return run, config


def _check_recipe(path: Path) -> None:
    """Say what is wrong with a recipe's file, before TRL's parser stumbles over it."""
    import yaml

    try:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise OrapoError(f"{path}: no such file") from None
    except OSError as error:
        raise OrapoError(f"{path}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise OrapoError(f"{path}: not UTF-8 text; a recipe is a YAML file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise OrapoError(f"{path}{where}: broken YAML") from None
    if not isinstance(recipe, dict):
        raise OrapoError(f"{path}: expected fields and their values, one 'name: value' a line")
    known = {item.name for kind in (RunConfig, OraPOConfig) for item in fields(kind)} | {"env"}
    for name in recipe:
        if str(name) not in known:
            raise OrapoError(f"{path}: unknown field {name!r}{_perhaps(str(name), known)}")


def _perhaps(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f" (perhaps {near[0]})" if near else ""


def studies_of(path: Path, split: str) -> list[Study]:
    """Return the studies of one split of a manifest.

    Raises:
        OrapoError: The manifest can't be read or has no such split.
    """
    everything = read_manifest(path)
    studies = [study for study in everything if study.split == split]
    if not studies:
        there = ", ".join(sorted({study.split for study in everything}))
        raise OrapoError(f"{path}: no study of split {split!r}; it has {there}")
    return studies


def train(
    run: RunConfig,
    config: OraPOConfig,
    resume: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Train as the recipe says.

    Writes into ``config.output_dir``: the checkpoint (safetensors, processor, chat template),
    ``metrics.jsonl`` (one line a step), ``probe.jsonl`` (one line a probe) and a model card.

    Args:
        run: Model and data.
        config: Everything about training.
        resume: Go on from the last whole checkpoint in ``output_dir``.
        say: Called, in the first process, with a line for the user when a signal stops the run.

    Returns:
        ``config.output_dir``.

    Raises:
        OrapoError: There is nothing to train on, nothing to resume from, or an earlier run's
            checkpoints where this one's are to go.
        RunFailedError: Too many studies can't be read, or the disk is full.
        Interrupted: SIGTERM or SIGINT came; the checkpoint is saved.
    """
    folder = Path(config.output_dir)
    _check_reporters(config.report_to)
    checkpoint = last_checkpoint(folder) if resume else None
    if not resume and (earlier := whole_checkpoints(folder)):
        raise OrapoError(
            f"{folder}: holds {earlier[-1].name} of an earlier run; go on from it with --resume, or "
            "train into another output_dir"
        )
    manifest = Path(run.data)
    studies = studies_of(manifest, run.train_split)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OrapoError(f"{folder}: can't be made the output folder ({error.strerror})") from None
    views = check_views(run.views)
    first = config.process_index == 0
    set_aside = SetAside(len(studies), run.max_unreadable_share, folder if first else None)
    with config.main_process_first(desc="reading every film once"):  # the others find its notes
        studies = readable_studies(studies, views, set_aside, config.disable_tqdm or not first)
    together = config.generation_batch_size // config.num_generations
    if len(studies) < together:
        raise OrapoError(
            f"{manifest}: {len(studies)} studies to train on, fewer than the {together} of one "
            "generation; lower per_device_train_batch_size or gradient_accumulation_steps"
        )
    model, processor, adapter = load_policy(run, config)
    terms, weights = reward_terms(run.reward_terms or (), run.radeval_python)
    facts = FactSReward(config.facts_beta, config.uncertain, engine=_reward_engine(run))
    config.reward_weights = [1.0, *weights]
    callbacks: list[TrainerCallback] = [LogFile(folder / LOG_FILE)]
    probe = None
    if run.probe_every and run.probe_split:
        probe = Probe(
            folder / PROBE_FILE,
            studies_of(manifest, run.probe_split)[: run.probe_studies],
            run.probe_every,
            config,
            processor,
            target=run.target,
            views=views,
            prompt_fields=run.prompt_fields,
            max_unreadable_share=run.max_unreadable_share,
        )
        callbacks.append(probe)
    trainer = OraPOTrainer(
        model,
        [facts, *terms],
        config,
        train_dataset=training_dataset(
            studies, target=check_target(run.target), prompt_fields=run.prompt_fields, views=views
        ),
        set_aside=set_aside,
        processing_class=processor,
        callbacks=callbacks,
        peft_config=adapter,
    )
    trainer.watch.folder = folder
    if probe is not None:
        probe.announce = trainer.announce
        probe.together = trainer.is_fsdp_enabled or is_deepspeed_zero3_enabled()
    if config.disable_tqdm:
        trainer.remove_callback(PrinterCallback)  # the same figures are in metrics.jsonl
    else:
        trainer.remove_callback(ProgressCallback)
        trainer.add_callback(Bar())
    with StopOnSignal(say) as stop:
        trainer.add_callback(stop)  # the last: the others have done their part of the step
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if trainer.watch.stopped is not None:
            raise RunFailedError(
                f"{trainer.watch.stopped}; what was learned is in the last checkpoint of {folder}, "
                "--resume goes on from it"
            )
        with saving(folder, folder):
            trainer.save_model(str(folder))
            processor.save_pretrained(folder)
            write_card(folder, run, config, studies, trainer)
    return folder


def _check_reporters(names: Sequence[str]) -> None:
    """Say before anything is loaded if what a run is to be reported to is not installed."""
    for name in names:
        try:
            for kind in get_reporting_integration_callbacks([name]):
                kind()
        except (ImportError, RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise OrapoError(f"report_to {name!r} can't be used: {reason}") from None


def _reward_engine(run: RunConfig) -> FactsEngine | None:
    """Return what reads reports for the reward; None for the rules as they come."""
    if run.engine == "llm":
        from orapo.facts.llm import JudgeSettings, LlmEngine, Prices, VerdictCache

        if not run.judge_model:
            raise OrapoError("engine llm needs judge_model, the model's name on the server")
        if run.lexicon:
            raise OrapoError("lexicon is for engine rules; a judge does not read it")
        if len(run.judge_prices) not in (0, 2):
            raise OrapoError("judge_prices are two: of a million tokens in, and of a million out")
        settings = JudgeSettings(
            run.judge_model,
            run.judge_url,
            allow_remote=run.judge_allow_remote,
            concurrency=run.judge_concurrency,
            timeout=run.judge_timeout,
            retries=run.judge_retries,
            prices=Prices(*run.judge_prices) if run.judge_prices else None,
            max_cost=run.judge_max_cost or None,
            structured=run.judge_structured,
            cache=VerdictCache.default_path(),
        )
        return LlmEngine(settings)
    if run.engine != "rules":
        raise OrapoError(f"engine must be rules or llm, not {run.engine!r}")
    if not run.lexicon:
        return None
    engine = RulesEngine(run.lexicon)
    if engine.label_set != CHEXPERT:
        raise OrapoError(f"{run.lexicon}: brings another label set; training scores CheXpert's")
    return engine


def without_gpu() -> list[str]:
    """Return what lets a recipe for GPUs be read where there is none."""
    return [] if torch.cuda.is_available() else ["--use_cpu", "true"]


def quiet_libraries() -> None:
    """Leave the screen to our own progress bars."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("trl").setLevel(logging.ERROR)


def recipe_text(run: RunConfig, settings: dict[str, Any]) -> str:
    """Write a recipe as YAML, as ``orapo train --config`` reads it."""
    import yaml

    text: str = yaml.safe_dump({**asdict(run), **settings}, sort_keys=False)
    return text
