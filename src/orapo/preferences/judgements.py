"""What raters said: lines of the web page, or sheets filled by hand; every faulty row is named."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

from orapo.data.tables.reading import Row, read_rows, table_format
from orapo.errors import OrapoError
from orapo.preferences.records import CHOICES, Choice, Pair, PairKey, Preference

_TURNED: Final[Mapping[str, Choice]] = {"left": "right", "right": "left", "tie": "tie"}
_LONGEST_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a rater said of a pair.

    Attributes:
        pair: The pair.
        rater: Who judged.
        choice: Which report is better.
        reason: Free text; may be empty.
        seconds: How long it took, if known.
        judged_at: When, if known.
    """

    pair: str
    rater: str
    choice: Choice
    reason: str = ""
    seconds: float | None = None
    judged_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Judgements:
    """All judgements of a sheet.

    Attributes:
        given: In the order in which each rater judged: by time where it is known for all of a
            rater's, else by the order of showing.
        unjudged: Rows of filled sheets without a choice.
        revised: Judgements of the web page that a later one of the same rater and pair replaced.
    """

    given: list[Judgement]
    unjudged: int = 0
    revised: int = 0


def read_judgements(files: Sequence[Path], pairs: Mapping[str, object]) -> Judgements:
    """Read judgements.

    In a JSONL file, a later judgement of the same rater and pair replaces the earlier one. A table
    filled by hand may hold one rater or several; if no row names the rater, the file's name does.
    Rows without a choice are not judged yet.

    Args:
        files: ``.jsonl`` (``pair, rater, choice``, and where known ``reason, seconds, judged_at``),
            or a filled ``sheet.csv``.
        pairs: The pairs of the sheet, in the order of showing.

    Raises:
        OrapoError: A file can't be read, or rows are faulty; all of them are listed.
    """
    faults: list[tuple[int, int, str]] = []
    found: dict[tuple[str, str], tuple[Judgement, Path, int]] = {}
    unjudged = revised = 0
    for number, path in enumerate(files):

        def fault(line: int, what: str, number: int = number, path: Path = path) -> None:
            faults.append((number, line, f"{path}, line {line}: {what}"))

        by_hand = table_format(path) != ".jsonl"
        rows = list(
            read_rows(
                path,
                ("pair", "choice") if by_hand else ("pair", "rater", "choice"),
                on_fault=lambda line, _, what, fault=fault: fault(line, what),  # type: ignore[misc]
            )
        )
        if by_hand:
            judged = [row for row in rows if _text(row, "choice")]
            unjudged += len(rows) - len(judged)
            nameless = not any(_text(row, "rater") for row in judged)
        else:
            judged, nameless = rows, False
        for row in judged:
            values = {**row.values, "rater": path.stem} if nameless else row.values
            try:
                one = _judgement(values, pairs)
            except ValueError as error:
                fault(row.line, str(error))
                continue
            name = one.rater, one.pair
            if name in found:
                earlier, file, line = found[name]
                if by_hand or file.suffix.lower() != ".jsonl":
                    if earlier.choice != one.choice or file == path:
                        fault(
                            row.line,
                            f"{one.rater} has judged pair {one.pair} already ({file}, line {line})",
                        )
                    continue
                if file == path or one != earlier:
                    revised += 1
                if _before(one, earlier):
                    continue
                del found[name]  # a judgement that was changed stands where it was changed
            found[name] = one, path, row.line
    if faults:
        raise OrapoError("\n".join(text for _, _, text in sorted(faults)))
    if not found:
        raise OrapoError(f"{', '.join(map(str, files))}: hold no judgement")
    return Judgements(_ordered([one for one, _, _ in found.values()], pairs), unjudged, revised)


def _text(row: Row, column: str) -> str:
    value = row.values.get(column)
    return "" if value is None else str(value).strip()


def _judgement(values: Mapping[str, Any], pairs: Mapping[str, object]) -> Judgement:
    """Read a row.

    Raises:
        ValueError: It is faulty; the message says how, without its free text.
    """
    texts = {}
    for name in ("pair", "rater", "choice", "reason", "judged_at"):
        value = values.get(name)
        if value is not None and not isinstance(value, str):
            # whole numbers are fine as names
            if (
                name not in ("pair", "rater")
                or isinstance(value, bool)
                or not isinstance(value, int)
            ):
                raise ValueError(f"{name} must be text, not {type(value).__name__}")
            value = str(value)
        texts[name] = (value or "").strip()
    if not texts["pair"]:
        raise ValueError("pair is empty")
    if texts["pair"] not in pairs:
        raise ValueError(f"pair {texts['pair'][:40]!r} is not in the sheet")
    if not texts["rater"] or len(texts["rater"]) > _LONGEST_NAME:
        raise ValueError(f"rater must be a name of 1 to {_LONGEST_NAME} characters")
    choice = texts["choice"].lower()
    if choice not in CHOICES:
        raise ValueError(f"choice must be left, right or tie, not {choice[:40]!r}")
    return Judgement(
        texts["pair"],
        texts["rater"],
        cast(Choice, choice),
        texts["reason"],
        _seconds(values.get("seconds")),
        _time(texts["judged_at"]),
    )


def _seconds(value: object) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(cast(str, value))
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError("seconds must be a number, 0 or above")
    return number


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            "judged_at must be an ISO time such as 2026-11-25T10:30:00+00:00"
        ) from None
    return time if time.tzinfo else time.astimezone()


def _before(one: Judgement, other: Judgement) -> bool:
    return bool(one.judged_at and other.judged_at and one.judged_at < other.judged_at)


def _ordered(given: list[Judgement], pairs: Mapping[str, object]) -> list[Judgement]:
    """Sort by rater, then by time, or by the order of showing if a time is missing."""
    place = {name: at for at, name in enumerate(pairs)}
    ordered = []
    for rater in sorted({one.rater for one in given}):
        mine = sorted((one for one in given if one.rater == rater), key=lambda one: place[one.pair])
        if all(one.judged_at for one in mine):
            mine.sort(key=lambda one: cast(datetime, one.judged_at))
        ordered += mine
    return ordered


def turned(choice: Choice) -> Choice:
    """Return a choice as it is when the sides are swapped."""
    return _TURNED[choice]


def joined(
    judgements: Sequence[Judgement], pairs: Mapping[str, Pair], keys: Mapping[str, PairKey]
) -> list[Preference]:
    """Join sheet, key and judgements, in the judgements' order."""
    return [
        Preference(
            pair=one.pair,
            study_id=pairs[one.pair].study_id,
            patient_id=keys[one.pair].patient_id,
            images=pairs[one.pair].images,
            left=pairs[one.pair].left,
            right=pairs[one.pair].right,
            choice=one.choice,
            rater=one.rater,
            left_source=keys[one.pair].left_source,
            right_source=keys[one.pair].right_source,
            repeats=keys[one.pair].repeats,
        )
        for one in judgements
    ]
