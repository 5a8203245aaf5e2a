"""No figure where there is none: a dash with its reason, None in JSON, and never a zero."""

import json
import re

import numpy as np
import pytest

from orapo.cli.parts.evaluation_screen import show_evaluation
from orapo.data.tables.writing import write_rows
from orapo.evaluation.bootstrap import Resampler
from orapo.evaluation.clinical import clinical_scores, evaluate_reports
from orapo.evaluation.figures.language import language_detail, language_figures
from orapo.evaluation.figures.r2gen_language import r2gen_detail, r2gen_figures
from orapo.evaluation.inputs import Reference
from orapo.evaluation.metrics import Evaluation, evaluation_metrics, language_metrics, read_texts
from orapo.evaluation.pages.output import write_evaluation
from orapo.evaluation.significance import compared
from orapo.facts import label_report
from orapo.labels import UncertainPolicy

AVERAGES = ("macro_f1", "macro_precision", "macro_recall", "micro_f1", "r2gen_macro_f1")


def evaluated(pairs, patients=None):
    """Evaluate pairs of generated and reference text through the whole way to the page's input."""
    reports = {f"s{n}": text for n, (text, _) in enumerate(pairs)}
    truth = {
        f"s{n}": Reference(
            f"s{n}", label_report(text).labels, "facts", text,
            patient_id=patients[n] if patients else "",
        )
        for n, (_, text) in enumerate(pairs)
    }  # fmt: skip
    read, stated = read_texts(reports, truth, 1)
    evaluation = Evaluation(
        reports, truth, read, stated, [one.labels for one in read], None, frozenset(),
        UncertainPolicy.POSITIVE, 50, 0,
    )  # fmt: skip
    metrics = evaluation_metrics(evaluation)
    metrics["detail"]["language"] = language_metrics(evaluation, True)[0]
    return metrics


def shown(metrics, tmp_path, capsys):
    """Write the files and print the screen; JSON must be JSON, without NaN."""
    write_evaluation(tmp_path / "out", metrics, [], [], UncertainPolicy.POSITIVE, "orapo")
    text = (tmp_path / "out/metrics.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in metrics.json"))
    show_evaluation(metrics, [], tmp_path)
    return (tmp_path / "out/report.html").read_text(), capsys.readouterr().out


def test_one_report_has_no_cider_and_no_interval(tmp_path, capsys):
    metrics = evaluated([("There is edema.", "There is edema.")])
    language = metrics["detail"]["language"]
    for figures in (language["figures"], language["r2gen"]["figures"]):
        assert figures["cider"]["value"] is None
        assert figures["cider"]["reason"] == "needs two references that differ"
        assert figures["rouge_l"]["value"] == pytest.approx(1)
        assert figures["rouge_l"]["low"] is None
    assert metrics["detail"]["reports"]["facts_reward"] == {"value": 1, "low": None, "high": None}
    assert metrics["detail"]["sameness"] == {"distinct_share": None, "most_common_share": None}
    page, screen = shown(metrics, tmp_path, capsys)
    assert "needs two references that differ" in page
    (line,) = [line for line in screen.splitlines() if line.strip().startswith("CIDEr")]
    assert line.split()[1] == "-"


def test_equal_references_have_no_cider(tmp_path, capsys):
    metrics = evaluated([("Edema.", "No acute disease.")] * 12)
    assert metrics["detail"]["language"]["figures"]["cider"]["value"] is None
    shown(metrics, tmp_path, capsys)


def test_references_that_differ_have_one():
    texts = ["Edema is seen.", "No acute disease."]
    resampler = Resampler(["", ""], 20)
    for detail, figures in ((language_detail, language_figures), (r2gen_detail, r2gen_figures)):
        assert detail(figures(texts, texts), resampler)["figures"]["cider"]["value"] > 0


def test_reports_of_one_word_have_no_bleu_of_two():
    resampler = Resampler(["", ""], 20)
    texts, references = ["Edema", "Normal"], ["There is edema.", "A normal film."]
    for detail, figures in ((language_detail, language_figures), (r2gen_detail, r2gen_figures)):
        found = detail(figures(texts, references), resampler)["figures"]
        assert found["bleu1"]["value"] is not None
        empty = detail(figures(["", ""], references), resampler)["figures"]
        assert empty["bleu1"]["value"] == pytest.approx(0)  # nothing said is nothing right
    assert found["bleu4"]["value"] is None
    assert found["bleu4"]["reason"] == "no generated report has 4 words"


def test_without_a_positive_reference_no_system_has_an_f1(tmp_path, capsys):
    nothing, claim = {"Edema": 0}, {"Edema": 1}
    for call in (nothing, claim):
        scores = clinical_scores([call] * 3, [nothing] * 3)
        assert all(np.isnan(getattr(scores, name)) for name in AVERAGES)
        plain = scores.as_dict()
        assert all(plain[name] is None for name in AVERAGES)
        assert plain["per_label"]["Edema"]["f1"] is None
        assert plain["per_label"]["Edema"]["precision"] == (0 if call is claim else None)
    metrics = evaluated([("There is edema.", "Hello."), ("Effusion.", "Hello you.")])
    assert all(metrics[row][name] is None for row in ("model", "all_positive") for name in AVERAGES)
    assert "lift" not in metrics["detail"]
    for convention in metrics["detail"]["conventions"].values():
        assert convention["f1"]["value"] is None
        assert "no label of it is positive" in convention["f1"]["reason"]
    page, _ = shown(metrics, tmp_path, capsys)
    assert "no label of it is positive in the references" in page
    assert np.isnan(evaluate_reports({"a": "Edema."}, {"a": {"Edema": 0}}).macro_f1)


def test_a_label_that_is_never_claimed_has_no_precision_and_enters_the_mean_as_zero(
    tmp_path, capsys
):
    metrics = evaluated([("There is edema.", "Edema."), ("Lungs clear.", "Fracture.")])
    fracture = metrics["model"]["per_label"]["Fracture"]
    assert (fracture["precision"], fracture["recall"], fracture["f1"]) == (None, 0, 0)
    detail = metrics["detail"]["per_label"]
    assert detail["Fracture"]["precision"]["reason"] == "never claimed"
    assert detail["Pneumonia"]["f1"]["reason"] == "no reference is positive"
    shown(metrics, tmp_path, capsys)
    with write_rows(tmp_path / "x.csv", ["a"]) as write:
        write({"a": fracture["precision"]})
    assert (tmp_path / "x.csv").read_text() == 'a\n""\n'


def test_reports_that_can_not_be_read_have_no_repetition_and_zero_facts(tmp_path, capsys):
    metrics = evaluated([("the the the", "There is edema."), ("xyz", "Effusion.")])
    reports = metrics["detail"]["reports"]
    assert reports["unreadable"]["value"] == 1
    assert reports["facts_reward"]["value"] == 0  # the model's failure, not the judge's
    assert reports["repetition"]["value"] is None
    assert reports["repetition"]["reason"] == "no fact could be read from any report"
    assert reports["graded_score"]["value"] == 0
    assert reports["graded_missed_finding"]["value"] == 1  # silence misses what is there
    _, screen = shown(metrics, tmp_path, capsys)
    (line,) = [line for line in screen.splitlines() if line.strip().startswith("Repeated facts")]
    assert line.split()[2:4] == ["-", "no"]
    unread = evaluated([("There is edema.", "xyz")])["detail"]["reports"]
    for name in ("graded_score", "graded_missed_finding"):
        assert (
            unread[name]["reason"]
            == "no study has a reference text that can be read, or no report is English"
        )


def test_counts_and_shares_have_their_units(tmp_path, capsys):
    metrics = evaluated([("There is edema. Effusion.", "Edema."), ("xyz", "Effusion.")])
    page, screen = shown(metrics, tmp_path, capsys)
    lines = {
        title.strip(): rest.split()
        for title, rest in (
            re.split(r"\s{2,}", line.strip(), maxsplit=1)
            for line in screen.splitlines()
            if re.search(r"\S\s{2,}\S", line)
        )
    }
    assert lines["Labels falsely claimed"][0] == "0.50"
    assert " ".join(lines["Labels falsely claimed"][-3:]) == "labels per report"
    assert lines["No readable fact"][:2] == ["50.0", "%"]
    assert "<td>labels per report</td>" in page
    for name, unit in (
        ("BLEU-1", "from 0 to 1"),
        ("ROUGE-L", "from 0 to 1"),
        ("CIDEr", "from 0 to 10"),
    ):
        assert " ".join(lines[name]).endswith(unit)
    for name in ("CIDEr", "R2Gen CIDEr"):
        row = next(row for row in page.split("<tr>") if f'scope="row">{name}</th>' in row)
        assert "<td>from 0 to 10</td>" in row


def test_one_patient_can_not_tell_chance_from_skill():
    truth = {
        name: Reference(name, label_report(text).labels, "facts", text, patient_id="p")
        for name, text in (("a", "Edema."), ("b", "Effusion."))
    }
    systems = {"x": {"a": "Edema.", "b": "Effusion."}, "y": {"a": "Clear.", "b": "Clear."}}
    result = compared(systems, truth, uncertain=UncertainPolicy.POSITIVE, resamples=100, seed=0)
    for pair in result["comparisons"]:
        assert (pair["p"], pair["p_holm"], pair["interval"]) == (None, None, [None, None])
        assert "can't be compared on one patient" in pair["in_words"]


def test_a_figure_that_does_not_exist_is_no_significant_difference():
    truth = {
        name: Reference(name, label_report("Edema.").labels, "facts", "Edema.") for name in "abcd"
    }
    systems = {"x": dict.fromkeys("abcd", "Edema."), "y": dict.fromkeys("abcd", "Clear.")}
    result = compared(
        systems, truth, uncertain=UncertainPolicy.POSITIVE, resamples=100, seed=0, language=True
    )
    (cider,) = [pair for pair in result["comparisons"] if pair["figure"] == "cider"]
    assert (cider["value_a"], cider["p"], cider["p_holm"]) == (None, None, None)
    assert "CIDEr does not exist" in cider["in_words"]
    json.dumps(result, allow_nan=False)
