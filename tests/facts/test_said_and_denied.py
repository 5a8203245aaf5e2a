"""What a report claims and denies, what it leaves unread, and what is no English."""

import pytest

from orapo.facts import FactSReward, Verdict, label_report, score_report
from orapo.labels import LABELS, NO_FINDING

NORMAL = {NO_FINDING: 1}
EFFUSION = {"Pleural Effusion": 1}


@pytest.mark.parametrize(
    "text",
    [
        "Pleural effusion. No pleural effusion.",
        "Small left effusion. No effusion.",
        "Pleural effusion: yes\nNo pleural effusion.",
        "There is an effusion and no effusion.",
        "No effusion. Possible effusion.",
    ],
)
def test_a_report_that_claims_and_denies_has_said_neither(text):
    score = score_report(text, EFFUSION, explain=True)
    assert score.reward == 0
    assert score.contradictions == 1
    assert score.explanation.contradicted == ("Pleural Effusion",)
    verdicts = {one.verdict for one in score.explanation.sentences}
    assert verdicts == {Verdict.CONTRADICTION}
    # nor is all else normal then
    assert score_report(text, NORMAL).reward == 0


@pytest.mark.parametrize(
    "text",
    [
        "No right effusion. Small left effusion.",
        "No large effusion. Small effusion.",
        "The right effusion has resolved. Small left effusion.",
        "No other effusion. Small left effusion.",
        "No effusion on the left. There is one on the right.",
        "There is no effusion, except for a small one on the right.",
    ],
)
def test_other_sides_sizes_and_times_are_no_contradiction(text):
    score = score_report(text, EFFUSION)
    assert (score.reward, score.contradictions) == (1, 0)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("No acute fracture. Old healed rib fractures.", "Fracture"),
        ("No rib fracture. Compression fracture of T8.", "Fracture"),
        ("The endotracheal tube has been removed. Right PICC in place.", "Support Devices"),
    ],
)
def test_what_is_denied_is_something_narrower(text, label):
    assert score_report(text, {label: 1}).contradictions == 0


@pytest.mark.parametrize(
    "text",
    [
        "Large pneumoperitoneum.",
        "Cavitating process in the apex.",
        "The lungs are clear. Cavitating process in the apex.",
        "Expansile destruction of the seventh rib. No effusion.",
    ],
)
def test_no_finding_needs_a_text_that_was_read(text):
    report = label_report(text)
    assert report.labels[NO_FINDING] is None
    # such a report earns nothing on a normal study, and such a study pays no one for "clear"
    assert FactSReward()([text], labels=[NORMAL]) == [0]
    assert FactSReward()(["The lungs are clear."], report=[text]) == [None]


@pytest.mark.parametrize(
    "text",
    [
        "The lungs are clear. Two views were obtained.",
        "The lungs are clear. Findings were discussed with the team by telephone.",
        "Normal.",
        "NAD.",
        "No abnormality seen.",
        "There are no abnormal findings.",
        "Nothing acute in the chest.",
        "The chest X-ray appears normal. This is not a medical diagnosis; consult a radiologist.",
    ],
)
def test_what_asserts_nothing_leaves_no_finding_standing(text):
    assert label_report(text).labels[NO_FINDING] == 1


def test_denying_devices_alone_is_no_normal_report():
    labels = {"Support Devices": 1}
    assert FactSReward()(["No support devices.", "PICC in place."], labels=[labels] * 2) == [0, 1]


@pytest.mark.parametrize(
    "text",
    [
        "Kein Pneumothorax.",
        "Herz normal groß. Kein Pleuraerguss, keine Stauung.",
        "Pas de pneumothorax. Silhouette cardiaque de taille normale.",
        "Sin neumotórax. Derrame pleural derecho.",
        "Nessun versamento pleurico. Polmoni liberi.",
        "Geen pneumothorax.",
        "Нет пневмоторакса. Сердце не увеличено.",
        "无气胸。心脏大小正常。",
    ],
)
def test_another_language_is_never_half_read(text):
    report = label_report(text)
    assert not report.english
    assert not report.readable
    assert set(report.labels.values()) == {None}
    assert FactSReward()([text], labels=[{"Pneumothorax": 1}]) == [None]
    assert FactSReward()(["Pneumothorax."], report=[text]) == [None]


@pytest.mark.parametrize(
    "text",
    [
        *(f"{name}." for name in LABELS),
        "Cardiomegaly.",
        "No eff or consol.",
        "XXXX XXXX.",
        "the the the",
        "",
        "m the xq al mi no ort del",
    ],
)
def test_short_texts_and_nonsense_are_no_other_language(text):
    assert label_report(text).english


def test_a_generation_says_how_much_of_it_is_no_english():
    seen = {}
    FactSReward()(
        ["Kein Pneumothorax.", "Edema."], labels=[{"Edema": 1}] * 2, log_metric=seen.__setitem__
    )
    assert seen["facts/not_english"] == 0.5
    assert seen["facts/unreadable"] == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("There is no evidence that there is an effusion.", 0),
        ("No evidence there is an effusion.", 0),
        ("No suggestion that there are effusions or edema.", 0),
        ("There is nothing to suggest that there is an effusion.", 0),
        ("Nothing indicates that there is an effusion.", 0),
        ("No reason to believe there is an effusion.", 0),
        ("It is unlikely that there is an effusion.", -1),
        ("It seems possible that there is a small effusion.", -1),
        ("We cannot exclude that there is an effusion.", -1),
        ("There is concern that there is an effusion.", -1),
        ("We doubt that there is an effusion.", -1),
        ("It is not clear that there is an effusion.", -1),
        ("There is no doubt that there is an effusion.", 1),
        ("No pneumothorax, and we see that there is a small effusion.", 1),
        ("No edema; note that there is an effusion.", 1),
        ("No pneumothorax and there is an effusion.", 1),
    ],
)
def test_that_there_is_something_begins_what_is_denied_or_doubted_and_no_new_statement(text, value):
    assert label_report(text).labels["Pleural Effusion"] == value


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("The effusion is not there today.", "Pleural Effusion", 0),
        ("The effusion was not there yesterday.", "Pleural Effusion", 1),
        ("The lungs are not free of consolidation.", "Consolidation", 1),
        ("The lungs are not clear of consolidation.", "Consolidation", 1),
        ("The lungs are free of consolidation.", "Consolidation", 0),
        ("The effusion, if any, is small.", "Pleural Effusion", -1),
        ("The effusion has all but resolved.", "Pleural Effusion", 1),
        ("Nowhere is there consolidation.", "Consolidation", 0),
    ],
)
def test_small_words_turn_a_denial_round(text, label, value):
    assert label_report(text).labels[label] == value
