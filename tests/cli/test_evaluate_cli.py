"""`orapo evaluate` from the command line to its files."""

import csv
import json
import random
import re
import signal
import sys
from copy import copy

import numpy as np
import pytest
from PIL import Image

from orapo import cli, signals
from orapo.data.manifest import read_manifest, write_manifest
from orapo.data.study import Study
from orapo.data.tables.writing import write_rows
from orapo.labels import LABELS

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
    handlers = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.chdir(data)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["orapo", *arguments])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        return exit_.value.code, *capsys.readouterr()

    yield run
    for one, handler in handlers.items():
        signal.signal(one, handler)


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
    # one of one is no certainty: Wilson's interval for one patient
    assert float(effusion["f1_low"]) == pytest.approx(1 / (1 + 1.959964**2))
    assert float(effusion["f1_high"]) == 1
    page = (data / "out/report.html").read_text()
    assert page.count("<svg ") == 3  # plots
    assert page.count("data:image/jpeg;base64,") == 3  # every study
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
    assert "Studies of the page whose film can't be read: 3." in out


@pytest.mark.parametrize(
    ("reports", "options", "message"),
    [
        ({"x": ""}, (), "have no study_id in common"),
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


def metrics_of(data, out="out"):
    return json.loads((data / out / "metrics.json").read_text())


def test_a_missing_prediction_counts_as_an_empty_report_unless_allowed(orapo, data):
    predictions(data / "p.jsonl", {"t1": "Edema.", "t2": "", "x": "Edema."})
    code, out, _ = orapo(*EVALUATE, "--out", "out", "--partial")
    assert code == 0
    assert "Studies without a prediction: 1, counted as empty reports." in " ".join(out.split())
    assert "Predictions without a reference, left out: 1." in " ".join(out.split())
    strict = metrics_of(data)
    assert (strict["studies"], strict["missing_predictions"], strict["empty_predictions"]) == (
        3,
        1,
        1,
    )
    assert strict["missing_rule"] == "counted as empty reports"
    code, _, err = orapo(*EVALUATE, "--out", "out", "--allow-missing")
    assert (code, "1 of 3 (33.3 %) of p.jsonl without a reference, such as x" in err) == (2, True)
    predictions(data / "p.jsonl", {"t1": "Edema.", "t2": ""})
    code, _, err = orapo(*EVALUATE, "--out", "out")
    both = "--allow-missing leaves the studies without a prediction out, --partial counts each as"
    assert (code, both in " ".join(err.split())) == (2, True)
    code, _, err = orapo(*EVALUATE, "--out", "out", "--allow-missing")
    assert (code, "1 of 3 (33.3 %) studies of" in err) == (0, True)
    lenient = metrics_of(data)
    assert (lenient["studies"], lenient["missing_predictions"]) == (2, 0)
    assert lenient["model"]["macro_f1"] > strict["model"]["macro_f1"]


def test_labels_of_somebody_else_can_stand_on_either_side(orapo, data):
    columns = ["study_id", *LABELS]

    def table(name, labels):
        with write_rows(data / name, columns) as write:
            for study, positive in labels.items():
                write({"study_id": study, positive: 1})

    table("radiologists.csv", {"t1": "Fracture", "t2": "Fracture", "t3": "Fracture"})
    table("chexbert.csv", {"t1": "Fracture", "t2": "Edema", "t3": "Fracture"})
    orapo(
        *(*EVALUATE, "--out", "out", "--reference-labels", "radiologists.csv"),
        *("--prediction-labels", "chexbert.csv"),
    )
    metrics = metrics_of(data)
    assert metrics["model"]["per_label"]["Fracture"]["recall"] == pytest.approx(2 / 3)
    assert metrics["prediction_labels"] == "given (chexbert.csv)"
    page = (data / "out/report.html").read_text()
    held = json.loads((data / "out/report.json").read_text())
    found = [one["reports"][0]["outcome"]["found"] for one in held["studies"]]
    assert ["Fracture"] in found  # by the given labels, not FactS' own
    assert "by the labels that were given for the reports" in page
    table("few.csv", {"t1": "Fracture"})
    code, _, err = orapo(*EVALUATE, "--out", "out", "--reference-labels", "few.csv")
    assert code == 2
    assert "few.csv: lacks 2 of the 3 references' studies, the first is t2" in " ".join(err.split())
    table("excel.csv", dict.fromkeys(("T1", "T2", "T3"), "Fracture"))
    for option in ("--reference-labels", "--prediction-labels"):
        code, _, err = orapo(*EVALUATE, "--out", "out", option, "excel.csv")
        assert (code, "3 more would match if case did not count" in " ".join(err.split())) == (
            2,
            True,
        )


@pytest.mark.parametrize("option", ["--reference-labels", "--prediction-labels"])
@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("foo,Edema\nt1,1\n", "lacks the column(s) study_id; it has foo, Edema (call it study_id)"),
        (
            "accession,uid,Edema\nt1,t1,1\n",
            "columns accession, uid could each be the study's id; call the right one study_id",
        ),
        (
            "study_id,edema\nt1,1\n",
            "expected the 14 label columns (No Finding, Enlarged Cardiomediastinum ...), "
            "named as in CheXpert; it has study_id, edema",
        ),
    ],
)
def test_a_faulty_table_of_labels_names_no_option_that_is_another_table_s(
    orapo, data, option, table, told
):
    (data / "labels.csv").write_text(table)
    code, _, err = orapo(*EVALUATE, "--out", "out", option, "labels.csv")
    said = " ".join(err.split())
    assert (code, told in said) == (2, True), said
    assert "--id-column" not in said


def test_every_figure_has_an_interval_and_the_lift_over_the_best_trivial_row(orapo, data):
    orapo(*EVALUATE, "--train", "manifest.jsonl", "--out", "out", "--resamples", "200")
    detail = metrics_of(data)["detail"]
    macro = detail["conventions"]["macro_uncertain_negative"]["f1"]
    assert macro["value"] == pytest.approx(metrics_of(data)["model"]["macro_f1"])
    assert macro["low"] <= macro["value"] <= macro["high"]
    assert detail["lift"]["over"] == "all_positive"
    assert detail["method"]["resamples"] == 200
    assert detail["reports"]["facts_reward"]["value"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert detail["sameness"]["distinct_share"] == 1
    for row, headline in detail["headline"].items():
        scores = metrics_of(data)["model" if row == "model" else detail["lift"]["over"]]
        assert set(headline) == {
            "macro_precision", "macro_recall", "macro_f1", "micro_f1", "r2gen_macro_f1"
        }  # fmt: skip
        for name, figure in headline.items():
            assert figure["value"] == pytest.approx(scores[name])
            assert figure["low"] <= figure["value"] <= figure["high"]
    assert detail["wording"]["positive"]["cells"] == 3
    assert detail["hedging"] == {}


def test_order_and_workers_make_no_difference_to_a_byte(orapo, data):
    """Rows of every file in four orders, several patients and films, one process and two."""
    rng = random.Random(0)
    sentences = [text for text, _ in REPORTS.values()] + ["Possible pneumonia.", "Stable.", ""]
    studies = []
    for n in range(40):
        pixels = np.random.default_rng(n).integers(0, 255, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(data / f"{n}.png")
        studies.append(
            Study(
                study_id=f"s{n}",
                images=(data / f"{n}.png",),
                report=" ".join(rng.choices(sentences, k=2)),
                labels={},
                patient_id=f"p{n % 7}",
                split="test" if n % 2 else "train",
                sex="FM"[n % 3 > 0],
            )
        )
    reports = {f"s{n}": " ".join(rng.choices(sentences, k=2)) for n in range(1, 40, 2)}
    with write_rows(data / "theirs.csv", ("study_id", *LABELS)) as write:
        for name in reports:
            write({"study_id": name, rng.choice(LABELS): 1})
    written = (data / "theirs.csv").read_text().splitlines()
    results = set()
    for number, workers in enumerate(("1", "2", "1", "2")):
        mixed = random.Random(number)
        header, rows = written[0], mixed.sample(written[1:], len(reports))
        (data / "theirs.csv").write_text("\n".join([header, *rows]) + "\n")
        write_manifest(data / "m.jsonl", mixed.sample(studies, len(studies)))
        order = mixed.sample(sorted(reports), len(reports))
        predictions(data / "q.jsonl", {name: reports[name] for name in order})
        code, _, _ = orapo(
            *("evaluate", "q.jsonl", "--references", "m.jsonl", "--split", "test"),
            *("--train", "m.jsonl", "--prediction-labels", "theirs.csv"),
            *("--resamples", "100", "--seed", "5", "--workers", workers, "--out", "out"),
        )
        assert code == 0
        results.add((data / "out/metrics.json").read_bytes())
    (one,) = results
    metrics = json.loads(one)
    assert {"nearest_image", "most_frequent", "prevalence_random"} < metrics.keys()
    assert {"language", "subgroups", "lift"} < metrics["detail"].keys()
    assert "absent_rows" not in metrics
    orapo(
        *("evaluate", "q.jsonl", "--references", "m.jsonl", "--split", "test"),
        *("--train", "m.jsonl", "--prediction-labels", "theirs.csv"),
        *("--resamples", "100", "--seed", "6", "--out", "other"),
    )
    assert (data / "other/metrics.json").read_bytes() != one


def test_the_nearest_training_film_is_a_row_and_may_be_the_one_to_beat(orapo, data):
    """The films of t1 to t3 are equal, so that one training report stands for all of them."""
    studies = read_manifest(data / "manifest.jsonl")
    with_films = [
        one.model_copy(update={"images": studies[0].images})
        for one in studies
        if one.split == "train"
    ]
    write_manifest(data / "train.jsonl", with_films[1:2])  # "Left pleural effusion."
    code, out, _ = orapo(*EVALUATE, "--train", "train.jsonl", "--out", "out")
    assert code == 0
    metrics = json.loads((data / "out/metrics.json").read_text())
    effusion = metrics["nearest_image"]["per_label"]["Pleural Effusion"]
    assert (effusion["recall"], effusion["precision"]) == (1, pytest.approx(1 / 3))
    assert "Nearest training" in out
    _, out, _ = orapo(*EVALUATE, "--train", "manifest.jsonl", "--out", "out")
    said = " ".join(out.split())
    why = "no training study has a film and a report"
    assert f"Absent rows: Nearest training film ({why})." in said
    assert metrics_of(data)["absent_rows"] == {"nearest_image": why}


def test_words_are_compared_where_the_references_have_reports(orapo, data):
    code, out, _ = orapo(*EVALUATE, "--out", "out")
    assert code == 0
    language = json.loads((data / "out/metrics.json").read_text())["detail"]["language"]
    assert language["studies"] == 3
    bleu = {"bleu1", "bleu2", "bleu3", "bleu4"}
    assert set(language["figures"]) == bleu | {"chrf", "rouge_l", "cider"}
    assert set(language["r2gen"]["figures"]) == bleu | {"rouge_l", "cider"}
    for figure in (*language["figures"].values(), *language["r2gen"]["figures"].values()):
        assert figure["low"] <= figure["value"] <= figure["high"]
    assert "lower-cased" in language["convention"]
    assert "R2Gen" in language["r2gen"]["convention"]
    assert set(language["libraries"]) == {"sacrebleu", "rouge-score", "pycocoevalcap"}
    assert "ROUGE-L" in out
    assert "R2Gen ROUGE-L" in out
    page = (data / "out/report.html").read_text()
    assert "ROUGE-L without stemming" in page
    assert "R2Gen ROUGE-L" in page
    orapo(*EVALUATE, "--no-language", "--out", "none")
    assert "language" not in json.loads((data / "none/metrics.json").read_text())["detail"]


def test_without_the_extra_the_rest_is_written_unless_words_are_asked_for(orapo, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    code, out, _ = orapo(*EVALUATE, "--out", "out")
    assert code == 0
    assert "Language metrics absent: language metrics need" in " ".join(out.split())
    assert "language" not in metrics_of(data)["detail"]
    code, _, err = orapo(*EVALUATE, "--language", "--out", "none")
    assert (code, "pip install 'orapo[language]'" in " ".join(err.split())) == (2, True)


def test_references_without_reports_have_no_language_metrics(orapo, data):
    columns = ("study_id", *LABELS)
    with write_rows(data / "labels.csv", columns) as write:
        for name, (_, labels) in REPORTS.items():
            write({"study_id": name, **{label: labels.get(label, "") for label in LABELS}})
    code, out, _ = orapo("evaluate", "p.jsonl", "--references", "labels.csv", "--out", "out")
    assert code == 0
    assert "Language metrics absent: no reference has a report." in " ".join(out.split())
    predictions(data / "q.jsonl", dict.fromkeys(REPORTS, "Edema."))
    code, _, err = orapo(
        "compare", "p.jsonl", "q.jsonl", "--references", "labels.csv", "--language"
    )
    assert "--language needs a report of every study" in " ".join(err.split())
    assert code == 2


def test_without_radeval_the_rest_is_written_and_it_is_said_how_to_get_it(orapo, data, monkeypatch):
    (data / "radeval.py").write_text("raise ImportError('none here')")
    monkeypatch.setenv("PYTHONPATH", str(data))
    code, out, _ = orapo(*EVALUATE, "--radeval", "radgraph,green", "--out", "out")
    assert code == 1
    assert "pip install 'orapo[radeval]'" in " ".join(out.split())
    assert json.loads((data / "out/metrics.json").read_text())["detail"]["radeval"] == {}
    assert (data / "out/report.html").is_file()
    code, out, err = orapo(*EVALUATE, "--radeval", "radgraph", "--out", "out", "--json")
    assert (code, json.loads(out)["detail"]["radeval"]) == (1, {})
    assert "pip install 'orapo[radeval]'" in " ".join(err.split())
    code, _, err = orapo(*EVALUATE, "--radeval", "crimson", "--out", "out")
    assert (code, "'crimson'" in err) == (2, True)


def test_what_radeval_scored_stands_in_every_output(orapo, data, monkeypatch):
    (data / "radeval.py").write_text(
        "class RadEval:\n"
        "    def __init__(self, metrics, **options):\n"
        "        (self.metric,) = metrics\n"
        "    def __call__(self, refs, hyps):\n"
        "        if self.metric == 'green':\n"
        "            raise OSError('no weights')\n"
        "        if self.metric == 'bertscore':\n"
        "            return {'bertscore': [float('nan')] * len(refs)}\n"
        "        return {'radgraph_simple': [0.25] * len(refs)}\n"
    )
    meta = data / "radeval-2.2.1.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: radeval\nVersion: 2.2.1\n")
    monkeypatch.setenv("PYTHONPATH", str(data))
    code, out, _ = orapo(*EVALUATE, "--radeval", "radgraph,bertscore", "--out", "out")
    assert code == 0
    figures = metrics_of(data)["detail"]["radeval"]["figures"]
    quarter = {"value": 0.25, "low": 0.25, "high": 0.25}
    assert figures["radgraph_simple"] == {**quarter, "unit": "1 at best"}
    assert figures["bertscore"]["value"] is None
    assert "RadGraph simple" in out
    assert "By RadEval 2.2.1" in (data / "out/report.html").read_text()
    code, out, _ = orapo(*EVALUATE, "--radeval", "green,radgraph", "--out", "out")
    assert code == 1
    assert "RadEval's green absent: OSError: no weights." in " ".join(out.split())
    assert list(metrics_of(data)["detail"]["radeval"]["figures"]) == ["radgraph_simple"]


def test_compare_takes_words_in(orapo, data):
    predictions(data / "q.jsonl", {name: text for name, (text, _) in REPORTS.items()})
    options = ("--references", "manifest.jsonl", "--split", "test", "--resamples", "100")
    orapo("compare", "q.jsonl", "p.jsonl", *options, "--language", "--out", "c.json")
    result = json.loads((data / "c.json").read_text())
    rouge = next(one for one in result["comparisons"] if one["figure"] == "rouge_l")
    assert rouge["value_a"] == pytest.approx(1.0)
    assert "chrf" in {one["figure"] for one in result["comparisons"]}
    assert "q's ROUGE-L is higher than p's by" in rouge["in_words"]


def test_compare_says_in_words_which_system_is_better(orapo, data):
    predictions(data / "q.jsonl", {name: text for name, (text, _) in REPORTS.items()})
    options = ("--references", "manifest.jsonl", "--split", "test", "--resamples", "500")
    code, out, _ = orapo("compare", "q.jsonl", "p.jsonl", *options, "--out", "c.json")
    assert code == 0
    words = " ".join(out.split())
    assert "q's macro F1 is higher than p's by 0.444" in words
    assert "R2Gen macro F1" in words  # the papers' line beside it
    assert "Written: c.json" in words
    assert "_" not in words.replace("_positive", "")
    result = json.loads((data / "c.json").read_text())
    pair = next(one for one in result["comparisons"] if one["figure"] == result["headline"])
    assert 0 < pair["p"] <= pair["p_holm"] <= 1
    code, _, err = orapo("compare", "p.jsonl", *options)
    assert (code, "two systems or more" in err) == (2, True)


def test_compare_says_how_many_reports_are_not_english(orapo, data):
    predictions(
        data / "q.jsonl", dict.fromkeys(("t1", "t2", "t3"), "Kein Erguss und kein Infarkt.")
    )
    options = ("--references", "manifest.jsonl", "--split", "test", "--resamples", "100")
    code, _, err = orapo("compare", "q.jsonl", "p.jsonl", *options, "--out", "c.html")
    assert (code, "q: 3 of 3 reports are not English, not read" in " ".join(err.split())) == (
        0,
        True,
    )
    assert "q: 3 of 3 reports are not English" in (data / "c.html").read_text()


def test_a_reference_that_says_nothing_is_left_out_by_evaluate_and_compare_alike(orapo, data):
    named = {f"s{n}": "There is edema." for n in range(9)}
    predictions(data / "p.jsonl", named | {"e": "There is edema."})
    predictions(data / "q.jsonl", named | {"e": "There is edema."})
    predictions(data / "r.jsonl", named | {"e": "nan"})
    few = ("--references", "r.jsonl", "--resamples", "100")
    code, _, err = orapo("evaluate", "p.jsonl", *few, "--out", "o", "--no-language")
    said = "1 of 10 references of r.jsonl (10.0 %) can't be scored against: 1 empty, such as e;"
    assert (code, said in " ".join(err.split())) == (0, True)
    metrics = json.loads((data / "o/metrics.json").read_text())
    assert (metrics["studies"], metrics["references_left_out"]) == (9, {"empty": 1})
    # what is said of the study without a reference is no false alarm
    assert metrics["detail"]["conventions"]["micro_uncertain_positive"]["precision"]["value"] == 1
    code, _, err = orapo("compare", "p.jsonl", "q.jsonl", *few, "--out", "c.json")
    assert (code, said in " ".join(err.split())) == (0, True)
    assert json.loads((data / "c.json").read_text())["studies"] == 9


def test_a_column_that_holds_no_reports_is_not_scored_in_silence(orapo, data):
    predictions(data / "p.jsonl", {"t1": "Write the report.", "t2": "Write the report.", "t3": ""})
    code, _, err = orapo(*EVALUATE, "--out", "o", "--no-language")
    said = (
        "In 2 of the 2 reports of p.jsonl that are not empty no fact could be read, such as t1, t2"
    )
    assert (code, said in " ".join(err.split())) == (0, True)
    assert "no fact could be read, such as t1, t2" in (data / "o/report.html").read_text()


def test_compare_counts_the_predictions_that_are_missing(orapo, data):
    predictions(data / "q.jsonl", {"t1": "There is edema."})
    options = ("--references", "manifest.jsonl", "--split", "test", "--resamples", "100")
    code, _, err = orapo("compare", "p.jsonl", "q.jsonl", *options, "--out", "c.json")
    assert (code, "--partial" in err) == (2, True)
    code, out, err = orapo(
        "compare", "p.jsonl", "q.jsonl", *options, "--out", "c.json", "--partial"
    )
    assert (code, "WARNING: Ids that don't match: 2 of 3" in err) == (0, True)
    assert json.loads((data / "c.json").read_text())["missing_predictions"] == {"p": 0, "q": 2}
    assert "q lacks 2 of the 3 studies; each counts as an empty report." in " ".join(out.split())


def test_comparisons_count_as_invented_unless_an_earlier_study_was_given(orapo, data):
    lines = [json.loads(line) for line in (data / "p.jsonl").read_text().splitlines()]
    for given, value in (("", 1.0), ("report and film", None)):
        rows = [{**line, "report": "Stable.", "earlier_study": given} for line in lines]
        (data / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        words = [word if word != "p.jsonl" else "q.jsonl" for word in EVALUATE]
        orapo(*words, "--out", "out", "--resamples", "20")
        figures = metrics_of(data)["detail"]["reports"]
        assert figures["invented_comparisons"]["value"] == value
        assert figures["earlier_films"]["value"] == 1


def named(count, form="s{}"):
    """References and predictions of as many studies, whose ids are written as ``form`` says."""
    texts = [text for text, _ in REPORTS.values()]
    return {form.format(n): texts[n % 3] for n in range(count)}


def test_ids_in_capitals_are_no_worse_model_but_an_error_with_a_hint(orapo, data):
    predictions(data / "r.jsonl", named(100))
    half = {name.upper() if n % 2 else name: t for n, (name, t) in enumerate(named(100).items())}
    predictions(data / "q.jsonl", half)
    options = ("evaluate", "q.jsonl", "--references", "r.jsonl", "--out", "out")
    code, _, err = orapo(*options)
    assert code == 2
    said = " ".join(err.split())
    assert (
        "50 of 100 (50.0 %) studies of r.jsonl without a prediction, such as s1, s11, s13" in said
    )
    assert "50 of 100 (50.0 %) of q.jsonl without a reference, such as S1, S11, S13" in said
    assert "50 more would match if case did not count (--partial goes on all the same)" in said
    assert not (data / "out").exists()
    code, _, err = orapo(*options, "--partial")
    assert (code, "WARNING: Ids that don't match" in err) == (0, True)
    page = (data / "out/report.html").read_text()
    assert '<p class="warning" role="alert">' in page
    assert "50 more would match if case did not count" in page
    unmatched = metrics_of(data)["unmatched"]
    assert (unmatched["references"], unmatched["predictions"]) == (50, 50)
    assert unmatched["prediction_ids"] == ["S1", "S11", "S13"]


@pytest.mark.parametrize(("missing", "warned"), [(2, False), (3, True)])
def test_above_two_percent_nobody_overlooks_it(orapo, data, missing, warned):
    predictions(data / "r.jsonl", named(100))
    predictions(data / "q.jsonl", dict(list(named(100).items())[missing:]))
    code, out, err = orapo("evaluate", "q.jsonl", "--references", "r.jsonl", "--out", "out")
    assert code == 0
    assert ("WARNING" in err) == warned
    assert f"Studies without a prediction: {missing}" in out


def test_predictions_of_another_split_are_not_unmatched(orapo, data):
    studies = read_manifest(data / "manifest.jsonl")
    predictions(data / "p.jsonl", {one.study_id: "Edema." for one in studies})
    code, _, err = orapo(*EVALUATE, "--out", "out")
    assert (code, err) == (0, "")
    assert metrics_of(data)["unmatched"]["predictions_of_another_split"] == 4


def test_a_column_that_was_guessed_is_said_on_screen_and_page(orapo, data):
    (data / "p.csv").write_text("uid;prediction\nt1;Edema.\nt2;\nt3;\n")
    code, _, err = orapo(
        "evaluate", "p.csv", "--references", "manifest.jsonl", "--split", "test", "--out", "out"
    )
    assert code == 0
    page = (data / "out/report.html").read_text()
    for said in (
        "p.csv: the study's id is read from column 'uid' (--id-column)",
        "p.csv: the report is read from column 'prediction' (--text-column)",
        "p.csv: read as separated by ';'",
    ):
        assert said in " ".join(err.split())
        assert said.replace("'", "&#39;") in page


def test_one_table_with_both_texts_is_not_scored_against_itself(orapo, data):
    (data / "both.csv").write_text("id,reference,model\n1,Edema.,Edema.\n2,Effusion.,Clear.\n")
    options = ("evaluate", "both.csv", "--references", "both.csv", "--out", "out")
    code, _, err = orapo(*options, "--text-column", "reference")
    assert (code, "word for word its reference" in err) == (0, True)
    names = ("--text-column", "model", "--reference-text-column", "reference")
    code, _, err = orapo(*options, *names)
    assert (code, "word for word" in err) == (0, False)
    assert metrics_of(data)["model"]["macro_f1"] == pytest.approx(1 / 2)
    code, _, err = orapo(*options, "--text-column", "words")
    assert code == 2
    assert "--text-column words: no such column in both.csv and both.csv" in err


def test_columns_of_the_references_are_asked_for_by_their_own_options(orapo, data):
    (data / "p.csv").write_text("id,prediction\n1,Edema.\n2,Effusion.\n")
    (data / "r.csv").write_text("film,words\n1,Edema.\n2,Effusion.\n")
    options = ("evaluate", "p.csv", "--references", "r.csv", "--out", "out")
    code, _, err = orapo(*options)
    asked = "name them with --reference-id-column and --reference-text-column"
    assert (code, asked in " ".join(err.split())) == (2, True)
    names = ("--reference-id-column", "film", "--reference-text-column", "words")
    assert orapo(*options, *names)[0] == 0
    code, _, err = orapo(*options, *names[:2])
    assert (code, "name it with --reference-text-column" in " ".join(err.split())) == (2, True)


def test_both_conventions_for_uncertain_stand_on_the_screen(orapo, data):
    predictions(
        data / "p.jsonl", {"t1": "Possible edema.", "t2": "Effusion.", "t3": "Clear lungs."}
    )
    _, out, _ = orapo(*EVALUATE, "--out", "out")
    lines = [line.split() for line in out.splitlines()]
    (positive,) = [line for line in lines if line[:1] == ["positive"]]
    (negative,) = [line for line in lines if line[:1] == ["negative"]]
    (r2gen,) = [line for line in lines if line[:2] == ["negative,", "R2Gen's"]]
    assert (positive[1], negative[1]) == ("1.000", "0.667")
    assert r2gen[2] == "0.143"
    assert metrics_of(data)["uncertain"] == "positive"


def test_each_study_has_a_row_with_labels_errors_and_figures(orapo, data):
    predictions(data / "p.jsonl", {"t1": "Edema.", "t2": "No effusion. Edema."})
    options = (*EVALUATE, "--partial", "--out", "out")
    orapo(*options)
    rows = {row["study_id"]: row for row in csv.DictReader((data / "out/per_study.csv").open())}
    assert list(rows) == ["t1", "t2", "t3"]
    assert (rows["t1"]["facts_reward"], rows["t1"]["found"]) == ("1", "Edema")
    assert [rows[name]["prediction"] for name in rows] == ["given", "given", "missing"]
    wrong = rows["t2"]
    assert (wrong["false_alarms"], wrong["missed_labels"]) == ("Edema", "Pleural Effusion")
    assert wrong["contradicted_labels"] == "Pleural Effusion"
    cells = (wrong["reference Pleural Effusion"], wrong["generated Pleural Effusion"])
    assert (cells, wrong["uncertain"]) == (("1.0", "0.0"), "positive")
    assert "generated_report" not in wrong  # texts only if they are asked for
    orapo(*options, "--texts")
    (_, row, _) = csv.DictReader((data / "out/per_study.csv").open())
    assert (row["generated_report"], row["reference_report"]) == (
        "No effusion. Edema.",
        "Left pleural effusion.",
    )


def test_a_comparison_can_be_a_page(orapo, data):
    predictions(data / "q.jsonl", {name: text for name, (text, _) in REPORTS.items()})
    options = ("--references", "manifest.jsonl", "--split", "test", "--resamples", "100")
    code, _, _ = orapo("compare", "q.jsonl", "p.jsonl", *options, "--out", "c.html")
    assert code == 0
    page = (data / "c.html").read_text()
    assert "q&#39;s macro F1 is higher than p&#39;s" in page
    assert "Uncertain counts as positive; in R2Gen macro F1 as negative" in page
    assert "R2Gen macro F1 beside clinical-efficacy macro F1 of R2Gen&#39;s family" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    held = json.loads((data / "c.report.json").read_text())
    assert [one["study_id"] for one in held["studies"]] == sorted(REPORTS)
    assert [one["title"] for one in held["studies"][0]["reports"]] == ["q", "p"]
    (wins,) = held["comparison"]["wins"]
    assert (wins["a"], wins["b"], wins["studies"]["losses"]) == ("q", "p", 0)
    assert page.count("data:image/jpeg;base64,") == len(REPORTS)


def test_a_comparison_without_an_ending_is_a_folder_as_that_of_evaluate(orapo, data):
    options = ("--references", "manifest.jsonl", "--split", "test", "--resamples", "100")
    predictions(data / "q.jsonl", {name: text for name, (text, _) in REPORTS.items()})
    code, out, _ = orapo("compare", "q.jsonl", "p.jsonl", *options, "--out", "both")
    assert code == 0
    assert "Written: both/report.html, both/report.json, both/comparison.json" in " ".join(
        out.split()
    )
    names = {path.name for path in (data / "both").iterdir()}
    assert names == {"report.html", "report.json", "comparison.json"}
    figures = json.loads((data / "both/comparison.json").read_text())
    assert (
        figures["comparisons"]
        == json.loads((data / "both/report.json").read_text())["comparison"]["comparisons"]
    )
    (data / "taken").write_text("{}")
    code, _, err = orapo("compare", "q.jsonl", "p.jsonl", *options, "--out", "taken")
    assert (code, (data / "taken").read_text()) == (2, "{}")
    assert "taken: a name without an ending is a folder" in " ".join(err.split())


def test_films_can_be_left_out_of_a_page(orapo, data):
    options = ("--references", "manifest.jsonl", "--split", "test", "--resamples", "100")
    orapo("evaluate", "p.jsonl", *options, "--no-films", "--out", "out")
    assert "data:image/jpeg" not in (data / "out/report.html").read_text()


@pytest.mark.parametrize(
    ("end", "code", "word"),
    [(KeyboardInterrupt(), 130, "interrupted"), (signals.Terminated(143), 143, "terminated")],
)
@pytest.mark.parametrize(
    ("command", "at", "kept"),
    [
        ("evaluate", "inputs.read_references", "nothing was written to out"),
        # per_study.csv is there by then
        ("evaluate", "pages.output.write_evaluation", "what was finished is kept in out"),
        ("compare", "inputs.read_references", "nothing was written to out.html"),
        ("reward", "", "nothing was written to out.csv"),
    ],
)
def test_an_interrupted_command_says_in_one_line_what_is_kept(
    orapo, data, monkeypatch, command, at, kept, end, code, word
):
    def stop(*words, **options):
        raise copy(end)

    monkeypatch.setattr(f"orapo.evaluation.{at}" if at else "orapo.cli.reward._score_text", stop)
    words = {
        "evaluate": (*EVALUATE, "--out", "out"),
        "compare": ("compare", "p.jsonl", "p2.jsonl", "--references", "manifest.jsonl"),
        "reward": ("reward", "--predictions", "p.jsonl", "--references", "p.jsonl"),
    }[command]
    out = kept.rpartition(" ")[2]
    (data / "p2.jsonl").write_text((data / "p.jsonl").read_text())
    found, _, err = orapo(*words, *(() if command == "evaluate" else ("--out", out)))
    assert (found, err) == (code, f"orapo: {word}; {kept}\n")
    assert (data / out).exists() == ("nothing" not in kept)


@pytest.mark.parametrize("convention", ["rexrank", "rexrank-findings"])
def test_by_rexrank_s_convention_it_scores_its_sections_and_writes_its_files(
    orapo, data, convention
):
    one = {"section_findings": "Edema.", "section_impression": "CHF.", "report": "Edema. CHF."}
    studies = {
        "a": {**one, "model_prediction": "Findings: Edema."},
        "b": {**one, "section_findings": None, "model_prediction": "Findings: Clear."},
    }
    (data / "s.json").write_text(json.dumps(studies))
    words = ("evaluate", "s.json", "--references", "s.json", "--convention", convention)
    code, out, _ = orapo(*words, "--out", "out", "--resamples", "20")
    assert code == 0
    found = json.loads((data / "out/metrics.json").read_text())["detail"]["rexrank"]
    alone = convention == "rexrank-findings"
    assert (found["studies"], found["left_out"]) == ((1, 1) if alone else (2, 0))
    assert found["figures"]["bleu_score"]["value"] == pytest.approx(1.0 if alone else 0.2, abs=0.2)
    assert "ReXrank's bertscore, semb_score" in " ".join(out.split())
    assert "rexrank.json, rexrank.csv" in " ".join(out.split())
    assert (
        list(json.loads((data / "out/rexrank.json").read_text())) == ["a", "b"][: 1 + (not alone)]
    )
    page = (data / "out/report.html").read_text()
    assert "By ReXrank" in page
    assert page.count("May stand beside:") > 1


def test_an_option_of_rexrank_s_radeval_that_it_lacks_is_refused_before_anything_is_read(orapo):
    code, _, err = orapo(
        *EVALUATE, "--out", "out", "--convention", "rexrank", "--radeval", "f1chexbert"
    )
    assert code == 2
    assert "expected all or some of rexrank, ratescore, green" in " ".join(err.split())
