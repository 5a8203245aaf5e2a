"""What the graded score reads of a fact besides its name, and where it stands."""

import pytest

from orapo import GradedFactSReward
from orapo.facts import label_report
from orapo.facts.graded import GradedReader, read_graded
from orapo.facts.graded.lesions import Context, lesions_of
from orapo.facts.graded.reading import default_reader
from orapo.facts.graded.tables import Spoken, _opened, load_tables, value_of


def facts(text):
    (report,) = read_graded([text])
    return [(fact.concept, {a.name: a.value for a in fact.attributes}) for fact in report.facts]


@pytest.mark.parametrize(
    ("text", "concept", "said"),
    [
        ("Small left effusion.", "pleural effusion", {"side": "left", "size": "2.0"}),
        ("RUL nodule of 8 mm.", "lung nodule", {"side": "right", "zone": "height:upper", "measure": "0.8"}),
        ("A 3 x 4.5 cm mass in the left lower lobe.", "lung mass", {"side": "left", "zone": "height:lower", "measure": "4.5"}),
        ("The right effusion has decreased.", "pleural effusion", {"side": "right", "change": "smaller"}),
        ("New left pneumothorax.", "pneumothorax", {"side": "left", "change": "new"}),
        ("Unchanged cardiomegaly.", "cardiomegaly", {"change": "unchanged"}),
        ("ETT tip 1 cm above the carina.", "endotracheal tube", {"distance": "1 carina"}),
        ("The ETT lies in the right main bronchus.", "endotracheal tube", {"position": "right_bronchus"}),
        ("NG tube ends in the esophagus.", "enteric tube", {"position": "high"}),
        ("Right IJ line with tip in the right atrium.", "central venous catheter", {"side": "right", "position": "low"}),
        ("Low lung volumes.", "low lung volumes", {}),
        ("The left effusion is slightly larger.", "pleural effusion", {"side": "left", "change": "larger"}),
        ("Left effusion has moderately increased in size.", "pleural effusion", {"side": "left", "change": "larger"}),
        ("Right pneumothorax, 1.8 cm from the apex.", "pneumothorax", {"side": "right", "zone": "height:upper", "measure": "1.8"}),
        ("Decreased lung volumes.", "low lung volumes", {}),
    ],
)  # fmt: skip
def test_attributes_of_a_fact(text, concept, said):
    assert (concept, said) in facts(text)


def test_every_attribute_knows_its_words():
    text = "No edema. Small left effusion, larger than on the prior study."
    (report,) = read_graded([text])
    effusion = report.facts[-1]
    words = {each.name: text[each.start : each.end] for each in effusion.attributes}
    assert words == {"side": "left", "size": "Small", "change": "larger than on the prior"}


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("Left effusion and right atelectasis.", ["left", "right"]),
        ("Effusion on the left, atelectasis on the right.", ["left", "right"]),
        ("Right IJ line in the right atrium. Left effusion.", ["right", "left"]),
        ("Effusions, larger on the right than on the left.", ["bilateral"]),
    ],
)
def test_a_side_belongs_to_the_nearest_finding(text, sides):
    (report,) = read_graded([text])
    seen = [{*fact.get("side")} for fact in report.facts]
    assert [s.pop() if len(s) == 1 else "bilateral" for s in seen] == sides


@pytest.mark.parametrize(
    "text",
    [
        "Large right and small left effusions.",
        "Effusions, large on the right and small on the left.",
        "Bilateral effusions, large on the right and small on the left, with atelectasis.",
    ],
)
def test_each_side_has_its_own_size(text):
    (report,) = read_graded([text])
    lesions = lesions_of(report, load_tables(), Context())
    effusions = [(each.side, each.size) for each in lesions if "pleural effusion" in each.names]
    assert effusions == [("right", 4), ("left", 2)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Nodule of 9 mm, previously 6 mm.", {"measure": "0.9", "change": "larger"}),
        ("Nodule, 6 mm, 9 mm on the prior study.", {"measure": "0.6", "change": "smaller"}),
        ("Nodule has grown from 2 to 3 cm.", {"measure": "3", "change": "larger"}),
        ("Nodule of 2 cm, compared with 2 cm.", {"measure": "2", "change": "unchanged"}),
        ("Nodule was 2 cm.", {"measure": "2"}),
        ("Nodule of less than 5 mm.", {"measure": "0.5"}),
        ("Nodules ranging from 2 to 4 mm.", {"measure": "0.4"}),
    ],
)
def test_an_earlier_measurement_is_a_change_and_no_size(text, said):
    assert facts(text) == [("lung nodule", said)]


@pytest.mark.parametrize(
    ("text", "distance"),
    [
        ("ETT advanced and now 3 cm above the carina.", "3 carina"),
        ("PICC tip 2 cm below the cavo-atrial junction.", "-2 cavoatrial"),
        ("ETT should be withdrawn 3 cm.", None),
    ],
)
def test_where_a_tip_lies_and_how_far_to_move_it(text, distance):
    (_, said), *_ = facts(text)
    assert said.get("distance") == distance


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Left basilar consolidation consistent with pneumonia.", [["consolidation", "pneumonia"]]),
        ("Consolidation in the left base. Left basilar pneumonia.", [["consolidation", "pneumonia"]]),
        ("Haziness consistent with edema. Bilateral effusions.", [["lung opacity", "pulmonary edema"], ["pleural effusion"]]),
        ("Left effusion and left basilar opacity.", [["pleural effusion"], ["lung opacity"]]),
        ("Left basilar opacity representing effusion.", [["lung opacity", "pleural effusion"]]),
        ("Interstitial opacities and airspace opacities.", [["interstitial opacity"], ["airspace opacity"]]),
        ("Atelectasis; superimposed pneumonia.", [["atelectasis"], ["pneumonia"]]),
        ("Atelectasis or pneumonia.", [["atelectasis", "pneumonia"]]),
    ],
)  # fmt: skip
def test_what_is_seen_and_what_it_is_are_one_lesion_and_two_findings_are_two(text, names):
    (report,) = read_graded([text])
    assert [lesion.names for lesion in lesions_of(report, load_tables(), Context())] == names


def test_a_change_at_the_end_of_a_list_is_said_of_all_of_it():
    assert [said["change"] for _, said in facts("Left effusion and atelectasis are unchanged.")] == [
        "unchanged"
    ] * 2  # fmt: skip


def test_a_tip_in_the_next_sentence_is_the_device_before():
    said = dict(facts("Right PICC. Tip in the right atrium."))
    assert said["central venous catheter"]["position"] == "low"
    assert "device tip" not in said


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("Fracture of the right seventh rib.", {"rib:7"}),
        ("Fractures of the left 5th through 7th ribs.", {"rib:5", "rib:6", "rib:7"}),
        ("Right rib fractures, ribs 4-6 and 8.", {"rib:4", "rib:5", "rib:6", "rib:8"}),
        ("Compression fracture at T12.", {"vertebra:19"}),
        ("L1 compression fracture.", {"vertebra:20"}),
        ("Two right rib fractures, displaced by 5 mm.", set()),
        ("2 rib fractures.", set()),
    ],
)
def test_ribs_and_vertebrae_are_known_by_their_number(text, levels):
    (report,) = read_graded([text])
    assert {level for fact in report.facts for level in fact.get("level")} == levels


def test_l1_is_no_left():
    assert all("side" not in said for _, said in facts("L1 compression fracture."))


def test_the_rib_beside_is_the_same_rib():
    (near, far) = GradedFactSReward()(
        ["Right 8th rib fracture.", "Right 3rd rib fracture."],
        report=["Right 7th rib fracture."] * 2,
    )
    assert far < near == 1


@pytest.mark.parametrize(
    ("text", "polarity"),
    [
        ("Probably pneumonia.", "present"),
        ("Likely pneumonia.", "present"),
        ("Possibly pneumonia.", "uncertain"),
        ("Probably pneumonia or edema.", "uncertain"),
        ("Probably no pneumonia.", "absent"),
    ],
)
def test_probably_is_likely_but_not_of_one_of_two(text, polarity):
    (report,) = read_graded([text])
    assert report.facts[0].polarity.value == polarity


def test_a_tube_taken_out_is_out():
    (report,) = read_graded(["The endotracheal tube has been withdrawn and removed."])
    assert [fact.polarity.value for fact in report.facts] == ["absent"]


def test_a_dialysis_catheter_may_end_in_the_atrium():
    said = dict(facts("Right dialysis catheter with tip in the right atrium."))
    assert said["central venous catheter"]["position"] == "right"


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("Free air under the diaphragm.", "pneumoperitoneum"),
        ("Emphysematous change.", "emphysema"),
        ("Hyperinflated lungs.", "hyperinflation"),
        ("Pulmonary fibrosis.", "lung fibrosis"),
        ("Peribronchial thickening.", "bronchial wall thickening"),
        ("Hilar enlargement.", "hilar enlargement"),
        ("Hilar lymphadenopathy.", "lymphadenopathy"),
        ("Calcified granuloma.", "granuloma or calcification"),
        ("Hiatal hernia.", "hiatal hernia"),
        ("Elevated right hemidiaphragm.", "elevated hemidiaphragm"),
        ("Tortuous aorta.", "aortic tortuosity"),
        ("Aortic calcification.", "aortic or vascular calcification"),
        ("Shift of the mediastinum to the left.", "mediastinal shift"),
        ("Subcutaneous emphysema.", "subcutaneous air"),
        ("Pneumomediastinum.", "pneumomediastinum"),
        ("Scoliosis.", "spinal curvature"),
        ("Lung mass.", "lung mass"),
        ("Lung nodule.", "lung nodule"),
        ("Cavitary lesion in the right apex.", "cavitation"),
        ("Tension pneumothorax.", "tension pneumothorax"),
        ("Dual-lead pacemaker.", "pacemaker or defibrillator"),
        ("Left chest tube.", "chest tube"),
        ("Swan-Ganz catheter.", "pulmonary artery catheter"),
        ("Tracheostomy tube.", "tracheostomy"),
    ],
)
def test_concepts_beyond_the_14_labels(text, concept):
    assert concept in dict(facts(text))


def test_labels_do_not_change_by_the_graded_reading():
    texts = [
        "Diffuse micronodular pattern.", "Lung volumes remain low.", "Right chest wall port.",
        "The right lung is partially collapsed.", "Free air. Left effusion.", "Mediastinal shift.",
    ]  # fmt: skip
    before = [label_report(text).labels for text in texts]
    list(read_graded(texts))
    assert [label_report(text).labels for text in texts] == before


def test_every_finding_of_the_lexicon_is_a_concept_or_says_nothing_of_its_own():
    silent = {
        "heart size not stated", "mediastinum size not stated", "pulmonary vascular abnormality",
        "lung abnormality", "acute cardiopulmonary disease", "bony abnormality", "device taken out",
        "nothing abnormal", "fluid in the lung",
    }  # fmt: skip
    known = set(default_reader()._engine._vocabulary.findings)
    assert known - set(load_tables().by_finding) == silent


def test_reading_is_the_same_with_and_without_a_cache():
    texts = ["Left effusion. Left effusion.", "Right effusion. Stable."] * 2
    assert [GradedReader(cached=0).read(text) for text in texts] == [
        GradedReader().read(text) for text in texts
    ]


@pytest.mark.parametrize("words", ["Left effusion. ", "nodule 3 cm, ", "left right ", "no "])
def test_a_very_long_text_takes_linear_time(words):
    import time

    started = time.process_time()
    GradedReader().read(words * 20_000)
    assert time.process_time() - started < 30


@pytest.mark.parametrize(
    ("word", "opened"),
    [
        ("left", ["left"]),
        ("(?:un|re)changed", ["unchanged", "rechanged"]),
        ("(?:has |have )?grown", ["has grown", "have grown", "grown"]),
        ("(?:(?:x|y)z|q) t", ["xz t", "yz t", "q t"]),
        ("(?:a(?:b|c))+d", ["(?:a(?:b|c))+d"]),
    ],
)
def test_a_word_that_begins_with_choices_is_opened(word, opened):
    assert list(_opened(word)) == opened


def test_words_are_found_with_what_they_say_and_the_longest_counts():
    words = Spoken({"larger": ("(?:has |have )?grown", "larger"), "left": ("larger on the left",)})
    text = "it has grown, outgrown, larger on the left, larger"
    found = [(value_of(each), each.group()) for each in words.finditer(text)]
    assert found == [
        ("larger", "has grown"), ("left", "larger on the left"), ("larger", "larger"),
    ]  # fmt: skip
