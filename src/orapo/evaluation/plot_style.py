"""How all plots look: one size, one colour and one line style for a method in every plot.

Okabe and Ito's palette, which stays distinct for colour-blind readers. The plots are PNG files that are
readable at 800 px width; they use matplotlib's Figure objects, not pyplot, so they touch no global
state and need no display.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orapo.writing import replacing

DPI: Final = 160
MOST_IN_TITLE: Final = 3
"""Names of a legend that fit beside a title or into a plot."""
WIDTH: Final = 8.0  # inches; text is sized for this figure at 800 px

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
            handles, names, loc="outside lower center", ncols=3, frameon=False, handlelength=3,
            title=title,
        )  # fmt: skip


def set_title(figure: Figure, text: str) -> None:
    """Write a title at the figure's left edge, where it leaves room for a legend on the right."""
    figure.suptitle(text, x=0.01, ha="left", fontweight="bold", fontsize=12)


def dress(axes: Axes) -> None:
    """Give a plot its grid and its quiet edges."""
    axes.set_axisbelow(True)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=9)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; the same figures give the same bytes.

    Raises:
        OrapoError: The file can't be written.
    """
    figure.set_facecolor("white")
    with replacing(path) as part:
        # no "Software" entry: the bytes then depend on the figures alone
        figure.savefig(part, format="png", metadata={"Software": None})
