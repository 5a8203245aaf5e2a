"""What a second reader who did not know the rules found in prose: denials, scopes, and what is not the film."""

import pytest

from orapo.facts import label_report
from short_labels import AT, CM, CO, EC, ED, EF, FX, LL, LO, NF, PN, PT, SD

SHORT_DENIALS = [
    ("Film neg for fx.", {FX: 0}),
    ("neg pna, neg eff, pos atx", {PN: 0, EF: 0, AT: 1}),
    ("Edema neg.", {ED: 0}),
    ("CXR neg for edema, +effusion", {ED: 0, EF: 1}),
    ("-ve for consolidation, +ve for cardiomegaly", {CO: 0, CM: 1}),
    ("No acute cardiopulm dz.", {NF: 1}),
    ("Negative chest radiograph.", {NF: 1}),
    ("IMPRESSION: Negative.", {NF: 1}),
    ("Essentially normal.", {NF: 1}),
]
DENIALS = [
    ("There is no enlargement of the cardiac silhouette.", {CM: 0}),
    ("No enlargement of the heart, effusion or fracture.", {CM: 0, EF: 0, FX: 0}),
    ("No fluid surrounds... no fluid around the right lung.", {EF: 0}),
    ("No frank failure.", {ED: 0}),
    ("Edema, effusion and pneumonia have all been excluded.", {ED: 0, EF: 0, PN: 0}),
    ("The possibility of a fracture can be excluded.", {FX: 0}),
    ("This film excludes a pneumothorax.", {PT: 0}),
    ("It can be ruled out that there is an effusion.", {EF: 0}),
    ("The study rules out effusion and shows cardiomegaly.", {EF: 0, CM: 1}),
    ("Edema is not seen, nor is consolidation.", {ED: 0, CO: 0}),
    ("No edema in either lung; nor does it show a fracture.", {ED: 0, FX: 0}),
    ("The presence of edema is not supported by this film.", {ED: 0}),
    ("There is insufficient evidence of edema.", {ED: 0}),
    ("No abnormalities such as edema, pneumonia or fracture are seen.", {ED: 0, PN: 0, FX: 0}),
    ("The previously seen edema is now entirely gone.", {ED: 0}),
    ("The effusion has been completely reabsorbed.", {EF: 0}),
    ("Status post drainage of effusion, no residual fluid.", {EF: 0}),
    ("Considered and rejected: edema.", {ED: 0}),
    ("No recurrence of the pneumothorax.", {PT: 0}),
    ("No residual of the effusion.", {EF: 0}),
    ("Removal of the lines and tubes.", {SD: 0}),
    ("No edema, support devices.", {ED: 0, SD: 0}),
    ("Prior: large right effusion. Current: no effusion.", {EF: 0}),
]
SOMETHING_ABOUT_IT_IS_DENIED = [
    ("No kinking of the left PICC.", {SD: 1}),
    ("No evidence of fracture of the pacemaker leads.", {SD: 1}),
    ("No fluid level in the right upper lobe mass.", {LL: 1}),
    ("No displacement at the site of the clavicle fracture.", {FX: 1}),
    ("No cause for the large left effusion.", {EF: 1}),
    ("Without drainage the effusion has grown.", {EF: 1}),
    ("No pneumothorax beside the consolidation.", {PT: 0, CO: 1}),
    ("No improvement in the edema.", {ED: 1}),
    ("Neither the edema nor the effusion has improved.", {ED: 1, EF: 1}),
    ("Neither pneumothorax has resolved.", {PT: 1}),
    ("Failure of the pneumonia to clear; failure of resolution of the edema.", {ED: 1}),
    ("Edema is present, not absent.", {ED: 1}),
    ("The mediastinum is not widened, the right lower lobe is consolidated.", {EC: 0, CO: 1}),
    ("The heart is not enlarged, findings are consistent with edema.", {CM: 0, ED: 1}),
    ("No evidence of the previously seen effusion.", {EF: 0}),
    ("No pneumothorax or the effusion that was seen before.", {PT: 0, EF: 0}),
    ("Resolution of the right effusion.", {EF: 0}),
    ("No fluid in the lungs to suggest edema.", {ED: 0}),
]
UNCERTAIN = [
    ("Edema has not been ruled out.", {ED: -1}),
    ("A fracture hasn't been excluded.", {FX: -1}),
    ("One cannot rule in or rule out an effusion.", {EF: -1}),
    ("Edema should be excluded.", {ED: -1}),
    ("DDx: edema, pneumonia.", {ED: -1, PN: -1}),
    ("Diff: effusion, atelectasis.", {EF: -1, AT: -1}),
]
NOT_THE_FILM = [
    ("The film was evaluated for edema and fracture.", (ED, FX)),
    ("The following were checked: edema, effusion.", (ED, EF)),
    ("Labels considered: edema, fracture.", (ED, FX)),
    ("The task is to detect edema and effusion.", (ED, EF)),
    ("Chest radiographs can show edema.", (ED,)),
    ("A fracture is a known complication of osteoporosis.", (FX,)),
    ("Edema is an accumulation of fluid in the lung.", (ED,)),
    ("Should a fracture be suspected, call.", (FX,)),
    ("An effusion would have been visible.", (EF,)),
    ("In case of effusion, insert a chest tube.", (EF, SD)),
    ("Unless an effusion is drained it will persist.", (EF,)),
    ("His colleague had a pneumothorax.", (PT,)),
    ("Our previous patient had edema.", (ED,)),
    ("Admitting diagnosis: pneumonia.", (PN,)),
    ("ICD-10 code: J90", (SD,)),
    ("Pneumonia severity index: 70.", (PN,)),
    ("Status post lobectomy for mass.", (LL,)),
]


@pytest.mark.parametrize(
    ("text", "labels"),
    SHORT_DENIALS + DENIALS + SOMETHING_ABOUT_IT_IS_DENIED + UNCERTAIN,
)
def test_reads_as_a_reader_does(text, labels):
    assert {label: label_report(text).labels[label] for label in labels} == labels


@pytest.mark.parametrize(("text", "labels"), NOT_THE_FILM)
def test_what_is_not_of_the_film_says_nothing(text, labels):
    assert {label: label_report(text).labels[label] for label in labels} == dict.fromkeys(labels)


@pytest.mark.parametrize("tube", ["ETT", "OGT", "UVC", "UAC"])
def test_a_short_name_of_a_device_is_no_word_of_another_language(tube):
    assert label_report(f"{tube} in place.").labels[SD] == 1


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("Lungs show edema; otherwise neg.", {ED: 1}),
        ("Fracture present. Rest negative.", {FX: 1}),
        ("No fracture is identified but small fractures may be occult.", {FX: 0}),
        ("Findings atypical for edema.", {ED: -1}),
        ("The heart looks larger than normal.", {CM: 1}),
        ("The heart is no larger than normal.", {CM: 0}),
        ("There is no fluid or air around the lungs.", {EF: 0, PT: 0}),
        ("Given the clinical history, findings are consistent with edema.", {ED: 1}),
        ("The left apex is not included, so a pneumothorax cannot be excluded.", {PT: -1}),
        ("The bases are not well seen, effusion not excluded.", {EF: -1}),
        ("Compared with 7 May the effusion is smaller.", {EF: 1}),
        ("A fracture cannot be ruled in or out.", {FX: -1}),
        ("S/p ETT removal.", {SD: 0}),
        ("No effusion but for a rim at the left base.", {EF: 1}),
        ("As for the bones, a rib is fractured; as for edema, none.", {FX: 1, ED: 0}),
        ("Right lower lobe opacity: atelectasis versus pneumonia.", {LO: 1, AT: -1, PN: -1}),
        ("Pneumonia: atelectasis versus pneumonia.", {PN: -1, AT: -1}),
        ("No edema, left effusion, no fracture.", {ED: 0, EF: 1, FX: 0}),
        ("No edema and bibasilar atelectasis.", {ED: 0, AT: 1}),
        ("No left effusion, right pneumothorax or fracture.", {EF: 0, PT: 0, FX: 0}),
        ("No left effusion, right pneumothorax.", {EF: 0, PT: 0}),
        ("Removal of the left chest tube and right PICC.", {SD: 0}),
        ("Interval removal of the tracheostomy tube and right subclavian catheter.", {SD: 0}),
        ("Cardiac: enlarged. Mediastinal: normal.", {CM: 1, EC: 0}),
        ("While there is no edema, support devices, there is effusion.", {SD: 0, EF: 1}),
        ("Otherwise negative for edema or fracture.", {ED: 0, FX: 0}),
        ("The nodule is not well seen today.", {LL: 0}),
    ],
)
def test_what_stands_beside_a_statement_does_not_turn_it(text, labels):
    assert {label: label_report(text).labels[label] for label in labels} == labels
