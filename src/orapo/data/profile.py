"""What is in a data set, in figures: the profile that ``orapo data check`` prints and writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from orapo.data.image_check import ImageCheck
from orapo.data.loaded import Loaded, Place, Problem
from orapo.data.sources.report_sections import odd_headings
from orapo.data.study import Study
from orapo.data.tables.standard_streams import in_words
from orapo.facts import label_report
from orapo.labels import LABELS, LabelValue, any_known

_WORDS: Final[dict[LabelValue, str]] = {
    1: "positive",
    0: "negative",
    -1: "uncertain",
    None: "blank",
}
SPLITS: Final = ("train", "validate", "test")


def problems_of_the_whole(loaded: Loaded) -> Iterator[Problem]:
    """Yield what no row shows by itself: leaks between splits, nothing to train on."""
    first: dict[str, tuple[str, Place]] = {}
    for study, place in zip(loaded.studies, loaded.places, strict=True):
        if not study.patient_id:
            continue
        split, where = first.setdefault(study.patient_id, (study.split, place))
        if split != study.split:
            sentence = (
                f"patient {study.patient_id} stands in {study.split} here and in {split} in "
                f"{where.entry or f'line {where.line}'}"
            )
            yield Problem(place, sentence, "patient_in_two_splits", False)
    textless = [
        place
        for study, place in zip(loaded.studies, loaded.places, strict=True)
        if study.split == "train" and not text_of(study).strip()
    ]
    if textless:
        sentence = f"{len(textless):,} studies of the split train have no report, this one first"
        yield Problem(textless[0], sentence, "training_without_report", True)
    if loaded.studies and not any(study.split == "train" for study in loaded.studies):
        place = _of_the_whole(loaded)
        sentence = "no study of the split train: fit for evaluation, not for training"
        yield Problem(place, sentence, "no_training_study", False)


def _of_the_whole(loaded: Loaded) -> Place:
    """Return the table that all studies stand in, else the data set: a file may be a film of a patient."""
    tables = {place.file for place in loaded.places if place.line}
    return Place(tables.pop() if len(tables) == 1 else Path(loaded.source))


def profile(
    loaded: Loaded, problems: Sequence[Problem], images: ImageCheck | None
) -> dict[str, Any]:
    """Return the figures of a data set.

    Args:
        loaded: The data set.
        problems: All problems, those found after loading too.
        images: What reading the images showed; None if they weren't read.
    """
    studies = loaded.studies
    return {
        "dataset": loaded.source,
        "studies": len(studies),
        "patients": len({study.patient_id for study in studies if study.patient_id}),
        "images": sum(len(study.images) for study in studies),
        "splits": _splits(studies),
        "held_out": sum(study.split != "train" for study in studies),
        "views": dict(Counter(view or "unknown" for s in studies for view in _views(s))),
        "images_per_study": {
            str(count): number
            for count, number in sorted(Counter(len(s.images) for s in studies).items())
        },
        "labels": _labels(studies),
        "labels_source": dict(Counter(map(_label_source, studies))),
        "empty": {
            name: sum(not getattr(study, name).strip() for study in studies)
            for name in ("report", "findings", "impression")
        },
        "words": _words(studies),
        "texts_in_two_splits": _texts_in_two_splits(studies),
        "patients_in_two_splits": sum(p.kind == "patient_in_two_splits" for p in problems),
        "image_files": None if images is None else _image_files(images),
        "notes": {**loaded.notes, **_odd_headings(studies), **_unknown(studies)},
        "problems": dict(Counter(problem.kind for problem in problems)),
        "fatal_problems": sum(problem.fatal for problem in problems),
    }


def problem_record(problem: Problem) -> dict[str, Any]:
    """Return a problem as a record of a table."""
    place = problem.place
    return {
        "file": in_words(str(place.file)),
        "line": place.line or None,
        "row": place.number or None,
        "entry": place.entry or None,
        "fatal": problem.fatal,
        "kind": problem.kind,
        "problem": problem.sentence,
    }


def _label_source(study: Study) -> str:
    if all(value is None for value in study.labels.values()):
        return "facts" if study.labels_source == "facts" else "none"
    return study.labels_source


def _odd_headings(studies: Sequence[Study]) -> dict[str, int]:
    """Count reports in which text stands under a heading that is not known, or a misspelt one.

    The former's text is read as part of no section that a study keeps; the latter is read as meant.
    """
    counts: Counter[str] = Counter()
    for study in studies:
        unknown, misspelt = odd_headings(study.report or text_of(study))
        counts["reports_with_unknown_headings"] += unknown
        counts["reports_with_misspelt_headings"] += misspelt
    return {name: count for name, count in counts.items() if count}


def _unknown(studies: Sequence[Study]) -> dict[str, int]:
    """Count studies without a patient, and those whose labels FactS was to read and could not."""
    counts = Counter({"studies_without_a_patient": sum(not study.patient_id for study in studies)})
    for study in studies:
        if _label_source(study) == "facts" and not any_known(study.labels):
            text = study.report or text_of(study)
            english = not text.strip() or label_report(text).english
            counts["reports_without_a_fact" if english else "reports_not_english"] += 1
    return {name: count for name, count in counts.items() if count}


def _views(study: Study) -> Sequence[str]:
    return study.views or ("",) * len(study.images)


def _splits(studies: Sequence[Study]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, Any]] = {}
    for study in studies:
        one = found.setdefault(study.split, {"studies": 0, "images": 0, "patients": set()})
        one["studies"] += 1
        one["images"] += len(study.images)
        one["patients"] |= {study.patient_id} - {""}
    order = [*(name for name in SPLITS if name in found), *sorted(set(found) - set(SPLITS))]
    return {name: {**found[name], "patients": len(found[name]["patients"])} for name in order}


def _labels(studies: Sequence[Study]) -> dict[str, dict[str, int]]:
    # Whole vectors first: a hundred thousand studies have a few thousand different ones.
    vectors = Counter(
        tuple(study.labels.values()) if study.labels else (None,) * len(LABELS) for study in studies
    )
    counts = {name: dict.fromkeys(_WORDS.values(), 0) for name in LABELS}
    for vector, number in vectors.items():
        for name, value in zip(LABELS, vector, strict=True):
            counts[name][_WORDS[value]] += number
    return counts


def text_of(study: Study) -> str:
    """Return findings and impression, or the report of a study without sections."""
    return f"{study.findings} {study.impression}".strip() or study.report


def _words(studies: Sequence[Study]) -> dict[str, float] | None:
    lengths = sorted(text_of(study).count(" ") + 1 for study in studies if text_of(study))
    if not lengths:
        return None
    last = len(lengths) - 1
    return {
        "5 %": lengths[round(0.05 * last)],
        "median": median(lengths),
        "95 %": lengths[round(0.95 * last)],
        "longest": lengths[-1],
    }


def _texts_in_two_splits(studies: Sequence[Study]) -> dict[str, int]:
    """Count the texts that stand in more than one split, and the studies that have them."""
    splits: dict[int, set[str]] = {}
    studies_of: Counter[int] = Counter()
    for study in studies:
        text = text_of(study)
        if text:
            key = hash(" ".join(text.lower().split()))
            splits.setdefault(key, set()).add(study.split)
            studies_of[key] += 1
    shared = [key for key, names in splits.items() if len(names) > 1]
    return {"texts": len(shared), "studies": sum(studies_of[key] for key in shared)}


def _image_files(images: ImageCheck) -> dict[str, Any]:
    sizes = sorted(images.sizes, key=lambda size: size[0] * size[1])
    return {
        "read": images.read,
        "unreadable": images.unreadable,
        "smallest": sizes[0] if sizes else None,
        "median": sizes[len(sizes) // 2] if sizes else None,
        "largest": sizes[-1] if sizes else None,
    }
