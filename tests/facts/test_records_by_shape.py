"""Records whose members nobody could list, and answers that are weighed against each other."""

import json

import pytest

from orapo.facts import extract_facts, label_report
from short_labels import CO, ED, EF, FX, PT

SAID = [("Edema", "present"), ("Fracture", "absent"), ("Consolidation", "uncertain")]
READ = {ED: 1, FX: 0, CO: -1}
NAMES = ["name", "label", "condition", "disease", "target", "entry"]
ANSWERS = ["answer", "result", "conclusion", "assessment", "status", "choice", "ground truth"]
SHAPES = {
    "lines": lambda name, said: "\n".join(f"{name}: {one}\n{said}: {is_}" for one, is_ in SAID),
    "apart": lambda name, said: "\n\n".join(
        f"{name.title()}: {one}\n{said.title()}: {is_}" for one, is_ in SAID
    ),
    "yaml": lambda name, said: "\n".join(f"- {name}: {one}\n  {said}: {is_}" for one, is_ in SAID),
    "answer first": lambda name, said: "\n".join(
        f"- {said}: {is_}\n  {name}: {one}" for one, is_ in SAID
    ),
    "inline": lambda name, said: "\n".join(f"{name}: {one}, {said}: {is_}" for one, is_ in SAID),
    "pipe": lambda name, said: "\n".join(f"{name}: {one} | {said}: {is_}" for one, is_ in SAID),
    "json": lambda name, said: json.dumps([{name: one, said: is_} for one, is_ in SAID]),
    "xml": lambda name, said: "".join(
        f"<item><{name}>{one}</{name}><{said}>{is_}</{said}></item>".replace("ground t", "groundT")
        for one, is_ in SAID
    ),
}
ONE = [
    ("name: Edema\nanswer: no", {ED: 0}),
    ("label: Edema\nconclusion: absent", {ED: 0}),
    ("condition: Edema; result: negative", {ED: 0}),
    ("<finding><name>Edema</name><answer>no</answer></finding>", {ED: 0}),
    ("<li><label>Edema</label><output>No</output></li><li><label>Fracture</label><output>Yes</output></li>", {ED: 0, FX: 1}),
    ("<name>Edema</name><label>absent</label>", {ED: 0}),
]  # fmt: skip
BESIDE_OTHERS = [
    ("- target: Edema\n  side: left\n  choice: no\n- target: Fracture\n  side: right\n  choice: yes", {ED: 0, FX: 1}),
    ("- target: Edema\n  confidence: 0.9\n  choice: no\n- target: Fracture\n  confidence: 0.8\n  choice: yes", {ED: 0, FX: 1}),
    ("item:\ntarget: Edema\nchoice: no\n\nitem:\ntarget: Fracture\nchoice: yes", {ED: 0, FX: 1}),
    ("- present: false\n  status: absent\n  name: Edema\n- present: true\n  status: present\n  name: Fracture", {ED: 0, FX: 1}),
    ("Present: 0, Absent: 1, Finding: Edema\nPresent: 1, Absent: 0, Finding: Fracture", {ED: 0, FX: 1}),
    ("target: Edema\nchoice: no, only scarring\ntarget: Fracture\nchoice: yes, acute", {ED: 0, FX: 1}),
    ("target: Edema, choice: no, comment: none\ntarget: Fracture, choice: yes, comment: none", {ED: 0, FX: 1}),
    ("Status: absent | Result: negative | Finding: Edema\nStatus: present | Result: positive | Finding: Fracture", {ED: 0, FX: 1}),
]  # fmt: skip
NO_RECORDS = [
    ("IMPRESSION: Pneumothorax\nEdema: no", {ED: 0}),
    ("Diagnosis: Edema\nImpression: abnormal", {ED: 1}),
    ("FINDINGS: Left effusion.\nIMPRESSION: Effusion.", {EF: 1}),
    (
        "finding: Edema\nPneumothorax: no\nfinding: Fracture\nPneumothorax: no",
        {ED: 1, FX: 1, PT: 0},
    ),
    ("- finding: Edema\n  side: none\n- finding: Fracture\n  side: none", {ED: 1, FX: 1}),
    ("- finding: Edema\n  urgent: no\n- finding: Fracture\n  urgent: no", {ED: 1, FX: 1}),
    ("name: Edema\nurgent: no", {ED: 1}),
    ("name: Edema\nportable: yes", {ED: 1}),
    ("name: Edema\nportable: no", {ED: 1}),
    ("Heart: normal\nLungs: edema\nBones: fracture", {ED: 1, FX: 1}),
]


@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize("said", ANSWERS)
@pytest.mark.parametrize("name", NAMES)
def test_a_name_and_an_answer_belong_together_whatever_they_are_called(name, said, shape):
    labels = label_report(SHAPES[shape](name, said)).labels
    assert {key: labels[key] for key in READ} == READ


@pytest.mark.parametrize(("text", "wanted"), ONE + BESIDE_OTHERS + NO_RECORDS)
def test_one_record_records_of_more_members_and_none(text, wanted):
    labels = label_report(text).labels
    assert {key: labels[key] for key in wanted} == wanted


def test_two_answers_that_contradict_each_other_say_nothing():
    text = "Present: yes\nAnswer: no\nFinding: Edema\nPresent: yes\nAnswer: yes\nFinding: Fracture"
    labels = label_report(text).labels
    assert (labels[ED], labels[FX]) == (None, 1)


def test_an_answer_keeps_what_it_goes_on_with():
    facts = extract_facts("target: Effusion\nchoice: yes, left\ntarget: Fracture\nchoice: no")
    assert [fact.laterality for fact in facts] == ["left", None]


def test_a_fact_of_a_record_points_at_its_name():
    text = "target: Edema | choice: no\ntarget: Fracture | choice: yes"
    assert {text[fact.start : fact.end] for fact in extract_facts(text)} == {"Edema", "Fracture"}


WEIGHTS = [("1", "0"), ("true", "false"), ("yes", "no"), ("0.92", "0.04"), ("92%", "4%"), ("[x]", "[ ]"), ("X", "")]  # fmt: skip
KEYS = [
    ("present", "absent", "uncertain"),
    ("positive", "negative", "equivocal"),
    ("Yes", "No", "Maybe"),
]
WEIGHED = {
    "=": lambda name, cells: f"{name}: " + ", ".join(f"{key}={value}" for key, value in cells),
    ":": lambda name, cells: f"{name}: " + ", ".join(f"{key}: {value}" for key, value in cells),
    "/": lambda name, cells: f"{name}: " + " / ".join(f"{key}: {value}" for key, value in cells),
    "()": lambda name, cells: (
        f"{name} (" + ", ".join(f"{key}={value}" for key, value in cells) + ")"
    ),
    "|": lambda name, cells: f"{name} | " + " | ".join(f"{key}: {value}" for key, value in cells),
    "yaml": lambda name, cells: f"{name}:\n" + "\n".join(f"  {k}: {value}" for k, value in cells),
    "bullets": lambda name, cells: f"{name}\n" + "\n".join(f"- {k}: {value}" for k, value in cells),
    "xml": lambda name, cells: (
        f'<finding name="{name}" ' + " ".join(f'{key}="{value}"' for key, value in cells) + "/>"
    ),
    "elements": lambda name, cells: (
        f"<{name}>" + "".join(f"<{key}>{value}</{key}>" for key, value in cells) + f"</{name}>"
    ),
    "json": lambda name, cells: json.dumps({name: dict(cells)}),
    "records": lambda name, cells: json.dumps([{"finding": name, **dict(cells)}]),
    "within": lambda name, cells: json.dumps([{"finding": name, "probabilities": dict(cells)}]),
}


@pytest.mark.parametrize("keys", KEYS, ids="/".join)
@pytest.mark.parametrize(
    ("most", "least", "shape"),
    # a mark below a name without its field is no answer
    [(*pair, shape) for pair in WEIGHTS for shape in WEIGHED if pair[1] or shape != "bullets"],
)
def test_the_answer_that_weighs_most_is_the_answer(most, least, keys, shape):
    for place, (name, wanted) in enumerate(((ED, 1), (FX, 0), (CO, -1))):
        cells = [(key, most if at == place else least) for at, key in enumerate(keys)]
        labels = label_report(WEIGHED[shape](name, cells)).labels
        assert labels[name] == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Edema: none 0.9, mild 0.05, severe 0.05", {ED: 0}),
        ("Edema: none 0.1, mild 0.8, severe 0.1", {ED: 1}),
        ("Edema P(present)=0.09 P(absent)=0.91", {ED: 0}),
        ("Edema (yes/no): yes 0.1 / no 0.9", {ED: 0}),
        ("Edema: 97% present / 3% absent\nFracture: 3% present / 97% absent", {ED: 1, FX: 0}),
        ("Edema: 0.03 present, 0.97 absent", {ED: 0}),
        ("Edema: [0.03 present | 0.97 absent]", {ED: 0}),
        ("Edema - 80% chance of present, 20% chance of absent", {ED: 1}),
        ("Edema: present=0, absent=0", {ED: None}),
        ("Edema: present=0.5, absent=0.5", {ED: None}),
        ("Edema: present: 0, uncertain: 0", {ED: 0}),
        ("Labels (present=1, absent=0)\nEdema: 1\nFracture: 0", {ED: 1, FX: 0}),
        ("Key: present: 1, absent: 0, uncertain: -1\nEdema: 1\nFracture: 0", {ED: 1, FX: 0}),
        ("No edema. Present 1 week ago. No 2 cm nodule.", {ED: 0}),
    ],
)
def test_weights_in_words_ties_and_keys_of_answers(text, wanted):
    labels = label_report(text).labels
    assert {key: labels[key] for key in wanted} == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Edema (absent=0, present=1): 1\nFracture (absent=0, present=1): 0", {ED: 1, FX: 0}),
        ("Edema (1=yes, 0=no): 0\nFracture (1=yes, 0=no): 1", {ED: 0, FX: 1}),
        ("Edema (Yes=1, No=2): 1\nFracture (Yes=1, No=2): 2", {ED: 1, FX: 0}),
        ("Edema (0=none, 1=mild, 2=moderate): 1", {ED: 1}),
        ("Edema (none=0, mild=1, moderate=2): 0", {ED: 0}),
        ("Fracture (series 4, image 2): 5 mm apart. Edema.", {FX: 1, ED: 1}),
    ],
)
def test_a_code_behind_its_key_is_the_answer_it_stands_for(text, wanted):
    labels = label_report(text).labels
    assert {key: labels[key] for key in wanted} == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Edema: [ ] none [x] mild [ ] severe\nEffusion: [x] none [ ] small [ ] large", {ED: 1, EF: 0}),
        ("Edema: ☐ none ☑ mild ☐ severe", {ED: 1}),
        ("Edema\n[x] none\n[ ] mild\n[ ] severe\nEffusion\n[ ] none\n[x] small\n[ ] large", {ED: 0, EF: 1}),
        ("Edema:\n- [ ] None\n- [x] Mild\n- [ ] Severe", {ED: 1}),
        ("☐ Present ☑ Absent - Edema", {ED: 0}),
        ("Edema: none ☐ mild ☑ severe ☐", {ED: 1}),
        ("Edema  Yes ( )  No (x)\nEffusion  Yes (x)  No ( )", {ED: 0, EF: 1}),
        ("[x] No effusion\n[ ] Small effusion\n[ ] Large effusion", {EF: 0}),
        ("[ ] Normal [x] Abnormal\nSmall effusion", {EF: 1}),
    ],
)  # fmt: skip
def test_boxes_stand_before_their_answers_or_behind_them(text, wanted):
    labels = label_report(text).labels
    assert {key: labels[key] for key in wanted} == wanted
