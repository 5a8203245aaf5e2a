"""JSON tables: JSON Lines, one array of objects, or one object of objects by study.

Nothing is read whole: of an array one element at a time is in memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

from orapo.data.tables import records
from orapo.data.tables.columns import is_known
from orapo.data.tables.records import OnFault, Row, lacking, lines, open_text
from orapo.errors import OrapoError
from orapo.writing import json_text

# JSON can spell text that no file can hold; it would fail late, when something is written.
_ESCAPED_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_CHUNK: Final = 1 << 18


def read_json_lines(
    path: Path, required: Sequence[str], encoding: str, fault: OnFault
) -> Iterator[Row]:
    """Yield the objects of a file that has one a line.

    Raises:
        OrapoError: The file is empty, or a line is too long.
    """
    number = 0
    with open_text(path, encoding) as file:
        for line, text in enumerate(lines(path, file), start=1):
            if not text.strip():
                continue
            number += 1
            try:
                values = _JSON.decode(text)
            except (ValueError, RecursionError) as error:
                fault(line, number, f"broken JSON ({_why(error)})")
                continue
            if sound := _sound(values, bool(_ESCAPED_HALF.search(text)), required):
                fault(line, number, sound)
                continue
            yield Row(line, values, number)
    if number == 0 and path.stat().st_size == 0:
        raise OrapoError(f"{path}: the file is empty")


def read_json(path: Path, required: Sequence[str], encoding: str, fault: OnFault) -> Iterator[Row]:
    """Yield the records of a ``.json`` file, whatever its form.

    An array of objects; an object whose keys are the studies and whose values their records or
    texts; or JSON Lines, as some data sets call them.

    Raises:
        OrapoError: It is none of these.
    """
    with open_text(path, encoding) as file:
        whole, opening = _first(path, file)
    if opening == "{" and whole:
        yield from read_json_lines(path, required, encoding, fault)
        return
    if opening not in ("[", "{"):
        what = "the file is empty" if not opening else "expected a JSON array or object"
        raise OrapoError(f"{path}: {what}")
    studies: dict[str, int] = {}
    with open_text(path, encoding) as file:
        elements = _Elements(path, file)
        for number, (line, key, values) in enumerate(elements, start=1):
            if key is not None:
                if key in studies:
                    fault(line, number, f"{key[:80]} stands already in line {studies[key]}")
                    continue
                studies[key] = line
                if isinstance(values, str):
                    if is_known(key):
                        raise OrapoError(
                            f"{path}: is one JSON object, one record; expected a list of them"
                        )
                    values = {"report": values}
                if isinstance(values, dict):
                    values = {"study_id": key, **values}
            if sound := _sound(values, elements.escaped, required):
                where = "" if key is None else f" under {key[:80]!r}"
                fault(line, number, f"{sound}{where}")
                continue
            yield Row(line, values, number)


def _first(path: Path, file: IO[str]) -> tuple[bool, str]:
    """Return whether the first line is a record by itself, and the file's first character."""
    found = ""
    for _ in range(1000):
        found = file.readline(records.LONGEST_LINE + 1)
        if not found or found.strip():
            break
    text = found.strip()
    if not text.startswith("{"):
        return False, text[:1]
    try:
        values = _JSON.decode(text)
    except (ValueError, RecursionError):
        return False, "{"
    more = any(file.readline(records.LONGEST_LINE + 1).strip() for _ in range(10))
    by_study = values and all(isinstance(value, dict) for value in values.values())
    by_text = values and not any(map(is_known, values))
    by_text = by_text and all(isinstance(value, str) for value in values.values())
    return more or not (by_study or by_text), "{"


class _Elements:
    """Iterates over an array's elements, or over an object's keys and values.

    Yields the line in which each ends, its key (None in an array) and its value.
    """

    def __init__(self, path: Path, file: IO[str]) -> None:
        self._path, self._file = path, file
        self._text, self._at, self._line = "", 0, 1
        self.escaped = False
        """Whether the last value holds an escape that may be half a character."""

    def __iter__(self) -> Iterator[tuple[int, str | None, Any]]:
        opening = self._next()
        closing = {"[": "]", "{": "}"}[opening]
        if self._peek() == closing:
            self._next()
        else:
            while True:
                key = None
                if opening == "{":
                    key = self._value()
                    if not isinstance(key, str):
                        raise self._broken("expected a key in quotation marks")
                    if self._next() != ":":
                        raise self._broken("expected ':' after a key")
                value = self._value()
                yield self._line, key, value
                mark = self._next()
                if mark == closing:
                    break
                if mark != ",":
                    raise self._broken(f"expected ',' or {closing!r}" if mark else "it ends early")
        if self._peek():
            raise self._broken("something stands after its end")

    def _peek(self) -> str:
        while True:
            start = self._at
            self._at = _SPACE.match(self._text, start).end()  # type: ignore[union-attr]
            self._line += self._text.count("\n", start, self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _next(self) -> str:
        mark = self._peek()
        self._at += len(mark)
        return mark

    def _value(self) -> Any:
        self._peek()
        while True:
            error: Exception | None = None
            end = self._at
            try:
                value, end = _JSON.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as found:
                error = found
            # what ends where the text read so far ends may go on: 12 of 123, or half an object
            if error is None and end < len(self._text):
                break
            if len(self._text) - self._at > records.LONGEST_LINE:
                what = f"longer than {records.LONGEST_LINE:,} characters"
                raise self._broken(f"{_why(error)}, or {what}" if error else what)
            if isinstance(error, RecursionError) or not self._more():
                if error is None:
                    break
                raise self._broken(_why(error))
        self._line += self._text.count("\n", self._at, end)
        self.escaped = _ESCAPED_HALF.search(self._text, self._at, end) is not None
        self._at = end
        return value

    def _more(self) -> bool:
        """Read on; twice as much each time, so that long elements are not parsed too often."""
        rest = self._text[self._at :]
        piece = self._file.read(max(_CHUNK, len(rest)))
        self._text, self._at = rest + piece, 0
        return bool(piece)

    def _broken(self, why: str) -> OrapoError:
        return OrapoError(f"{self._path}, line {self._line}: broken JSON ({why})")


def _sound(values: object, escaped: bool, required: Sequence[str]) -> str:
    """Return what is wrong with a record; empty if nothing is."""
    if not isinstance(values, dict):
        return "expected a JSON object"
    if escaped and not _encodable(values):
        return "holds half a character (a surrogate without its pair)"
    return lacking(values, required) if required else ""


def _why(error: Exception | None) -> str:
    if isinstance(error, RecursionError):
        return "nested too deep"
    return getattr(error, "msg", "a number of too many digits")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):  # Python's own would let the last one win
        raise json.JSONDecodeError("a key stands twice", "", 0)
    return values


_JSON: Final = json.JSONDecoder(object_pairs_hook=_object)


def _encodable(values: dict[str, Any]) -> bool:
    try:
        json_text(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
