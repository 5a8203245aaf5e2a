"""Cues of plans, history, doubt and layout leave alone what a sentence says of the film all the same."""

import pytest

from orapo.facts import label_report
from short_labels import AT, CM, CO, EC, ED, EF, FX, LL, LO, NF, PN, PT, SD

LINES_THAT_ARE_NO_CATHETER = [
    ("Subpleural lines are seen.", {SD: None}),
    ("The spinolaminar line is intact.", {SD: None}),
    ("The mediastinal lines are normal.", {SD: None, EC: 0}),
    ("There is no line of consolidation.", {SD: None, CO: 0}),
    ("Line shadows at the left base.", {SD: None, LO: 1}),
    ("Second line antibiotics were given.", {SD: None}),
    ("The lines are unchanged.", {SD: 1}),
    ("Lines: none.", {SD: 0}),
    ("No lines.", {SD: 0}),
    ("The reading was entered on line.", {SD: None}),
    ("Line 1: No effusion.\nLine 2: Cardiomegaly.", {SD: None, EF: 0, CM: 1}),
    ("The line was withdrawn 2 cm.", {SD: 1}),
    ("The line has been withdrawn.", {SD: 0}),
]
PLANNED_AND_THERE = [
    ("The patient will need a chest tube for the right pneumothorax.", {PT: 1, SD: None}),
    ("This requires urgent drainage of the left empyema.", {EF: 1}),
    ("This needs urgent attention: tension pneumothorax on the left.", {PT: 1}),
    ("Requires clinical correlation for pneumonia.", {PN: None}),
    ("CT will be needed to characterise the mass.", {LL: 1}),
    ("CT will be needed to exclude the possibility of a mass.", {LL: None}),
    ("The physician will be notified about the new right pneumothorax.", {PT: 1}),
    ("Findings will be called: tension pneumothorax.", {PT: 1}),
    ("Drainage of the effusion is planned.", {EF: 1}),
    ("A pacemaker is planned.", {SD: None}),
    ("The nodule is planned for biopsy.", {LL: 1}),
    ("The large effusion is due to be drained tomorrow.", {EF: 1}),
    ("The chest tube will be removed tomorrow.", {SD: 1}),
    ("Consider retraction of the right PICC line.", {SD: 1}),
    ("Consider a chest tube for the large right pneumothorax.", {PT: 1, SD: None}),
    ("Consider CT for nodule.", {LL: None}),
    ("A right effusion continues to develop.", {EF: 1}),
    ("Should pneumonia develop, repeat the film.", {PN: None}),
    ("Fractures occur at multiple levels in the left ribs.", {FX: 1}),
    ("Findings localize to the rib, and if tender, suspect acute fracture.", {FX: -1}),
    ("Cannot evaluate the left base due to a large effusion.", {EF: 1}),
    ("Cannot assess for the presence of edema.", {ED: None}),
    ("Unremarkable course for the PICC line.", {SD: 1}),
    ("This is a patient who has cardiomegaly.", {CM: 1}),
]
HISTORY_AND_NOW = [
    ("She had a chest tube placed yesterday.", {SD: 1}),
    ("He has had worsening of his pneumonia.", {PN: 1}),
    ("She had pneumonia last year.", {PN: None}),
    ("Evaluate for pneumonia, which is common.", {PN: None}),
    ("History of pneumonia, which has been treated.", {PN: None}),
    ("Prior CT showed a nodule, which is again seen.", {LL: 1}),
    ("The fracture is seen on one view, but on the lateral it is not.", {FX: 1}),
    ("The catheter is visible but its tip is not.", {SD: 1}),
    ("The chest tube has been partially withdrawn.", {SD: 1}),
]
WORDS = [
    ("Atelectasis of the lung secondary to effusion.", {LL: None, AT: 1, EF: 1}),
    ("Left effusion and air space disease in the right hemithorax.", {EF: 1, LO: 1, PT: None}),
    ("Air and fluid in the pleural cavity.", {EF: 1, PT: 1}),
    ("Hernia with air and fluid in the left hemithorax.", {PT: None}),
    ("Fluid accumulation in the lungs consistent with edema.", {ED: 1, EF: None}),
    ("No fluid accumulation in the lungs.", {EF: 0}),
    ("The opacity is not part of the rib.", {LO: 1}),
    ("Edema is not part of the picture.", {ED: 0}),
    ("We are concerned about the large pneumothorax.", {PT: 1}),
    ("We are concerned about the possibility of pneumonia.", {PN: -1}),
]
FORMS = [
    ("FINDINGS: No\npneumothorax or effusion.", {PT: 0, EF: 0}),
    ("Lungs: no\nconsolidation.", {CO: 0}),
    ("Pneumothorax: no\nleft effusion", {PT: 0, EF: 1}),
    ("Edema\n[ ] Absent\n[x] Present", {ED: 1}),
    ("Edema\n[x] Absent\n[ ] Present\nEffusion\n[ ] Absent\n[x] Present", {ED: 0, EF: 1}),
    ("Please describe the findings: There is an effusion.", {EF: 1}),
    ("Label the following findings: edema, effusion", {ED: None, EF: None}),
    ("Positive findings: none", {NF: 1}),
    ("Heart normal -\nEffusion -", {CM: 0}),
    ("Edema: no if compared with yesterday, present today", {ED: 1}),
    ("Fracture: This is not new.", {FX: 1}),
    ("ETT: This is not well positioned.", {SD: 1}),
    ("Nodule: The previous film did not show this.", {LL: 1}),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *LINES_THAT_ARE_NO_CATHETER,
        *PLANNED_AND_THERE,
        *HISTORY_AND_NOW,
        *WORDS,
        *FORMS,
    ],
)
def test_a_cue_reaches_no_further_than_it_is_meant_to(text, expected):
    labels = label_report(text).labels
    assert {label: labels[label] for label in expected} == expected
