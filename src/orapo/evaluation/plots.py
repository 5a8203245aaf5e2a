"""Plots of training and evaluation, written as PNG files that are readable at 800 px width.

One colour and one line style belong to a method in every plot (Okabe and Ito's palette, which
stays distinct for colour-blind readers). The plots use matplotlib's Figure objects, not pyplot, so
they touch no global state and need no display.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from matplotlib.transforms import Bbox

from orapo.errors import OrapoError
from orapo.evaluation.rows import TRIVIAL_TITLES, row_title
from orapo.labels import LABELS

_DPI: Final = 160
_MOST_IN_TITLE: Final = 3
"""Names of a legend that fit beside a title or into a plot."""
_WIDTH: Final = 8.0  # inches; text is sized for this figure at 800 px

_INK: Final = "#222222"
_GRID: Final = "#dddddd"
_RARE_BACKGROUND: Final = "#fff4d6"
# Where a name may stand beside its point (sideways, up), the best place first
_AROUND: Final = ((1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1))
_DISTANCES: Final = (6, 14, 24, 36, 50, 66, 84, 104, 126)
"""How far away, in points; from the second on a line joins name and point."""


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
    _Look("#0072B2", "-"),
    _Look("#D55E00", "--"),
)


def _looks(names: Collection[str]) -> dict[str, _Look]:
    further = iter(_FURTHER_LOOKS * (1 + len(names) // len(_FURTHER_LOOKS)))
    return {name: _LOOKS[name] if name in _LOOKS else next(further) for name in names}


def zero_reward_curve(
    curves: Mapping[str, Sequence[tuple[int, float]]],
    path: Path,
    what: str = "Zero-reward rollouts",
    title: str = "Share of rollouts with zero reward",
    titles: Mapping[str, str] | None = None,
) -> None:
    """Plot the share of zero-reward rollouts against the step, one line a method.

    The raw figures stand faint behind a moving average over a twentieth of the steps.

    Args:
        curves: Method to (step, share in 0..1); unknown shares (NaN) are left out.
        path: The PNG file to write.
        what: Name of the axis, where the shares are of something else.
        title: Likewise.
        titles: What the legend calls the methods, if not what tables do.
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
            label=(titles or {}).get(name) or row_title(name),
            marker="o" if len(steps) == 1 else None,
        )  # fmt: skip
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("Training step")
    axes.set_ylabel(what)
    axes.set_title(title, loc="left", fontweight="bold")
    if widths:
        _legend(figure, axes, f"mean over {max(widths)} points; raw: faint")
    _save(figure, path)


def label_f1_curves(
    curves: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]],
    path: Path,
    rare: Collection[str] = (),
    titles: Mapping[str, str] | None = None,
) -> None:
    """Plot each label's F1 on the probe's studies against the step, one panel a label (the paper's Figure 2).

    Args:
        curves: Method to label to (step, F1 in 0..1).
        path: The PNG file to write.
        rare: Labels to mark as rare.
        titles: What the legend calls the methods, if not what tables do.
    """
    labels = [name for name in LABELS if any(name in lines for lines in curves.values())]
    columns = min(4, max(1, len(labels)))
    rows = max(1, math.ceil(len(labels) / columns))
    figure = Figure(
        figsize=(_WIDTH, 1.0 + 1.75 * rows + 0.2 * len(curves)), dpi=_DPI, layout="constrained"
    )
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    looks = _looks(curves)
    panels: list[Axes] = list(grid.flat)
    for axes, label in zip(panels, labels, strict=False):
        _dress(axes)
        for name, lines in curves.items():
            steps, scores = _known(lines.get(label, ()))
            axes.plot(
                steps, scores, color=looks[name].colour, linestyle=looks[name].line, linewidth=2,
                marker="o", markersize=3, label=(titles or {}).get(name) or row_title(name),
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
    few = len(curves) <= _MOST_IN_TITLE
    if few:
        figure.supxlabel("Training step", fontsize=11)
    for axes in panels[: len(labels)] if not few else ():  # the legend is where that would stand
        axes.set_xlabel("Training step")
    figure.supylabel("F1 on the studies of the probe" if rows > 1 else "F1 (probe)", fontsize=11)
    if labels:
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(
            handles, names, loc="outside upper right" if few else "outside lower center",
            ncols=min(len(names), 3), frameon=False, handlelength=3,
        )  # fmt: skip
    _title(figure, "F1 of each label by step")
    _save(figure, path)


def data_efficiency(
    curves: Mapping[str, Sequence[tuple[int, float, float, float]]],
    path: Path,
    titles: Mapping[str, str] | None = None,
) -> None:
    """Plot macro-F1 against the number of training studies, one line a method.

    Args:
        curves: Method to (studies, macro-F1, ends of its interval).
        path: The PNG file to write.
        titles: What the legend calls the methods, if not what tables do.
    """
    figure, axes = _figure(4.2)
    counts = sorted({point[0] for points in curves.values() for point in points})
    for name, look in _looks(curves).items():
        points = sorted(curves[name])
        studies = [point[0] for point in points]
        axes.plot(
            studies, [point[1] for point in points], color=look.colour, linestyle=look.line,
            linewidth=2.4, marker="o", label=(titles or {}).get(name) or row_title(name),
        )  # fmt: skip
        axes.fill_between(
            studies, [point[2] for point in points], [point[3] for point in points],
            color=look.colour, alpha=0.15, linewidth=0,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.set_ylim(0, None)
    axes.set_xlabel("Training studies")
    axes.set_ylabel("Macro-F1 on the test studies")
    axes.set_title("Data efficiency", loc="left", fontweight="bold")
    _legend(figure, axes, "shaded: 95 % intervals")
    _save(figure, path)


def per_label_bars(
    rows: Mapping[str, Mapping[str, Mapping[str, Any]]],
    path: Path,
    intervals: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
) -> None:
    """Plot the F1 of each label as bars, one colour a row; labels with most support on top.

    Labels without support in the references are left out and counted under the plot.

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
        if labels and name in intervals:
            known = [intervals[name][label]["f1"] for label in labels]
            ends = [(one["low"], one["high"]) for one in known]
            heights = places + (number - (len(rows) - 1) / 2) * thickness
            axes.hlines(heights, *zip(*ends, strict=True), color=_INK, linewidth=1.4)
    axes.set_yticks(places, [f"{label} ({support[label]})" for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)  # the first label on top
    axes.set_xlim(0, 1)
    axes.grid(axis="y", visible=False)
    missing = len(support) - len(labels)
    lines = "; lines: 95 % intervals" if intervals else ""
    note = f"\n{missing} label(s) without positives not shown" if missing else ""
    axes.set_xlabel(f"F1 (in brackets: positive references{lines}){note}")
    _title(figure, "F1 of each label")
    figure.legend(loc="outside upper right", ncols=min(4, max(1, len(rows))), frameon=False)
    _save(figure, path)


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
    figure, axes = _figure(6.4)
    recall = np.linspace(0.01, 1, 200)
    for f1 in (0.2, 0.4, 0.6, 0.8):
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = f1 * recall / (2 * recall - f1)
        shown = (precision > 0) & (precision <= 1)
        axes.plot(recall[shown], precision[shown], color="#bbbbbb", linewidth=1, zorder=1)
        # outside the axes, where no mark can cover it
        axes.annotate(
            f"F1 {f1}", (1.03, f1 / (2 - f1)), fontsize=8.5, color="#666666", va="center",
            annotation_clip=False,
        )  # fmt: skip
    looks = _looks(rows)
    crosses: list[list[tuple[float, float]]] = []
    for name, ends in (intervals or {}).items():
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
            row["macro_recall"],
            row["macro_precision"],
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
    cross = "; cross: 95 % intervals" if intervals else ""
    small = "; small: labels" if labelled is not None else ""
    _title(figure, f"Precision against recall (macro{small}{cross})")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    supported = {
        label: (score["recall"], score["precision"])
        for label, score in (rows[labelled]["per_label"] if labelled is not None else {}).items()
        if score["support"]
    }
    if labelled is not None and supported:
        axes.plot(
            *zip(*supported.values(), strict=True), "o", color=looks[labelled].colour,
            markersize=4.5, alpha=0.7, clip_on=False,
        )  # fmt: skip
        marks = [(row["macro_recall"], row["macro_precision"]) for row in rows.values()]
        _name_points(figure, axes, supported, marks, crosses)
    _save(figure, path)


def wording_shares(
    calls: Mapping[str, Mapping[str, Any]], phrases: Mapping[str, Mapping[str, Any]], path: Path
) -> None:
    """Plot how often the reference is positive after each wording, with intervals.

    Args:
        calls: ``positive``, ``uncertain``, ``negative`` and ``blank`` to ``{cells,
            reference_positive: {value, low, high}}``, as `orapo.evaluation.wording` makes them.
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
    figure, axes = _figure(1.5 + 0.36 * len(shown))
    for place, (_, row, whole) in enumerate(shown):
        share = row["reference_positive"]
        colour = _LOOKS["model"].colour if whole else "#56B4E9"
        axes.barh(place, share["value"], height=0.66, color=colour)
        axes.hlines(place, share["low"], share["high"], color=_INK, linewidth=1.4)
    axes.set_yticks(range(len(shown)), [f"{title} ({row['cells']})" for title, row, _ in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("Reference positive (in brackets: how often it is said; lines: 95 % intervals)")
    _title(figure, "How often each wording comes true")
    _save(figure, path)


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
                name, point, xytext=place, textcoords="offset points", fontsize=8.5, color=_INK,
                ha={1: "left", 0: "center", -1: "right"}[sideways],
                va={1: "bottom", 0: "center", -1: "top"}[up],
            )  # fmt: skip
            box = text.get_window_extent()
            inside = room.x0 <= box.x0 and box.x1 <= room.x1 and room.y0 <= box.y0
            if inside and not any(box.overlaps(other) for other in taken):
                break
            if place != tuple(_DISTANCES[-1] * way for way in _AROUND[-1]):
                text.remove()
        if distance > _DISTANCES[0]:
            arrow = {"arrowstyle": "-", "color": "#888888", "linewidth": 0.7, "shrinkB": 3}
            axes.annotate("", point, place, textcoords="offset points", arrowprops=arrow)
        taken.append(box)


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    _dress(axes)
    axes.tick_params(labelsize=10)
    axes.xaxis.label.set_fontsize(11)
    axes.yaxis.label.set_fontsize(11)
    return figure, axes


def _legend(figure: Figure, axes: Axes, title: str) -> None:
    """Write the legend into the plot, or below it where it would cover the lines."""
    handles, names = axes.get_legend_handles_labels()
    if len(names) <= _MOST_IN_TITLE:
        axes.legend(frameon=False, handlelength=3, title=title)
    else:
        figure.legend(
            handles, names, loc="outside lower center", ncols=3, frameon=False, handlelength=3,
            title=title,
        )  # fmt: skip


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
