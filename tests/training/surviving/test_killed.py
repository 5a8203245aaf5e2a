"""A run that is killed again and again, and resumed, ends like one that nobody disturbed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

DRIVER = Path(__file__).with_name("killed_run.py")
RUNS = {
    # an epoch a step, so that each has another order of the studies; two micro-batches a step
    "epochs": {
        "gradient_accumulation_steps": 2,
        "max_steps": 7,
        "logging_steps": 1,
        "save_steps": 2,
        "save_total_limit": 2,
    },
    # four steps a generation, two a line of the log, three a checkpoint: saved in the midst of both
    "half-used generations": {
        "num_iterations": 2,
        "steps_per_generation": 2,
        "gradient_accumulation_steps": 1,
        "max_steps": 9,
        "logging_steps": 2,
        "save_steps": 3,
        "save_total_limit": 1,
    },
}


@pytest.fixture(params=RUNS)
def recipe(request, run_settings, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**run_settings, **RUNS[request.param]}))
    return path


def test_ten_kills_change_no_bit_of_weights_state_and_logs(recipe, tmp_path):
    """Two recipes, twenty kills; every other one in the midst of a file."""
    command = [sys.executable, DRIVER, recipe, tmp_path, "--kills", "10", "--seed", "0"]
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, "ORAPO_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["equal"] == found["runs"], done.stderr
    assert len(found["kills"]) == 10
    assert sum(point.startswith("torn ") for point in found["kills"]) >= 5
