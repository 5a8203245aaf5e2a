"""Any data set as a manifest with copies of its pixels: one form to train from, without headers.

Only pixels are copied: no DICOM header, EXIF or text chunk, and no name of a file or folder, which
may hold what identifies a patient.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from PIL import Image

from orapo.data.films.body_part import BodyPart
from orapo.data.films.images import read_image
from orapo.data.loaded import Loaded, Place, Problem
from orapo.data.manifest import write_manifest
from orapo.data.study import Study
from orapo.errors import NEEDS_DECODER, MissingExtraError, OrapoError
from orapo.writing import json_text, mode_of_new, replacing, write_text

MANIFEST: Final = "manifest.jsonl"
IMAGES: Final = "images"
RECORD: Final = "converted.json"
HUGGING_FACE: Final = "hf"
_FORM: Final = 1
"""Raise it when the same file comes to give other pixels."""
_BATCH: Final = 16
_WORTH_A_PROCESS: Final = 64


class _Job(NamedTuple):
    source: Path
    target: Path
    study: int
    view: int


@dataclass(frozen=True, slots=True)
class Converted:
    """What a conversion made.

    Attributes:
        manifest: The new manifest; None if a study couldn't be converted and wasn't to be skipped.
        studies: As they stand in it.
        problems: The images that couldn't be read.
        copied: How many images were copied.
        there: How many were there from an earlier, interrupted run.
    """

    manifest: Path | None
    studies: list[Study]
    problems: list[Problem]
    copied: int
    there: int


def convert(
    loaded: Loaded,
    out: Path,
    *,
    made_from: Any,
    image_size: int | None = None,
    skip_bad: bool = False,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    pool: Executor | None = None,
) -> Converted:
    """Write a manifest and PNG copies of the images.

    Interrupted and called again, it goes on: an image whose copy is there isn't read again.

    Args:
        loaded: The data set.
        out: The folder; empty, or that of an earlier run of the same conversion.
        made_from: What the conversion depends on, to tell it from another one in ``out``.
        image_size: Longest side of the copies; smaller images are never enlarged. None keeps the
            size.
        skip_bad: Leave out images that can't be read, and studies without any other; without it
            such an image leaves the manifest unwritten, and so does, with it, one that only wants
            a decoder.
        workers: Processes.
        progress: Called with the number of images done and their total.
        pool: Processes of a cluster in place of own ones; they see the same files under the same
            names. ``workers`` is how many they are.

    Raises:
        OrapoError: The folder holds something else or can't be written.
        RunFailedError: A process died.
    """
    out = out.absolute()  # the manifest names images from its folder on, and so it must be known
    try:
        _claim(out, {"form": _FORM, "image_size": image_size, "made_from": made_from})
        jobs = list(_jobs(loaded, out, image_size))
        missing = [job for job in jobs if not job.target.is_file()]
        failed: dict[Path, str] = {}
        done = len(jobs) - len(missing)
        if progress is not None:
            progress(done, len(jobs))  # from here on its rate is that of this run
        work = partial(_copy, image_size=image_size, body_part=loaded.body_part)
        for job, fault in zip(missing, _copies(work, missing, workers, pool), strict=True):
            done += 1
            if fault:
                failed[job.target] = fault
            if progress is not None:
                progress(done, len(jobs))
    except OSError as error:
        raise OrapoError(f"{out}: can't be written ({error.strerror})") from None
    problems = [
        _unreadable(loaded.places[job.study], job.source, failed[job.target])
        for job in missing
        if job.target in failed
    ]
    copied = len(missing) - len(problems)
    # a film that only wants a decoder is none of the bad ones
    undecoded = any(NEEDS_DECODER in fault for fault in failed.values())
    if problems and (undecoded or not skip_bad):
        return Converted(None, [], problems, copied, len(jobs) - len(missing))
    studies = list(_studies(loaded, jobs, failed))
    if not studies:
        raise OrapoError(f"{out}: no study is left, its images can't be read")
    write_manifest(out / MANIFEST, studies)
    _prune(out / IMAGES, {job.target for job in jobs})
    return Converted(out / MANIFEST, studies, problems, copied, len(jobs) - len(missing))


def _claim(out: Path, record: dict[str, Any]) -> None:
    """Make the folder this conversion's own, or refuse."""
    wanted = json_text(record, default=str)
    path = out / RECORD
    if path.is_file():
        if path.read_text(encoding="utf-8") != wanted:
            raise OrapoError(
                f"{out}: holds a conversion of other data or with other options; give an "
                "empty folder"
            )
        return
    if out.exists() and any(out.iterdir()):
        raise OrapoError(f"{out}: is not empty; give an empty folder")
    out.mkdir(parents=True, exist_ok=True)
    write_text(path, wanted)


def _jobs(loaded: Loaded, out: Path, image_size: int | None) -> Iterator[_Job]:
    for number, study in enumerate(loaded.studies):
        for view, source in enumerate(study.images):
            try:
                facts = os.stat(source)
                state = [facts.st_size, facts.st_mtime_ns]
            except OSError:
                state = []
            # The name says of what, how and from what state of the file the copy was made, so one
            # that is there is the right one.
            made = json_text([study.study_id, view, str(source), state, image_size, _FORM])
            name = hashlib.sha256(made.encode()).hexdigest()[:24]
            yield _Job(source, out / IMAGES / name[:2] / f"{name}.png", number, view)


def _copies(
    work: Callable[[_Job], str], jobs: list[_Job], workers: int, pool: Executor | None
) -> Iterator[str]:
    from orapo.facts.parallel import map_reports

    if len(jobs) < _WORTH_A_PROCESS and pool is None:
        workers = 1
    yield from map_reports(work, jobs, workers, _BATCH, pool)


def _copy(job: _Job, image_size: int | None, body_part: BodyPart) -> str:
    """Copy one image; return why it can't be read, or nothing."""
    try:
        image = read_image(job.source, body_part).convert("L")
    except OrapoError as error:
        return str(error).removeprefix(f"{job.source}: ")
    except Exception as error:
        # as in image_check: decoders fail in many ways on broken files
        return f"can't be decoded ({type(error).__name__})"
    if image_size is not None and max(image.size) > image_size:
        scale = image_size / max(image.size)
        width, height = (max(1, round(side * scale)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    bare = Image.frombytes("L", image.size, image.tobytes())  # pixels, and nothing else
    job.target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(job.target) as part:
        bare.save(part, format="PNG")
    return ""


def _unreadable(place: Place, path: Path, fault: str) -> Problem:
    return Problem(place, f"image {path}: {fault}", "unreadable_image", True)


def _studies(loaded: Loaded, jobs: list[_Job], failed: dict[Path, str]) -> Iterator[Study]:
    targets: dict[int, list[_Job]] = {}
    for job in jobs:
        if job.target not in failed:
            targets.setdefault(job.study, []).append(job)
    for number, study in enumerate(loaded.studies):
        kept = targets.get(number, [])
        if study.images and not kept:
            continue
        images = tuple(job.target for job in kept)
        views = tuple(study.views[job.view] for job in kept) if study.views else ()
        yield study.model_copy(update={"images": images, "views": views})


def _prune(folder: Path, wanted: set[Path]) -> None:
    """Remove copies of files that have changed since, and what a killed run half wrote."""
    for path in folder.glob("*/*"):
        if path not in wanted:
            path.unlink()


def require_datasets() -> Any:
    """Return the library ``datasets``.

    Raises:
        MissingExtraError: It isn't installed.
    """
    try:
        import datasets
    except ImportError:
        raise MissingExtraError("a copy for Hugging Face datasets", "train") from None
    return datasets


def write_hugging_face(studies: list[Study], out: Path) -> Path:
    """Write the studies as a `datasets.DatasetDict`, images within.

    Args:
        studies: With images that exist.
        out: The folder of the conversion; the copy is ``hf`` in it.

    Returns:
        The folder for ``datasets.load_from_disk``.
    """
    datasets = require_datasets()
    by_split: dict[str, list[dict[str, Any]]] = {}
    for study in studies:
        by_split.setdefault(study.split, []).append(study.model_dump(mode="json"))
    features = {"images": datasets.Sequence(datasets.Image())}
    parts = {}
    for split, records in by_split.items():
        part = datasets.Dataset.from_list(records, features=_features(datasets, records[0]))
        parts[split] = part.cast_column("images", features["images"])
    target, part_folder = out / HUGGING_FACE, out / f".{HUGGING_FACE}.part"
    try:
        for folder in (part_folder, target):  # a link that someone laid there is not followed
            if folder.is_symlink():
                folder.unlink()
        shutil.rmtree(part_folder, ignore_errors=True)
        part_folder.mkdir(mode=0o700)
        datasets.DatasetDict(parts).save_to_disk(str(part_folder))
        mode = mode_of_new(target)  # as of all that holds reports
        for path in (part_folder, *part_folder.rglob("*")):
            path.chmod(mode | (mode & 0o444) >> 2 if path.is_dir() else mode)
        shutil.rmtree(target, ignore_errors=True)
        part_folder.replace(target)
    except OSError as error:
        raise OrapoError(f"{target}: can't be written ({error.strerror or error})") from None
    return target


def _features(datasets: Any, record: dict[str, Any]) -> Any:
    """Return the columns' types; columns without any value would have none otherwise."""
    text, number = datasets.Value("string"), datasets.Value("float64")
    kinds: dict[str, Any] = dict.fromkeys(record, text)
    kinds["images"] = kinds["views"] = datasets.Sequence(text)
    kinds["age"] = number
    kinds["labels"] = {name: datasets.Value("int8") for name in record["labels"]}
    return datasets.Features(kinds)
