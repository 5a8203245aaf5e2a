"""Studies as a page shows them: marks that agree with the figures, and what differs between systems."""

import csv
from pathlib import Path

import numpy as np
import pytest

from orapo.evaluation.figures.graded import graded_figures
from orapo.evaluation.inputs import Reference
from orapo.evaluation.pages.graded_marks import TITLES, FactVerdict
from orapo.evaluation.pages.shown_studies import ShownStudy, index_of, study_views
from orapo.evaluation.pages.viewer import MARKS
from orapo.evaluation.report_figures import report_figures
from orapo.facts import label_report
from orapo.labels import UncertainPolicy

ROOT = Path(__file__).parents[3]
REFERENCE = "Small left pleural effusion. Cardiomegaly."


def views(*generated, reference=REFERENCE, **more):
    reports = {f"m{number}": text for number, text in enumerate(generated)}
    labels = label_report(reference).labels
    study = ShownStudy("s", None, reference, labels, reports, **more)
    (view,) = study_views([study], UncertainPolicy.POSITIVE)
    return view


@pytest.mark.parametrize("others", [(), (REFERENCE, "")], ids=["one model", "three models"])
def test_no_green_mark_hides_a_wrong_side_however_many_models_there_are(others):
    report = views("Small right pleural effusion. Cardiomegaly.", *others)["reports"][0]
    verdicts = {one["text"]: one.get("verdict") for one in report["pieces"]}
    assert verdicts["Small right pleural effusion."] == "partly_right"
    assert verdicts["Cardiomegaly."] == "entailed"
    assert report["counts"] == {
        "fact_right": 1, "partly_right": 1, "fact_false": 0, "fact_missed": 0, "fact_contradicted": 0
    }  # fmt: skip
    wrong = next(fact for fact in report["facts"] if fact["verdict"] == "partly_right")
    assert wrong["words"] == "wrong location: right for left"


def sample():
    """The bundled sample: 30 reports with errors of every kind, and their references."""
    tables = []
    for name in ("references", "predictions"):
        with open(ROOT / "examples" / "sample" / f"{name}.csv", encoding="utf-8") as file:
            tables.append({row["study_id"]: row["report"] for row in csv.DictReader(file)})
    references, predictions = tables
    return [
        ShownStudy(name, None, text, label_report(text).labels, {"model": predictions[name]})
        for name, text in references.items()
    ]


def test_the_marks_of_a_text_agree_with_its_facts_throughout():
    """A sentence looks right only if all of its facts are; where one is wrong, it has its mark."""
    signs = {mark.verdict.value: mark.symbol for mark in MARKS}
    compared = 0
    for view in study_views(sample(), UncertainPolicy.POSITIVE):
        (report,) = view["reports"]
        marks = {piece["text"]: signs.get(piece.get("verdict")) for piece in report["pieces"]}
        order = "≠✗≈✓"
        worst = {}
        for fact in report["facts"]:
            if fact["verdict"] != "fact_missed":
                sign = TITLES[FactVerdict(fact["verdict"])][0]
                worst.setdefault(fact["quote"], []).append(sign)
        for sentence, found in worst.items():
            assert marks[sentence] == min(found, key=order.index), (view["study_id"], sentence)
            compared += 1
    assert compared > 30


@pytest.mark.parametrize(
    "text", ["Left effusion.", "", "No effusion.", "Nice weather.", "Kleiner Pleuraerguss links."]
)
@pytest.mark.parametrize("reference", [REFERENCE, "", "Nice weather."])
def test_scores_are_those_of_the_table_of_studies(text, reference):
    age, indication = 34.0, "Fever"
    labels = label_report(reference).labels
    report = views(text, reference=reference, age=age, indication=indication)["reports"][0]
    one = Reference("s", labels, "facts", reference, age=age, indication=indication)
    graded = graded_figures([text], [one])["graded_score"]
    facts = report_figures([label_report(text)], [labels], [None])["facts_reward"]
    for shown, figure in ((report["graded_score"], graded), (report["facts_reward"], facts)):
        assert (np.nan if shown is None else shown) == pytest.approx(figure[0], nan_ok=True)


def test_what_only_one_system_says_is_marked_and_what_both_say_is_not():
    view = views("Small left pleural effusion. Edema.", "Edema. Large left pleural effusion.")
    for report in view["reports"]:
        framed = {one["text"] for one in report["pieces"] if one.get("differs")}
        assert len(framed) == 1
        assert "effusion" in framed.pop()
        assert {fact["finding"] for fact in report["facts"] if fact.get("differs")} == {
            "pleural effusion"  # right here, of the wrong size there
        }


def test_the_difference_is_that_of_the_graded_score_and_names_the_labels():
    view = views(REFERENCE, "Small left pleural effusion.")
    scores = [report["graded_score"] for report in view["reports"]]
    assert view["difference"]["spread"] == pytest.approx(scores[0] - scores[1])
    assert view["difference"]["labels"] == ["Cardiomegaly"]
    assert "difference" not in views(REFERENCE)


def test_the_index_has_what_is_filtered_and_sorted_by():
    view = views("Small left pleural effusion. Edema.", "")
    index = index_of([view])
    assert index["systems"] == ["m0", "m1"]
    assert (index["score"], index["graded"], index["unread"]) == ("graded score", True, True)
    assert index["labels"] == ["Cardiomegaly", "Edema", "Pleural Effusion"]
    assert index["kinds"] == ["false finding", "missed finding"]
    ((study, spread, differing, reports),) = index["studies"]
    assert (study, spread, differing) == ("s", view["difference"]["spread"], 2)
    place, score, wrong, cases, counts, errors, unread = reports[0]
    assert (place, wrong, unread) == (0, 2, "")
    assert score == view["reports"][0]["graded_score"]
    assert set(cases) == {"found:Pleural Effusion", "missed:Cardiomegaly", "false alarm:Edema"}
    assert counts == [1, 0, 1, 1, 0]  # right, partly, false, missed, contradicted
    told = {
        (index["kinds"][kind], finding, *(index["labels"][place] for place in about))
        for kind, finding, _, about in errors
    }
    assert told == {
        ("false finding", "pulmonary edema", "Edema"),
        ("missed finding", "cardiomegaly", "Cardiomegaly"),
    }
    assert reports[1][4] == [0, 0, 0, 2, 0]  # silence misses what is there
    assert reports[1][6] == "no fact could be read"


def test_a_wrong_side_is_in_the_index_though_every_label_is_right():
    view = views("Small right pleural effusion. Cardiomegaly.")
    index = index_of([view])
    (report,) = index["studies"][0][3]
    assert report[2] == 0  # wrong labels
    ((kind, finding, weight, about),) = report[5]
    assert (index["kinds"][kind], finding, weight > 0) == (
        "wrong location",
        "pleural effusion",
        True,
    )
    assert [index["labels"][place] for place in about] == ["Pleural Effusion"]


def test_what_is_not_english_was_not_read_and_has_missed_nothing():
    (report,) = views("Kleiner Pleuraerguss links. Das Herz ist vergrößert.")["reports"]
    assert report["unread"] == "not English"
    assert (report["counts"], report["facts"], report["errors"]) == (None, [], [])
    assert report["facts_reward"] is None
    assert not [piece for piece in report["reference"] if "verdict" in piece]


def test_without_reference_texts_the_score_is_facts():
    study = ShownStudy("s", None, "", {"Edema": 1}, {"m": "Edema."})
    index = index_of(study_views([study], UncertainPolicy.POSITIVE))
    assert index["score"] == "FactS reward"
    assert index["studies"][0][3][0][1] == 1.0
