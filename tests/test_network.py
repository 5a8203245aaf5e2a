"""No command asks the network for anything on local folders: every socket is watched.

A ``sitecustomize`` of the test's own puts an audit hook into each Python process that a command
starts, its children's too, and lets none lead away from this machine.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
from textwrap import dedent

import pytest
import yaml

pytest.importorskip("trl")

from orapo.data.manifest import write_manifest
from orapo.data.phantom import PhantomConfig, write_phantom
from orapo.data.study import Study
from orapo.preferences import Preference, write_preferences

HOOK = """
import os, sys

def watch(event, given):
    if event == "socket.getaddrinfo" or event == "socket.gethostbyname":
        host = given[0]
    elif event == "socket.connect" and isinstance(given[1], tuple):
        host = given[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0"):
        with open(os.environ["SOCKETS_LOG"], "a") as log:
            log.write(f"{event} {host}\\n")
        raise OSError(101, "Network is unreachable")

sys.addaudithook(watch)
"""
DEMO = """
import sys
from pathlib import Path
from rich.console import Console
from orapo.demo import DemoPlan, run_demo
from orapo.models.base import BaseRecipe
from orapo.models.tiny import TinySize
size = TinySize(image=32, vision_width=16, vision_layers=1, text_width=16, text_layers=1)
base = BaseRecipe(size=size, films=4, shape_pictures=8, reports=8, patch_steps=2, joint_steps=2,
                  patch_batch=4, batch=4)
plan = DemoPlan(train_studies=8, test_studies=6, probe_studies=4, probe_every=1, steps=2,
                studies_per_step=2, rollouts_per_study=2, base=base)
run_demo(Path(sys.argv[1]), plan, Console(quiet=True))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory, tiny_processor, tiny_size):
    """A base, a phantom, a recipe, judgements, and the hook."""
    from orapo.models.tiny import build_model

    home = tmp_path_factory.mktemp("network")
    (home / "hook").mkdir()
    (home / "hook" / "sitecustomize.py").write_text(HOOK)
    build_model(tiny_processor, tiny_size).save_pretrained(home / "base")
    tiny_processor.save_pretrained(home / "base")
    splits = {"train": 8, "validate": 2, "test": 6}
    data = write_phantom(home / "phantom", splits, 0, PhantomConfig(size=32))
    recipe = {
        "model": str(home / "base"),
        "data": str(data),
        "output_dir": str(home / "trained"),
        "probe_split": "validate",
        "probe_every": 2,
        "num_generations": 2,
        "per_device_train_batch_size": 4,
        "max_completion_length": 8,
        "max_steps": 2,
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "gradient_checkpointing": False,
        "use_cpu": True,
    }
    (home / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    draw, studies, judged = random.Random(0), [], []
    for number in range(40):
        there = draw.choice(("Edema", "Cardiomegaly"))
        about = (f"p{number}", f"s{number}", f"p{number}", (home / "film.png",))
        report = f"{there} is seen."
        studies.append(
            Study(study_id=about[1], patient_id=about[2], images=about[3], report=report,
                  labels={there: 1}, split="train")
        )  # fmt: skip
        judged.append(Preference(*about, f"{there}.", "Pneumothorax.", "left", "A", "x", "y"))
    write_manifest(home / "judged.jsonl", studies)
    write_preferences(home / "preferences.jsonl", judged)
    return home


def environment(home, **more):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    kept.pop("DISABLE_TELEMETRY", None)
    kept.pop("DO_NOT_TRACK", None)
    path = os.pathsep.join(filter(None, [str(home / "hook"), os.environ.get("PYTHONPATH")]))
    log = home / "sockets"
    log.unlink(missing_ok=True)
    return kept | {"PYTHONPATH": path, "SOCKETS_LOG": str(log)} | more


def asked(home, *words, program=None, **more):
    """Run a command and return what it asked the network for."""
    start = ["-m", "orapo"] if program is None else ["-c", program]
    done = subprocess.run(
        [sys.executable, *start, *map(str, words)],
        env=environment(home, ORAPO_CACHE=str(home / "cache"), **more),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    log = home / "sockets"
    return log.read_text().splitlines() if log.exists() else []


def test_the_watch_sees_what_the_libraries_would_send(home):
    """Else the tests below could not fail."""
    program = dedent("""
        import time, orapo, huggingface_hub.utils as utils
        utils.send_telemetry("orapo-test")
        from huggingface_hub.utils import _telemetry
        if _telemetry._TELEMETRY_THREAD:
            _telemetry._TELEMETRY_QUEUE.join()
    """)
    assert asked(home, program=program, HF_HUB_DISABLE_TELEMETRY="0")
    assert asked(home, program=program) == []
    late = "import huggingface_hub\n" + program  # before orapo could set the variable
    assert asked(home, program=late) == []


def test_training_and_generating_ask_nothing(home):
    assert asked(home, "train", "--config", home / "recipe.yaml", "--quiet") == []
    film = next((home / "phantom" / "images").glob("*.png"))
    words = ("generate", film, "--model", home / "trained", "--out", home / "out.jsonl")
    assert asked(home, *words, "--max-new-tokens", "4") == []


def test_an_ablation_asks_nothing(home):
    words = ("ablate", "--config", home / "recipe.yaml", "--out", home / "ablation")
    less = ("--methods", "base,grpo_facts", "--seeds", "1", "--other-seeds", "1")
    assert asked(home, *words, *less, "--resamples", "100") == []


def test_a_reward_model_asks_nothing(home):
    words = ("reward-model", "train", "--preferences", home / "preferences.jsonl")
    more = ("--references", home / "judged.jsonl", "--out", home / "reward")
    assert asked(home, *words, *more) == []


def test_the_demo_asks_nothing(home):
    assert asked(home, home / "demo", program=DEMO) == []


def test_a_server_asks_nothing(home):
    httpx2 = pytest.importorskip("httpx2")
    pytest.importorskip("fastapi")
    words = ["serve", "--model", str(home / "base"), "--port", "0", "--max-new-tokens", "4"]
    with subprocess.Popen(
        [sys.executable, "-m", "orapo", *words],
        env=environment(home),
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            address = next(
                found[0] for line in server.stderr if (found := re.search(r"http://[\d.:]+", line))
            )
            film = next((home / "phantom" / "images").glob("*.png")).read_bytes()
            answer = httpx2.post(f"{address}/v1/reports", files={"images": film}, timeout=120)
            assert answer.status_code == 200, json.dumps(answer.json())
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=60)
    assert not (home / "sockets").exists()
