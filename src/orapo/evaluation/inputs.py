"""Reading what an evaluation needs: generated reports, references and training studies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orapo.data.tables import Row, id_cell, label_cells, read_rows, table_format, text_cell
from orapo.errors import OrapoError
from orapo.evaluation.detail import age_band
from orapo.labels import CHEXPERT, LabelValue, any_known

if TYPE_CHECKING:
    from orapo.data.study import Study

LabelOrigin = Literal["given", "facts"]
"""Whether reference labels came with the data or were read from the reference report by FactS."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a study is scored against.

    Attributes:
        study_id: The study.
        labels: Its labels.
        origin: Where the labels come from.
        report: The reference report; empty if only labels are known.
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


def read_predictions(path: Path) -> dict[str, str]:
    """Read generated reports: a CSV, JSONL or Parquet table with ``study_id`` and ``report``.

    Returns:
        Study id to report, sorted by id, so that results do not depend on the order of the rows.

    Raises:
        OrapoError: The table is unreadable, lacks a column or holds a study twice.
    """
    reports = {
        study: text_cell(path, row, "report")
        for study, row in _rows_by_study(path, ("study_id", "report"))
    }
    return dict(sorted(reports.items()))


def read_earlier_given(path: Path) -> frozenset[str]:
    """Return the studies for which a model was given an earlier one of the patient.

    They have a text in the column ``earlier_study``, as ``orapo generate`` writes it.

    Raises:
        OrapoError: As :func:`read_predictions`.
    """
    rows = read_rows(path, ("study_id",), only=("study_id", "earlier_study"))
    return frozenset(
        id_cell(path, row, "study_id")
        for row in rows
        if text_cell(path, row, "earlier_study").strip()
    )


def read_references(path: Path, split: str | None = None) -> dict[str, Reference]:
    """Read references: a manifest, or a table with ``study_id`` and labels or reports.

    A table (CSV, JSONL, Parquet) holds the 14 label columns, or ``report``, or both; the labels
    are then those of the columns. A study without any label (all 14 blank) but with a report, and
    a table without label columns, are read by FactS.

    Args:
        path: The file. JSONL with ``labels`` or ``images`` in its first line is a manifest.
        split: Keep the studies of this split only (manifests).

    Returns:
        Study id to reference, sorted by id.

    Raises:
        OrapoError: The file is unreadable, lacks columns, holds a study twice or has no study of
            that split.
    """
    if _is_manifest(path):
        from orapo.data.manifest import read_manifest

        references = {study.study_id: _from_study(study) for study in read_manifest(path)}
        if split is not None:
            references = {name: one for name, one in references.items() if one.split == split}
            if not references:
                raise OrapoError(f"{path}: no study of the split {split!r}")
    else:
        if split is not None:
            raise OrapoError(f"{path}: a split can be chosen from a manifest (JSONL) only")
        references = {
            study: _from_row(path, study, row) for study, row in _rows_by_study(path, ("study_id",))
        }
    return dict(sorted(references.items()))


def match_studies(
    reports: Mapping[str, str],
    truth: Mapping[str, Reference],
    allow_missing: bool,
    predictions: str,
    references: str,
) -> tuple[dict[str, str], dict[str, Reference], set[str], int]:
    """Bring both sides to the same studies, in the order of the references.

    A study without a prediction counts as an empty report, or is left out; a prediction without a
    reference is left out.

    Args:
        reports: Study id to generated report.
        truth: Study id to reference.
        allow_missing: Leave studies without a prediction out.
        predictions: What to call the one side in a message.
        references: What to call the other.

    Returns:
        Reports, references, the ids without a prediction, and how many predictions have no
        reference.

    Raises:
        OrapoError: The two sides have no study in common.
    """
    if not reports.keys() & truth.keys():
        raise OrapoError(
            f"{predictions} and {references}: have no study_id in common "
            f"(for example {next(iter(reports))} and {next(iter(truth))})"
        )
    missing = set(truth) - set(reports)
    kept = {
        study: reference
        for study, reference in truth.items()
        if study in reports or not allow_missing
    }
    matched = {study: reports.get(study, "") for study in kept}
    return matched, kept, set() if allow_missing else missing, len(set(reports) - set(truth))


def with_labels(
    truth: Mapping[str, Reference], labels: Mapping[str, Mapping[str, LabelValue]], path: Path
) -> dict[str, Reference]:
    """Give the references somebody else's labels.

    Raises:
        OrapoError: A study has none.
    """
    lacking = [study for study in truth if study not in labels]
    if lacking:
        raise OrapoError(
            f"{path}: lacks {len(lacking)} of the references' studies, the first is {lacking[0]}"
        )
    return {
        study: replace(reference, labels=labels[study], origin="given")
        for study, reference in truth.items()
    }


def read_training(path: Path) -> dict[str, Reference]:
    """Read the training studies: of a manifest those of the split ``train``, of a table all.

    Raises:
        OrapoError: As :func:`read_references`.
    """
    return read_references(path, split="train" if _is_manifest(path) else None)


def _rows_by_study(path: Path, required: tuple[str, ...]) -> Iterator[tuple[str, Row]]:
    seen: dict[str, int] = {}
    for row in read_rows(path, required):
        study = id_cell(path, row, "study_id")
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
    return isinstance(first.values.get("labels"), dict) or "images" in first.values


def _from_study(study: Study) -> Reference:
    given = any_known(study.labels) and study.labels_source == "dataset"
    # docs/method.md: labels that a data set lacks are read from findings + impression
    sections = " ".join(text for text in (study.findings, study.impression) if text.strip())
    return Reference(
        study_id=study.study_id,
        labels=study.labels if any_known(study.labels) else _read_labels(sections or study.report),
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
    )


def _from_row(path: Path, study: str, row: Row) -> Reference:
    labels = label_cells(path, row, CHEXPERT)
    if not labels and "report" not in row.values:
        raise OrapoError(
            f"{path}, line {row.line}: expected the 14 label columns or a column named report"
        )
    report = text_cell(path, row, "report")
    given = any_known(labels) or (bool(labels) and not report.strip())
    age = str(row.values.get("age") or "").strip()
    try:
        band = age_band(float(age)) if age else ""
    except ValueError:
        raise OrapoError(f"{path}, line {row.line}: age must be a number of years") from None
    return Reference(
        study,
        labels if given else _read_labels(report),
        "given" if given else "facts",
        report,
        patient_id=str(row.values.get("patient_id") or "").strip(),
        groups={
            "sex": str(row.values.get("sex") or "").strip(),
            "age": band,
            "views": str(row.values.get("view") or "").strip(),
            "source": str(row.values.get("source") or "").strip(),
        },
        age=float(age) if age else None,
        indication=str(row.values.get("indication") or "").strip(),
    )


def read_labels(path: Path, id_column: str = "study_id") -> dict[str, dict[str, LabelValue]]:
    """Read labels of somebody else: a table with ``study_id`` and the 14 columns, by name.

    Raises:
        OrapoError: The table is unreadable, lacks a column or holds a study twice.
    """
    labels: dict[str, dict[str, LabelValue]] = {}
    for study, row in _rows_by_study(path, (id_column,)):
        labels[study] = label_cells(path, row, CHEXPERT)
        if not labels[study]:
            raise OrapoError(f"{path}, line {row.line}: expected the 14 label columns")
    return labels


def _read_labels(text: str) -> dict[str, LabelValue]:
    from orapo.facts import label_report

    return label_report(text).labels
