"""One training run from a recipe: manifest and checkpoint in, checkpoint and logs out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import transformers
from transformers import PrinterCallback, ProgressCallback, TrainerCallback
from transformers.integrations import (
    get_reporting_integration_callbacks,
    is_deepspeed_zero3_enabled,
)

from orapo.data.conversation import check_views, shown_films
from orapo.data.manifest import read_manifest
from orapo.data.study import Study, drawn
from orapo.data.target import check_target, study_labels
from orapo.errors import OrapoError, RunFailedError
from orapo.models.hub import find_model
from orapo.models.whole import marking, whole_checkpoints
from orapo.preferences import read_preferences
from orapo.training.config import OraPOConfig
from orapo.training.method.baselines import OfflineTrainer, SupervisedTrainer
from orapo.training.method.experts import ExpertPairs
from orapo.training.method.trainer import OraPOTrainer
from orapo.training.preparing.balance import check_generation, shown_rows
from orapo.training.preparing.dataset import supervised_rows, training_dataset
from orapo.training.preparing.engines import check_engine, check_vllm, engine_asked_for
from orapo.training.preparing.pairs import offline_pairs
from orapo.training.preparing.policy import load_policy, lost_steps
from orapo.training.preparing.self_check import self_check
from orapo.training.preparing.texts import check_learnable
from orapo.training.recipe import RunConfig
from orapo.training.rewards.learned import LearnedReward, read_reward_model
from orapo.training.rewards.terms import Reward, reward_engine, rewards_of
from orapo.training.surviving.checked import RewardError
from orapo.training.surviving.checkpoints import kept, last_checkpoint, saving
from orapo.training.surviving.films import SetAside, readable_studies
from orapo.training.surviving.interruption import StopOnSignal
from orapo.training.watching.card import write_card
from orapo.training.watching.guard import Guard
from orapo.training.watching.log import LogFile
from orapo.training.watching.probe import Probe
from orapo.training.watching.watch import Bar

logger = logging.getLogger(__name__)

LOG_FILE = "metrics.jsonl"
PROBE_FILE = "probe.jsonl"


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
    ``metrics.jsonl`` (one line per step), ``probe.jsonl`` (one line per probe) and a model card.

    Args:
        run: Model and data.
        config: Everything about training.
        resume: Go on from the last whole checkpoint in ``output_dir``.
        say: Called, in the first process, with a line for the user: what the references score, and when
            a signal stops the run.

    Returns:
        ``config.output_dir``.

    Raises:
        OrapoError: There is no such model, nothing to train on, nothing to resume from, an earlier run's
            checkpoints where this one's are to go, or an engine that would not run.
        RunFailedError: Too many studies can't be read, the disk is full, or weights are no longer finite.
        RewardError: A reward function failed, or gave what is no reward.
        Interrupted: SIGTERM or SIGINT came; the checkpoint is saved.
    """
    folder = Path(config.output_dir)
    check_engine(config)
    check_reporters(config.report_to)
    check_experts(run, config)
    checkpoint = last_checkpoint(folder) if resume else None
    if not resume and (earlier := whole_checkpoints(folder)):
        raise OrapoError(
            f"{folder}: holds {earlier[-1].name} of an earlier run; go on from it with --resume, or "
            "train into another output_dir"
        )
    find_model(run.model, run.model_revision)  # last of the checks, as it may ask the hub
    studies, held_out = training_studies(run), probe_studies(run)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OrapoError(f"{folder}: can't be made the output folder ({error.strerror})") from None
    views, target = check_views(run.views), check_target(run.target)
    first = config.process_index == 0
    set_aside = SetAside(len(studies), run.max_unreadable_share, folder if first else None)
    with config.main_process_first(desc="reading every film once"):  # the others find its notes
        studies = readable_studies(studies, views, set_aside, config.disable_tqdm or not first)
    if first:
        checked = self_check(run, config, studies)
        if not config.disable_tqdm:
            say(checked.sentence)
        if checked.warning:
            logger.warning("%s", checked.warning)
    together = config.generation_batch_size // config.num_generations
    shown = shown_rows(studies, target, run.repeat_rare, run.studies_seed)
    check_generation(len(shown), together)
    rows = training_dataset(studies, target=target, prompt_fields=run.prompt_fields, views=views)
    sharded = engine_asked_for(config) == "FSDP" or is_deepspeed_zero3_enabled()
    films = (film for study in studies for film in shown_films(study, views))
    check_vllm(run, config, films, sharded)
    model, processor, adapter = load_policy(run, config)
    if first and (lost := lost_steps(run, config, model.dtype, engine_asked_for(config))):
        logger.warning("%s", lost)
    check_learnable(run, config, model, processor, studies, rows, held_out or ())
    callbacks: list[TrainerCallback] = [LogFile(folder / LOG_FILE)]
    probe = None
    if held_out is not None:
        probe = Probe(
            folder / PROBE_FILE,
            held_out,
            run.probe_every,
            config,
            processor,
            target=run.target,
            views=views,
            prompt_fields=run.prompt_fields,
            max_unreadable_share=run.max_unreadable_share,
        )
        callbacks.append(probe)
    shared = {"processing_class": processor, "callbacks": callbacks, "peft_config": adapter}
    trainer: OraPOTrainer | SupervisedTrainer | OfflineTrainer
    guard = None
    if config.method == "sft":
        trainer = SupervisedTrainer(model, config, supervised_rows(rows).select(shown), **shared)
    elif config.method == "dpo":
        pairs = offline_pairs(run, config, [studies[row] for row in shown], model, processor)
        trainer = OfflineTrainer(model, config, pairs, **shared)
    else:
        rewards, config.reward_weights = _rewards(run, config, studies)
        experts = None
        if config.has_learned_reward:
            learned = LearnedReward(Path(run.reward_model), str(config.device))
            rewards.append(learned)
            config.reward_weights.append(config.learned_weight)
            guard = Guard(config, folder / PROBE_FILE, run.probe_every, learned, say)
            callbacks.append(guard)
            if probe is not None:
                probe.learned, probe.guard = learned, guard
        if config.method == "orapo+rlhf":
            experts = ExpertPairs(read_preferences(Path(run.preferences)))
            experts = experts.only({study.study_id for study in studies})
        trainer = OraPOTrainer(
            *(model, rewards, config),
            train_dataset=rows.select(shown),
            set_aside=set_aside,
            experts=experts,
            **shared,
        )
        trainer.watch.folder = folder
    if probe is not None:
        probe.announce = trainer.announce if isinstance(trainer, OraPOTrainer) else trainer.log
        probe.together = trainer.is_fsdp_enabled or is_deepspeed_zero3_enabled()
        if guard is not None:
            guard.whole = not probe.together
    if config.disable_tqdm:
        trainer.remove_callback(PrinterCallback)  # the same figures are in metrics.jsonl
    else:
        trainer.remove_callback(ProgressCallback)
        trainer.add_callback(Bar())
    with StopOnSignal(say) as stop:
        trainer.add_callback(stop)  # the last: the others have done their part of the step
        try:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except RewardError as error:
            raise RewardError(f"{error}; {kept(folder)}") from None
        stopped = trainer.watch.stopped if isinstance(trainer, OraPOTrainer) else None
        if stopped is not None:
            raise RunFailedError(
                f"{stopped}; what was learned is in the last checkpoint of {folder}, "
                "--resume goes on from it"
            )
        with saving(folder, folder):
            with marking(folder) if first else nullcontext():
                trainer.save_model(str(folder))
                processor.save_pretrained(folder)
            write_card(folder, run, config, studies, trainer)
    return folder


def check_experts(run: RunConfig, config: OraPOConfig) -> None:
    """Say before anything is trained what a method with experts lacks.

    Raises:
        OrapoError: No reward model or none that can be read, no judgements, or a field that the method does not
            read.
    """
    if config.has_learned_reward and not run.reward_model:
        raise OrapoError(f"method {config.method} needs reward_model: a trained one's folder")
    if config.method == "orapo+rlhf" and not run.preferences:
        raise OrapoError("method orapo+rlhf needs preferences: a file of experts' judgements")
    if (
        config.has_learned_reward
        and config.max_f1_loss
        and not (run.probe_split and run.probe_every)
    ):
        raise OrapoError(
            f"method {config.method} needs probe_split and probe_every for its guard, or max_f1_loss: 0"
        )
    if run.reward_model and not config.has_learned_reward:
        raise OrapoError(f"reward_model is for methods rlhf and orapo+rlhf, not {config.method}")
    if run.reward_model:
        read_reward_model(Path(run.reward_model))


def _rewards(
    run: RunConfig, config: OraPOConfig, studies: Sequence[Study]
) -> tuple[list[Reward], list[float]]:
    """Return what is rewarded, with weights."""
    target = check_target(run.target)
    labels = [study_labels(study, target) for study in studies]
    return rewards_of(run, config, labels, reward_engine(run))


def training_studies(run: RunConfig) -> list[Study]:
    """Return the studies that a run trains on, in the manifest's order: all, or as many as it wants.

    Raises:
        OrapoError: The manifest can't be read, or has no or too few studies of the split.
    """
    studies = studies_of(Path(run.data), run.train_split)
    if not run.train_studies:
        return studies
    if run.train_studies > len(studies):
        raise OrapoError(
            f"{run.data}: train_studies is {run.train_studies}, split {run.train_split!r} has "
            f"{len(studies)}"
        )
    return drawn(studies, run.train_studies, run.studies_seed)


def probe_studies(run: RunConfig) -> list[Study] | None:
    """Return the held-out studies that a run is probed on; None if it has no probes.

    Raises:
        OrapoError: The manifest can't be read, or has no study of the split.
    """
    if not (run.probe_every and run.probe_split):
        return None
    return studies_of(Path(run.data), run.probe_split)[: run.probe_studies]


def check_reporters(names: Sequence[str]) -> None:
    """Say before anything is loaded if what a run is to be reported to is not installed.

    Raises:
        OrapoError: It isn't.
    """
    for name in names:
        try:
            for kind in get_reporting_integration_callbacks([name]):
                kind()
        except (ImportError, RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise OrapoError(f"report_to {name!r} can't be used: {reason}") from None


def quiet_libraries() -> None:
    """Leave the screen to our own progress bars."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("trl").setLevel(logging.ERROR)
    ignore_routine()


def ignore_routine() -> None:
    """Say nothing of what transformers does by itself and nobody has to see to.

    Names that it renames and TRL still uses would be told at every step; and a model's end and padding tokens are
    brought into line with its tokenizer's at every training (LLaVA, PaliGemma, LFM2-VL).
    """
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    trainer_log = logging.getLogger("transformers.trainer_utils")
    if _not_aligned not in trainer_log.filters:
        trainer_log.addFilter(_not_aligned)


def _not_aligned(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("The tokenizer has new PAD/BOS/EOS tokens")
