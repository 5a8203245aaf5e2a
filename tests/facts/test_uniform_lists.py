"""Lists of one shape are read whatever their marks are; prose and tables are left to others."""

import itertools

import pytest

from orapo.facts import label_report

TRUE = {
    "Edema": True,
    "Pleural Effusion": False,
    "Lung Opacity": True,
    "Fracture": False,
    "Pneumothorax": False,
}
NAMES = {
    "as they are": str,
    "lower case": str.lower,
    "upper case": str.upper,
    "snake": lambda name: name.lower().replace(" ", "_"),
    "Pascal": lambda name: name.replace(" ", ""),
    "camel": lambda name: name[0].lower() + name[1:].replace(" ", ""),
    "in brackets": lambda name: f"[{name}]",
    "bold": lambda name: f"**{name}**",
}
ANSWERS = [
    *(("Yes", "No"), ("present", "absent"), ("1", "0"), ("P", "A"), ("T", "F"), ("(+)", "(-)")),
    *(("[x]", "[ ]"), ("0.98", "0.02"), ("98%", "2%"), ("Detected", "Undetected"), ("mild", "none")),
    *(("Yes, there is", "No, there is not"), ("there is evidence", "there is no evidence")),
    *(("Yes (high confidence)", "No (high confidence)"), ("has been identified", "has not been identified")),
]  # fmt: skip
MARKS = [
    *("{}: {}", "{} - {}", "{} – {}", "{} = {}", "{} -> {}", "{} | {}", "{}:: {}", "{}? {}", "{}\t{}"),
    *("{}......{}", "{}: '{}'", "{}: **{}**", "{} ({})", "{} [{}]", "{} {{{}}}"),
]  # fmt: skip
BULLETS = [
    "",
    "- ",
    "1. ",
    "[1] ",
    "- [1] ",
    "Finding 1: ",
    "# ",
    "### ",
    "#1 ",
    "1 - ",
    "– ",
    "→ ",
]
JOINTS = ["\n", "\n\n", "; ", ", ", " / ", "\n---\n", "\\n"]


def written(facts, name=str, answers=("Yes", "No"), mark="{}: {}", bullet="", joint="\n"):
    return joint.join(
        bullet.replace("1", str(number)) + mark.format(name(label), answers[not there])
        for number, (label, there) in enumerate(facts.items(), 1)
    )


def misread(**form):
    """The labels that are read wrongly, of a true list and of the same with every answer turned."""
    turned = {label: not there for label, there in TRUE.items()}
    found = []
    for facts in (TRUE, turned):
        labels = label_report(written(facts, **form)).labels
        found += [label for label, there in facts.items() if labels[label] != int(there)]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_names_are_found_however_they_are_written(name):
    marks = ["{}: {}", "{} - {}", "{} = {}", "{} | {}", "{}\t{}", "{}, {}"]
    assert not [mark for mark in marks if misread(name=NAMES[name], mark=mark)]


# "(+)" and "[x]" have brackets of their own, and a tick box in a sentence's place is another form
@pytest.mark.parametrize("answers", ANSWERS, ids=lambda answers: answers[0])
def test_answers_are_read_behind_any_marks(answers):
    own = answers[0][0] in "(["
    marks = [mark for mark in MARKS if not (own and mark[-1] in ")]}'*")]
    assert not [mark for mark in marks if misread(answers=answers, mark=mark)]


@pytest.mark.parametrize("bullet", BULLETS)
def test_entries_are_told_apart_whatever_stands_before_them(bullet):
    marks = ["{}: {}", "{} - {}", "{}: '{}'", "{} {{{}}}"]
    assert not [mark for mark in marks if misread(bullet=bullet, mark=mark)]


@pytest.mark.parametrize("joint", JOINTS)
def test_entries_are_told_apart_whatever_stands_between_them(joint):
    marks = ["{}: {}", "{} - {}", "{} = {}", "{} | {}"]
    forms = itertools.product(marks, ["", "[1] "])
    assert not [form for form in forms if misread(joint=joint, mark=form[0], bullet=form[1])]


@pytest.mark.parametrize("mark", ["{}: {}", "{} - {}", "{}, {}", "{}\t{}", "{} {{{}}}"])
def test_a_list_in_brackets_is_read_from_its_beginning_to_its_end(mark):
    lists = ({"Edema": True, "Fracture": False}, {"Edema": False, "Fracture": True}, TRUE)
    for facts, (left, right) in itertools.product(lists, ("()", "[]", "{}")):
        text = left + written(facts, mark=mark) + right
        labels = label_report(text).labels
        assert {label: labels[label] == 1 for label in facts} == facts, text


def test_an_answer_below_its_name_is_read_behind_an_unknown_mark():
    for bullet in ("[1] ", "1 - ", "– "):
        assert not misread(bullet=bullet, mark="{}:\n{}"), bullet


def test_facts_point_into_the_text_as_it_was_given():
    text = "[1] PleuralEffusion - Yes\n[2] Edema - No"
    for fact in label_report(text).facts:
        said = text[fact.start : fact.end]
        assert ("Effusion" in said) is (fact.start < 10), said


@pytest.mark.parametrize(
    ("text", "edema", "effusion"),
    [
        ("Edema - mild, unchanged\nEffusion - small, on the left", 1, 1),
        ("Edema is mild.\nEffusion is small.", 1, 1),
        ("Finding,Present,Absent\nEdema,x,\nEffusion,,x", 1, 0),
        ("| Finding | Present | Absent |\n| Edema | x | |\n| Effusion | | x |", 1, 0),
        ("Edema (yes/no): yes\nEffusion (yes/no): no", 1, 0),
        ("Edema Yes [x] No [ ]\nEffusion Yes [ ] No [x]", 1, 0),
        ('{"Edema": 1, "Effusion": 0}', 1, 0),
        ('{"positive_findings": ["Edema"], "negative_findings": ["Fracture", "Effusion"]}', 1, 0),
        ("EDEMA: No new edema. EFFUSION: No effusion. FRACTURE: No fracture.", 0, 0),
    ],
)
def test_what_is_no_list_of_one_shape_is_read_as_before(text, edema, effusion):
    labels = label_report(text).labels
    assert (labels["Edema"], labels["Pleural Effusion"]) == (edema, effusion)


def test_a_line_of_entries_between_plus_signs_raises_nothing():
    assert label_report("+ Edema: no + Effusion: yes").labels["Pleural Effusion"] == 1
    assert (
        label_report("+ _Edema_->[ ], + _Fracture_->[x] Quality is good.").labels["Fracture"] == 1
    )
