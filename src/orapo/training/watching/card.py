"""The model card: what a trained model is, beside its weights, in the Hugging Face format.

It names no path, no patient and no text of a report: only the data set's own name, counts and
figures. Nothing is published by us; whoever publishes the folder finds the card complete but for the
licence, which depends on the base model and the data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from orapo.data.study import Study
from orapo.data.target import check_target, study_labels, target_text
from orapo.evaluation import trivial_scores
from orapo.evaluation.rows import TRIVIAL_TITLES, row_title
from orapo.training.config import OraPOConfig
from orapo.training.recipe import RunConfig
from orapo.training.watching.probe import Probe
from orapo.writing import written_beside

CARD_FILE: Final = "README.md"
NOTICE: Final = (
    "**For research use only. Not a medical device.** Reports by this model are drafts: they can "
    "miss findings, invent them and contradict the films. They must not be used for the care of a "
    "patient."
)
_PACKAGES: Final = ("orapo", "torch", "transformers", "trl")
_DATA_SETTINGS: Final = (
    "target",
    "views",
    "prompt_fields",
    "repeat_rare",
    "engine",
    "reward_terms",
)
_SETTINGS: Final = (
    *("method", "num_generations", "per_device_train_batch_size", "gradient_accumulation_steps"),
    *("learning_rate", "lr_scheduler_type", "beta", "temperature", "max_completion_length"),
    *("facts_beta", "uncertain", "zrr_alpha", "zrr_gamma", "w_min", "w_max", "dpo_tau"),
    *("zrr_first", "lesson", "rejected", "loss_type", "scale_rewards", "seed"),
)


def write_card(
    folder: Path, run: RunConfig, config: OraPOConfig, studies: Sequence[Study], trainer: Any
) -> None:
    """Write the card of a finished run into its folder; only its first process does.

    Args:
        folder: Where the weights are.
        run: Model and data.
        config: Everything about training.
        studies: Those trained on.
        trainer: After training.
    """
    if config.process_index != 0:
        return
    callbacks = trainer.callback_handler.callbacks
    probe = next((one for one in callbacks if isinstance(one, Probe)), None)
    last = _last_probe(probe)
    data = _card_data(folder, run, studies, probe, last)
    text = _text(folder, run, config, studies, trainer, probe, last)
    card = ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}")
    with written_beside(folder / CARD_FILE, shared=True) as part:
        part.write_text(str(card), encoding="utf-8")


def _last_probe(probe: Probe | None) -> dict[str, Any] | None:
    if probe is None or not probe.lines.path.is_file():
        return None
    lines = probe.lines.path.read_text(encoding="utf-8").splitlines()
    last: dict[str, Any] | None = json.loads(lines[-1]) if lines else None
    return last


def _sources(studies: Sequence[Study]) -> str:
    return ", ".join(sorted({study.source for study in studies if study.source})) or "unnamed"


def _card_data(
    folder: Path,
    run: RunConfig,
    studies: Sequence[Study],
    probe: Probe | None,
    last: dict[str, Any] | None,
) -> ModelCardData:
    results = None
    if probe is not None and last is not None:
        results = [
            EvalResult(
                task_type="image-text-to-text",
                task_name="Chest X-ray report generation",
                dataset_type="chest-x-ray",
                dataset_name=_sources(studies),
                dataset_split=run.probe_split,
                metric_type="f1",
                metric_name=f"macro-F1 of CheXpert labels (FactS, uncertain {probe.uncertain})",
                metric_value=round(last["macro_f1"], 4),
            )
        ]
    return ModelCardData(
        model_name=folder.resolve().name,
        # a folder's path is nobody's business, and no name on the hub
        base_model=None if Path(run.model).exists() else run.model,
        library_name="transformers",
        pipeline_tag="image-text-to-text",
        language="en",
        tags=["radiology", "chest-x-ray", "report-generation", "orapo", "research-only"],
        eval_results=results,
    )


def _text(
    folder: Path,
    run: RunConfig,
    config: OraPOConfig,
    studies: Sequence[Study],
    trainer: Any,
    probe: Probe | None,
    last: dict[str, Any] | None,
) -> str:
    local = Path(run.model).exists()
    base = f"a local checkpoint named `{Path(run.model).name}`" if local else f"`{run.model}`"
    patients = len({study.patient_id for study in studies if study.patient_id})
    manifest = hashlib.sha256(Path(run.data).read_bytes()).hexdigest()
    model = trainer.accelerator.unwrap_model(trainer.model)
    state = trainer.state
    settings = {
        **{name: getattr(run, name) for name in _DATA_SETTINGS},
        **{name: getattr(config, name) for name in _SETTINGS},
        # not the setting, which is None where it was counted
        "loss_length": round(getattr(trainer, "loss_length", 0.0), 1) or "none",
    }
    software = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    prompt_fields = ",".join(run.prompt_fields)
    options = f" --views {run.views}" + (
        f" --prompt-fields {prompt_fields}" if prompt_fields else ""
    )
    return f"""# {folder.resolve().name}

{NOTICE}

A vision-language model that writes reports of chest radiographs, trained with
{"OraPO" if config.has_oracle else "GRPO"} and the FactS reward by
[orapo](https://arxiv.org/abs/2509.18600) from {base}.

    orapo generate film.png --model . --out predictions.jsonl{options}

## Data

| | |
|---|---|
| data set | {_sources(studies)} |
| training studies (split `{run.train_split}`) | {len(studies):,} |
| patients among them | {f"{patients:,}" if patients else "unknown"} |
| studies of the probe (split `{run.probe_split or "none"}`) | {len(probe.labels) if probe else 0:,} |
| manifest | sha256 `{manifest[:16]}` |

## Training

{state.global_step:,} steps, {model.num_parameters():,} parameters. {software}.

| setting | value |
|---|---|
{chr(10).join(f"| `{name}` | {_value(value)} |" for name, value in settings.items())}

## Figures

{_figures(run, config, studies, probe, last)}

## Limits

- The training reward and the figures here come from the same labeler (FactS' rules, CheXpert's 14
  labels). What these labels don't hold (size, side, wording, findings beyond the 14) is neither
  rewarded nor measured here. Judge the model with another labeler, and with radiologists.
- The figures are of {len(probe.labels) if probe else 0:,} studies of one data set; other hospitals,
  devices and patients were not looked at, nor any subgroup.
- Comparisons with earlier films are invented wherever the model is given none.
- Licence: not stated. That of the base model and the data's terms of use bind whoever publishes it.
"""


def _value(value: Any) -> str:
    if isinstance(value, list):
        value = ", ".join(map(str, value)) or "none"
    return str(getattr(value, "value", value))


def _figures(
    run: RunConfig,
    config: OraPOConfig,
    studies: Sequence[Study],
    probe: Probe | None,
    last: dict[str, Any] | None,
) -> str:
    if probe is None or last is None:
        return "None: the recipe had no probe (`probe_split`, `probe_every`)."
    target = check_target(run.target)
    texts = [target_text(study, target) for study in studies]
    trivial = trivial_scores(
        probe.labels,
        [study_labels(study, target) for study in studies],
        texts if any(texts) else None,
        seed=config.seed,
        uncertain=probe.uncertain,
    )
    low, high = (last.get("macro_f1_interval") or [None, None])[:2]
    interval = "" if low is None else f"{low:.3f} to {high:.3f}"
    rows = [f"| **this model**, step {last['step']} | {last['macro_f1']:.3f} | {interval} |"]
    rows += [
        f"| {row_title(name)} | {trivial[name].macro_f1:.3f} | |"
        for name in TRIVIAL_TITLES
        if name in trivial
    ]
    labels = [
        f"| {name} | {last['per_label'][name]:.3f} | {score['support']} |"
        for name, score in trivial["all_positive"].per_label.items()
        if score["support"]
    ]
    return f"""Greedy reports of {len(probe.labels):,} studies of the split `{run.probe_split}`, which
the training did not learn from but may have been tuned on. Uncertain counts as {probe.uncertain}; macro
over the labels with support; 95 % bootstrap over patients. Trivial baselines do not use the film.

| | macro-F1 | 95 % interval |
|---|---|---|
{chr(10).join(rows)}

| label | F1 | positive studies |
|---|---|---|
{chr(10).join(labels)}"""
