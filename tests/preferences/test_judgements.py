"""Judgements of the web page and of filled sheets; every fault is named with file and row."""

import csv
import json

import pytest

from orapo.errors import OrapoError
from orapo.preferences.judgements import Judgement, joined, read_judgements, turned
from orapo.preferences.sheet import read_sheet_folder, write_sheet_folder

PAIRS = {f"p{number:04}": None for number in range(1, 6)}


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def said(pair, choice, rater="r", **more):
    return {"pair": pair, "rater": rater, "choice": choice, **more}


def filled_sheet(path, *rows):
    columns = ("pair", "left", "right", "rater", "choice", "reason", "seconds")
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_lines_of_the_web_page_are_read(tmp_path):
    path = lines(
        tmp_path / "j.jsonl",
        said("p0002", "tie", reason="same", seconds=3.5, judged_at="2026-11-25T10:00:00+00:00"),
        said("p0001", "left"),
    )
    found = read_judgements([path], PAIRS).given
    assert [(one.pair, one.choice, one.seconds) for one in found] == [
        ("p0001", "left", None),
        ("p0002", "tie", 3.5),
    ]


def test_a_rater_s_judgements_are_in_the_order_of_time_where_all_have_one(tmp_path):
    path = lines(
        tmp_path / "j.jsonl",
        said("p0001", "left", judged_at="2026-11-25T10:00:05+00:00"),
        said("p0002", "left", judged_at="2026-11-25T11:00:00+01:00"),
    )
    assert [one.pair for one in read_judgements([path], PAIRS).given] == ["p0002", "p0001"]


def test_a_later_judgement_of_the_web_page_replaces_the_earlier(tmp_path):
    path = lines(tmp_path / "j.jsonl", said("p0001", "left"), said("p0001", "tie"))
    found = read_judgements([path], PAIRS)
    assert [one.choice for one in found.given] == ["tie"]
    assert found.revised == 1


def test_a_filled_sheet_may_be_one_rater_s_and_may_have_gaps(tmp_path):
    path = filled_sheet(
        tmp_path / "dr_a.csv",
        {"pair": "p0001", "choice": " Left ", "seconds": "12"},
        {"pair": "p0002", "choice": ""},
        {"pair": "p0003", "choice": "TIE"},
    )
    found = read_judgements([path], PAIRS)
    assert found.given == [
        Judgement("p0001", "dr_a", "left", seconds=12.0),
        Judgement("p0003", "dr_a", "tie"),
    ]
    assert found.unjudged == 1


def test_a_filled_sheet_may_be_of_several_raters(tmp_path):
    path = filled_sheet(
        tmp_path / "all.csv",
        {"pair": "p0001", "rater": "a", "choice": "left"},
        {"pair": "p0001", "rater": "b", "choice": "right"},
    )
    assert {one.rater for one in read_judgements([path], PAIRS).given} == {"a", "b"}


def test_all_faults_are_listed_with_file_and_row_and_without_free_text(tmp_path):
    page = tmp_path / "j.jsonl"
    rows = [
        said("p0001", "both", reason="SECRET"),
        said("zzz", "left"),
        said("p0002", "left", seconds=-1),
        said("p0003", "left", judged_at="yesterday"),
        said("p0004", "left", rater=""),
        said("p0005", ["left"]),
        {"pair": "p0005", "choice": "left"},
        said("p0001", "left", rater="fine"),
    ]
    page.write_text("not JSON\n" + "".join(json.dumps(row) + "\n" for row in rows))
    by_hand = filled_sheet(
        tmp_path / "s.csv",
        {"pair": "p0001", "rater": "h", "choice": "left"},
        {"pair": "p0001", "rater": "h", "choice": "right"},
        {"pair": "p0002", "rater": "", "choice": "right"},
    )
    with pytest.raises(OrapoError) as error:
        read_judgements([page, by_hand], PAIRS)
    faults = str(error.value).splitlines()
    assert [fault.split(":")[0] for fault in faults] == [
        *(f"{page}, line {number}" for number in range(1, 9)),
        f"{by_hand}, line 3",
        f"{by_hand}, line 4",
    ]
    assert "SECRET" not in str(error.value)


def test_no_judgement_at_all_is_said(tmp_path):
    with pytest.raises(OrapoError, match="no judgement"):
        read_judgements([filled_sheet(tmp_path / "s.csv", {"pair": "p0001"})], PAIRS)


def test_swapping_sides_twice_changes_nothing():
    assert [turned(turned(choice)) for choice in ("left", "right", "tie")] == [
        "left",
        "right",
        "tie",
    ]
    assert turned("left") == "right"


def test_a_filled_sheet_csv_joins_with_the_key(sheet, tmp_path):
    write_sheet_folder(tmp_path, sheet, {})
    pairs, keys = read_sheet_folder(tmp_path)
    rows = list(csv.DictReader((tmp_path / "sheet.csv").open()))
    for row in rows:
        row |= {"rater": "r", "choice": "left"}
    filled = tmp_path / "filled.csv"
    with filled.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    preferences = joined(read_judgements([filled], pairs).given, pairs, keys)
    assert len(preferences) == len(sheet.pairs)
    assert preferences[0].left_source == sheet.keys[0].left_source
    assert preferences[0].left == sheet.pairs[0].left
