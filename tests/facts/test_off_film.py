"""Sentences that name findings and speak of no film: orders, definitions, counts, other people's films, queries."""

import pytest

from orapo.facts import label_report
from short_labels import AT, CM, CO, ED, EF, FX, LL, LO, NF, PN, PT, SD

ORDERS = [
    "Look carefully for pneumothorax, effusion and report each.",
    "You are a radiologist. Classify the image for pneumothorax.",
    "You are an expert. Determine the presence of edema and consolidation.",
    "Identify any pneumothorax, edema or fracture.",
    "Report the presence of pneumothorax, edema and fracture.",
    "Be sure to mention cardiomegaly, edema and pleural effusion.",
    "Always check the apices for pneumothorax.",
    "Check heart size for cardiomegaly.",
    "Do not miss a pneumothorax.",
    "Never overlook a pneumothorax or a rib fracture.",
    "Grade the severity of edema from 0 to 3.",
    "Answer yes or no for edema, effusion and pneumothorax.",
    "Given the image, predict edema, effusion or fracture.",
    "Act as a radiologist and check the film for edema and fracture.",
    "Your report must contain edema, effusion and fracture.",
    "I was asked to look at edema, effusion and fracture.",
    "1. Check for pneumothorax. 2. Check for effusion. 3. Check the ribs for fracture.",
    "Kindly confirm edema and effusion.",
]
DEFINITIONS = [
    "Pneumothorax is a finding on chest radiographs.",
    "Pneumothorax: a finding that may be seen after trauma.",
    "Edema is one of the 14 labels.",
    "Edema is a label of the CheXpert data set.",
    "Pneumonia is a disease of the lungs.",
    "Atelectasis describes loss of lung volume.",
    "The term consolidation describes airspace filling.",
    "Causes of edema include heart failure and renal failure.",
    "Pneumothorax can be life-threatening.",
    "In heart failure, effusions are bilateral.",
    "Edema is a sign of left heart failure.",
    "Pneumothorax and pneumonia are important diagnoses.",
    "Trauma can cause pneumothorax and rib fractures.",
    "Edema occurs in heart failure.",
    "The hallmark of edema is perihilar opacity.",
    "Students should know pneumothorax, edema and effusion.",
    "Radiologists often see atelectasis and effusion.",
    "Teaching file: large pneumothorax.",
]
CHECK_LISTS = [
    "Checklist: pneumothorax, effusion, fracture.",
    "Things to look for: pneumothorax, effusion, fracture.",
    "Review areas: apices for pneumothorax, bones for fracture.",
    "Keywords: edema, effusion, pneumothorax.",
    "label_names = ['Edema', 'Pneumonia', 'Fracture']",
]
COUNTS = [
    "Pneumonia was present in 12% of films.",
    "Edema was found in 30 of 100 patients.",
    "Of 100 studies, 12 had pneumothorax and 8 had pneumonia.",
    "One in ten patients has an effusion.",
    "The data set contains 500 cases of pneumonia.",
    "The AUC for pneumothorax was 0.93 and for edema 0.88.",
    "The rate of pneumothorax is 5%.",
    "In our cohort, edema and effusion were seen.",
]
ADVICE = [
    "When edema is present, give diuretics.",
    "In case pneumothorax is seen, call.",
    "In the presence of pneumothorax, call the surgeon.",
    "Should pneumonia be suspected, obtain a lateral view.",
    "Any pneumothorax should be reported at once.",
    "Pneumothorax must be reported immediately.",
    "Pneumonia should be treated with antibiotics.",
    "Call the physician immediately for pneumothorax.",
    "Edema, if present, should be reported.",
    "Check the left apex for pneumothorax; check the ribs for fracture.",
    "Look for the small left pneumothorax.",
    "Do not miss the small left pneumothorax.",
    "Determine the presence of the left lower lobe consolidation.",
]
OTHERS = [
    "Another patient's film showed pneumothorax. This one is clear.",
    "The next film shows pneumothorax.",
    "In another case there was edema.",
    "In another patient, the left effusion was large.",
    "For example, the left pneumothorax.",
    "Edema is common in heart failure; effusions are, too.",
    "The hallmark of this disease is edema.",
    "Some patients have edema.",
    "Figure 1 shows a large pneumothorax.",
    "The textbook figure demonstrates edema.",
    "The wrong patient's film shows fracture.",
    "Mr. Miller next door has pneumonia and effusion.",
]
QUOTED = [
    '"Is there a pneumothorax?" asked the nurse.',
    'The question was "pneumonia?".',
    'The phrase "pneumothorax is present" is an example.',
    'The nurse said "is it pneumonia?"',
    "She asked me about edema and effusion.",
]
QUERIES = [
    "SELECT * FROM studies WHERE label = 'Pneumothorax';",
    "SELECT edema, pneumonia FROM labels;",
    "SELECT * FROM findings WHERE name IN ('Edema', 'Pneumonia');",
    "UPDATE labels SET present = 0 WHERE name = 'Edema';",
    "`WHERE label = 'Edema'`",
]


@pytest.mark.parametrize(
    "text", ORDERS + DEFINITIONS + CHECK_LISTS + COUNTS + ADVICE + OTHERS + QUOTED + QUERIES
)
def test_what_speaks_of_no_film_asserts_nothing(text):
    labels = label_report(text).labels
    assert {
        label: value for label, value in labels.items() if value is not None and label != NF
    } == {}


DOUBTS = [
    ("Pneumothorax is unlikely.", -1),
    ("Pneumothorax is rather unlikely.", -1),
    ("Pneumothorax is improbable.", -1),
    ("Improbable pneumothorax.", -1),
    ("Pneumothorax is not very likely.", -1),
    ("Pneumothorax is not at all likely.", -1),
    ("Pneumothorax is hardly likely.", -1),
    ("Pneumothorax is very doubtful.", -1),
    ("Pneumothorax is far from certain.", -1),
    ("Pneumothorax is a remote possibility.", -1),
    ("There is little to suggest pneumothorax.", -1),
    ("Pneumothorax should always be excluded.", -1),
    ("Pneumothorax is highly unlikely.", 0),
    ("Pneumothorax appears extremely improbable.", 0),
    ("It is very unlikely that there is a pneumothorax.", 0),
    ("Pneumothorax is considered most unlikely.", 0),
    ("Pneumothorax is virtually impossible.", 0),
    ("Pneumothorax can be safely dismissed.", 0),
    ("This is anything but pneumothorax.", 0),
    ("Pneumothorax has been excluded by CT.", 0),
    ("Pneumothorax is very likely.", 1),
]


@pytest.mark.parametrize(("text", "value"), DOUBTS)
def test_a_strong_doubt_denies_and_no_doubt_affirms(text, value):
    assert label_report(text).labels[PT] == value


SAID = [
    ("Grade 2 edema with effusion.", {ED: 1, EF: 1}),
    ("Any pneumothorax is small.", {PT: 1}),
    ("Should be noted that there is edema.", {ED: 1}),
    ("He said that he fell; rib fracture on the left.", {FX: 1}),
    ("The most common abnormality is the large effusion.", {EF: 1}),
    ("The fracture is very unlikely to be new.", {FX: 1}),
    ("When compared to prior, the effusion is larger.", {EF: 1}),
    ("Once again, the effusion is larger.", {EF: 1}),
    ("Report of chest film: small left effusion.", {EF: 1}),
    ("Search of the apices shows a small pneumothorax.", {PT: 1}),
    ("Check valve and pacemaker in place.", {SD: 1}),
    ("A nodule can be seen in the left upper lobe.", {LL: 1}),
    ("The opacity is a new finding.", {LO: 1}),
    ("Cardiomegaly is an incidental finding.", {CM: 1}),
    ("Edema and effusion are findings seen on this film.", {ED: 1, EF: 1}),
    ("Pneumonia is one of the findings on this film.", {PN: 1}),
    ("Pneumonia is a concern in the left base.", {PN: -1}),
    ("Image 1 of 2 shows pneumothorax.", {PT: 1}),
    ("Fractures of 3 of 12 ribs.", {FX: 1}),
    ("A number of healed rib fractures are seen.", {FX: 1}),
    ("A large proportion of the left hemithorax is filled by an effusion.", {EF: 1}),
    ("The model detects pneumothorax with 95% probability.", {PT: 1}),
    ("The effusion is almost gone.", {EF: 1}),
    ("Hip fracture.", {FX: 1}),
    ("This one shows a small effusion.", {EF: 1}),
    ("Fracture: a sign of old trauma in the left sixth rib.", {FX: 1}),
    ("Atelectasis: the left lower lobe is collapsed.", {AT: 1}),
    ("Identify any edema: no", {ED: 0}),
    ("Determine whether pneumothorax is present: No", {PT: 0}),
    ("Describe the severity of edema: mild", {ED: 1}),
    # an order about what is there
    ("Watch the small left apical pneumothorax on follow-up films.", {PT: 1}),
    ("Classify as moderate cardiomegaly.", {CM: 1}),
    ("Treat as pneumonia given right lower lobe consolidation.", {CO: 1}),
    ("Drains both sides in place; small left pneumothorax.", {SD: 1, PT: 1}),
    ("Test for COVID negative; bilateral lower lobe opacities.", {LO: 1}),
    ("Given the right lower lobe consolidation, treat as pneumonia.", {CO: 1}),
    ("Any effusion must be small.", {EF: 1}),
    ("The clinician should be aware of the small left pneumothorax.", {PT: 1}),
    ("Patient was counselled about the nodule in the right upper lobe.", {LL: 1}),
    ("The impression should read left pneumothorax, not right.", {PT: 1}),
    # no definition: it says where, how, or since when
    ("The figure shows a large left pneumothorax.", {PT: 1}),
    ("Term infant with left pneumothorax.", {PT: 1}),
    ("Signs of heart failure including cardiomegaly and bilateral effusions.", {CM: 1, EF: 1}),
    ("Cardiomegaly is a known condition.", {CM: 1}),
    ("Effusion is a loculated collection on the right.", {EF: 1}),
    ("Fractures occur in ribs 5 to 8.", {FX: 1}),
    ("Opacity can be due to atelectasis or pneumonia in the left base.", {LO: 1}),
    ("Effusion should be graded as moderate.", {EF: 1}),
    ("There is basal atelectasis, which is common after surgery.", {AT: 1}),
    ("Basal atelectasis is common after surgery and is present here.", {AT: 1}),
    ("Small effusion is frequent after cardiac surgery and unchanged.", {EF: 1}),
    ("The nodules are most common in the upper lobes.", {LL: 1}),
    ("There is a left effusion, a hallmark of her heart failure.", {EF: 1}),
    ("Opacity is seen in some people with scarring; here there is consolidation in the left base.", {CO: 1}),
    # no count, and no other patient's or textbook's film
    ("One in five ribs on the left is fractured.", {FX: 1}),
    ("Pneumothorax on the left, seen in several series.", {PT: 1}),
    ("There is a left pneumothorax (figure 2).", {PT: 1}),
    ("Different patient positioning accounts for the change in the left effusion.", {EF: 1}),
    ("Bottom third of film: left effusion.", {EF: 1}),
    # then and now
    ("Having earlier been drained, the left effusion has recurred.", {EF: 1}),
    ("On admission there were bilateral effusions and they persist.", {EF: 1}),
    ("Previously there was only a small effusion; now it fills half of the hemithorax.", {EF: 1}),
    ("On the prior film the effusion was small and is now large.", {EF: 1}),
    ("On the last film the effusion was smaller.", {EF: 1}),
    ("In comparison with the prior film there was interval placement of a chest tube.", {SD: 1}),
    ("In the interval since the prior film a chest tube was placed.", {SD: 1}),
    ("On initial imaging today a left effusion was seen.", {EF: 1}),
    ("At the last exam the ET tube was at the carina; it has been retracted.", {SD: 1}),
    ("Pneumothorax is not seen on the film from this morning.", {PT: 0}),
    ("The residual pneumothorax would be managed conservatively.", {PT: 1}),
    ("The pneumothorax is suspected by the team and is confirmed.", {PT: 1}),
    # what is doubted or denied is a change, or how it is
    ("It is doubtful that the left effusion has changed.", {EF: 1}),
    ("There is little evidence of improvement in the left effusion.", {EF: 1}),
    ("It is highly unlikely that the left effusion is new.", {EF: 1}),
    ("The consolidation is impossible to miss.", {CO: 1}),
    ("There is anything but a small effusion on the left: it is massive.", {EF: 1}),
    ("The fluid has settled in the left costophrenic angle.", {EF: 1}),
    ("The edema has abated only slightly.", {ED: 1}),
    ("The left base is far from clear: there is consolidation.", {CO: 1}),
    # a cavity in the lung, beside words of the body's
    ("A 3 cm cavity in the right upper lobe with pleural thickening.", {LL: 1}),
    ("Right upper lobe mass extending to the paratracheal region.", {LL: 1}),
    # fields and headings with what was found
    ("Complications: left pneumothorax after line placement.", {PT: 1}),
    ("Findings to report: left effusion.", {EF: 1}),
    ("Effusion\nNo new effusion.", {EF: 1}),
    ("IMPRESSION\nPneumonia\nNo pneumonia elsewhere.", {PN: 1}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "labels"), SAID)
def test_what_speaks_of_the_film_in_the_same_words_is_read(text, labels):
    assert {label: label_report(text).labels[label] for label in labels} == labels
