"""A phantom on disk: films, manifest, and the truth behind them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from orapo.data.manifest import write_manifest
from orapo.data.phantom.config import PhantomConfig
from orapo.data.phantom.study import draw_study
from orapo.data.study import Study
from orapo.data.tables.writing import write_rows
from orapo.errors import OrapoError
from orapo.locking import locked
from orapo.writing import json_text, write_text

MANIFEST: Final = "manifest.jsonl"
IMAGES: Final = "images"
DRAWN: Final = "drawn.jsonl"
RECORD: Final = "phantom.json"

VERSION: Final = 3
"""Raise it when the same seed comes to give other films, reports or labels."""

SPLIT_STARTS: Final[Mapping[str, int]] = {"train": 0, "validate": 500_000, "test": 600_000}
"""Index of the first study of each split.

They are far apart so that held-out studies stay the same however many training studies are drawn.
"""
_SPLIT_ROOM: Final = {"train": 500_000, "validate": 100_000, "test": 400_000}


def write_phantom(
    out: Path,
    counts: Mapping[str, int],
    seed: int,
    config: PhantomConfig,
    progress: Callable[[int, int], None] | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Write a phantom data set.

    The folder holds ``images/*.png``, ``manifest.jsonl`` (image paths relative to it),
    ``drawn.jsonl`` (what each film shows, which label noise can make differ from the labels) and
    ``phantom.json`` (the arguments). It is drawn beside its place and moved there when complete.
    When the folder is already complete for the same arguments, nothing is drawn.

    Args:
        out: The folder; other files in it are left alone.
        counts: Number of studies by split: ``train``, ``validate``, ``test``.
        seed: Of the phantom.
        config: Film size and difficulty.
        progress: Called with the number of studies done and their total, after each one.
        overwrite: Draw over a complete phantom of other arguments.

    Returns:
        The path of the manifest.

    Raises:
        OrapoError: A split is unknown or a count impossible, or the folder holds images or a
            manifest that are not a phantom's, or a phantom of other arguments, or it can't be
            written.
    """
    counts = checked_counts(counts, seed)
    total = sum(counts.values())
    arguments = {"version": VERSION, "seed": seed, "counts": counts, **asdict(config)}

    def draw(part: Path) -> None:
        (part / IMAGES).mkdir()
        _draw_into(part, counts, seed, config, progress)

    drawn = fill_folder(
        out, arguments, (IMAGES, DRAWN, MANIFEST), draw, lambda: _is_whole(out, total), overwrite
    )
    if not drawn and progress is not None:
        progress(total, total)
    return out / MANIFEST


def fill_folder(
    out: Path,
    arguments: Mapping[str, Any],
    entries: Sequence[str],
    draw: Callable[[Path], None],
    is_whole: Callable[[], bool],
    overwrite: bool,
) -> bool:
    """Fill a folder with a phantom, unless it is there already; whole, or not at all.

    Args:
        out: The folder.
        arguments: What the phantom depends on.
        entries: Names of what it consists of; the last of them is moved there last.
        draw: Writes the entries into the folder that it is given.
        is_whole: Whether a phantom that is recorded as complete still has all its files.
        overwrite: Draw over a complete phantom of other arguments.

    Returns:
        Whether it was drawn.

    Raises:
        OrapoError: The folder holds something else, or can't be written.
    """
    complete = {**arguments, "complete": True}
    if _read_record(out) == complete and is_whole():
        return False
    with locked(out):  # who comes second finds what the first has drawn
        if _read_record(out) == complete and is_whole():
            return False
        _fill(out, arguments, entries, draw, overwrite)
    return True


def _fill(
    out: Path,
    arguments: Mapping[str, Any],
    entries: Sequence[str],
    draw: Callable[[Path], None],
    overwrite: bool,
) -> None:
    record = _read_record(out)
    if record is None and any((out / name).exists() for name in entries):
        raise OrapoError(f"{out}: holds another data set; choose an empty folder for the phantom")
    if record is not None and record.get("layout") != arguments.get("layout"):
        raise OrapoError(f"{out}: holds a phantom of another layout; give an empty folder")
    if record is not None and not overwrite and record.get("complete"):
        other = sorted(
            name
            for name in {*record, *arguments} - {"complete"}
            if record.get(name) != arguments.get(name)
        )
        if other:
            raise OrapoError(
                f"{out}: holds a phantom made with another {', '.join(other)}; give an empty "
                "folder, or --force to draw over it"
            )
    part = out / ".phantom.part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        draw(part)
        # From here on the folder counts as an unfinished phantom until the last line.
        _write_record(out, {**arguments, "complete": False})
        for name in entries:
            if (out / name).is_dir():
                shutil.rmtree(out / name)
            if (part / name).exists():
                (part / name).replace(out / name)
        _write_record(out, {**arguments, "complete": True})
    except OSError as error:
        raise OrapoError(f"{out}: can't be written ({error.strerror})") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def checked_counts(counts: Mapping[str, int], seed: int) -> dict[str, int]:
    """Return the number of studies of every split, in order.

    Raises:
        OrapoError: A split is unknown, a count impossible or the seed negative.
    """
    unknown = sorted(set(counts) - set(SPLIT_STARTS))
    if unknown:
        raise OrapoError(
            f"unknown split {', '.join(unknown)}; the phantom has {', '.join(SPLIT_STARTS)}"
        )
    ordered = {split: counts.get(split, 0) for split in SPLIT_STARTS}
    for split, count in ordered.items():
        if not 0 <= count <= _SPLIT_ROOM[split]:
            raise OrapoError(
                f"the {split} split can have 0 to {_SPLIT_ROOM[split]} studies, not {count}"
            )
    if not any(ordered.values()):
        raise OrapoError("a phantom needs at least one study")
    if seed < 0:
        raise OrapoError(f"the seed must not be negative, it is {seed}")
    return ordered


def _is_whole(out: Path, total: int) -> bool:
    images = out / IMAGES
    if not all((out / name).is_file() for name in (MANIFEST, DRAWN)) or not images.is_dir():
        return False
    return sum(path.suffix == ".png" for path in images.iterdir()) == total


def _draw_into(
    part: Path,
    counts: Mapping[str, int],
    seed: int,
    config: PhantomConfig,
    progress: Callable[[int, int], None] | None,
) -> None:
    total, done = sum(counts.values()), 0
    with write_rows(part / DRAWN, ("study_id", "drawn")) as write_truth:

        def studies() -> Iterator[Study]:
            nonlocal done
            for split, count in counts.items():
                for index in range(SPLIT_STARTS[split], SPLIT_STARTS[split] + count):
                    drawn = draw_study(seed, index, config)
                    image = Path(IMAGES) / f"{drawn.study.study_id}.png"
                    drawn.image.save(part / image)
                    write_truth(
                        {
                            "study_id": drawn.study.study_id,
                            "drawn": [asdict(finding) for finding in drawn.drawn],
                        }
                    )
                    yield drawn.study.model_copy(update={"images": (image,), "split": split})
                    done += 1
                    if progress is not None:
                        progress(done, total)

        write_manifest(part / MANIFEST, studies())


def _read_record(out: Path) -> dict[str, Any] | None:
    """Return the arguments of the phantom in ``out``; None if there is none."""
    try:
        record = json.loads((out / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _write_record(out: Path, record: Mapping[str, Any]) -> None:
    write_text(out / RECORD, json_text(record, indent=2) + "\n")
