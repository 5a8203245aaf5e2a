"""The table of benchmarks/gpu_check.py: a line a step, whatever becomes of its process.

What the steps themselves find out is checked by `gpu_check.py --cpu`, in `.ci/run`.
"""

import importlib
import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
VERDICT = "import json, pathlib, sys; file = pathlib.Path(sys.argv[1]);"
SAYS = (
    VERDICT + "file.write_text(json.dumps({{'state': '{}', 'why': '{}', 'figures': {{'a': 1.5}}}}))"
)
STEPS = {
    "passes": SAYS.format("pass", ""),
    "fails": SAYS.format("fail", "the base has moved | by much"),
    "skips": SAYS.format("skipped", "vllm is not installed"),
    "sees": VERDICT
    + "import os;"
    + "file.write_text(json.dumps({'state': 'pass', 'why': os.environ['CUDA_VISIBLE_DEVICES'], 'figures': {}}))",
    "raises": "raise SystemExit(3)",
    "dies": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "says nothing": "pass",
    # with a child that would outlive it, in a session of its own as a launcher's
    "hangs": VERDICT
    + "import signal, subprocess;"
    + "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'], start_new_session=True);"
    + "print(child.pid, flush=True);"
    + "signal.pause()",
}
LIMIT = 30
"""Seconds of a step that ends by itself; the one that hangs has fewer."""


@pytest.fixture
def gpu_check(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("gpu_check")


@pytest.fixture
def run(gpu_check, tmp_path):
    """Run steps by their names; gives the rows by name."""

    def run(*names, minutes=9):
        steps = [gpu_check.Step(name, f"{i}. {name}", 1, "") for i, name in enumerate(names)]
        rows = gpu_check.run_steps(
            steps,
            lambda step, folder: [sys.executable, "-c", STEPS[step.name], folder / "verdict.json"],
            lambda step: 1.5 if step.name == "hangs" else LIMIT,
            tmp_path,
            minutes,
        )
        return {row["step"]: row for row in rows}

    return run


def test_every_step_has_its_line_whatever_becomes_of_the_ones_before(run):
    rows = run("raises", "dies", "says nothing", "fails", "skips", "passes")
    assert {name: (row["state"], row["why"]) for name, row in rows.items()} == {
        "raises": ("fail", "ended with code 3"),
        "dies": ("fail", "killed by SIGKILL"),
        "says nothing": ("fail", "left no verdict"),
        "fails": ("fail", "the base has moved | by much"),
        "skips": ("skipped", "vllm is not installed"),
        "passes": ("pass", ""),
    }


def test_a_step_that_hangs_is_ended_with_all_that_it_started(run, tmp_path):
    rows = run("hangs", "passes")
    assert (rows["hangs"]["state"], rows["hangs"]["why"]) == ("fail", "not done after 2 s")
    assert rows["passes"]["state"] == "pass"
    log = (tmp_path / "gpu_check.log").read_text()
    child = int(log.split("==== hangs\n")[1].split()[0])
    status = Path(f"/proc/{child}/status")
    # gone, or dead and not yet fetched by whoever inherited it
    assert not status.exists() or "State:\tZ" in status.read_text()


def test_a_step_whose_package_is_missing_is_skipped(gpu_check, tmp_path):
    step = gpu_check.Step("far", "1. far", 1, "", needs="no_such_package")
    (row,) = gpu_check.run_steps([step], lambda *_: ["false"], lambda _: LIMIT, tmp_path)
    assert (row["state"], row["why"]) == ("skipped", "no_such_package is not installed")


def test_what_had_no_time_left_has_failed(run):
    row = run("passes", minutes=0)["passes"]
    assert (row["state"], row["why"]) == ("fail", "not begun: the 0 minutes are over")


@pytest.fixture
def main(gpu_check, monkeypatch, tmp_path):
    """Call the command with stand-ins for its steps; gives exit code, record and page."""

    def main(*names, options=()):
        steps = tuple(gpu_check.Step(name, f"{i}. {name}", 1, "") for i, name in enumerate(names))
        monkeypatch.setattr(gpu_check, "STEPS", steps)
        monkeypatch.setattr(
            gpu_check,
            "worker",
            lambda step, cpu, folder: [
                *(sys.executable, "-c", STEPS[step.name], folder / "verdict.json")
            ],
        )
        words = ["gpu_check.py", "--cpu", "--out", str(tmp_path / "out"), *options]
        monkeypatch.setattr(sys, "argv", words)
        code = gpu_check.main()
        record = json.loads((tmp_path / "out" / "gpu_check.json").read_text())
        return code, record, (tmp_path / "out" / "gpu_check.md").read_text()

    return main


def test_one_failure_is_exit_code_1(main):
    code, record, page = main("passes", "fails", "skips")
    assert code == 1
    assert [row["state"] for row in record["steps"]] == ["pass", "fail", "skipped"]
    assert r"| 1. fails | fail | the base has moved \| by much |" in page
    assert "- a: 1.5" in page


def test_nothing_but_passes_and_skips_is_exit_code_0(main):
    assert main("passes", "skips")[0] == 0


def test_single_steps_can_be_asked_for(main):
    code, record, _ = main("passes", "fails", options=("--only", "passes"))
    assert code == 0
    assert [row["step"] for row in record["steps"]] == ["passes"]
    with pytest.raises(SystemExit):
        main("passes", options=("--only", "nothing"))


def test_versions_that_are_not_tested_are_named(gpu_check, monkeypatch):
    real = gpu_check.metadata.version
    old = {"transformers": "5.17.0"}
    monkeypatch.setattr(gpu_check.metadata, "version", lambda name: old.get(name) or real(name))
    (found,) = gpu_check.other_versions()
    assert found.startswith("transformers 5.17.0 (tested: ")


def test_every_step_is_a_function_that_is_there(gpu_check):
    names = [step.name for step in gpu_check.STEPS]
    assert len(set(names)) == len(names)
    numbers = {step.what.split(".")[0] for step in gpu_check.STEPS}
    assert numbers == {str(number) for number in range(1, 11)}
    for step in gpu_check.STEPS:
        module, function = step.call.split(".")
        assert callable(getattr(importlib.import_module(f"on_gpu.{module}"), function))


@pytest.mark.slow
def test_a_step_that_can_not_be_run_here_says_why(gpu_check, tmp_path):
    by_name = {step.name: step for step in gpu_check.STEPS}
    with (tmp_path / "log").open("w") as log:
        verdict = gpu_check.run_step(
            gpu_check.worker(by_name["4bit"], True, tmp_path), tmp_path / "verdict.json", 300, log
        )
    assert verdict["state"] == "skipped", (tmp_path / "log").read_text()
    assert verdict["why"] == "on a GPU alone"


@pytest.mark.parametrize(("given", "used"), [(None, "0"), ("2,3", "2"), ("", "")])
def test_of_several_gpus_one_is_used(run, monkeypatch, given, used):
    if given is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert run("sees")["sees"]["why"] == used
