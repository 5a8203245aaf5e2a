"""`orapo evaluate` from the command line to its files."""

import csv
import json
import re
import signal

import pytest
from PIL import Image

from orapo import cli
from orapo.data.manifest import write_manifest
from orapo.data.study import Study

REPORTS = {
    "t1": ("There is edema.", {"Edema": 1}),
    "t2": ("Left pleural effusion.", {"Pleural Effusion": 1}),
    "t3": ("No acute disease.", {"No Finding": 1}),
}


@pytest.fixture
def data(tmp_path):
    """Three test studies with films, four training studies, and predictions for the former."""
    film = tmp_path / "film.png"
    Image.linear_gradient("L").resize((32, 32)).save(film)
    studies = [
        Study(study_id=name, images=(film,), report=text, labels=labels, split="test")
        for name, (text, labels) in REPORTS.items()
    ]
    for number, (text, labels) in enumerate([*REPORTS.values(), REPORTS["t1"]]):
        studies.append(Study(study_id=f"n{number}", report=text, labels=labels, split="train"))
    write_manifest(tmp_path / "manifest.jsonl", studies)
    predictions(tmp_path / "p.jsonl", {"t3": "", "t1": "Edema.", "t2": "Edema. Pleural effusion."})
    return tmp_path


def predictions(path, reports):
    lines = [json.dumps({"study_id": name, "report": text}) for name, text in reports.items()]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def orapo(monkeypatch, capsys, data):
    """Run `orapo ...` in the data's folder: exit code, stdout, stderr."""
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.chdir(data)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["orapo", *arguments])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        return exit_.value.code, *capsys.readouterr()

    yield run
    signal.signal(signal.SIGTERM, handler)


EVALUATE = ("evaluate", "p.jsonl", "--references", "manifest.jsonl", "--split", "test")


def test_it_writes_metrics_tables_and_page(orapo, data):
    code, out, _ = orapo(*EVALUATE, "--train", "manifest.jsonl", "--out", "out")
    assert code == 0
    metrics = json.loads((data / "out/metrics.json").read_text())
    # Edema: P 1/2, R 1; Effusion: P 1, R 1; No Finding: 0
    assert metrics["model"]["macro_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert metrics["model"]["micro_f1"] == pytest.approx(2 / 3)
    assert metrics["most_frequent"]["per_label"]["Edema"]["recall"] == 1
    assert metrics["most_frequent"]["macro_recall"] == pytest.approx(1 / 3)
    assert metrics["studies"] == 3
    assert metrics["empty_predictions"] == 1
    assert metrics["reference_labels"] == {"given": 3}
    rows = list(csv.DictReader((data / "out/per_label.csv").open()))
    assert {row["row"] for row in rows} == {
        "model", "all_positive", "all_negative", "most_frequent", "prevalence_random"
    }  # fmt: skip
    effusion = next(r for r in rows if (r["row"], r["label"]) == ("model", "Pleural Effusion"))
    assert (float(effusion["f1"]), effusion["support"]) == (1.0, "1")
    page = (data / "out/report.html").read_text()
    assert page.count("data:image/png;base64,") == 4  # the plot and three films
    assert "0.556" in out


def test_the_table_holds_the_trivial_rows_and_fits_80_columns(orapo):
    _, out, _ = orapo(*EVALUATE, "--train", "manifest.jsonl", "--out", "out")
    lines = out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    for title in ("Model", "All positive", "All negative", "Most frequent", "Random at"):
        assert sum(line.strip().startswith(title) for line in lines) == 1


def test_json_prints_the_metrics_and_nothing_else(orapo, data):
    _, out, _ = orapo(*EVALUATE, "--out", "out", "--json")
    assert json.loads(out) == json.loads((data / "out/metrics.json").read_text())


def test_rows_without_training_data_are_named_as_absent(orapo):
    _, out, _ = orapo(*EVALUATE, "--out", "out")
    said = " ".join(out.split())
    assert "Absent rows: Most frequent report, Random at prevalence" in said
    assert "--train MANIFEST" in said


def test_the_metrics_do_not_depend_on_the_order_of_the_rows(orapo, data):
    arguments = (*EVALUATE, "--train", "manifest.jsonl", "--out")
    orapo(*arguments, "one")
    lines = (data / "p.jsonl").read_text().splitlines()
    (data / "p.jsonl").write_text("\n".join(reversed(lines)))
    orapo(*arguments, "two")
    assert (data / "one/metrics.json").read_bytes() == (data / "two/metrics.json").read_bytes()


def test_films_that_are_gone_do_not_stop_the_scores(orapo, data):
    (data / "film.png").unlink()
    code, out, _ = orapo(*EVALUATE, "--out", "out")
    assert code == 0
    assert "Sample studies whose film can't be read: 3." in out


@pytest.mark.parametrize(
    ("reports", "options", "message"),
    [
        ({"t1": "", "t2": ""}, (), "p.jsonl: lacks 1 of the 3 studies of manifest.jsonl .* t3"),
        (
            {"t1": "", "t2": "", "t3": "", "x": ""},
            (),
            "manifest.jsonl: lacks 1 of the 4 studies of p.jsonl .* x",
        ),
        (None, ("--train", "gone.jsonl"), "gone.jsonl: no such file"),
        (None, ("--split", "valid"), "no study of the split 'valid'"),
        (None, ("--out", "film.png"), "film.png: expected a folder"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(orapo, data, reports, options, message):
    if reports:
        predictions(data / "p.jsonl", reports)
    code, out, err = orapo(*EVALUATE, "--out", "out", *options)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert re.search(message, err)
    assert not (data / "out").exists()


def test_a_forgotten_split_is_pointed_at(orapo):
    code, _, err = orapo("evaluate", "p.jsonl", "--references", "manifest.jsonl", "--out", "out")
    assert code == 2
    assert "choose it with --split" in err
