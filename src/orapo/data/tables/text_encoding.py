"""How the characters of a text file are stored: as the user says, or as its first bytes do."""

from __future__ import annotations

import codecs
import gzip
import zlib
from pathlib import Path
from typing import IO, Final, cast

from orapo.data.tables.records import Say
from orapo.errors import OrapoError

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, with which it begins
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks; UTF-8 has none of these bytes, so that they leave no doubt."""


def encoding_of(path: Path, name: str, say: Say) -> str:
    """Return the codec of a file: the one that is named, or of UTF-16 what its mark says.

    Args:
        path: The file.
        name: As the user names it, ``utf-8`` by default.
        say: Told if it is another one.

    Raises:
        OrapoError: There is no such encoding.
    """
    try:
        "".encode(name)  # says no to codecs that are none of texts, too
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        raise OrapoError(f"--encoding {name}: no such encoding; try utf-8 or latin-1") from None
    if found != "utf-8":
        return found
    if marked := by_mark(_beginning(path)):
        say(f"{path}: read as {marked.upper()}, as its first bytes say")
        return marked
    return "utf-8-sig"


def by_mark(first: bytes) -> str:
    """Return the encoding that a byte order mark names; empty for none, and for UTF-8's."""
    return next((name for mark, name in _MARKS if first.startswith(mark)), "")


def _beginning(path: Path) -> bytes:
    try:
        with _binary(path) as file:
            return file.read(4)
    except (OSError, EOFError, zlib.error):
        return b""  # whoever reads on says what is wrong


def _binary(path: Path) -> IO[bytes]:
    packed = path.suffix.lower() == ".gz"
    return cast(IO[bytes], gzip.open(path)) if packed else path.open("rb")


def first_undecodable(path: Path, encoding: str, error: UnicodeError) -> str:
    """Say where a file stops being text of the encoding: the reader knows its own buffer only.

    Args:
        path: The file.
        encoding: In which it was read.
        error: What the reader said.
    """
    name = "UTF-8" if encoding.lower().replace("-", "") == "utf8" else encoding
    advice = "save the file as UTF-8, or name its encoding where there is an option for it"
    if not isinstance(error, UnicodeDecodeError):  # UTF-16 without its mark
        return f": not {name} text ({error}); {advice}"
    what = f"not {name} text (byte 0x{error.object[error.start]:02x}"
    decoder = codecs.getincrementaldecoder(encoding)()
    done, line = 0, 1
    with _binary(path) as file:
        while piece := file.read(1 << 20):
            start = done - len(decoder.getstate()[0])  # with the beginning of a character
            try:
                line += decoder.decode(piece).count("\n")
            except UnicodeDecodeError as found:
                line += found.object[: found.start].count(b"\n")
                return f", line {line}: {what} at position {start + found.start}); {advice}"
            done += len(piece)
    return f": {what}); {advice}"
