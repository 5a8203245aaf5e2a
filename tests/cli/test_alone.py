"""Two commands with one output: the first one writes it, the second is told so."""

import importlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import typer

from commands import invoke
from fake_judge import FakeJudge
from orapo.cli import COMMANDS, label
from orapo.cli.parts.alone import alone
from orapo.data.tables.reading import read_rows
from orapo.errors import OrapoError
from orapo.locking import locked
from orapo.writing import new_beside

HOLD_THEIR_FOLDER_THEMSELVES = {"ablate", "demo", "phantom"}


def all_commands():
    app = typer.Typer()
    for name in COMMANDS:
        importlib.import_module(f"orapo.cli.{name}").add_to(app)

    def inside(group):
        for command in group.registered_commands:
            yield command.callback
        for sub in group.registered_groups:
            yield from inside(sub.typer_instance)

    return list(inside(app))


def test_every_command_with_an_output_holds_it():
    free = set()
    for command in all_commands():
        inner = getattr(command, "__wrapped__", command)
        if "out" in inner.__annotations__ and command.__code__ is not alone(inner).__code__:
            free.add(command.__name__)
    assert free == HOLD_THEIR_FOLDER_THEMSELVES


def test_a_second_command_on_an_output_is_told_so_and_changes_nothing(tmp_path):
    table, out = tmp_path / "in.csv", tmp_path / "out.csv"
    table.write_text("study_id,report\na,No effusion.\n")
    with locked(out), pytest.raises(OrapoError, match=r"out\.csv: another orapo command"):
        invoke([label], ["label", table, "--out", out])
    assert list(tmp_path.iterdir()) == [table]
    invoke([label], ["label", table, "--out", out])
    assert len(list(read_rows(out))) == 1


def test_two_processes_lose_no_table(tmp_path):
    table, out = tmp_path / "in.csv", tmp_path / "out.csv"
    table.write_text("study_id,report\na,Left effusion.\nb,Edema.\n")
    judge = FakeJudge()
    judge.hold.clear()
    judge.longest_hold = 120
    asked = judge.fault
    begun = threading.Event()
    judge.fault = lambda text, attempt: begun.set() or asked(text, attempt)
    with judge.serving() as url:
        how = ["--engine", "llm", "--judge-model", "m", "--judge-url", url]
        words = [sys.executable, "-m", "orapo", "label", table, "--out", out, *how]
        environment = {**os.environ, "ORAPO_CACHE": str(tmp_path / "cache")}
        first = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE)
        assert begun.wait(60)
        second = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
        judge.hold.set()
        assert first.wait(60) == 0
    assert second.returncode == 2
    assert "Traceback" not in second.stderr
    assert "another orapo command is writing it" in second.stderr.replace("\n", " ")
    assert [row.values["study_id"] for row in read_rows(out)] == ["a", "b"]


def test_what_a_killed_process_left_is_taken_away_by_the_next(tmp_path):
    table, out = tmp_path / "in.csv", tmp_path / "out.csv"
    table.write_text("study_id,report\na,No effusion.\n")
    left = new_beside(out)
    left.write_text("a report")
    invoke([label], ["label", table, "--out", out])
    assert not left.exists()


def test_of_several_processes_of_one_command_only_the_first_holds_the_output(tmp_path, monkeypatch):
    called = []

    @alone
    def command(out: Path) -> None:
        called.append(out)

    monkeypatch.setenv("RANK", "1")
    with locked(tmp_path / "out"):
        command(out=tmp_path / "out")
    assert called == [tmp_path / "out"]


@pytest.mark.parametrize(
    ("before", "writes", "said"),
    [
        (None, (), "nothing was written to {out}"),
        ("old", (), "{out} is as it was"),
        (None, ("one.txt",), "what was finished is kept in {out}"),
        ("old", ("one.txt",), "what was finished is kept in {out}"),
    ],
)
def test_an_interrupt_says_what_became_of_the_output(tmp_path, before, writes, said):
    out = tmp_path / "out"
    if before:
        out.mkdir()
        (out / "old.txt").write_text(before)

    @alone
    def command(out: Path) -> None:
        for name in writes:
            out.mkdir(exist_ok=True)
            (out / name).write_text("new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as found:
        command(out=out)
    assert found.value.__notes__ == [said.format(out=out)]


def test_what_a_command_itself_says_of_an_interrupt_is_said_alone(tmp_path):
    @alone
    def command(out: Path) -> None:
        error = KeyboardInterrupt()
        error.add_note("the rows so far are kept")
        raise error

    with pytest.raises(KeyboardInterrupt) as found:
        command(out=tmp_path / "out")
    assert found.value.__notes__ == ["the rows so far are kept"]
