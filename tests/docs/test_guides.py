"""The guides can be followed: their code runs as it stands, one page after its own lines, in one folder.

A block that can't be run in seconds without a model, a GPU or a network has a comment above it that says
why: ``<!-- skip: next "why" -->``.
"""

import contextlib
import functools
import importlib
import os
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

import pytest

pytest.importorskip("sybil", reason="the extra [docs] is not installed: no guide is run")
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).parents[2]
GUIDES = (
    *("README.md", "docs/quick-start.md", "docs/own-data.md", "docs/gpus.md", "docs/rewards.md"),
    *("docs/reading.md", "docs/facts.md", "docs/commands.md"),
)
BLOCK = re.compile(r"^(?P<skip><!-- skip: next .*-->\n)?```(?:bash|python)\n", re.MULTILINE)


def run_shell(example):
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", str(example.parsed)],
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.stdout + ended.stderr if ended.returncode else None


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the sample in it, as in a clone, and an ``orapo`` that is the one under test."""
    programs, place = tmp_path / "bin", tmp_path / "work"
    programs.mkdir()
    place.mkdir()
    orapo = programs / "orapo"
    orapo.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m orapo "$@"\n')
    orapo.chmod(0o755)
    source = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", source)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    shutil.copytree(ROOT / "examples" / "sample", place / "examples" / "sample")
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(place)
    yield place
    for name in [name for name, module in sys.modules.items() if lies_in(module, place)]:
        del sys.modules[name]


def lies_in(module, place):
    return (getattr(module, "__file__", None) or "").startswith(str(place))


@pytest.mark.parametrize("name", GUIDES)
def test_the_code_of_a_guide_runs(name, folder):
    parsers = (PythonCodeBlockParser(), CodeBlockParser("bash", run_shell), SkipParser())
    for example in Document.parse(str(ROOT / name), *parsers).examples():
        with contextlib.suppress(unittest.SkipTest):
            example.evaluate()


def test_most_blocks_are_run_and_the_others_say_why_not():
    run, skipped = {}, 0
    for name in GUIDES:
        text = (ROOT / name).read_text(encoding="utf-8")
        skips = re.findall(r"<!-- *skip.*", text)
        assert [s for s in skips if not re.fullmatch(r'<!-- skip: next "\w.+" -->', s)] == []
        found = [bool(match["skip"]) for match in BLOCK.finditer(text)]
        assert found.count(True) == len(skips)
        run[name] = found.count(False)
        skipped += found.count(True)
    assert min(run.values()) >= 1, run
    assert sum(run.values()) >= 2 * skipped


def commands(text):
    """Words of the calls of orapo in a Markdown text: in blocks, fenced or indented, and in tables."""
    inside = False
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("```"):
            inside = not inside
        start = r"(?:accelerate launch .*-m )?orapo ([^`|#]*)"
        found = re.match(start if inside else rf"(?:    |\| `){start}", line)
        if found:
            yield found[1].split()


@functools.cache
def every_command():
    import typer

    from orapo.cli import COMMANDS

    app = typer.Typer()  # not the command line's own: it loads a command when it is called
    for command in COMMANDS:
        importlib.import_module(f"orapo.cli.{command}").add_to(app)
    return typer.main.get_command(app)


@pytest.mark.parametrize(
    "name", ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
)
def test_every_option_that_a_page_names_exists(name):
    unknown = []
    for words in commands((ROOT / name).read_text(encoding="utf-8")):
        command = every_command()
        while hasattr(command, "commands") and words:
            word = words.pop(0).rstrip(",")
            if word.startswith("-") or word == "COMMAND":
                break
            command = command.commands.get(word)
            if command is None:
                unknown.append(word)
                break
        if command is None or command.name == "train":  # takes every field of a recipe
            continue
        options = {option for parameter in command.params for option in parameter.opts}
        options |= {o for parameter in command.params for o in parameter.secondary_opts}
        given = [re.match(r"--[\w-]+", word.lstrip("[")) for word in words]
        unknown += [g[0] for g in given if g and g[0] not in {*options, "--help"}]
    assert unknown == []


def test_every_test_that_the_security_page_names_exists():
    root = Path(__file__).parents[2]
    named = set(re.findall(r"tests/[\w/]+\.py", (root / "docs" / "security.md").read_text()))
    assert len(named) > 10
    assert [name for name in sorted(named) if not (root / name).is_file()] == []
