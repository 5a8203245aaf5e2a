"""The examples run as they stand, and say what their comments promise."""

import csv
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from orapo import evaluate_reports

EXAMPLES = Path(__file__).parents[1] / "examples"
SAYS = {
    "facts_in_your_trl_script.py": "rewards/facts/mean",
    "own_data.py": "8 studies, 0 problems",
    "own_labels.py": "'Air leak': 1",
    "foreign_model.py": "contradiction: No pneumothorax.",
    "radeval_as_reward.py": "RadEval is not installed",
    "archive_on_a_cluster.py": "films copied, 80 studies, by 2 processes"
    if find_spec("distributed")
    else "distributed is not installed",
    "orapo_loop.py": "step 2: mean reward 0.",
}


def reports(name):
    with (EXAMPLES / "sample" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return {row["study_id"]: row["report"] for row in csv.DictReader(file)}


def test_the_sample_scores_what_the_readme_says():
    predictions, references = reports("predictions"), reports("references")
    assert list(predictions) == list(references)
    assert len(references) == 30
    scores = evaluate_reports(predictions, references)
    figures = (scores.macro_f1, scores.macro_precision, scores.macro_recall)
    readme = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    row = next(line for line in readme.splitlines() if line.startswith("| predictions |"))
    assert [cell.split()[0] for cell in row.strip("| ").split(" | ")[1:]] == [
        f"{figure:.3f}" for figure in figures
    ]


def test_every_example_is_tried():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAYS)


@pytest.mark.parametrize("name", SAYS)
def test_it_runs_and_says_so(name, tmp_path, checkpoints):
    words = [sys.executable, EXAMPLES / name]
    if name == "orapo_loop.py":  # by itself it trains for minutes
        words += ["--steps", "2", "--model", checkpoints("idefics3")]
    ended = subprocess.run(
        words,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert SAYS[name] in ended.stdout
    assert list(tmp_path.iterdir()) == []  # nothing is left where it was called


def test_the_model_of_own_data_is_kept_where_it_is_told(tmp_path):
    words = [sys.executable, EXAMPLES / "own_data.py", "--out", "run"]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "trained: True, in run" in ended.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert {"config.json", "model.safetensors"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
