"""The examples run as they stand, and say what their comments promise."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

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
