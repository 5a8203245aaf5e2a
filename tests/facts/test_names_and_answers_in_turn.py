"""Lists of names and answers and nothing else, whatever marks and joins them."""

import pytest

from orapo.facts import extract_facts, label_report
from short_labels import CO, ED, EF, FX, LL, PT

SAID = [("Pulmonary edema", 0), ("Rib fracture", 1), ("Consolidation", 2), ("Pneumothorax", 1), ("Pleural effusion", 0)]  # fmt: skip
READ = {ED: 1, FX: 0, CO: -1, PT: 0, EF: 1}
WORDS = [("Yes", "No", "Uncertain"), ("Present", "Absent", "Possible"), ("positive", "negative", "equivocal"), ("✓", "✗", "?")]  # fmt: skip
TWO_WORDS = [("True", "False"), ("1", "0"), ("[x]", "[ ]"), ("detected", "not detected")]
SHAPES = {
    "stacked": "{name}\n{said}",
    "heading": "### {name}\n\n{said}\n",
    "question": "Is there {name}? {said}.",
    "in brackets, first": "[{said}] {name}",
    "in round brackets, first": "({said}) {name}",
    "is": "{name} is {said}.",
    "for": "For {name}, the answer is {said}.",
    "pair": "('{name}', '{said}')",
    "quoted": '"{name}": "{said}"',
    "emphasis": "*{name}* - _{said}_",
    "cells": "{name};{said}",
}
MARKS = ["", "- ", "{n}. ", "[{n}] ", "Finding {n}: "]
JOINED = {"lines": "\n", "; ": "; ", ", ": ", ", " • ": " • "}
FORMS = [
    (words, shape, mark, joined)
    for words in WORDS + TWO_WORDS
    for shape in SHAPES
    for mark in MARKS
    for joined in JOINED
    # what stands on lines of its own is joined by lines, and boxes stand before a name or below it
    if not (shape in ("stacked", "heading") and joined != "lines")
    and not ("[ ]" in words and shape not in ("in brackets, first", "stacked"))
]


def written(shape, mark, joined, words):
    entries = [
        mark.format(n=number) + SHAPES[shape].format(name=name, said=words[place])
        for number, (name, place) in enumerate(SAID, 1)
        if place < len(words)
    ]
    return JOINED[joined].join(entries)


@pytest.mark.parametrize(("words", "shape", "mark", "joined"), FORMS)
def test_every_name_has_the_answer_beside_it(words, shape, mark, joined):
    labels = label_report(written(shape, mark, joined, words)).labels
    wanted = {key: label for key, label in READ.items() if label >= 0 or len(words) > 2}
    assert {key: labels[key] for key in wanted} == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("PNEUMOTHORAX: No pneumothorax identified.", {PT: 0}),
        ("Nodule: No nodules are seen.", {LL: 0}),
        ("Effusion: No pleural effusion seen.", {EF: 0}),
        ("Edema: No edema seen. Fracture: No fracture seen.", {ED: 0, FX: 0}),
        ("Effusion, no pneumothorax, consolidation, possible.", {EF: 1, PT: 0}),
        ("No effusion is seen. Edema is present.", {EF: 0, ED: 1}),
        ("No edema, small effusion.", {ED: 0, EF: 1}),
        ("Edema present, fracture absent, effusion seen.", {ED: 1, FX: 0, EF: 1}),
        ("Edema. No effusion. Fracture.", {ED: 1, EF: 0, FX: 1}),
        ("1. Edema\n2. Fracture\n3. No effusion", {ED: 1, FX: 1, EF: 0}),
        ("0) Edema\n1) Fracture", {ED: 1, FX: 1}),
        ("(0) Edema; (1) Effusion; (2) No fracture", {ED: 1, EF: 1, FX: 0}),
        ("Present:\nEdema\nAbsent:\nFracture", {ED: 1, FX: 0}),
        ("Present\nEdema\nAbsent\nFracture\nPossible\nConsolidation", {ED: 1, FX: 0, CO: -1}),
        ("| Finding | Yes | No |\n|---|---|---|\n| Edema | x | |\n| Fracture | | x |", {ED: 1, FX: 0}),
    ],
)  # fmt: skip
def test_sentences_and_lists_of_another_kind_stay_what_they_are(text, wanted):
    labels = label_report(text).labels
    assert {key: labels[key] for key in wanted} == wanted


def test_what_stands_around_a_list_is_read_as_well():
    text = "Large left effusion.\n1. Edema\nNo\n2. Fracture\nYes\nThe heart is enlarged."
    labels = label_report(text).labels
    assert (labels[EF], labels[ED], labels[FX], labels["Cardiomegaly"]) == (1, 0, 1, 1)


def test_a_fact_points_at_its_name_in_the_list_as_given():
    text = "(No) Pulmonary edema, (Yes) Rib fracture"
    assert {text[fact.start : fact.end] for fact in extract_facts(text)} == {
        "Pulmonary edema",
        "Rib fracture",
    }


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Large effusion, PTX none", {EF: 1, PT: 0}),
        ("Effusion small, edema mild, PTX none.", {EF: 1, ED: 1, PT: 0}),
        ("Moderate edema, PTX none, effusion none", {ED: 1, PT: 0, EF: 0}),
        ("Effusion, PTX none", {EF: 0, PT: 0}),
        ("Consolidation, effusion and PTX none", {CO: 0, EF: 0, PT: 0}),
        ("Small right effusion, left none", {EF: 1}),
    ],
)
def test_an_answer_behind_a_list_is_not_said_of_what_says_itself_how_it_is(text, wanted):
    labels = label_report(text).labels
    assert {key: labels[key] for key in wanted} == wanted
