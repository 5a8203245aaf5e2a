"""The demo from end to end with a tiny base and two steps: what it writes, and what it takes over."""

import json
import os
import runpy
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from commands import invoke
from orapo.cli import demo as command
from orapo.data.study import Study
from orapo.demo import DemoPlan, run_demo
from orapo.demo.output import opening, typical
from orapo.demo.plan import METHODS
from orapo.errors import OrapoError
from orapo.labels import LABELS
from orapo.models.base import BaseRecipe
from orapo.models.tiny import TinySize

BLANK = dict.fromkeys(LABELS)
CHECKS = runpy.run_path(str(Path(__file__).parents[2] / ".ci" / "check_demo.py"))
PLAN = DemoPlan(
    train_studies=8,
    test_studies=6,
    probe_studies=4,
    probe_every=1,
    steps=2,
    studies_per_step=2,
    rollouts_per_study=2,
    base=BaseRecipe(
        size=TinySize(image=32, vision_width=16, vision_layers=1, text_width=16, text_layers=1),
        films=4,
        shape_pictures=8,
        reports=8,
        patch_steps=2,
        joint_steps=2,
        patch_batch=4,
        batch=4,
    ),
)
RESULTS = [
    "orapo_both/model.safetensors",
    "sft/model.safetensors",
    "grpo_facts/model.safetensors",
    "predictions_base.jsonl",
    "predictions_orapo_both.jsonl",
    "predictions_sft.jsonl",
    "predictions_grpo_facts.jsonl",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(home):
    """Run the demo; every call of this module shares the folder and the cache."""

    def run(plan, out="out"):
        before = os.environ.get("ORAPO_CACHE")
        os.environ["ORAPO_CACHE"] = str(home / "cache")
        try:
            return run_demo(home / out, plan, Console(quiet=True))
        finally:
            os.environ.pop("ORAPO_CACHE")
            if before is not None:
                os.environ["ORAPO_CACHE"] = before

    return run


@pytest.fixture(scope="module")
def first(demo, home):
    metrics = demo(PLAN)
    shutil.copy(home / "out" / "metrics.json", home / "first.json")  # a second call writes it anew
    return metrics


def written(home, out="out"):
    return {name: (home / out / name).stat().st_mtime_ns for name in RESULTS}


def test_metrics_have_the_agreed_keys(first, home):
    CHECKS["check_schema"](first)
    assert json.loads((home / "first.json").read_text()) == first
    assert first["difficulty"] == "easy"
    assert not first["resumed"]
    assert "easy" in (home / "out" / "report.html").read_text()


def test_a_schema_violation_is_named(first):
    broken = {
        **first,
        "orapo_both": {k: v for k, v in first["orapo_both"].items() if k != "rollouts"},
    }
    with pytest.raises(AssertionError, match=r"orapo_both.*rollouts"):
        CHECKS["check_schema"](broken)


def test_a_second_call_takes_everything_over_and_keeps_the_times(demo, first, home):
    before = written(home)
    again = demo(PLAN)
    assert written(home) == before
    assert again["stage_seconds"] == first["stage_seconds"]
    assert again["total_seconds"] == first["total_seconds"] > 1
    assert again["resumed"]
    assert again["stages_taken_over"] == list(first["stage_seconds"])
    assert again["orapo_both"] == first["orapo_both"]


def test_the_command_says_what_there_is_and_what_to_do_with_it(first, home, monkeypatch):
    monkeypatch.setenv("ORAPO_CACHE", str(home / "cache"))
    monkeypatch.setattr(DemoPlan, "quick", classmethod(lambda cls, seed: PLAN))
    words = ("demo", "--quick", "--out", home / "out")
    ended = invoke([command], words)
    for said in (
        "OraPO",
        "All positive",
        "too few steps",
        f"--model {home / 'out' / 'orapo_both'}",
    ):
        assert said in ended.stdout
    assert "too few steps" in (home / "out" / "report.html").read_text()
    ended = invoke([command], (*words, "--json"))
    assert json.loads(ended.stdout)["orapo_both"]["macro_f1"] == first["orapo_both"]["macro_f1"]


def test_another_seed_in_the_same_folder_makes_everything_but_the_base_anew(demo, first, home):
    shutil.copytree(home / "out", home / "other")
    finished = home / "other" / "metrics.json"
    kept = finished.read_text()
    with pytest.raises(OrapoError, match="finished demo of seed 0 with 2 steps; give another"):
        demo(replace(PLAN, seed=1), "other")
    assert finished.read_text() == kept
    finished.unlink()  # as after an interruption
    before = written(home, "other")
    other = demo(replace(PLAN, seed=1), "other")
    assert all(stamp != before[name] for name, stamp in written(home, "other").items())
    assert other["stages_taken_over"] == ["base"]
    assert (
        other["orapo_both"]["per_label"] != first["orapo_both"]["per_label"]
    )  # other studies, other truth


def test_a_file_in_the_folders_place_is_one_sentence(tmp_path):
    file = tmp_path / "taken"
    file.write_text("")
    for out in (file, file / "below"):
        with pytest.raises(OrapoError, match=r"taken.*can't be the demo's folder"):
            run_demo(out, PLAN, Console(quiet=True))


def test_the_opening_says_what_was_learned_and_what_was_not(first):
    scores = {label: {"f1": 0.0, "support": 0} for label in first["orapo_both"]["per_label"]}
    scores |= {
        "Edema": {"f1": 0.5, "support": 3},
        "Fracture": {"f1": 0.09, "support": 1},
        "Pneumonia": {"f1": 0.3, "support": 2},
    }
    ours = {"macro_f1": 0.4, "macro_f1_interval": [0.3, 0.5], "per_label": scores}
    sentence = opening({"orapo_both": ours}, PLAN)
    assert "0.400 (0.300 to 0.500) on 6 held-out films" in sentence
    assert "reads Edema (" in sentence
    assert "misses Fracture (" in sentence
    assert "Pneumonia" not in sentence
    ours["per_label"] = {"Edema": {"f1": 0.2, "support": 3}}
    assert "reads no finding (" in opening({"orapo_both": ours}, PLAN)
    assert "misses" not in opening({"orapo_both": ours}, PLAN)


def test_the_page_begins_with_a_study_of_the_middle(first, home):
    said = {"s1": "Edema.", "s2": "Clear.", "s3": "Edema. Fracture."}
    test = [Study(study_id=name, labels={**BLANK, "Edema": 1}) for name in said]
    assert typical(said, test) == "s3"
    assert typical({}, []) == ""
    assert f'"shown": "{first["typical_study"]}"' in (home / "out" / "report.html").read_text()


def test_intervals_stand_beside_the_scores(first):
    for name in ("base", *METHODS):
        low, high = first[name]["macro_f1_interval"]
        assert low <= first[name]["macro_f1"] <= high
    assert "rollouts" not in first["sft"]
