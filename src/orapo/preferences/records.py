"""The files of blinded preferences, one JSON line a record (docs/experts.md).

``sheet.jsonl`` is what raters see, ``key.jsonl`` what they must not see, ``preferences.jsonl`` joins
both with their judgements and is what a reward model is trained on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, cast, get_args

from orapo.data.tables.reading import Row, id_cell, read_rows, text_cell
from orapo.data.tables.writing import write_rows
from orapo.errors import OrapoError

Choice = Literal["left", "right", "tie"]
CHOICES: Final[tuple[str, ...]] = get_args(Choice)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two reports of one study as a rater sees them: a line of ``sheet.jsonl``.

    Attributes:
        pair: Its name, in the order of showing.
        study_id: The study.
        images: Its films; may be empty.
        left: The report on the left.
        right: The report on the right.
    """

    pair: str
    study_id: str
    images: tuple[Path, ...]
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class PairKey:
    """What a rater must not see of a pair: a line of ``key.jsonl``.

    Attributes:
        pair: Its name.
        study_id: The study.
        patient_id: The patient; empty if unknown.
        left_source: The system, or ``radiologist``, that wrote the left report.
        right_source: Likewise.
        repeats: The pair that this one shows again; None if it shows none.
        why: Why it was chosen: ``near tie``, ``rewards disagree`` or ``random``.
        left_scores: Reward's name to its score of the left report.
        right_scores: Likewise.
    """

    pair: str
    study_id: str
    patient_id: str
    left_source: str
    right_source: str
    repeats: str | None = None
    why: str = ""
    left_scores: Mapping[str, float] = field(default_factory=dict)
    right_scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preference:
    """One judgement with all that is known of its pair: a line of ``preferences.jsonl``.

    Attributes:
        pair: The pair's name.
        study_id: The study.
        patient_id: The patient; empty if unknown.
        images: The study's films; may be empty.
        left: The report on the left.
        right: The report on the right.
        choice: ``left``, ``right`` or ``tie``.
        rater: Who judged.
        left_source: The system, or ``radiologist``, that wrote the left report.
        right_source: Likewise.
        repeats: The pair that this one shows again, its sides perhaps swapped; None if none.
    """

    pair: str
    study_id: str
    patient_id: str
    images: tuple[Path, ...]
    left: str
    right: str
    choice: Choice
    rater: str
    left_source: str
    right_source: str
    repeats: str | None = None


def read_preferences(path: Path) -> list[Preference]:
    """Read ``preferences.jsonl``.

    Args:
        path: The file. Its folder is where relative image paths start.

    Returns:
        The judgements in the file's order. Whether the images are there is not looked at.

    Raises:
        OrapoError: The file can't be read, a field lacks or is of the wrong type, or a rater has
            judged a pair twice.
    """
    seen: dict[tuple[str, str], int] = {}

    def preference(row: Row) -> Preference:
        choice = text_cell(path, row, "choice")
        if choice not in CHOICES:
            raise OrapoError(f"{path}, line {row.line}: choice must be left, right or tie")
        one = Preference(
            **_shown(path, row),
            patient_id=_maybe_id(path, row, "patient_id") or "",
            choice=cast(Choice, choice),
            rater=id_cell(path, row, "rater"),
            left_source=text_cell(path, row, "left_source"),
            right_source=text_cell(path, row, "right_source"),
            repeats=_maybe_id(path, row, "repeats"),
        )
        if (first := seen.setdefault((one.pair, one.rater), row.line)) != row.line:
            raise OrapoError(
                f"{path}, line {row.line}: {one.rater} has judged pair {one.pair} already "
                f"(line {first})"
            )
        return one

    needed = [one.name for one in fields(Preference) if one.name not in ("patient_id", "repeats")]
    return _read(path, needed, preference)


def write_preferences(path: Path, preferences: Iterable[Preference]) -> None:
    """Write ``preferences.jsonl``; an older one stays whole until the new one is complete.

    Raises:
        OrapoError: The file can't be written.
    """
    _write(path, Preference, preferences)


def read_sheet(path: Path) -> dict[str, Pair]:
    """Read ``sheet.jsonl``: pair's name to pair, in the order of showing.

    Raises:
        OrapoError: The file can't be read, breaks the format, or holds a pair twice.
    """
    pairs = _read(
        path, ("pair", "study_id", "left", "right"), lambda row: Pair(**_shown(path, row))
    )
    return _by_name(path, pairs)


def write_sheet(path: Path, pairs: Iterable[Pair]) -> None:
    """Write ``sheet.jsonl``."""
    _write(path, Pair, pairs)


def read_key(path: Path) -> dict[str, PairKey]:
    """Read ``key.jsonl``: pair's name to what raters must not see.

    Raises:
        OrapoError: The file can't be read, breaks the format, or holds a pair twice.
    """

    def key(row: Row) -> PairKey:
        return PairKey(
            pair=id_cell(path, row, "pair"),
            study_id=id_cell(path, row, "study_id"),
            patient_id=_maybe_id(path, row, "patient_id") or "",
            left_source=id_cell(path, row, "left_source"),
            right_source=id_cell(path, row, "right_source"),
            repeats=_maybe_id(path, row, "repeats"),
            why=text_cell(path, row, "why"),
            left_scores=_scores(path, row, "left_scores"),
            right_scores=_scores(path, row, "right_scores"),
        )

    keys = _by_name(path, _read(path, ("pair", "left_source", "right_source"), key))
    for one in keys.values():
        if one.repeats is not None and one.repeats not in keys:
            raise OrapoError(f"{path}: pair {one.pair} repeats {one.repeats}, which is not there")
    return keys


def write_key(path: Path, keys: Iterable[PairKey]) -> None:
    """Write ``key.jsonl``."""
    _write(path, PairKey, keys)


Record = TypeVar("Record", Pair, PairKey, Preference)


def _read(path: Path, needed: Iterable[str], make: Callable[[Row], Record]) -> list[Record]:
    if path.suffix.lower() != ".jsonl":
        raise OrapoError(f"{path}: expected a file name ending in .jsonl")
    return [make(row) for row in read_rows(path, tuple(needed))]


def _write(path: Path, kind: type[Record], records: Iterable[Record]) -> None:
    with write_rows(path, [one.name for one in fields(kind)]) as write:
        for record in records:
            values = asdict(record)
            if "images" in values:
                values["images"] = [image.as_posix() for image in values["images"]]
            write(values)


def _by_name(path: Path, records: Iterable[Record]) -> dict[str, Record]:
    named: dict[str, Record] = {}
    for record in records:
        if record.pair in named:
            raise OrapoError(f"{path}: pair {record.pair} stands there twice")
        named[record.pair] = record
    return named


def _shown(path: Path, row: Row) -> dict[str, Any]:
    """Return the fields that a rater sees."""
    images = row.values.get("images") or []
    if not isinstance(images, list) or not all(isinstance(one, str) and one for one in images):
        raise OrapoError(f"{path}, line {row.line}: images must be a list of paths")
    folder = path.parent.absolute()
    return {
        "pair": id_cell(path, row, "pair"),
        "study_id": id_cell(path, row, "study_id"),
        "images": tuple(Path(os.path.normpath(folder / image)) for image in images),
        "left": text_cell(path, row, "left"),
        "right": text_cell(path, row, "right"),
    }


def _maybe_id(path: Path, row: Row, column: str) -> str | None:
    return None if row.values.get(column) in (None, "") else id_cell(path, row, column)


def _scores(path: Path, row: Row, column: str) -> dict[str, float]:
    values = row.values.get(column) or {}
    if not isinstance(values, dict) or not all(
        isinstance(value, int | float) or value is None for value in values.values()
    ):
        raise OrapoError(f"{path}, line {row.line}: {column} must be an object of numbers")
    return {name: float(value) for name, value in values.items() if value is not None}
