"""Plots of results: the labels, precision against recall, how doubtful the words are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from matplotlib.transforms import Bbox

from orapo.evaluation.plots.style import (
    INK,
    LOOKS,
    looks_of,
    new_figure,
    save,
)
from orapo.evaluation.rows import TRIVIAL_TITLES, row_title
from orapo.labels import LABELS

# Where a name may stand beside its point (sideways, up), the best place first
_AROUND: Final = ((1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1))
_QUIET: Final = "#666666"
_DISTANCES: Final = (6, 14, 24, 36, 50, 66, 84, 104, 126)
"""How far away, in points; from the second on a line joins name and point."""


def per_label_bars(
    rows: Mapping[str, Mapping[str, Mapping[str, Any]]],
    path: Path,
    intervals: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
) -> None:
    """Plot the F1 of each label as bars, one colour a row; labels with most support on top.

    A label without positive references has a dash and the reason.

    Args:
        rows: Row name to ``per_label`` (label to ``{f1, support, ...}``).
        path: The PNG file to write.
        intervals: Row name to label to ``{f1: {value, low, high}}``, for the rows that have them.
    """
    intervals = intervals or {}
    support = {
        label: max(int(scores[label]["support"]) for scores in rows.values() if label in scores)
        for label in LABELS
        if any(label in scores for scores in rows.values())
    }
    labels = sorted((name for name in support if support[name]), key=lambda name: -support[name])
    looks = looks_of(rows)
    thickness = 0.8 / max(1, len(rows))
    without = [name for name in support if not support[name]]
    figure, axes = new_figure(1.3 + len(labels) * (0.16 + 0.13 * len(rows)) + 0.22 * len(without))
    places = np.arange(len(labels), dtype=float)
    for number, (name, scores) in enumerate(rows.items()):
        axes.barh(
            places + (number - (len(rows) - 1) / 2) * thickness,
            [float(scores[label]["f1"] or 0.0) if label in scores else 0.0 for label in labels],
            height=thickness * 0.92,
            color=looks[name].colour,
            hatch="////" if name in TRIVIAL_TITLES else None,
            edgecolor="white",
            linewidth=0,
            label=row_title(name),
        )
        if labels and name in intervals:
            known = [intervals[name][label]["f1"] for label in labels]
            ends = [(drawn(one["low"]), drawn(one["high"])) for one in known]
            heights = places + (number - (len(rows) - 1) / 2) * thickness
            axes.hlines(heights, *zip(*ends, strict=True), color=INK, linewidth=1.4)
    # as high as its words, whatever a label with bars takes
    gap = 0.22 / (0.16 + 0.13 * max(1, len(rows)))
    lower = [len(labels) - 0.5 + gap * (number + 0.5) for number in range(len(without))]
    for place in lower:
        axes.annotate(
            "– no positive reference", (0, place), xytext=(3, 0), textcoords="offset points",
            va="center", fontsize=9, color=_QUIET,
        )  # fmt: skip
    axes.set_yticks(
        [*places, *lower], [*(f"{label} ({support[label]})" for label in labels), *without]
    )
    axes.set_ylim(len(labels) - 0.4 + gap * len(without), -0.6)  # the first label on top
    axes.set_xlim(0, 1)
    axes.grid(axis="y", visible=False)
    lines = "; lines: 95 % intervals" if intervals else ""
    figure.supxlabel(f"F1 (in brackets: positive references{lines})", fontsize=10)
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    save(figure, path)


def drawn(value: float | None) -> float:
    """Return a figure for matplotlib, which leaves out what does not exist (NaN)."""
    return float("nan") if value is None else float(value)


def trade_off(
    rows: Mapping[str, Mapping[str, Any]],
    labelled: str | None,
    path: Path,
    intervals: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
) -> None:
    """Plot precision against recall: a large mark a row (macro), small ones the labels of one row.

    A report has no threshold, so a system is a point, not a curve. Grey lines join points of equal
    F1.

    Args:
        rows: Row name to its scores (``macro_precision, macro_recall, per_label``).
        labelled: The row whose labels are shown; None: no labels.
        path: The PNG file to write.
        intervals: Row name to ``{macro_precision, macro_recall}: {value, low, high}``, drawn as a
            cross, for the rows that have them.
    """
    figure, axes = new_figure(5.6)
    recall = np.linspace(0.01, 1, 200)
    for f1 in (0.2, 0.4, 0.6, 0.8):
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = f1 * recall / (2 * recall - f1)
        shown = (precision > 0) & (precision <= 1)
        axes.plot(recall[shown], precision[shown], color="#bbbbbb", linewidth=1, zorder=1)
        # outside the axes, where no mark can cover it
        axes.annotate(
            f"F1 {f1}", (1.03, f1 / (2 - f1)), fontsize=8.5, color=_QUIET, va="center",
            annotation_clip=False,
        )  # fmt: skip
    looks = looks_of(rows)
    crosses: list[list[tuple[float, float]]] = []
    for name, ends in (intervals or {}).items():
        if any(ends[f"macro_{score}"]["low"] is None for score in ("recall", "precision")):
            continue
        low, high = ([ends[f"macro_{score}"][end] for score in ("recall", "precision")]
                     for end in ("low", "high"))  # fmt: skip
        middle = rows[name]["macro_recall"], rows[name]["macro_precision"]
        colour = looks[name].colour
        axes.hlines(middle[1], low[0], high[0], color=colour, linewidth=1.6, zorder=2)
        axes.vlines(middle[0], low[1], high[1], color=colour, linewidth=1.6, zorder=2)
        crosses += [
            [(low[0], middle[1]), (high[0], middle[1])],
            [(middle[0], low[1]), (middle[0], high[1])],
        ]
    for name, row in rows.items():
        axes.plot(
            drawn(row["macro_recall"]),
            drawn(row["macro_precision"]),
            "s" if name in TRIVIAL_TITLES else "D",
            color=looks[name].colour,
            markersize=9,
            markeredgecolor="white",
            linestyle="none",
            label=row_title(name),
            zorder=3,
            clip_on=False,  # all positive has recall 1
        )
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("Recall")
    axes.set_ylabel("Precision")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    supported = {
        label: (score["recall"], score["precision"])
        for label, score in (rows[labelled]["per_label"] if labelled is not None else {}).items()
        if score["support"] and score["precision"] is not None
    }
    if labelled is not None and supported:
        axes.plot(
            *zip(*supported.values(), strict=True), "o", color=looks[labelled].colour,
            markersize=4.5, alpha=0.7, clip_on=False,
        )  # fmt: skip
        marks = [(row["macro_recall"], row["macro_precision"]) for row in rows.values()]
        _name_points(figure, axes, supported, marks, crosses)
    save(figure, path)


def wording_shares(
    calls: Mapping[str, Mapping[str, Any]], phrases: Mapping[str, Mapping[str, Any]], path: Path
) -> None:
    """Plot how often the reference is positive after each wording, with intervals.

    Args:
        calls: ``positive``, ``uncertain``, ``negative`` and ``blank`` to ``{cells,
            reference_positive: {value, low, high}}``, as `orapo.evaluation.figures.wording` makes them.
        phrases: The same for hedging phrases, with the ``call`` that each is part of.
        path: The PNG file to write.
    """
    titles = {"positive": "present", "uncertain": "uncertain", "negative": "absent",
              "blank": "not mentioned"}  # fmt: skip
    shown = [
        (name, row, whole)
        for call, title in titles.items()
        for name, row, whole in (
            (title, calls[call], True),
            *((f"“{name}”", row, False) for name, row in phrases.items() if row["call"] == call),
        )
        if row["reference_positive"]
    ]
    figure, axes = new_figure(1.5 + 0.36 * len(shown))
    for place, (_, row, whole) in enumerate(shown):
        share = row["reference_positive"]
        colour = LOOKS["model"].colour if whole else "#56B4E9"
        axes.barh(place, share["value"], height=0.66, color=colour)
        axes.hlines(place, drawn(share["low"]), drawn(share["high"]), color=INK, linewidth=1.4)
    axes.set_yticks(range(len(shown)), [f"{title} ({row['cells']})" for title, row, _ in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid(axis="y", visible=False)
    figure.supxlabel(
        "Reference positive (in brackets: times said; lines: 95 % intervals)", fontsize=10
    )
    save(figure, path)


def _name_points(
    figure: Figure,
    axes: Axes,
    points: Mapping[str, tuple[float, float]],
    marks: Sequence[tuple[float, float]],
    lines: Sequence[Sequence[tuple[float, float]]],
) -> None:
    """Write names beside points, each at the first of some places where it covers nothing.

    Args:
        figure: The figure; its layout is fixed from here on.
        axes: Its axes.
        points: Name to (x, y).
        marks: Places of large marks, not to be covered.
        lines: Level or upright lines from (x, y) to (x, y), likewise.
    """
    figure.draw_without_rendering()  # fixes the layout, so that sizes in pixels are known
    figure.set_layout_engine("none")
    room = axes.get_window_extent()
    taken = [
        Bbox.from_bounds(x - size, y - size, 2 * size, 2 * size)
        for places, size in ((list(points.values()), 5), (marks, 11))
        for x, y in axes.transData.transform(places)
    ]
    taken += [Bbox(axes.transData.transform(line)).padded(2) for line in lines]
    for name, point in sorted(points.items(), key=lambda item: (-item[1][1], item[1][0])):
        for distance, (sideways, up) in product(_DISTANCES, _AROUND):
            place = (sideways * distance, up * distance)
            text = axes.annotate(
                name, point, xytext=place, textcoords="offset points", fontsize=8.5, color=INK,
                ha={1: "left", 0: "center", -1: "right"}[sideways],
                va={1: "bottom", 0: "center", -1: "top"}[up],
            )  # fmt: skip
            box = text.get_window_extent()
            inside = room.x0 <= box.x0 and box.x1 <= room.x1
            inside = inside and room.y0 <= box.y0 and box.y1 <= room.y1
            if inside and not any(box.overlaps(other) for other in taken):
                break
            if place != tuple(_DISTANCES[-1] * way for way in _AROUND[-1]):
                text.remove()
        if distance > _DISTANCES[0]:
            arrow = {"arrowstyle": "-", "color": "#888888", "linewidth": 0.7, "shrinkB": 3}
            axes.annotate("", point, place, textcoords="offset points", arrowprops=arrow)
        taken.append(box)
