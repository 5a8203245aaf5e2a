"""The options by which a command is told what stands where in its tables, and what it says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orapo.data.tables.columns import Side, Wanted
from orapo.data.tables.reading import columns_of
from orapo.data.tables.standard_streams import in_words
from orapo.errors import OrapoError

COLUMNS = "Columns of the tables (found by their names where those leave no doubt)"

IdColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column of the study's id.", rich_help_panel=COLUMNS),
]
TextColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column of the report.", rich_help_panel=COLUMNS),
]
FindingsColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Column of its findings, where it is in two.", rich_help_panel=COLUMNS
    ),
]
ImpressionColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column of its impression.", rich_help_panel=COLUMNS),
]
ReferenceIdColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="--id-column of the references, if another.", rich_help_panel=COLUMNS
    ),
]
ReferenceTextColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="--text-column of the references, if another.", rich_help_panel=COLUMNS
    ),
]
Partial = Annotated[
    bool,
    typer.Option(
        "--partial", help="Go on although more than 20 % of a side's ids have no counterpart."
    ),
]


@dataclass
class Said:
    """Sentences that were said of the tables, each once, on stderr.

    Attributes:
        sentences: All of them, in order, for a page.
    """

    sentences: list[str] = field(default_factory=list)

    def __call__(self, sentence: str) -> None:
        """Say a sentence, unless it was said."""
        sentence = in_words(sentence)
        if sentence in self.sentences:
            return
        self.sentences.append(sentence)
        Console(stderr=True).print(
            f"orapo: {sentence}", style="yellow", markup=False, highlight=False, soft_wrap=True
        )


def warn(sentence: str) -> None:
    """Say what nobody may overlook: a red banner on stderr."""
    Console(stderr=True).print(
        f"orapo: WARNING: {sentence}",
        style="bold white on red",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def both_sides(
    tables: Sequence[Path],
    references: Path,
    id_column: str | None,
    text_column: str | None,
    findings_column: str | None,
    impression_column: str | None,
    reference_id_column: str | None,
    reference_text_column: str | None,
    say: Said,
) -> tuple[Wanted, Wanted]:
    """Return what is said of the generated reports' tables and of the references'.

    Args:
        tables: Generated reports.
        references: The references. A name that the user gives without ``reference`` holds for them
            too, if they have such a column.
        id_column: And the others: as the options of the same names.
        text_column: Of the report.
        findings_column: Of its findings.
        impression_column: Of its impression.
        reference_id_column: Of the references alone.
        reference_text_column: Likewise.
        say: Told what was found.

    Raises:
        OrapoError: No table has a column that is named.
    """
    named = {
        "--id-column": id_column,
        "--text-column": text_column,
        "--findings-column": findings_column,
        "--impression-column": impression_column,
    }
    theirs = {
        "--reference-id-column": reference_id_column,
        "--reference-text-column": reference_text_column,
    }
    if any((*named.values(), *theirs.values())):
        in_references = columns_of(references)
        anywhere = {*in_references, *(name for table in tables for name in columns_of(table))}
        for options, there, where in (
            (named, anywhere, f"{', '.join(map(str, tables))} and {references}"),
            (theirs, set(in_references), str(references)),
        ):
            for option, name in options.items():
                if name is not None and name not in there:
                    raise OrapoError(f"{option} {name}: no such column in {where}")
    generated = Wanted(
        *(id_column, text_column, findings_column, impression_column),
        shared=True,
        side=Side.GENERATED,
        say=say,
    )
    own_text = reference_text_column is not None
    return generated, Wanted(
        reference_id_column or id_column,
        reference_text_column or text_column,
        None if own_text else findings_column,
        None if own_text else impression_column,
        shared=True,
        side=Side.REFERENCE,
        say=say,
    )
