"""A generated report on its way out: its text, its labels and where both come from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from orapo.data.tables.reading import id_cell, label_cells, read_rows, text_cell
from orapo.errors import OrapoError
from orapo.facts import label_report
from orapo.generation.rows import nested_cell
from orapo.labels import CHEXPERT, LabelValue, any_known
from orapo.writing import json_text, write_bytes

Source = Literal["model", "edited", "own"]
"""Who wrote a text: a model, a model and then a reader, or a reader without a model."""

NOTICE: Final = "DRAFT written by a model, not verified by a radiologist. For research use only."
NOTICES: Final[Mapping[Source, str]] = {
    "model": NOTICE,
    "edited": "DRAFT written by a model, edited by a reader, not verified. For research use only.",
    "own": "Text typed by a reader, no model, not verified. For research use only.",
}
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Draft:
    """One generated report.

    Attributes:
        study_id: Its study.
        text: The report, as the model wrote it.
        labels: All 14 labels: those of the table, else what FactS reads from the text.
        model: What wrote it, as the table has it; empty if it doesn't say.
        revision: Which weights that had.
        films: The files that the model was shown, where the table names them.
        record: All that the table says of it, as plain JSON values.
        source: Who wrote the text.
    """

    study_id: str
    text: str
    labels: Mapping[str, LabelValue]
    model: str = ""
    revision: str = ""
    films: tuple[Path, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    source: Source = "model"

    @property
    def notice(self) -> str:
        """What each file says of the text before anything else."""
        return NOTICES[self.source]

    @property
    def model_name(self) -> str:
        """The model without the folders that it lies in, which nobody else need know."""
        parts = [part for part in re.split(r"[/\\]", self.model) if part]
        on_hub = len(parts) == 2 and not self.model.startswith((".", "~", "/"))
        return self.model if on_hub else (parts or [""])[-1]


def read_drafts(path: Path) -> Iterator[Draft | str]:
    """Read predictions: what ``orapo generate`` writes, or any table of ``study_id`` and ``report``.

    Args:
        path: CSV, JSONL or Parquet.

    Yields:
        The reports in the table's order; the id alone of a study that has an error in place of a
        report.

    Raises:
        OrapoError: The table is unreadable, lacks a column, or has a study twice.
    """
    seen: dict[str, int] = {}
    for row in read_rows(path, ("study_id", "report")):
        study = id_cell(path, row, "study_id")
        if study in seen:
            raise OrapoError(
                f"{path}, line {row.line}: study {study} stands there twice "
                f"(first in line {seen[study]})"
            )
        seen[study] = row.line
        if text_cell(path, row, "error"):
            yield study
            continue
        text = text_cell(path, row, "report")
        given = label_cells(path, row, CHEXPERT)
        labels = given if any_known(given) else label_report(text).labels
        nested = {
            name: nested_cell(path, row, name, kind)
            for name, kind in (
                *(("facts", list), ("votes", dict), ("invented_comparisons", list)),
                *(("films", list), ("decoding", dict)),
            )
            if name in row.values
        }
        record = {name: value for name, value in row.values.items() if name not in given}
        yield Draft(
            study_id=study,
            text=text,
            labels=labels,
            model=text_cell(path, row, "model"),
            revision=text_cell(path, row, "revision"),
            films=tuple(Path(str(film)) for film in nested.get("films", ())),
            record={**record, **nested, "labels": dict(labels)},
            source=_source(row.values.get("source")),
        )


def _source(cell: object) -> Source:
    """Return who wrote a text that was exported before; other tables mean other things by it."""
    return next((source for source in get_args(Source) if source == cell), "model")


class FileNames:
    """Names of files for studies: readable where that is safe, and never the same twice."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, study_id: str) -> str:
        """Return a name without ending; it holds no separator and is unique in any letter case."""
        name = study_id
        if not _PLAIN_NAME.fullmatch(study_id) or study_id.casefold() in self._taken:
            digest = hashlib.sha256(study_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
            start = re.sub(r"[^A-Za-z0-9_-]+", "-", study_id).strip("-")[:60]
            name = f"{start}-{digest}" if start else digest
        self._taken.add(name.casefold())
        return name


def as_text(draft: Draft) -> str:
    """Return the report as a text file: the notice, an empty line, the report as it is."""
    return f"{draft.notice}\n\n{draft.text}"


def as_json(draft: Draft) -> str:
    """Return all that is known of the report as one JSON object."""
    record = {"notice": draft.notice, **draft.record}
    return json_text(record, ensure_ascii=False, indent=2, default=str) + "\n"


def put(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OrapoError: It can't be written.
    """
    write_bytes(path, content)
