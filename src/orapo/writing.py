"""Files that orapo writes: whole or not at all, through no link, and for their owner alone."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from orapo.errors import OrapoError, RunFailedError

_OWNER_ALONE: Final = 0o600
_GROUP_TOO: Final = 0o660
_EVERYBODY: Final = 0o666
_DEFAULT_ACL: Final = "system.posix_acl_default"
_LEFTOVER: Final = re.compile(r"\.(.+)\.(\d+)\.[a-z0-9_]{8}\.part", re.DOTALL)
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)


def mode_of_new(path: Path, *, shared: bool = False) -> int:
    """Return the mode that a file gets which is written there.

    What orapo writes may hold reports, so it is its owner's alone to read (0600), unless the folder
    says otherwise: one that is made for a group, by the set-group-ID bit or a default ACL, gives
    what the process' umask leaves of 0660. A file that takes the place of an older one keeps its
    mode: whoever changed that meant it.

    Args:
        path: Of the file.
        shared: Whether it lies beside files that libraries write, and may be read by whom they may be
            read by: what the umask leaves.
    """
    with suppress(OSError):
        older = path.lstat()
        if stat.S_ISREG(older.st_mode):
            return stat.S_IMODE(older.st_mode) & 0o777
    if shared:
        return _EVERYBODY & ~_umask()
    return _GROUP_TOO & ~_umask() if _is_shared(path.parent) else _OWNER_ALONE


def _is_shared(folder: Path) -> bool:
    with suppress(OSError):
        if folder.stat().st_mode & stat.S_ISGID:
            return True
        if hasattr(os, "getxattr"):
            return bool(os.getxattr(folder, _DEFAULT_ACL))
    return False


def _umask() -> int:
    try:  # os.umask would have to change it for a moment, for all threads
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("Umask:"):
                    return int(line.split()[1], 8)
    except (OSError, ValueError):
        pass
    return 0o027


def new_beside(path: Path, *, shared: bool = False) -> Path:
    """Make an empty file beside another's place, to be written and then moved there.

    Its name is drawn at random and it is made anew (O_EXCL, O_NOFOLLOW), so that no link that
    someone laid there is followed; it has the mode of the file that it will become.

    Args:
        path: What it will become; its folder must be there.
        shared: See `mode_of_new`.

    Returns:
        Its path: ``.NAME.PROCESS.RANDOM.part``.

    Raises:
        OSError: It can't be made.
        OrapoError: Its place is that of a device, a pipe or a socket: moved there, a file would put that
            out of use for everybody.
    """
    _refuse_device(path)
    mode = mode_of_new(path, shared=shared)
    handle, name = tempfile.mkstemp(".part", f".{path.name[:180]}.{os.getpid()}.", path.parent)
    try:
        if mode != _OWNER_ALONE and hasattr(os, "fchmod"):
            os.fchmod(handle, mode)
    finally:
        os.close(handle)
    return Path(name)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file so that an older one stays whole until the new one is.

    Args:
        path: Where to; its folder is made. A link there is replaced, and what it leads to is not.

    Yields:
        The path to write to; see `new_beside`.

    Raises:
        OrapoError: It can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_beside(path) as part:
            yield part
    except OSError as error:
        raise OrapoError(f"{path}: can't be written ({error.strerror})") from None


@contextmanager
def written_beside(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """As `replacing`, for who has words of its own for what a disk refuses; the folder must be there.

    Args:
        path: Where to.
        shared: See `mode_of_new`.

    Yields:
        The path to write to.

    Raises:
        OSError: It can't be written.
    """
    part = new_beside(path, shared=shared)
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _refuse_device(path: Path) -> None:
    with suppress(OSError):
        mode = path.stat().st_mode  # through links: /dev/stdout is one
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise OrapoError(f"{path}: is no file that can be written as a whole")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file as a whole; see `replacing`."""
    with replacing(path) as part:
        part.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a file of UTF-8 as a whole; see `replacing`."""
    write_bytes(path, text.encode())


def open_to_append(path: Path, *, shared: bool = False) -> IO[str]:
    """Open a file of UTF-8 that grows line by line; made if it is not there, through no link.

    Args:
        path: The file.
        shared: See `mode_of_new`.

    Raises:
        OSError: It can't be opened, or is a link.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NOFOLLOW
    return os.fdopen(os.open(path, flags, mode_of_new(path, shared=shared)), "a", encoding="utf-8")


def json_text(value: Any, **form: Any) -> str:
    """Return JSON; NaN and infinity, which Python would write though JSON has neither, are refused.

    Args:
        value: What ``json.dumps`` takes.
        **form: Further arguments of it.

    Raises:
        RunFailedError: A number is not finite; the message says where it stands.
    """
    try:
        return json.dumps(value, allow_nan=False, **form)
    except ValueError:
        place = _not_finite(value, "")
        if place is None:
            raise
        raise RunFailedError(
            f"{place.lstrip('.') or 'a figure'} is not a finite number, which JSON can't hold"
        ) from None


def finite_only(value: Any) -> Any:
    """Return a value for JSON with None for every number that is not finite, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite_only(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite_only(one) for one in value]
    return value


def _not_finite(value: Any, place: str) -> str | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else place
    inside: list[tuple[Any, Any]] = []
    if isinstance(value, Mapping):
        inside = list(value.items())
    elif isinstance(value, list | tuple):
        inside = list(enumerate(value))
    for key, one in inside:
        found = _not_finite(one, f"{place}.{key}")
        if found is not None:
            return found
    return None


def open_own(path: Path, *, anew: bool) -> int:
    """Open a file to read and write whose name others can know beforehand.

    Args:
        path: The file.
        anew: Whether it is made anew; what lies there, a link too, is taken away first.

    Returns:
        The descriptor.

    Raises:
        OSError: It can't be opened, is a link, or another user's file.
    """
    if anew:
        path.unlink(missing_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW, _OWNER_ALONE)
    handle = os.open(path, os.O_RDWR | _NOFOLLOW)
    facts = os.fstat(handle)
    strange = hasattr(os, "getuid") and facts.st_uid != os.getuid()
    if strange or facts.st_nlink != 1 or not stat.S_ISREG(facts.st_mode):
        os.close(handle)
        raise OSError(errno.EPERM, "it is another's file or a link")
    return handle


def remove_leftovers(path: Path) -> None:
    """Remove what a killed process left (`new_beside`) of a file, or in a folder.

    What a process of this machine is still writing stays: several commands may write into one folder,
    or one of them within the other's.
    """
    of_this = path.name[:180]
    with suppress(OSError):
        for part in path.rglob(".*.part") if path.is_dir() else path.parent.glob(".*.part"):
            named = _LEFTOVER.fullmatch(part.name)
            if not named or not part.is_file() or _runs(int(named[2])):
                continue
            if named[1] == of_this or part.parent != path.parent:
                part.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    if os.name == "nt":  # where os.kill would end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    return True
