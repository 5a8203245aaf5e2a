"""The files of preferences are read back as they were written; faults are said with their line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orapo.errors import OrapoError
from orapo.preferences import Preference, read_preferences, write_preferences

ONE = Preference(
    pair="p0001",
    study_id="s1",
    patient_id="",
    images=(Path("/films/a.png"),),
    left="Edema.",
    right="No edema.",
    choice="tie",
    rater="r1",
    left_source="a",
    right_source="radiologist",
    repeats=None,
)


def test_what_is_written_is_read_back(tmp_path):
    both = [ONE, replace(ONE, pair="p0002", repeats="p0001", choice="left", images=())]
    write_preferences(tmp_path / "preferences.jsonl", both)
    assert read_preferences(tmp_path / "preferences.jsonl") == both


def test_the_format_is_what_others_read(tmp_path):
    write_preferences(tmp_path / "p.jsonl", [ONE])
    assert json.loads((tmp_path / "p.jsonl").read_text()) == {
        "pair": "p0001",
        "study_id": "s1",
        "patient_id": "",
        "images": ["/films/a.png"],
        "left": "Edema.",
        "right": "No edema.",
        "choice": "tie",
        "rater": "r1",
        "left_source": "a",
        "right_source": "radiologist",
        "repeats": None,
    }


def test_relative_images_start_at_the_file(tmp_path):
    write_preferences(tmp_path / "p.jsonl", [replace(ONE, images=(Path("films/a.png"),))])
    assert read_preferences(tmp_path / "p.jsonl")[0].images == (tmp_path / "films/a.png",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"choice": "both"}, "line 2: choice must be left, right or tie"),
        ({"images": "a.png"}, "line 2: images must be a list"),
        ({"left": 3}, "line 2: left must be text"),
        ({"rater": ""}, "line 2: rater must be"),
        ({}, "line 2: r1 has judged pair p0001 already"),
    ],
)
def test_a_fault_is_said_with_its_line(tmp_path, change, said):
    path = tmp_path / "p.jsonl"
    write_preferences(path, [ONE])
    line = json.loads(path.read_text())
    path.write_text(json.dumps(line) + "\n" + json.dumps({**line, **change}) + "\n")
    with pytest.raises(OrapoError, match=said):
        read_preferences(path)
