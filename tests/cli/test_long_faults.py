"""`demo` and `ablate` and what befalls them, at every stage and in the processes that they start.

One folder is struck again and again, each time a stage later; in the end the same command has gone
on to the figures of a run that nothing befell. Every fault strikes one of the two commands; with
ORAPO_ALL_FAULTS=1 every one strikes both (15 minutes more).
"""

import json
import os
import sys

import pytest
import yaml

from fault_hook import run
from orapo.data.phantom import PhantomConfig, write_phantom
from orapo.data.tables.reading import read_rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX'"),
]
pytest.importorskip("trl")

DEMO = """
import sys
from orapo.demo import OURS, DemoPlan, run
from orapo.models.base import BaseRecipe
from orapo.models.tiny import TinySize

class Plan(DemoPlan):
    def training_settings(self, method, output, **changes):
        less = {"save_steps": 2, "max_completion_length": 8}
        return super().training_settings(method, output, **changes) | less

size = TinySize(image=32, vision_width=16, vision_layers=1, text_width=16, text_layers=1)
base = BaseRecipe(size=size, films=4, shape_pictures=8, reports=8, patch_steps=2, joint_steps=2,
                  patch_batch=4, batch=4)
plan = Plan(train_studies=8, test_studies=6, probe_studies=4, probe_every=3, steps=4,
            studies_per_step=2, rollouts_per_study=2, base=base)
DemoPlan.quick = classmethod(lambda cls, seed=0: plan)
# two trainings, side by side: a third would be struck like these, and costs minutes
run.METHODS = {name: run.METHODS[name] for name in ("grpo_facts", OURS)}
sys.argv = ["orapo", "demo", "--quick", *sys.argv[1:]]
from orapo.__main__ import main
main()
"""
LABELER = """
import json, sys
from orapo.labels import LABELS

with open(sys.argv[1]) as reports, open(sys.argv[2], "w") as file:
    print("study_id", *LABELS, sep=",", file=file)
    for line in reports:
        print(json.loads(line)["study_id"], 1, *[""] * 13, sep=",", file=file)
"""
OWN_CODE = {"SIGTERM": 143, "SIGKILL": -9, "parent SIGTERM": 143, "parent SIGKILL": -9}
ALL = os.environ.get("ORAPO_ALL_FAULTS") == "1"
FAULTS = ["SIGTERM", "SIGKILL", "full", "read-only"]
DEMO_FAULTS = FAULTS if ALL else ["SIGKILL", "full"]
ABLATE_FAULTS = FAULTS if ALL else ["SIGTERM", "read-only"]
PARENT_FAULTS = ["parent SIGTERM", "parent SIGKILL"] if ALL else ["parent SIGKILL"]

# where it strikes, at which file of these, and whether that is a process that the command has started
DEMO_STAGES = [
    ("*/phantom/*", 2, False),
    ("*/orapo_both/metrics.jsonl", 3, True),
    ("*predictions_orapo_both.jsonl*", 1, False),
    ("*report.html*", 1, False),
]
ABLATE_STAGES = [
    ("*/started.json*", 1, False),
    ("*/metrics.jsonl", 3, True),
    ("*predictions.jsonl*", 1, True),
    ("*second_labels.csv*", 1, False),
    ("*ablation.json*", 1, False),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory, tiny_processor, tiny_size):
    from orapo.models.tiny import build_model

    home = tmp_path_factory.mktemp("long_faults")
    build_model(tiny_processor, tiny_size).save_pretrained(home / "base")
    tiny_processor.save_pretrained(home / "base")
    counts = {"train": 8, "validate": 2, "test": 6}
    recipe = {
        "model": str(home / "base"),
        "data": str(write_phantom(home / "phantom", counts, 0, PhantomConfig(size=32))),
        "output_dir": str(home / "unused"),
        "num_generations": 2,
        "per_device_train_batch_size": 4,
        "max_completion_length": 8,
        "max_steps": 4,
        "save_steps": 2,
        "probe_split": "validate",
        "probe_every": 2,
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "gradient_checkpointing": False,
        "use_cpu": True,
        "report_to": "none",
    }
    (home / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    (home / "labeler.py").write_text(LABELER)
    return home


@pytest.fixture(scope="module")
def demo(home):
    def start(out, fault=None, **where):
        cache = str(home / "cache")
        words = ["--out", out]
        return run(home, words, fault, under=out, program=DEMO, ORAPO_CACHE=cache, **where)

    start.file = "metrics.json"
    return start


@pytest.fixture(scope="module")
def ablate(home):
    def start(out, fault=None, **where):
        words = ["ablate", "--config", home / "recipe.yaml", "--out", out, "--seeds", "1"]
        words += ["--methods", "base,grpo_facts", "--resamples", "100", "--together", "2"]
        words += ["--labeler", f"{sys.executable} {home / 'labeler.py'}"]
        return run(home, words, fault, under=out, **where)

    start.file = "ablation.json"
    return start


def figures(path):
    """What does not depend on the clock."""
    found = json.loads(path.read_text())
    rows = found.get("rows", found)
    return {
        name: {key: value for key, value in row.items() if key != "seconds"}
        for name, row in rows.items()
        if isinstance(row, dict) and "macro_f1" in row
    }


@pytest.fixture(scope="module")
def undisturbed(home):
    """What a command finds that nothing befell."""
    found = {}

    def of(start):
        if start.file not in found:
            out = home / f"undisturbed {start.file}" / start.file
            assert start(out.parent).returncode == 0
            found[start.file] = figures(out)
        return found[start.file]

    return of


def is_whole(path):
    if path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix in (".csv", ".jsonl"):
        list(read_rows(path))
    return True


def strikes(start, out, fault, stages):
    for on, at, within in stages:
        struck = start(out, fault, on=on, at=at)
        codes = {1} if within else {OWN_CODE[fault]} if fault in OWN_CODE else {1, 2}
        assert struck.returncode in codes, (on, struck.stderr[-1000:])
        assert "Traceback" not in struck.stderr
        assert "orapo: " in struck.stderr or fault == "SIGKILL", on
        there = [path for path in out.rglob("*") if not path.name.startswith(".")]
        logs = ("metrics.jsonl", "probe.jsonl")  # a killed training cuts them when it goes on
        assert all(is_whole(path) for path in there if path.is_file() and path.name not in logs)


@pytest.mark.parametrize("fault", DEMO_FAULTS)
def test_demo(demo, undisturbed, tmp_path, fault):
    out = tmp_path / "out"
    strikes(demo, out, fault, DEMO_STAGES)
    done = demo(out)
    assert done.returncode == 0, done.stderr[-1000:]
    assert figures(out / "metrics.json") == undisturbed(demo)
    assert not list(out.rglob("*.part"))


@pytest.mark.parametrize("fault", ABLATE_FAULTS)
def test_ablate(ablate, undisturbed, tmp_path, fault):
    out = tmp_path / "out"
    strikes(ablate, out, fault, ABLATE_STAGES)
    done = ablate(out)
    assert done.returncode == 0, done.stderr[-1000:]
    assert figures(out / "ablation.json") == undisturbed(ablate)
    assert not list(out.rglob("*.part"))
    assert not (out / "failures.json").exists()


@pytest.mark.parametrize("fault", PARENT_FAULTS)
@pytest.mark.parametrize(
    ("command", "on", "at"),
    [
        ("demo", "*/orapo_both/metrics.jsonl", 3),
        ("ablate", "*/metrics.jsonl", 3),
        ("ablate", "*predictions.jsonl*", 1),
    ],
    ids=["demo while it trains", "ablate while it trains", "ablate while it writes reports"],
)
def test_what_it_has_started_ends_with_it_and_the_next_call_goes_on_at_once(
    request, undisturbed, tmp_path, command, on, at, fault
):
    """Else a training of a killed call would hold its folder, and the next one would fail there."""
    start, out = request.getfixturevalue(command), tmp_path / "out"
    struck = start(out, fault, on=on, at=at)
    assert struck.returncode == OWN_CODE[fault], struck.stderr[-1000:]
    assert "Traceback" not in struck.stderr
    done = start(out)
    assert done.returncode == 0, done.stderr[-1000:]
    assert figures(out / start.file) == undisturbed(start)
