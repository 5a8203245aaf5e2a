"""The second labeler of our benchmarks, as far as it runs without medspaCy."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "medspacy_labeler.py"


@pytest.mark.skipif(importlib.util.find_spec("medspacy") is not None, reason="medspaCy is there")
def test_without_medspacy_it_says_so_in_one_sentence(tmp_path):
    words = [sys.executable, SCRIPT, tmp_path / "reports.jsonl", tmp_path / "labels.csv"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        "medspacy_labeler.py: medspaCy is not installed here: pip install medspacy\n"
    )
