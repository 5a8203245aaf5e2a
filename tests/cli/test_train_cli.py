"""`orapo train` as a user calls it: a look ahead, a short run, wrong words."""

import json
import re
import subprocess
import sys

import pytest
import yaml

from commands import invoke
from orapo.cli import train
from orapo.data.phantom import PhantomConfig, write_phantom
from orapo.errors import OrapoError
from orapo.locking import locked
from orapo.models.tiny import build_model


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, tiny_processor, tiny_size):
    folder = tmp_path_factory.mktemp("train")
    build_model(tiny_processor, tiny_size).save_pretrained(folder / "base")
    tiny_processor.save_pretrained(folder / "base")
    data = write_phantom(folder / "phantom", {"train": 4}, 0, PhantomConfig(size=32))
    fields = {
        "model": str(folder / "base"),
        "data": str(data),
        "output_dir": str(folder / "run"),
        "num_generations": 2,
        "per_device_train_batch_size": 4,
        "max_completion_length": 8,
        "max_steps": 2,
        "logging_steps": 1,
        "gradient_checkpointing": False,
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(fields))
    return path


def orapo(*words):
    return invoke([train], ("train", *words)).stdout


def test_a_dry_run_tells_studies_rollouts_and_memory_and_trains_nothing(recipe, tmp_path):
    place = ("--output_dir", tmp_path / "run")
    said = orapo("--config", recipe, *place, "--dry-run", "--gpu-memory", 24, "--step-seconds", 3)
    assert "Studies: 4 of 3 patients; 0 set aside" in said
    assert "Run: 2 steps, 2 studies each, 1 epochs; 8 rollouts" in said
    assert "Time: about 0.00 hours" in said
    assert "Self-check: the references of 4 training studies have a mean FactS of 1.000" in said
    assert "at the fullest moment" in said
    assert not (tmp_path / "run").exists()


def test_a_dry_run_as_json_is_json_alone(recipe):
    found = json.loads(orapo("--config", recipe, "--dry-run", "--json", "--max_steps", 5))
    assert found["schedule"]["steps"] == 5
    assert found["schedule"]["rollouts"] == 20


@pytest.mark.parametrize("look", [("--dry-run",), ("--dry-run", "--json"), ("--quiet",)], ids=str)
def test_without_the_held_out_studies_of_the_probes_a_dry_run_stops_as_the_run_does(recipe, look):
    probes = ("--probe_split", "validate", "--probe_every", 1)
    with pytest.raises(OrapoError, match=r"no study of split 'validate'; it has train$"):
        orapo("--config", recipe, *probes, *look)


def test_a_dry_run_makes_no_patients_up(recipe, tmp_path):
    phantom = recipe.with_name("phantom") / "manifest.jsonl"
    rows = [json.loads(line) for line in phantom.read_text().splitlines()]
    for row in rows:
        row["patient_id"] = ""
        row["images"] = [str(phantom.parent / film) for film in row["images"]]
    data = tmp_path / "manifest.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = orapo("--config", recipe, "--data", data, "--dry-run")
    assert "Studies: 4 (patients unknown); 0 set aside" in said


def test_what_a_dry_run_takes_is_refused_without_it(recipe):
    with pytest.raises(OrapoError, match="need --dry-run"):
        orapo("--config", recipe, "--gpu-memory", 24)


def test_a_dry_run_says_how_many_an_epoch_shows_where_rare_findings_are_repeated(recipe):
    said = orapo("--config", recipe, "--dry-run", "--repeat_rare", 1.0)
    assert re.search(r"Studies: 4 of 3 patients; 0 set aside; an epoch shows [5-9]\n", said)


def test_two_trainings_in_one_folder_at_a_time_are_refused(recipe, tmp_path):
    words = ("--config", recipe, "--quiet", "--output_dir", tmp_path / "run")
    with locked(tmp_path / "run"), pytest.raises(OrapoError, match="another training is at work"):
        orapo(*words)
    orapo(*words)


def test_a_run_names_what_it_wrote_and_where(recipe):
    said = orapo("--config", recipe, "--quiet", "--max_steps", 1)
    folder = recipe.with_name("run")
    assert said.splitlines()[-1] == f"Checkpoint, model card, metrics.jsonl: {folder}"
    assert (folder / "model.safetensors").is_file()


@pytest.mark.slow
def test_the_screen_of_a_run_holds_no_warning_of_a_library(recipe, tmp_path):
    """In a process of its own: pytest has filters of warnings of its own."""
    words = ["--use_peft", "true", "--lora_r", "2", "--output_dir", str(tmp_path / "run")]
    command = [sys.executable, "-m", "orapo", "train", "--config", str(recipe), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2/2" in done.stderr  # the bar
    assert "Warning" not in done.stderr


def test_a_field_that_is_none_is_named(recipe):
    with pytest.raises(OrapoError, match="max_stepz"):
        orapo("--config", recipe, "--max_stepz", 1)


def test_an_interrupt_before_the_first_step_says_that_none_was_made(recipe, monkeypatch):
    from orapo.training import run as runs

    def stop(*given, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "train", stop)
    said = invoke([train], ("train", "--config", recipe), code=130).stderr
    assert said.startswith("orapo: interrupted; no step was made; the checkpoints in ")


def test_a_dry_run_asks_for_what_a_method_needs_of_experts(recipe):
    with pytest.raises(OrapoError, match="reward_model"):
        orapo("--config", recipe, "--dry-run", "--method", "rlhf")
