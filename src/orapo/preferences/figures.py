"""Plots of raters and systems: every share beside its interval and beside what chance would give."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from orapo.writing import replacing

_DPI: Final = 160
_WIDTH: Final = 8.0  # inches; text is sized for this figure at 800 px
_PLAIN: Final = "#0072B2"
_FLAGGED: Final = "#D55E00"
_CHANCE: Final = "#7f7f7f"
_GRID: Final = "#dddddd"
_LINES: Final = (
    *(("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-."), ("#CC79A7", ":"), ("#56B4E9", "--")),
    *(("#8C6D00", "-"), ("#000000", "-.")),
)
_LONGEST_NAME: Final = 22


def raters_plot(raters: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Plot of each rater self-agreement, kappa with the others and share of left, with intervals.

    Flagged raters are orange and have a square; a grey bar or line is what chance gives.
    """
    names = list(raters)
    figure = Figure(figsize=(_WIDTH, 1.6 + 0.4 * len(names)), layout="constrained")
    parts = figure.subplots(1, 3, sharey=True)
    for axes, (title, key) in zip(
        parts,
        (
            ("Same answer again", "self_agreement"),
            ("Kappa with the others", "with_others"),
            ('Share of "left"', "position"),
        ),
        strict=True,
    ):
        _dress(axes)
        axes.set_title(title, fontsize=11, loc="left")
        if key == "with_others":
            axes.axvline(0, color=_CHANCE, linewidth=1.5)
        else:
            axes.set_xlim(-0.02, 1.02)
        if key == "position":
            axes.axvline(0.5, color=_CHANCE, linewidth=1.5)
        for place, name in enumerate(names):
            one = raters[name][key]
            if one["value"] is None:
                continue
            if key == "self_agreement":
                axes.plot([one["chance"]] * 2, [place - 0.3, place + 0.3], color=_CHANCE, lw=2)
            _point(axes, one, place, bool(raters[name]["flags"]))
    parts[0].set_yticks(range(len(names)), [_short(name) for name in names])
    parts[0].set_ylim(len(names) - 0.5, -0.5)
    figure.supxlabel("Grey: by chance. Orange squares: flagged. 95 % intervals.", fontsize=9)
    _save(figure, path)


def kappa_plot(names: Sequence[str], kappas: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Plot Cohen's kappa of every two raters as a table in colour."""
    table = np.full((len(names), len(names)), np.nan)
    for one in kappas:
        first, second = (names.index(name) for name in one["raters"])
        value = one["kappa"]["value"]
        table[first, second] = table[second, first] = np.nan if value is None else value
    side = max(3.2, 1.8 + 0.62 * len(names))
    figure = Figure(figsize=(min(_WIDTH, side + 1.4), min(_WIDTH, side)), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(table, vmin=-1, vmax=1, cmap="PuOr")
    for (row, column), value in np.ndenumerate(table):
        if not np.isnan(value) and len(names) <= 12:
            colour = "white" if abs(value) > 0.65 else "black"
            axes.text(
                column, row, f"{value:z.2f}", ha="center", va="center", color=colour, fontsize=10
            )
    short = [_short(name) for name in names]
    axes.set_xticks(range(len(names)), short, rotation=45, ha="right", fontsize=10)
    axes.set_yticks(range(len(names)), short, fontsize=10)
    axes.set_title("Cohen's kappa", loc="left", fontsize=11)
    figure.colorbar(picture, ax=axes, shrink=0.8)
    _save(figure, path)


def drift_plot(raters: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Plot agreement with the others, and seconds a pair, by thirds of each rater's session."""
    figure = Figure(figsize=(_WIDTH, 3.6), layout="constrained")
    agreement, seconds = figure.subplots(1, 2)
    wide = 0.3 / max(1, len(raters))
    for at, (name, one) in enumerate(raters.items()):
        colour, line = _LINES[at % len(_LINES)]
        thirds = one["drift"]["thirds"]
        places = np.arange(1, len(thirds) + 1) + (at - (len(raters) - 1) / 2) * wide
        known = [each.get("equal_to_others") for each in thirds]
        if all(each is not None and each["value"] is not None for each in known):
            ends = [[each["value"], each["low"], each["high"]] for each in known]
            values = np.array(ends, dtype=float).T
            agreement.errorbar(
                places, values[0], yerr=_bars(values), color=colour, linestyle=line, marker="o",
                capsize=2, linewidth=1.8, label=_short(name),
            )  # fmt: skip
        times = [each["median_seconds"] for each in thirds]
        if all(time is not None for time in times):
            seconds.plot(
                range(1, len(times) + 1), times, color=colour, linestyle=line, marker="o",
                linewidth=1.8, label=_short(name),
            )  # fmt: skip
    for axes, title in (
        (agreement, "Same choice as the others"),
        (seconds, "Median seconds a pair"),
    ):
        _dress(axes)
        axes.set_title(title, loc="left", fontsize=11)
        axes.set_xlabel("third of the session")
        axes.set_xticks([1, 2, 3])
    agreement.set_ylim(0, 1)
    seconds.set_ylim(bottom=0)
    seconds.yaxis.set_major_locator(MaxNLocator(5))
    handles, names = agreement.get_legend_handles_labels()
    if not handles:
        handles, names = seconds.get_legend_handles_labels()
    if handles:
        figure.legend(
            handles, names, loc="outside lower center", ncols=4, frameon=False, handlelength=3
        )
    _save(figure, path)


def systems_plot(rates: Mapping[str, Any], path: Path) -> None:
    """Plot how often each system is preferred to the others, a tie counting half."""
    each = rates["each"]
    figure = Figure(figsize=(_WIDTH, 1.4 + 0.4 * max(1, len(each))), layout="constrained")
    axes = figure.subplots()
    _dress(axes)
    axes.axvline(0.5, color=_CHANCE, linewidth=1.5)
    for place, one in enumerate(each.values()):
        _point(axes, one, place, False)
    axes.set_yticks(range(len(each)), [_short(name) for name in each])
    axes.set_ylim(max(1, len(each)) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xlabel(
        "Preferred to the other report (a tie is half), with 95 % interval over patients"
    )
    _save(figure, path)


def _point(axes: Axes, figure: Mapping[str, Any], place: int, flagged: bool) -> None:
    values = np.array([[figure["value"]], [figure["low"]], [figure["high"]]], dtype=float)
    axes.errorbar(
        values[0], [place], xerr=_bars(values), fmt="s" if flagged else "o", capsize=3,
        color=_FLAGGED if flagged else _PLAIN, linewidth=2,
    )  # fmt: skip


def _bars(values: np.ndarray) -> np.ndarray:
    """Return how far an interval reaches to both sides, (2, N), of value, low and high."""
    bars: np.ndarray = np.clip(np.stack([values[0] - values[1], values[2] - values[0]]), 0, None)
    return bars


def _short(name: str) -> str:
    """Return a name as it is written into a plot, where "$" would begin a formula."""
    short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    return short.replace("$", r"\$")


def _dress(axes: Axes) -> None:
    axes.set_axisbelow(True)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=10)


def _save(figure: Figure, path: Path) -> None:
    figure.set_facecolor("white")
    with replacing(path) as part, warnings.catch_warnings():
        # names in scripts that the font lacks; they stand whole in the tables
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        # no "Software" entry: the bytes then depend on the figures alone
        figure.savefig(part, format="png", dpi=_DPI, metadata={"Software": None})
