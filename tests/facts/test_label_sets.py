"""Another label set, or another organ, is a file and no code."""

import pytest

from orapo.errors import OrapoError
from orapo.facts import FactSReward, RulesEngine, score_report
from orapo.facts.language.compiler import load_vocabulary

NIH = RulesEngine("nih14")
ABDOMEN = """
[label_set]
name = "Abdominal CT"
no_finding = "Normal"
beside = ["Stent"]
vocabulary = "none"

[label_set.labels]
"Renal Calculus" = {}
Steatosis = {}
Stent = {}

[[finding]]
name = "renal calculus"
labels = ["Renal Calculus"]
phrases = ["{renal|kidney} {calculus|calculi|stone}"]

[[finding]]
name = "hepatic steatosis"
labels = ["Steatosis"]
phrases = ["steatosis", "fatty {liver|infiltration}"]

[[finding]]
name = "stent"
labels = ["Stent"]
phrases = ["stent"]

[[finding]]
name = "ascites"
phrases = ["ascites"]

[[structure]]
name = "liver"
phrases = ["liver"]
[structure.states]
normal = ["hepatic steatosis", "absent"]
"""


@pytest.fixture
def abdomen(tmp_path):
    file = tmp_path / "abdomen.toml"
    file.write_text(ABDOMEN)
    return RulesEngine(file)


def said(engine, text):
    return {name: value for name, value in engine.read(text).labels.items() if value is not None}


def test_the_nih_set_has_its_fourteen_labels_and_no_finding():
    assert len(NIH.label_set.findings) == 14
    assert NIH.label_set.labels[0] == NIH.label_set.no_finding == "No Finding"


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("Small left pleural effusion.", {"Effusion": 1}),
        ("No pneumothorax.", {"Pneumothorax": 0, "No Finding": 1}),
        ("Spiculated mass in the right upper lobe.", {"Mass": 1}),
        ("Dense mass.", {"Mass": 1}),
        ("A 5 mm nodule.", {"Nodule": 1}),
        ("Asthma.", {}),
        ("Bronchiectasis.", {}),
        ("No nodule or mass.", {"Nodule": 0, "Mass": 0, "No Finding": 1}),
        ("Breast mass.", {}),
        ("Possible hiatal hernia.", {"Hernia": -1}),
        ("Emphysematous changes.", {"Emphysema": 1}),
        ("Pulmonary fibrosis.", {"Fibrosis": 1}),
        ("Patchy opacity in the left base.", {"Infiltration": 1}),
        ("Pulmonary vascular congestion.", {"Edema": -1}),
        ("Heart size is stable.", {"Cardiomegaly": -1}),
        ("Biapical pleural thickening.", {"Pleural_Thickening": 1}),
        ("Rib fracture.", {}),
    ],
)
def test_the_chests_vocabulary_carries_the_nihs_labels(text, labels):
    assert said(NIH, text) == labels


def test_the_reward_reads_the_labels_of_the_engines_set():
    reward = FactSReward(engine=NIH)
    assert reward(["A nodule."], labels=[{"Nodule": 1}]) == [1.0]
    assert reward(["Clear lungs."], labels=[{"No Finding": 1}]) == [1.0]
    with pytest.raises(ValueError, match="Lung Lesion"):
        reward(["A nodule."], labels=[{"Lung Lesion": 1}])


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("No renal calculi. Fatty liver.", {"Renal Calculus": 0, "Steatosis": 1}),
        ("The liver is normal. Stent in place.", {"Steatosis": 0, "Stent": 1, "Normal": 1}),
        ("Possible kidney stone.", {"Renal Calculus": -1}),
        ("Ascites.", {}),
        ("Small pleural effusion.", {}),
    ],
)
def test_another_organ_needs_no_code(abdomen, text, labels):
    assert said(abdomen, text) == labels


def test_labels_beside_no_finding_leave_it_standing_in_the_score(abdomen):
    score = score_report(abdomen.read("The liver is normal."), {"Stent": 1})
    assert (score.tp, score.fn) == (1, 1)  # Normal is met, the stent is missed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"Steatosis"]', '"Fatness"]'), "unknown label 'Fatness'"),
        (('beside = ["Stent"]', 'beside = ["Tube"]'), "beside has the unknown label 'Tube'"),
        (("Stent = {}", 'Stent = { same_as = "Stent" }'), "'Stent' is no label of CheXpert"),
        (("Stent = {}", 'Stent = { findings = ["wire"] }'), "no finding 'wire'"),
        (("Stent = {}", "Stent = {}\nNormal = {}"), "no finding carries 'Normal'"),
    ],
)
def test_what_is_wrong_with_a_label_set_is_said(tmp_path, change, message):
    file = tmp_path / "set.toml"
    file.write_text(ABDOMEN.replace(*change))
    with pytest.raises(OrapoError, match=message):
        load_vocabulary(file)


def test_a_missing_lexicon_names_the_sets_that_there_are():
    with pytest.raises(OrapoError, match=r"nih15: no such lexicon file .*nih14"):
        RulesEngine("nih15")
