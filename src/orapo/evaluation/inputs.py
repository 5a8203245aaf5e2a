"""Reading what an evaluation needs: generated reports, references and training studies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from orapo.data.tables.columns import ReportColumns, Side, Wanted
from orapo.data.tables.reading import (
    Row,
    id_cell,
    id_column,
    label_cells,
    read_rows,
    report_columns,
    table_format,
    text_cell,
)
from orapo.data.tables.records import identifier, listed
from orapo.errors import OrapoError
from orapo.evaluation.detail import age_band
from orapo.labels import CHEXPERT, LABELS, LabelValue, any_known

if TYPE_CHECKING:
    from orapo.data.study import Study

LabelOrigin = Literal["given", "facts"]
"""Whether reference labels came with the data or were read from the reference report by FactS."""
Unread = Literal["", "empty", "not English"]
"""Why nothing is known of a study: its labels were to be read from a report that says nothing."""


_NOTHING: Final = ("", "nan", "none", "null", "<na>", "nat")
"""How programs write that a cell is empty."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a study is scored against.

    Attributes:
        study_id: The study.
        labels: Its labels.
        origin: Where the labels come from.
        report: The reference report; empty if only labels are known.
        findings: Its findings section, where the data have sections.
        impression: Its impression section, likewise.
        images: Its films, where known.
        split: Of a manifest; empty otherwise.
        patient_id: Studies of one patient are resampled together; empty if unknown.
        groups: Subgroups by kind (sex, age band, views, source), where known.
        age: Of the patient, in years, where known.
        indication: Why the film was asked for, where known.
    """

    study_id: str
    labels: Mapping[str, LabelValue]
    origin: LabelOrigin
    report: str = ""
    images: tuple[Path, ...] = field(default_factory=tuple)
    split: str = ""
    patient_id: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)
    age: float | None = None
    indication: str = ""
    findings: str = ""
    impression: str = ""
    unread: Unread = ""


def read_predictions(path: Path, wanted: Wanted | None = None) -> dict[str, str]:
    """Read generated reports: a table with ``study_id`` and ``report``, or columns like them.

    Args:
        path: The table.
        wanted: Names of its columns, and who is told which were found.

    Returns:
        Study id to report, sorted by id, so that results do not depend on the order of the rows.

    Raises:
        OrapoError: The table is unreadable, lacks a column or holds a study twice.
    """
    wanted = (wanted or Wanted()).of(Side.GENERATED)
    columns = report_columns(path, wanted)
    columns.needs_text(path)
    reports = {
        study: columns.report(path, row) for study, row in _rows_by_study(path, columns, wanted)
    }
    return dict(sorted(reports.items()))


def read_earlier_given(path: Path, wanted: Wanted | None = None) -> frozenset[str]:
    """Return the studies for which a model was given an earlier one of the patient.

    They have a text in the column ``earlier_study``, as ``orapo generate`` writes it.

    Raises:
        OrapoError: As :func:`read_predictions`.
    """
    columns = report_columns(path, (wanted or Wanted()).of(Side.GENERATED))
    rows = read_rows(path, (columns.study_id,), only=(columns.study_id, "earlier_study"))
    return frozenset(
        id_cell(path, row, columns.study_id)
        for row in rows
        if text_cell(path, row, "earlier_study").strip()
    )


def read_references(
    path: Path, split: str | None = None, wanted: Wanted | None = None
) -> dict[str, Reference]:
    """Read references: a manifest, or a table with ``study_id`` and labels or reports.

    A table holds the 14 label columns, or ``report`` (or a column like it), or both; the labels are then those of the columns. A study without any label (all 14 blank) but with a report, and
    a table without label columns, are read by FactS.

    Args:
        path: The file. JSONL with ``labels`` or ``images`` in its first line is a manifest.
        split: Keep the studies of this split only (manifests).
        wanted: Names of a table's columns, and who is told which were found.

    Returns:
        Study id to reference, sorted by id.

    Raises:
        OrapoError: The file is unreadable, lacks columns, holds a study twice or has no study of
            that split.
    """
    if _is_manifest(path):
        from orapo.data.manifest import read_manifest

        references = {
            study.study_id: _from_study(study)
            for study in read_manifest(path)
            if split is None or study.split == split
        }
        if not references:
            raise OrapoError(f"{path}: no study of the split {split!r}")
    else:
        if split is not None:
            raise OrapoError(f"{path}: a split can be chosen from a manifest (JSONL) only")
        wanted = (wanted or Wanted()).of(Side.REFERENCE)
        columns = report_columns(path, wanted)
        references = {
            study: _from_row(path, study, row, columns)
            for study, row in _rows_by_study(path, ReportColumns(columns.study_id), wanted)
        }
    return dict(sorted(references.items()))


def ids_of_other_splits(path: Path, split: str | None) -> frozenset[str]:
    """Return the ids of a manifest's studies that are not of ``split``; none without a split."""
    if split is None:
        return frozenset()
    rows = read_rows(path, ("study_id",))
    return frozenset(
        id_cell(path, row, "study_id") for row in rows if row.values.get("split") != split
    )


def read_training(path: Path, wanted: Wanted | None = None) -> dict[str, Reference]:
    """Read the training studies: of a manifest those of the split ``train``, of a table all.

    Raises:
        OrapoError: As :func:`read_references`.
    """
    return read_references(path, "train" if _is_manifest(path) else None, wanted)


def _rows_by_study(path: Path, columns: ReportColumns, wanted: Wanted) -> Iterator[tuple[str, Row]]:
    seen: dict[str, int] = {}
    for row in read_rows(path, columns.required, say=wanted.say):
        study = id_cell(path, row, columns.study_id)
        if study in seen:
            raise OrapoError(
                f"{path}, line {row.line}: study {study} stands there twice "
                f"(first in line {seen[study]})"
            )
        seen[study] = row.line
        yield study, row


def _is_manifest(path: Path) -> bool:
    if table_format(path) != ".jsonl":
        return False
    first = next(iter(read_rows(path)))
    if "study_id" not in first.values:
        return False
    return isinstance(first.values.get("labels"), dict) or "images" in first.values


def _from_study(study: Study) -> Reference:
    from orapo.data.study import joined_report

    # docs/method.md: labels that a data set lacks are read from findings + impression
    sections = joined_report(study.findings, study.impression)
    known = any_known(study.labels)
    text = sections or study.report
    # a data set's row of blanks without a report is a row in which nothing is mentioned
    given = study.labels_source == "dataset" and (known or not text.strip())
    unread: Unread = ""
    labels: Mapping[str, LabelValue] = study.labels
    if not known and not given:
        labels, unread = _read(text)
    return Reference(
        study_id=study.study_id,
        labels=labels,
        origin="given" if given else "facts",
        report=study.report or sections,
        images=study.images,
        split=study.split,
        patient_id=study.patient_id,
        groups={
            "sex": study.sex,
            "age": age_band(study.age),
            "views": " + ".join(sorted(set(study.views) - {""})),
            "source": study.source,
        },
        age=study.age,
        indication=study.indication,
        findings=study.findings.strip(),
        impression=study.impression.strip(),
        unread=unread,
    )


def _from_row(path: Path, study: str, row: Row, columns: ReportColumns) -> Reference:
    labels = label_cells(path, row, CHEXPERT)
    if not labels:
        columns.needs_text(path, ", and the 14 label columns")
    texts = any(name in row.values for name in columns.names[1:])
    report = columns.report(path, row) if texts or not labels else ""
    given = any_known(labels) or (bool(labels) and not report.strip())
    said = _known(row, "age")
    age = _years(said) if said else None
    if said and age is None:
        raise OrapoError(f"{path}, line {row.line}: age must be years, or as in DICOM (072Y, 003M)")
    findings, impression = columns.sections(path, row)
    unread: Unread = ""
    if not given:
        labels, unread = _read(report)
    return Reference(
        study,
        labels,
        "given" if given else "facts",
        report,
        patient_id=_known(row, "patient_id"),
        groups={
            "sex": _known(row, "sex"),
            "age": age_band(age),
            "views": _known(row, "view"),
            "source": _known(row, "source"),
        },
        age=age,
        indication=_known(row, "indication"),
        findings=findings,
        impression=impression,
        unread=unread,
    )


def _years(said: str) -> float | None:
    from orapo.facts.graded.reward import read_age

    return read_age(said)


def _known(row: Row, column: str) -> str:
    """Return a cell as text; empty where nothing is known: pandas' NaN is no patient and no age."""
    value = row.values.get(column)
    text = "" if value is None else identifier(value) or str(value).strip()
    return "" if text.casefold() in _NOTHING else text


def read_labels(path: Path, wanted: Wanted | None = None) -> dict[str, dict[str, LabelValue]]:
    """Read labels of somebody else: a table with ``study_id`` and the 14 columns, by name.

    Args:
        path: The table.
        wanted: Name of the id's column, and who is told which was found.

    Raises:
        OrapoError: The table is unreadable, lacks a column or holds a study twice.
    """
    wanted = (wanted or Wanted()).of(Side.LABELS)
    columns = ReportColumns(id_column(path, wanted))
    labels: dict[str, dict[str, LabelValue]] = {}
    for study, row in _rows_by_study(path, columns, wanted):
        labels[study] = label_cells(path, row, CHEXPERT)
        if not labels[study]:
            raise OrapoError(
                f"{path}, line {row.line}: expected the 14 label columns ({LABELS[0]}, {LABELS[1]} ...), "
                f"named as in CheXpert; it has {listed(list(row.values))}"
            )
    return labels


def read_text_labels(text: str) -> dict[str, LabelValue]:
    """Return what FactS reads from a reference's text, as its labels."""
    return _read(text)[0]


def _read(text: str) -> tuple[dict[str, LabelValue], Unread]:
    """Return the labels of a reference's text, and why none could be read."""
    from orapo.facts import label_report, reference_labels

    report = label_report(text)
    unread: Unread = "" if text.strip() else "empty"
    return reference_labels(report), unread if report.english else "not English"
