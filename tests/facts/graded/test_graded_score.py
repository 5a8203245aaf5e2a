"""What the graded score's number means."""

import json

import pytest

from orapo import GradedFactSReward
from orapo.facts.graded.reward import read_age
from orapo.facts.graded.tables import load_tables

GRADED = GradedFactSReward()
TEMPLATE = "The lungs are clear. Heart size is normal. No pleural effusion or pneumothorax."


def of(report, reference, **more):
    return GRADED([report], report=[reference], **more)[0]


@pytest.mark.parametrize("report", [TEMPLATE, "No acute disease.", "Normal chest."])
def test_a_normal_study_rightly_called_normal_is_one(report):
    assert of(report, "The heart and lungs are normal.") == 1


@pytest.mark.parametrize(
    "reference", ["Left effusion.", "Large right pneumothorax.", "Cardiomegaly. Pulmonary edema."]
)
def test_a_normal_template_is_zero_where_something_is_wrong(reference):
    assert of(TEMPLATE, reference) == 0


def test_more_wrong_than_right_is_below_zero():
    assert of("Left pneumothorax. Rib fracture.", "Cardiomegaly.") < 0


def test_more_falsehoods_cost_more():
    claims = ["Pneumothorax.", "Effusion.", "Edema.", "Pneumonia.", "Cardiomegaly."]
    scores = [of(" ".join(claims[:n]), TEMPLATE) for n in range(1, 6)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 5
    assert -1 < scores[-1] < 0


def test_saying_it_twice_changes_nothing():
    once, twice = "Left effusion. Pneumonia.", "Left effusion. Pneumonia. Left effusion. Pneumonia."
    assert of(once, "Left effusion.") == of(twice, "Left effusion.")
    assert of("Left effusion.", twice) == of("Left effusion.", once)


def test_said_and_denied_is_neither():
    both = of("Left effusion. No pleural effusion.", "Left effusion.")
    assert both < of("No pleural effusion.", "Left effusion.") == 0


@pytest.mark.parametrize(
    ("report", "score"),
    [
        ("Left lower lobe pneumonia. No left upper lobe pneumonia.", 1.0),
        ("Left lower lobe pneumonia. No left lower lobe pneumonia.", -0.5),
        ("Left lower lobe pneumonia. No pneumonia.", -0.5),
        ("Left lower lobe pneumonia. No pneumonia yesterday.", 1.0),
        ("Possible left lower lobe pneumonia. No pneumonia.", -0.4),
    ],
)
def test_a_denial_of_another_place_or_day_takes_nothing_back(report, score):
    (got,) = GRADED([report], report=["Left lower lobe pneumonia."])
    assert got == pytest.approx(score, abs=0.1)


def test_a_denied_rib_takes_no_clavicle_back():
    assert GRADED(["Clavicle fracture. No rib fracture."], report=["Clavicle fracture."]) == [1]


def test_the_side_is_left_out_for_less_than_it_is_wrong():
    right, none, wrong = (of(f"{s} effusion.", "Left effusion.") for s in ("Left", "", "Right"))
    assert right > none > wrong > 0


def test_normal_findings_are_neither_paid_nor_owed():
    reference = "Left effusion. The heart is normal. No pneumothorax."
    assert of("Left effusion.", reference) == 1
    assert of("Left effusion. Bones are intact. No edema.", reference) == 1


def test_unreadable_is_unknown_and_not_zero():
    assert GRADED(["the the the", "", "Left effusion."], report=["Left effusion."] * 3) == [
        None,
        None,
        1,
    ]
    assert GRADED(["Left effusion."] * 3, report=[None, "", "lorem ipsum"]) == [None] * 3
    assert GRADED(["Left effusion."]) == [None]


def test_in_training_an_unreadable_rollout_gets_what_was_asked():
    strict = GradedFactSReward(unreadable=-1.0)
    assert strict(["the the the"] * 2, report=["Left effusion.", None]) == [-1.0, None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"completions": "Left effusion."}, "list of texts"),
        ({"completions": ["a", "b"], "report": ["c"]}, "2 completions, but 1 report"),
        ({"completions": ["a"], "report": ["c"], "age": []}, "1 completions, but 0 age"),
    ],
)
def test_wrong_use_is_said(arguments, message):
    with pytest.raises(ValueError, match=message):
        GRADED(**arguments)


def test_unreadable_must_be_a_score():
    with pytest.raises(ValueError, match="unreadable"):
        GradedFactSReward(unreadable=-2)


def test_messages_are_read_like_texts():
    assert GRADED(
        [[{"role": "assistant", "content": "Left effusion."}]], report=["Left effusion."]
    ) == [1]


def test_trl_gets_the_errors_by_category():
    logged = {}
    GRADED(["Right effusion."], report=["Left effusion."], log_metric=logged.__setitem__)
    assert logged["graded/wrong_location"] == 1
    assert logged["graded/false_finding"] == 0


@pytest.mark.parametrize(
    ("value", "years"),
    [("072Y", 72), ("019M", 19 / 12), ("001D", 1 / 365.25), (45, 45), ("45", 45), ("6 months", 0.5),
     (None, None), ("", None), ("adult", None), (float("nan"), None), (-1, None), (999, None)],
)  # fmt: skip
def test_ages_as_tables_and_dicom_write_them(value, years):
    assert read_age(value) == (None if years is None else pytest.approx(years))


def test_the_indication_of_the_reference_is_read_where_no_column_has_it():
    headed = (
        "INDICATION: 82-year-old after a fall.\nFINDINGS: Aortic calcification. Left rib fracture."
    )
    plain = "Aortic calcification. Left rib fracture."
    assert of("Left rib fracture.", headed) > of("Left rib fracture.", plain)


def test_scores_are_the_same_in_any_order_and_any_batch():
    texts = ["Left effusion.", "Right effusion. Cardiomegaly.", TEMPLATE, "Pneumonia."]
    together = GRADED(texts, report=["Left effusion."] * 4)
    assert [of(text, "Left effusion.") for text in reversed(texts)] == together[::-1]


def test_why_is_plain_json():
    from orapo.facts.graded import read_graded
    from orapo.facts.graded.explain import graded_as_json

    report, reference = "Heart is normal. Right effusion.", "Left effusion."
    (score,) = GRADED.explain([report], [reference])
    why = json.loads(json.dumps(graded_as_json(score, *read_graded([report, reference]))))
    assert why["errors"][0]["sentence"] == "Right effusion."
    assert why["errors"][0]["reference_sentence"] == "Left effusion."


@pytest.mark.parametrize("group", ["significance", "size"])
def test_weights_are_in_order(group):
    weights = getattr(load_tables().weights, group)
    order = {"significance": ["urgent", "actionable", "incidental", "expected"], "size": ["large", "moderate", "small", "tiny"]}[group]  # fmt: skip
    values = [weights[name] for name in order]
    assert values == sorted(values, reverse=True)


def test_a_large_opacity_beside_a_small_effusion_of_the_same_side_is_another_lesion():
    reference = "Small right pleural effusion. A large opacity is seen in the right mid lung."
    assert GRADED(["Small right pleural effusion."], report=[reference])[0] < 0.8
