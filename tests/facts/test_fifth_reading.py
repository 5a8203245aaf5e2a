"""What a fifth reader found in prose: other films, neighbours of the heart, places that are no lung, slips."""

import pytest

from orapo.facts import label_report
from short_labels import AT, CM, CO, EC, ED, EF, FX, LL, LO, NF, PN, PT, SD

PO = "Pleural Other"

OTHER_FILMS = [
    ("On the prior film the left lung was collapsed.", {AT: None}),
    ("On a previous CT (2019), the right upper lobe was consolidated.", {CO: None}),
    ("On the last film the heart was enlarged.", {CM: None}),
    ("On yesterday's radiograph, the right base was opacified.", {LO: None}),
    ("In 2019 there was a left effusion.", {EF: None}),
    ("On the previous exam there was a left pneumothorax; it has now resolved.", {PT: 0}),
    ("On the prior film there was a left effusion, which has increased.", {EF: 1}),
    ("On the prior film there was a left effusion but this has increased.", {EF: 1}),
    ("On the prior CT there was a nodule. It is unchanged.", {LL: 1}),
    ("On the prior CT there was a nodule. It has resolved.", {LL: 0}),
    ("On the prior CT there was a nodule. It is now gone.", {LL: 0}),
    ("On the prior film the tube was in the right main bronchus. It has been withdrawn and is now above the carina.", {SD: 1}),
    ("On the prior film, the effusion is seen.", {EF: 1}),
    ("On the prior film, the effusion is smaller than it was.", {EF: 1}),
    ("The effusion was not visible on admission but is now not seen.", {EF: 0}),
    ("On the left there was an effusion.", {EF: 1}),
    ("On the film an effusion was seen.", {EF: 1}),
    ("A nodule was seen on the prior CT and is unchanged.", {LL: 1}),
    ("The heart is now of normal size, having previously been enlarged.", {CM: 0}),
]  # fmt: skip
UNSEEN_THEN = [
    ("Right pneumothorax, not seen on the film from this morning.", {PT: 1}),
    ("Right pneumothorax, not seen on this morning's film.", {PT: 0}),
    ("Consolidation, which was absent on the last film.", {CO: 1}),
    ("A pneumothorax, not present on the film before biopsy, is now visible.", {PT: 1}),
    ("Consolidation was not visible on admission but is now obvious.", {CO: 1}),
    ("Pneumothorax was not seen; an effusion is now seen.", {PT: 0, EF: 1}),
    ("The pneumothorax is now not seen.", {PT: 0}),
    ("The nodule is not well seen on today's study.", {LL: 0}),
]
BESIDE_THE_HEART = [
    ("Heart normal, effusion is larger.", {CM: 0, EF: 1}),
    ("Heart not enlarged, effusion on the left is larger.", {CM: 0, EF: 1}),
    ("The mediastinum is normal, the left effusion larger.", {EC: 0, EF: 1}),
    ("The cardiac silhouette is normal and the pneumothorax is enlarged.", {CM: 0, PT: 1}),
    ("The heart, despite the pacemaker, is enlarged.", {CM: 1}),
    ("The heart is enlarged and the effusion is stable.", {CM: 1, EF: 1}),
    ("The pacemaker is normal in position.", {SD: 1}),
    ("Overlying monitor leads show normal size and configuration of the heart.", {SD: 1}),
]
REACH = [
    ("Questionable old left posterior third and fourth rib fractures.", {FX: -1}),
    ("Possible right upper and middle lobe consolidation.", {CO: -1}),
    ("Probable 7th, 8th and 9th rib fractures.", {FX: -1}),
    ("Resolved inflammatory/infectious process.", {PN: 0}),
    ("No pneumonia, heart failure with cardiomegaly is present.", {PN: 0, ED: 1, CM: 1}),
    ("No fracture, no pneumothorax, effusion layering on the left.", {FX: 0, PT: 0, EF: 1}),
    ("No fracture, no pneumothorax, effusion.", {FX: 0, PT: 0, EF: 0}),
    ("Hazy left base: atelectasis, effusion, or both.", {AT: -1, EF: -1}),
    ("The left-sided effusion has cleared but not the right.", {EF: 1}),
    ("The right lung is clear, the left is not.", {NF: None}),
    ("No pneumothorax, fractured ribs as before.", {PT: 0, FX: 1}),
    ("No effusion, nodule in the left lung unchanged.", {EF: 0, LL: 1}),
    ("No effusion, edema, or nodule unchanged.", {EF: 0, ED: 0, LL: 0}),
    ("No effusion, pneumothorax.", {EF: 0, PT: 0}),
    ("Only the PICC remains; all other lines are out.", {SD: 1}),
    ("Effusion is seen, pneumothorax is not.", {EF: 1, PT: 0}),
]
NOT_OF_THIS_FILM = [
    ("Known COPD, recent admission with pneumonia.", {PN: None}),
    ("Admitted last month with pneumonia.", {PN: None}),
    ("The patient was counselled regarding pneumothorax.", {PT: None}),
    ("Aspiration pneumonia commonly involves the dependent segments.", {PN: None}),
    ("Pleural effusions are common after cardiac surgery.", {EF: None}),
    ("Smoker, worried about lung cancer.", {LL: None}),
    ("A nasogastric tube will be passed after this film.", {SD: None}),
    ("Collapse at home. Chest is clear.", {AT: None, NF: 1}),
]
NO_LUNG = [
    ("The tube lies in the thoracic cavity.", {LL: None, SD: 1}),
    ("Fluid in the right pleural cavity.", {LL: None, EF: 1}),
    ("Cavity in the left upper lobe.", {LL: 1}),
    ("Goitre with a retrosternal mass.", {LL: None}),
    ("Right paratracheal mass.", {LL: None}),
    ("Foreign body in the right main bronchus.", {NF: None, SD: None}),
    ("Radiopaque foreign body overlies the chest. The lungs are clear.", {NF: 1}),
    ("Bowel loops are dilated. The lungs are clear.", {NF: None}),
    ("Clear lungs. Air beneath the right hemidiaphragm.", {NF: None}),
    ("Fall, left chest pain. No rib fracture. Lungs are clear.", {NF: 1, FX: 0}),
]
SLIPS = [
    ("Old # left 6th rib.", {FX: 1}),
    ("#s L ribs 6-8, no PTX.", {FX: 1, PT: 0}),
    ("No rib #.", {FX: 0}),
    ("#1 No rib fracture. #2 Effusion.", {FX: 0, EF: 1}),
    ("# Ribs\n\nNo fracture.", {FX: 0}),
    ("No plural effusion. Loculated right pleural fusion.", {EF: 1}),
    ("No plural fluid.", {EF: 0}),
    ("Bilateral pleural effusoins.", {EF: 1}),
    ("Bilateral consoldiations.", {CO: 1}),
    ("Patchy opasity at the left base.", {LO: 1}),
    ("There is know consolidation.", {CO: 0}),
    ("The previously collapsed left lung has fully re-expanded.", {AT: 0}),
    ("Oedema has settled. Pneumothorax gone.", {ED: 0, PT: 0}),
    ("Calcified plaques of the pleura.", {PO: 1}),
]
HEADINGS = [
    ("CONSOLIDATION\nNo consolidation.\nEFFUSION\nNo effusion.", {CO: 0, EF: 0}),
    ("Cardiomegaly\nThe heart is normal in size.", {CM: 0}),
    ("Right effusion\nNo left effusion.", {EF: 1}),
    ("Edema\nNo effusion.", {ED: 1, EF: 0}),
]


@pytest.mark.parametrize(
    ("text", "labels"),
    OTHER_FILMS + UNSEEN_THEN + BESIDE_THE_HEART + REACH + NO_LUNG + SLIPS + HEADINGS,
)
def test_reads_as_a_reader_does(text, labels):
    assert {label: label_report(text).labels[label] for label in labels} == labels


@pytest.mark.parametrize(("text", "labels"), NOT_OF_THIS_FILM)
def test_what_is_not_of_the_film_says_nothing(text, labels):
    assert {label: label_report(text).labels[label] for label in labels} == labels


def test_what_another_film_showed_is_no_fact_of_this_one():
    report = label_report("On the prior film the left lung was collapsed. The lungs are clear.")
    assert [fact.finding for fact in report.facts] == ["lung abnormality"]
    assert report.labels[NF] == 1
