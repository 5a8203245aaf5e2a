"""Figures of single reports."""

import math

import pytest

from orapo.evaluation.report_figures import FIGURES, report_figures, sameness
from orapo.facts import label_report


def figures(text, labels, reference=None):
    columns = report_figures(
        [label_report(text)], [labels], [label_report(reference) if reference else None]
    )
    return {name: values[0] for name, values in columns.items()}


def test_what_is_invented_missed_and_contradicted():
    row = figures(
        "Cardiomegaly. Rib fracture. No effusion.", {"Cardiomegaly": 1, "Pleural Effusion": 1}
    )
    assert (row["hallucinated"], row["missed"], row["contradicted"]) == (1, 1, 1)
    assert set(row) == set(FIGURES)
    assert math.isnan(row["normal_false_alarm"])


def test_of_a_report_that_is_not_read_no_figure_says_that_it_is_right():
    """A share of 0 % false alarms would be the best there is."""
    row = figures("Das Herz ist vergrößert und gestaut.", {"No Finding": 1})
    for name in ("normal_false_alarm", "earlier_films", "invented_comparisons"):
        assert math.isnan(row[name]), name
    assert row["unreadable"] == 1


def test_a_reference_of_which_nothing_is_known_is_not_a_normal_one():
    assert math.isnan(figures("Edema.", {})["normal_false_alarm"])


def test_a_study_without_any_label_gives_no_reward():
    assert figures("Edema.", {"Edema": 1})["facts_reward"] == 1
    assert math.isnan(figures("", dict.fromkeys(("Edema", "Fracture")))["facts_reward"])


@pytest.mark.parametrize(("text", "alarm"), [("The lungs are clear.", 0), ("Edema.", 1)])
def test_a_false_alarm_on_a_normal_study(text, alarm):
    assert figures(text, {"No Finding": 1})["normal_false_alarm"] == alarm


@pytest.mark.parametrize(
    ("generated", "reference", "side", "severity"),
    [
        ("Small left effusion.", "Small left effusion.", 1, 1),
        ("Small left effusion.", "Large right effusion.", 0, 0),
        ("Left effusion.", "Small left effusion.", 1, math.nan),
        ("Effusion.", "Left effusion.", math.nan, math.nan),
        ("No left effusion.", "Left effusion.", math.nan, math.nan),
        ("Edema.", "Left effusion.", math.nan, math.nan),
    ],
)
def test_side_and_severity_agree_among_matched_findings(generated, reference, side, severity):
    row = figures(generated, {"Pleural Effusion": 1}, reference)
    assert row["side_agreement"] == pytest.approx(side, nan_ok=True)
    assert row["severity_agreement"] == pytest.approx(severity, nan_ok=True)


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("Stable cardiomegaly.", 1),
        ("Compared to the prior study, the edema has improved.", 1),
        ("Interval removal of the tube.", 1),
        ("Cardiomegaly. Small effusion.", 0),
        ("Lungs are clear.", 0),
        ("No prior study is available.", 0),
        ("Heart size is normal, without previous films.", 0),
        ("Nothing new since the prior study.", 1),
    ],
)
def test_earlier_films_are_noticed(text, mentions):
    assert figures(text, {})["earlier_films"] == mentions


def test_comparing_is_inventing_only_where_no_earlier_study_was_given():
    texts = ["Stable cardiomegaly.", "Stable cardiomegaly.", "Cardiomegaly."]
    read = [label_report(text) for text in texts]
    columns = report_figures(read, [{}] * 3, [None] * 3, [False, True, False])
    assert list(columns["earlier_films"]) == [1, 1, 0]
    assert list(columns["invented_comparisons"]) == pytest.approx([1, math.nan, 0], nan_ok=True)
    assert figures(texts[0], {})["invented_comparisons"] == 1


def test_collapse_shows_in_how_alike_the_reports_are():
    assert sameness(["a b", "a  b", "c", "d"]) == {"distinct_share": 0.75, "most_common_share": 0.5}
