"""The files of an ablation: one set of figures in JSON, CSV, Markdown, plots and page."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from orapo.ablation.output import tables, write_ablation
from orapo.ablation.results import Comparison, Run
from orapo.ablation.run import Ablation
from orapo.evaluation import trivial_scores
from orapo.labels import LABELS, UncertainPolicy


def run_of(truth, method, seed, studies, errors):
    rng = np.random.default_rng([seed, studies])
    cells = np.where(rng.random(truth.shape) < errors, ~truth, truth)
    labels = [dict(zip(LABELS, map(int, row), strict=True)) for row in cells]
    log = [{"step": step, "oracle/all_zero_groups": 1 / step} for step in range(1, 61)]
    probes = [{"step": step, "per_label": dict.fromkeys(LABELS, step / 60)} for step in (0, 30, 60)]
    return Run(method, seed, studies, labels, rollouts=480, seconds=90.0, log=log, probes=probes)


@pytest.fixture
def found():
    truth = np.random.default_rng(0).random((40, 14)) < 0.3
    truth[:, LABELS.index("Fracture")] = False
    truth[0, LABELS.index("Fracture")] = True
    labels = [dict(zip(LABELS, map(int, row), strict=True)) for row in truth]
    made = Comparison(labels, [""] * 40, labels, uncertain=UncertainPolicy.POSITIVE, resamples=100)
    runs = {
        name: [run_of(truth, name, seed, 100, errors) for seed in (0, 1)]
        for name, errors in (("grpo_facts", 0.3), ("orapo", 0.1))
    }
    rows = {name: made.row(found) for name, found in runs.items()}
    for name, one in made.differences(runs, "grpo_facts").items():
        rows[name]["against"] = {"grpo_facts": one}
    curve = {
        name: {
            count: made.row(
                [run_of(truth, name, seed, count, 0.4 - count / 400) for seed in (0, 1)]
            )
            for count in (20, 50, 100)
        }
        for name in runs
    }
    trivial = trivial_scores(labels, labels, uncertain=UncertainPolicy.POSITIVE)
    settings = {
        "test_studies": 40,
        "split": "test",
        "uncertain": "positive",
        "resamples": 100,
        "budget": "rollouts",
        "rare_labels": made.rare,
        "groups": {kind: len(places) for kind, places in made.groups().items()},
        "missing": {"grpo_radgraph": "radeval"},
        "failures": {},
        "command": "orapo ablate --config <recipe> & more",
    }
    return Ablation(
        rows, {name: one.as_dict() for name, one in trivial.items()}, curve, runs, settings
    )


def test_the_same_figures_stand_in_all_files(found, tmp_path):
    write_ablation(tmp_path, found)
    value = found.rows["orapo"]["macro_f1"]
    assert (
        json.loads((tmp_path / "ablation.json").read_text())["rows"]["orapo"]["macro_f1"] == value
    )
    with (tmp_path / "ablation.csv").open() as file:
        row = {row["method"]: row for row in csv.DictReader(file)}["orapo"]
    assert float(row["macro_f1"]) == pytest.approx(value)
    assert float(row["ratio_grpo_facts"]) > 1
    for name in ("ablation.md", "report.html"):
        assert f"{value:.3f} ± {found.rows['orapo']['macro_f1_spread']:.3f}" in (
            tmp_path / name
        ).read_text(encoding="utf-8")


def test_the_step_of_the_paper_is_read_as_a_mean_around_it(found):
    methods = tables(found)[0]
    column = methods.heading.index("all-zero groups, step 50")
    expected = np.mean([1 / step for step in range(41, 61)])
    assert methods.rows[0].cells[column] == f"{expected:.2f}"


def test_every_row_of_a_table_has_all_its_columns(found):
    for table in tables(found):
        assert {len(row.cells) for row in table.rows} == {len(table.heading)}


def test_plots_are_pictures_and_text_is_escaped(found, tmp_path):
    write_ablation(tmp_path, found)
    for name in ("all_zero_groups.png", "rare_labels.png", "data_efficiency.png"):
        assert Image.open(tmp_path / name).width > 800
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "&lt;recipe&gt; &amp; more" in page
    assert "it needs radeval" in page
