"""Two findings in one sentence, each with what is said of it."""

import itertools

import pytest

from orapo.facts import label_report

FINDINGS = {
    "pleural effusion": "Pleural Effusion",
    "pneumothorax": "Pneumothorax",
    "pulmonary edema": "Edema",
    "rib fracture": "Fracture",
    "cardiomegaly": "Cardiomegaly",
}


@pytest.mark.parametrize(
    ("said", "first", "second"),
    [
        ("{A} without {b}", 1, 0),
        ("{A}, but without evidence of {b}", 1, 0),
        ("{A} in the absence of {b}", 1, 0),
        ("{A} with associated {b}", 1, 1),
        ("{A} with possible {b}", 1, -1),
        ("{A}, possibly with {b}", 1, -1),
        ("{A}; {b} cannot be excluded", 1, -1),
        ("No {a}, possible {b}", 0, -1),
        ("No {a} but {b} is present", 0, 1),
        ("{A} has resolved with persistent {b}", 0, 1),
        ("Interval resolution of {a} and development of {b}", 0, 1),
        ("No change in {a}, no new {b}", 1, 0),
        ("Apart from {a} there is no {b}", 1, 0),
        ("{A} or {b} is not seen", 0, 0),
        ("{A} versus {b}", -1, -1),
        ("{A} rather than {b}", 1, 0),
    ],
)
def test_each_has_its_own(said, first, second):
    wrong = []
    for a, b in itertools.permutations(FINDINGS, 2):
        text = said.format(a=a, A=a.capitalize(), b=b) + "."
        labels = label_report(text).labels
        if (labels[FINDINGS[a]], labels[FINDINGS[b]]) != (first, second):
            wrong.append(text)
    assert not wrong


@pytest.mark.parametrize(
    "key", ["result", "pred", "outcome", "visible", "finding_present", "wording"]
)
@pytest.mark.parametrize("name", ["finding", "finding_name", "category", "label"])
def test_records_answer_under_any_key_that_holds_an_answer(name, key):
    text = (
        f'[{{"{name}": "Edema", "{key}": "present"}}, {{"{name}": "Fracture", "{key}": "absent"}}]'
    )
    labels = label_report(text).labels
    assert (labels["Edema"], labels["Fracture"]) == (1, 0)


def test_a_flag_of_a_record_is_no_answer():
    assert label_report('[{"finding": "edema", "acute": false}]').labels["Edema"] != 0
