"""How FactS reads radiology English: polarity, scope, structures, sections, spelling, qualities."""

import pytest

from orapo.facts import Polarity, extract_facts, label_report
from orapo.labels import NO_FINDING

SHORT = {
    "NF": NO_FINDING,
    "ECM": "Enlarged Cardiomediastinum",
    "CM": "Cardiomegaly",
    "LL": "Lung Lesion",
    "LO": "Lung Opacity",
    "ED": "Edema",
    "CO": "Consolidation",
    "PN": "Pneumonia",
    "AT": "Atelectasis",
    "PT": "Pneumothorax",
    "EF": "Pleural Effusion",
    "PO": "Pleural Other",
    "FX": "Fracture",
    "SD": "Support Devices",
}


def stated(text):
    """The labels that a text gives, No Finding apart, by their short names."""
    labels = label_report(text).labels
    return {
        short: labels[name]
        for short, name in SHORT.items()
        if labels[name] is not None and name != NO_FINDING
    }


def check(text, **expected):
    assert stated(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Small left pleural effusion.", {"EF": 1}),
        ("Cardiomegaly, mild edema and a right effusion.", {"CM": 1, "ED": 1, "EF": 1}),
        ("Patchy opacity in the right lower lobe.", {"LO": 1}),
        ("Old healed right rib fractures.", {"FX": 1}),
        ("Right IJ catheter terminates in the SVC.", {"SD": 1}),
        ("Port in place.", {"SD": 1}),
        ("Biapical pleural thickening.", {"PO": 1}),
        ("1.2 cm nodule in the left upper lobe.", {"LL": 1}),
        ("Stable bibasilar atelectasis.", {"AT": 1}),
        ("The previously seen effusion has decreased but persists.", {"EF": 1}),
        ("Interval improvement in the right pleural effusion.", {"EF": 1}),
        ("Hydropneumothorax on the left.", {"PT": 1, "EF": 1}),
    ],
)
def test_affirmed(text, expected):
    check(text, **expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No pleural effusion.", {"EF": 0}),
        ("No focal consolidation, effusion or pneumothorax.", {"CO": 0, "EF": 0, "PT": 0}),
        ("No focal consolidation, effusion, or pneumothorax is seen.", {"CO": 0, "EF": 0, "PT": 0}),
        ("No focal consolidation, large effusion or pneumothorax.", {"CO": 0, "EF": 0, "PT": 0}),
        ("There is no evidence of pneumonia or edema.", {"PN": 0, "ED": 0}),
        ("The lungs are clear without consolidation.", {"CO": 0}),
        ("The lungs are clear of focal consolidation.", {"CO": 0}),
        ("Negative for pneumothorax.", {"PT": 0}),
        ("Neither effusion nor pneumothorax is seen.", {"EF": 0, "PT": 0}),
        ("Pneumothorax and effusion are not seen.", {"PT": 0, "EF": 0}),
        ("Effusion is absent.", {"EF": 0}),
        ("The effusion has resolved.", {"EF": 0}),
        ("Resolved right pleural effusion.", {"EF": 0}),
        ("The left effusion is no longer seen.", {"EF": 0}),
        ("The previously seen nodule is not visualized.", {"LL": 0}),
        ("Interval resolution of the edema.", {"ED": 0}),
        ("The endotracheal tube has been removed.", {"SD": 0}),
        ("Interval removal of the chest tube.", {"SD": 0}),
        ("There is no pneumothorax nor is there an effusion.", {"PT": 0, "EF": 0}),
        ("No opacity to suggest pneumonia.", {"LO": 0, "PN": 0}),
        ("No large pleural effusion.", {"EF": 0}),
        ("No radiographic evidence of acute fracture.", {"FX": 0}),
        ("Pneumothorax: none.", {"PT": 0}),
        ("Pneumothorax has been excluded.", {"PT": 0}),
        ("The effusion is gone.", {"EF": 0}),
        ("No eff or consol.", {"EF": 0, "CO": 0}),
        ("Heart nl.", {"CM": 0}),
        ("Right and left effusions have resolved.", {"EF": 0}),
        ("The right effusion, once in the right base, has resolved.", {"EF": 0}),
    ],
)
def test_denied(text, expected):
    check(text, **expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No effusion but a small pneumothorax.", {"EF": 0, "PT": 1}),
        ("No effusion, a small pneumothorax.", {"EF": 0, "PT": 1}),
        ("No pneumothorax; left effusion.", {"PT": 0, "EF": 1}),
        ("No pneumothorax is seen and there is a left effusion.", {"PT": 0, "EF": 1}),
        ("No pneumothorax, however bibasilar atelectasis.", {"PT": 0, "AT": 1}),
        ("No pneumothorax with small left effusion.", {"PT": 0, "EF": 1}),
        ("No pneumothorax. Left effusion.", {"PT": 0, "EF": 1}),
        ("Small effusion without pneumothorax.", {"EF": 1, "PT": 0}),
        ("Small effusion, no pneumothorax.", {"EF": 1, "PT": 0}),
        ("No effusion, and the heart is enlarged.", {"EF": 0, "CM": 1}),
        ("No effusion, stable cardiomegaly.", {"EF": 0, "CM": 1}),
        ("No consolidation, although there is mild atelectasis.", {"CO": 0, "AT": 1}),
        ("No pneumothorax, heart size normal.", {"PT": 0, "CM": 0}),
        ("Aside from a PICC, no abnormality is seen.", {"SD": 1}),
        ("No acute process other than left basilar atelectasis.", {"AT": 1}),
    ],
)
def test_a_denial_ends_where_a_new_statement_begins(text, expected):
    check(text, **expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No significant change in the left effusion.", {"EF": 1}),
        ("No interval change in bibasilar atelectasis.", {"AT": 1}),
        ("The effusion has not resolved.", {"EF": 1}),
        ("The effusion has not significantly changed.", {"EF": 1}),
        ("Effusion without significant interval change.", {"EF": 1}),
        ("A nodule that was not seen on the prior study.", {"LL": 1}),
        ("Effusion on the right has increased, on the left has resolved.", {"EF": 1}),
        ("Pneumothorax on the left is unchanged; on the right it has resolved.", {"PT": 1}),
        ("No new consolidation.", {"CO": 0}),
    ],
)
def test_words_that_look_like_a_denial(text, expected):
    check(text, **expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Possible pneumonia.", {"PN": -1}),
        ("Questionable small left effusion.", {"EF": -1}),
        ("Pneumonia cannot be excluded.", {"PN": -1}),
        ("Pneumonia is not excluded.", {"PN": -1}),
        ("Cannot exclude pneumonia.", {"PN": -1}),
        ("Pneumonia or aspiration cannot be ruled out.", {"PN": -1}),
        ("Atelectasis versus pneumonia.", {"AT": -1, "PN": -1}),
        ("Atelectasis vs. pneumonia.", {"AT": -1, "PN": -1}),
        ("Opacity which may represent atelectasis or pneumonia.", {"LO": 1, "AT": -1, "PN": -1}),
        ("Left basilar opacity, possibly atelectasis.", {"LO": 1, "AT": -1}),
        ("Bibasilar opacities concerning for pneumonia.", {"LO": 1, "PN": -1}),
        ("? pneumonia.", {"PN": -1}),
        ("Pneumonia?", {"PN": -1}),
        ("The heart may be enlarged.", {"CM": -1}),
        ("Suspected left apical pneumothorax.", {"PT": -1}),
        ("A small effusion would be difficult to exclude.", {"EF": -1}),
        ("Pneumonia is a possibility.", {"PN": -1}),
        ("Pneumonia is unlikely.", {"PN": -1}),
        ("This is unlikely to be pneumonia.", {"PN": -1}),
        ("The opacity is less likely pneumonia.", {"LO": 1, "PN": -1}),
        ("Small effusion difficult to exclude.", {"EF": -1}),
        ("It is difficult to exclude a small effusion.", {"EF": -1}),
        ("A tiny pneumothorax would be difficult to see.", {"PT": -1}),
        ("Bibasilar opacities, atelectasis vs. infection.", {"LO": 1, "AT": -1, "PN": -1}),
        ("Bilateral opacities (edema or pneumonia).", {"LO": 1, "ED": -1, "PN": -1}),
        ("Opacity or effusion.", {"LO": -1, "EF": -1}),
        ("Opacity or atelectasis or effusion.", {"LO": -1, "AT": -1, "EF": -1}),
        ("Differential includes pneumonia and edema.", {"PN": -1, "ED": -1}),
    ],
)
def test_uncertain(text, expected):
    check(text, **expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Opacity consistent with pneumonia.", {"LO": 1, "PN": 1}),
        ("Opacity, likely atelectasis.", {"LO": 1, "AT": 1}),
        ("Opacity suggesting atelectasis.", {"LO": 1, "AT": 1}),
        ("Opacity most compatible with atelectasis.", {"LO": 1, "AT": 1}),
        ("Vascular congestion.", {"ED": -1}),
        ("Congestive heart failure.", {"ED": 1, "CM": -1}),
        ("No congestive heart failure.", {"ED": 0}),
    ],
)
def test_conventions_of_the_labels(text, expected):
    check(text, **expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Heart size is normal.", {"CM": 0}),
        ("The heart is not enlarged.", {"CM": 0}),
        ("The heart is at the upper limits of normal in size.", {"CM": 0}),
        ("The cardiac silhouette is mildly enlarged.", {"CM": 1}),
        ("Borderline heart size.", {"CM": -1}),
        ("Borderline cardiomegaly.", {"CM": 1}),
        ("Heart size is stable.", {"CM": -1}),
        ("Heart size is stable and within normal limits.", {"CM": 0}),
        ("Heart size is normal to mildly enlarged.", {"CM": -1}),
        ("Normal heart size and mediastinal contours.", {"CM": 0, "ECM": 0}),
        ("Heart size and mediastinal contours are normal.", {"CM": 0, "ECM": 0}),
        ("The heart, hila and mediastinum are normal.", {"CM": 0, "ECM": 0}),
        ("Cardiac and mediastinal silhouettes are unremarkable.", {"CM": 0, "ECM": 0}),
        ("The cardiomediastinal silhouette is normal.", {"ECM": 0}),
        ("Stable cardiomediastinal silhouette.", {"ECM": -1}),
        ("The mediastinum is widened.", {"ECM": 1}),
        ("The mediastinum is not widened.", {"ECM": 0}),
        ("Heart size is normal, stable mediastinal contours.", {"CM": 0, "ECM": -1}),
        ("Heart is enlarged. Mediastinum is normal.", {"CM": 1, "ECM": 0}),
        ("Heart is normal. Lungs are clear. Bones are intact.", {"CM": 0}),
        ("Opacity in the lung base; normal heart.", {"LO": 1, "CM": 0}),
        ("The heart is enlarged today effusion.", {"CM": 1, "EF": 1}),  # a lost full stop
        ("Pacemaker leads over the heart are unchanged.", {"SD": 1}),
    ],
)
def test_a_state_is_tied_to_its_structures(text, expected):
    check(text, **expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rule out pneumonia.", {}),
        ("No pneumothorax following PICC placement.", {"PT": 0, "SD": 1}),
        ("No pneumothorax s/p thoracentesis of the left effusion.", {"PT": 0, "EF": 1}),
        ("The effusion has nearly resolved.", {"EF": 1}),
        ("Near-complete resolution of the effusion.", {"EF": 1}),
        ("The effusion has resolved.", {"EF": 0}),
        ("Follow-up to resolution of the opacity is recommended.", {"LO": 1}),
        ("No interval enlargement of the left effusion.", {"EF": 1}),
        ("The NG tube tip is not seen.", {"SD": 1}),
        ("Age-indeterminate compression fracture.", {"FX": 1}),
        ("There is nothing to suggest pneumonia.", {"PN": 0}),
        ("Doubt pneumonia.", {"PN": -1}),
        ("Small left effsion and rib fractre.", {"EF": 1, "FX": 1}),
        ("INDICATION: Pneumonia, effusion?\nFINDINGS: The lungs are clear.", {}),
        ("HISTORY: Cough. Prior pneumothorax. FINDINGS: No effusion.", {"EF": 0}),
        ("INDICATION: chest pain\nFINDINGS:\nSmall effusion.\nIMPRESSION:\nEffusion.", {"EF": 1}),
        ("Comparison: None. Left effusion.", {"EF": 1}),
        ("The patient has a history of pneumonia.", {}),
        ("Evaluate for pneumothorax.", {}),
        ("If there is concern for pneumonia, CT is recommended.", {}),
        ("65-year-old woman with pneumonia.", {}),
        ("LUNGS: Clear. HEART: Enlarged. PLEURA: Small left effusion.", {"CM": 1, "EF": 1}),
        ("PA and lateral views of the chest were obtained.", {}),
    ],
)
def test_history_and_technique_are_no_findings(text, expected):
    check(text, **expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NO PLEURAL EFFUSION OR PNEUMOTHORAX.", {"EF": 0, "PT": 0}),
        ("No PTX. RLL PNA. PICC in place.", {"PT": 0, "PN": 1, "SD": 1}),
        ("Mild CHF.", {"ED": 1, "CM": -1}),
        ("Small pleural efusion, mild cardiomegally.", {"EF": 1, "CM": 1}),
        ("No pnuemothorax or consoldation.", {"PT": 0, "CO": 0}),
        ("Pulmonary oedema. Haemothorax.", {"ED": 1, "EF": 1}),
        ("1. Left effusion. 2. No pneumothorax. 3. Cardiomegaly", {"EF": 1, "PT": 0, "CM": 1}),
        ("- Left effusion\n- No pneumothorax", {"EF": 1, "PT": 0}),
        ("Left effusion\nNo pneumothorax\nHeart normal", {"EF": 1, "PT": 0, "CM": 0}),
        ("There is no evidence of focal consolidation, pleural effusion or\npneumothorax.",
         {"CO": 0, "EF": 0, "PT": 0}),
        ("No effusion.Cardiomegaly.", {"EF": 0, "CM": 1}),
        ("XXXX opacities in the XXXX, no XXXX effusion.", {"LO": 1, "EF": 0}),
        ("___ year old. Small ___ effusion. S/p PICC.", {"EF": 1, "SD": 1}),
        ("Injection site marker.", {}),
    ],
)  # fmt: skip
def test_the_way_reports_are_typed(text, expected):
    check(text, **expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Effusion. No effusion.", {"EF": 1}),
        ("Possible effusion. No effusion.", {"EF": -1}),
        ("Effusion. Possible effusion.", {"EF": 1}),
        ("Stable heart size. Heart size is normal.", {"CM": 0}),
    ],
)
def test_positive_beats_uncertain_beats_denied(text, expected):
    check(text, **expected)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The lungs are clear. Heart size is normal. No effusion.", 1),
        ("No acute cardiopulmonary disease.", 1),
        ("CXR nl.", 1),
        ("PICC in place. The lungs are clear.", 1),
        ("Tortuous aorta. Low lung volumes. Clear lungs.", 1),
        ("Clear lungs. Degenerative changes of the spine.", None),
        ("Clear lungs. Calcified granuloma.", None),
        ("Hyperinflated lungs.", None),
        ("Small effusion.", None),
        ("Possible effusion.", None),
        ("", None),
        ("the the the", None),
        ("XXXX XXXX.", None),
    ],
)
def test_no_finding(text, value):
    assert label_report(text).labels[NO_FINDING] == value


def test_a_fact_carries_what_is_said_of_it():
    text = "Heart normal. There is a small effusion at the left lung base."
    normal, effusion = extract_facts(text)
    assert (effusion.finding, effusion.polarity) == ("pleural effusion", Polarity.PRESENT)
    assert text[effusion.start : effusion.end] == "effusion"
    assert (effusion.severity, effusion.laterality) == ("small", "left")
    assert effusion.location == "left lung base"
    assert (normal.sentence, effusion.sentence) == (0, 1)
    assert effusion.labels == {"Pleural Effusion": 1}


@pytest.mark.parametrize(
    ("text", "severity", "laterality"),
    [
        ("Moderate to large right effusion.", "moderate to severe", "right"),
        ("Bilateral pleural effusions.", None, "bilateral"),
        ("Trace left-sided pneumothorax.", "trace", "left"),
        ("Bibasilar atelectasis.", None, "bilateral"),
        ("Effusion, right greater than left, moderate.", "moderate", "bilateral"),
        ("Large effusion.", "large", None),
        ("The heart is severely enlarged.", "severe", None),
    ],
)
def test_severity_and_side(text, severity, laterality):
    (fact,) = extract_facts(text)
    assert (fact.severity, fact.laterality) == (severity, laterality)


def test_sides_are_not_mixed_up_between_findings():
    effusion, opacity = extract_facts("Small left effusion and right upper lobe opacity.")
    assert (effusion.laterality, opacity.laterality) == ("left", "right")
    assert opacity.location == "right upper lobe"


def test_every_value_names_the_facts_that_caused_it():
    report = label_report("Left effusion. No pneumothorax. Small right effusion.")
    assert report.evidence["Pleural Effusion"] == (0, 2)
    assert report.evidence["Pneumothorax"] == (1,)
    assert set(report.evidence) == {n for n, v in report.labels.items() if v is not None}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Cardiothoracic ratio 0.62.", 1),
        ("CTR 0.6.", 1),
        ("Cardiothoracic ratio is 48 %.", 0),
        ("Cardiothoracic ratio 0.45.", 0),
        ("Cardiothoracic ratio of 2 films.", None),
    ],
)
def test_a_measured_ratio_says_whether_the_heart_is_large(text, value):
    assert label_report(text).labels["Cardiomegaly"] == value
