"""``orapo preferences``: blinded pairs of reports for experts, and what their judgements are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orapo.cli.parts import table_options as tables
from orapo.cli.parts.alone import alone
from orapo.errors import OrapoError
from orapo.writing import json_text

if TYPE_CHECKING:
    from orapo.preferences.records import Preference

GRADED = "Graded annotations"
Judgements = Annotated[
    list[Path] | None,
    typer.Option(
        "--judgements",
        metavar="FILE...",
        help="Judgements: JSONL as the web page writes it, or the filled sheet.csv; several files.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Blinded pairs of reports, judged by experts.",
        no_args_is_help=True,
    )
    group.command()(alone(make))
    group.command()(alone(check))
    group.command()(alone(convert))
    app.add_typer(group, name="preferences")


def make(
    references: Annotated[
        Path, typer.Option(help="As in orapo evaluate: a manifest, or labels and/or reports.")
    ],
    out: Annotated[Path, typer.Option(help="A new folder for the sheet and its key.")],
    systems: Annotated[
        list[str] | None,
        typer.Option(
            "--systems", metavar="NAME=FILE...", help="Generated reports of one or more systems."
        ),
    ] = None,
    further: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    with_radiologist: Annotated[
        bool,
        typer.Option("--with-radiologist", help="The reference reports take part as a system."),
    ] = False,
    split: Annotated[str | None, typer.Option(help="Of the references' manifest.")] = None,
    pairs: Annotated[int, typer.Option(min=1, metavar="N", help="Different pairs.")] = 300,
    repeat_share: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of the pairs that is shown twice, on top of N."),
    ] = 0.1,
    random_share: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of the pairs that is drawn at random."),
    ] = 0.3,
    second: Annotated[
        str | None,
        typer.Option(
            metavar="bleu|cosine",
            help="The reward whose disagreement with FactS is looked for; bleu where installed.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of all draws.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print make.json.")] = False,
    partial: tables.Partial = False,
    id_column: tables.IdColumn = None,
    text_column: tables.TextColumn = None,
    findings_column: tables.FindingsColumn = None,
    impression_column: tables.ImpressionColumn = None,
    reference_id_column: tables.ReferenceIdColumn = None,
    reference_text_column: tables.ReferenceTextColumn = None,
) -> None:
    """Choose pairs of reports for a blinded sheet.

    Half of what is not random are near ties under FactS, half pairs that a second reward orders the
    other way. Raters get sheet.jsonl or sheet.csv; key.jsonl and make.json name the systems.
    """
    from orapo.data.tables.standard_streams import from_input
    from orapo.evaluation.inputs import ids_of_other_splits, read_references
    from orapo.evaluation.matching import REFUSED_ABOVE, SAID_ABOVE, unmatched_studies
    from orapo.preferences.candidates import (
        RADIOLOGIST,
        candidates,
        radiologists_reports,
        read_system,
        second_reward,
    )
    from orapo.preferences.pairing import PairingOptions, make_sheet
    from orapo.preferences.sheet import check_new, write_sheet_folder

    check_new(out)
    named = _named([*(systems or ()), *(further or ())])
    if not named:
        raise OrapoError("give the reports of a system or more: --systems NAME=FILE")
    reward = second_reward(second)
    named = {name: from_input(path) for name, path in named.items()}
    references = from_input(references)
    generated, theirs = tables.both_sides(
        list(named.values()), references, id_column, text_column, findings_column,
        impression_column, reference_id_column, reference_text_column, tables.Said(),
    )  # fmt: skip
    truth = read_references(references, split, theirs)
    reports = {name: read_system(path, generated) for name, path in named.items()}
    for name, path in named.items():
        found = unmatched_studies(
            reports[name], truth, lambda: ids_of_other_splits(references, split)
        )
        hint = f"; {found.hint}" if found.hint else ""
        if not reports[name].keys() & truth.keys():
            raise OrapoError(f"{path} and {references}: have no study_id in common{hint}")
        # a sheet is of some studies: that others have no report is no fault
        share = len(found.predictions) / max(1, found.of_predictions)
        words = replace(found, references=()).in_words(str(path), str(references))
        if share > REFUSED_ABOVE and not partial:
            raise OrapoError(f"too many ids don't match: {words} (--partial goes on all the same)")
        if share > SAID_ABOVE:
            tables.warn(f"Ids that don't match: {words}.")
    if with_radiologist:
        if RADIOLOGIST in reports:
            raise OrapoError("--with-radiologist: a system can't be named radiologist too")
        reports[RADIOLOGIST] = radiologists_reports(references, truth, theirs)
        if not any(reports[RADIOLOGIST].values()):
            raise OrapoError(f"{references}: --with-radiologist needs reports there")
    studies = candidates(reports, truth, reward)
    options = PairingOptions(pairs, repeat_share, random_share, seed)
    sheet = make_sheet(
        studies,
        {study: truth[study].images for study in studies},
        {study: truth[study].patient_id for study in studies},
        options,
        reward,
    )
    unknown = len({study for each in reports.values() for study in each} - truth.keys())
    summary: dict[str, Any] = {
        **sheet.counts,
        "asked_pairs": pairs,
        "systems": {
            name: sum(len(each.get(study, ())) for study in truth) for name, each in reports.items()
        },
        "without_reference": unknown,
        "second_reward": reward,
        "repeat_share": repeat_share,
        "random_share": random_share,
        "split": split,
        "seed": seed,
    }
    write_sheet_folder(out, sheet, summary)
    if as_json:
        typer.echo(json_text(summary, indent=2))
        return
    console = Console()
    why = ", ".join(f"{kind} {count}" for kind, count in sheet.counts["why"].items())
    _say(
        console,
        f"{sheet.counts['pairs']} pairs of {sheet.counts['studies']} studies, "
        f"{sheet.counts['repeated']} of them shown twice.",
    )
    _say(console, f"Chosen as {why}; second reward: {reward}.")
    if not any(reward in one.scores for each in studies.values() for one in each):
        _say(console, "No reference has a report: there is no second reward to disagree.")
    if sheet.counts["pairs"] < pairs:
        _say(console, f"Fewer than the {pairs} asked for: there are no more different reports.")
    if unknown:
        _say(console, f"Studies without a reference, left out: {unknown}.")
    if with_radiologist:
        _say(console, "Reference reports can give themselves away, by earlier films they name.")
    _say(console, f"For raters: {out / 'sheet.jsonl'} or sheet.csv")
    _say(console, f"Not for raters: {out / 'key.jsonl'} and make.json")


def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What preferences make wrote.")],
    judgements: Judgements = None,
    further: Annotated[list[Path] | None, typer.Argument(hidden=True)] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of check.json, page and plots; by default DIR.")
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, metavar="N", help="Of the bootstrap.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the bootstrap.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print check.json.")] = False,
) -> None:
    """Say whether raters agree, and what they prefer.

    Flags raters that seem careless, too fast or to give one answer always, with the reason; nothing
    is left out for it. The files name the systems: not for raters who go on judging.
    """
    from orapo.preferences.check import check_judgements
    from orapo.preferences.judgements import read_judgements
    from orapo.preferences.page import write_check
    from orapo.preferences.sheet import read_sheet_folder

    files = [*(judgements or ()), *(further or ())]
    if not files:
        raise OrapoError("give the judgements: --judgements FILE")
    out = folder if out is None else out
    if out.exists() and not out.is_dir():
        raise OrapoError(f"{out}: expected a folder, this is a file")
    pairs, keys = read_sheet_folder(folder)
    found = check_judgements(
        read_judgements(files, pairs), pairs, keys, resamples=resamples, seed=seed
    )
    write_check(out, found)
    if as_json:
        typer.echo(json_text(found, indent=2))
    else:
        _show(found, out)


def _show(found: Mapping[str, Any], out: Path) -> None:
    """Print tables that fit 80 columns, the flags and where the files are."""
    from orapo.preferences.check import in_words

    console = Console()
    table = Table(
        title=f"{found['judgements']} judgements of {found['pairs']} pairs",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("rater", overflow="fold", min_width=8)
    table.add_column("n", justify="right")
    for heading in ("same again", "kappa, others", "left (p)", "s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, one in found["raters"].items():
        seconds = one["median_seconds"]
        table.add_row(
            Text(name),
            str(one["judgements"]),
            in_words(one["self_agreement"], percent=True),
            in_words(one["with_others"]),
            _left(one["position"]),
            "-" if seconds is None else f"{seconds:.0f}",
            style="red" if one["flags"] else "",
        )
    console.print(table)
    rates = found["systems"]["each"]
    if rates:
        used = found["systems"]["pairs_used"]
        table = Table(title=f"Preferred, of {used} pairs (a tie is half)", box=box.SIMPLE_HEAD)
        table.add_column("system", overflow="fold")
        table.add_column("judgements", justify="right")
        table.add_column("preferred", justify="right")
        for name, rate in rates.items():
            table.add_row(Text(name), str(rate["judgements"]), in_words(rate, percent=True))
        console.print(table)
    alpha = found["alpha"]["value"]
    if alpha is not None:
        _say(console, f"Krippendorff's alpha: {alpha:.3f}")
    for name in found["flagged"]:
        for flag in found["raters"][name]["flags"]:
            _say(console, f"{name} is flagged, {flag['kind']}: {flag['reason']}.", style="red")
    for note in found["notes"]:
        _say(console, note, style="dim")
    _say(console, f"Written: {out / 'check.html'}, check.json and the plots")


def _left(position: Mapping[str, Any]) -> str:
    """Return the share of left and its p-value."""
    if position["value"] is None:
        return "-"
    return f"{position['value']:.0%} ({position['p_holm']:.3f})"


def convert(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="What orapo preferences make wrote.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file; by default preferences.jsonl in DIR.")
    ] = None,
    judgements: Judgements = None,
    further: Annotated[list[Path] | None, typer.Argument(hidden=True)] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option("--without-rater", metavar="NAME", help="Leave a rater out.")
    ] = None,
    graded: Annotated[
        Path | None,
        typer.Option(
            help="Error counts in place of judgements: study_id, candidate, rater, and counts that "
            "begin with significant/insignificant; or ReXVal's form.",
            rich_help_panel=GRADED,
        ),
    ] = None,
    reports: Annotated[
        Path | None,
        typer.Option(
            help="The graded reports, if they don't stand there: study_id, candidate, report.",
            rich_help_panel=GRADED,
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="Films and patients of the graded studies.", rich_help_panel=GRADED),
    ] = None,
    margin: Annotated[
        float,
        typer.Option(min=0, help="Difference that is still a tie.", rich_help_panel=GRADED),
    ] = 0.0,
    insignificant: Annotated[
        float,
        typer.Option(
            min=0,
            help="Weight of an insignificant error; a significant one weighs 1.",
            rich_help_panel=GRADED,
        ),
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Join judgements into what a reward model learns from.

    The file is preferences.jsonl.

    Or turn graded annotations into the same: the report with fewer clinically significant errors is
    preferred.
    """
    from orapo.data.tables.writing import not_an_input
    from orapo.preferences.judgements import joined, read_judgements
    from orapo.preferences.records import write_preferences
    from orapo.preferences.sheet import read_sheet_folder

    files = [*(judgements or ()), *(further or ())]
    if (graded is None) == (folder is None):
        raise OrapoError("give either DIR with --judgements or --graded FILE, one of the two")
    if folder is not None:
        if not files:
            raise OrapoError("give the judgements: --judgements FILE")
        pairs, keys = read_sheet_folder(folder)
        found = joined(read_judgements(files, pairs).given, pairs, keys)
    else:
        found = _from_graded(graded, reports, manifest, margin, insignificant)
    raters = sorted({one.rater for one in found})
    for name in leave_out or ():
        if name not in raters:
            raise OrapoError(f"--without-rater {name}: the raters are {', '.join(raters)}")
    kept = [one for one in found if one.rater not in (leave_out or ())]
    if not kept:
        raise OrapoError("--without-rater: leaves no rater")
    if out is None:
        if folder is None:
            raise OrapoError("--graded needs --out FILE")
        out = folder / "preferences.jsonl"
    if out.suffix.lower() != ".jsonl":
        raise OrapoError(f"{out}: expected a file name ending in .jsonl")
    not_an_input(out, graded, reports, manifest, *files)
    if folder is not None:
        not_an_input(out, folder / "sheet.jsonl", folder / "key.jsonl")
    write_preferences(out, kept)
    counts = {
        "preferences": len(kept),
        "pairs": len({one.pair for one in kept}),
        "studies": len({one.study_id for one in kept}),
        "raters": len({one.rater for one in kept}),
        "ties": sum(one.choice == "tie" for one in kept),
    }
    if as_json:
        typer.echo(json_text(counts, indent=2))
    else:
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        _say(Console(), f"{out}: {said}")


def _from_graded(
    graded: Path | None,
    reports: Path | None,
    manifest: Path | None,
    margin: float,
    insignificant: float,
) -> list[Preference]:
    from orapo.data.manifest import read_manifest
    from orapo.preferences.graded import graded_preferences, read_counts, read_graded_reports

    assert graded is not None
    counts, texts = read_counts(graded)
    if reports is not None:
        texts |= read_graded_reports(reports)
    studies = {study.study_id: study for study in read_manifest(manifest)} if manifest else {}
    return graded_preferences(
        counts,
        texts,
        margin=margin,
        insignificant=insignificant,
        images={name: study.images for name, study in studies.items()},
        patients={name: study.patient_id for name, study in studies.items()},
    )


def _named(systems: Sequence[str]) -> dict[str, Path]:
    """Read NAME=FILE."""
    named: dict[str, Path] = {}
    for text in systems:
        name, equals, path = text.partition("=")
        if not equals or not name.strip() or not path:
            raise OrapoError(f"--systems: expected NAME=FILE, not {text!r}")
        if name in named:
            raise OrapoError(f"--systems: the name {name} is given twice")
        named[name] = Path(path)
    return named


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
