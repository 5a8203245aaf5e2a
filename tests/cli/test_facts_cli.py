"""`orapo facts`, `orapo label` and `orapo reward` as a user calls them."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from orapo.cli import facts, label, reward
from orapo.data.tables import read_rows, write_rows
from orapo.errors import OrapoError
from orapo.labels import LABELS

BENCH = os.environ.get("ORAPO_BENCH")


@pytest.fixture
def orapo():
    """Run a command; an error about the input is raised, any other failure fails the test."""
    app = typer.Typer()
    for module in (facts, label, reward):
        module.add_to(app)

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if isinstance(result.exception, OrapoError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def table(path, rows):
    with write_rows(path, list(rows[0])) as write:
        for row in rows:
            write(row)
    return path


# facts


def test_facts_prints_sentences_facts_and_labels_with_their_evidence(orapo):
    text = "Lungs are clear. Small left pleural effusion."
    read = json.loads(orapo("facts", text))
    assert [sentence["text"] for sentence in read["sentences"]] == [
        "Lungs are clear.",
        "Small left pleural effusion.",
    ]
    fact = read["facts"][1]
    assert (fact["finding"], fact["polarity"]) == ("pleural effusion", "present")
    assert (fact["severity"], fact["laterality"], fact["sentence"]) == ("small", "left", 1)
    assert text[slice(*fact["span"])] == fact["text"] == "left pleural effusion"
    assert read["labels"]["Pleural Effusion"] == {"value": 1, "evidence": [1]}
    assert read["labels"]["Fracture"] == {"value": None, "evidence": []}


def test_facts_reads_a_file(orapo, tmp_path):
    path = tmp_path / "report.txt"
    path.write_text("No effusion.")
    assert json.loads(orapo("facts", "--file", path))["labels"]["Pleural Effusion"]["value"] == 0


def test_facts_takes_words_of_the_users_own(orapo, tmp_path):
    lexicon = tmp_path / "own.toml"
    lexicon.write_text('[[finding]]\nname = "pleural effusion"\nphrases = ["water on the lung"]\n')
    read = json.loads(orapo("facts", "No water on the lung.", "--lexicon", lexicon))
    assert read["labels"]["Pleural Effusion"]["value"] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[finding]\n", "not a TOML file"),
        ('[[finding]]\nphrases = ["x"]\n', "finding.0.name: Field required"),
        ('[[finding]]\nname = "x"\nlabels = ["Oedema"]\n', "unknown label 'Oedema'"),
        ('[[finding]]\nname = "x"\nphrases = ["a {b"]\n', "opening brace"),
        ('[cues]\ndeny_all = ["nope"]\n', "deny_all is not a kind of cue"),
        ('[[finding]]\nname = "x"\nphrases = ["..."]\n', "has no words"),
    ],
)
def test_a_broken_lexicon_is_refused_with_its_fault(orapo, tmp_path, content, message):
    lexicon = tmp_path / "own.toml"
    lexicon.write_text(content)
    with pytest.raises(OrapoError, match=message):
        orapo("facts", "x", "--lexicon", lexicon)


def test_facts_needs_a_text_or_a_file_but_not_both(orapo, tmp_path):
    for arguments in ([], ["text", "--file", tmp_path / "x"]):
        with pytest.raises(OrapoError, match="one of the two"):
            orapo("facts", *arguments)
    with pytest.raises(OrapoError, match=r"nowhere\.txt: can't be read"):
        orapo("facts", "--file", tmp_path / "nowhere.txt")


# label

REPORTS = [
    {"uid": "7", "report": "Possible small effusion. No pneumothorax. Cardiomegaly."},
    {"uid": "8", "report": "The lungs are clear."},
    {"uid": "9", "report": ""},
]


def test_label_writes_the_id_under_its_own_name_and_the_14_labels(orapo, tmp_path):
    out = tmp_path / "labels.csv"
    orapo("label", table(tmp_path / "in.csv", REPORTS), "--out", out, "--id-column", "uid")
    first, second, third = csv.DictReader(out.open())
    assert list(first) == ["uid", *LABELS]
    assert [
        first[name] for name in ("uid", "Pleural Effusion", "Pneumothorax", "Cardiomegaly")
    ] == [
        "7",
        "-1.0",
        "0.0",
        "1.0",
    ]
    assert first["Edema"] == ""
    assert second["No Finding"] == "1.0"
    assert {third[name] for name in LABELS} == {""}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_label_reads_and_writes_every_format(orapo, tmp_path, suffix):
    out = tmp_path / f"labels{suffix}"
    source = table(tmp_path / f"in{suffix}", REPORTS)
    summary = json.loads(orapo("label", source, "--out", out, "--id-column", "uid", "--json"))
    assert summary["reports"] == 3
    assert summary["without_facts"] == 1
    assert summary["labels"]["Pleural Effusion"] == {
        "positive": 0,
        "negative": 0,
        "uncertain": 1,
        "blank": 2,
    }
    rows = [row.values for row in read_rows(out, ["uid", *LABELS])]
    assert [str(row["uid"]) for row in rows] == ["7", "8", "9"]
    assert float(rows[0]["Cardiomegaly"]) == 1.0


def test_label_prints_a_summary_table(orapo, tmp_path):
    source = table(tmp_path / "in.csv", REPORTS)
    shown = orapo("label", source, "--out", tmp_path / "out.csv", "--id-column", "uid")
    assert "3 reports" in shown
    assert "No fact could be read from 1 report" in shown


def test_label_refuses_to_overwrite_its_input_and_names_missing_columns(orapo, tmp_path):
    source = table(tmp_path / "in.csv", REPORTS)
    with pytest.raises(OrapoError, match="is the input too"):
        orapo("label", source, "--out", source, "--id-column", "uid")
    with pytest.raises(OrapoError, match=r"lacks the column\(s\) study_id; it has uid, report"):
        orapo("label", source, "--out", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


# reward


def test_reward_scores_each_study_against_the_label_columns(orapo, tmp_path):
    labels = dict.fromkeys(LABELS) | {"Cardiomegaly": 1, "Pleural Effusion": 1}
    references = table(tmp_path / "r.jsonl", [{"study_id": "s1", **labels}])
    predictions = table(
        tmp_path / "p.csv", [{"study_id": "s1", "report": "Cardiomegaly. No effusion."}]
    )
    out = tmp_path / "out.jsonl"
    orapo("reward", "--predictions", predictions, "--references", references, "--out", out)
    (row,) = read_rows(out)
    assert row.values == {
        "study_id": "s1",
        "reward": 0.5,
        "precision": 0.5,
        "recall": 0.5,
        "tp": 1,
        "fp": 1,
        "fn": 1,
        "contradictions": 1,
        "readable": True,
    }


def test_reward_reads_the_references_labels_where_there_are_none(orapo, tmp_path):
    references = table(tmp_path / "r.csv", [{"study_id": "s", "report": "Mild cardiomegaly."}])
    text = "The cardiac silhouette is mildly enlarged."
    predictions = table(tmp_path / "p.csv", [{"study_id": "s", "report": text}])
    out = tmp_path / "o.csv"
    shown = orapo(
        "reward", "--predictions", predictions, "--references", references, "--out", out, "--json"
    )
    assert json.loads(shown)["mean_reward"] == 1.0


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a"], "lacks 1 studies, the first is b"),
        (["a", "b", "c"], "lacks 1 studies, the first is c"),
        (["a", "b", "a"], "line 4: study_id a stands twice"),
    ],
)
def test_reward_wants_the_same_studies_once_on_both_sides(orapo, tmp_path, ids, message):
    references = table(
        tmp_path / "r.csv", [{"study_id": name, "report": "Edema."} for name in "ab"]
    )
    predictions = table(
        tmp_path / "p.csv", [{"study_id": name, "report": "Edema."} for name in ids]
    )
    with pytest.raises(OrapoError, match=message):
        orapo(
            *("reward", "--predictions", predictions, "--references", references),
            *("--out", tmp_path / "o.csv"),
        )


# on real reports


@pytest.mark.bench
@pytest.mark.skipif(not BENCH, reason="ORAPO_BENCH is not set")
@pytest.mark.parametrize(
    ("name", "options", "floors"),
    [
        (
            "gold_dev.csv",
            [],
            {("U+", "macro_f1"): 0.96, ("U-", "macro_f1"): 0.92, ("neg", "micro_f1"): 0.99,
             ("unc", "micro_f1"): 0.85},
        ),
        ("openi_dev.csv", ["--blank", "skip"], {("U+", "micro_f1"): 0.92}),
    ],
)  # fmt: skip
def test_labels_of_real_reports_agree_with_people(orapo, tmp_path, name, options, floors):
    out, figures = tmp_path / "labels.csv", tmp_path / "figures.json"
    source = Path(BENCH) / name
    orapo("label", source, "--out", out, "--id-column", "uid")
    pytest.importorskip("pandas", reason="the scorer needs pandas")
    scorer = Path(BENCH) / "score_labels.py"
    command = [sys.executable, scorer, source, out, "--json", figures, *options]
    subprocess.run(command, check=True, capture_output=True)
    summary = json.loads(figures.read_text())["summary"]
    reached = {(view, figure): summary[view][figure] for view, figure in floors}
    assert all(reached[key] >= floor for key, floor in floors.items()), reached
