"""A recipe: what a run trains, on which data, by which reward, and how; read from YAML and options."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

import torch
from trl import ModelConfig, TrlParser

from orapo.data.conversation import check_prompt_fields, check_views
from orapo.data.target import check_target
from orapo.errors import OrapoError
from orapo.removed import refuse_removed
from orapo.training.config import OraPOConfig


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
        train_studies: Studies to train on, drawn so that a smaller number is part of a larger one; 0 for
            all.
        repeat_rare: Studies with a finding that fewer than this share have are shown more often (t of
            `orapo.training.preparing.balance`); 0: all are shown alike.
        studies_seed: Of the draws of ``train_studies`` and ``repeat_rare``; the run's own ``seed`` (and
            ``data_seed``) order the studies.
        reward: What is rewarded: ``facts``, ``facts_rare`` (labels weigh by rarity), ``graded``, ``accuracy`` (the naive baseline), ``bleu``, ``radgraph``,
            ``radcliq``, or ``package.module:function``.
        reward_terms: What is rewarded beside it, ``name=weight`` each (`training.rewards`).
        reward_model: Folder of ``orapo reward-model train``, for methods ``rlhf`` and ``orapo+rlhf``.
        preferences: Experts' judgements (``preferences.jsonl``): the pairs of methods ``dpo`` and
            ``orapo+rlhf``. Without them ``dpo`` takes the radiologists' reports against what the model
            itself writes at the start and FactS gives nothing for.
        radeval_python: The interpreter that holds RadEval, for ``radgraph``, ``radcliq`` and terms
            ``radeval/METRIC``.
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
        OrapoError: A value is impossible.
    """

    model: str = field(metadata={"help": "folder of a checkpoint, or a name on the hub"})
    data: str = field(metadata={"help": "manifest (JSONL)"})
    train_split: str = field(default="train", metadata={"help": "split to train on"})
    probe_split: str = field(default="", metadata={"help": "split to score during training"})
    probe_every: int = field(default=0, metadata={"help": "steps between probes; 0 for none"})
    probe_studies: int = field(default=200, metadata={"help": "studies of a probe"})
    train_studies: int = field(default=0, metadata={"help": "studies to train on; 0 for all"})
    repeat_rare: float = field(
        default=0.0, metadata={"help": "show studies with findings rarer than this more often"}
    )
    studies_seed: int = field(
        default=0, metadata={"help": "of the draws of train_studies and repeat_rare"}
    )
    reward: str = field(default="facts", metadata={"help": "what is rewarded"})
    reward_terms: list[str] = field(
        default_factory=list, metadata={"help": "rewards beside it, name=weight each"}
    )
    reward_model: str = field(default="", metadata={"help": "folder of a learned reward"})
    preferences: str = field(default="", metadata={"help": "experts' judgements (JSONL)"})
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
        if self.train_studies < 0:
            raise OrapoError(f"train_studies must not be below 0, but is {self.train_studies}")
        if not 0 <= self.repeat_rare <= 1:
            raise OrapoError(f"repeat_rare must be from 0 to 1, not {self.repeat_rare}")
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
            refuse_removed([name.replace("-", "_")])
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
            refuse_removed([str(name)], str(path))
            raise OrapoError(f"{path}: unknown field {name!r}{_perhaps(str(name), known)}")


def _perhaps(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f" (perhaps {near[0]})" if near else ""


def without_gpu() -> list[str]:
    """Return what lets a recipe for GPUs be read where there is none."""
    return [] if torch.cuda.is_available() else ["--use_cpu", "true"]
