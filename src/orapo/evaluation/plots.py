"""Plots of training and evaluation, written as PNG files that are readable at 800 px width.

One colour and one line style belong to a method in every plot (Okabe and Ito's palette, which
stays distinct for colour-blind readers). The plots use matplotlib's Figure objects, not pyplot, so
they touch no global state and need no display.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from orapo.errors import OrapoError
from orapo.evaluation.rows import TRIVIAL_TITLES, row_title
from orapo.labels import LABELS

_DPI: Final = 160
_WIDTH: Final = 8.0  # inches; text is sized for this figure at 800 px

_INK: Final = "#222222"
_GRID: Final = "#dddddd"
_RARE_BACKGROUND: Final = "#fff4d6"


class _Look(NamedTuple):
    colour: str
    line: str


_LOOKS: Final[dict[str, _Look]] = {
    "orapo": _Look("#0072B2", "-"),
    "model": _Look("#0072B2", "-"),
    "grpo_facts": _Look("#D55E00", "--"),
    "base": _Look("#7f7f7f", ":"),
    "all_positive": _Look("#CC9A00", "-."),
    "all_negative": _Look("#009E73", "-."),
    "most_frequent": _Look("#CC79A7", ":"),
    "prevalence_random": _Look("#56B4E9", "--"),
    "nearest_image": _Look("#8C6D00", "-"),
}
_FURTHER_LOOKS: Final = (
    _Look("#009E73", "-."),
    _Look("#CC79A7", ":"),
    _Look("#56B4E9", "--"),
    _Look("#8C6D00", "-"),
    _Look("#000000", "-."),
)


def _looks(names: Collection[str]) -> dict[str, _Look]:
    further = iter(_FURTHER_LOOKS * (1 + len(names) // len(_FURTHER_LOOKS)))
    return {name: _LOOKS[name] if name in _LOOKS else next(further) for name in names}


def zero_reward_curve(curves: Mapping[str, Sequence[tuple[int, float]]], path: Path) -> None:
    """Plot the share of zero-reward rollouts against the step, one line a method.

    The raw figures stand faint behind a moving average over a twentieth of the steps.

    Args:
        curves: Method to (step, share in 0..1); unknown shares (NaN) are left out.
        path: The PNG file to write.
    """
    figure, axes = _figure(4.2)
    widths = []
    for name, look in _looks(curves).items():
        steps, shares = _known(curves[name])
        if not len(steps):
            continue
        smooth, width = _moving_average(shares)
        widths.append(width)
        axes.plot(steps, shares, color=look.colour, alpha=0.22, linewidth=1)
        axes.plot(
            steps, smooth, color=look.colour, linestyle=look.line, linewidth=2.4,
            label=row_title(name),
            marker="o" if len(steps) == 1 else None,
        )  # fmt: skip
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("Training step")
    axes.set_ylabel("Zero-reward rollouts")
    axes.set_title("Share of rollouts with zero reward", loc="left", fontweight="bold")
    if widths:
        axes.legend(
            frameon=False, handlelength=3, title=f"mean over {max(widths)} points; raw: faint"
        )
    _save(figure, path)


def label_f1_curves(
    curves: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]],
    path: Path,
    rare: Collection[str] = (),
) -> None:
    """Plot each label's F1 on the probe's studies against the step, one panel a label (the paper's Figure 2).

    Args:
        curves: Method to label to (step, F1 in 0..1).
        path: The PNG file to write.
        rare: Labels to mark as rare.
    """
    labels = [name for name in LABELS if any(name in lines for lines in curves.values())]
    columns = min(4, max(1, len(labels)))
    rows = max(1, math.ceil(len(labels) / columns))
    figure = Figure(figsize=(_WIDTH, 1.0 + 1.75 * rows), dpi=_DPI, layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    looks = _looks(curves)
    panels: list[Axes] = list(grid.flat)
    for axes, label in zip(panels, labels, strict=False):
        _dress(axes)
        for name, lines in curves.items():
            steps, scores = _known(lines.get(label, ()))
            axes.plot(
                steps, scores, color=looks[name].colour, linestyle=looks[name].line, linewidth=2,
                marker="o", markersize=3, label=row_title(name),
            )  # fmt: skip
        title = label.replace("Enlarged Cardiomediastinum", "Enl. Cardiomediast.")
        if label in rare:
            axes.set_facecolor(_RARE_BACKGROUND)
            title += " (rare)"
        axes.set_title(title, fontsize=9.5, loc="left")
        axes.set_ylim(-0.03, 1.03)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    for axes in panels[len(labels) :]:
        axes.remove()
    for column in range(columns):  # the lowest panel of each column names the steps
        last = (len(labels) - 1 - column) // columns * columns + column
        panels[last].tick_params(labelbottom=True)
    figure.supxlabel("Training step", fontsize=11)
    figure.supylabel("F1 on the studies of the probe", fontsize=11)
    if labels:
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(
            handles, names, loc="outside upper right", ncols=len(names), frameon=False,
            handlelength=3,
        )  # fmt: skip
    _title(figure, "F1 of each label by step")
    _save(figure, path)


def per_label_bars(rows: Mapping[str, Mapping[str, Mapping[str, Any]]], path: Path) -> None:
    """Plot the F1 of each label as bars, one colour a row; labels with most support on top.

    Labels without support in the references are left out and counted under the plot.

    Args:
        rows: Row name to ``per_label`` (label to ``{f1, support, ...}``).
        path: The PNG file to write.
    """
    support = {
        label: max(int(scores[label]["support"]) for scores in rows.values() if label in scores)
        for label in LABELS
        if any(label in scores for scores in rows.values())
    }
    labels = sorted((name for name in support if support[name]), key=lambda name: -support[name])
    looks = _looks(rows)
    thickness = 0.8 / max(1, len(rows))
    figure, axes = _figure(1.4 + len(labels) * (0.16 + 0.13 * len(rows)))
    places = np.arange(len(labels), dtype=float)
    for number, (name, scores) in enumerate(rows.items()):
        axes.barh(
            places + (number - (len(rows) - 1) / 2) * thickness,
            [float(scores[label]["f1"]) if label in scores else 0.0 for label in labels],
            height=thickness * 0.92,
            color=looks[name].colour,
            hatch="////" if name in TRIVIAL_TITLES else None,
            edgecolor="white",
            linewidth=0,
            label=row_title(name),
        )
    axes.set_yticks(places, [f"{label} ({support[label]})" for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)  # the first label on top
    axes.set_xlim(0, 1)
    axes.grid(axis="y", visible=False)
    missing = len(support) - len(labels)
    note = f"; {missing} label(s) without positives not shown" if missing else ""
    axes.set_xlabel(f"F1 (in brackets: positive references{note})")
    _title(figure, "F1 of each label")
    figure.legend(loc="outside upper right", ncols=min(4, max(1, len(rows))), frameon=False)
    _save(figure, path)


def trade_off(rows: Mapping[str, Mapping[str, Any]], labelled: str | None, path: Path) -> None:
    """Plot precision against recall: a large mark a row (macro), small ones the labels of one row.

    A report has no threshold, so a system is a point, not a curve. Grey lines join points of equal
    F1.

    Args:
        rows: Row name to its scores (``macro_precision, macro_recall, per_label``).
        labelled: The row whose labels are shown; None: no labels.
        path: The PNG file to write.
    """
    figure, axes = _figure(5.6)
    recall = np.linspace(0.01, 1, 200)
    for f1 in (0.2, 0.4, 0.6, 0.8):
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = f1 * recall / (2 * recall - f1)
        shown = (precision > 0) & (precision <= 1)
        axes.plot(recall[shown], precision[shown], color="#bbbbbb", linewidth=1, zorder=1)
        axes.annotate(
            f"F1 {f1}", (0.995, f1 / (2 - f1)), fontsize=8, color="#777777", ha="right", va="bottom"
        )
    looks = _looks(rows)
    if labelled is not None:
        for label, score in rows[labelled]["per_label"].items():
            if score["support"]:
                place = (score["recall"], score["precision"])
                axes.plot(*place, "o", color=looks[labelled].colour, markersize=4, alpha=0.6)
                axes.annotate(
                    label,
                    place,
                    xytext=(4, 2),
                    textcoords="offset points",
                    fontsize=7.5,
                    color=_INK,
                )
    for name, row in rows.items():
        axes.plot(
            row["macro_recall"],
            row["macro_precision"],
            "s" if name in TRIVIAL_TITLES else "D",
            color=looks[name].colour,
            markersize=9,
            markeredgecolor="white",
            linestyle="none",
            label=row_title(name),
            zorder=3,
        )
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("Recall")
    axes.set_ylabel("Precision")
    _title(figure, "Precision against recall (macro; small: labels)")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    _save(figure, path)


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    _dress(axes)
    axes.tick_params(labelsize=10)
    axes.xaxis.label.set_fontsize(11)
    axes.yaxis.label.set_fontsize(11)
    return figure, axes


def _title(figure: Figure, text: str) -> None:
    """Write a title at the figure's left edge, where it leaves room for a legend on the right."""
    figure.suptitle(text, x=0.01, ha="left", fontweight="bold", fontsize=12)


def _dress(axes: Axes) -> None:
    axes.set_axisbelow(True)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_INK, labelsize=9)


def _save(figure: Figure, path: Path) -> None:
    figure.set_facecolor("white")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # no "Software" entry: the bytes then depend on the figures alone
        figure.savefig(path, format="png", metadata={"Software": None})
    except OSError as error:
        raise OrapoError(f"{path}: can't be written ({error.strerror})") from None


def _known(curve: Sequence[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    points = np.array(sorted((step, value) for step, value in curve), dtype=float).reshape(-1, 2)
    points = points[~np.isnan(points[:, 1])]
    return points[:, 0], points[:, 1]


def _moving_average(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Return a centred moving average, the window cut at the ends, and the window's width."""
    width = max(1, len(values) // 20) | 1  # odd, so that it is centred
    window = np.ones(width)
    return np.convolve(values, window, "same") / np.convolve(
        np.ones_like(values), window, "same"
    ), width
