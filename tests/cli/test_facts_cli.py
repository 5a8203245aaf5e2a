"""`orapo facts`, `orapo label` and `orapo reward` as a user calls them."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from commands import invoke
from fake_judge import FakeJudge
from orapo.cli import cache, evaluate, facts, label, reward
from orapo.data.resumable import ResumableRows
from orapo.data.tables.reading import read_rows
from orapo.data.tables.writing import write_rows
from orapo.errors import OrapoError
from orapo.labels import LABELS

BENCH = os.environ.get("ORAPO_BENCH")


@pytest.fixture
def orapo():
    def run(*words, exit_code=0):
        return invoke((facts, label, reward, cache), words, exit_code).stdout

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
    source.write_text(source.read_text().replace("uid,", "film,"))
    with pytest.raises(OrapoError, match=r"lacks the column\(s\) study_id; it has film, report"):
        orapo("label", source, "--out", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_label_on_several_cores_gives_the_same_table(orapo, tmp_path):
    rows = [{"study_id": str(n), "report": f"Effusion in film {n}."} for n in range(1200)]
    source = table(tmp_path / "in.csv", rows)
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    orapo("label", source, "--out", one)
    orapo("label", source, "--out", two, "--workers", "2")
    assert one.read_text() == two.read_text()


def test_an_interrupted_label_run_goes_on_where_it_stopped(orapo, tmp_path, monkeypatch):
    source = table(
        tmp_path / "in.csv", [{"study_id": str(n), "report": "Edema."} for n in range(500)]
    )
    out = tmp_path / "out.csv"
    read = []

    def stopping_after(count):
        def labels_of(lexicon, item):
            read.append(item[0])
            if len(read) > count:
                raise KeyboardInterrupt
            return {"id": item[0], "labels": [None] * 14, "readable": False}

        return labels_of

    monkeypatch.setattr(label, "_labels_of", stopping_after(450))
    orapo("label", source, "--out", out, exit_code=130)
    assert not out.exists()
    rows = tmp_path / ".out.csv.rows"
    with rows.open("ab") as file:  # and killed in the middle of a line
        file.write(b'{"id": "half')
    read.clear()
    monkeypatch.setattr(label, "_labels_of", stopping_after(500))
    orapo("label", source, "--out", out)
    assert read == [str(n) for n in range(450, 500)]
    assert [row.values["study_id"] for row in read_rows(out)] == [str(n) for n in range(500)]
    assert not rows.exists()


def test_ids_that_stand_twice_are_counted_and_said(orapo, tmp_path):
    rows = [{"study_id": name, "report": "Edema."} for name in ("1", "2", "1", " 1 ")]
    source, out = table(tmp_path / "in.csv", rows), tmp_path / "out.csv"
    app = typer.Typer()
    label.add_to(app)
    result = CliRunner().invoke(app, [str(source), "--out", str(out), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["duplicate_ids"] == 2
    (warning,) = result.stderr.splitlines()
    assert warning.startswith(
        f"warning: {source}: 2 rows have an id that stands further up (line 4: study_id 1 stands "
        "already in line 2)"
    )
    assert [row.values["study_id"] for row in read_rows(out)] == ["1", "2", "1", "1"]
    assert json.loads(orapo("label", table(source, rows[:2]), "--out", out, "--json"))["duplicate_ids"] == 0  # fmt: skip


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_one_sentence(orapo, tmp_path, monkeypatch):
    def full(path, *, anew):
        if not anew:
            raise FileNotFoundError(path)  # no earlier run; /dev/full can be read without end
        return os.open("/dev/full", os.O_RDWR)

    monkeypatch.setattr("orapo.data.resumable.open_own", full)
    with pytest.raises(OrapoError, match=r"\.out\.csv\.rows: can't be written \(No space left"):
        orapo("label", table(tmp_path / "in.csv", REPORTS), "--out", tmp_path / "out.csv",
              "--id-column", "uid")  # fmt: skip


def test_rows_of_another_input_are_not_taken_over(tmp_path):
    out = tmp_path / "out.csv"
    kept = ResumableRows(out, ["first"])
    kept.add({"id": "1"})
    kept.close()
    assert ResumableRows(out, ["first"]).done == 1
    assert ResumableRows(out, ["second"]).done == 0
    assert ResumableRows(out, ["first"]).done == 0


def test_label_for_another_label_set(orapo, tmp_path):
    source = table(tmp_path / "in.csv", [{"study_id": "1", "report": "Hiatal hernia. No mass."}])
    out = tmp_path / "out.csv"
    orapo("label", source, "--out", out, "--lexicon", "nih14")
    (row,) = read_rows(out)
    assert len(row.values) == 1 + 15
    assert (row.values["Hernia"], row.values["Mass"], row.values["Nodule"]) == ("1.0", "0.0", "")


def judging(url, tmp_path):
    return (
        *("--engine", "llm", "--judge-model", "judge", "--judge-url", url, "--timeout", "2"),
        *("--retries", "1", "--cache", tmp_path / "judge.sqlite", "--json"),
    )


def test_reports_that_the_judge_fails_on_are_left_out_listed_and_asked_for_again(orapo, tmp_path):
    source = table(
        tmp_path / "in.csv",
        [{"study_id": name, "report": f"{name} effusion."} for name in ("Left", "Right", "Small")],
    )
    out = tmp_path / "out.csv"
    judge = FakeJudge(lambda text, attempt: "broken JSON" if "Right" in text else None)
    with judge.serving() as url:
        shown = orapo("label", source, "--out", out, *judging(url, tmp_path), exit_code=1)
        assert [row.values["study_id"] for row in read_rows(out)] == ["Left", "Small"]
        (failure,) = read_rows(Path(json.loads(shown)["failures"]))
        assert failure.values == {"study_id": "Right", "reason": "no JSON"}
        assert json.loads(shown)["judge"]["failed"] == 1
        judge.fault = lambda text, attempt: None
        before = judge.calls
        orapo("label", source, "--out", out, *judging(url, tmp_path))
        assert judge.calls == before + 1
    assert len(list(read_rows(out))) == 3
    assert not (tmp_path / "out.csv.failures.csv").exists()


def test_kept_verdicts_are_counted_and_purged(orapo, tmp_path):
    source = table(tmp_path / "in.csv", [{"study_id": "1", "report": "Edema."}])
    with FakeJudge().serving() as url:
        orapo("label", source, "--out", tmp_path / "out.csv", *judging(url, tmp_path))
    file = ("--cache", tmp_path / "judge.sqlite")
    assert "1 verdicts" in orapo("cache", *file)
    assert "1 verdicts purged" in orapo("cache", *file, "--purge")
    assert json.loads(orapo("cache", *file, "--json"))["verdicts"] == 0


def test_the_judge_needs_a_model_and_leave_to_go_elsewhere(orapo, tmp_path):
    source = table(tmp_path / "in.csv", [{"study_id": "1", "report": "Edema."}])
    command = ("label", source, "--out", tmp_path / "out.csv", "--engine", "llm")
    with pytest.raises(OrapoError, match="--judge-model"):
        orapo(*command)
    with pytest.raises(OrapoError, match="--allow-remote"):
        orapo(*command, "--judge-model", "m", "--judge-url", "https://example.org/v1")


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
        (["a"], r"1 of 2 \(50.0 %\) studies of .*r\.csv without a prediction, such as b"),
        (["a", "b", "c"], r"1 of 3 \(33.3 %\) of .*p\.csv without a reference, such as c"),
        (["A", "B"], "2 more would match if case did not count"),
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


def test_reward_treats_ids_that_do_not_match_as_evaluate_does(orapo, tmp_path):
    references = table(
        tmp_path / "r.csv", [{"study_id": f"s{n}", "report": "Edema."} for n in range(40)]
    )
    predictions = table(
        tmp_path / "p.csv", [{"study_id": f"s{n}", "report": "Edema."} for n in range(2, 41)]
    )
    out = tmp_path / "o.csv"
    words = ("--predictions", predictions, "--references", references)
    done = invoke((reward,), ("reward", *words, "--out", out, "--json"))
    assert "WARNING: Ids that don't match: 2 of 40 (5.0 %) studies of" in done.stderr
    summary = json.loads(done.stdout)
    assert (summary["missing_predictions"], summary["predictions_without_reference"]) == (2, 1)
    assert summary["unmatched"]["prediction_ids"] == ["s40"]
    assert summary["mean_reward"] == 38 / 40
    rewards = {row.values["study_id"]: row.values["reward"] for row in read_rows(out)}
    assert (rewards["s0"], rewards["s2"], rewards["s40"], len(rewards)) == ("0.0", "1.0", "", 41)
    words_of = ("--references", references, "--out", tmp_path / "page", "--resamples", 10)
    invoke((evaluate,), ("evaluate", predictions, *words_of, "--no-language"))
    metrics = json.loads((tmp_path / "page/metrics.json").read_text())
    assert metrics["detail"]["reports"]["facts_reward"]["value"] == summary["mean_reward"]
    few = table(tmp_path / "few.csv", [{"study_id": "s3", "report": "Edema."}])
    words = ("--predictions", few, "--references", references, "--out", out)
    with pytest.raises(OrapoError, match=r"39 of 40 \(97.5 %\) .*--partial goes on all the same"):
        orapo("reward", *words)
    assert json.loads(orapo("reward", *words, "--partial", "--json"))["mean_reward"] == 1 / 40


def test_reward_of_a_judge_that_failed_is_empty_and_not_zero(orapo, tmp_path):
    labels = dict.fromkeys(LABELS) | {"Pleural Effusion": 1}
    references = table(
        tmp_path / "r.jsonl", [{"study_id": name, **labels} for name in ("Left", "Right")]
    )
    predictions = table(
        tmp_path / "p.csv",
        [{"study_id": name, "report": f"{name} effusion."} for name in ("Right", "Left")],
    )
    out = tmp_path / "o.jsonl"
    judge = FakeJudge(lambda text, attempt: "time-out" if "Right" in text else None)
    with judge.serving() as url:
        shown = orapo(
            *("reward", "--predictions", predictions, "--references", references, "--out", out),
            *(*judging(url, tmp_path), "--timeout", "1"),
            exit_code=1,
        )
    rows = {row.values["study_id"]: row.values["reward"] for row in read_rows(out)}
    assert rows == {"Right": None, "Left": 1.0}
    assert (json.loads(shown)["failed"], json.loads(shown)["zero_reward_share"]) == (1, 0.0)


def test_reward_says_sentence_by_sentence_why(orapo, tmp_path):
    labels = dict.fromkeys(LABELS) | {"Cardiomegaly": 1, "Pleural Effusion": 1}
    references = table(tmp_path / "r.jsonl", [{"study_id": "s", "labels": labels}])
    text = "Cardiomegaly. No effusion. Rib fracture. Fine film."
    predictions = table(tmp_path / "p.csv", [{"study_id": "s", "report": text}])
    why = tmp_path / "why.jsonl"
    orapo(
        *("reward", "--predictions", predictions, "--references", references),
        *("--out", tmp_path / "o.csv", "--explain", why),
    )
    (row,) = read_rows(why)
    verdicts = [sentence["verdict"] for sentence in row.values["sentences"]]
    assert verdicts == ["entailed", "contradiction", "false_alarm", "unscored"]
    assert row.values["missed"] == row.values["contradicted"] == ["Pleural Effusion"]
    assert row.values["false_alarms"] == ["Fracture"]


def test_reward_reads_the_report_where_all_labels_are_blank(orapo, tmp_path):
    blank = dict.fromkeys(LABELS)
    references = table(tmp_path / "r.jsonl", [{"study_id": "s", **blank, "report": "Edema."}])
    predictions = table(tmp_path / "p.csv", [{"study_id": "s", "report": "Edema."}])
    options = ("--predictions", predictions, "--references", references)
    shown = orapo("reward", *options, "--out", tmp_path / "o.csv", "--json")
    assert json.loads(shown)["mean_reward"] == 1.0


def test_reward_overwrites_neither_of_its_inputs(orapo, tmp_path):
    references = table(tmp_path / "r.csv", [{"study_id": "s", "report": "Edema."}])
    predictions = table(tmp_path / "p.csv", [{"study_id": "s", "report": "Edema."}])
    before = predictions.read_text()
    with pytest.raises(OrapoError, match="is the input too"):
        orapo(
            *("reward", "--predictions", predictions, "--references", references),
            *("--out", predictions),
        )
    assert predictions.read_text() == before


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


def test_after_a_bad_row_nothing_is_kept_that_a_mended_file_could_not_use(orapo, tmp_path):
    source = tmp_path / "holes.csv"
    source.write_text("study_id,report\na,Edema.\n,Effusion.\n")
    with pytest.raises(OrapoError, match="line 3"):
        orapo("label", source, "--out", tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["holes.csv"]


def test_a_file_s_name_is_not_taken_for_a_report(orapo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.txt").write_text("Edema.")
    with pytest.raises(OrapoError, match=r"is a file; its text is read with --file report\.txt"):
        orapo("facts", "report.txt")
    assert json.loads(orapo("facts", "--file", "report.txt"))["labels"]["Edema"]["value"] == 1


def test_reward_on_a_terminal_is_few_lines_in_plain_words(orapo, tmp_path):
    reports = [{"study_id": "s", "report": "Small left effusion."}, {"study_id": "t", "report": ""}]
    path = table(tmp_path / "r.csv", [*reports[:1], {"study_id": "t", "report": "Edema."}])
    predictions = table(tmp_path / "p.csv", reports)
    words = ("reward", "--predictions", predictions, "--references", path, "--out")
    shown = orapo(*words, tmp_path / "o.csv")
    lines = [" ".join(line.split()) for line in shown.splitlines() if line.strip()]
    for said in (
        "Reports with a FactS reward 2 of 2",
        "Mean FactS (0 to 1) 0.5000",
        "With reward 0 50.0%",
        "Reports without a readable fact, reward 0 1",
        "Mean graded score (-1 to 1) 1.0000",
    ):
        assert said in lines
    assert len(lines) <= 12
    assert "_" not in shown.partition("Written:")[0]
    held = json.loads(orapo(*words, tmp_path / "o.csv", "--json"))
    assert (held["mean_reward"], held["zero_reward_share"], held["mean_graded"]) == (0.5, 0.5, 1.0)


def test_reward_has_the_graded_score_beside_facts_and_says_why(orapo, tmp_path):
    rows = [("s", "Small left effusion."), ("t", "No acute disease.")]
    references = table(
        tmp_path / "r.csv", [{"study_id": study, "report": text} for study, text in rows]
    )
    written = [("s", "Heart is normal. Large right effusion."), ("t", "The lungs are clear.")]
    predictions = table(
        tmp_path / "p.csv", [{"study_id": study, "report": text} for study, text in written]
    )
    out, why = tmp_path / "o.jsonl", tmp_path / "why.jsonl"
    shown = orapo(
        *("reward", "--predictions", predictions, "--references", references),
        *("--out", out, "--explain", why, "--json"),
    )
    wrong, right = [row.values for row in read_rows(out)]
    assert wrong["reward"] == right["reward"] == right["graded"] == 1
    assert wrong["graded"] < 0.1
    assert json.loads(shown)["mean_graded"] == pytest.approx((1 + wrong["graded"]) / 2)
    told = next(iter(read_rows(why))).values["graded"]
    assert [(each["category"], each["sentence"]) for each in told["errors"]] == [
        ("wrong location", "Large right effusion."),
        ("wrong severity or size", "Large right effusion."),
    ]


def test_an_unreadable_report_has_an_empty_graded_score_and_not_zero(orapo, tmp_path):
    references = table(tmp_path / "r.csv", [{"study_id": "s", "report": "Left effusion."}])
    predictions = table(tmp_path / "p.csv", [{"study_id": "s", "report": "lorem ipsum"}])
    out = tmp_path / "o.jsonl"
    orapo("reward", "--predictions", predictions, "--references", references, "--out", out)
    (row,) = read_rows(out)
    assert row.values["graded"] is None


def test_a_dash_is_standard_input_and_output(tmp_path):
    """In a process of its own: streams are what is tested."""

    def run(words, content, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "orapo", *words],
            input=content,
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert done.returncode == code, done.stderr
        return done.stdout, done.stderr

    shown, _ = run(["facts", "-"], "Small effusion.\n")
    assert json.loads(shown)["labels"]["Pleural Effusion"]["value"] == 1
    shown, told = run(["label", "-", "--out", "-"], "uid,report\n1,Edema.\n2,Clear.\n")
    assert "orapo: standard input: the study's id is read from column 'uid'" in told
    rows = list(csv.DictReader(io.StringIO(shown)))
    assert [(row["uid"], row["Edema"]) for row in rows] == [("1", "1.0"), ("2", "")]
    lines = '[{"study_id": 1, "report": {"findings": "Edema", "impression": "Effusion."}}]'
    (tmp_path / "r.csv").write_text("study_id,report\n1,Edema. Effusion.\n")
    shown, told = run(
        ["reward", "--predictions", "-", "--references", "r.csv", "--out", "-"], lines
    )
    (row,) = csv.DictReader(io.StringIO(shown))
    assert float(row["reward"]) == 1
    assert "FactS reward" in told
    told = run(["label", "-", "--out", "-", "--id-column", "x"], "uid,report\n1,Edema.\n", 2)[1]
    assert told.startswith("orapo: standard input: --id-column x: no such column")
    assert "nothing came" in run(["label", "-", "--out", "x.csv"], "", 2)[1]
    both = ["reward", "--predictions", "-", "--references", "-", "--out", "x.csv"]
    assert "for one table only" in run(both, lines, 2)[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.csv"]


def test_facts_are_a_coloured_table_on_a_terminal_and_json_elsewhere(orapo, monkeypatch):
    text = "Small left pleural effusion. No pneumothorax. Possible pneumonia."
    piped = json.loads(orapo("facts", text))
    monkeypatch.setattr("rich.console.Console.is_terminal", property(lambda console: True))
    shown = orapo("facts", text)
    (effusion,) = [line for line in shown.splitlines() if "pleural effusion" in line]
    for said in ("present", "left", "small", "Pleural Effusion positive"):
        assert said in effusion
    assert "Pneumothorax negative" in shown
    assert json.loads(orapo("facts", text, "--json")) == piped
    assert "No fact could be read" in orapo("facts", "xyz")


def test_a_reward_without_anything_to_score_is_none_and_not_zero(orapo, tmp_path):
    rows = [{"study_id": "1", "report": "xyz"}]
    references = table(tmp_path / "r.csv", rows)
    out = tmp_path / "o.csv"
    shown = orapo(
        "reward", "--predictions", references, "--references", references, "--out", out, "--json"
    )
    summary = json.loads(shown)
    assert (summary["scored"], summary["mean_reward"], summary["zero_reward_share"]) == (
        0,
        None,
        None,
    )


def test_what_has_no_reward_is_counted_by_its_reason(orapo, tmp_path):
    pairs = [
        ("1", "Small effusion.", "Left effusion."),
        ("2", "Kein Pneumothorax.", "No pneumothorax."),
        ("3", "No effusion.", "Kein Erguss, kein Pneumothorax."),
        ("4", "The lungs are clear.", "Large pneumoperitoneum."),
        ("5", "N\u043e edema.", "Mild edema."),
        ("6", "No edema.", "nan"),
    ]
    predictions, references = (
        table(tmp_path / name, [{"study_id": row[0], "report": row[place]} for row in pairs])
        for place, name in ((1, "p.csv"), (2, "r.csv"))
    )
    words = ("--predictions", predictions, "--references", references, "--out", tmp_path / "o.csv")
    summary = json.loads(orapo("reward", *words, "--json"))
    counted = (
        *("scored", "not_english", "references_not_english", "references_without_facts"),
        *("nothing_to_score", "disguised"),
    )
    assert [summary[name] for name in counted] == [2, 1, 1, 1, 1, 1]
    assert summary["mean_reward"] == 0.5
    shown = orapo("label", predictions, "--out", tmp_path / "l.csv")
    assert "not English, not read: 1 of 6, 17%" in shown
