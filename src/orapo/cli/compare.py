"""``orapo compare``: is one system better than another, or could it be chance?"""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from orapo.cli.parts import table_options as tables
from orapo.cli.parts.alone import alone
from orapo.cli.parts.progress import steps
from orapo.errors import OrapoError
from orapo.labels import DEFAULT_UNCERTAIN, UncertainPolicy
from orapo.writing import json_text, write_text


def add_to(app: typer.Typer) -> None:
    """Add ``compare`` to the command line."""
    app.command()(alone(compare, stdout=True))


def compare(
    systems: Annotated[
        list[Path],
        typer.Argument(help="Generated reports of two or more systems: study_id and report."),
    ],
    references: Annotated[
        Path, typer.Option(help="As in orapo evaluate: labels or reports, or a manifest.")
    ],
    split: Annotated[str | None, typer.Option(help="Of the references' manifest.")] = None,
    uncertain: Annotated[
        UncertainPolicy,
        typer.Option(
            metavar="POLICY", help="Uncertain (-1) counts as positive, negative or ignore."
        ),
    ] = DEFAULT_UNCERTAIN,
    language: Annotated[
        bool, typer.Option("--language", help="Compare BLEU, chrF, ROUGE-L and CIDEr too.")
    ] = False,
    resamples: Annotated[
        int, typer.Option(min=100, metavar="N", help="Of bootstrap and randomisation.")
    ] = 10000,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of both.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A page (.html), JSON (.json), or a folder for both (no ending); - is stdout."
        ),
    ] = None,
    films: Annotated[
        bool, typer.Option("--films/--no-films", help="Show each study's film in the page.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
    partial: tables.Partial = False,
    id_column: tables.IdColumn = None,
    text_column: tables.TextColumn = None,
    findings_column: tables.FindingsColumn = None,
    impression_column: tables.ImpressionColumn = None,
    reference_id_column: tables.ReferenceIdColumn = None,
    reference_text_column: tables.ReferenceTextColumn = None,
) -> None:
    """Compare systems on the same studies.

    By paired bootstrap and approximate randomisation: what is drawn and swapped are patients. p-values are corrected for their number (Holm).
    """
    from orapo.data.tables.standard_streams import from_input, is_dash
    from orapo.evaluation.inputs import ids_of_other_splits, read_predictions, read_references
    from orapo.evaluation.matching import match_studies, silent_warning, without_unread
    from orapo.evaluation.significance import compared

    if len(systems) < 2:
        raise OrapoError("orapo compare needs the predictions of two systems or more")
    systems, references = [from_input(path) for path in systems], from_input(references)
    page, page_data, figures = (None, None, None) if is_dash(out) else _places(out)
    say = tables.Said()
    generated, theirs = tables.both_sides(
        systems, references, id_column, text_column, findings_column, impression_column,
        reference_id_column, reference_text_column, say,
    )  # fmt: skip
    with steps() as step:
        truth = read_references(references, split, theirs)
        reports, missing, unmatched, warnings = {}, {}, {}, []
        for name, path in zip(_names(systems), systems, strict=True):
            matched = match_studies(
                read_predictions(path, generated),
                truth,
                None,
                str(path),
                str(references),
                partial=partial,
                other_splits=lambda: ids_of_other_splits(references, split),
            )
            warnings += [matched.warning] if matched.warning else []
            matched = without_unread(replace(matched, warning=""), str(references), partial)
            reports[name], missing[name] = matched.reports, len(matched.missing)
            unmatched[name] = matched.unmatched.as_dict()
        # the same of every system
        truth, left_out = matched.truth, matched.left_out
        warnings += [
            text for text in (matched.warning, silent_warning(truth, str(references))) if text
        ]
        if language and not all(reference.report.strip() for reference in truth.values()):
            raise OrapoError(f"{references}: --language needs a report of every study")
        result = compared(
            reports,
            truth,
            uncertain=uncertain,
            resamples=resamples,
            seed=seed,
            language=language,
            step=step,
        )
        warnings += [
            f"{name}: {count:,} of {len(truth):,} reports are not English, not read: they have no FactS, "
            "as in orapo evaluate (FactS is compared on the studies in which both systems have one), "
            "and say nothing in all other figures."
            for name, count in result["not_english"].items()
            if count
        ]
        result |= {
            "missing_predictions": missing,
            "unmatched": unmatched,
            "references_left_out": dict(left_out),
        }
        if page is not None:
            from orapo.evaluation.pages.comparison_page import write_comparison

            command = shlex.join(["orapo", *sys.argv[1:]])
            unreadable = write_comparison(
                page, result, reports, truth, warnings, command,
                data=page_data, films=films, step=step,
            )  # fmt: skip
            if unreadable:
                warnings.append(f"Studies of the page whose film can't be read: {unreadable}.")
    for warning in warnings:
        tables.warn(warning)
    if figures is not None:
        _write(figures, result)
    as_json = as_json or is_dash(out)
    if as_json:
        typer.echo(json_text(result, indent=1))
        return
    console = Console()
    console.print(_table(result))
    for name, count in missing.items():
        if count:
            console.print(
                f"{name} lacks {count} of the {len(truth)} studies; each counts as an empty report.",
                markup=False,
                highlight=False,
            )
    for why, count in left_out.items():
        console.print(f"Studies left out, for their reference is {why}: {count}.", highlight=False)
    for pair in result["comparisons"]:
        if pair["figure"] == result["headline"]:
            console.print(pair["in_words"], markup=False, highlight=False)
    if written := [str(path) for path in (page, page_data, figures) if path is not None]:
        console.print(f"Written: {', '.join(written)}", markup=False, highlight=False)


def _places(out: Path | None) -> tuple[Path | None, Path | None, Path | None]:
    """Return where page, its data and the figures go: each None if it is not asked for.

    Raises:
        OrapoError: A folder is meant, and a file has its name.
    """
    if out is None:
        return None, None, None
    if out.suffix.lower() in (".html", ".htm"):
        return out, out.with_name(f"{out.stem}.report.json"), None
    if out.suffix and not out.is_dir():
        return None, None, out
    if out.exists() and not out.is_dir():
        raise OrapoError(
            f"{out}: a name without an ending is a folder (report.html, report.json, comparison.json), "
            "and this is a file; write NAME.json or NAME.html for one file"
        )
    return out / "report.html", out / "report.json", out / "comparison.json"


def _names(paths: list[Path]) -> list[str]:
    """Name the systems by their files, with as much of the path as tells them apart."""
    for depth in range(1, max(len(path.resolve().parts) for path in paths) + 1):
        names = ["/".join(path.resolve().with_suffix("").parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise OrapoError("orapo compare: the same file is given twice")


def _write(out: Path, result: dict[str, Any]) -> None:
    write_text(out, json_text(result, indent=1) + "\n")


def _table(result: dict[str, Any]) -> Table:
    from orapo.evaluation.titles import figure_title

    table = Table(
        title=f"{result['studies']} studies; resampled: {result['patients']} {result['resampled']}",
        caption=f"Uncertain counts as {result['uncertain']}; p by approximate randomisation, "
        f"{result['resamples']} swaps, Holm over {len(result['comparisons'])} comparisons.",
        box=box.SIMPLE_HEAD,
    )
    pairs = {(pair["a"], pair["b"]) for pair in result["comparisons"]}
    named = len(pairs) > 1  # else the headings name the two
    table.add_column("figure")
    for heading in ("A", "B") if named else next(iter(pairs)):
        table.add_column(heading, justify="left" if named else "right", max_width=14)
    for heading in ("A - B" if named else "diff.", "95 % interval", "p", "p Holm"):
        table.add_column(heading, justify="right", no_wrap=heading == "95 % interval")
    for pair in result["comparisons"]:
        low, high = pair["interval"]
        values = [_shown(pair["value_a"]), _shown(pair["value_b"])]
        if named:
            values = [f"{pair['a']} {values[0]}", f"{pair['b']} {values[1]}"]
        table.add_row(
            figure_title(pair["figure"], uncertain=result["uncertain"]),
            *values,
            _shown(pair["difference"], "+.3f"),
            "-" if low is None else f"{low:+.3f} to {high:+.3f}",
            _shown(pair["p"]),
            _shown(pair["p_holm"]),
        )
    return table


def _shown(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)
