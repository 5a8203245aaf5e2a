"""Tables of the user: three formats, one row at a time, every fault said with its line."""

import gzip
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orapo.data.tables import records
from orapo.data.tables.reading import id_cell, read_rows, text_cell
from orapo.data.tables.writing import write_rows
from orapo.errors import OrapoError

ROWS = [
    {"study_id": "a", "report": 'Clear lungs, "normal".\nHeart: normal.', "score": 0.5},
    {"study_id": "b", "report": "Œdème – épanchement", "score": None},
]


def rows_of(path, required=()):
    return [row.values for row in read_rows(path, required)]


def write(path, rows, columns=("study_id", "report", "score"), **options):
    with write_rows(path, columns, **options) as write_row:
        for row in rows:
            write_row(row)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_jsonl_and_parquet_come_back_as_they_went(tmp_path, suffix):
    path = tmp_path / f"table{suffix}"
    write(path, ROWS)
    assert rows_of(path) == ROWS


def test_csv_comes_back_as_text(tmp_path):
    path = tmp_path / "table.csv"
    write(path, ROWS)
    assert rows_of(path) == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in ROWS
    ]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8")))
@example("a\rb")
@example('"\r\n')
def test_any_text_comes_back_from_csv(tmp_path, text):
    path = tmp_path / "table.csv"
    with write_rows(path, ("study_id", "report")) as write:
        write({"study_id": "s", "report": text})
    assert b"\r" not in path.read_bytes() or "\r" in text
    assert next(read_rows(path)).values == {"study_id": "s", "report": text}


def test_csv_with_byte_order_mark_and_a_very_long_field(tmp_path):
    path = tmp_path / "table.csv"
    long = "clear lungs " * 20_000
    path.write_bytes(b"\xef\xbb\xbfstudy_id,report\r\n1," + long.encode() + b"\r\n\r\n")
    assert rows_of(path, ["study_id", "report"]) == [{"study_id": "1", "report": long}]


def test_a_row_knows_the_line_it_ends_in(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('study_id,report\n1,"two\nlines"\n2,one\n')
    assert [row.line for row in read_rows(path)] == [3, 4]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "the file is empty"),
        ("t.csv", b"study_id,report\n", "the table has no rows"),
        ("t.csv", b"study_id\n1\n", r"lacks the column\(s\) report; it has study_id"),
        ("t.csv", b"study_id,report\n1,a\n2\n", "line 3: 1 fields, expected 2"),
        ("t.csv", b"study_id,report,report\n1,a,b\n", "report stands twice"),
        ("t.csv", b'study_id,report\n1,"a\n', "line 2: broken CSV"),
        ("t.csv", b"study_id,report\n1,\xe9panchement\n", "not UTF-8 text"),
        ("t.jsonl", b'{"study_id": 1, "report": ""}\n{"study_id"\n', "line 2: broken JSON"),
        ("t.jsonl", b"[1]\n", "line 1: expected a JSON object"),
        ("t.jsonl", b'{"study_id": 1}\n', "line 1: lacks the column"),
        ("t.jsonl", b"[" * 100_000, "line 1: broken JSON"),
        ("t.parquet", b"PAR1 and no more", "not a readable Parquet file"),
        ("t.xls", b"", "expected a file name ending in"),
        ("t.xlsx", b"", "not a readable Excel file"),
    ],
)
def test_a_fault_is_one_sentence_that_names_the_file(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(OrapoError, match=message) as caught:
        list(read_rows(path, ["study_id", "report"]))
    assert str(path) in str(caught.value)
    assert "panchement" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(OrapoError, match=r"nowhere\.csv: no such file"):
        list(read_rows(tmp_path / "nowhere.csv"))


def test_an_identifier_may_be_a_number_but_not_empty(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"study_id": 7}\n{"study_id": " s8 "}\n{"study_id": ""}\n{"study_id": 1.5}\n')
    number, text, *bad = read_rows(path)
    assert (id_cell(path, number, "study_id"), id_cell(path, text, "study_id")) == ("7", "s8")
    for row in bad:
        with pytest.raises(OrapoError, match=f"line {row.line}: study_id must be"):
            id_cell(path, row, "study_id")


def test_null_text_is_empty_and_a_number_is_no_text(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"report": None}) + "\n" + json.dumps({"report": 3}) + "\n")
    null, number = read_rows(path)
    assert text_cell(path, null, "report") == ""
    with pytest.raises(OrapoError, match="line 2: report must be text, not int"):
        text_cell(path, number, "report")


def test_an_older_file_stays_whole_when_writing_fails(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old\n")
    with pytest.raises(ValueError, match="fields not in"):
        write(path, [{"a": 1}, {"b": 2}], columns=["a"])
    assert path.read_text() == "old\n"
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


def test_parquet_knows_the_type_of_a_column_whose_first_rows_are_null(tmp_path):
    path = tmp_path / "out.parquet"
    rows = [{"x": None}] * 1500 + [{"x": 1.0}]
    write(path, rows, columns=("x",), types={"x": float})
    assert pq.read_schema(path).field("x").type == pa.float64()
    assert rows_of(path) == rows


def test_packed_tables_are_read_as_they_are(tmp_path):
    for name, content in (("t.csv.gz", b"a\n1\n"), ("t.jsonl.gz", b'{"a": "1"}\n')):
        path = tmp_path / name
        path.write_bytes(gzip.compress(content))
        assert rows_of(path) == [{"a": "1"}]


@pytest.mark.parametrize("cut", [5, 24, 30])
def test_a_packed_table_that_is_cut_off_is_one_sentence(tmp_path, cut):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a\n" + b"".join(b"%d\n" % i for i in range(99)))[:cut])
    with pytest.raises(OrapoError, match=r"t\.csv\.gz: broken or truncated gzip file"):
        rows_of(path)


def test_faulty_records_can_be_passed_over_and_are_all_told(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3\n\n4,5\n6,7,8\n")
    told = []
    rows = list(read_rows(path, on_fault=lambda *fault: told.append(fault)))
    assert [(row.line, row.number, row.values["a"]) for row in rows] == [(2, 1, "1"), (5, 3, "4")]
    assert [(line, number) for line, number, _ in told] == [(3, 2), (6, 4)]


def test_a_file_of_another_name_can_be_read_as_json_lines(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text('{"a": 1}\n{"a": 2}\n')
    assert [row.values for row in read_rows(path, kind=".jsonl")] == [{"a": 1}, {"a": 2}]


def test_where_a_table_stops_being_utf_8_is_said(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a\n" + b"x\n" * 20_000 + b"\xe9\n")
    with pytest.raises(
        OrapoError, match=r"line 20002: not UTF-8 text \(byte 0xe9 at position 40002"
    ):
        rows_of(path)
    path.write_bytes(b"a\n\xe9\n")
    assert [row.values for row in read_rows(path, encoding="latin-1")] == [{"a": "é"}]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "punycode"])
def test_an_encoding_that_is_not_the_files_is_one_sentence(tmp_path, encoding):
    path = tmp_path / "t.csv"
    path.write_text("study_id,report\n1,Clear lungs.\n")
    with pytest.raises(OrapoError, match=rf"t\.csv[^\n]*: not {encoding} text \([^\n]+$"):
        list(read_rows(path, encoding=encoding))


@pytest.mark.parametrize("length", [(1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_the_place_is_right_where_a_character_lies_across_two_parts(tmp_path, length):
    path = tmp_path / "t.csv"
    start = b"a\n" + b"x" * (length - 4) + b"\n"
    path.write_bytes(start + "é\n".encode() + b"\xff\n")
    with pytest.raises(OrapoError, match=f"line 4: .* at position {length + 2}"):
        rows_of(path)


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz", "table.jsonl", "table.jsonl.gz"])
@pytest.mark.parametrize("filling", ["a", " ", "\0"])
def test_a_line_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch, name, filling):
    monkeypatch.setattr(records, "LONGEST_LINE", 1000)
    head, middle, end = (
        ("study_id,report\n", "1,", "\n")
        if ".csv" in name
        else ('{"study_id": "1"}\n', '{"a": "', '"}')
    )
    path = tmp_path / name
    opened = gzip.open if name.endswith(".gz") else open
    with opened(path, "wt") as file:
        file.write(head + middle + 2000 * filling + end)
    with pytest.raises(OrapoError, match=rf"{name}, line 2: longer than 1,000 characters$"):
        rows_of(path)


def test_a_cell_over_many_lines_is_limited_too(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "LONGEST_LINE", 1000)
    path = tmp_path / "table.csv"
    path.write_text('study_id,report\n1,"' + "word\n" * 400 + '"\n')
    with pytest.raises(OrapoError, match=r"table\.csv, line 202: broken CSV \(field larger"):
        rows_of(path)


def test_a_column_that_stands_twice_is_refused_in_every_format(tmp_path):
    path = tmp_path / "table.parquet"
    column = pa.array(["x"])
    pq.write_table(pa.Table.from_arrays([column, column], names=["report", "report"]), path)
    with pytest.raises(OrapoError, match=r"table\.parquet: column report stands twice"):
        rows_of(path)
    (tmp_path / "table.csv").write_text("study_id,,\n1,,\n")
    with pytest.raises(OrapoError, match="column without a name stands twice"):
        rows_of(tmp_path / "table.csv")


@pytest.mark.parametrize(
    "line", ['{"study_id": "1", "study_id": "2"}', '{"a": [{"b": 1, "b": 1}]}']
)
def test_a_key_that_stands_twice_in_an_object_is_a_fault(tmp_path, line):
    path = tmp_path / "table.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(OrapoError, match=r"line 1: broken JSON \(a key stands twice\)"):
        rows_of(path)


def test_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / "table.csv"
    os.mkfifo(path)
    with pytest.raises(OrapoError, match=r"table\.csv: is no ordinary file"):
        rows_of(path)
