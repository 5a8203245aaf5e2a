"""A run that is killed, and one that several processes share, end with the file of an unbroken one."""

import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

STUDIES = int(os.environ.get("ORAPO_KILLED_STUDIES", "40"))
"""500 for the whole check (benchmarks/RESULTS.md)."""
SAMPLED = ("--samples", "3", "--max-new-tokens", "24", "--batch-size", "4", "--seed", "5")


@pytest.fixture
def manifest(tmp_path):
    from orapo.data.phantom import PhantomConfig, write_phantom

    path = write_phantom(tmp_path / "phantom", {"test": STUDIES}, 0, PhantomConfig(size=32))
    sorted((tmp_path / "phantom").rglob("*.png"))[17].write_bytes(b"no film")
    return path


def command(manifest, checkpoint, out, launcher=("-m", "orapo")):
    words = ("generate", "--data", manifest, "--model", checkpoint, "--out", out, *SAMPLED)
    return [sys.executable, *launcher, *map(str, words)]


def kept(out):
    """Rows that a run has put down so far."""
    path = out.with_name(f".{out.name}.rows")
    return path.read_bytes().count(b"\n") - 1 if path.is_file() else 0


def killed_after(words, out, rows):
    """Start the run and kill it once so many rows are there; say whether it was still running."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and kept(out) < rows:
        os.sched_yield()
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


@pytest.fixture
def whole(manifest, checkpoint, tmp_path):
    out = tmp_path / "whole.jsonl"
    done = subprocess.run(command(manifest, checkpoint, out), capture_output=True, text=True)
    assert done.returncode == 1, done.stderr  # one study can't be read
    return out.read_text()


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_file(
    whole, manifest, checkpoint, tmp_path
):
    out = tmp_path / "killed.jsonl"
    words = command(manifest, checkpoint, out)
    for share in (0.2, 0.55):
        assert killed_after(words, out, int(STUDIES * share))
        assert not out.exists()
        before = kept(out)
        assert 0 < before < STUDIES
    # as if the machine had stopped in the middle of a row
    rows = out.with_name(f".{out.name}.rows")
    rows.write_bytes(rows.read_bytes()[:-30])
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert out.read_text() == whole
    assert not rows.exists()
    lines = [json.loads(line) for line in whole.splitlines()]
    assert len(lines) == STUDIES
    assert [bool(line["error"]) for line in lines].count(True) == 1


def test_two_processes_write_the_file_of_one(whole, manifest, checkpoint, tmp_path):
    pytest.importorskip("accelerate")
    out, logs = tmp_path / "shared.jsonl", tmp_path / "logs"
    # `--cpu` would start a single process, whatever `--num_processes` says (accelerate 1.15)
    options = ("--multi_gpu", "--num_processes", "2", "--main_process_port", "0")
    options += ("--log_dir", str(logs), "--tee", "3", "-m", "orapo")
    done = subprocess.run(
        command(manifest, checkpoint, out, ("-m", "accelerate.commands.launch", *options)),
        capture_output=True,
        text=True,
        # no settings of the user's own, and no GPU
        env={**os.environ, "HF_HOME": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""},
    )
    assert out.is_file(), done.stderr
    assert out.read_text() == whole
    said = {path.parent.name: path.read_text() for path in logs.rglob("stdout.log")}
    assert {rank: text.count("reports: ") for rank, text in said.items()} == {"0": 1, "1": 0}
    assert done.returncode == 1  # as of one process: there is an error row


def test_processes_that_do_not_know_each_other_are_refused(monkeypatch):
    """Each would take itself for the first one, and write the same file."""
    accelerate = pytest.importorskip("accelerate")
    from orapo.errors import OrapoError
    from orapo.generation.processes import running_processes

    alone = SimpleNamespace(num_processes=1, process_index=0)
    monkeypatch.setattr(accelerate, "PartialState", lambda **_: alone)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(OrapoError, match="says 2 processes, accelerate knows 1"):
        running_processes()
