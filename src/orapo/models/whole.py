"""Checkpoints that are whole: a list of their files, with sizes and digests, is written last.

A run can be killed while it writes one, a disk can flip a bit, a file of another run can be copied over
one of this. A folder without its mark, or with other files than those of the mark, is not loaded; the
checkpoint before it is.

Hashing is streamed and costs a read: about 1.1 GB/s on a core (SHA-256 with the processor's own
instructions), so 6 s for a model of 7 GB, once when a checkpoint is written and once when it is read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from orapo.errors import OrapoError
from orapo.writing import json_text, written_beside

MARK_FILE: Final = "whole.json"

_NAME: Final = re.compile(r"checkpoint-(\d+)")  # transformers'
_VERSION: Final = 2
_EDITED: Final = "adapter_config.json"
_CARD: Final = "README.md"
"""Written after the model, and edited by people: no part of what is loaded."""
_PLACE_OF_BASE: Final = "base_model_name_or_path"
logger = logging.getLogger(__name__)


def all_checkpoints(run: Path) -> list[Path]:
    """Return the checkpoints in a run's folder, torn ones too, by step."""
    if not run.is_dir():
        return []
    found = {
        int(match[1]): path
        for path in run.iterdir()
        if (match := _NAME.fullmatch(path.name)) and path.is_dir()
    }
    return [found[step] for step in sorted(found)]


def whole_checkpoints(run: Path) -> list[Path]:
    """Return the checkpoints in a run's folder that have all their files, by step; hashes none."""
    return [folder for folder in all_checkpoints(run) if fault(folder, digests=False) is None]


def mark_whole(folder: Path, names: Iterable[str] | None = None) -> None:
    """Say that a checkpoint is whole, once all its files are on the disk; call it last.

    Args:
        folder: The checkpoint.
        names: Its files, where others lie beside them; None: all.

    Raises:
        OSError: The disk is full, or gone.
    """
    if names is None:
        files = [path for path in folder.rglob("*") if path.is_file() and path.name != MARK_FILE]
        names = [path.relative_to(folder).as_posix() for path in files]
    sizes, digests = {}, {}
    for name in sorted(name for name in names if Path(name).name != _CARD):
        path = folder / name
        _to_disk(path)
        sizes[name], digests[name] = path.stat().st_size, _digest_of(path)
    _write_mark(folder, {"version": _VERSION, "sizes": sizes, "digests": digests})
    for place in (folder, folder.parent):
        _to_disk(place)


@contextmanager
def marking(folder: Path) -> Iterator[None]:
    """Mark the files that are written within; until then the folder is torn.

    For a folder that holds other things beside a model: the end of a run.
    """
    before = _states(folder)
    _write_mark(folder, {"version": _VERSION, "writing": True})
    yield
    mark_whole(
        folder, [name for name, state in _states(folder).items() if before.get(name) != state]
    )


def fault(folder: Path, digests: bool = True) -> str | None:
    """Return why a checkpoint is not whole, or None if it is.

    Args:
        folder: A checkpoint.
        digests: Whether the files' contents are looked at, which reads all of them, or their sizes.
    """
    try:
        mark = _read_mark(folder)
    except FileNotFoundError:
        return f"no {MARK_FILE}, which is written last"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"{MARK_FILE} is broken"
    if mark.get("writing"):
        return "it was being written when its run ended"
    known = mark["digests"]
    for name, size in mark["sizes"].items():
        path = folder / name
        try:
            there = path.stat().st_size
        except OSError:
            return f"{name} is missing"
        if there != size and path.name != _EDITED:
            return f"{name} has {there} bytes instead of {size}"
        if digests and name in known and _digest_of(path) != known[name]:
            return f"{name} is not what was written"
    return None


def intact(name: str | Path) -> str | Path:
    """Return a checkpoint, or the whole one before it if it is torn; warns if it is another.

    Args:
        name: A checkpoint's folder, the end of a run or a step of it, or a name on the hub. A folder
            without a mark that lies in no run is taken as it is: others' models have none.

    Raises:
        OrapoError: It is torn, and so is all before it.
    """
    folder = Path(name)
    reason = torn(folder)
    if reason is None:
        return name
    for before in reversed(_before(folder)):
        if fault(before) is None:
            logger.warning("%s: not whole (%s); %s is taken instead", folder, reason, before)
            return before
    raise OrapoError(_refusal(folder, reason, "no whole checkpoint lies before it"))


def check_intact(name: str | Path) -> None:
    """Refuse a checkpoint that is torn.

    Raises:
        OrapoError: It is; the message names the whole one before it.
    """
    folder = Path(name)
    reason = torn(folder)
    if reason is not None:
        whole = [before for before in _before(folder) if fault(before, digests=False) is None]
        rest = f"{whole[-1]} is whole" if whole else "no whole checkpoint lies before it"
        raise OrapoError(_refusal(folder, reason, rest))


def torn(folder: Path) -> str | None:
    """Return why a folder is not a whole checkpoint of a run; None if it is, or is no run's."""
    if not folder.is_dir():
        return None
    if (folder / MARK_FILE).exists():
        return fault(folder)
    if _NAME.fullmatch(folder.absolute().name):
        # other tools' checkpoints bear this name, too, and no mark
        marked = any(
            (one / MARK_FILE).exists() for one in all_checkpoints(folder.absolute().parent)
        )
        return fault(folder) if marked else None
    unfinished = not any((folder / name).is_file() for name in ("config.json", _EDITED))
    return "its run has not ended" if unfinished and whole_checkpoints(folder) else None


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content; of one that has not changed since, from memory."""
    facts = path.stat()
    return _hashed(path, facts.st_size, facts.st_mtime_ns, facts.st_ino)


@lru_cache(4096)
def _hashed(path: Path, *facts: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of(path: Path) -> str:
    """Return a file's digest; an adapter's configuration may name another place of its base."""
    if path.name == _EDITED:
        try:
            settings = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return ""
        settings.pop(_PLACE_OF_BASE, None)
        return hashlib.sha256(json_text(settings, sort_keys=True).encode()).hexdigest()
    return file_digest(path)


def _before(folder: Path) -> list[Path]:
    """Return the checkpoints before another one, by step: of an end, those in it."""
    place = folder.absolute()
    own = _NAME.fullmatch(place.name)
    if own is None:
        return all_checkpoints(folder)
    steps = all_checkpoints(folder.parent)
    return [one for one in steps if int(one.name.rpartition("-")[2]) < int(own[1])]


def _refusal(folder: Path, reason: str, rest: str) -> str:
    changed = (
        f"; if you changed it on purpose, delete its {MARK_FILE}" if "not what" in reason else ""
    )
    return f"{folder}: not whole ({reason}); {rest}{changed}"


def _read_mark(folder: Path) -> dict[str, Any]:
    mark: Mapping[str, Any] = json.loads((folder / MARK_FILE).read_text(encoding="utf-8"))
    if mark.get("writing"):
        return dict(mark)
    # version 1 knew sizes alone
    digests = mark["digests"] if mark["version"] != 1 else {}
    sizes = dict(mark["sizes"])
    if mark["version"] != 1 and digests.keys() != sizes.keys():
        raise ValueError
    return {"sizes": sizes, "digests": dict(digests)}


def _write_mark(folder: Path, mark: Mapping[str, Any]) -> None:
    with written_beside(folder / MARK_FILE, shared=True) as part:
        part.write_text(json_text(mark), encoding="utf-8")
        _to_disk(part)


def _states(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return what changes when a file is written anew, of all files but those of checkpoints."""
    states: dict[str, tuple[int, ...]] = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        own = not _NAME.fullmatch(name.parts[0]) and path.name != MARK_FILE
        if own and path.is_file():
            facts = path.stat()
            states[name.as_posix()] = (facts.st_size, facts.st_mtime_ns, facts.st_ino)
    return states


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
