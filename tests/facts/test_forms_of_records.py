"""What another blind set of forms found: records, boxes, groups and tables that were read short."""

import pytest

from orapo.facts import extract_facts, label_report
from short_labels import CM, CO, ED, EF, FX, LO, PT, SD

BOXES = [
    ("[Y] Edema\n[N] Fracture", {ED: 1, FX: 0}),
    ("[absent] Edema\n[present] Fracture", {ED: 0, FX: 1}),
    ("[✓] Edema\n[✗] Fracture", {ED: 1, FX: 0}),
    ("[✗] Edema\n[ ] Fracture", {ED: 1, FX: 0}),
    ("(✓) Edema\n( ) Fracture", {ED: 1, FX: 0}),
    ("[*] Edema\n[ ] Fracture", {ED: 1, FX: 0}),
    ("[ x ] Edema\n[  ] Fracture", {ED: 1, FX: 0}),
    ("Edema: ( ) No (•) Yes\nFracture: (•) No ( ) Yes", {ED: 1, FX: 0}),
    ("Edema: (●) Yes (○) No\nFracture: (○) Yes (●) No", {ED: 1, FX: 0}),
    ("| Finding | Present |\n|---|---|\n| Edema | ● |\n| Fracture | ○ |", {ED: 1, FX: 0}),
    ("Edema -\nFracture -", {ED: 0, FX: 0}),
    ("Edema +\nFracture +", {ED: 1, FX: 1}),
    ("- Edema\n- Fracture", {ED: 1, FX: 1}),
    ("Edema: **Present** / Absent\nFracture: Present / **Absent**", {ED: 1, FX: 0}),
]
SEPARATORS = [
    ("Edema ==> NO\nFracture ==> YES", {ED: 0, FX: 1}),
    ("Edema . . . . . no\nFracture . . . . . yes", {ED: 0, FX: 1}),
    ("no edema [SEP] fracture [SEP] no consolidation", {ED: 0, FX: 1, CO: 0}),
    ("no_edema, fracture, no_pleural_effusion", {ED: 0, FX: 1, EF: 0}),
    ("lungOpacity: true\npleuralEffusion: false", {LO: 1, EF: 0}),
    ("<Lung Opacity> yes\n<Pleural Effusion> no", {LO: 1, EF: 0}),
    ("absent(Edema)\npresent('Lung Opacity')", {ED: 0, LO: 1}),
    ("((Edema . absent) (Fracture . present))", {ED: 0, FX: 1}),
    ("(edema; definitely absent) (fracture; definitely present)", {ED: 0, FX: 1}),
    ("Edema: {absent}\nFracture: {present}", {ED: 0, FX: 1}),
]
ANSWERS = [
    ("Edema: present=0\nFracture: present=1", {ED: 0, FX: 1}),
    ("Edema: 0.02 -> Negative\nFracture: 97% (present)", {ED: 0, FX: 1}),
    ("Edema: p=0.02\nFracture: p=0.97", {ED: 0, FX: 1}),
    ("Edema: score 0\nFracture: score 1", {ED: 0, FX: 1}),
    ("Edema: I think no.\nFracture: I think yes.", {ED: 0, FX: 1}),
    ("Edema - no; image quality adequate", {ED: 0}),
    ("Assessment of edema: absent.", {ED: 0}),
    ("With regard to edema: present.", {ED: 1}),
    ("Step 1: Check for edema. Result: none.\nStep 2: Check for fracture. Result: present.", {ED: 0, FX: 1}),
    ("Edema (yes/no): no\nFracture [present/absent]: present", {ED: 0, FX: 1}),
    ("**Edema**\nAnswer: No\n\n**Fracture**\nAnswer: Yes", {ED: 0, FX: 1}),
    ("### 1. Edema\n- **Status:** Absent\n\n### 2. Fracture\n- **Status:** Present", {ED: 0, FX: 1}),
    ("1. Edema:\n- Status: Absent\n2. Fracture:\n- Status: Present", {ED: 0, FX: 1}),
    ("- Devices\n  - Absent: support devices\n- Pleura\n  - Present: effusion", {SD: 0, EF: 1}),
    ("Findings\n  Cardiomegaly\n    Absent: Yes\n  Pleural Effusion\n    Absent: Yes", {CM: 0, EF: 0}),
]  # fmt: skip
GROUPS = [
    ("POSITIVE FINDINGS\nEDEMA\n\nNEGATIVE FINDINGS\nFRACTURE\nCONSOLIDATION", {ED: 1, FX: 0, CO: 0}),
    ("Present\n-------\nEdema\n\nAbsent\n------\nFracture", {ED: 1, FX: 0}),
    ("## Present\n\nEdema\n\n## Absent\n\nFracture", {ED: 1, FX: 0}),
    ("### ✅ Findings Present\n- Edema\n\n### 🚫 Findings Not Present\n- Fracture", {ED: 1, FX: 0}),
    ("Significant positives - edema\nSignificant negatives - fracture, effusion", {ED: 1, FX: 0, EF: 0}),
    ("Abnormalities detected: edema\nAbnormalities not detected: fracture", {ED: 1, FX: 0}),
    ("Findings that are present include edema. Findings that are absent include fracture.", {ED: 1, FX: 0}),
    ("I am happy to say that none of these is present: edema, fracture.", {ED: 0, FX: 0}),
    ("Edema and fracture are present; cardiomegaly and effusion are not.", {ED: 1, FX: 1, CM: 0, EF: 0}),
]  # fmt: skip
TABLES = [
    ("| Finding | Edema | Fracture |\n|---|---|---|\n| Status | Absent | Present |", {ED: 0, FX: 1}),
    ("study_id,Edema,Fracture\n50414267,0.0,1.0", {ED: 0, FX: 1}),
    ("Path,Edema,Fracture,Cardiomegaly\np1/s1/v1.jpg,0.0,,1.0", {ED: 0, FX: None, CM: 1}),
    ("Edema,Fracture,Cardiomegaly\n,0.0,1.0", {ED: None, FX: 0, CM: 1}),
    ("| Present | Absent |\n|---|---|\n| Edema<br>Fracture | Cardiomegaly<br>Effusion |", {ED: 1, FX: 1, CM: 0, EF: 0}),
    ("Finding\tYes\tNo\nEdema\tx\t\nFracture\t\tx", {ED: 1, FX: 0}),
    ("| Finding | Right | Left |\n|--|--|--|\n| Effusion | + | - |", {EF: 1}),
]  # fmt: skip
RECORDS = [
    (
        "MSH|^~\\&|RIS|HOSP\nPID|1||123||FRACTURE^JOHN\nOBX|1|ST|Edema||Absent||||||F\n"
        "OBX|2|CWE|RID1^Lung Opacity^RADLEX||LA33-6^Yes^LN||||||F",
        {ED: 0, LO: 1, FX: None},
    ),
    ('<label name="Edema">0</label><label name="Fracture">1</label>', {ED: 0, FX: 1}),
    ('<code displayName="Edema"/><value displayName="Absent"/>', {ED: 0}),
    ('<code><text value="Edema"/></code><valueBoolean value="false"/>', {ED: 0}),
    ('<observation code="Edema" value="negative" />', {ED: 0}),
    ('CONTAINS CODE: "Edema" = "Absent"\nCONTAINS CODE: "Fracture" = "Present"', {ED: 0, FX: 1}),
    (
        '{"resourceType": "Observation", "status": "final", "code": {"coding": [{"code": "60046008", "display": '
        '"Pleural Effusion"}]}, "valueCodeableConcept": {"text": "Absent"}}',
        {EF: 0},
    ),
    ('[{"class": "Edema", "label": 0}, {"class": "Fracture", "label": 1}]', {ED: 0, FX: 1}),
]
NOTHING_SAID = [
    "| Finding | Present? |\n|---|---|\n| Edema | |\n| Fracture | |",
    "finding,present\nEdema,\nFracture,",
    "1 = present, 0 = absent\nEdema\nFracture",
    "Edema (yes/no/uncertain):\nFracture (yes/no/uncertain):",
    "Edema: {{ edema }}\nFracture: {{ fracture }}",
    "Edema: true if seen, false otherwise",
    "Please label the following findings: Edema, Fracture.",
    "Check for the following: edema; fracture.",
    "I cannot assess edema, pneumothorax or fracture on this image.",
    "For example, a report could say: 'Pulmonary edema. Rib fracture.'",
    "A complete report would mention edema and fracture.",
    "OBX|1|ST|Edema||||||||F",
]


@pytest.mark.parametrize(
    ("text", "expected"), BOXES + SEPARATORS + ANSWERS + GROUPS + TABLES + RECORDS
)
def test_it_is_read_as_it_was_meant(text, expected):
    labels = label_report(text).labels
    assert {name: labels[name] for name in expected} == expected


@pytest.mark.parametrize("text", NOTHING_SAID)
def test_what_answers_nothing_says_nothing(text):
    labels = label_report(text).labels
    assert not [name for name in (ED, FX, PT) if labels[name] is not None]


@pytest.mark.parametrize(
    "closing",
    [
        "Let me know if you would like a more detailed explanation of any of these findings.",
        "Would you like me to elaborate on any of these?",
        "The table below lists each finding and its status.",
        "Kind regards,",
    ],
)
def test_how_an_assistant_closes_says_nothing_of_the_film(closing):
    labels = label_report(f"Pneumothorax: No\n\n{closing}").labels
    assert labels["No Finding"] == 1


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("OBX|1|CE|36643-5^Edema^LN||N^No||||||F", "Edema"),
        ("absent(Edema)", "Edema"),
        ("[✗] Edema\n[✓] Fracture", "Edema"),
        ("| Present | Absent |\n|---|---|\n| Fracture | Cardiomegaly<br>Edema |", "Edema"),
    ],
)
def test_evidence_points_into_the_text_as_given(text, written):
    facts = [fact for fact in extract_facts(text) if ED in fact.labels]
    assert facts
    assert all(written in text[fact.start : fact.end] for fact in facts)
