"""What a blind set of forms found: signs, choices, prompts and turns that were read the wrong way round."""

import pytest

from orapo.facts import FactSReward, extract_facts, label_report
from short_labels import CM, CO, ED, EF, FX, LL, LO, PN, PT

SIGNS = [
    ("Effusion no", {EF: 0}),
    ("a)No fracture b)Mild edema c)No effusion", {FX: 0, ED: 1, EF: 0}),
    ("CXR neg for pneumonia, +cardiomegaly", {PN: 0, CM: 1}),
    ("neg pneumothorax / neg effusion / pos consolidation", {PT: 0, EF: 0, CO: 1}),
    ("-ve for pneumothorax, +ve for effusion", {PT: 0, EF: 1}),
    ("CXR (-) infiltrate (-) effusion (+) edema", {LO: 0, EF: 0, ED: 1}),
    ("CXR: - pneumothorax, - effusion, + consolidation", {PT: 0, EF: 0, CO: 1}),
    ("∅ pneumothorax, ∅ effusion, +edema", {PT: 0, EF: 0, ED: 1}),
    ("-pneumothorax -effusion", {PT: 0, EF: 0}),
    ("-No edema -Cardiomegaly", {ED: 0, CM: 1}),
    ("- Edema\n- Fracture", {ED: 1, FX: 1}),
    ("Edema: -\nFracture: -", {ED: 0, FX: 0}),
    ("Edema: -\nFracture: -\nNodule: none", {ED: None, FX: None, LL: 0}),
    ("Positive edema, negative effusion", {ED: 1, EF: 0}),
    ("Edema: mild, culture neg", {ED: 1}),
    ("Edema-, fracture-", {ED: 0, FX: 0}),
    ("Edema-, fracture+", {ED: 0, FX: 1}),
    ("(absent) Edema\n(present) Fracture", {ED: 0, FX: 1}),
    ("!Edema\nFracture", {ED: 0, FX: 1}),
    ("¬Edema; Fracture", {ED: 0, FX: 1}),
    ("🚫 Edema 🚫 Fracture", {ED: 0, FX: 0}),
    ("Edema? ✖\nFracture? ✔", {ED: 0, FX: 1}),
]
CHOICES = [
    ("Edema: Yes/No", {ED: None}),
    ("Edema (Y/N)", {ED: None}),
    ("Edema: yes | no", {ED: None}),
    ("Edema: [x] Yes [x] No", {ED: None}),
    ("Edema: [ ] Yes [ ] No", {ED: None}),
    ("Edema: present or absent", {ED: None}),
    ("Edema: Yes No", {ED: None}),
    ("Edema: Nil seen", {ED: 0}),
    ("Edema: definitely absent", {ED: 0}),
    ("Edema: no / none", {ED: 0}),
    ("Consolidation/no effusion", {CO: 1, EF: 0}),
]
NUMBERS = [
    ("Pneumothorax: 20%", {PT: None}),
    ("Edema: 0.97", {ED: None}),
    ("Edema: 95%\nPneumothorax: 1%", {ED: 1, PT: 0}),
    ("Edema: Intermediate probability", {ED: -1}),
    ('[{"label": "Edema", "score": 0.9}, {"label": "Fracture", "score": 0.1}]', {ED: 1, FX: 0}),
]
PROMPTS = [
    ("Labels considered: Edema, Pneumonia.", {ED: None, PN: None}),
    ("CheXpert labels include Edema and Fracture.", {ED: None, FX: None}),
    ("Options: (A) Edema (B) Fracture", {ED: None, FX: None}),
    ("Options:\n- Edema\n- Fracture", {ED: None, FX: None}),
    ("Legend: 1 = Edema, 2 = Fracture.", {ED: None, FX: None}),
    ("The following were assessed: edema, fracture.", {ED: None, FX: None}),
    ('{"present": [], "candidates": ["Edema"]}', {ED: None}),
    ("Predicted labels: Edema", {ED: 1}),
    ("Category: Edema", {ED: 1}),
    ("Is there edema?", {ED: None}),
    ("Does this image show edema, fracture?", {ED: None, FX: None}),
    ("Could this be pneumonia?", {PN: -1}),
    ("Does this represent pneumonia?", {PN: -1}),
]
DENIED = [
    ("Absent\n- Edema", {ED: 0}),
    ("Excluded diagnoses: Edema, fracture.", {ED: 0, FX: 0}),
    ("Considered and rejected: Edema.", {ED: 0}),
    ("Not excluded: edema", {ED: -1}),
    ("Edema\nFracture\nAll of the above are absent.", {ED: 0, FX: 0}),
    ("There is edema. None of this is true.", {ED: 0}),
    ("Edema, fracture and effusion are ruled out.", {ED: 0, FX: 0, EF: 0}),
    ("Pneumothorax, effusion, fracture: all negative.", {PT: 0, EF: 0, FX: 0}),
    (
        "Pneumothorax, Edema, Fracture, Nodule, Effusion, Cardiomegaly: absent",
        {PT: 0, EF: 0, CM: 0},
    ),
    ("Cardiomegaly, small effusion, fracture absent.", {CM: 1, EF: 1, FX: 0}),
    ("Lung Lesion - No nodule or mass.", {LL: 0}),
    ("Small effusion - no pneumothorax.", {EF: 1, PT: 0}),
    ("Pneumothorax: the lungs are fully expanded, none seen.", {PT: 0}),
]
LINES = [
    ("Pneumothorax NO / Effusion YES / Fracture NO", {PT: 0, EF: 1, FX: 0}),
    ("Q: Pneumothorax? A: No\nQ: Fracture? A: Yes", {PT: 0, FX: 1}),
    (
        "Question 1: Is edema present? Answer: No. Question 2: Is a fracture present? Answer: Yes.",
        {ED: 0, FX: 1},
    ),
    ("No effusion…Mild cardiomegaly…", {EF: 0, CM: 1}),
    ("No effusion...mild cardiomegaly...no pneumothorax", {EF: 0, CM: 1, PT: 0}),
    ("Edema ...... no", {ED: 0}),
    ("No pneumothorax。Small effusion。", {PT: 0, EF: 1}),
    ("\\u2022 No effusion \\u2022 Cardiomegaly", {EF: 0, CM: 1}),
    ("No edema.A pneumothorax is seen.", {ED: 0, PT: 1}),
    ("- Edema\n  No\n- Fracture\n  Yes", {ED: 0, FX: 1}),
    ("- Edema\n  - Absent\n- Fracture\n  - Present", {ED: 0, FX: 1}),
    ("N-o edema.", {ED: 0}),
    (
        "Referrer: Any edema? Radiologist: No. Referrer: Any fracture? Radiologist: Yes.",
        {ED: 0, FX: 1},
    ),
    ("INDICATION: Pneumonia? FINDINGS: No effusion.", {PN: None, EF: 0}),
    ("- finding: Edema\n  negated: true\n- finding: Fracture\n  negated: false", {ED: 0, FX: 1}),
    (
        '[{"text": "Edema", "label": "FINDING", "assertion": "absent"},'
        ' {"text": "Fracture", "label": "FINDING", "assertion": "present"}]',
        {ED: 0, FX: 1},
    ),
    ('<label name="Edema" value="0"/><label name="Fracture" value="1"/>', {ED: 0, FX: 1}),
    ('<observation negationInd="true"><text>Edema</text></observation>', {ED: 0}),
    ("status;finding\npresent;Edema\nabsent;Fracture", {ED: 1, FX: 0}),
    (
        "<present><finding>Edema</finding></present><absent><finding>Fracture</finding></absent>",
        {ED: 1, FX: 0},
    ),
]
NAMES = [
    ("Prior: large left effusion. Current: no effusion.", {EF: 0}),
    ("Yesterday: effusion. Today: clear.", {EF: None}),
    ("DDx: pneumonia, edema.", {PN: -1, ED: -1}),
    ("Ordering diagnosis: Pneumonia, unspecified organism.", {PN: None}),
]
SECTIONS = [
    ("INDICATION: Chest pain. The heart is enlarged. IMPRESSION: No acute disease.", {CM: 1}),
    ("HISTORY: Cough. Rule out pneumonia. Impression: No effusion.", {PN: None, EF: 0}),
    ("INDICATION: Edema. No fever. Known effusion. IMPRESSION: Clear lungs.", {ED: None, EF: None}),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [*SIGNS, *CHOICES, *NUMBERS, *PROMPTS, *DENIED, *LINES, *NAMES, *SECTIONS],
)
def test_it_is_read_as_it_was_meant(text, expected):
    labels = label_report(text).labels
    assert {label: labels[label] for label in expected} == expected


@pytest.mark.parametrize(
    "text",
    ["Edema: Yes/No", "Is there edema?", "Options: (A) Edema", "Edema. None of this is true."],
)
def test_what_claims_nothing_earns_nothing(text):
    assert FactSReward()([text], labels=[{ED: 1}]) == [0]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("neg edema, pos effusion", "effusion"),
        ('<finding status="positive">Effusion</finding>', "Effusion"),
        ('{"finding": ["Edema", "Effusion"], "present": [false, true]}', "Effusion"),
        ("Q: Edema? A: No Q: Effusion? A: Yes", "Effusion"),
        ("#NoEdema #Effusion", "Effusion"),
    ],
)
def test_evidence_points_into_the_text_as_given(text, name):
    (fact,) = [fact for fact in extract_facts(text) if fact.labels.get(EF) == 1]
    assert name in text[fact.start : fact.end]
