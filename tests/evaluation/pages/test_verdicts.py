"""Reports split into sentences with a verdict each."""

import pytest

from orapo.evaluation.pages.verdicts import generated_pieces, label_outcome, reference_pieces
from orapo.facts import Verdict, label_report
from orapo.labels import UncertainPolicy

EFFUSION = {"Pleural Effusion": 1}


def verdicts(text, labels, **options):
    pieces = generated_pieces(label_report(text), labels, **options)
    return {piece.text.strip(): piece.verdict for piece in pieces if piece.text.strip()}


def test_each_sentence_gets_its_verdict():
    text = (
        "Left pleural effusion. Pulmonary edema. No pneumothorax. "
        "The film was taken on a Tuesday. There is no right effusion."
    )
    assert verdicts(text, EFFUSION) == {
        "Left pleural effusion.": Verdict.ENTAILED,
        "Pulmonary edema.": Verdict.FALSE_ALARM,
        "No pneumothorax.": Verdict.AGREED_ABSENT,
        "The film was taken on a Tuesday.": None,
        "There is no right effusion.": Verdict.CONTRADICTION,
    }
    said_and_denied = verdicts("Left pleural effusion. No effusion.", EFFUSION)
    assert set(said_and_denied.values()) == {Verdict.CONTRADICTION}


def test_the_worst_fact_decides_a_sentence():
    assert verdicts("Pleural effusion and pulmonary edema.", EFFUSION) == {
        "Pleural effusion and pulmonary edema.": Verdict.FALSE_ALARM
    }
    assert verdicts("Pulmonary edema without pleural effusion.", EFFUSION) == {
        "Pulmonary edema without pleural effusion.": Verdict.CONTRADICTION
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n ",
        "FINDINGS:\n  Left effusion.\n\nNo  edema. \n",
        "HISTORY: Edema.\nIMPRESSION: 1. No effusion.\n2. Cardiomegaly",
        "no full stop, émigré ☢ <b>effusion</b>",
    ],
)
def test_the_pieces_together_are_the_report(text):
    report = label_report(text)
    assert "".join(piece.text for piece in generated_pieces(report, EFFUSION)) == text
    assert "".join(piece.text for piece in reference_pieces(report, EFFUSION)) == text


def test_sentences_of_the_reference_are_found_or_missed():
    reference = label_report("Left pleural effusion. Pulmonary edema. No pneumothorax.")
    pieces = reference_pieces(reference, {"Pleural Effusion": 1, "Edema": 0})
    assert [piece.verdict for piece in pieces if piece.text.strip()] == ["found", "missed", None]


@pytest.mark.parametrize(
    ("reference", "text", "verdict"),
    [
        ("No cardiomegaly.", "Heart size within normal limits.", "agreed_absent"),
        ("Cardiomediastinal silhouette is within normal limits.", "Heart size within normal limits.", "agreed_absent"),
        ("Cardiomediastinal silhouette is within normal limits.", "The heart is enlarged.", None),
        ("No cardiomegaly.", "The heart is enlarged.", None),  # the report's own sentence is marked
        ("No cardiomegaly.", "Clear lungs.", None),
        ("Heart and mediastinum are normal.", "Heart size within normal limits.", "agreed_absent"),
    ],
)  # fmt: skip
def test_a_denial_of_the_reference_is_agreed_on_where_the_report_denies_the_same(
    reference, text, verdict
):
    pieces = reference_pieces(label_report(reference), label_report(text).labels)
    assert pieces[0].verdict == verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Heart size within normal limits.", Verdict.CONTRADICTION),
        ("Cardiomediastinal silhouette is within normal limits.", Verdict.UNSCORED),
        ("The mediastinum is not widened.", Verdict.AGREED_ABSENT),
    ],
)
def test_a_normal_silhouette_does_not_look_right_beside_a_large_heart(text, verdict):
    labels = label_report("Cardiomegaly.").labels
    assert list(verdicts(text, labels).values()) == [verdict]
    agreed = verdicts(text, label_report("No cardiomegaly.").labels)
    assert list(agreed.values()) == [Verdict.AGREED_ABSENT]


def test_a_reference_sentence_with_one_missed_finding_is_missed():
    reference = label_report("Pleural effusion and pulmonary edema.")
    assert reference_pieces(reference, EFFUSION)[0].verdict == "missed"


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        (UncertainPolicy.POSITIVE, "missed"),
        (UncertainPolicy.NEGATIVE, None),
        (UncertainPolicy.IGNORE, None),
    ],
)
def test_uncertain_statements_of_the_reference_follow_the_policy(policy, verdict):
    reference = label_report("Possible pneumonia.")
    assert reference.labels["Pneumonia"] == -1
    assert reference_pieces(reference, {}, uncertain=policy)[0].verdict == verdict


def test_labels_are_found_missed_or_false_alarms():
    outcome = label_outcome({"Edema": 1, "Fracture": -1}, {"Edema": 1, "Pneumonia": -1})
    assert outcome.found == ("Edema",)
    assert outcome.missed == ("Pneumonia",)
    assert outcome.false_alarms == ("Fracture",)


def test_ignore_takes_labels_that_are_uncertain_in_the_reference_out():
    outcome = label_outcome(
        {"Edema": -1, "Pneumonia": 1},
        {"Edema": 0, "Pneumonia": -1},
        uncertain=UncertainPolicy.IGNORE,
    )
    assert (outcome.found, outcome.missed, outcome.false_alarms) == ((), (), ("Edema",))


def test_a_label_that_is_there_and_denied_is_contradicted_whatever_else_is_said():
    def contradicted(text, labels):
        report = label_report(text)
        return label_outcome(report.labels, labels, denied=report.denied).contradicted

    assert contradicted("No effusion. Edema.", EFFUSION | {"Edema": 1}) == ("Pleural Effusion",)
    assert contradicted("Left effusion. No right effusion.", EFFUSION) == ("Pleural Effusion",)
    assert contradicted("No effusion.", {"Pleural Effusion": 0}) == ()
    assert contradicted("Edema.", EFFUSION | {"No Finding": 1}) == ()


def test_labels_are_uncertain_on_one_side_alone():
    outcome = label_outcome(
        {"Edema": -1, "Pneumonia": 1, "Fracture": -1}, {"Pneumonia": -1, "Fracture": -1}
    )
    assert outcome.one_sided == ("Edema", "Pneumonia")


def test_the_evidence_of_a_sentence_is_every_fact_with_its_labels_and_verdict():
    report = label_report("Small left pleural effusion and edema. No rib fracture.")
    first, _, second = generated_pieces(report, EFFUSION | {"Fracture": 1})
    assert first.evidence == (
        ("pleural effusion: present (left, small)", ("Pleural Effusion positive",), "entailed"),
        ("pulmonary edema: present", ("Edema positive",), "false_alarm"),
    )
    assert [(one.labels, one.verdict) for one in second.evidence] == [
        (("Fracture negative",), "contradiction")
    ]
