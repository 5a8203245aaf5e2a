"""Plots of what happens from step to step, and of how many studies are enough."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from orapo.evaluation.plots.style import (
    DPI,
    MOST_IN_TITLE,
    WIDTH,
    add_legend,
    dress,
    looks_of,
    new_figure,
    save,
)
from orapo.evaluation.rows import row_title
from orapo.labels import LABELS

_RARE_BACKGROUND: Final = "#fff4d6"


def zero_reward_curve(
    curves: Mapping[str, Sequence[tuple[int, float]]],
    path: Path,
    what: str = "Zero-reward rollouts",
    titles: Mapping[str, str] | None = None,
) -> None:
    """Plot the share of zero-reward rollouts against the step, one line per method.

    The raw figures stand faint behind a moving average over a twentieth of the steps.

    Args:
        curves: Method to (step, share in 0..1); unknown shares (NaN) are left out.
        path: The PNG file to write.
        what: Name of the axis, where the shares are of something else.
        titles: What the legend calls the methods, if not what tables do.
    """
    figure, axes = new_figure(4.2)
    widths = []
    for name, look in looks_of(curves).items():
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
    if widths:
        add_legend(figure, axes, f"mean over {max(widths)} points; raw: faint")
    save(figure, path)


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
    columns = min(3, max(1, len(labels)))
    rows = max(1, math.ceil(len(labels) / columns))
    figure = Figure(
        figsize=(WIDTH, 0.9 + 1.3 * rows + 0.2 * len(curves)), dpi=DPI, layout="constrained"
    )
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    looks = looks_of(curves)
    panels: list[Axes] = list(grid.flat)
    for axes, label in zip(panels, labels, strict=False):
        dress(axes)
        for name, lines in curves.items():
            steps, scores = _known(lines.get(label, ()))
            axes.plot(
                steps, scores, color=looks[name].colour, linestyle=looks[name].line, linewidth=2,
                marker="o", markersize=3, label=(titles or {}).get(name) or row_title(name),
            )  # fmt: skip
        title = label.replace("Enlarged Cardiomediastinum", "Enl. Cardiomed.")
        if label in rare:
            axes.set_facecolor(_RARE_BACKGROUND)
            title += " (rare)"
        axes.set_title(title, fontsize=8, loc="left")
        axes.set_ylim(-0.03, 1.03)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    for axes in panels[len(labels) :]:
        axes.remove()
    for column in range(columns):  # the lowest panel of each column names the steps
        last = (len(labels) - 1 - column) // columns * columns + column
        panels[last].tick_params(labelbottom=True)
    few = len(curves) <= MOST_IN_TITLE
    if few:
        figure.supxlabel("Training step", fontsize=11)
    for axes in panels[: len(labels)] if not few else ():  # the legend is where that would stand
        axes.set_xlabel("Training step")
    figure.supylabel("F1 on the studies of the probe" if rows > 1 else "F1 (probe)", fontsize=11)
    if labels:
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(
            handles, names, loc="outside upper right" if few else "outside lower center",
            ncols=min(len(names), 2), frameon=False, handlelength=3,
        )  # fmt: skip
    save(figure, path)


def data_efficiency(
    curves: Mapping[str, Sequence[tuple[int, float, float, float]]],
    path: Path,
    titles: Mapping[str, str] | None = None,
) -> None:
    """Plot macro-F1 against the number of training studies, one line per method.

    Args:
        curves: Method to (studies, macro-F1, ends of its interval).
        path: The PNG file to write.
        titles: What the legend calls the methods, if not what tables do.
    """
    figure, axes = new_figure(4.2)
    counts = sorted({point[0] for points in curves.values() for point in points})
    for name, look in looks_of(curves).items():
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
    add_legend(figure, axes, "shaded: 95 % intervals")
    save(figure, path)


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
