"""Training side by side: what is taken over from an earlier call, and what a failure says."""

import subprocess
from dataclasses import asdict, replace

import pytest
from rich.progress import Progress

from orapo import cli
from orapo.ablation import trainings as module
from orapo.ablation.trainings import run_trainings
from orapo.data.phantom import PhantomConfig, write_phantom
from orapo.demo.plan import DemoPlan
from orapo.errors import OrapoError, RunFailedError
from orapo.models.whole import mark_whole, whole_checkpoints
from orapo.training.recipe import RunConfig
from orapo.training.run import LOG_FILE, PROBE_FILE


@pytest.fixture
def trainings(tmp_path, monkeypatch):
    """Call `run_trainings` with a training that only leaves its files; gives the names trained."""
    base, data = tmp_path / "base", tmp_path / "manifest.jsonl"
    base.mkdir()
    (base / "model.safetensors").write_text("weights")
    data.write_text("studies")
    started = []

    def start(folder, resume, threads, device):
        assert not resume
        started.append(folder.name)
        run.threads = threads
        for name in (*run.weights, LOG_FILE, PROBE_FILE):
            (folder / name).write_text("")
        return subprocess.Popen(["true"])

    monkeypatch.setattr(module, "_start", start)
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.01)

    def run(plan=DemoPlan.quick()):  # noqa: B008  (frozen)
        started.clear()
        recipe = RunConfig(str(base), str(data))
        wanted = {
            name: {**asdict(recipe), **plan.training_settings(method, str(tmp_path / name))}
            for name, method in (("orapo", "orapo"), ("grpo_facts", "grpo"))
        }
        with Progress(disable=True) as progress:
            results = run_trainings(wanted, progress)
        assert {name for name, arm in results.items() if not arm.taken_over} == set(started)
        return set(started)

    run.weights = ["model.safetensors"]
    return run


def other_version(tmp_path, monkeypatch):
    real = module.surroundings()
    changed = {**real, "versions": {**real["versions"], "trl": "0.0"}}
    monkeypatch.setattr(module, "surroundings", lambda: changed)


def other_phantom(tmp_path, monkeypatch):
    monkeypatch.setattr("orapo.ablation.provenance.PHANTOM_VERSION", -1)


def other_code(tmp_path, monkeypatch):
    monkeypatch.setattr("orapo.ablation.provenance._code_digest", lambda: "another loss")


def other_data(tmp_path, monkeypatch):
    (tmp_path / "manifest.jsonl").write_text("other studies of the same names")


def other_base(tmp_path, monkeypatch):
    (tmp_path / "base" / "model.safetensors").write_text("other weights")


BOTH = {"orapo", "grpo_facts"}


def test_a_finished_training_is_taken_over(trainings):
    assert trainings() == BOTH
    assert trainings() == set()


@pytest.mark.parametrize(
    "weights",
    [
        ["adapter_model.safetensors"],
        ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
    ],
    ids=["LoRA", "in parts"],
)
def test_a_finished_adapter_and_a_large_model_are_taken_over_too(trainings, weights):
    trainings.weights = weights
    assert trainings() == BOTH
    assert trainings() == set()


def test_a_base_in_parts_that_changed_makes_a_training_stale(trainings, tmp_path):
    (tmp_path / "base" / "model.safetensors").unlink()
    part = tmp_path / "base" / "model-00001-of-00001.safetensors"
    part.write_text("weights")
    assert (trainings(), trainings()) == (BOTH, set())
    part.write_text("other weights")
    assert trainings() == BOTH


@pytest.mark.parametrize(
    ("said", "threads"), [(None, 4), ("1", 1), ("16", 4), ("2,1", 4), ("0", 4)]
)
def test_trainings_share_the_cores_but_for_a_smaller_number_in_the_environment(
    trainings, monkeypatch, said, threads
):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    trainings()
    assert trainings.threads == threads


@pytest.mark.parametrize(
    "change", [other_version, other_phantom, other_code, other_data, other_base]
)
def test_whatever_a_training_depends_on_makes_it_stale(trainings, tmp_path, monkeypatch, change):
    trainings()
    change(tmp_path, monkeypatch)
    assert trainings() == BOTH


def test_another_recipe_makes_it_stale(trainings):
    trainings()
    assert trainings(replace(DemoPlan.quick(), learning_rate=7e-4)) == BOTH


def test_a_lost_checkpoint_is_trained_again_and_the_other_kept(trainings, tmp_path):
    trainings()
    (tmp_path / "orapo" / "model.safetensors").unlink()
    assert trainings() == {"orapo"}


@pytest.fixture
def arm(tiny_model, tiny_processor, tmp_path):
    """A recipe of a second or two, into the folder of a name."""
    tiny_model.save_pretrained(tmp_path / "base")
    tiny_processor.save_pretrained(tmp_path / "base")
    splits = {"train": 8, "validate": 2}
    data = write_phantom(tmp_path / "phantom", splits, 0, PhantomConfig(size=32))
    plan = replace(DemoPlan.quick(), steps=24, studies_per_step=4, learning_rate=1e-3, kl=0.04)
    run = RunConfig(str(tmp_path / "base"), str(data), probe_split="validate", probe_every=5)

    def recipe(name, **changes):
        settings = plan.training_settings("orapo", str(tmp_path / name))
        return {"orapo": {**asdict(run), **settings, "max_completion_length": 8, **changes}}

    return recipe


class Impatient(Progress):
    """Presses Ctrl-C once a training shows its tenth step."""

    def update(self, task, *, completed, **fields):
        super().update(task, completed=completed, **fields)
        if completed >= 10:
            raise KeyboardInterrupt


def without_clocks(lines):
    clocks = ("elapsed", "seconds", "step_time", "train_runtime", "_per_second")
    return [{k: v for k, v in line.items() if not any(c in k for c in clocks)} for line in lines]


def test_an_interrupted_training_goes_on_to_the_very_same_result(arm, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.01)
    with Progress(disable=True) as progress:
        unbroken = run_trainings(arm("unbroken"), progress)["orapo"]
    with Impatient(disable=True) as progress, pytest.raises(KeyboardInterrupt):
        run_trainings(arm("cut"), progress)
    (checkpoint,) = whole_checkpoints(tmp_path / "cut")
    with Progress(disable=True) as progress:
        cut = run_trainings(arm("cut"), progress)["orapo"]
    weights = [(each.folder / "model.safetensors").read_bytes() for each in (unbroken, cut)]
    assert weights[0] == weights[1]
    assert without_clocks(cut.log) == without_clocks(unbroken.log)
    assert without_clocks(cut.probes) == without_clocks(unbroken.probes)
    assert len(cut.probes) > 2
    assert not checkpoint.exists()  # what was only for going on is gone


def test_an_interrupted_training_of_another_recipe_starts_anew(arm, tmp_path, monkeypatch):
    started = []

    def start(folder, resume, threads, device):
        started.append(resume)
        return subprocess.Popen(["true"])

    folder = tmp_path / "cut" / "checkpoint-3"
    for change, resumed in (({}, True), ({"learning_rate": 2e-3}, False)):
        folder.mkdir(parents=True, exist_ok=True)
        mark_whole(folder)
        module.write_record(
            folder.parent / module.STARTED_FILE, module._made_of(arm("cut")["orapo"]), 0
        )
        monkeypatch.setattr(module, "_start", start)
        with Progress(disable=True) as progress:
            run_trainings(arm("cut", **change), progress)
        assert started[-1] is resumed


def test_a_training_that_fails_is_named_with_the_file_that_says_why(tmp_path):
    plan = DemoPlan.quick()
    folder = tmp_path / "orapo"
    run = RunConfig(str(tmp_path / "no-model"), str(tmp_path / "no-data.jsonl"))
    recipe = {**asdict(run), **plan.training_settings("orapo", str(folder))}
    with Progress(disable=True) as progress, pytest.raises(RunFailedError) as failure:
        run_trainings({"orapo": recipe}, progress)
    assert "no-model: no such folder" in (folder / "stderr.txt").read_text()
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
