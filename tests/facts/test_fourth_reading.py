"""What a fourth reader found: exports, tables, dictation and wordings that were misread or not read."""

import pytest

from orapo.facts import FactSReward, label_report
from short_labels import AT, CM, CO, ED, EF, FX, LL, LO, NF, PN, PT, SD

EXPORTS = [
    (
        '<contains CODE:(121071,DCM,"Finding")=(R1,SRT,"Edema")>\n  <has properties CODE:(1,L,"Presence")=(2,L,"Absent")>',
        {ED: 0},
    ),
    ('<contains CODE: (RID1,RADLEX,"Fracture") = (1,SRT,"Present")>', {FX: 1}),
    ('{| class="wikitable"\n! Finding !! Result\n|-\n| Edema || No\n|-\n| Fracture || Yes\n|}', {ED: 0, FX: 1}),
    (
        '<item code="1" meaning="Edema"><text>Absent</text></item><item code="2" meaning="Fracture"><text>Present</text></item>',
        {ED: 0, FX: 1},
    ),
    ('{"absent": [{"name": "Edema"}], "present": [{"name": "Fracture"}]}', {ED: 0, FX: 1}),
    ('{"present": {"Edema": {}}, "absent": {"Fracture": {}}}', {ED: 1, FX: 0}),
    ('{"absent": {"Edema": {"side": "left"}}}', {ED: 0}),
    ('{"present": ["Fracture"], "uncertain": ["Pneumonia"], "not assessed": ["Edema"]}', {FX: 1, PN: -1, ED: None}),
    ('{"abnormal": ["edema"], "normal": ["no fracture"]}', {ED: 1, FX: 0}),
    ('{"resourceType": "DiagnosticReport", "result": ["No edema"]}', {ED: 0, NF: 1}),
    ("{'Edema': Status.ABSENT, 'Fracture': Status.PRESENT}", {ED: 0, FX: 1}),
    ("Findings\n  Edema\n    Absent: Yes\n  Fracture\n    Absent: No", {ED: 0, FX: 1}),
    ("[chest]\nEdema = off\nFracture = on", {ED: 0, FX: 1}),
    ("Heart:\n  Size: enlarged\nEffusion:\n  Size: n/a\n  Present: no", {CM: 1, EF: 0}),
]  # fmt: skip
TABLES = [
    ("| | Present | Absent |\n|---|:-:|:-:|\n| Edema | | X |\n| Fracture | X | |", {ED: 0, FX: 1}),
    ("| Present? | Finding |\n|---|---|\n| N | Edema |\n| Y | Fracture |", {ED: 0, FX: 1}),
    ("id,finding,value\n1,Edema,0\n2,Fracture,0", {ED: 0, FX: 0, NF: 1}),
    ("Edema\tFracture\nabsent\tpresent", {ED: 0, FX: 1}),
    (
        "Edema\n-----\nThere is no edema.\n\nFracture\n--------\nThere is a fracture.",
        {ED: 0, FX: 1},
    ),
]
ANSWERS = [
    ("Edema [negated], fracture [affirmed]", {ED: 0, FX: 1}),
    ("Fracture [old]; edema [none]", {FX: 1, ED: 0}),
    ("EDEMA: [None]\nFRACTURE: [Left rib]", {ED: 0, FX: 1}),
    ("EDEMA (0-4): 0 - none\nFRACTURE (0-4): 3 - definite", {ED: 0, FX: 1}),
    ("Edema: 1/5 (definitely absent)\nFracture: 5/5 (definitely present)", {ED: 0, FX: 1}),
    ("Edema: The finding is absent.\nFracture: The finding is present.", {ED: 0, FX: 1}),
    ("Edema: improved but persists.", {ED: 1}),
    ("Effusions: about the same.", {EF: 1}),
    ("Edema: unable to exclude.", {ED: -1}),
    ("Key findings: Edema (-), Fracture (+)", {ED: 0, FX: 1}),
    ("Fracture (healing), edema (none)", {FX: 1, ED: 0}),
    ("Edema- Fracture+ Effusion-", {ED: 0, FX: 1, EF: 0}),
    ("Edema? None. Cardiomegaly? Mild.", {ED: 0, CM: 1}),
    ("positive: edema; uncertain: pneumonia", {ED: 1, PN: -1}),
    ("Cardiomegaly – The heart is normal in size.", {CM: 0}),
    ("Pneumothorax - The lungs are fully expanded.", {PT: None, NF: None}),
    ("There is edema (confidence: high). There is no fracture (confidence: low).", {ED: 1, FX: 0}),
    ("Worsening congestive failure: central vessels are engorged.", {ED: 1}),
    ("Acute fracture: the ribs are intact.", {FX: None}),
    ("Cardiomegaly/No effusion/No edema", {CM: 1, EF: 0, ED: 0}),
]
DICTATED = [
    ("findings colon heart enlarged period no effusion period", {CM: 1, EF: 0}),
    ("there is no effusion full stop the heart is enlarged full stop", {EF: 0, CM: 1}),
    ("impression colon number one no edema period number two rib fracture period", {ED: 0, FX: 1}),
    ("No effusion in the postoperative period. There was no edema in this period.", {EF: 0, ED: 0}),
    ("Gas in the transverse colon. No edema.", {ED: 0}),
]
WORDED = [
    ("Apart from cardiomegaly the chest is normal.", {CM: 1, NF: None}),
    ("Pulmonary vascular engorgement appears normal.", {ED: 0}),
    ("The lungs are consolidation-free.", {CO: 0}),
    ("Right-sided effusion; none on the left.", {EF: 1}),
    ("Multiple nodules, none of which is calcified.", {LL: 1}),
    ("Cardiomegaly without failure.", {CM: 1, ED: 0}),
    ("Respiratory failure. Failure of the left lead.", {ED: None}),
    ("The pleural space contains air on the left.", {PT: 1}),
    ("Cracked ribs on the left.", {FX: 1}),
    ("The endotracheal tube has been withdrawn by 2 cm.", {SD: 1}),
    ("All lines are out.", {SD: 0}),
    ("Doubtful small pneumothorax.", {PT: -1}),
    ("Patient admitted with pneumonia.", {PN: None}),
    ("Clinical suspicion of pneumothorax. The lungs are expanded.", {PT: None}),
    ("Recommend placement of a nasogastric tube.", {SD: None}),
    ("Old films show a left effusion. The lungs are clear.", {EF: None}),
    ("Laryngeal mass.", {LL: None, NF: None}),
    ("Repeat film after the effusion is drained.", {EF: None}),
    ("Differentiation of atelectasis from consolidation is difficult.", {AT: None, CO: None}),
    ("Patchy opacity (RLL).", {LO: 1}),
]  # fmt: skip
WRAPPED = [
    ("The heart is normal in size. No\npneumothorax is seen. There is no\npleural effusion.", {CM: 0, PT: 0, EF: 0}),
    ("The lungs are clear. There is no\n   consolidation. No pneumothorax is\n   seen.", {CO: 0, PT: 0}),
    ("effusion no\nedema yes", {EF: 0, ED: 1}),
    ("For edema, the answer is no.", {ED: 0}),
    ("<h3>Edema</h3><p>There is no edema.</p><h3>Fracture</h3><p>A rib fracture.</p>", {ED: 0, FX: 1}),
    ("<q>Edema</q><a>no</a>\n<q>Fracture</q><a>yes</a>", {ED: 0, FX: 1}),
    ("*Edema*: _absent_\n*Fracture*: _present_", {ED: 0, FX: 1}),
    ("edema / no effusion / cardiomegaly", {ED: 1, EF: 0, CM: 1}),
    ("No edema / effusion.", {ED: 0, EF: 0}),
    ("Edema / no\nFracture / yes", {ED: 0, FX: 1}),
    ("Prediction: Pneumonia = 0.91; Edema = 0.07; Fracture = 0.02", {PN: 1, ED: 0, FX: 0}),
    ("Evaluate: Edema, Fracture.", {ED: None, FX: None}),
    ("Example report: there is a large effusion.", {EF: None}),
    ("Clinical concern: pneumothorax. The lungs are clear.", {PT: None}),
]  # fmt: skip
MORE_WORDED = [
    ("Besides a small left pneumothorax, the film is normal.", {PT: 1, NF: None}),
    ("Edema: interstitial.", {ED: 1}),
    ("Edema: ___\nFracture: ___", {ED: None, FX: None}),
    ("Effusion: has increased.", {EF: 1}),
    ("Effusion: only on the left", {EF: 1}),
    ("ETT: out", {SD: 0}),
    ("Pleural effusion does not exist.", {EF: 0}),
    ("There is no less edema than before.", {ED: 1}),
    ("Cannot confidently exclude a pneumothorax.", {PT: -1}),
    ("Mitral valve calcification.", {SD: None, NF: None}),
    ("Macular edema. Bowel edema.", {ED: None}),
    ("Mass in the abdomen.", {LL: None, NF: None}),
    ("Last year's film showed edema.", {ED: None}),
    ("Risk factors for pneumonia include smoking.", {PN: None}),
    ("A pneumothorax may develop after this procedure.", {PT: None}),
    ("Small pneumothoraces are easily missed on supine films.", {PT: None}),
    ("Had there been a pneumothorax, a pleural line would be visible.", {PT: None}),
    ("Suppose there were an effusion.", {EF: None}),
    ("The student wrote that there is a pneumothorax.", {PT: None}),
    ("According to the chart the patient has cardiomegaly.", {CM: None}),
    ("Patient underwent thoracentesis for an effusion.", {EF: None}),
]


@pytest.mark.parametrize(
    ("text", "expected"), [*EXPORTS, *TABLES, *ANSWERS, *DICTATED, *WORDED, *WRAPPED, *MORE_WORDED]
)
def test_it_is_read_as_it_was_meant(text, expected):
    labels = label_report(text).labels
    assert {label: labels[label] for label in expected} == expected


def test_evidence_of_an_export_stands_where_the_report_says_it():
    text = '<contains CODE:(1,L,"Finding")=(2,L,"Edema")>\nFracture [negated]'
    edema, fracture = label_report(text).facts
    assert "Edema" in text[edema.start : edema.end]
    assert text[fracture.start : fracture.end] == "Fracture"


def test_a_table_turned_round_earns_nothing():
    text = "| Present? | Finding |\n|---|---|\n| Y | Edema |\n| N | Fracture |"
    assert FactSReward()([text, text], labels=[{ED: 1, FX: 0}, {ED: 0, FX: 1}]) == [1, 0]
