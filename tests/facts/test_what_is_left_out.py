"""What a sentence leaves out or says of a part only: subjects, pronouns, tips, conditions, who is speaking of when."""

import pytest

from orapo.facts import extract_facts, label_report
from short_labels import AT, CM, CO, EC, ED, EF, FX, LL, LO, NF, PN, PT, SD

SUBJECT_LEFT_OUT = [
    ("Opacities have cleared on the right but persist on the left.", {LO: 1}),
    ("The atelectasis had cleared but has returned.", {AT: 1}),
    ("Effusions have resolved on the right and decreased on the left.", {EF: 1}),
    ("The left effusion has resolved and is no longer seen.", {EF: 0}),
    ("The right lung is clear of edema but the left is not.", {ED: 1}),
    ("The left base has no effusion but the right does.", {EF: 1}),
    ("The left lung shows consolidation, the right lung does not.", {CO: 1}),
    ("No rib fractures other than those already known on the left.", {FX: 1}),
    ("No nodules apart from the known one.", {LL: 1}),
    ("No effusion. Other than that, the chest is normal.", {EF: 0, NF: 1}),
    ("An effusion is seen, but a pneumothorax is not.", {EF: 1, PT: 0}),
    ("The effusion is improved, the edema is not.", {EF: 1, ED: 1}),
    ("No consolidation, only atelectasis.", {CO: 0, AT: 1}),
]
ANSWERED_BY_PRONOUN = [
    ("Pneumothorax: The image does not show any evidence of this.", {PT: 0}),
    ("Edema: There are no signs of it.", {ED: 0}),
    ("Consolidation: This cannot be ruled out.", {CO: -1}),
    ("Effusion: It has not changed.", {EF: 1}),
    ("Effusion: It is normal.", {EF: 0}),
    ("Effusion: This has resolved.", {EF: 0}),
    ("Effusion: loculated, on the right", {EF: 1}),
    ("Fracture: nondisplaced right 5th rib", {FX: 1}),
]
OF_A_PART = [
    ("The tip of the right PICC is not visualized.", {SD: 1}),
    ("Catheter tip not well visualized.", {SD: 1}),
    ("The right PICC is not visualized.", {SD: 0}),
    ("No catheter tip is seen.", {SD: 0}),
    ("The margins of the mass are not well seen.", {LL: 1}),
    ("The cause of the large left effusion is not identified.", {EF: 1}),
    ("None of the nodules is calcified.", {LL: 1}),
    ("None of the ribs is fractured.", {FX: 0}),
]
THEN_AND_NOW = [
    ("The prior radiograph showed a small effusion, which is no longer present.", {EF: 0}),
    ("Prior CT showed a lung nodule, which is unchanged.", {LL: 1}),
    ("The prior film showed a small effusion.", {EF: None}),
    ("Repeat film after the effusion is drained.", {EF: None}),
    ("Consolidation in the left base, not seen in 2021.", {CO: 1}),
    ("There is an effusion where there was none previously.", {EF: 1}),
    ("The edema is not entirely resolved.", {ED: 1}),
    ("No convincing reduction in the effusion.", {EF: 1}),
    ("There is neither improvement nor deterioration of the edema.", {ED: 1}),
    ("The heart has enlarged since the previous study.", {CM: 1}),
    ("The left effusion is not seen to have changed.", {EF: 1}),
]
CONDITIONS_AND_PLANS = [
    ("If the patient develops a fever, consider pneumonia.", {PN: None}),
    ("If pain persists, consider occult fracture.", {FX: None}),
    ("Should pneumonia develop, repeat the film.", {PN: None}),
    ("Consider pneumonia; ET tube in place.", {PN: -1, SD: 1}),
    ("Consider chest tube placement.", {SD: None}),
    ("Awaiting pacemaker insertion.", {SD: None}),
    ("Pacemaker to be inserted tomorrow.", {SD: None}),
    ("The patient will be intubated.", {SD: None}),
    ("On antibiotics for pneumonia.", {PN: None}),
    ("She had a pneumothorax in 2015.", {PT: None}),
    ("ET tube should be withdrawn.", {SD: 1}),
    ("The line has been withdrawn.", {SD: 0}),
    ("The line was pulled back by 2 cm.", {SD: 1}),
]
DOUBTS = [
    ("An infiltrate may well be present.", {LO: -1}),
    ("May represent a rib fracture.", {FX: -1}),
    ("There is uncertainty about a pneumothorax.", {PT: -1}),
    ("Left apical nodule or vessel.", {LL: -1}),
    ("No nodule or vessel.", {LL: 0}),
    ("Edema more likely than pneumonia.", {PN: -1}),
    ("Pneumonia cannot safely be excluded.", {PN: -1}),
    ("Findings are equivocal for edema.", {ED: -1}),
    ("The heart is questionably enlarged.", {CM: -1}),
    ("Possible causes include pneumonia and edema.", {PN: -1, ED: -1}),
    ("Not excluding a fracture.", {FX: -1}),
]
WORDS = [
    ("There is no abnormality.", {NF: 1}),
    ("The film shows no abnormality.", {NF: 1}),
    ("The kidneys are normal.", {NF: None}),
    ("Nothing suspicious for edema.", {ED: 0}),
    ("Consolidation is not a feature.", {CO: 0}),
    ("Infective consolidation in the left lower lobe.", {CO: 1, PN: 1}),
    ("Infectious infiltrate.", {LO: 1, PN: 1}),
    ("Bilateral reticulonodular shadowing.", {LO: 1}),
    ("Pulmonary secondaries. Bone mets.", {LL: 1}),
    ("Interval increase in cardiac size.", {CM: 1}),
    ("The cardiac diameter is within normal limits.", {CM: 0}),
    ("The mediastinum is broad.", {EC: 1}),
    ("With regard to the heart, it is enlarged.", {CM: 1}),
    ("The pleural spaces are free of fluid and air.", {EF: 0, PT: 0}),
    ("Lines: none.", {SD: 0}),
    ("The lines are unchanged.", {SD: 1}),
    ("A thin pleural line is seen. Kerley B lines. The fracture line is seen.", {SD: None}),
    ("ET tube no longer in place.", {SD: 0}),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *SUBJECT_LEFT_OUT,
        *ANSWERED_BY_PRONOUN,
        *OF_A_PART,
        *THEN_AND_NOW,
        *CONDITIONS_AND_PLANS,
        *DOUBTS,
        *WORDS,
    ],
)
def test_it_is_read_as_it_was_meant(text, expected):
    labels = label_report(text).labels
    assert {label: labels[label] for label in expected} == expected


def test_what_is_still_there_is_evidence_beside_what_is_gone():
    text = "Opacities have cleared on the right but persist on the left."
    gone, there = extract_facts(text)
    assert (gone.polarity, there.polarity) == ("absent", "present")
