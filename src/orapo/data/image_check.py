"""Reads every image of a data set once, in parallel, and says which ones can't be trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from orapo.data.images import read_image
from orapo.data.loaded import Loaded, Problem
from orapo.errors import OrapoError

_BATCH: Final = 16
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


def look_at(path: Path) -> ImageFacts:
    """Read an image and say what it is."""
    try:
        image = read_image(path)
    except OrapoError as error:
        return ImageFacts(str(error).removeprefix(f"{path}: "))
    except Exception as error:
        # Decoders fail in many ways on files that are built to break them; one bad file of a
        # hundred thousand must not end the check.
        return ImageFacts(f"can't be decoded ({type(error).__name__})")
    return ImageFacts("", image.width, image.height)


def check_images(
    loaded: Loaded, workers: int, progress: Callable[[int, int], None] | None = None
) -> ImageCheck:
    """Read all images of a data set.

    Args:
        loaded: The data set.
        workers: Processes.
        progress: Called with the number of files done and their total.

    Raises:
        RunFailedError: A process died, for want of memory for example.
    """
    paths = list(dict.fromkeys(path for study in loaded.studies for path in study.images))
    facts: dict[Path, ImageFacts] = {}
    for path, fact in zip(paths, _all_facts(paths, workers), strict=True):
        facts[path] = fact
        if progress is not None:
            progress(len(facts), len(paths))
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
        [(fact.width, fact.height) for fact in facts.values() if not fact.fault],
    )


def _all_facts(paths: list[Path], workers: int) -> Iterator[ImageFacts]:
    from orapo.facts.parallel import map_reports

    if len(paths) < _WORTH_A_PROCESS:
        workers = 1
    yield from map_reports(look_at, paths, workers, _BATCH)
