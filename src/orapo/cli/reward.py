"""`orapo reward`: FactS of predicted reports against references, one row per study."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from orapo.cli.parts import reading
from orapo.cli.parts import table_options as tables
from orapo.cli.parts.alone import alone
from orapo.cli.parts.graded_column import COLUMN, NOT_GRADED, GradedCell, grade, read_beside
from orapo.cli.parts.reward_screen import show_reward
from orapo.cli.parts.reward_sides import (
    Item,
    Labels,
    Unread,
    compare_ids,
    joined_items,
    reference_labels_by_study,
)
from orapo.data.tables.reading import table_format
from orapo.data.tables.standard_streams import from_input, is_dash
from orapo.data.tables.writing import no_formula, not_an_input, write_rows
from orapo.errors import OrapoError
from orapo.labels import DEFAULT_UNCERTAIN, UncertainPolicy
from orapo.writing import json_text

if TYPE_CHECKING:
    from orapo.evaluation.matching import Unmatched
    from orapo.facts import ContradictionRule, FactsEngine, FactsScore, ReportFacts

FIGURES = ("reward", "precision", "recall", "tp", "fp", "fn", "contradictions", "readable")


@dataclass(frozen=True)
class _Scoring:
    """How a report is scored; the worker processes get it."""

    lexicon: Path | None
    facts_beta: float
    uncertain: UncertainPolicy
    contradictions: ContradictionRule
    explain: bool

    def score(self, report: ReportFacts | None, truth: Labels) -> FactsScore | None:
        from orapo.facts import score_reports

        if report is None or not truth or not report.english:
            return None
        reference = dict(zip(report.label_set.labels, truth, strict=True))
        return score_reports(
            [report],
            reference,
            facts_beta=self.facts_beta,
            uncertain=self.uncertain,
            contradictions=self.contradictions,
            explain=self.explain,
        )[0]


def _score_text(scoring: _Scoring, item: Item) -> _Scored:
    from orapo.facts.parallel import rules_engine

    study_id, text, truth, beside = item
    report = rules_engine(scoring.lexicon).read(text)
    return _Scored(
        study_id,
        scoring.score(report, truth),
        graded=grade(text, beside, scoring.explain),
        english=report.english,
        disguised=report.disguised,
        labelled=bool(truth),
    )


@dataclass(frozen=True)
class _Scored:
    study_id: str
    score: FactsScore | None
    failure: str = ""
    graded: GradedCell = NOT_GRADED
    english: bool = True
    disguised: bool = False
    labelled: bool = True


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reward")(alone(reward, stdout=True))


def reward(
    predictions: Annotated[
        Path,
        typer.Option(
            help="Table with study_id and report (CSV, JSON, Excel, Parquet); - is stdin."
        ),
    ],
    references: Annotated[
        Path, typer.Option(help="Table with study_id and the label columns, or report.")
    ],
    out: Annotated[Path, typer.Option(help="Where to write a row per study; - is stdout, as CSV.")],
    facts_beta: Annotated[
        float, typer.Option(help="Above 1, missing costs more than inventing.")
    ] = 1.0,
    uncertain: Annotated[
        UncertainPolicy,
        typer.Option(
            metavar="POLICY", help="Uncertain counts as positive, negative or ignore, both sides."
        ),
    ] = DEFAULT_UNCERTAIN,
    contradictions: Annotated[
        str,
        typer.Option(
            metavar="RULE", help="What denying a positive label costs: false_positive or none."
        ),
    ] = "false_positive",
    explain: Annotated[
        Path | None, typer.Option(help="Write the verdict on each sentence here (JSONL).")
    ] = None,
    engine: reading.Engine = reading.EngineName.RULES,
    lexicon: reading.Lexicon = None,
    workers: reading.Workers = 1,
    judge_model: reading.JudgeModel = None,
    judge_url: reading.JudgeUrl = reading.DEFAULT_URL,
    allow_remote: reading.AllowRemote = False,
    concurrency: reading.Concurrency = 16,
    timeout: reading.Timeout = 60.0,
    retries: reading.Retries = 5,
    prices: reading.PriceList = None,
    max_cost: reading.MaxCost = None,
    cache: reading.CacheFile = None,
    no_schema: reading.NoSchema = False,
    spreadsheet: reading.Spreadsheet = False,
    as_json: Annotated[bool, typer.Option("--json", help="Summary as JSON on stdout.")] = False,
    partial: tables.Partial = False,
    id_column: tables.IdColumn = None,
    text_column: tables.TextColumn = None,
    findings_column: tables.FindingsColumn = None,
    impression_column: tables.ImpressionColumn = None,
    reference_id_column: tables.ReferenceIdColumn = None,
    reference_text_column: tables.ReferenceTextColumn = None,
) -> None:
    """Score predicted reports against references with FactS.

    A report that a judge failed on has an empty reward, never 0, and the exit code is then 1. A study
    without a prediction counts as an empty report, a prediction without a reference has no reward;
    ids that don't match are listed, and above 20 % of a side are refused without --partial.
    """
    from orapo.facts import ContradictionRule
    from orapo.facts.parallel import rules_engine

    if not facts_beta > 0:
        raise OrapoError(f"--facts-beta must be above 0, not {facts_beta}")
    if contradictions not in list(ContradictionRule):
        raise OrapoError(f"--contradictions is false_positive or none, not {contradictions!r}")
    table_format(out, written=True)
    if is_dash(out) and as_json:
        raise OrapoError("--out - and --json: give one of the two; both are standard output")
    for written in (out, explain):
        if written is not None:
            not_an_input(written, predictions, references)
    if explain is not None and table_format(explain, written=True) != ".jsonl":
        raise OrapoError(f"{explain}: expected a file name ending in .jsonl")
    judge = None
    if engine is reading.EngineName.LLM:
        judge = reading.open_judge(
            judge_model, judge_url, allow_remote, concurrency, timeout, retries, prices, max_cost,
            cache, no_schema, lexicon,
        )  # fmt: skip
    reader: FactsEngine = judge or rules_engine(lexicon)
    scoring = _Scoring(
        lexicon, facts_beta, uncertain, ContradictionRule(contradictions), explain is not None
    )
    predictions, references = from_input(predictions), from_input(references)
    names = tables.both_sides(
        [predictions], references, id_column, text_column, findings_column, impression_column,
        reference_id_column, reference_text_column, tables.Said(),
    )  # fmt: skip
    unmatched = compare_ids(predictions, references, names, partial)
    if warning := unmatched.warning(str(predictions), str(references)):
        tables.warn(warning)
    truth, unread_references = reference_labels_by_study(references, reader, names[1])
    beside = read_beside(references, names[1])
    more = (COLUMN,) if beside else ()
    items = joined_items(predictions, names[0], truth, beside, unmatched.references)
    total = len(truth) + len(unmatched.predictions)
    if judge is not None:
        scored = _judged(judge, scoring, items)
    else:
        from orapo.facts.parallel import map_reports

        scored = map_reports(functools.partial(_score_text, scoring), items, workers)
    console = Console(stderr=True)
    summary = _Summary(unread_references, unmatched)
    with ExitStack() as stack:
        write = stack.enter_context(write_rows(out, ("study_id", *FIGURES, *more)))
        tell = None
        if explain is not None:
            tell = stack.enter_context(write_rows(explain, ("study_id", *EXPLAINED, *more)))
        for one in track(
            scored, "Scoring", total, console=console, disable=not console.is_terminal
        ):
            # Nothing to score, or nothing known, is an empty row and not a zero.
            figures = {} if one.score is None else {f: getattr(one.score, f) for f in FIGURES}
            graded = dict.fromkeys(more, one.graded.score)
            shown = no_formula(one.study_id) if spreadsheet else one.study_id
            write({"study_id": shown, **figures, **graded})
            if tell is not None:
                why = dict.fromkeys(more, one.graded.why)
                tell({"study_id": one.study_id, **_explained(one), **why})
            summary.add(one)
    result = {
        **summary.figures(),
        "facts_beta": facts_beta,
        "uncertain": uncertain.value,
        "contradiction_rule": contradictions,
        "out": str(out),
    }
    if judge is not None:
        result["judge"] = reading.spent(judge)
    if as_json:
        typer.echo(json_text({**result, "unmatched": unmatched.as_dict()}, indent=1))
    else:
        show_reward(result, Console(stderr=is_dash(out)))
        for sentence in summary.notes():
            console.print(sentence, style="yellow", markup=False, soft_wrap=True)
    if summary.failed:
        raise typer.Exit(1)


def _judged(judge: Any, scoring: _Scoring, items: Iterable[Item]) -> Iterator[_Scored]:
    from orapo.facts.llm import JudgeFailure

    known, asked = tee(items)  # tee keeps no more than what is under way
    verdicts = judge.judge_many(text for _, text, _, _ in asked)
    for (study_id, text, truth, beside), verdict in zip(known, verdicts, strict=False):
        graded = grade(text, beside, scoring.explain)  # by the rules, whoever judges the labels
        if isinstance(verdict, JudgeFailure):
            yield _Scored(study_id, None, verdict.reason, graded)
        else:
            yield _Scored(study_id, scoring.score(verdict, truth), graded=graded)


EXPLAINED = ("reward", "entailed", "false_alarms", "contradicted", "missed", "sentences", "failure")


def _explained(one: _Scored) -> dict[str, Any]:
    why = None if one.score is None else one.score.explanation
    if one.score is None or why is None:
        return {"failure": one.failure}
    return {
        "reward": one.score.reward,
        "entailed": why.entailed,
        "false_alarms": why.false_alarms,
        "contradicted": why.contradicted,
        "missed": why.missed,
        "sentences": [
            {
                "text": judged.sentence.text,
                "span": [judged.sentence.start, judged.sentence.end],
                "verdict": judged.verdict.value,
                "facts": [
                    {
                        "finding": fact.finding,
                        "polarity": fact.polarity.value,
                        "labels": fact.labels,
                        "span": [fact.start, fact.end],
                        "verdict": verdict.value,
                    }
                    for fact, verdict in judged.facts
                ],
            }
            for judged in why.sentences
        ],
        "failure": "",
    }


class _Summary:
    def __init__(self, unread: Unread, unmatched: Unmatched) -> None:
        self.unread = unread
        self.unmatched = unmatched
        self.studies = self.scored = self.zeros = self.unreadable = self.contradictions = 0
        self.failed = self.graded = self.not_english = self.disguised = self.nothing_to_score = 0
        self.total = self.graded_total = 0.0

    def add(self, one: _Scored) -> None:
        self.studies += 1
        self.failed += bool(one.failure)
        self.not_english += not one.english
        self.disguised += one.disguised
        if one.score is None and one.english and not one.failure and one.labelled:
            self.nothing_to_score += 1
        if one.graded.score is not None:
            self.graded += 1
            self.graded_total += one.graded.score
        if one.score is not None:
            self.scored += 1
            self.total += one.score.reward
            self.zeros += one.score.reward == 0
            self.unreadable += not one.score.readable
            self.contradictions += one.score.contradictions

    def notes(self) -> list[str]:
        """Say what was left out, and why."""
        notes = []
        if missing := len(self.unmatched.references):
            notes.append(f"Studies without a prediction, counted as empty reports: {missing}.")
        if alone := len(self.unmatched.predictions):
            notes.append(f"Predictions without a reference, which have no reward: {alone}.")
        if self.not_english:
            share = f"{self.not_english} of {self.studies}, {self.not_english / self.studies:.0%}"
            notes.append(f"Reports that are not English, not read and without a reward: {share}.")
        for count, what in zip(
            self.unread,
            (
                "that are not English, not read",
                "that are empty or without a fact that could be read",
            ),
            strict=True,
        ):
            if count:
                notes.append(f"References {what}, so that their studies have no reward: {count}.")
        if self.nothing_to_score:
            notes.append(
                "Studies whose labels give nothing to score (what is not normal has no label): "
                f"{self.nothing_to_score}."
            )
        if self.disguised:
            notes.append(
                "Reports with letters of other alphabets or invisible characters within words: "
                f"{self.disguised}."
            )
        return notes

    def figures(self) -> dict[str, Any]:
        count = self.scored
        return {
            "studies": self.studies,
            "scored": self.scored,
            "failed": self.failed,
            "mean_reward": self.total / count if count else None,
            "zero_reward_share": self.zeros / count if count else None,
            "unreadable": self.unreadable,
            "not_english": self.not_english,
            "references_not_english": self.unread.not_english,
            "references_without_facts": self.unread.silent,
            "disguised": self.disguised,
            "nothing_to_score": self.nothing_to_score,
            "contradictions": self.contradictions,
            "graded_studies": self.graded,
            "mean_graded": self.graded_total / self.graded if self.graded else None,
            "missing_predictions": len(self.unmatched.references),
            "predictions_without_reference": len(self.unmatched.predictions),
        }
