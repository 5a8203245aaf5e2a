"""Facts, scores and exported files: what is answered without a model."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from orapo.data.tables.writing import write_rows
from orapo.errors import OrapoError
from orapo.evaluation.pages.graded_marks import TITLES, FactVerdict, graded_view
from orapo.evaluation.pages.verdicts import generated_pieces
from orapo.export.draft import Draft, FileNames
from orapo.export.files import CSV_COLUMNS, csv_row, file_content
from orapo.export.formats import ENDINGS, Format
from orapo.facts import ReportFacts, RulesEngine, Verdict, score_report
from orapo.facts.fact import report_as_json
from orapo.facts.graded import GradedReader
from orapo.generation.rows import Provenance
from orapo.labels import CHEXPERT, LABELS, LabelValue, UncertainPolicy
from orapo.serve.schemas import (
    ExportRequest,
    FactsAnswer,
    Graded,
    Score,
    ScoreAnswer,
    ScoreRequest,
    SentenceScore,
)

MEDIA_TYPES: Final = {
    Format.TEXT: "text/plain; charset=utf-8",
    Format.JSON: "application/json",
    Format.CSV: "text/csv; charset=utf-8",
    Format.DICOM_SR: "application/dicom",
    Format.FHIR: "application/fhir+json",
}
_NEEDED: Final = {Format.DICOM_SR: "highdicom", Format.FHIR: "fhir"}


def described_file(media_type: str) -> dict[str, str]:
    """Describe a file's content for OpenAPI."""
    if "json" in media_type:
        return {"type": "object"}
    if media_type.startswith("text/"):
        return {"type": "string"}
    return {"type": "string", "format": "binary"}


@lru_cache(maxsize=1)
def reader() -> RulesEngine:
    """Return what reads reports here: it keeps none of their sentences, unlike the package's own.

    So several threads can read at once, and nothing of a report stays in the memory.
    """
    return RulesEngine(cached_sentences=0)


@lru_cache(maxsize=1)
def graded_reader() -> GradedReader:
    """Return what reads reports for the graded score here; it keeps nothing either."""
    return GradedReader(cached=0)


def exported_formats() -> list[Format]:
    """Return the formats whose libraries are installed."""
    return [
        kind
        for kind in Format
        if kind not in _NEEDED or importlib.util.find_spec(_NEEDED[kind]) is not None
    ]


def warm_up() -> None:
    """Compile the lexicon and import what formats need, so that no request waits for that."""
    for kind in exported_formats():
        exported(ExportRequest(report="No effusion.", format=kind), None)
    graded_of("No effusion.", "No effusion.")


def facts_of(text: str) -> FactsAnswer:
    """Read a report."""
    read = report_as_json(reader().read(text))
    fields = [answer._asdict() for answer in reader().fields(text)]
    return FactsAnswer.model_validate(read | {"fields": fields})


def graded_of(report: str, reference: str) -> Graded | None:
    """Mark each fact of a report; None where one of the texts can't be read."""
    view = graded_view(report, reference, reader=graded_reader())
    if view is None:
        return None

    def titled(verdict: FactVerdict) -> dict[str, str]:
        sign, title = TITLES[verdict]
        return {"verdict": title, "sign": sign}

    return Graded.model_validate(
        {
            "score": view.score,
            "counts": [titled(verdict) | {"count": count} for verdict, count in view.counts],
            "marks": [
                titled(mark.verdict)
                | {
                    "finding": mark.finding,
                    "words": mark.words,
                    "quote": mark.quotes[0],
                    "quotes": mark.quotes,
                }
                for mark in view.marks
            ],
        }
    )


def score_of(asked: ScoreRequest) -> ScoreAnswer:
    """Score a report.

    Raises:
        OrapoError: There is no reference or there are two, or a label has an unknown name.
    """
    if (asked.reference is None) == (asked.labels is None):
        raise OrapoError("give the reference's text or its labels, one of the two")
    graded = None
    labels: Any  # mypy takes no int for a Literal of ints; pydantic looks at the values
    if asked.labels is not None:
        try:
            labels = CHEXPERT.complete(asked.labels)
        except ValueError:
            raise OrapoError(f"a label is unknown; known are {', '.join(LABELS)}") from None
    else:
        graded = graded_of(asked.report, asked.reference or "")
        reference = reader().read(asked.reference or "")
        labels = reference.labels
        if not reference.readable:
            reason = _unread("reference", reference)
            return ScoreAnswer(score=None, reason=reason, labels=labels)
    report = reader().read(asked.report)
    if not report.english:  # nothing of it was read: that is no zero
        return ScoreAnswer(score=None, reason=_unread("report", report), labels=labels)
    score = score_report(
        report,
        labels,
        facts_beta=asked.facts_beta,
        uncertain=asked.uncertain,
        explain=True,
    )
    if score is None or score.explanation is None:
        reason = "all that the reference says is uncertain, which is ignored"
        return ScoreAnswer(score=None, reason=reason, labels=labels, graded=graded)
    why = score.explanation
    marks = _marks(report, labels, asked.uncertain)
    return ScoreAnswer(
        labels=labels,
        graded=graded,
        score=Score(
            **{
                name: getattr(score, name)
                for name in (
                    *("reward", "precision", "recall", "tp", "fp", "fn", "contradictions"),
                    "readable",
                )
            },
            entailed=list(why.entailed),
            false_alarms=list(why.false_alarms),
            contradicted=list(why.contradicted),
            missed=list(why.missed),
            sentences=[
                SentenceScore(
                    span=(judged.sentence.start, judged.sentence.end),
                    verdict=marks.get(judged.sentence.start, judged.verdict),
                )
                for judged in why.sentences
            ],
        ),
    )


def _unread(what: str, text: ReportFacts) -> str:
    if not text.english:
        return f"the {what} is not English and was not read; FactS reads English only"
    return f"no fact could be read from the {what}"


def _marks(
    report: ReportFacts, labels: Mapping[str, LabelValue], uncertain: UncertainPolicy
) -> dict[int, Verdict]:
    """Return the verdicts of sentences, by where they begin, as pages show them."""
    marks: dict[int, Verdict] = {}
    place = 0
    for piece in generated_pieces(report, labels, uncertain=uncertain):
        if isinstance(piece.verdict, Verdict):
            marks[place] = piece.verdict
        place += len(piece.text)
    return marks


def exported(asked: ExportRequest, provenance: Provenance | None) -> tuple[str, bytes, str]:
    """Return name and content of a file, and what of the report it can't hold.

    Args:
        asked: What and as what.
        provenance: Of this server's model; not named in a file of a text that isn't from it.

    Raises:
        MissingExtraError: The format's library is not installed.
    """
    read = reader().read(asked.report)
    named = provenance if asked.source in ("model", "edited") else None
    model = named.model if named else ""
    revision = named.revision if named else ""
    origin = {"model": model, "revision": revision, "source": asked.source}
    draft = Draft(
        study_id=asked.study_id,
        text=asked.report,
        labels=read.labels,
        model=model,
        revision=revision,
        record={"study_id": asked.study_id, "report": asked.report, **origin}
        | {"facts": report_as_json(read)["facts"], "labels": dict(read.labels)}
        | ({"films": asked.films} if asked.films else {}),
        source=asked.source or "model",
    )
    name = FileNames().of(asked.study_id) + ENDINGS[asked.format]
    if asked.format is Format.CSV:
        with tempfile.TemporaryDirectory(prefix="orapo-serve-") as folder:
            table = Path(folder, "report.csv")
            with write_rows(table, CSV_COLUMNS) as write:
                write(csv_row(draft))
            return name, table.read_bytes(), ""
    notes: list[str] = []
    content = file_content(
        draft,
        asked.format,
        when=datetime.now(),
        with_patient=False,
        lost=lambda characters, what: notes.append(f"{characters} characters {what}"),
    )
    return name, content, "; ".join(notes)
