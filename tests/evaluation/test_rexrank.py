"""ReXrank's convention: sections, metrics and files as its own pipeline has them."""

import csv
import json
import sys

import pytest

from orapo import OrapoError
from orapo.data.tables.columns import Side, Wanted
from orapo.evaluation.bootstrap import Resampler
from orapo.evaluation.inputs import Reference, read_predictions, read_references
from orapo.evaluation.matching import match_studies
from orapo.evaluation.rexrank import COLUMNS, Convention, Rexrank, bleu_2, reference_text

pytest.importorskip("nltk")

# What fast-bleu 0.0.90 gives, which ReXrank uses, after its own way to cut words.
BY_FAST_BLEU = [
    (
        "Findings: The heart is enlarged. No effusion.",
        "Findings: The heart is mildly enlarged. No effusion.",
        0.8366600265340756,
    ),
    # a line break is no space there: two words are one
    (
        "Findings: Clear lungs.\nNo effusion. Impression: Normal.",
        "Clear lungs.",
        0.09569649651041094,
    ),
    # the decimal point is a word
    ("Findings: A 1.5 cm nodule.", "Findings: Edema.", 0.04812603287992944),
    ("Findings: Clear.", "Cardiomegaly", 0.0),
    ("No effusion.", "No", 0.04279677428117004),
    ("No effusion.", "", 0.0),
]
STUDIES = {
    "s1": {
        "section_findings": "The heart is enlarged.",
        "section_impression": "Cardiomegaly.",
        "report": "Of some of its data sets, the reference",
        "model_prediction": "Findings: The heart is enlarged. Impression: CHF.",
    },
    "s2": {
        "section_findings": float("nan"),
        "section_impression": "Edema.",
        "model_prediction": "Findings: Clear.",
    },
    "s3": {"section_findings": "Small effusion.", "section_impression": None},
}
ALL = ["rexrank", "ratescore", "green"]
FAKE = """
import numpy as np


class RadEval:
    def __init__(self, metrics, per_sample, show_progress):
        (self.metric,) = metrics
        if self.metric == "green":
            raise OSError("weights not found")

    def __call__(self, refs, hyps):
        return {self.metric: [0.25] * len(refs)}
"""
PARTS = """
import numpy as np


class CompositeMetric:
    def _get_bert_scorer(self, refs):
        raise AssertionError("with IDF")

    def _compute_sub_metrics(self, refs, hyps):
        assert refs[0].startswith("Findings: ")
        scorer = self._get_bert_scorer(refs)
        each = np.arange(1.0, len(refs) + 1)
        return {"bertscore": each + scorer, "radgraph": each / 10, "semb_score": each / 100}

    def predict(self, refs, hyps):
        parts = self._compute_sub_metrics(refs, hyps)
        return None, 2 * parts["bertscore"] - 100
"""
BERT = """
class BertScore:
    def __init__(self, model_type, num_layers, idf):
        assert (model_type, num_layers, idf) == ("distilroberta-base", 5, False)
        self.bert_scorer = 100
"""


def submission(folder, studies=None):
    path = folder / "prediction.json"
    path.write_text(json.dumps(studies or STUDIES, indent=4))
    return path


def taken(path, convention=Convention.REXRANK):
    by_rexrank = Rexrank(convention)
    mine, theirs = by_rexrank.columns(
        path, path, (Wanted(side=Side.GENERATED), Wanted(side=Side.REFERENCE))
    )
    reports, truth = read_predictions(path, mine), read_references(path, None, theirs)
    return by_rexrank, by_rexrank.taken(match_studies(reports, truth, False, "p", "r"))


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A Python with what is used of RadEval 2.2, and of its parts."""
    files = {
        "radeval/__init__.py": FAKE,
        "radeval/metrics/__init__.py": "",
        "radeval/metrics/bertscore/__init__.py": "",
        "radeval/metrics/bertscore/bertscore.py": BERT,
        "radeval/metrics/RadCliQv1/__init__.py": "",
        "radeval/metrics/RadCliQv1/radcliq.py": PARTS,
        "radeval-2.2.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: radeval\nVersion: 2.2.1\n",
    }
    for name, text in files.items():
        (tmp_path / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "site" / name).write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    return tmp_path / "site"


@pytest.mark.parametrize(("reference", "text", "expected"), BY_FAST_BLEU)
def test_bleu_2_is_that_of_fast_bleu(reference, text, expected):
    assert bleu_2([text], [reference])[0] == pytest.approx(expected, abs=1e-12)


def test_its_own_files_hold_both_sides_though_a_report_stands_beside_the_prediction(tmp_path):
    _, matched = taken(submission(tmp_path, {key: STUDIES[key] for key in ("s1", "s2")}))
    assert matched.reports == {
        "s1": "Findings: The heart is enlarged. Impression: CHF.",
        "s2": "Findings: Clear.",
    }
    assert [reference_text(one) for one in matched.truth.values()] == [
        "Findings: The heart is enlarged. Impression: Cardiomegaly.",
        "Impression: Edema.",
    ]


def test_the_findings_alone_are_scored_in_that_split_and_studies_without_are_left_out(tmp_path):
    path = submission(tmp_path, {key: STUDIES[key] for key in ("s1", "s2")})
    by_rexrank, matched = taken(path, Convention.REXRANK_FINDINGS)
    assert list(matched.truth) == ["s1"]
    assert by_rexrank.left_out == 1
    assert reference_text(matched.truth["s1"]) == "Findings: The heart is enlarged."
    # every figure of the evaluation is of these sections, not ReXrank's alone
    assert matched.truth["s1"].report == "The heart is enlarged."
    detail, _ = by_rexrank.scored(Resampler([""], 10))
    (_, left_out, impressions, *_) = by_rexrank.notes(detail)
    assert left_out == "Studies without findings, left out: 1."
    assert impressions.endswith("which is not scored here: 1.")
    assert detail["split"] == "findings"


def test_labels_read_from_a_reference_are_those_of_its_sections_and_given_ones_stay():
    text = "FINDINGS: The heart is enlarged.\nIMPRESSION: Edema."
    truth = {
        "read": Reference("read", {"Edema": 1, "Cardiomegaly": 1}, "facts", text),
        "given": Reference("given", {"Edema": 1}, "given", text),
    }
    matched = match_studies(dict.fromkeys(truth, "Edema."), truth, False, "p", "r")
    found = Rexrank(Convention.REXRANK_FINDINGS).taken(matched).truth
    assert (found["read"].labels["Cardiomegaly"], found["read"].labels["Edema"]) == (1, None)
    assert found["given"].labels == {"Edema": 1}


def test_a_report_without_sections_is_cut_as_everywhere(tmp_path):
    path = tmp_path / "refs.csv"
    path.write_text('study_id,report\na,"FINDINGS: Clear.\nIMPRESSION: Normal."\n')
    truth = read_references(path)
    matched = match_studies({"a": "Clear."}, truth, False, "p", "r")
    (one,) = Rexrank(Convention.REXRANK).taken(matched).truth.values()
    assert reference_text(one) == "Findings: Clear. Impression: Normal."


def test_no_reference_with_such_a_section_is_an_error(tmp_path):
    path = submission(tmp_path, {"s2": STUDIES["s2"]})
    with pytest.raises(OrapoError, match="rexrank-findings: no reference has findings"):
        taken(path, Convention.REXRANK_FINDINGS)


def test_without_radeval_there_is_bleu_2_and_no_other_figure(tmp_path):
    by_rexrank, matched = taken(submission(tmp_path, {"s1": STUDIES["s1"]}))
    detail, said = by_rexrank.scored(Resampler([""], 10))
    assert list(detail["figures"]) == list(COLUMNS)  # in ReXrank's order
    assert detail["figures"]["bleu_score"]["value"] == pytest.approx(
        bleu_2(list(matched.reports.values()), [reference_text(matched.truth["s1"])])[0]
    )
    for column in list(COLUMNS)[1:]:
        figure = detail["figures"][column]
        assert (figure["value"], figure["reason"]) == (None, "needs weights: --radeval all")
    assert said == []
    assert "ReXrank's leaderboard" in detail["beside"]


def test_radeval_s_parts_are_asked_with_rexrank_s_settings(tmp_path, fake):
    by_rexrank, _ = taken(submission(tmp_path, {key: STUDIES[key] for key in ("s1",)} | {
        "s4": {**STUDIES["s1"]}}))  # fmt: skip
    detail, said = by_rexrank.scored(Resampler(["a", "b"], 10), ALL, sys.executable)
    values = {name: figure["value"] for name, figure in detail["figures"].items()}
    assert values["bertscore"] == pytest.approx(101.5)
    assert values["radgraph_combined"] == pytest.approx(0.15)
    assert values["semb_score"] == pytest.approx(0.015)
    assert values["1/RadCliQ-v1"] == pytest.approx(
        1 / 103
    )  # one over the mean, no mean of inverses
    assert values["ratescore"] == 0.25
    assert (values["green_score"], detail["figures"]["green_score"]["reason"]) == (
        None,
        "OSError: weights not found",
    )
    assert "green absent" in said[0]
    by_rexrank.write(tmp_path, detail)
    (row,) = csv.DictReader((tmp_path / "rexrank.csv").open())
    assert list(row) == [name for name in COLUMNS if name != "green_score"]
    assert row["1/RadCliQ-v1"] == "0.010"


def test_parts_that_radeval_no_longer_has_are_an_error_and_no_other_figure(tmp_path, fake):
    (fake / "radeval/metrics/RadCliQv1/radcliq.py").write_text(
        "class CompositeMetric:\n"
        "    def predict(self, refs, hyps):\n"
        "        return 1.0, [1.0] * len(refs)  # by another way, with IDF\n"
    )
    by_rexrank, _ = taken(submission(tmp_path, {"s1": STUDIES["s1"]}))
    detail, _ = by_rexrank.scored(Resampler([""], 10), ["rexrank"], sys.executable)
    for column in ("bertscore", "1/RadCliQ-v1"):
        assert detail["figures"][column]["value"] is None
        assert "not those of RadEval 2.2" in detail["figures"][column]["reason"]
    assert detail["figures"]["ratescore"]["reason"] == "not asked for"


def test_an_inverse_of_nothing_or_less_is_no_figure(tmp_path, fake):
    """RadCliQ of reports that are nearly right is below 0: its inverse would rank them last."""
    bert = fake / "radeval/metrics/bertscore/bertscore.py"
    bert.write_text(BERT.replace("bert_scorer = 100", "bert_scorer = 0"))
    by_rexrank, _ = taken(submission(tmp_path, {"s1": STUDIES["s1"]}))
    detail, _ = by_rexrank.scored(Resampler([""], 10), ["rexrank"], sys.executable)
    figure = detail["figures"]["1/RadCliQ-v1"]
    assert (figure["value"], "not above 0" in figure["reason"]) == (None, True)


def test_the_submission_holds_what_rexrank_reads_and_can_be_read_again(tmp_path):
    by_rexrank, matched = taken(submission(tmp_path, {key: STUDIES[key] for key in ("s1", "s2")}))
    detail, _ = by_rexrank.scored(Resampler(["", ""], 10))
    by_rexrank.write(tmp_path / "out", detail)
    written = json.loads((tmp_path / "out" / "rexrank.json").read_text())
    assert written["s2"] == {
        "section_findings": None,
        "section_impression": "Edema.",
        "model_prediction": "Findings: Clear.",
    }
    _, again = taken(tmp_path / "out" / "rexrank.json")
    assert again.reports == matched.reports
    assert [reference_text(one) for one in again.truth.values()] == [
        reference_text(one) for one in matched.truth.values()
    ]


def test_a_metric_that_rexrank_does_not_have_is_refused():
    with pytest.raises(OrapoError, match=r"'radgraph': expected all or some of rexrank, ratescore"):
        Rexrank(Convention.REXRANK).asked("radgraph")
    assert Rexrank(Convention.REXRANK).asked("all") == ALL
