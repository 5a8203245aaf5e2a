"""SIGTERM and Ctrl-C: the step is finished, a checkpoint saved, and the run goes on from it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from two_processes import run_as_two

from orapo import cli, signals
from orapo.models.whole import whole_checkpoints
from orapo.training import OraPOTrainer
from orapo.training.surviving import interruption
from orapo.training.surviving.interruption import StopOnSignal

SIGNALLED = Path(__file__).with_name("signalled_run.py")


@pytest.fixture
def orapo_train(run_settings, tmp_path, monkeypatch):
    """Call the command line; gives its exit code."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}

    def train(*arguments, **changes):
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(yaml.safe_dump({**run_settings, **changes}))
        words = ["orapo", "train", "--quiet", "--config", str(recipe), *arguments]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code or 0

    yield train
    for signum, handler in before.items():
        signal.signal(signum, handler)


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def send(monkeypatch, name, signum, at):
    """Let the trainer's method send a signal to its own process in the step ``at``."""
    method = getattr(OraPOTrainer, name)

    def sending(self, *args, **kwargs):
        if self.state.global_step == at:
            os.kill(os.getpid(), signum)
        return method(self, *args, **kwargs)

    monkeypatch.setattr(OraPOTrainer, name, sending)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_within_a_step_saves_after_it_and_the_run_goes_on_from_there(
    orapo_train, tmp_path, monkeypatch, capsys, signum, code
):
    """In the midst of a generation and of a line of the log, and whatever save_strategy says."""
    settings = {"num_iterations": 2, "max_steps": 5, "logging_steps": 2, "save_strategy": "no"}
    assert orapo_train(**settings, output_dir=str(tmp_path / "unbroken")) == 0
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        send(patch, "training_step", signum, at=2)
        assert orapo_train("--run_name", "a name", **settings) == code
    said = capsys.readouterr().err
    assert f"{signal.Signals(signum).name}: finishing this step and saving" in said
    assert f"saved: {run / 'checkpoint-3'}; go on with: orapo train --config" in said
    assert "recipe.yaml --run_name 'a name' --resume" in said
    assert whole_checkpoints(run) == [run / "checkpoint-3"]
    assert not (run / "model.safetensors").exists()  # it is not done
    assert orapo_train("--resume", **settings) == 0
    assert weights(run) == weights(tmp_path / "unbroken")


def test_a_signal_while_a_checkpoint_is_saved_stops_after_it(orapo_train, tmp_path, monkeypatch):
    send(monkeypatch, "_save_checkpoint", signal.SIGTERM, at=2)
    assert orapo_train() == 143
    assert [folder.name for folder in whole_checkpoints(tmp_path / "run")] == ["checkpoint-2"]


def test_a_signal_after_the_last_step_lets_the_run_finish(orapo_train, tmp_path, monkeypatch):
    send(monkeypatch, "save_model", signal.SIGTERM, at=4)
    assert orapo_train(save_strategy="no") == 0
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_the_signals_mean_what_they_did_when_training_is_over(orapo_train):
    # whatever other tests of this process have left
    left = {signum: signal.getsignal(signum) for signum in signals.SIGNALS}
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # a shell without job control starts background work with SIGINT ignored
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert orapo_train() == 0
        assert signal.getsignal(signal.SIGTERM) is signals._raise
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        for signum, handler in left.items():
            signal.signal(signum, handler)


def test_a_second_signal_ends_the_process_at_once():
    code = """
import os, signal
from orapo.training.surviving.interruption import StopOnSignal
with StopOnSignal():
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    while True:
        pass
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGTERM


def test_ctrl_c_and_the_sigterm_of_whoever_started_the_run_are_one(monkeypatch):
    said = []
    clock = iter([100.0, 100.5, 103.0])
    monkeypatch.setattr(interruption.time, "monotonic", lambda: next(clock))
    raised = []
    monkeypatch.setattr(interruption.signal, "raise_signal", raised.append)
    with StopOnSignal(said.append):
        signal.getsignal(signal.SIGINT)(signal.SIGINT, None)
        signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)
        assert (len(said), raised) == (1, [])
        signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)  # later: meant as a second one
        assert raised == [signal.SIGTERM]


def test_two_processes_stop_after_the_same_step_whichever_got_the_signal(run_settings, tmp_path):
    """And go on, each with its own half of the half-used generation, to the same weights."""
    recipe = tmp_path / "recipe.yaml"
    settings = {"per_device_train_batch_size": 2, "num_iterations": 2, "max_steps": 4}
    recipe.write_text(yaml.safe_dump({**run_settings, **settings, "save_steps": 100}))
    train = ("--quiet", "--config", recipe)
    run, unbroken = tmp_path / "run", tmp_path / "unbroken"
    for process in run_as_two(("-m", "orapo", "train"), *train, "--output_dir", unbroken):
        assert process.returncode == 0, process.stderr
    stopped = run_as_two((SIGNALLED, "1", "3"), *train)
    assert [process.returncode for process in stopped] == [143, 143], stopped
    assert [folder.name for folder in whole_checkpoints(run)] == ["checkpoint-3"]
    assert "go on with" in stopped[0].stderr
    assert "go on with" not in stopped[1].stderr
    for process in run_as_two(("-m", "orapo", "train"), *train, "--resume"):
        assert process.returncode == 0, process.stderr
    assert weights(run) == weights(unbroken)
