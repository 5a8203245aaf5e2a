"""`orapo reward-model` from the command line to its files."""

import json
import random

import pytest

from orapo import cli
from orapo.data.manifest import write_manifest
from orapo.data.study import Study
from orapo.preferences import Preference, write_preferences

FINDINGS = ("Edema", "Pleural Effusion", "Cardiomegaly", "Pneumothorax", "Consolidation")


@pytest.fixture
def given(tmp_path):
    """Forty studies; Dr A prefers what is right, Dr B what is long."""
    draw = random.Random(0)
    studies, rows = [], []
    for number in range(40):
        there = draw.sample(FINDINGS, 2)
        wrong = [name for name in FINDINGS if name not in there]
        right, longer = (
            f"{there[0]}.",
            f"{wrong[0]} and {wrong[1].lower()} are present in this film.",
        )
        study = Study(
            study_id=f"s{number}", patient_id=f"p{number}", images=(tmp_path / "film.png",),
            report=". ".join(there), labels=dict.fromkeys(there, 1), split="train",
        )  # fmt: skip
        studies.append(study)
        left, other = (right, longer) if draw.random() < 0.5 else (longer, right)
        for rater, liked in (("A", right), ("B", longer)):
            choice = "left" if liked == left else "right"
            about = (f"p{number}", study.study_id, study.patient_id, study.images, left, other)
            rows.append(Preference(*about, choice, rater, "x", "y"))
    write_manifest(tmp_path / "manifest.jsonl", studies)
    write_preferences(tmp_path / "preferences.jsonl", rows)
    return tmp_path


def run(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["orapo", "reward-model", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def files(folder):
    return [
        "--preferences",
        folder / "preferences.jsonl",
        "--references",
        folder / "manifest.jsonl",
    ]


def test_a_rater_s_taste_is_learned_where_the_other_is_left_out(given, monkeypatch, capsys):
    out = ["--out", given / "out", "--without", "B"]
    assert run(monkeypatch, "train", *files(given), *out) == 0
    screen = capsys.readouterr().out
    assert "1.000" in screen
    assert max(map(len, screen.splitlines()[:-1])) <= 80
    weights = json.loads((given / "out" / "reward_model.json").read_text())["weights"]
    assert weights["true_findings"] > 0
    # the other rater likes the opposite
    assert (
        run(monkeypatch, "check", given / "out", *files(given), "--out", given / "c", "--json") == 0
    )
    raters = json.loads(capsys.readouterr().out)["raters"]
    assert raters["A"]["accuracy"]["value"] == 1
    assert raters["B"]["accuracy"]["value"] == 0


def test_wrong_input_is_one_sentence(given, monkeypatch, capsys):
    (given / "preferences.jsonl").write_text('{"pair": "p0"}\n')
    assert run(monkeypatch, "train", *files(given), "--out", given / "out") == 2
    said = capsys.readouterr().err
    assert "preferences.jsonl" in said
    assert "Traceback" not in said
    assert not (given / "out").exists()


def test_an_unknown_kind_is_said(given, monkeypatch, capsys):
    assert run(monkeypatch, "train", *files(given), "--out", given / "o", "--kind", "magic") == 2
    assert "kind must be facts or vision" in capsys.readouterr().err
