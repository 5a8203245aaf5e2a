"""Both tables of `orapo reward`: the references' labels, and which prediction belongs to which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from orapo.cli.parts.graded_column import Beside
from orapo.data.tables.columns import ReportColumns, Wanted
from orapo.data.tables.reading import id_cell, id_column, label_cells, read_rows, report_columns
from orapo.errors import OrapoError
from orapo.labels import LabelSet, LabelValue, any_known

if TYPE_CHECKING:
    from orapo.evaluation.matching import Unmatched
    from orapo.facts import FactsEngine

Labels = tuple[LabelValue, ...]
"""A study's labels in the set's order; empty if none is known."""


class Item(NamedTuple):
    """A study: its predicted report, the reference's labels, and its text where the table has it."""

    study_id: str
    text: str
    truth: Labels
    beside: Beside | None


class Unread(NamedTuple):
    """How many references nothing is known of, so that their studies have no reward."""

    not_english: int
    silent: int
    """Empty, or without a fact that could be read."""


def reference_labels_by_study(
    path: Path, reader: FactsEngine, wanted: Wanted
) -> tuple[dict[str, Labels], Unread]:
    """Labels by study, from the label columns where the table has them, else from its reports.

    Texts are not kept here: of each study only its id and its labels.

    Returns:
        The labels, and of how many references nothing is known.
    """
    from orapo.facts import reference_labels

    label_set = reader.label_set
    references: dict[str, Labels] = {}
    not_english = silent = 0
    known, asked = tee(_rows(path, label_set, report_columns(path, wanted)))
    texts = (text for _, _, text in asked if text is not None)
    read = reader.read_many(texts)
    for study_id, labels, text in known:
        if text is not None:
            report = next(read)
            if report is None:
                raise OrapoError(
                    f"{path}: the judge failed on the reference of study {study_id}; the same "
                    "command asks for it again"
                )
            not_english += not report.english
            silent += report.english and not report.readable
            # a report without a fact says nothing, not that all is normal
            labels = tuple(reference_labels(report).values()) if report.readable else ()
        references[study_id] = labels
    return references, Unread(not_english, silent)


def _rows(
    path: Path, label_set: LabelSet, columns: ReportColumns
) -> Iterator[tuple[str, Labels, str | None]]:
    """Yield id, labels, and the text to read them from, if they are not there."""
    only = (*columns.names, "labels", *label_set.labels)
    for row in read_rows(path, required=(columns.study_id,), only=only):
        labels = label_cells(path, row, label_set)
        if not labels:
            columns.needs_text(path, f", and the {len(label_set.labels)} label columns")
        known = any_known(labels)
        values = tuple(labels.values()) if known else ()
        texts = any(name in row.values for name in columns.names[1:])
        text = None if known else columns.report(path, row) if texts or not labels else ""
        yield id_cell(path, row, columns.study_id), values, text


def compare_ids(
    predictions: Path, references: Path, wanted: tuple[Wanted, Wanted], partial: bool
) -> Unmatched:
    """Say what has no counterpart, before anything is read: a judge may cost money.

    Args:
        predictions: The one table.
        references: The other.
        wanted: Which columns of each hold what.
        partial: Go on however much has no counterpart.

    Raises:
        OrapoError: A study stands twice; there is none in common; or more than `orapo evaluate` takes
            without ``partial`` has no counterpart.
    """
    # imported late: what it needs would slow down the command's help
    from orapo.evaluation.matching import refuse_unmatched, unmatched_studies

    columns = report_columns(predictions, wanted[0])
    columns.needs_text(predictions)
    mine = _ids(predictions, columns.study_id, columns.required, wanted[0])
    theirs = id_column(references, wanted[1])
    known = _ids(references, theirs, (theirs,), wanted[1])
    found = unmatched_studies(mine, known)
    words = found.in_words(str(predictions), str(references))
    if mine.isdisjoint(known):
        raise OrapoError(f"{predictions} and {references}: have no study_id in common: {words}")
    refuse_unmatched(found.share, words, partial)
    return found


def _ids(path: Path, column: str, required: tuple[str, ...], wanted: Wanted) -> frozenset[str]:
    lines: dict[str, int] = {}
    for row in read_rows(path, required, only=required, say=wanted.say):
        study_id = id_cell(path, row, column)
        if study_id in lines:
            raise OrapoError(
                f"{path}, line {row.line}: study_id {study_id} stands twice (first in line "
                f"{lines[study_id]})"
            )
        lines[study_id] = row.line
    return frozenset(lines)


def joined_items(
    predictions: Path,
    wanted: Wanted,
    truth: Mapping[str, Labels],
    beside: Mapping[str, Beside],
    missing: tuple[str, ...],
) -> Iterator[Item]:
    """Yield the studies in the order of the predictions, then those without one.

    A study without a prediction has the empty report, as in `orapo evaluate`; a prediction without a
    reference has no labels.
    """
    columns = report_columns(predictions, wanted)
    for row in read_rows(predictions, columns.required, only=columns.names):
        study_id = id_cell(predictions, row, columns.study_id)
        text = columns.report(predictions, row)
        yield Item(study_id, text, truth.get(study_id, ()), beside.get(study_id))
    for study_id in missing:
        yield Item(study_id, "", truth[study_id], beside.get(study_id))
