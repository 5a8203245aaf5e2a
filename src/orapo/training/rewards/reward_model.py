"""From judgements to a reward model, and to what it is worth on judgements that it has not seen."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from orapo.data.conversation import shown_films
from orapo.data.films.images import read_image
from orapo.data.manifest import read_manifest
from orapo.data.study import Study
from orapo.data.tables.writing import no_formula
from orapo.data.target import study_labels, target_text
from orapo.errors import OrapoError
from orapo.facts import FactSReward
from orapo.generation import load_checkpoint
from orapo.preferences import Preference, read_preferences
from orapo.preferences.candidates import read_system
from orapo.training.rewards.checks import calibration_plot, check_choices
from orapo.training.rewards.choices import Floats
from orapo.training.rewards.fit import CountedReport, VisionFit, fit_vision_model
from orapo.training.rewards.learned import MODEL_FILE, LoadedRewardModel, load_reward_model
from orapo.training.rewards.linear import facts_features, fit_facts_model
from orapo.training.rewards.vision import VisionRewardModel
from orapo.writing import json_text, replacing, write_text

CHECK_FILE: Final = "check.json"
HELD_OUT_FILE: Final = "held_out.csv"
PLOT_FILE: Final = "calibration.png"
KINDS: Final = ("facts", "vision")
_OTHERS: Final = 7
"""Reports of other studies, beside its own, from which a model learns to look at a study."""


@dataclass(frozen=True)
class RewardModelPlan:
    """What to fit, to what.

    Attributes:
        preferences: ``preferences.jsonl``.
        references: Manifest with the judged studies.
        out: Folder of the result.
        kind: ``facts`` or ``vision``.
        test_share: Share of the patients whose judgements are held out.
        without: Raters whose judgements are left out.
        model: Checkpoint that a model of kind ``vision`` begins with.
        samples: Predictions with samples a study, from which it learns to look; None: the reports of
            the manifest, each study's own and some of others.
        look_split: Split of the studies that it learns to look at.
        vision: How it is fitted.
        seed: Of the split.
    """

    preferences: Path
    references: Path
    out: Path
    kind: str = "facts"
    test_share: float = 0.2
    without: tuple[str, ...] = ()
    model: str = ""
    samples: Path | None = None
    look_split: str = "train"
    vision: VisionFit = field(default_factory=VisionFit)
    seed: int = 0


def train_reward_model(plan: RewardModelPlan) -> dict[str, Any]:
    """Fit a reward model and check it on held-out patients.

    Writes ``reward_model.json`` (for kind ``vision`` weights and processor beside it), ``check.json``,
    ``held_out.csv`` and ``calibration.png`` into ``plan.out``.

    Returns:
        What ``check.json`` holds.

    Raises:
        OrapoError: Too few judgements, a judged study is not in the manifest, or a file can't be read.
    """
    if plan.kind not in KINDS:
        raise OrapoError(f"kind must be facts or vision, not {plan.kind!r}")
    everything = read_preferences(plan.preferences)
    raters = {one.rater for one in everything}
    if unknown := [name for name in plan.without if name not in raters]:
        raise OrapoError(
            f"{plan.preferences}: no rater {unknown[0]!r}; it has {', '.join(sorted(raters))}"
        )
    judged = [one for one in everything if one.rater not in plan.without]
    studies = judged_studies(judged, plan.preferences, plan.references)
    fit, held_out = split_by_patient(judged, plan.test_share, plan.seed)
    _make(plan.out)
    model, description = _fit(plan, fit, held_out, studies)
    _write_json(plan.out / MODEL_FILE, description)
    facts = {"kind": plan.kind, "fitted_to": len(fit), "without_raters": list(plan.without)}
    return _check(model, description["log_tie"], held_out, studies, plan.out, facts)


def check_reward_model(
    folder: Path, preferences: Path, references: Path, out: Path
) -> dict[str, Any]:
    """Check a trained reward model on other judgements; files as `train_reward_model` writes them.

    Raises:
        OrapoError: A file can't be read, or a judged study is not in the manifest.
    """
    model = load_reward_model(folder)
    judged = read_preferences(preferences)
    studies = judged_studies(judged, preferences, references)
    log_tie = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))["log_tie"]
    _make(out)
    return _check(model, log_tie, judged, studies, out, {"kind": model.kind})


def _check(
    model: LoadedRewardModel,
    log_tie: float | None,
    judged: Sequence[Preference],
    studies: Mapping[str, Study],
    out: Path,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    difference = _differences(model, judged, studies) * model.spread
    facts = FactSReward()
    labels = [study_labels(studies[one.study_id]) for one in judged]
    facts_difference = _numbers(facts([one.left for one in judged], labels)) - _numbers(
        facts([one.right for one in judged], labels)
    )
    tie = -np.inf if log_tie is None else log_tie
    check = {**about, **check_choices(judged, difference, tie, facts_difference)}
    _write_json(out / CHECK_FILE, check)
    _write_rows(out / HELD_OUT_FILE, judged, difference, facts_difference)
    calibration_plot(out / PLOT_FILE, check)
    return check


def judged_studies(
    judged: Sequence[Preference], preferences: Path, references: Path
) -> dict[str, Study]:
    """Return the studies of a manifest by id.

    Raises:
        OrapoError: It lacks one that was judged.
    """
    studies = {study.study_id: study for study in read_manifest(references)}
    for one in judged:
        if one.study_id not in studies:
            raise OrapoError(f"{references}: lacks study {one.study_id} of {preferences.name}")
    return studies


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OrapoError(f"{folder}: can't be the output folder ({error.strerror})") from None


def split_by_patient(
    judged: Sequence[Preference], share: float, seed: int
) -> tuple[list[Preference], list[Preference]]:
    """Part judgements so that no patient, and so no study, is on both sides.

    Raises:
        OrapoError: There are not two patients, or only ties to learn from.
    """
    groups = [one.patient_id or one.study_id for one in judged]
    if len(set(groups)) < 2:
        raise OrapoError("a reward model needs judgements of studies of two patients at least")
    split = GroupShuffleSplit(1, test_size=share, random_state=seed)
    places, others = next(split.split(judged, groups=groups))
    fit, held_out = [judged[place] for place in places], [judged[place] for place in others]
    if all(one.choice == "tie" for one in fit):
        raise OrapoError("all judgements are ties; there is no preference to learn")
    return fit, held_out


def _fit(
    plan: RewardModelPlan,
    fit: Sequence[Preference],
    held_out: Sequence[Preference],
    studies: Mapping[str, Study],
) -> tuple[LoadedRewardModel, dict[str, Any]]:
    if plan.kind == "facts":
        found = fit_facts_model(fit, [study_labels(studies[one.study_id]) for one in fit])
        return LoadedRewardModel("facts", found, found.mean, found.spread), found.as_dict()
    if not plan.model:
        raise OrapoError("kind vision needs a model to begin with")
    device = "cpu" if plan.vision.on_cpu else None
    model = VisionRewardModel(*load_checkpoint(plan.model, device=device))
    hidden = {one.patient_id or one.study_id for one in held_out}
    seen = [
        study
        for study in studies.values()
        if study.split == plan.look_split
        and study.patient_id not in hidden
        and study.images
        and study.study_id not in hidden
    ]
    counted = counted_reports(seen, plan.samples, plan.seed)
    strength = fit_vision_model(model, fit, counted, plan.vision)
    films = [[read_image(path) for path in one.images] for one in fit]
    texts = [*(one.left for one in fit), *(one.right for one in fit)]
    scores = np.array(model.score([*films, *films], texts))
    model.save(plan.out)
    mean, spread = float(scores.mean()), float(scores.std()) or 1.0
    log_tie = model.log_tie.item()
    description = {
        "kind": "vision",
        "began_with": str(plan.model),
        "counted_reports": len(counted),
        "strength": strength,
        "log_tie": log_tie,
        "mean": mean,
        "spread": spread,
    }
    return LoadedRewardModel("vision", model, mean, spread), description


def counted_reports(
    studies: Sequence[Study], samples: Path | None, seed: int
) -> list[CountedReport]:
    """Let FactS count the findings of reports, so that a model can learn to look.

    Args:
        studies: Whose labels, or reports, are known.
        samples: Predictions with samples a study; None: each study's own report and some of others.
        seed: Of the choice of others.

    Raises:
        OrapoError: None of the studies has samples, or there is no study.
    """
    texts: dict[str, list[str]] = {}
    if samples is not None:
        texts = read_system(samples)
    else:
        generator = np.random.default_rng(seed)
        own = [target_text(study, "sections") for study in studies]
        for place, study in enumerate(studies):
            others = generator.integers(0, len(own), _OTHERS)
            texts[study.study_id] = [own[place], *(own[other] for other in others)]
    shown = [study for study in studies if study.study_id in texts]
    rows = [(study, text) for study in shown for text in texts[study.study_id] if text]
    if not rows:
        raise OrapoError(f"{samples or 'the manifest'}: no report to learn to look from")
    features = facts_features(
        [text for _, text in rows], [study_labels(study) for study, _ in rows]
    )
    return [
        CountedReport(tuple(shown_films(study, "frontal")), text, row)
        for (study, text), row in zip(rows, features, strict=True)
        if not np.isnan(row).any()
    ]


def _differences(
    model: LoadedRewardModel, judged: Sequence[Preference], studies: Mapping[str, Study]
) -> Floats:
    labels = [study_labels(studies[one.study_id]) for one in judged]
    films = None
    if model.kind == "vision":
        films = [[read_image(path) for path in one.images] for one in judged]
    left = model.scores([one.left for one in judged], films=films, labels=labels)
    right = model.scores([one.right for one in judged], films=films, labels=labels)
    difference: Floats = left - right
    return difference


def _numbers(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, json_text(content, indent=1) + "\n")


def _write_rows(
    path: Path, judged: Sequence[Preference], difference: Floats, facts_difference: Floats
) -> None:
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        write = csv.writer(file)
        write.writerow(["pair", "study_id", "rater", "choice", "difference", "facts_difference"])
        for one, learned, facts in zip(judged, difference, facts_difference, strict=True):
            row = [no_formula(text) for text in (one.pair, one.study_id, one.rater, one.choice)]
            write.writerow([*row, round(float(learned), 6), round(float(facts), 6)])
