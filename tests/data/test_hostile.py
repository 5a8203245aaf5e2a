"""The tables of ``bench/hostile``: each behaves as EXPECT.md says.

The expectations are read from that file, so its table drives the test.
"""

import os
import re
import sys
import time
from pathlib import Path

import pytest

from orapo.cli import main

BENCH = os.environ.get("ORAPO_BENCH")
HOSTILE = Path(BENCH or ".") / "hostile"

pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(not BENCH, reason="ORAPO_BENCH is not set"),
]


def expectations():
    if not (HOSTILE / "EXPECT.md").is_file():
        return []
    text = (HOSTILE / "EXPECT.md").read_text(encoding="utf-8")
    return re.findall(r"^\| ((?:csv|jsonl)_\S+) \| (.+) \|$", text, re.MULTILINE)


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["orapo", *map(str, arguments)])
    with pytest.raises(SystemExit) as done:
        main()
    return done.value.code or 0, *capsys.readouterr()


@pytest.mark.parametrize(("name", "expected"), expectations())
def test_a_hostile_table_behaves_as_expected(monkeypatch, capsys, tmp_path, name, expected):
    path = HOSTILE / name
    # the JSON lines have no images
    options = ["--no-images"] if name.startswith("jsonl") else []
    start = time.monotonic()
    code, out, err = run(
        monkeypatch, capsys, "data", "check", path, "--dataset", "table", "--json", *options
    )
    assert time.monotonic() - start < 30, "finishes in seconds"
    assert "Traceback" not in out + err
    must_fail = expected.startswith("clear error")
    may_fail = "clear error" in expected
    if must_fail:
        assert code == 2
    elif not may_fail:
        assert code == 0
        assert 'problem_list": []' in out
    if code == 2 or expected.startswith("warning"):
        assert name in err
        for number in re.findall(r"\brow (\d+)", expected):
            assert f"(row {number})" in err
        for number in re.findall(r"\bline(?: number)? (\d+)", expected):
            assert f", line {number}" in err
        for word in re.findall(r"'(\w+)'|missing column (\w+)", expected):
            assert "".join(word) in err
        if "with the line number" in expected or "with row and column" in expected:
            assert re.search(r", line \d+", err)
    records = re.search(r"(\d+) records", expected)
    if records:
        assert f'"studies": {records[1]},' in out


def test_there_are_such_tables():
    assert len(expectations()) > 10


def test_a_conversion_of_a_hostile_table_writes_nothing(monkeypatch, capsys, tmp_path):
    for name, expected in expectations():
        if not expected.startswith("clear error") or not name.startswith("csv"):
            continue
        out = tmp_path / name
        code, _, err = run(
            monkeypatch, capsys, "data", "convert", HOSTILE / name, "--dataset", "table",
            "--out", out,
        )  # fmt: skip
        assert (code, name in err) == (2, True)
        assert not (out / "manifest.jsonl").exists()
