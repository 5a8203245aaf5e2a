"""A generated report as a row of a table: what it says, and all that it comes from.

Every row can be traced by itself: model, revision, prompt and decoding stand in each, so that rows
can be copied, sampled and joined without losing where they come from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from orapo.data.tables.reading import Row, table_format
from orapo.data.tables.writing import write_rows
from orapo.errors import OrapoError
from orapo.facts import Fact, ReportFacts, label_report
from orapo.facts.comparison import comparisons
from orapo.generation.choice import choose, votes
from orapo.generation.inputs import Asked
from orapo.generation.reports import Decoding, Sample, Selection
from orapo.labels import LABELS, format_label
from orapo.writing import json_text

COLUMNS: Final = (
    *("study_id", "report", "error", *LABELS, "facts", "votes", "samples", "chosen"),
    *("log_likelihood", "cut", "earlier_study", "invented_comparisons", "films", "prompt"),
    *("sample_reports", "model", "revision", "decoding"),
)
REFUSED: Final = "the model's processor refuses it"
"""So begins the error of a study whose films could be read; what follows holds no path and no text of a report."""
_NESTED: Final = ("facts", "votes", "invented_comparisons", "films", "sample_reports", "decoding")
"""Lists and objects; JSON texts in a CSV or Parquet file."""
_TYPES: Final = {
    **dict.fromkeys(LABELS, float),
    **dict.fromkeys(("samples", "chosen"), int),
    **dict.fromkeys(("log_likelihood",), float),
    "cut": bool,
}


@dataclass(frozen=True)
class Provenance:
    """What wrote the reports of a run.

    Attributes:
        model: As the user named it: a folder or a name on the hub.
        revision: Which weights: ``sha256:`` and the digest of a folder's, or the hub's commit.
        decoding: All settings that decide a report, and the software's versions.
    """

    model: str
    revision: str
    decoding: Mapping[str, Any] = field(default_factory=dict)


def decoding_settings(
    decoding: Decoding, selection: Selection, software: Mapping[str, str]
) -> dict[str, Any]:
    """Return what a row says of how its report was decoded."""
    settings = {name: value for name, value in asdict(decoding).items() if name != "prompt"}
    return {**settings, "select": selection.value, **software}


def report_row(
    asked: Asked, samples: Sequence[Sample], selection: Selection, provenance: Provenance
) -> dict[str, Any]:
    """Return the row of a study: its report is chosen among the samples."""
    read = [label_report(sample.text) for sample in samples]
    chosen = choose(samples, read, selection, provenance.decoding.get("operating_point", 1.0))
    sample, report = samples[chosen], read[chosen]
    return {
        **_origin(asked, provenance),
        "report": sample.text,
        "error": "",
        **report.labels,
        "facts": facts_as_json(report),
        "votes": votes(read),
        "samples": len(samples),
        "chosen": chosen,
        "log_likelihood": None
        if sample.log_likelihood is None
        else round(sample.log_likelihood, 4),
        "cut": sample.cut,
        "sample_reports": [one.text for one in samples] if len(samples) > 1 else [],
        "invented_comparisons": [] if asked.earlier else comparisons(sample.text),
    }


def error_row(asked: Asked, error: str, provenance: Provenance) -> dict[str, Any]:
    """Return the row of a study that could not be read, or that the model's processor refuses (`REFUSED`)."""
    return {**_origin(asked, provenance), "report": "", "error": error}


def _origin(asked: Asked, provenance: Provenance) -> dict[str, Any]:
    return {
        "study_id": asked.study_id,
        "earlier_study": asked.earlier,
        "films": [str(path) for path in asked.films],
        "prompt": asked.prompt,
        "model": provenance.model,
        "revision": provenance.revision,
        "decoding": dict(provenance.decoding),
    }


def facts_as_json(report: ReportFacts) -> list[dict[str, Any]]:
    """Return a report's facts as plain JSON values; spans count its characters."""
    return [_fact(fact) for fact in report.facts]


def _fact(fact: Fact) -> dict[str, Any]:
    said = {
        name: value
        for name in ("location", "laterality", "severity")
        if (value := getattr(fact, name)) is not None
    }
    return {
        "finding": fact.finding,
        "polarity": fact.polarity.value,
        **said,
        "span": [fact.start, fact.end],
    }


def write_table(out: Path, rows: Any) -> dict[str, int]:
    """Write the rows of a run as a table.

    Args:
        out: Its name says the format.
        rows: As `report_row` and `error_row` make them.

    Returns:
        Counts: ``reports``, ``errors``, ``cut``, ``invented_comparisons`` (reports with any).

    Raises:
        OrapoError: It can't be written.
    """
    kind = table_format(out)
    counts = dict.fromkeys(("reports", "errors", "cut", "invented_comparisons"), 0)
    with write_rows(out, COLUMNS, _TYPES) as write:
        for row in rows:
            counts["errors" if row["error"] else "reports"] += 1
            counts["cut"] += bool(row.get("cut"))
            counts["invented_comparisons"] += bool(row.get("invented_comparisons"))
            write(row if kind == ".jsonl" else _flat(row, as_text=kind == ".csv"))
    return counts


def _flat(row: Mapping[str, Any], as_text: bool) -> dict[str, Any]:
    flat = dict(row)
    for name in _NESTED:
        if name in flat:
            flat[name] = json_text(flat[name], ensure_ascii=False)
    for name in LABELS:
        value = flat.get(name)
        flat[name] = format_label(value) if as_text else value
    return flat


def nested_cell(path: Path, row: Row, column: str, kind: type) -> Any:
    """Return what stands in a column of lists or objects, whatever the table's format.

    Args:
        path: The table, for messages.
        row: The row.
        column: The column.
        kind: ``list`` or ``dict``.

    Returns:
        The value; an empty one where the cell is empty or there is no such column.

    Raises:
        OrapoError: It is something else.
    """
    value = row.values.get(column)
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except ValueError:
            raise OrapoError(f"{path}, line {row.line}: {column} must be JSON") from None
    if value is None or value == "":
        return kind()
    if not isinstance(value, kind):
        wanted = "a list" if kind is list else "an object"
        raise OrapoError(f"{path}, line {row.line}: {column} must be {wanted}")
    return value
