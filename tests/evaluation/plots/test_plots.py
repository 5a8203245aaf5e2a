"""The plots, by what is to be seen in the picture."""

import math
import re
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image

from orapo.errors import OrapoError
from orapo.evaluation.plots import curves as curve_plots
from orapo.evaluation.plots import results as plots
from orapo.evaluation.plots.curves import label_f1_curves, zero_reward_curve
from orapo.evaluation.plots.results import per_label_bars, trade_off, wording_shares
from orapo.evaluation.plots.style import inline_svg
from orapo.evaluation.rows import TRIVIAL_TITLES
from orapo.labels import LABELS

ORAPO, GRPO, BASE = (0, 114, 178), (213, 94, 0), (127, 127, 127)
RARE = (255, 244, 214)


def pixels(path, colour):
    return int((np.asarray(Image.open(path).convert("RGB")) == colour).all(axis=2).sum())


def height(path):
    return Image.open(path).height


def bars(f1, support=5):
    return {"Edema": {"f1": f1, "support": support}}


def test_each_method_has_a_line_of_its_own_colour(tmp_path):
    path = tmp_path / "new" / "zero.png"
    zero_reward_curve({"orapo": [(1, 0.9), (2, 0.2)], "grpo_facts": [(1, 0.9), (2, 0.6)]}, path)
    assert pixels(path, ORAPO) > 500
    assert pixels(path, GRPO) > 500
    assert Image.open(path).width == 1280  # twice what is needed at 640 px; crisp at 800


def test_unknown_shares_are_left_out(tmp_path):
    known = [(step, 0.5) for step in range(10)]
    zero_reward_curve({"orapo": known}, tmp_path / "a.png")
    with_gaps = [*known[:5], (4, math.nan), *known[5:]]
    zero_reward_curve({"orapo": with_gaps}, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_run_that_logged_nothing_gives_an_empty_plot(tmp_path):
    path = tmp_path / "zero.png"
    zero_reward_curve({"orapo": []}, path)
    assert pixels(path, ORAPO) == 0


def test_only_rare_labels_are_marked(tmp_path):
    curves = {"orapo": {"Edema": [(0, 0.0), (50, 0.5)], "Fracture": [(0, 0.0), (50, 0.2)]}}
    label_f1_curves(curves, tmp_path / "none.png")
    label_f1_curves(curves, tmp_path / "one.png", rare=["Fracture"])
    label_f1_curves(curves, tmp_path / "two.png", rare=["Fracture", "Edema"])
    assert pixels(tmp_path / "none.png", RARE) == 0
    one = pixels(tmp_path / "one.png", RARE)
    assert one > 10_000
    assert pixels(tmp_path / "two.png", RARE) == pytest.approx(2 * one, rel=0.1)


def test_a_method_without_figures_for_a_label_leaves_its_panel_to_the_others(tmp_path):
    path = tmp_path / "f1.png"
    label_f1_curves(
        {"orapo": {"Edema": [(0, 0.1), (9, 0.7)]}, "base": {"Fracture": [(0, 0.1), (9, 0.1)]}}, path
    )
    assert pixels(path, ORAPO) > 100
    assert pixels(path, BASE) > 100


def test_a_bar_is_as_long_as_its_f1(tmp_path):
    per_label_bars({"orapo": bars(0.4), "base": bars(0.8)}, tmp_path / "bars.png")
    areas = [pixels(tmp_path / "bars.png", colour) for colour in (ORAPO, BASE)]
    per_label_bars({"orapo": bars(0.0), "base": bars(0.0)}, tmp_path / "legend.png")
    legend = [pixels(tmp_path / "legend.png", colour) for colour in (ORAPO, BASE)]
    assert (areas[1] - legend[1]) / (areas[0] - legend[0]) == pytest.approx(2, rel=0.05)


def test_a_label_without_support_has_a_dash_and_the_reason_and_no_bar(drawn, tmp_path):
    without = {"Fracture": {"f1": 0.0, "support": 0}, "Edema": {"f1": 0.4, "support": 5}}
    per_label_bars({"orapo": without}, tmp_path / "p")
    (axes,) = drawn[0].axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["Edema (5)", "Fracture"]
    assert [bar.get_width() for bar in axes.patches] == [0.4]
    (reason,) = axes.texts
    assert reason.get_text() == "– no positive reference"
    assert reason.xy[1] == axes.get_yticks()[1]  # in Fracture's line


def test_an_svg_is_the_same_each_time_and_its_words_are_words(tmp_path):
    for name in ("a.svg", "b.svg"):
        per_label_bars({"orapo": bars(0.4)}, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert ">Edema (5)</text>" in (tmp_path / "a.svg").read_text()


def test_every_colour_of_a_plot_is_known_in_the_dark(tmp_path):
    names = ["orapo", "grpo_facts", "base", *TRIVIAL_TITLES, *"abcdefg"]
    per_label_bars({name: bars(0.4) for name in names}, tmp_path / "0")
    row = {"macro_precision": 0.5, "macro_recall": 0.5, "per_label": {}}
    trade_off(dict.fromkeys(names, row), "orapo", tmp_path / "1")
    label_f1_curves(
        {name: {"Edema": [(0, 0.1), (9, 0.7)]} for name in names}, tmp_path / "2", ["Edema"]
    )
    style = files("orapo.evaluation.pages").joinpath("templates/report.css").read_text()
    dark = style[style.index("prefers-color-scheme: dark") :]
    for number in range(3):
        drawing = inline_svg(tmp_path / str(number), "plot", "A plot")
        colours = set(re.findall(r"#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b", drawing))
        assert len(colours) > 3
        for colour in colours:
            assert f"var(--c{colour[1:]}, {colour})" in drawing
            assert f"--c{colour[1:]}:" in dark, colour


@pytest.mark.parametrize("plot", ["bars", "points", "curves"])
def test_nothing_of_a_plot_is_cut_off(drawn, tmp_path, monkeypatch, plot):
    monkeypatch.setattr(curve_plots, "save", lambda figure, path: drawn.append(figure))
    names = ["model", *TRIVIAL_TITLES]
    everything = {
        label: {"f1": 0.4, "support": 1234, "recall": 0.5, "precision": 0.5} for label in LABELS
    }
    if plot == "bars":
        everything["Enlarged Cardiomediastinum"]["support"] = 0
        per_label_bars(dict.fromkeys(names[:2], everything), tmp_path / "p")
    elif plot == "points":
        row = {"macro_precision": 0.5, "macro_recall": 0.5, "per_label": everything}
        trade_off(dict.fromkeys(names, row), None, tmp_path / "p")
    else:
        lines = {label: [(0, 0.1), (90, 0.7)] for label in LABELS}
        label_f1_curves(dict.fromkeys(names[:3], lines), tmp_path / "p", LABELS)
    (figure,) = drawn
    figure.draw_without_rendering()
    drawn_in, edge = figure.get_tightbbox(), figure.bbox_inches
    assert -0.01 <= drawn_in.x0 < drawn_in.x1 <= edge.x1 + 0.01
    assert -0.01 <= drawn_in.y0 < drawn_in.y1 <= edge.y1 + 0.01


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OrapoError, match=r"file/zero\.png: can't be written"):
        zero_reward_curve({}, tmp_path / "file" / "zero.png")


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn, kept instead of written."""
    figures = []
    monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure))
    return figures


def overlapping(texts):
    boxes = {text.get_text(): text.get_window_extent() for text in texts}
    return [
        (one, other) for one in boxes for other in boxes
        if one < other and boxes[one].overlaps(boxes[other])
    ]  # fmt: skip


@pytest.mark.parametrize("crowd", [0.0, 0.02, 0.1])
def test_names_of_labels_overlap_neither_each_other_nor_the_edge(drawn, tmp_path, crowd):
    places = {
        label: {"recall": 0.9 + crowd * math.sin(i), "precision": 0.8 + crowd * math.cos(i)}
        for i, label in enumerate(LABELS)
    }
    row = {
        "macro_precision": 0.8,
        "macro_recall": 0.9,
        "per_label": {label: {**place, "support": 3} for label, place in places.items()},
    }
    row["per_label"]["Fracture"]["support"] = 0
    cross = {f"macro_{score}": {"low": 0.7, "high": 0.95} for score in ("precision", "recall")}
    trade_off({"model": row}, "model", tmp_path / "p.png", {"model": cross})
    (axes,) = drawn[0].axes
    names = [text for text in axes.texts if text.get_text() in LABELS]
    assert {text.get_text() for text in names} == set(LABELS) - {"Fracture"}
    if crowd:  # fourteen names can't stand around one single point
        assert overlapping(names) == []
    edge = drawn[0].bbox
    assert all(edge.x0 <= box.x0 and box.x1 <= edge.x1 for box in map(extent, axes.texts))


def test_a_name_at_the_upper_edge_is_not_cut(drawn, tmp_path):
    right = {
        label: {"precision": 1.0, "recall": number / len(LABELS), "support": 3}
        for number, label in enumerate(LABELS)
    }
    row = {"macro_precision": 1.0, "macro_recall": 0.5, "per_label": right}
    trade_off({"model": row}, "model", tmp_path / "p.png")
    (axes,) = drawn[0].axes
    room = axes.get_window_extent()
    names = [extent(text) for text in axes.texts if text.get_text() in LABELS]
    assert len(names) == len(LABELS)
    assert all(box.y1 <= room.y1 for box in names)


def extent(text):
    return text.get_window_extent()


def test_a_trade_off_without_labels_or_without_positives_is_drawn(drawn, tmp_path):
    row = {"macro_precision": 0.0, "macro_recall": 0.0}
    trade_off({"model": row | {"per_label": {"Edema": {"support": 0}}}}, "model", tmp_path / "p")
    trade_off({"all_positive": row}, None, tmp_path / "p")
    assert len(drawn) == 2


def test_each_wording_has_a_bar_as_long_as_it_comes_true_below_the_call_it_is_part_of(
    drawn, tmp_path
):
    def said(value, **more):
        share = None if value is None else {"value": value, "low": value / 2, "high": 1.0}
        return {"cells": 7, "reference_positive": share, **more}

    calls = {"positive": said(0.8), "uncertain": said(0.4), "negative": said(0.1)}
    phrases = {"likely": said(0.6, call="positive"), "possible": said(0.0, call="uncertain")}
    wording_shares(calls | {"blank": said(None)}, phrases, tmp_path / "p")
    (axes,) = drawn[0].axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["present (7)", "“likely” (7)", "uncertain (7)", "“possible” (7)", "absent (7)"]
    assert [bar.get_width() for bar in axes.patches] == [0.8, 0.6, 0.4, 0.0, 0.1]


def test_bars_have_their_intervals(drawn, tmp_path):
    interval = {"orapo": {"Edema": {"f1": {"value": 0.4, "low": 0.3, "high": 0.6}}}}
    per_label_bars({"orapo": bars(0.4), "base": bars(0.2)}, tmp_path / "p", interval)
    per_label_bars({"orapo": bars(0.4, support=0)}, tmp_path / "p", interval)
    (line,) = drawn[0].axes[0].collections
    assert [x for x, _ in line.get_segments()[0]] == [0.3, 0.6]
