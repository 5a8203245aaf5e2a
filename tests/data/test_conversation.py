"""What a model is told and shown: never the answer, and as many films as placeholders."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orapo.data.conversation import (
    ANSWER_FIELDS,
    PROMPT_FIELDS,
    REPORT_PROMPT,
    check_prompt_fields,
    check_views,
    previous_studies,
    shown_films,
    study_prompt,
)
from orapo.data.study import Study
from orapo.errors import OrapoError

FULL = Study(
    study_id="s2",
    patient_id="p",
    indication="Cough for\n three days.",
    history="Smoker.",
    comparison="Film of March.",
    age=63,
    sex="F",
    findings="Left pleural effusion, small.",
    impression="No change at all.",
    report="INDICATION: Cough. FINDINGS: Left pleural effusion, small.",
)
EARLIER = Study(study_id="s1", patient_id="p", findings="Clear lungs.", impression="Normal.")

WORDS = st.lists(
    st.sampled_from(["effusion", "no", "left", "Cough,", "lungs.", "clear", "<image>", "63", "Œdème"]),
    max_size=8,
).map(" ".join)  # fmt: skip
TEXT = WORDS | st.text(max_size=40)
FIELDS = st.lists(st.sampled_from(PROMPT_FIELDS), unique=True)


def studies(study_id, text):
    return st.builds(
        Study,
        study_id=st.just(study_id),
        patient_id=st.just("p"),
        age=st.none() | st.integers(0, 100),
        sex=st.sampled_from(["F", "M", ""]),
        **dict.fromkeys(
            ("indication", "history", "comparison", "findings", "impression", "report"), text
        ),
    )


def words(text):
    return "".join(c if c.isalnum() else " " for c in text.casefold()).split()


def test_a_prompt_says_what_a_radiologist_has_before_reporting():
    assert study_prompt(FULL) == REPORT_PROMPT
    assert study_prompt(FULL, PROMPT_FIELDS, previous=EARLIER).splitlines() == [
        REPORT_PROMPT,
        "Indication: Cough for three days.",
        "History: Smoker.",
        "Comparison: Film of March.",
        "Age: 63 years",
        "Sex: female",
        "Previous: Clear lungs. Normal.",
    ]


def test_what_a_study_lacks_is_left_out():
    assert study_prompt(Study(study_id="s"), PROMPT_FIELDS) == REPORT_PROMPT
    assert study_prompt(FULL, ["previous"]) == REPORT_PROMPT
    assert study_prompt(FULL, ["previous"], previous=FULL) == REPORT_PROMPT


@given(studies("s2", TEXT), studies("s1", TEXT), FIELDS)
def test_no_findings_or_impression_get_into_a_prompt_whatever_the_fields(study, earlier, fields):
    lines = study_prompt(study, fields, previous=earlier).splitlines()
    assert lines[0] == REPORT_PROMPT
    for line in lines[1:]:
        said = " ".join(words(line.partition(": ")[2]))
        for answer in (study.findings, study.impression, study.report):
            wanted = words(answer.replace("<image>", " "))
            assert len(wanted) < 3 or f" {' '.join(wanted)} " not in f" {said} "


@given(studies("s2", TEXT), TEXT, TEXT, TEXT, FIELDS)
def test_another_answer_makes_no_other_prompt_or_a_shorter_one(
    study, findings, impression, report, fields
):
    changes = {"findings": findings, "impression": impression, "report": report}
    other = study_prompt(study.model_copy(update=changes), fields)
    empty = study_prompt(study.model_copy(update=dict.fromkeys(changes, "")), fields)
    assert set(other.splitlines()) <= set(empty.splitlines())


@pytest.mark.parametrize("answer", ["findings", "impression", "report"])
@pytest.mark.parametrize("field", ["indication", "history", "comparison"])
def test_a_field_that_holds_the_answer_is_left_out(answer, field):
    text = "Left pleural effusion, small."
    study = Study(study_id="s", **{answer: text, field: f"XXXX {text.upper()} Thanks!"})
    assert study_prompt(study, PROMPT_FIELDS) == REPORT_PROMPT


def test_a_field_that_holds_a_sentence_of_the_answer_is_left_out_but_an_earlier_report_may():
    shared = "There is no focal consolidation."
    study = Study(study_id="s", findings=f"Small heart. {shared}", history=f"Cough. {shared}")
    earlier = Study(study_id="t", findings=shared, impression="Stable.")
    assert study_prompt(study, ["history"]) == REPORT_PROMPT
    assert shared in study_prompt(study, ["previous"], previous=earlier)


@pytest.mark.parametrize("name", ANSWER_FIELDS)
def test_an_answer_is_refused_as_field_by_name(name):
    with pytest.raises(OrapoError, match=f"'{name}' is the answer"):
        study_prompt(FULL, ["history", name])


def test_an_unknown_field_is_refused_by_name():
    with pytest.raises(OrapoError, match=r"'patient_id'; a prompt can hold indication, history"):
        check_prompt_fields("age,patient_id")
    assert check_prompt_fields(" age, sex,,age") == ("age", "sex")
    assert check_prompt_fields(["age,sex", "history"]) == ("age", "sex", "history")


@pytest.mark.parametrize("mark", ["<image>", "<|im_end|>", "<end_of_utterance>", "[INST]", "[IMG]"])
def test_marks_of_chat_templates_do_not_get_through(mark):
    study = Study(study_id="s", history=f"Effusion < 5 mm{mark} [..] > 3 days")
    assert study_prompt(study, ["history"]).endswith("History: Effusion < 5 mm [..] > 3 days")


def test_the_previous_study_is_the_one_before_of_the_same_patient():
    order = [("a1", "a"), ("b1", "b"), ("a2", "a"), ("a3", "a"), ("n1", ""), ("n2", "")]
    before = previous_studies([Study(study_id=s, patient_id=p) for s, p in order])
    assert {later: earlier.study_id for later, earlier in before.items()} == {
        "a2": "a1",
        "a3": "a2",
    }


def test_the_frontal_film_comes_first_and_may_stand_alone():
    lateral, unknown, frontal = (Path(name) for name in ("lat.png", "what.png", "pa.png"))
    study = Study(
        study_id="s", images=(lateral, unknown, frontal), views=("lateral", "", "frontal")
    )
    assert shown_films(study, "all") == (frontal, unknown, lateral)
    assert shown_films(study, "frontal") == (frontal,)
    plain = Study(study_id="s", images=(lateral, frontal))
    assert shown_films(plain, "all") == (lateral, frontal)
    with pytest.raises(OrapoError, match="frontal, all, not 'both'"):
        check_views("both")
