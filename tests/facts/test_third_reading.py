"""What a reader who did not know the rules found: kinds of wording and of layout that were misread."""

import pytest

from orapo.facts import FactSReward, label_report
from short_labels import AT, CM, CO, ED, EF, FX, LL, LO, NF, PN, PT, SD

DENIED = [
    ("I am unable to find a pneumothorax.", {PT: 0}),
    ("We couldn't see an effusion.", {EF: 0}),
    ("The edema can no longer be made out.", {ED: 0}),
    ("This doesn't reflect pneumonia.", {PN: 0}),
    ("The heart doesn't look enlarged.", {CM: 0}),
    ("It doesn't seem that there is edema.", {ED: 0}),
    ("I don't think there's an effusion.", {EF: 0}),
    ("It is not true that there is edema.", {ED: 0}),
    ("It would be wrong to say that there is a fracture.", {FX: 0}),
    ("Pneumonia was considered and rejected.", {PN: 0}),
    ("Evidence of edema is lacking.", {ED: 0}),
    ("There is zero edema.", {ED: 0}),
    ("I wouldn't call this edema.", {ED: 0}),
    ("Edema was suspected but is not confirmed.", {ED: 0}),
    ("The effusion is gone.", {EF: 0}),
    ("Disappearance of the left effusion.", {EF: 0}),
    ("The left chest tube has been pulled.", {SD: 0}),
    ("Edema. Atelectasis. None of them is seen.", {ED: 0, AT: 0}),
    ("- Edema\n- Fracture\nNone of these is present.", {ED: 0, FX: 0}),
    ("No free pleural air or fluid.", {PT: 0, EF: 0}),
]
NOT_DENIED = [
    ("There is no denying the right effusion.", {EF: 1}),
    ("Without prior films, the age of the rib fracture cannot be told.", {FX: 1}),
    ("A nodule not visible on the prior study is now seen.", {LL: 1}),
    ("An effusion, not present in 2015, is now seen.", {EF: 1}),
    ("Absent on the previous exam, a left effusion is now seen.", {EF: 1}),
    ("The effusion resolved but has recurred.", {EF: 1}),
    ("No effusion on the left and only a trace on the right.", {EF: 1}),
    ("No effusion on the right, just a small on the left.", {EF: 1}),
    ("Small left, no right effusion.", {EF: 1}),
    ("Small right effusion, left none.", {EF: 1}),
    ("R effusion small, L none.", {EF: 1}),
    ("No fracture, right effusion persists.", {FX: 0, EF: 1}),
    ("No effusion, fracture of the right clavicle is seen.", {EF: 0, FX: 1}),
    ("No effusion, edema or fracture of the rib is seen.", {EF: 0, ED: 0, FX: 0}),
    ("An effusion that was not visible on the first exam is now seen.", {EF: 1}),
    ("Left effusion, previously absent.", {EF: 1}),
    ("There is an effusion on the right but none on the left.", {EF: 1}),
    ("No consolidation except for a small patch at the left base.", {CO: 1}),
]
UNCERTAIN = [
    ("Query small left effusion.", {EF: -1}),
    ("It is hard to say whether there is an effusion.", {EF: -1}),
    ("It is uncertain if a pneumothorax is present.", {PT: -1}),
    ("A fracture cant be excluded.", {FX: -1}),
    ("The heart is possibly enlarged.", {CM: -1}),
    ("Newly apparent opacity in the lingula.", {LO: 1}),
]
NOT_OF_THE_FILM = [
    ("The fracture clinic requested this film.", {FX: None}),
    ("The referrer asked whether there was pneumonia.", {PN: None}),
    ("Another patient seen today had edema.", {ED: None}),
    ('For example, a report might read: "There is edema."', {ED: None}),
    ("Tube current 2 mAs.", {SD: None}),
    ("The spinal rod is fractured.", {FX: None, SD: 1}),
    ("Cardiomegaly runs in the family.", {CM: None}),
    ("Hip effusion on examination. The lungs are clear.", {EF: None}),
]
LAYOUT = [
    ("a)No fracture b)Mild edema c)No effusion", {FX: 0, ED: 1, EF: 0}),
    ("•No effusion•Cardiomegaly•No fracture", {EF: 0, CM: 1, FX: 0}),
    ("1-No pneumonia 2-Right effusion", {PN: 0, EF: 1}),
    ("1: No fracture 2: Small left pneumothorax", {FX: 0, PT: 1}),
    ("#1 No pneumothorax #2 Mild edema", {PT: 0, ED: 1}),
    ("* No edema * Right effusion * No fracture", {ED: 0, EF: 1, FX: 0}),
    ("Edema - moderate; effusion - none", {ED: 1, EF: 0}),
    ("No pneumothorax.\\nSmall left effusion.\\nNo fracture.", {PT: 0, EF: 1, FX: 0}),
    ("{\\rtf1\\ansi FINDINGS:\\par No edema.\\par Small effusion.\\par}", {ED: 0, EF: 1}),
    (
        "\\begin{itemize}\n\\item No effusion\n\\item No edema\n\\end{itemize}",
        {EF: 0, ED: 0, NF: 1},
    ),
    (
        "\\begin{tabular}{ll}\nFinding & Status \\\\\nEdema & no \\\\\nEffusion & yes \\\\\n\\end{tabular}",
        {ED: 0, EF: 1},
    ),
    ("Heart: normal in size", {CM: 0}),
    ("🫁 Lungs: ✅ No consolidation\n💧 Effusion: ❌ None", {CO: 0, EF: 0}),
    ("Wet read: no pneumothorax. Left effusion.", {PT: 0, EF: 1}),
    ("Addendum: small left apical pneumothorax.", {PT: 1}),
    ("Q1: Any effusion?\nA1: None.\nQ2: Any edema?\nA2: Yes.", {EF: 0, ED: 1}),
    ("User: Is there edema?\nAssistant: No, there is not.", {ED: 0}),
    ("Does the film show edema? It does not. Does it show a fracture? It does.", {ED: 0, FX: 1}),
    ("[Edema]\nstatus = absent\n[Fracture]\nstatus = present", {ED: 0, FX: 1}),
    ("- finding: Edema\n  present: no\n- finding: Fracture\n  present: yes", {ED: 0, FX: 1}),
    ("Finding: Edema\nStatus: Absent\nFinding: Fracture\nStatus: Present", {ED: 0, FX: 1}),
    ("- Edema\n  - Status: Absent\n- Fracture\n  - Status: Present", {ED: 0, FX: 1}),
    (
        '[{"code": {"text": "Edema"}, "valueBoolean": false}, {"code": {"text": "Fracture"}, "valueBoolean": true}]',
        {ED: 0, FX: 1},
    ),
    ('<input type="checkbox"> Edema<br><input type="checkbox" checked> Fracture', {ED: 0, FX: 1}),
    ('"Edema","0"\n"Fracture","1"', {ED: 0, FX: 1}),
    (
        "| Present | Absent |\n|---|---|\n| Edema | Fracture |\n| Pneumonia | |",
        {ED: 1, FX: 0, PN: 1},
    ),
    ("Edema: +ve\nFracture: -ve", {ED: 1, FX: 0}),
    ("Edema: -\nFracture: +", {ED: 0, FX: 1}),
    ("Edema -, fracture +", {ED: 0, FX: 1}),
    ("(-) edema\n(+) fracture", {ED: 0, FX: 1}),
    ("+ Edema\n- Fracture", {ED: 1, FX: 0}),
    ("Edema: A\nFracture: P", {ED: 0, FX: 1}),
    ("Edema: F\nFracture: T", {ED: 0, FX: 1}),
    ("Edema 0\nFracture 1", {ED: 0, FX: 1}),
    ("Edema [no]\nFracture [yes]", {ED: 0, FX: 1}),
    ("Is there edema? The answer is no. Is there a fracture? The answer is yes.", {ED: 0, FX: 1}),
    ("[('Edema', False), ('Fracture', True)]", {ED: 0, FX: 1}),
    ("label,value\nEdema,0\nEffusion,0", {ED: 0, EF: 0, NF: 1}),
    ("LungOpacity: yes\nPleuralEffusion: no", {LO: 1, EF: 0}),
    ("Effusion: L small, R none", {EF: 1}),
    ("Effusion: left: none; right: none", {EF: 0}),
    ("Effusion:\n  Left: small\n  Right: none\nEdema: no", {EF: 1, ED: 0}),
    (
        "| Finding | Left | Right |\n|---|---|---|\n| Effusion | small | none |\n| Pneumothorax | none | none |",
        {EF: 1, PT: 0},
    ),
]
CHARACTERS = [
    ("Pulmonary œdema.", {ED: 1}),
    ("There isnâ€™t a pneumothorax.", {PT: 0}),
    ("N0 effusion.", {EF: 0}),
    ("N o effusion.", {EF: 0}),
    ("Kein Pneumothorax. No effusion.", {PT: None, EF: 0, NF: None}),
    ("The heart is normal. Pas de pneumothorax.", {CM: 0, PT: None, NF: None}),
    ("Non displaced fracture.", {FX: 1}),
]
UNREAD = [
    ("Lungs clear with a big black hole.", {NF: None}),
    ("No effusion, but a weird thing sits in the left lung.", {EF: 0, NF: None}),
    ("The lungs are clear. Tracheal narrowing.", {NF: None}),
    ("The lungs are clear. No tracheal narrowing.", {NF: 1}),
    ("Normal chest apart from something that needs a CT.", {NF: None}),
    ("Stable pacemaker with another lead in the expected position.", {NF: 1}),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [*DENIED, *NOT_DENIED, *UNCERTAIN, *NOT_OF_THE_FILM, *LAYOUT, *CHARACTERS, *UNREAD],
)
def test_it_is_read_as_it_was_meant(text, expected):
    labels = label_report(text).labels
    assert {label: labels[label] for label in expected} == expected


def test_answers_for_two_sides_are_no_contradiction():
    (reward,) = FactSReward()(["Effusion: L small, R none\nEdema: no"], labels=[{EF: 1, ED: 0}])
    assert reward == 1


@pytest.mark.parametrize(
    ("text", "truth", "reward"),
    [
        ("Pleural fluid. No effusion.", {EF: 1}, 0),
        ("Enlarged heart. No cardiomegaly.", {CM: 1}, 0),
        ("Infiltrate. No opacity.", {LO: 1}, 0),
        ("Clavicle fracture. No rib fracture.", {FX: 1}, 1),
        ("Nodule. No mass.", {LL: 1}, 1),
        ("Pulmonary vascular congestion. No edema.", {ED: 1}, 1),
    ],
)
def test_a_denial_in_other_words_takes_back_what_was_claimed(text, truth, reward):
    assert FactSReward()([text], labels=[truth]) == [reward]


def test_a_zero_for_a_letter_is_a_disguise():
    assert label_report("N0 effusion.").disguised
    assert not label_report("T10 and L1 are intact. No effusion.").disguised
