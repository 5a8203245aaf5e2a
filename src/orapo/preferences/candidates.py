"""Reports that can be shown to raters: each with its source and what two rewards say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from orapo.data.study import joined_report
from orapo.data.tables.columns import Side, Wanted
from orapo.data.tables.reading import Row, id_cell, read_rows, report_columns, text_cell
from orapo.errors import MissingExtraError, OrapoError
from orapo.evaluation.inputs import Reference
from orapo.facts import label_report, score_reports
from orapo.generation.rows import nested_cell
from orapo.labels import UncertainPolicy

RADIOLOGIST: Final = "radiologist"
"""Source of the reference reports."""
FACTS: Final = "facts"
"""Name of FactS (b = 1, uncertain positive) among the scores."""
SAMPLES: Final = "sample_reports"
"""Column with all samples of a study, as ``orapo generate --samples`` writes it."""

SecondReward = Literal["bleu", "cosine"]
"""What disagreement with FactS is looked for in; both compare the words with the reference's.

``bleu``: sentence BLEU (sacrebleu, extra ``preferences``). ``cosine``: of TF-IDF vectors of words
and pairs of words (scikit-learn)."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One report of a study.

    Attributes:
        study_id: The study.
        source: The system that wrote it, or ``radiologist``.
        text: The report.
        scores: Reward's name to score; a reward that can't be had is left out.
    """

    study_id: str
    source: str
    text: str
    scores: Mapping[str, float] = field(default_factory=dict)


def read_system(path: Path, wanted: Wanted | None = None) -> dict[str, list[str]]:
    """Read what a system wrote: study id to its reports, in the file's order.

    A study has several if it stands in several rows, or if the row's column ``sample_reports``
    holds a list of them (then ``report``, which is one of them, is not added). Rows with an error
    and empty reports are passed over.

    Args:
        path: The table.
        wanted: Names of its columns, and who is told which were found.

    Raises:
        OrapoError: The table is unreadable or lacks a column, or no report is in it.
    """
    reports: dict[str, list[str]] = {}
    wanted = (wanted or Wanted()).of(Side.GENERATED)
    columns = report_columns(path, wanted)
    columns.needs_text(path)
    for row in read_rows(path, columns.required, say=wanted.say):
        study = id_cell(path, row, columns.study_id)
        texts = _samples(path, row) or [columns.report(path, row)]
        reports.setdefault(study, []).extend(text for text in texts if text.strip())
    if not any(reports.values()):
        raise OrapoError(f"{path}: holds no report")
    return reports


def _samples(path: Path, row: Row) -> list[str]:
    samples = nested_cell(path, row, SAMPLES, list)
    if not all(isinstance(text, str) for text in samples):
        raise OrapoError(f"{path}, line {row.line}: {SAMPLES} must be a list of texts")
    return list(samples)


def radiologists_reports(
    path: Path, truth: Mapping[str, Reference], wanted: Wanted | None = None
) -> dict[str, list[str]]:
    """Return the reference reports: findings and impression where known, else the whole report.

    Headings, the indication and the technique would tell a rater who wrote it.
    """
    reports: dict[str, list[str]] = {}
    wanted = (wanted or Wanted()).of(Side.REFERENCE)
    columns = report_columns(path, wanted)
    names = {"findings": columns.findings, "impression": columns.impression}
    for row in read_rows(path, (columns.study_id,)):
        study = id_cell(path, row, columns.study_id)
        if study in truth:
            parts = [text_cell(path, row, own or name) for name, own in names.items()]
            text = joined_report(*parts) or truth[study].report.strip()
            reports[study] = [text] if text else []
    return reports


def second_reward(asked: str | None) -> SecondReward:
    """Return the second reward's name; by default BLEU where it is installed.

    Raises:
        OrapoError: There is no reward of that name.
        MissingExtraError: BLEU is asked for and sacrebleu is not installed.
    """
    installed = find_spec("sacrebleu") is not None
    if asked is None:
        return "bleu" if installed else "cosine"
    if asked == "bleu":
        if not installed:
            raise MissingExtraError("the second reward bleu", "preferences")
        return "bleu"
    if asked == "cosine":
        return "cosine"
    raise OrapoError(f"--second must be bleu or cosine, not {asked!r}")


def candidates(
    systems: Mapping[str, Mapping[str, Sequence[str]]],
    truth: Mapping[str, Reference],
    second: SecondReward,
) -> dict[str, list[Candidate]]:
    """Return the different reports of each study, with their scores.

    Args:
        systems: Source to study id to reports.
        truth: The references. Studies without one are left out.
        second: The reward beside FactS; a study without a reference report has none.

    Returns:
        Study id to reports, in the order of ``truth`` and ``systems``; of one source no text
        stands twice. Studies with fewer than two reports are left out.
    """
    found = {study: list(_of_study(study, systems)) for study in truth}
    found = {study: reports for study, reports in found.items() if len(reports) > 1}
    every = [report for reports in found.values() for report in reports]
    facts = score_reports(
        [label_report(report.text) for report in every],
        [truth[report.study_id].labels for report in every],
        uncertain=UncertainPolicy.POSITIVE,
    )
    references = [truth[report.study_id].report for report in every]
    words = _SCORERS[second]([report.text for report in every], references)
    scored: dict[str, list[Candidate]] = {}
    for report, fact, word, reference in zip(every, facts, words, references, strict=True):
        scores = {} if fact is None else {FACTS: round(fact.reward, 6)}
        if reference.strip():
            scores[second] = round(word, 6)
        scored.setdefault(report.study_id, []).append(
            Candidate(report.study_id, report.source, report.text, scores)
        )
    return scored


def _of_study(
    study: str, systems: Mapping[str, Mapping[str, Sequence[str]]]
) -> Iterator[Candidate]:
    for source, reports in systems.items():
        seen = set()
        for text in reports.get(study, ()):
            if (plain := plain_text(text)) not in seen:
                seen.add(plain)
                yield Candidate(study, source, text.strip())


def plain_text(text: str) -> str:
    """Return a text by which reports are the same: white space and case don't count."""
    return " ".join(text.casefold().split())


def _bleu(texts: Sequence[str], references: Sequence[str]) -> list[float]:
    from sacrebleu import BLEU

    bleu = BLEU(effective_order=True, lowercase=True)
    return [
        float(bleu.sentence_score(text, [reference]).score) / 100
        for text, reference in zip(texts, references, strict=True)
    ]


def _cosine(texts: Sequence[str], references: Sequence[str]) -> list[float]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not texts:
        return []
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\w+")
    try:
        vectorizer.fit([*texts, *references])
    except ValueError:  # no word anywhere
        return [0.0] * len(texts)
    left, right = vectorizer.transform(texts), vectorizer.transform(references)
    return [float(value) for value in left.multiply(right).sum(axis=1).ravel().tolist()[0]]


_SCORERS: Final[Mapping[SecondReward, Callable[[Sequence[str], Sequence[str]], list[float]]]] = {
    "bleu": _bleu,
    "cosine": _cosine,
}
