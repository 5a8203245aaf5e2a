"""What a further blind set of forms found: answers told by where they stand, or that stand before their names."""

import json
import time

import pytest

from orapo.facts import extract_facts, label_report
from short_labels import CM, CO, ED, EF, FX, LO, PN, PT

COLUMNS = [
    ("Finding          Yes   No\nEdema            X\nFracture               X", {ED: 1, FX: 0}),
    ("Finding          No    Yes\nEdema            X\nFracture               X", {ED: 0, FX: 1}),
    ("Finding          Present   Absent\nEdema              ✓\nFracture                     ✓", {ED: 1, FX: 0}),
    ("FINDING     YES   NO\nEdema       [x]   [ ]\nFracture    [ ]   [x]", {ED: 1, FX: 0}),
    ("Finding     Y N\nEdema       X\nFracture      X", {ED: 1, FX: 0}),
    ("Finding    Present   Absent\nEdema      1         0\nFracture   0         1", {ED: 1, FX: 0}),
    ("No. Finding    Yes   No\n1.  Edema      X\n2.  Fracture         X", {ED: 1, FX: 0}),
    ("Finding    Yes   No   Comment\nEdema      X          mild\nFracture         X", {ED: 1, FX: 0}),
    ("```\nFinding    Yes   No\n-------    ---   --\nEdema      X\nFracture         X\n```", {ED: 1, FX: 0}),
    ("Finding\tYes\tNo\nEdema\tX\nFracture\t\tX", {ED: 1, FX: 0}),
    ("Finding\t\t\tYes\tNo\nEdema\t\t\tX\nPleural Effusion\t\tX\nFracture\t\t\t\tX", {ED: 1, EF: 0}),
    ("Finding     | Yes | No\n-----------------------\nEdema       |  X  |\nFracture    |     | X ", {ED: 1, FX: 0}),
    ("| Finding | Yes ✅ | No ❌ |\n|---|---|---|\n| Edema | ✔️ | |\n| Fracture | | ✔️ |", {ED: 1, FX: 0}),
    ('"Finding","Yes","No"\n"Edema","X",""\n"Fracture","","X"', {ED: 1, FX: 0}),
    ("\\begin{tabular}{lcc}\nFinding & Yes & No \\\\ \\hline\nEdema & $\\checkmark$ & \\\\\nFracture & & $\\checkmark$ \\\\\n"
     "\\end{tabular}", {ED: 1, FX: 0}),
]  # fmt: skip
BEFORE_THE_NAME = [
    ("- answer: yes\n  finding: Edema\n- answer: no\n  finding: Fracture", {ED: 1, FX: 0}),
    ("- present: false\n  confidence: 0.9\n  name: Edema", {ED: 0}),
    ("Status: Present\nFinding: Edema\n\nStatus: Absent\nFinding: Fracture", {ED: 1, FX: 0}),
    ("Answer: yes; Finding: Edema\nAnswer: no; Finding: Fracture", {ED: 1, FX: 0}),
    ("- {present: false, name: Edema}\n- {present: true, name: Fracture}", {ED: 0, FX: 1}),
    ("<item><status>absent</status><label>Edema</label></item><item><status>present</status>"
     "<label>Fracture</label></item>", {ED: 0, FX: 1}),
    ("PRESENT | Edema\nABSENT | Fracture", {ED: 1, FX: 0}),
    ("0 Edema\n1 Fracture\n0 Consolidation", {ED: 0, FX: 1, CO: 0}),
    ("+: Edema, Fracture\n-: Consolidation", {ED: 1, FX: 1, CO: 0}),
    ("_X_ Edema\n___ Fracture", {ED: 1, FX: 0}),
]  # fmt: skip
RECORDS = [
    ('{"edema": {"assessment": "no"}, "fracture": {"conclusion": "yes"}}', {ED: 0, FX: 1}),
    ('{"edema": {"output": "absent"}, "fracture": {"result": "present"}}', {ED: 0, FX: 1}),
    ('{"edema": {"severity": "none"}, "fracture": {"severity": "moderate"}}', {ED: 0, FX: 1}),
    ('[{"finding": "Edema", "severity": "none"}, {"finding": "Fracture", "severity": "mild"}]', {ED: 0, FX: 1}),
    ('[{"item": "Edema", "details": {"conclusion": "absent"}}]', {ED: 0}),
    ('[{"name": "Edema", "values": ["no"]}, {"name": "Fracture", "values": ["yes"]}]', {ED: 0, FX: 1}),
    ('These are the labels: [["Edema", "no"], ["Fracture", "yes"]] Please correlate.', {ED: 0, FX: 1}),
    ('The list gives each label with its value.\n\n```json\n[\n ["Edema", 0],\n ["Fracture", 0]\n]\n```', {"No Finding": 1, ED: 0}),
    ('[["no", "Edema"], ["yes", "Fracture"]]', {ED: 0, FX: 1}),
    (json.dumps({"arguments": json.dumps({"edema": False, "fracture": True})}), {ED: 0, FX: 1}),
    (json.dumps({"output": json.dumps([{"finding": "Edema", "present": False}])}), {ED: 0}),
    ('{"resource": {"code": {"coding": [{"code": "RID1", "display": "Edema"}]}, "valueCodeableConcept": {"coding": '
     '[{"display": "Absent"}]}}}', {ED: 0}),
    ('{"code": {"text": "Edema"}, "verificationStatus": {"text": "refuted"}}', {ED: 0}),
    ("<div><span class='l'>Edema</span><span class='v'>Absent</span></div>", {ED: 0}),
    ("[Finding(name='Edema', present=False), Finding(name='Fracture', present=True)]", {ED: 0, FX: 1}),
    ('finding {\n  name: "Edema"\n  present: false\n}\nfinding {\n  name: "Fracture"\n  present: true\n}', {ED: 0, FX: 1}),
    ("{:edema => false, :lung_opacity => true}", {ED: 0, LO: 1}),
    ('{["Edema"] = false, ["Fracture"] = true}', {ED: 0, FX: 1}),
    ('(("Edema" . nil) ("Fracture" . t))', {ED: 0, FX: 1}),
    ('edema="absent" fracture="present"', {ED: 0, FX: 1}),
    ("INSERT INTO findings (label, present) VALUES\n('Edema', FALSE),\n('Fracture', FALSE);", {"No Finding": 1, ED: 0}),
    ("* Report\n:PROPERTIES:\n:EDEMA: no\n:FRACTURE: no\n:END:", {"No Finding": 1, ED: 0}),
    ("Labels: Edema, Fracture\nValues: 0, 1", {ED: 0, FX: 1}),
    ("Questions:\n1. Edema?\n2. Fracture?\nAnswers:\n1. No\n2. Yes", {ED: 0, FX: 1}),
]  # fmt: skip
ANSWERS = [
    # two lists, each below its answer, are no columns beside names
    ("Present      Absent\nEdema        Pneumothorax\nFracture     Effusion", {ED: 1, FX: 1}),
    ("Edema: almost gone\nFracture: almost certainly absent", {ED: 1, FX: 0}),
    ("Edema: 0,03\nFracture: 0,97", {ED: 0, FX: 1}),
    ("Edema : 3,5 %\nFracture : 97,5 %", {ED: 0, FX: 1}),
    ("Edema: <5%\nFracture: >95%", {ED: 0, FX: 1}),
    ("Edema: 4% probability\nFracture: 91% probability", {ED: 0, FX: 1}),
    ("Edema: no (90%), Fracture: yes (90%), Consolidation: no (80%)", {ED: 0, FX: 1, CO: 0}),
    ("Edema: 1\nFracture: 5\n(1 = definitely absent, 5 = definitely present)", {ED: 0, FX: 1}),
    ("Edema: 1\nFracture: 2", {ED: 1, FX: 1}),
    ("Edema/0\nFracture/1", {ED: 0, FX: 1}),
    ("edema - / fracture + / consolidation -", {ED: 0, FX: 1, CO: 0}),
    ("Edema: --\nFracture: ++", {ED: 0, FX: 1}),
    ("Edema: <no>\nFracture: <<yes>>", {ED: 0, FX: 1}),
    ("Edema: Y (N)\nFracture: (Y) N", {ED: 0, FX: 1}),
    ("Edema ........ [ ] Y [X] N\nFracture ..... [X] Y [ ] N", {ED: 0, FX: 1}),
    ("Edema? – No\nFracture? – Yes", {ED: 0, FX: 1}),
    ("Edema—no\nFracture—yes", {ED: 0, FX: 1}),
    ("Edema. Verdict: No.\nFracture. Verdict: Yes.", {ED: 0, FX: 1}),
    ("### Edema\n- Assessment: Absent\n- Confidence: High\n\n### Fracture\n- Assessment: Present", {ED: 0, FX: 1}),
    ("Final answer: \\boxed{\\text{Edema}: no, \\text{Fracture}: yes}", {ED: 0, FX: 1}),
    ("edema_0, fracture_1", {ED: 0, FX: 1}),
    ("Edema[0], Fracture[1]", {ED: 0, FX: 1}),
    ("Edema: almost certainly absent\nFracture: almost certainly present", {ED: 0, FX: 1}),
    ("The following findings are present:\n- Edema\nThe following findings are absent:\n- Fracture", {ED: 1, FX: 0}),
    ("Positive labels: edema.\nNegative labels: fracture, consolidation.", {ED: 1, FX: 0, CO: 0}),
    ("Bones\nFRACTURE: NOT PRESENT\n\nDevices\nSUPPORT DEVICES: NOT PRESENT", {"Support Devices": 0, FX: 0}),
    ("\\begin{itemize}\n\\item[$\\boxtimes$] Edema\n\\item[$\\square$] Fracture\n\\end{itemize}", {ED: 1, FX: 0}),
]  # fmt: skip
NO_COLUMNS = [
    ("Chest tube present  no pneumothorax\nSmall effusion\nCardiomegaly", {PT: 0, EF: 1, CM: 1}),
    ("Comparison available  Yes  No\nLarge left effusion\nCardiomegaly", {EF: 1, CM: 1}),
    ("Diagnoses: pneumonia, effusion\nUrgent: yes, no", {PN: 1, EF: 1}),
    ("Findings: effusion, edema\nComparison: none, none", {EF: 1, ED: 1}),
    ("1. Pneumothorax\n2. Effusion\n\nNew since prior?\n1. Yes\n2. No", {PT: 1, EF: 1}),
    ("1. Left pneumothorax.\n2. Small effusion.\nChange:\n1. None\n2. None", {PT: 1, EF: 1}),
    ("Status: negative\nCOVID test\nFinding: left pneumothorax", {PT: 1}),
    ("Nodule: 4\nFracture: 2", {FX: 1}),
    ("# Sternum is intact.", {FX: None}),
    ("Accession # ribs series 12345. Left effusion.", {FX: None, EF: 1}),
    (".. note:: left effusion", {EF: 1}),
    ("___ Effusion\n___ Cardiomegaly", {EF: 1, CM: 1}),
    ('<li class="negative">Left effusion is unchanged</li>', {EF: 1}),
]
NOTHING_SAID = [
    "Finding          Yes   No\nEdema\nFracture",
    "Finding          Yes   No\nEdema            X     X\nFracture         X     X",
    "Finding          Yes         No\nEdema                   X\nFracture                X",
    "- answer: unknown\n  finding: Edema\n- answer: unknown\n  finding: Fracture",
    "Labels: Edema, Fracture\nValues: n/a, n/a",
    "🟢 Edema\n🔴 Fracture",
    '{"enum": ["Edema", "Fracture"]}',
    '[["Edema", null], ["Fracture", null]]',
]


@pytest.mark.parametrize(
    ("text", "expected"), COLUMNS + BEFORE_THE_NAME + RECORDS + ANSWERS + NO_COLUMNS
)
def test_it_is_read_as_it_was_meant(text, expected):
    labels = label_report(text).labels
    assert {name: labels[name] for name in expected} == expected


@pytest.mark.parametrize("text", NOTHING_SAID)
def test_what_answers_nothing_says_nothing(text):
    labels = label_report(text).labels
    assert not [name for name in (ED, FX, PT) if labels[name] is not None]


@pytest.mark.parametrize(
    "text",
    [
        "Finding          Yes   No\nEdema            X\nFracture               X",
        "- answer: yes\n  finding: Edema",
        json.dumps({"arguments": json.dumps({"Edema": True})}),
        "Labels: Edema, Fracture\nValues: 1, 0",
    ],
)
def test_evidence_points_into_the_text_as_given(text):
    facts = [fact for fact in extract_facts(text) if ED in fact.labels]
    assert facts
    assert all("Edema" in text[fact.start : fact.end] for fact in facts)


def test_a_sentence_below_a_table_is_none_of_its_rows():
    text = "Finding     Yes   No\nEdema       X\nFracture          X\n\nIMPRESSION: Cardiomegaly."
    labels = label_report(text).labels
    assert (labels[ED], labels[FX], labels[CM]) == (1, 0, 1)


@pytest.mark.parametrize(
    "piece",
    [
        "Finding   Yes   No\nEdema  X\n",
        '"{\\"',
        "\\boxed{",
        "Labels: a,a,a,",
        "{a: b ",
        "- answer: yes\n",
        "1. a\n2. b\n",
        "0,1 ",
        "Devices\n",
        "<label>",
        "___ Edema\n",
    ],
)
def test_a_form_that_goes_on_for_ever_takes_linear_time(piece):
    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        start = time.process_time()
        label_report(text)
        return time.process_time() - start

    seconds(2_000)
    short, long = min(seconds(10_000) for _ in range(2)), min(seconds(40_000) for _ in range(2))
    assert long < 10 * short + 0.2
