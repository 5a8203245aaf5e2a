"""Commands and what befalls them: signals, a full disk, a disk that may only be read.

Each runs as a user starts it, with a hook that lets the fault strike when a file of the output is
opened for writing. Then nothing torn may lie there, the user is told in a sentence, and the same
command goes on. `train` has tests of its own (`tests/training/surviving/test_killed.py`, `test_checkpoints.py`).
"""

import json
import os
import subprocess
import sys

import pytest
from PIL import Image

from orapo.data.manifest import write_manifest
from orapo.data.study import Study
from orapo.data.tables.reading import read_rows
from orapo.data.tables.writing import write_rows
from orapo.preferences import Preference, write_preferences

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX'")

HOOK = """
import errno, os, signal, sys

fault, under, left = os.environ.get("FAULT"), os.environ.get("FAULT_UNDER"), [2]
writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def strike(event, given):
    if event == "open" and isinstance(given[0], (str, bytes, os.PathLike)):
        path, hit = os.fsdecode(given[0]), bool(given[2] & writing)
    elif event == "os.rename":
        path, hit = os.fsdecode(given[1]), True
    else:
        return
    if not hit or not os.path.abspath(path).startswith(under):
        return
    if fault == "read-only":
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    left[0] -= 1
    if left[0] > 0:
        return
    if fault == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if left[0] == 0:
        os.kill(os.getpid(), getattr(signal, fault))

if fault:
    sys.addaudithook(strike)
"""
EXIT_CODES = {"SIGTERM": {143}, "SIGKILL": {-9}, "full": {1, 2}, "read-only": {1, 2}}
FAULTS = list(EXIT_CODES)
COMMANDS = [
    *("label", "reward", "export", "compare", "phantom", "sample", "check", "preferences"),
    *("convert", "evaluate", "reward-model", "generate"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("faults")
    (home / "hook").mkdir()
    (home / "hook" / "sitecustomize.py").write_text(HOOK)
    studies, judged = [], []
    for number in range(40):
        film = home / f"film{number % 4}.png"
        Image.linear_gradient("L").resize((40, 30 + number % 4)).save(film)
        name = ("Edema", "Cardiomegaly")[number % 2]
        about = (f"p{number}", f"s{number}", f"p{number}", (film,))
        report = f"{name} is seen."
        studies.append(
            Study(study_id=about[1], patient_id=about[2], images=(film,), report=report,
                  findings=report, labels={name: 1}, split="train")
        )  # fmt: skip
        judged.append(Preference(*about, f"{name}.", "Pneumothorax.", "left", "A", "x", "y"))
    write_manifest(home / "manifest.jsonl", studies)
    write_preferences(home / "preferences.jsonl", judged)
    for name, shift in (("reports.csv", 0), ("others.csv", 1)):
        with write_rows(home / name, ("study_id", "report")) as write:
            for place, study in enumerate(studies):
                text = studies[(place + shift) % len(studies)].report
                write({"study_id": study.study_id, "report": text})
    return home


@pytest.fixture(scope="module")
def checkpoint(home, tiny_processor, tiny_size):
    from orapo.models.tiny import build_model

    build_model(tiny_processor, tiny_size).save_pretrained(home / "model")
    tiny_processor.save_pretrained(home / "model")
    return home / "model"


def commands(home, out):
    """Name to words, and the file that says that all is there."""
    manifest = home / "manifest.jsonl"
    reports, others = home / "reports.csv", home / "others.csv"
    return {
        "label": (["label", reports, "--out", out / "l.csv"], "l.csv"),
        "reward": (
            ["reward", "--predictions", reports, "--references", reports, "--out", out / "r.csv"],
            "r.csv",
        ),
        "export": (["export", reports, "--format", "json", "--out", out], "s39.json"),
        "compare": (
            ["compare", reports, others, "--references", manifest, "--resamples", "100",
             "--out", out / "c.json"],
            "c.json",
        ),
        "phantom": (["data", "phantom", "--studies", "12", "--out", out], "manifest.jsonl"),
        "sample": (
            ["data", "sample", manifest, "--size", "10", "--out", out / "s.jsonl"], "s.jsonl"
        ),
        "check": (["data", "check", manifest, "--out", out], "profile.html"),
        "preferences": (
            ["preferences", "make", "--references", manifest, "--out", out / "sheet",
             "--systems", f"a={reports}", f"b={others}", "--pairs", "4"],
            "sheet/sheet.jsonl",
        ),
        "convert": (["data", "convert", manifest, "--out", out], "manifest.jsonl"),
        "evaluate": (
            ["evaluate", reports, "--references", manifest, "--out", out],
            "metrics.json",
        ),
        "reward-model": (
            ["reward-model", "train", "--preferences", home / "preferences.jsonl",
             "--references", manifest, "--out", out],
            "reward_model.json",
        ),
        "generate": (
            ["generate", *sorted(home.glob("film*.png")), "--model", home / "model",
             "--out", out / "g.jsonl", "--max-new-tokens", "3"],
            "g.jsonl",
        ),
    }  # fmt: skip


def run(home, words, out=None, fault=None):
    path = os.pathsep.join(filter(None, [str(home / "hook"), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    if fault is not None:
        environment |= {"FAULT": fault, "FAULT_UNDER": str(out)}
    return subprocess.run(
        [sys.executable, "-m", "orapo", *map(str, words)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def is_whole(path):
    """Whether a file of the output can be read to its end."""
    if path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix in (".csv", ".jsonl"):
        list(read_rows(path))
    elif path.suffix == ".png":
        Image.open(path).load()
    return True


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_fault_tears_no_file_and_the_same_command_goes_on(
    home, checkpoint, tmp_path, command, fault
):
    out = tmp_path / "out"
    words, last = commands(home, out)[command]
    struck = run(home, words, out, fault)
    assert struck.returncode in EXIT_CODES[fault], struck.stderr[-1000:]
    assert "Traceback" not in struck.stderr
    if fault in ("full", "read-only"):
        assert "orapo: " in struck.stderr
    there = [path for path in out.rglob("*") if path.is_file()] if out.exists() else []
    seen = [path for path in there if not path.name.startswith(".")]
    assert all(is_whole(path) for path in seen)
    again = run(home, words)
    assert again.returncode == 0, again.stderr[-1000:]
    assert (out / last).is_file()
    assert not list(out.rglob("*.part"))
