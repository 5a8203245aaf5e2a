"""Reads every image of a data set once, in parallel, and says which ones can't be trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from orapo.data.films.body_part import BodyPart
from orapo.data.films.images import read_image
from orapo.data.loaded import Loaded, Problem
from orapo.data.resumable import ResumableRows
from orapo.errors import OrapoError

_BATCH: Final = 16
_FLUSHED: Final = 256
"""Rows after which what was seen is handed to the operating system."""
_WORTH_A_PROCESS: Final = 64


class ImageFacts(NamedTuple):
    """What was seen of an image; of an unreadable one only why."""

    fault: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class ImageCheck:
    """The images of a data set.

    Attributes:
        problems: One for each image and study that can't be trained on.
        read: How many different files were read.
        unreadable: How many of them couldn't be.
        sizes: Width and height of the others.
    """

    problems: list[Problem]
    read: int
    unreadable: int
    sizes: list[tuple[int, int]]


def look_at(path: Path, body_part: BodyPart = "chest") -> ImageFacts:
    """Read an image and say what it is.

    Args:
        path: The file.
        body_part: ``any`` takes DICOM films of other parts than the chest too.
    """
    try:
        image = read_image(path, body_part)
    except OrapoError as error:
        return ImageFacts(str(error).removeprefix(f"{path}: "))
    except Exception as error:
        # Decoders fail in many ways on files that are built to break them; one bad file of a
        # hundred thousand must not end the check.
        return ImageFacts(f"can't be decoded ({type(error).__name__})")
    return ImageFacts("", image.width, image.height)


def check_images(
    loaded: Loaded,
    workers: int,
    progress: Callable[[int, int], None] | None = None,
    *,
    keep: Path | None = None,
    pool: Executor | None = None,
) -> ImageCheck:
    """Read all images of a data set.

    Args:
        loaded: The data set.
        workers: Processes.
        progress: Called with the number of files done and their total.
        keep: A file to be, beside which what was seen is kept while this runs: interrupted and
            called again, it goes on. A file that has changed since, or that could not be read, is
            read again.
        pool: Processes of a cluster in place of own ones; they see the same files under the same
            names. ``workers`` is how many they are.

    Raises:
        OrapoError: ``keep`` can't be written.
        RunFailedError: A process died, for want of memory for example.
    """
    paths = list(dict.fromkeys(path for study in loaded.studies for path in study.images))
    kept = None if keep is None else _Kept(keep, [version("orapo"), loaded.body_part])
    try:
        facts = {} if kept is None else kept.known(paths)
        if progress is not None:
            progress(len(facts), len(paths))  # from here on its rate is that of this run
        missing = [path for path in paths if path not in facts]
        work = partial(look_at, body_part=loaded.body_part)
        for path, fact in zip(missing, _all_facts(work, missing, workers, pool), strict=True):
            facts[path] = fact
            if kept is not None:
                kept.add(path, fact)
            if progress is not None:
                progress(len(facts), len(paths))
    finally:
        if kept is not None:
            kept.rows.close()
    if kept is not None:
        kept.rows.discard()
    problems = [
        Problem(place, f"image {path}: {facts[path].fault}", "unreadable_image", True)
        for study, place in zip(loaded.studies, loaded.places, strict=True)
        for path in study.images
        if facts[path].fault
    ]
    return ImageCheck(
        problems,
        len(paths),
        sum(bool(fact.fault) for fact in facts.values()),
        [(facts[path].width, facts[path].height) for path in paths if not facts[path].fault],
    )


class _Kept:
    """What was seen of the films that can be read, in a file until the check is done."""

    def __init__(self, keep: Path, made_from: Any) -> None:
        self.rows = ResumableRows(keep, made_from)

    def known(self, paths: list[Path]) -> dict[Path, ImageFacts]:
        """Return what an interrupted check saw of files that are still the same."""
        if not self.rows.done:
            return {}
        seen = {row["file"]: row for row in self.rows.rows()}
        facts: dict[Path, ImageFacts] = {}
        for path in paths:
            row = seen.get(str(path))
            if row is not None and row["state"] == _state(path):
                facts[path] = ImageFacts("", row["width"], row["height"])
        return facts

    def add(self, path: Path, fact: ImageFacts) -> None:
        """Keep what was seen; of a file that can't be read nothing, for it may yet be repaired."""
        if fact.fault:
            return
        size = {"width": fact.width, "height": fact.height}
        self.rows.add({"file": str(path), "state": _state(path), **size})
        if self.rows.added % _FLUSHED == 0:
            self.rows.flush()


def _state(path: Path) -> list[int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return [facts.st_size, facts.st_mtime_ns]


def _all_facts(
    work: Callable[[Path], ImageFacts], paths: list[Path], workers: int, pool: Executor | None
) -> Iterator[ImageFacts]:
    from orapo.facts.parallel import map_reports

    if len(paths) < _WORTH_A_PROCESS and pool is None:
        workers = 1
    yield from map_reports(work, paths, workers, _BATCH, pool)
