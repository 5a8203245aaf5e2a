"""Graded annotations, such as error counts a report, as preferences (ReXVal, RadEval's expert set).

Of two reports of a study that a rater has graded, the one with fewer clinically significant errors
is preferred.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

from orapo.data.tables.reading import Row, id_cell, read_rows, text_cell
from orapo.errors import OrapoError
from orapo.preferences.candidates import plain_text
from orapo.preferences.records import Choice, Preference

STUDY: Final = ("study_id", "study_number")
CANDIDATE: Final = ("candidate", "candidate_type", "system")
RATER: Final = ("rater", "rater_index")
"""Names that the columns may have; the second ones are ReXVal's."""
SIGNIFICANT: Final = ("significant", "clinically_significant")
COUNT: Final = ("errors", "num_errors")
_YES: Final = frozenset({"true", "1", "1.0", "yes"})
_NO: Final = frozenset({"false", "0", "0.0", "no"})


@dataclass(frozen=True, slots=True)
class Errors:
    """A rater's count of a report's errors."""

    significant: float = 0.0
    insignificant: float = 0.0


Counts = dict[tuple[str, str, str], Errors]
"""(study, candidate, rater) -> errors."""
Reports = dict[tuple[str, str], str]
"""(study, candidate) -> report."""


def read_counts(path: Path) -> tuple[Counts, Reports]:
    """Read error counts, in one of two forms.

    Wide: a row a report and rater, with columns whose names begin with ``significant`` and
    ``insignificant`` (of one category each), or those two alone. Long, as ReXVal has it: a row a
    category, with its count in ``num_errors`` (or ``errors``) and ``clinically_significant`` (or
    ``significant``) true or false. The reports may stand there too, in ``report``.

    Returns:
        The counts, summed over categories, and the reports.

    Raises:
        OrapoError: The table is unreadable, lacks a column, or rows are faulty; all are listed.
    """
    faults: list[str] = []
    counts: Counts = {}
    reports: Reports = {}
    seen: dict[tuple[str, ...], int] = {}
    for row in read_rows(path):
        columns = _columns(path, row)
        try:
            study, candidate, rater = (id_cell(path, row, name) for name in columns[:3])
            category, errors = _long(row) if len(columns) > 3 else ("", _wide(row))
            text = text_cell(path, row, "report").strip()
            if text and reports.setdefault((study, candidate), text) != text:
                raise ValueError(f"{candidate} of study {study} has another report above")
        except ValueError as error:
            faults.append(f"{path}, line {row.line}: {error}")
            continue
        except OrapoError as error:
            faults.append(str(error))
            continue
        name = study, candidate, rater
        if (first := seen.setdefault((*name, category), row.line)) != row.line:
            faults.append(f"{path}, line {row.line}: stands in line {first} already")
            continue
        before = counts.get(name, Errors())
        counts[name] = Errors(
            before.significant + errors.significant, before.insignificant + errors.insignificant
        )
    if faults:
        raise OrapoError("\n".join(faults))
    return counts, reports


def read_graded_reports(path: Path) -> Reports:
    """Read the reports that were graded.

    Either a row a report (``study_id``, ``candidate``, ``report``), or, as in ReXVal's
    ``50_samples_gt_and_candidates.csv``, a row a study with a column a candidate; then a study is
    named by ``study_number`` or, if there is none, by its row's number from 0.

    Raises:
        OrapoError: The table is unreadable, or a report stands there twice.
    """
    reports: Reports = {}
    for number, row in enumerate(read_rows(path)):
        if "report" in row.values:
            study = id_cell(path, row, _first(path, row, STUDY))
            named = {id_cell(path, row, _first(path, row, CANDIDATE)): "report"}
        else:
            study = (
                id_cell(path, row, "study_number") if "study_number" in row.values else str(number)
            )
            named = {
                name: name
                for name in row.values
                if name not in (*STUDY, "gt_report", "", "patient_id")
            }
        for candidate, column in named.items():
            if (study, candidate) in reports:
                raise OrapoError(
                    f"{path}, line {row.line}: {candidate} of study {study} stands there twice"
                )
            reports[study, candidate] = text_cell(path, row, column).strip()
    return reports


def _columns(path: Path, row: Row) -> list[str]:
    names = [_first(path, row, each) for each in (STUDY, CANDIDATE, RATER)]
    if any(name in row.values for name in COUNT):
        return [*names, _first(path, row, SIGNIFICANT)]
    if not any(name.startswith("significant") for name in row.values):
        raise OrapoError(
            f"{path}: lacks counts: columns that begin with significant (and insignificant), or "
            "num_errors and clinically_significant"
        )
    return names


def _first(path: Path, row: Row, names: Sequence[str]) -> str:
    for name in names:
        if name in row.values:
            return name
    raise OrapoError(f"{path}: lacks a column {' or '.join(names)}; it has {', '.join(row.values)}")


def _long(row: Row) -> tuple[str, Errors]:
    count = _count(row, next(name for name in COUNT if name in row.values))
    column = next(name for name in SIGNIFICANT if name in row.values)
    said = str(row.values[column]).strip().lower()
    if said not in _YES | _NO:
        raise ValueError(f"{column} must be true or false")
    category = str(row.values.get("error_category", "")).strip()
    errors = Errors(significant=count) if said in _YES else Errors(insignificant=count)
    return f"{category}|{said in _YES}", errors


def _wide(row: Row) -> Errors:
    sums = {"significant": 0.0, "insignificant": 0.0}
    for column in row.values:
        for kind in sums:
            if column.startswith(kind):
                sums[kind] += _count(row, column)
    return Errors(**sums)


def _count(row: Row, column: str) -> float:
    value = row.values[column]
    try:
        number = float(str(value).strip() or "0") if value is not None else 0.0
    except ValueError:
        number = -1.0
    if isinstance(value, bool) or not 0 <= number < float("inf"):
        raise ValueError(f"{column} must be a count, 0 or above")
    return number


def graded_preferences(
    counts: Mapping[tuple[str, str, str], Errors],
    reports: Mapping[tuple[str, str], str],
    *,
    margin: float = 0.0,
    insignificant: float = 0.0,
    images: Mapping[str, tuple[Path, ...]] | None = None,
    patients: Mapping[str, str] | None = None,
) -> list[Preference]:
    """Turn error counts into preferences: of each study, rater and pair of reports one.

    Args:
        counts: As `read_counts` reads them.
        reports: The reports.
        margin: A difference of weighed errors up to this is a tie.
        insignificant: What a clinically insignificant error weighs; a significant one weighs 1.
        images: Study id to films, where known.
        patients: Study id to patient, where known.

    Returns:
        The preferences. Which report stands on the left alternates, since graded reports have no
        sides. Pairs of identical reports are left out.

    Raises:
        OrapoError: A graded report is not there, or nothing can be compared.
    """
    lacking = sorted({name[:2] for name in counts if not reports.get(name[:2])})
    if lacking:
        study, candidate = lacking[0]
        raise OrapoError(
            f"the reports of {len(lacking)} graded candidates are not there, the first is "
            f"{candidate} of study {study}: give the reports with --reports"
        )
    preferences = list(
        _compared(counts, reports, margin, insignificant, images or {}, patients or {})
    )
    if not preferences:
        raise OrapoError("no rater has graded two different reports of one study")
    return preferences


def _compared(
    counts: Mapping[tuple[str, str, str], Errors],
    reports: Mapping[tuple[str, str], str],
    margin: float,
    insignificant: float,
    images: Mapping[str, tuple[Path, ...]],
    patients: Mapping[str, str],
) -> Iterator[Preference]:
    weighed = {
        name: errors.significant + insignificant * errors.insignificant
        for name, errors in counts.items()
    }
    by_study: dict[str, dict[str, list[str]]] = {}
    for study, candidate, rater in weighed:
        by_study.setdefault(study, {}).setdefault(candidate, []).append(rater)
    number = 0
    for study, graded in by_study.items():
        for one, other in combinations(sorted(graded), 2):
            if plain_text(reports[study, one]) == plain_text(reports[study, other]):
                continue
            number += 1
            left, right = (one, other) if number % 2 else (other, one)
            for rater in sorted(set(graded[left]) & set(graded[right])):
                gap = weighed[study, right, rater] - weighed[study, left, rater]
                choice: Choice = "tie" if abs(gap) <= margin else "left" if gap > 0 else "right"
                yield Preference(
                    pair=f"g{number:05}",
                    study_id=study,
                    patient_id=patients.get(study, ""),
                    images=images.get(study, ()),
                    left=reports[study, left],
                    right=reports[study, right],
                    choice=choice,
                    rater=rater,
                    left_source=left,
                    right_source=right,
                )
