"""Studies as a page shows them: marks that agree with the figures, and what differs between systems."""

import numpy as np
import pytest

from orapo.evaluation.figures.graded import graded_figures
from orapo.evaluation.inputs import Reference
from orapo.evaluation.pages.shown_studies import ShownStudy, index_of, study_views
from orapo.evaluation.report_figures import report_figures
from orapo.facts import label_report
from orapo.labels import UncertainPolicy

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


@pytest.mark.parametrize("text", ["Left effusion.", "", "No effusion.", "Nice weather."])
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
    assert index["score"] == "graded score"
    assert index["labels"] == ["Cardiomegaly", "Edema", "Pleural Effusion"]
    ((study, spread, differing, reports),) = index["studies"]
    assert (study, spread, differing) == ("s", view["difference"]["spread"], 2)
    place, score, wrong, cases, counts = reports[0]
    assert (place, wrong) == (0, 2)
    assert score == view["reports"][0]["graded_score"]
    assert set(cases) == {"found:Pleural Effusion", "missed:Cardiomegaly", "false alarm:Edema"}
    assert counts == [1, 0, 1, 1, 0]  # right, partly, false, missed, contradicted
    assert reports[1][4] is None  # no fact could be read


def test_without_reference_texts_the_score_is_facts():
    study = ShownStudy("s", None, "", {"Edema": 1}, {"m": "Edema."})
    index = index_of(study_views([study], UncertainPolicy.POSITIVE))
    assert index["score"] == "FactS reward"
    assert index["studies"][0][3][0][1] == 1.0
