"""`orapo label`: the labels of a table of reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import chain, islice, tee
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from orapo import __version__, signals
from orapo.cli.parts import reading
from orapo.cli.parts import table_options as tables
from orapo.cli.parts.alone import alone
from orapo.cli.parts.progress import bars
from orapo.data.resumable import ResumableRows, file_identity
from orapo.data.tables.columns import ReportColumns, Wanted
from orapo.data.tables.reading import id_cell, read_rows, report_columns, table_format
from orapo.data.tables.standard_streams import digest, from_input, is_dash, scratch_folder
from orapo.data.tables.writing import for_a_spreadsheet, no_formula, not_an_input, write_rows
from orapo.errors import OrapoError
from orapo.labels import LabelValue, format_label
from orapo.writing import json_text

if TYPE_CHECKING:
    from orapo.facts.llm import LlmEngine

KEPT_EVERY = 200
"""Rows between two points at which an interrupted run goes on; of a judge, each row is one."""

Outcome = tuple[list[LabelValue], int]
"""Labels in the set's order, and how many facts they come from."""


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("label")(alone(label, stdout=True))


def label(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN", help="Table of reports (CSV, JSON, Excel, Parquet); - is stdin."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Where to write the id and the labels; - is stdout, as CSV.")
    ],
    text_column: tables.TextColumn = None,
    id_column: tables.IdColumn = None,
    findings_column: tables.FindingsColumn = None,
    impression_column: tables.ImpressionColumn = None,
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
) -> None:
    """Label reports with the 14 CheXpert labels.

    1.0 is present, 0.0 denied, -1.0 uncertain, blank not mentioned.

    Interrupted and called again, it resumes where it stopped. Ids that stand twice are counted and
    said. Reports that a judge failed on are
    left out of the table and listed in OUT.failures.csv; the exit code is then 1.
    """
    from orapo.facts.parallel import rules_engine

    table_format(out, written=True)
    not_an_input(out, source)
    if is_dash(out) and as_json:
        raise OrapoError("--out - and --json: give one of the two; both are standard output")
    labels = rules_engine(lexicon).label_set.labels
    named = source
    source = from_input(source)
    columns = report_columns(
        source,
        Wanted(id_column, text_column, findings_column, impression_column, say=tables.Said()),
    )
    columns.needs_text(source)
    if columns.study_id in labels:
        raise OrapoError(f"--id-column {columns.study_id}: is the name of a label")
    judge = None
    if engine is reading.EngineName.LLM:
        judge = reading.open_judge(
            judge_model, judge_url, allow_remote, concurrency, timeout, retries, prices, max_cost,
            cache, no_schema, lexicon,
        )  # fmt: skip
    twice: list[_Twice] = []
    texts: Iterator[tuple[str, str]] = _texts(source, columns, twice)
    # a missing file or column is said before anything is written
    texts = chain([next(texts)], texts)
    how = [engine, judge_model, judge_url, *columns.names, __version__]
    made_from = [_identity(named, source), lexicon and _lexicon_identity(lexicon), *how]
    kept = ResumableRows(scratch_folder() / "rows" if is_dash(out) else out, made_from)
    try:
        with bars() as progress:
            task = progress.add_task("reports labelled", completed=kept.done, total=None)
            rest = islice(texts, kept.done, None)
            rows = _judged(judge, rest) if judge is not None else _read(lexicon, rest, workers)
            for number, row in enumerate(rows, start=kept.done + 1):
                kept.add(row)
                if judge is not None or number % KEPT_EVERY == 0:
                    kept.flush()
                    progress.update(task, completed=number)
        written = for_a_spreadsheet(kept.rows(), spreadsheet, "id")
        id_name = no_formula(columns.study_id) if spreadsheet else columns.study_id
        summary = _write(out, id_name, labels, written)
        summary["duplicate_ids"] = len(twice)
        kept.discard()
    except BaseException as error:
        kept.close()
        if judge is None and isinstance(error, OrapoError):
            kept.discard()  # a row must be mended, and these are of the file as it was
        elif (kept.done or kept.added) and not is_dash(out):
            _say_kept(kept, error)
        raise
    if judge is not None:
        summary["judge"] = reading.spent(judge)
    if twice:
        _say_twice(source, columns.study_id, twice)
    _show(summary, as_json, Console(stderr=is_dash(out)))
    if summary["failed"]:
        raise typer.Exit(1)


def _identity(named: Path, source: Path) -> Any:
    """Return what tells the table from another one; of standard input its content."""
    if not is_dash(named):
        return file_identity(source)
    return digest(source)


def _lexicon_identity(lexicon: Path) -> Any:
    """Return what tells a lexicon from another: its file, or the name of a set of the package."""
    return file_identity(lexicon) if lexicon.exists() else str(lexicon)


def _say_kept(kept: ResumableRows, error: BaseException) -> None:
    said = f"what was labelled is kept in {kept.path}; the same command goes on from there"
    if signals.behind(error):
        error.add_note(said)  # one line in all, see `orapo.cli`
    else:
        Console(stderr=True).print(f"orapo: {said}", markup=False, soft_wrap=True)


class _Twice(NamedTuple):
    study_id: str
    line: int
    first: int


def _say_twice(source: Path, id_column: str, twice: list[_Twice]) -> None:
    """Say it where nobody can miss it: the reports are labelled, but can't be told apart by id."""
    study_id, line, first = twice[0]
    Console(stderr=True).print(
        f"warning: {source}: {len(twice):,} rows have an id that stands further up (line {line}: "
        f"{id_column} {study_id[:80]} stands already in line {first}); each is labelled, but "
        "orapo evaluate refuses such a table",
        style="yellow",
        markup=False,
        soft_wrap=True,
    )


def _texts(source: Path, columns: ReportColumns, twice: list[_Twice]) -> Iterator[tuple[str, str]]:
    """Yield ids and texts, and note the rows whose id stands further up."""
    lines: dict[str, int] = {}
    for row in read_rows(source, columns.required, only=columns.names):
        study_id = id_cell(source, row, columns.study_id)
        if (first := lines.setdefault(study_id, row.line)) != row.line:
            twice.append(_Twice(study_id, row.line, first))
        yield study_id, columns.report(source, row)


def _read(
    lexicon: Path | None, texts: Iterable[tuple[str, str]], workers: int
) -> Iterator[dict[str, Any]]:
    from orapo.facts.parallel import map_reports

    return map_reports(partial(_labels_of, lexicon), texts, workers)


def _labels_of(lexicon: Path | None, item: tuple[str, str]) -> dict[str, Any]:
    from orapo.facts.parallel import rules_engine

    study_id, text = item
    read = rules_engine(lexicon).read(text)
    row = {"id": study_id, "labels": list(read.labels.values()), "readable": read.readable}
    return row if read.english else {**row, "english": False}


def _judged(judge: LlmEngine, texts: Iterable[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    from orapo.facts.llm import JudgeFailure

    pairs, asked = tee(texts)  # tee keeps no more than what is under way
    for (study_id, _), verdict in zip(pairs, judge.judge_many(t for _, t in asked), strict=False):
        if isinstance(verdict, JudgeFailure):
            yield {"id": study_id, "failure": verdict.reason}
        else:
            values = list(verdict.labels.values())
            yield {"id": study_id, "labels": values, "readable": verdict.readable}


def _write(
    out: Path, id_column: str, labels: tuple[str, ...], rows: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Write the table and the list of failures, and sum up."""
    as_text = table_format(out, written=True) in (".csv", ".tsv")
    counts: dict[str, Counter[str]] = {name: Counter() for name in labels}
    failures: list[dict[str, str]] = []
    reports = unreadable = not_english = 0
    with write_rows(out, [id_column, *labels], dict.fromkeys(labels, float)) as write:
        for row in rows:
            reports += 1
            if "failure" in row:
                failures.append({id_column: row["id"], "reason": row["failure"]})
                continue
            unreadable += not row["readable"]
            not_english += not row.get("english", True)
            values: dict[str, Any] = {id_column: row["id"]}
            for name, value in zip(labels, row["labels"], strict=True):
                cell = format_label(value)
                counts[name][cell] += 1
                values[name] = cell if as_text else (None if value is None else float(value))
            write(values)
    name = "standard-output" if is_dash(out) else out.name
    list_of_failures = out.with_name(f"{name}.failures.csv")
    list_of_failures.unlink(missing_ok=True)
    if failures:
        with write_rows(list_of_failures, [id_column, "reason"]) as write:
            for failure in failures:
                write(failure)
    named = {"positive": "1.0", "negative": "0.0", "uncertain": "-1.0", "blank": ""}
    return {
        "reports": reports,
        "without_facts": unreadable,
        "not_english": not_english,
        "failed": len(failures),
        "labels": {
            name: {word: count[cell] for word, cell in named.items()}
            for name, count in counts.items()
        },
        "out": str(out),
        **({"failures": str(list_of_failures)} if failures else {}),
    }


def _show(summary: dict[str, Any], as_json: bool, console: Console) -> None:
    if as_json:
        typer.echo(json_text(summary, indent=2))
        return
    table = Table(title=f"{summary['reports']} reports")
    table.add_column("", min_width=26)
    for heading in ("Positive", "Negative", "Uncertain", "Blank"):
        table.add_column(heading, justify="right")
    for name, count in summary["labels"].items():
        table.add_row(name, *(str(number) for number in count.values()))
    console.print(table)
    if summary["without_facts"]:
        unread = summary["without_facts"]
        console.print(f"No fact could be read from {unread} reports; they are blank.")
    if summary["not_english"]:
        other = summary["not_english"]
        share = f"{other} of {summary['reports']}, {other / summary['reports']:.0%}"
        console.print(f"Reports that are not English, not read: {share}.")
    if "judge" in summary:
        spent = (f"{name} {value}" for name, value in summary["judge"].items())
        console.print("Judge:", ", ".join(spent), highlight=False)
    console.print(f"Written: {summary['out']}", markup=False, highlight=False, soft_wrap=True)
    if summary["failed"]:
        console.print(
            f"The judge failed on {summary['failed']} reports, which are left out and listed in "
            f"{summary['failures']}; the same command asks for those again.",
            markup=False,
            highlight=False,
        )
