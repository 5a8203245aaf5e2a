"""Reports of an ablation's models: how many at a time, and what a failure leaves."""

import json
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from rich.progress import Progress

from orapo.ablation import reports
from orapo.ablation import run as module
from orapo.errors import RunFailedError
from orapo.evaluation.inputs import read_labels
from orapo.labels import LABELS


@pytest.fixture
def write_reports(tmp_path, monkeypatch):
    """Write reports of OraPO's models of two seeds; gives what was written and what failed."""
    plan = SimpleNamespace(out=tmp_path, methods=["orapo", "orapo_both"], recipe={}, split="test")
    options = module.Options(together=2, devices=(), labeler=None, resamples=100)
    done = [module._Done("orapo", seed, 8, "model", tmp_path / str(seed)) for seed in (0, 1)]

    def run(bad, slow=()):
        others_failed = threading.Event()

        def generate(folder, *_):
            seed = int(folder.name)
            if seed in slow:
                assert others_failed.wait(timeout=60)
            else:
                others_failed.set()
            if seed in bad:
                raise RunFailedError(f"seed {seed}: out of memory")

        monkeypatch.setattr(module, "write_predictions", generate)
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


class Told(reports.Commands):
    """Runs nothing."""

    def __init__(self):
        super().__init__()
        self.words = []

    def run(self, words, **variables):
        self.words.append(words)
        return 0, ""


@pytest.mark.parametrize(("decoding", "batch"), [((), "64"), (("--samples", "16"), "4")])
def test_as_many_reports_are_written_at_a_time_however_many_a_study_has(tmp_path, decoding, batch):
    commands, data = Told(), tmp_path / "manifest.jsonl"
    data.touch()
    reports.write_predictions(
        tmp_path, str(tmp_path), {"data": str(data)}, "test", decoding, commands
    )
    (command,) = commands.words
    assert command[command.index("--batch-size") + 1] == batch


# --- another labeler -----------------------------------------------------------------------------

# It says the same of every report: its first argument, of as many reports as the second says.
LABELER = """
import json, sys
from orapo.labels import LABELS

said, most, code, reports, out = sys.argv[1:]
rows = [json.loads(line) for line in open(reports)][: int(most)]
with open(out, "w") as file:
    print("study_id", *LABELS, sep=",", file=file)
    for row in rows:
        print(row["study_id"], said, *[""] * 13, sep=",", file=file)
sys.exit(int(code))
"""


@pytest.fixture
def read(tmp_path):
    """Let a labeler read two reports; gives what is kept of it by study."""
    program = tmp_path / "labeler.py"
    program.write_text(LABELER)
    lines = [json.dumps({"study_id": study, "report": "Edema."}) for study in ("a", "b")]
    (tmp_path / reports.PREDICTIONS).write_text("\n".join(lines))

    def run(says, most=2, code=0):
        labeler = f"{sys.executable} {program} {says} {most} {code}"
        reports.write_second_labels(tmp_path, labeler, reports.Commands())
        labels = read_labels(tmp_path / reports.SECOND)
        return {study: labels[study][LABELS[0]] for study in labels}

    return run


def test_what_a_labeler_left_half_written_is_not_read(read, tmp_path):
    with pytest.raises(RunFailedError, match="--labeler failed on"):
        read("1", most=1, code=1)
    assert not (tmp_path / reports.SECOND).exists()


def test_a_report_that_a_labeler_left_out_is_no_report_without_findings(read):
    with pytest.raises(RunFailedError, match=r"did not read 1 reports of .* e\.g\. of b"):
        read("1", most=1)
    assert read("1") == {"a": 1, "b": 1}


def test_another_labeler_is_asked_and_the_same_one_is_not(read, tmp_path):
    assert read("1") == {"a": 1, "b": 1}
    before = (tmp_path / reports.SECOND).stat().st_ino
    assert read("1") == {"a": 1, "b": 1}
    assert (tmp_path / reports.SECOND).stat().st_ino == before
    assert read("0") == {"a": 0, "b": 0}


def test_commands_that_are_waited_for_are_ended_and_none_begins_after_it():
    commands = reports.Commands()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(commands.run, ["cat", "/dev/zero"])
        while not commands._running:
            assert not waiting.done()
        commands.end()
        assert waiting.result(timeout=60)[0] == -signal.SIGTERM
    with pytest.raises(RunFailedError):
        commands.run(["true"])
