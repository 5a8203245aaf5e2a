"""The same table in every format, and what hostile ones do."""

import json
import resource
import subprocess
import sys
import zipfile

import pytest

from orapo.data.tables import json_rows, records
from orapo.data.tables.reading import columns_of, read_rows
from orapo.errors import OrapoError

openpyxl = pytest.importorskip("openpyxl")

ROWS = [
    {"study_id": "007", "report": 'Heart; "big", 3 cm | wide'},
    {"study_id": "8", "report": "Two\nlines."},
]


def read(path, **options):
    said = []
    rows = [row.values for row in read_rows(path, say=said.append, **options)]
    return rows, " ".join(said)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~"])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_any_delimiter_is_read_and_an_unusual_one_said(tmp_path, name, delimiter):
    import csv

    path = tmp_path / name
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, ["study_id", "report"], delimiter=delimiter)
        table.writeheader()
        table.writerows(ROWS)
    rows, said = read(path)
    assert rows == ROWS
    usual = delimiter == {"t.csv": ",", "t.tsv": "\t"}[name]
    assert ("read as separated by" in said) != usual


def test_a_comma_in_a_heading_does_not_make_a_semicolon_table_one_of_commas(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("study_id;report;findings, impression\n1;Edema.;a, b\n2;Clear.;c, d\n")
    assert columns_of(path) == ["study_id", "report", "findings, impression"]


def test_a_quotation_mark_in_a_tsv_swallows_no_row(tmp_path):
    """Written by a program that quotes nothing: the second mark would close the first."""
    path = tmp_path / "t.tsv"
    path.write_text('study_id\treport\n1\t"Small" effusion.\n2\tClear.\n')
    with pytest.raises(OrapoError, match=r"t\.tsv, line 2: broken CSV"):
        read(path)
    path.write_text('study_id\treport\n1\t"Edema.\n2\tClear."\n3\tEdema.\n')
    with pytest.raises(OrapoError, match=r"line 3: a cell holds tabs and ends of lines"):
        read(path)


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
        "".join(json.dumps(row) + "\n" for row in ROWS),
        json.dumps({row["study_id"]: {"report": row["report"]} for row in ROWS}),
        json.dumps({row["study_id"]: {"report": row["report"]} for row in ROWS}, indent=1),
        json.dumps({row["study_id"]: row["report"] for row in ROWS}),
    ],
)
@pytest.mark.parametrize("chunk", [1, 7, 1 << 18])
def test_json_in_every_form_is_the_same_table(tmp_path, monkeypatch, content, chunk):
    monkeypatch.setattr(json_rows, "_CHUNK", chunk)
    path = tmp_path / "t.json"
    path.write_text(content)
    assert read(path)[0] == ROWS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("7", "expected a JSON array or object"),
        ("[]", "the table has no rows"),
        ('[{"a": 1}', r"line 1: broken JSON \(it ends early\)"),
        ('[{"a": 1} {"a": 2}]', "line 1: broken JSON"),
        ('[{"a": 1}] []', "something stands after its end"),
        ('[{"a": 1},\n{"a": 1, "a": 2}]', r"line 2: broken JSON \(a key stands twice\)"),
        ('[{"a": 1},\n7]', "line 2: expected a JSON object"),
        ("[" * 100_000, r"broken JSON \(nested too deep\)"),
        (
            '{\n"s1": {"report": "x"},\n"s1": {"report": "y"}}',
            "line 3: s1 stands already in line 2",
        ),
        ('{\n"study_id": "1",\n"report": "x"}', "is one JSON object, one record"),
        ('[{"a": "\\ud800"}]', "line 1: holds half a character"),
        ('{"train": [1],\n"val": []}', "expected a JSON object under 'train'"),
    ],
)
def test_broken_json_is_one_sentence(tmp_path, content, message):
    path = tmp_path / "t.json"
    path.write_text(content)
    with pytest.raises(OrapoError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_an_element_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "LONGEST_LINE", 1000)
    path = tmp_path / "t.json"
    path.write_text(json.dumps([{"a": "x" * 700_000}]))
    with pytest.raises(OrapoError, match="longer than 1,000 characters"):
        read(path)


def test_a_large_array_is_read_in_flat_memory(tmp_path):
    """64 MB of records in a process that may take 40 MB more than it has at the start."""
    path = tmp_path / "t.json"
    record = json.dumps({"study_id": "1", "report": "Clear lungs. " * 1000})
    with path.open("w") as file:
        file.write("[" + ",".join([record] * 5000) + "]")
    script = (
        "import resource, sys; from pathlib import Path; from orapo.data.tables.reading import read_rows\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak(); n = sum(1 for _ in read_rows(Path(sys.argv[1]))); print(n, peak() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True
    )
    count, grown = map(int, done.stdout.split())
    assert count == 5000
    assert grown < 40 * 1024 * (1 if sys.platform != "darwin" else 1024)
    assert resource  # the module exists here too


def workbook(path, rows, more=()):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for title in more:
        book.create_sheet(title)
    book.save(path)
    return path


def test_a_sheet_is_a_table(tmp_path):
    path = workbook(
        tmp_path / "t.xlsx",
        [[], ["study_id", "report", "age"], ["007", "Edema.", 61], [], [12345, None, 3.5]],
    )
    rows = list(read_rows(path, ["study_id"]))
    assert [row.values for row in rows] == [
        {"study_id": "007", "report": "Edema.", "age": 61},
        {"study_id": 12345, "report": None, "age": 3.5},
    ]
    assert [(row.line, row.number) for row in rows] == [(3, 1), (5, 2)]


def test_formulas_stay_text_and_are_said(tmp_path):
    path = workbook(
        tmp_path / "t.xlsx",
        [["study_id", "report"], ["1", "=cmd|' /C calc'!A0"], ["2", "=1+1"], ["3", "#N/A"]],
    )
    rows, said = read(path)
    assert [row["report"] for row in rows] == ["=cmd|' /C calc'!A0", "=1+1", "#N/A"]
    assert "2 cells hold a formula" in said


def test_which_of_several_sheets_is_read_is_said(tmp_path):
    path = workbook(tmp_path / "t.xlsx", [["study_id", "report"], ["1", "x"]], ["other"])
    assert "has 2 sheets; the first one, 'Sheet', is read" in read(path)[1]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "the first sheet is empty"),
        ([["study_id"]], "the table has no rows"),
        ([["study_id", "study_id"], ["1", "2"]], "column study_id stands twice"),
        ([["study_id"], ["1", "stray"]], "line 2: has 2 cells, expected 1"),
        ([[7, "report"], ["1", "x"]], "line 1: expected the names of the columns, not int"),
        ([["id"], ["1"]], r"lacks the column\(s\) study_id"),
    ],
)
def test_a_broken_sheet_is_one_sentence(tmp_path, rows, message):
    with pytest.raises(OrapoError, match=message):
        list(read_rows(workbook(tmp_path / "t.xlsx", rows), ["study_id"]))


def rewritten(path, change):
    """Change the XML of the first sheet."""
    with zipfile.ZipFile(path) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    parts["xl/worksheets/sheet1.xml"] = change(parts["xl/worksheets/sheet1.xml"])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return path


def test_a_sheet_that_claims_17_billion_cells_has_those_that_it_has(tmp_path):
    path = workbook(tmp_path / "t.xlsx", [["study_id", "report"], ["1", "x"]])
    rewritten(path, lambda xml: xml.replace(b'ref="A1:B2"', b'ref="A1:XFD1048576"'))
    assert read(path)[0] == [{"study_id": "1", "report": "x"}]


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = workbook(tmp_path / "t.xlsx", [["study_id", "report"], ["1", "x"]])
    rewritten(path, lambda xml: xml.replace(b"</sheetData>", b"</sheetData>" + b" " * (1 << 26)))
    assert path.stat().st_size < 200_000
    with pytest.raises(OrapoError, match="unpack to 64 MB, more than is read of an Excel file"):
        read(path)


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04 cut", b"\xd0\xcf\x11\xe0", b"study_id,report\n1,x\n"]
)
def test_what_is_no_workbook_is_one_sentence(tmp_path, content):
    path = tmp_path / "t.xlsx"
    path.write_bytes(content)
    with pytest.raises(OrapoError, match="not a readable Excel file"):
        read(path)


def test_without_the_extra_it_is_named(tmp_path, monkeypatch):
    path = workbook(tmp_path / "t.xlsx", [["study_id"], ["1"]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(OrapoError, match=r"pip install 'orapo\[excel\]'"):
        read(path)
