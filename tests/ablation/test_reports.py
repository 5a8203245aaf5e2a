"""Reports of an ablation's models: how many at a time, and what a failure leaves."""

import threading
from types import SimpleNamespace

import pytest
from rich.progress import Progress

from orapo.ablation import run as module
from orapo.errors import RunFailedError


@pytest.fixture
def write_reports(tmp_path, monkeypatch):
    """Write reports of OraPO's models of two seeds; gives what was written and what failed."""
    plan = SimpleNamespace(out=tmp_path, methods=["orapo", "orapo_both"], recipe={})
    options = module.Options(together=2, devices=(), labeler=None, resamples=100)
    done = [module._Done("orapo", seed, 8, "model", tmp_path / str(seed)) for seed in (0, 1)]

    def run(bad, slow=()):
        others_failed = threading.Event()

        def generate(plan, one):
            if one.seed in slow:
                assert others_failed.wait(timeout=60)
            else:
                others_failed.set()
            if one.seed in bad:
                raise RunFailedError(f"seed {one.seed}: out of memory")

        monkeypatch.setattr(module, "_generate", generate)
        failures = {}
        with Progress(disable=True) as progress:
            written = module._write_reports(plan, options, done, progress, failures)
        return [one.seed for one in written], failures

    return run


def test_a_model_that_writes_nothing_is_named_and_the_others_are_compared(write_reports):
    assert write_reports(bad=()) == ([0, 1], {})
    assert write_reports(bad={0}) == ([1], {"orapo/seed0": "seed 0: out of memory"})


def test_if_none_writes_it_is_an_error(write_reports):
    said = "no model wrote its reports: seed 0: out of memory; seed 1: out of memory"
    with pytest.raises(RunFailedError, match=f"^{said}$"):
        write_reports(bad={0, 1})


def test_the_same_failures_are_said_in_the_order_of_the_plan_whoever_fails_first(write_reports):
    said = "no model wrote its reports: seed 0: out of memory; seed 1: out of memory"
    with pytest.raises(RunFailedError, match=f"^{said}$"):
        write_reports(bad={0, 1}, slow={0})


@pytest.mark.parametrize(("decoding", "batch"), [((), "64"), (("--samples", "16"), "4")])
def test_as_many_reports_are_written_at_a_time_however_many_a_study_has(
    tmp_path, monkeypatch, decoding, batch
):
    commands = []

    def run(command, **_):
        commands.append(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(module.subprocess, "run", run)
    monkeypatch.setattr(module, "file_digest", lambda path: "digest")
    method = SimpleNamespace(decoding=decoding)
    monkeypatch.setattr(module, "METHODS", {"one": method})
    plan = SimpleNamespace(recipe={"data": "manifest.jsonl"}, split="test")
    module._generate(plan, module._Done("one", 0, 8, str(tmp_path), tmp_path))
    (command,) = commands
    assert command[command.index("--batch-size") + 1] == batch
