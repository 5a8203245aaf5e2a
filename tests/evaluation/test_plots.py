"""The plots, by what is to be seen in the picture."""

import math

import numpy as np
import pytest
from PIL import Image

from orapo.errors import OrapoError
from orapo.evaluation.plots import label_f1_curves, per_label_bars, zero_reward_curve

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


def test_labels_without_support_have_no_bar(tmp_path):
    per_label_bars({"orapo": bars(0.4)}, tmp_path / "one.png")
    more = bars(0.4) | {"Fracture": {"f1": 0.0, "support": 0}}
    per_label_bars({"orapo": more}, tmp_path / "same.png")
    more["Fracture"] = {"f1": 0.0, "support": 1}
    per_label_bars({"orapo": more}, tmp_path / "two.png")
    assert height(tmp_path / "one.png") == height(tmp_path / "same.png")
    assert height(tmp_path / "two.png") > height(tmp_path / "one.png")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OrapoError, match=r"file/zero\.png: can't be written"):
        zero_reward_curve({}, tmp_path / "file" / "zero.png")
