"""Cells that a spreadsheet would run."""

import csv

import pytest

from commands import invoke
from orapo.cli import export, label, reward
from orapo.data.tables.writing import no_formula, write_rows

FORMULAS = ["=cmd|'/c calc'!A1", "- No effusion.", "+1", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_a_text(text):
    assert no_formula(text) == f"'{text}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("No effusion;=cmd|'/c calc'!A1", "No effusion;'=cmd|'/c calc'!A1"),
        ("Findings:\n- Edema\n- Effusion", "Findings:\n'- Edema\n'- Effusion"),
        ("\t=1", "'\t'=1"),
    ],
)
def test_a_formula_that_begins_where_another_country_s_cells_begin_becomes_a_text(text, shown):
    """With a decimal comma Excel parts a file at its semicolons, in the midst of quoted texts."""
    assert no_formula(text) == shown


@pytest.mark.parametrize("text", ["", "No effusion.", "'=1", "1.2.840", "a=b", "No effusion; - ."])
def test_a_text_stays(text):
    assert no_formula(text) == text


def cells(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "in.csv"
    with write_rows(path, ("study_id", "report")) as write:
        write({"study_id": "=HYPERLINK(1)", "report": "- No effusion."})
    return path


def test_exported_tables_hold_no_formula(table, tmp_path):
    out = tmp_path / "out.csv"
    invoke([export], ["export", table, "--format", "csv", "--out", out])
    (row,) = cells(out)
    assert row["study_id"] == "'=HYPERLINK(1)"
    assert row["report"] == "'- No effusion."
    assert row["Pleural Effusion"] == "0.0"


def test_labels_and_rewards_give_ids_back_as_they_were_unless_a_person_opens_them(table, tmp_path):
    out = tmp_path / "out.csv"
    for words in (
        ["label", table, "--out", out],
        ["reward", "--predictions", table, "--references", table, "--out", out],
    ):
        invoke([label, reward], words)
        assert cells(out)[0]["study_id"] == "=HYPERLINK(1)"
        invoke([label, reward], [*words, "--spreadsheet"])
        assert cells(out)[0]["study_id"] == "'=HYPERLINK(1)"
