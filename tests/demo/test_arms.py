"""Training side by side: what is taken over from an earlier call, and what a failure says."""

import subprocess
from dataclasses import replace

import pytest
from rich.progress import Progress

from orapo import cli
from orapo.demo import arms
from orapo.demo.arms import train_arms
from orapo.demo.plan import DemoPlan
from orapo.errors import OrapoError, RunFailedError
from orapo.training.run import LOG_FILE, PROBE_FILE, RunConfig


@pytest.fixture
def trainings(tmp_path, monkeypatch):
    """Call `train_arms` with a training that only leaves its files; gives the names trained."""
    base, data = tmp_path / "base", tmp_path / "manifest.jsonl"
    base.mkdir()
    (base / "model.safetensors").write_text("weights")
    data.write_text("studies")
    started = []

    def start(folder):
        started.append(folder.name)
        for name in ("model.safetensors", LOG_FILE, PROBE_FILE):
            (folder / name).write_text("")
        return subprocess.Popen(["true"])

    monkeypatch.setattr(arms, "_start", start)
    monkeypatch.setattr(arms, "_POLL_SECONDS", 0.01)

    def run(plan=DemoPlan.quick()):  # noqa: B008  (frozen)
        started.clear()
        recipe = RunConfig(str(base), str(data))
        wanted = {
            name: (recipe, plan.training_settings(method, str(tmp_path / name)))
            for name, method in (("orapo", "orapo"), ("grpo_facts", "grpo"))
        }
        with Progress(disable=True) as progress:
            results = train_arms(wanted, progress)
        assert {name for name, arm in results.items() if not arm.taken_over} == set(started)
        return set(started)

    return run


def other_version(tmp_path, monkeypatch):
    real = arms.surroundings()
    changed = {**real, "versions": {**real["versions"], "trl": "0.0"}}
    monkeypatch.setattr(arms, "surroundings", lambda: changed)


def other_phantom(tmp_path, monkeypatch):
    monkeypatch.setattr("orapo.demo.provenance.PHANTOM_VERSION", -1)


def other_code(tmp_path, monkeypatch):
    monkeypatch.setattr("orapo.demo.provenance._code_digest", lambda: "another loss")


def other_data(tmp_path, monkeypatch):
    (tmp_path / "manifest.jsonl").write_text("other studies of the same names")


def other_base(tmp_path, monkeypatch):
    (tmp_path / "base" / "model.safetensors").write_text("other weights")


BOTH = {"orapo", "grpo_facts"}


def test_a_finished_training_is_taken_over(trainings):
    assert trainings() == BOTH
    assert trainings() == set()


@pytest.mark.parametrize(
    "change", [other_version, other_phantom, other_code, other_data, other_base]
)
def test_whatever_a_training_depends_on_makes_it_stale(trainings, tmp_path, monkeypatch, change):
    trainings()
    change(tmp_path, monkeypatch)
    assert trainings() == BOTH


def test_another_recipe_makes_it_stale(trainings):
    trainings()
    assert trainings(replace(DemoPlan.quick(), learning_rate=1e-3)) == BOTH


def test_a_lost_checkpoint_is_trained_again_and_the_other_kept(trainings, tmp_path):
    trainings()
    (tmp_path / "orapo" / "model.safetensors").unlink()
    assert trainings() == {"orapo"}


def test_a_training_that_fails_is_named_with_the_file_that_says_why(tmp_path):
    plan = DemoPlan.quick()
    folder = tmp_path / "orapo"
    run = RunConfig(str(tmp_path / "no-model"), str(tmp_path / "no-data.jsonl"))
    with Progress(disable=True) as progress, pytest.raises(RunFailedError) as failure:
        train_arms({"orapo": (run, plan.training_settings("orapo", str(folder)))}, progress)
    assert "no-data.jsonl" in (folder / "stderr.txt").read_text()
    assert str(folder / "stderr.txt") in str(failure.value)
    assert "kept" in str(failure.value)


@pytest.mark.parametrize(("error", "code"), [(RunFailedError("why"), 1), (OrapoError("why"), 2)])
def test_a_run_that_fails_exits_with_1_and_wrong_input_with_2(error, code, monkeypatch, capsys):
    def fail(*_):
        raise error

    monkeypatch.setattr("orapo.demo.run_demo", fail)
    monkeypatch.setattr("sys.argv", ["orapo", "demo", "--quick"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == code
    assert capsys.readouterr().err == "orapo: why\n"
