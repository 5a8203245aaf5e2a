"""``-`` on the command line: standard input as a file that can be read twice, standard output."""

from __future__ import annotations

import atexit
import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from orapo.data.tables.text_encoding import by_mark
from orapo.errors import OrapoError

DASH: Final = Path("-")
_CHUNK: Final = 1 << 20


class _Spooled:
    source: object = None
    """The standard input that was read already."""
    path: Path | None = None
    """Where it lies."""


def is_dash(path: Path | None) -> bool:
    """Whether a path stands for standard input or output."""
    return path is not None and str(path) == "-"


def from_input(path: Path) -> Path:
    """Return a file with what comes from standard input, if ``path`` is ``-``; else ``path``.

    Tables are read more than once (their columns first), and some formats not from their beginning.
    The file lies in a folder of its own that nobody else may read, and goes when the process ends.

    Raises:
        OrapoError: Nothing comes, standard input is a terminal, or two tables are to come from it.
    """
    if not is_dash(path):
        return path
    if _Spooled.source is not None and _Spooled.source is sys.stdin:
        raise OrapoError("-: standard input can be given for one table only")
    if sys.stdin is None or sys.stdin.isatty():
        raise OrapoError("-: standard input is a terminal; pipe a table into it")
    folder = scratch_folder()
    source = sys.stdin.buffer
    first = source.read(_CHUNK)
    if not first:
        raise OrapoError("-: nothing came from standard input")
    spooled = folder / f"standard-input{_suffix(first)}"
    try:
        with spooled.open("wb") as file:
            file.write(first)
            shutil.copyfileobj(source, file, _CHUNK)
    except OSError as error:
        raise OrapoError(f"{spooled}: can't be written ({error.strerror})") from None
    _Spooled.source, _Spooled.path = sys.stdin, spooled
    return spooled


def digest(path: Path) -> str:
    """Return what tells the content of a file from another's."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_of(path: Path) -> Path:
    """Return where the relative paths in a table start: its folder, or the working one if it is piped."""
    return Path.cwd() if path == _Spooled.path else path.parent


def not_standard_output(out: Path) -> None:
    """Refuse ``-`` where a folder is written, or a file that an interrupted run goes on with.

    Raises:
        OrapoError: It is ``-``.
    """
    if is_dash(out):
        raise OrapoError("--out -: this can't go to standard output; give a file or a folder")


def in_words(text: str) -> str:
    """Return a sentence for people: what came from standard input bears no file's name."""
    return text if _Spooled.path is None else text.replace(str(_Spooled.path), "standard input")


def read_text() -> str:
    """Return the text that comes from standard input.

    Raises:
        OrapoError: It is a terminal, or nothing comes.
        UnicodeDecodeError: It is not UTF-8.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise OrapoError("-: standard input is a terminal; pipe a text into it")
    text = sys.stdin.buffer.read().decode("utf-8-sig")
    if not text.strip():
        raise OrapoError("-: nothing came from standard input")
    return text


def scratch_folder() -> Path:
    """Return a folder that nobody else may read and that goes when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="orapo-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _suffix(first: bytes) -> str:
    """Return the end of a name that says the format, by how the content begins."""
    for start, suffix in ((b"PAR1", ".parquet"), (b"PK\x03\x04", ".xlsx")):
        if first.startswith(start):
            return suffix
    packed = ""
    if first.startswith(b"\x1f\x8b"):
        import zlib

        first, packed = zlib.decompressobj(31).decompress(first, 4096), ".gz"
    if marked := by_mark(first):
        first = first.decode(marked, "ignore").encode()
    begins = first.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if begins == b"[":
        return f".json{packed}"
    if begins == b"{":
        try:
            json.loads(first.lstrip().split(b"\n", 1)[0])
        except ValueError:
            return f".json{packed}" if b"\n" in first else f".jsonl{packed}"
        return f".jsonl{packed}"
    return f".csv{packed}"
