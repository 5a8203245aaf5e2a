"""How all plots look: one size, one colour and one line style for a method in every plot.

Okabe and Ito's palette, which stays distinct for colour-blind readers. The plots are as wide as a phone,
so that their words can be read there; a page has them as SVG, whose colours follow it into the dark. They
use matplotlib's Figure objects, not pyplot, so they touch no global state and need no display.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final, NamedTuple

import markupsafe
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orapo.errors import OrapoError
from orapo.writing import replacing

DPI: Final = 256
MOST_IN_TITLE: Final = 3
"""Names of a legend that fit into a plot or above it."""
WIDTH: Final = 5.0  # inches of 72 points, which are about a pixel each on a phone

INK: Final = "#222222"
_GRID: Final = "#dddddd"


class Look(NamedTuple):
    """Colour and line style of a method."""

    colour: str
    line: str


LOOKS: Final[dict[str, Look]] = {
    "orapo": Look("#0072B2", "-"),
    "model": Look("#0072B2", "-"),
    "grpo_facts": Look("#D55E00", "--"),
    "base": Look("#7f7f7f", ":"),
    "all_positive": Look("#CC9A00", "-."),
    "all_negative": Look("#009E73", "-."),
    "most_frequent": Look("#CC79A7", ":"),
    "prevalence_random": Look("#56B4E9", "--"),
    "nearest_image": Look("#8C6D00", "-"),
}
_FURTHER_LOOKS: Final = (
    Look("#009E73", "-."),
    Look("#CC79A7", ":"),
    Look("#56B4E9", "--"),
    Look("#8C6D00", "-"),
    Look("#000000", "-."),
    Look("#0072B2", "-"),
    Look("#D55E00", "--"),
)


def looks_of(names: Collection[str]) -> dict[str, Look]:
    """Return the look of each method; one without a look of its own gets the next free one."""
    further = iter(_FURTHER_LOOKS * (1 + len(names) // len(_FURTHER_LOOKS)))
    return {name: LOOKS[name] if name in LOOKS else next(further) for name in names}


def new_figure(height: float) -> tuple[Figure, Axes]:
    """Return a figure of the common width, with one plot; the height is in inches."""
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    dress(axes)
    axes.tick_params(labelsize=10)
    axes.xaxis.label.set_fontsize(11)
    axes.yaxis.label.set_fontsize(11)
    return figure, axes


def add_legend(figure: Figure, axes: Axes, title: str) -> None:
    """Write the legend into the plot, or below it where it would cover the lines."""
    handles, names = axes.get_legend_handles_labels()
    if len(names) <= MOST_IN_TITLE:
        axes.legend(frameon=False, handlelength=3, title=title)
    else:
        figure.legend(
            handles, names, loc="outside lower center", ncols=2, frameon=False, handlelength=3,
            title=title,
        )  # fmt: skip


def dress(axes: Axes) -> None:
    """Give a plot its grid and its quiet edges."""
    axes.set_axisbelow(True)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=9)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as SVG or, by its name, as PNG; the same figures give the same bytes.

    Raises:
        OrapoError: The file can't be written.
    """
    figure.set_facecolor("white")
    kind = "png" if path.suffix.lower() == ".png" else "svg"
    # Nothing but the figures decides the bytes; text stays text.
    nothing = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    with (
        replacing(path) as part,
        rc_context({"svg.fonttype": "none", "svg.hashsalt": "orapo"}),
    ):
        figure.savefig(part, format=kind, metadata=nothing)


def inline_svg(path: Path, name: str, title: str) -> markupsafe.Markup:
    """Return a plot for a page: as wide as there is room, in colours that the page can change.

    A colour ``#rrggbb`` is ``var(--crrggbb, #rrggbb)``, which report.css sets where it is dark.

    Args:
        path: An SVG file of `save`.
        name: Put before its ids, which would else be those of other plots too.
        title: What a screen reader says.

    Raises:
        OrapoError: The file can't be read, or is none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OrapoError(f"{path}: can't be read ({error})") from None
    start = text.find("<svg")
    if start < 0:
        raise OrapoError(f"{path}: expected a plot (SVG)")
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text[start:], flags=re.DOTALL)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"(?<=[:\s\"])#([0-9a-f]{6})\b", r"var(--c\1, #\1)", text)
    head, rest = text.split(">", 1)  # HTML knows both namespaces
    head = re.sub(r'\s(width|height|version|xmlns|xmlns:xlink)="[^"]*"', "", head)
    return markupsafe.Markup(f'{head} role="img" aria-label="{markupsafe.escape(title)}">{rest}')
