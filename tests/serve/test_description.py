"""The API is what its OpenAPI description says: schemathesis tries to show that it isn't."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from fake_server import film, listening

from orapo.serve.app import create_app
from orapo.serve.appended import AppendedLines
from orapo.serve.judging import load_judging
from orapo.serve.store import Store

COMMAND = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"


@pytest.mark.skipif(find_spec("schemathesis") is None, reason="schemathesis is not installed")
def test_schemathesis_finds_nothing(model, tmp_path):
    (tmp_path / "film.png").write_bytes(film((300, 400)))
    pair = {"pair": "p1", "study_id": "s", "images": ["film.png"], "left": "a", "right": "b"}
    (tmp_path / "sheet.jsonl").write_text(json.dumps(pair) + "\n")
    judging = load_judging(tmp_path / "sheet.jsonl", tmp_path / "judgements.jsonl")
    edits = AppendedLines(tmp_path / "edits.jsonl")
    store = Store(tmp_path / "store.sqlite")
    with listening(create_app(model, judging=judging, edits=edits, store=store)) as address:
        tried = subprocess.run(
            [
                *(sys.executable, "-c", COMMAND),
                *("--config-file", Path(__file__).with_name("schemathesis.toml")),
                *("run", f"{address}/openapi.json", "--seed", "0", "--max-examples", "15"),
                *("--phases", "examples,coverage,fuzzing", "--continue-on-failure"),
                *("--generation-database", "none", "--no-color", "--warnings", "off"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )
    judging.close()
    edits.close()
    store.close()
    assert tried.returncode == 0, tried.stdout[-8000:] + tried.stderr[-2000:]
    assert "18 selected" in tried.stdout
