"""Films that can't be read: found before a run, endured during it, and never too many of them.

Why both. Whether a film is whole shows only when it is decoded, and rows are decoded one by one as
training takes them (`orapo.training.preparing.dataset`), when a row can no longer be left out: samplers,
groups and the steps of a schedule are counted by then. So every film is decoded once before
training, which is remembered by path, size and time of change, and a study with a bad one never
becomes a row. What breaks later still (a disk, a share, a file that is exchanged) is guarded where
it is read: a blank film takes its place and the row is marked, the trainer takes its rewards for
unknown, which leave the loss, and the study is set aside here like the others.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress

from orapo.data.conversation import Views, shown_films
from orapo.data.films.images import read_image
from orapo.data.study import Study
from orapo.errors import OrapoError, RunFailedError
from orapo.facts.parallel import map_reports
from orapo.paths import cache_folder
from orapo.writing import json_text

LIST_FILE: Final = "unreadable.jsonl"
FILM_ERROR: Final = "film_error"
"""Column that says why a row's film is blank; empty if it is not."""

_VERSION: Final = 2
"""Raise it when `read_image` comes to refuse what it took."""
_WORTH_A_PROCESS: Final = 2.0
"""Seconds; what takes less is done before other processes have started."""
_log = logging.getLogger(__name__)


class SetAside:
    """The studies of a run whose films can't be read.

    Args:
        total: Studies of the run.
        max_share: Of them, how many may be set aside before the run stops.
        folder: Where the list of them is written, with files and reasons; None writes none (the
            processes of a run but the first).
    """

    def __init__(self, total: int, max_share: float = 1.0, folder: Path | None = None) -> None:
        self.total = total
        self.max_share = max_share
        self.studies: set[str] = set()
        self._list = None if folder is None else folder / LIST_FILE
        if self._list is not None:
            self._list.unlink(missing_ok=True)

    def add(self, study_id: str, error: str) -> None:
        """Set a study aside; warns with its id alone, the list says why."""
        if study_id in self.studies:
            return
        self.studies.add(study_id)
        _log.warning("study %s: set aside, its film can't be read", study_id)
        if self._list is not None:
            with self._list.open("a", encoding="utf-8") as file:
                file.write(json_text({"study_id": study_id, "error": error}) + "\n")

    def check(self) -> None:
        """Stop the run if there are too many.

        Raises:
            RunFailedError: More than the share were set aside.
        """
        count = len(self.studies)
        if count > self.max_share * self.total:
            where = "" if self._list is None else f"; they are listed in {self._list}"
            raise RunFailedError(
                f"{count} of {self.total} studies can't be read, more than max_unreadable_share "
                f"{self.max_share:g} allows{where}"
            )


def readable_studies(
    studies: Sequence[Study], views: Views, set_aside: SetAside, quiet: bool = False
) -> list[Study]:
    """Return the studies whose films can all be read; the others are set aside.

    Args:
        studies: Those of a run.
        views: Which of their films are used.
        set_aside: Takes the others.
        quiet: Show no progress bar.

    Raises:
        RunFailedError: They are too many.
    """
    films = dict.fromkeys(film for study in studies for film in shown_films(study, views))
    faults = _faults(list(films), quiet)
    good = []
    for study in studies:
        bad = [faults[film] for film in shown_films(study, views) if film in faults]
        if bad:
            set_aside.add(study.study_id, bad[0])
        else:
            good.append(study)
    set_aside.check()
    return good


def _faults(films: Sequence[Path], quiet: bool) -> dict[Path, str]:
    """Return what is wrong with films, of those with which something is."""
    cache = cache_folder() / "films.txt"
    known = _read_cache(cache)
    keys = {film: _key(film) for film in films}
    unknown = [film for film in films if keys[film] not in known]
    faults: dict[Path, str] = {}
    with Progress(console=Console(stderr=True), disable=quiet or not unknown) as progress:
        task = progress.add_task("Reading every film once", total=len(unknown))
        for film, fault in zip(unknown, _tried(unknown), strict=True):
            if fault is not None:
                faults[film] = fault
            progress.advance(task)
    # Only good ones are remembered: a bad one may be readable once a decoder is installed.
    good = [key for film in unknown if film not in faults and (key := keys[film])]
    _add_to_cache(cache, good)
    return faults


def _tried(films: Sequence[Path]) -> Iterator[str | None]:
    """Read films in this process, and what is left after a while in several."""
    workers = min(16, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4)
    start = time.monotonic()
    rest = iter(films)
    for film in rest:
        yield _fault(film)
        if workers > 1 and time.monotonic() - start > _WORTH_A_PROCESS:
            break
    try:
        yield from map_reports(_fault, rest, workers, batch_size=16)
    except RunFailedError:  # its own sentence names an option that training hasn't
        raise RunFailedError(
            "a process that reads films was killed, perhaps for want of memory"
        ) from None


def _fault(film: Path) -> str | None:
    try:
        read_image(film)
    except OrapoError as error:
        return str(error)
    return None


def _key(film: Path) -> str | None:
    """Return a hash that changes with the file: the cache names no path, which may name a patient."""
    try:
        facts = film.stat()
    except OSError:
        return None
    text = json_text([_VERSION, str(film.absolute()), facts.st_size, facts.st_mtime_ns])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _read_cache(cache: Path) -> set[str]:
    try:
        return set(cache.read_text(encoding="ascii").split())
    except (OSError, UnicodeDecodeError):
        return set()


def _add_to_cache(cache: Path, keys: Sequence[str]) -> None:
    if not keys:
        return
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with cache.open("a", encoding="ascii") as file:
            file.write("".join(f"{key}\n" for key in keys))
    except OSError:
        pass  # a home that can't be written to: the films are read again next time
