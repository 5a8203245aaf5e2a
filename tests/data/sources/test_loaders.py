"""Data sets with the oddities of the real ones, in small trees written by hand.

Each loader says everything that is wrong, where it stands, and leaves that out.
"""

import gzip
import json
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from orapo.data.conversation import study_prompt
from orapo.data.datasets import load_dataset
from orapo.data.loaded import LoadOptions, Place
from orapo.data.sources import mimic_cxr
from orapo.data.sources.loading import Loading
from orapo.data.sources.report_sections import split_report
from orapo.data.study import Study
from orapo.errors import OrapoError
from orapo.labels import LABELS, NO_FINDING

TEXT = "Small left pleural effusion."
PLUS = "path_to_image,frontal_lateral,split,report,section_findings,section_impression,age,sex"


def film(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (32, 32), 90).save(path)


def said(loaded):
    """The problems as (row, sentence)."""
    return [(problem.place.line, problem.sentence) for problem in loaded.problems]


def cells(**values):
    named = {name.replace("_", " "): value for name, value in values.items()}
    return ",".join(str(named.get(label, "")) for label in LABELS)


# --- CheXpert Plus -----------------------------------------------------------------------------


def chexpert_plus(folder, rows, labels=(), films=True):
    folder.mkdir(exist_ok=True)
    (folder / "df_chexpert_plus_240401.csv").write_text("\n".join([PLUS, *rows, ""]))
    (folder / "chexbert_labels").mkdir()
    lines = [
        json.dumps({"path_to_image": path, **dict.fromkeys(LABELS), **values})
        for path, values in labels
    ]
    if labels:
        (folder / "chexbert_labels" / "report_fixed.json").write_text("\n".join(lines))
    for row in rows if films else ():
        film((folder / "PNG" / row.split(",")[0]).with_suffix(".png"))
    return folder


def test_a_study_is_that_of_its_frontal_view_and_disagreements_are_counted(tmp_path):
    lateral, frontal = (f"train/patient1/study1/view{view}" for view in ("1_lateral", "2_frontal"))
    other = "valid/patient2/study1/view1_frontal"
    folder = chexpert_plus(
        tmp_path,
        [
            f"{lateral}.jpg,Lateral,train,Seen on Monday.,Monday.,,70,Female",
            f"{frontal}.jpg,Frontal,train,Seen on Friday.,Friday.,,70,Female",
            f"{other}.jpg,Frontal,valid,{TEXT},{TEXT},,,Unknown",
        ],
        [(f"{lateral}.jpg", {"Edema": 1}), (f"{frontal}.jpg", {"Edema": -1, "Fracture": 0.0})],
    )
    loaded = load_dataset("chexpert-plus", folder)
    assert loaded.problems == []
    first, second = loaded.studies
    assert (first.study_id, first.patient_id) == ("patient1_study1", "patient1")
    assert first.report == "Seen on Friday."
    assert (first.labels["Edema"], first.labels["Fracture"]) == (-1, 0)
    assert first.labels_source == "dataset"
    assert first.views == ("frontal", "lateral"), "frontal first"
    assert [image.name for image in first.images] == ["view2_frontal.png", "view1_lateral.png"]
    assert (first.age, first.sex, second.age, second.sex) == (70, "F", None, "")
    assert second.split == "validate"
    assert second.labels_source == "facts", "no line of labels: FactS reads the text"
    assert second.labels["Pleural Effusion"] == 1
    assert loaded.notes["studies_whose_views_differ_in_text"] == 1
    assert loaded.notes["studies_whose_views_differ_in_labels"] == 1
    assert loaded.notes["labels_read_by_facts"] == 1


def test_a_frontal_view_without_text_leaves_the_word_to_the_lateral_one(tmp_path):
    folder = chexpert_plus(
        tmp_path,
        [
            "train/patient1/study1/view1_frontal.jpg,Frontal,train,,,,,",
            f"train/patient1/study1/view2_lateral.jpg,Lateral,train,{TEXT},,,,",
        ],
    )
    (study,) = load_dataset("chexpert-plus", folder).studies
    assert study.report == TEXT


def test_faults_of_chexpert_plus_are_all_said(tmp_path):
    good = "train/patient1/study1/view1_frontal.jpg"
    folder = chexpert_plus(
        tmp_path,
        [
            f"{good},Frontal,train,{TEXT},,,,",
            f"{good},Frontal,train,{TEXT},,,,",
            f"train/patient2/../../etc/study1/x.jpg,Frontal,train,{TEXT},,,,",
            f"train/patient3/study1/view1_frontal.jpg,Frontal,holdout,{TEXT},,,,",
            "train/patient4/study1/view1_frontal.jpg,Frontal,train,,,nan,,",
            f"train/patient5/study1/view1_frontal.jpg,Frontal,train,{TEXT},,,999,",
            f"train/patient6/study1/view1_frontal.jpg,Frontal,train,{TEXT}",
            f"train/patient7/study1/view1_frontal.jpg,Frontal,train,{TEXT},,,,",
        ],
        [(good, {"Edema": 2}), ("train/patient7/study1/view1_frontal.jpg", {})],
    )
    (folder / "PNG/train/patient7/study1/view1_frontal.png").unlink()
    loaded = load_dataset("chexpert-plus", folder)
    assert said(loaded) == [
        (1, "column Edema: label value 2 is not one of 1, 0, -1 or blank"),
        (3, f"{good} stands already in line 2"),
        (4, "path_to_image is not of the form split/patient/study/view.jpg"),
        (5, "split 'holdout' is not one of train, validate, test"),
        (7, "age is no number of years from 0 to 150"),
        (8, "4 fields, expected 8 as in the header"),
        (6, "has no report text; the study is left out"),
        (
            9,
            f"image {folder}/PNG/train/patient7/study1/view1_frontal.png: no such file",
        ),
        (9, "has no image; the study is left out"),
    ]
    assert [study.study_id for study in loaded.studies] == ["patient1_study1", "patient5_study1"]
    assert all(study.labels[NO_FINDING] != 1 for study in loaded.studies)


def test_a_missing_image_tree_is_one_problem_and_none_if_images_are_not_looked_at(tmp_path):
    rows = [f"train/patient{i}/study1/view1_frontal.jpg,Frontal,train,{TEXT},,,," for i in (1, 2)]
    folder = chexpert_plus(tmp_path, rows, films=False)
    loaded = load_dataset("chexpert-plus", folder)
    assert "no images of 'train': looked for PNG/PNG/train" in loaded.problems[0].sentence
    assert load_dataset("chexpert-plus", folder, LoadOptions(check_files=False)).problems == []


@pytest.mark.parametrize(
    "tree",
    [
        "PNG/PNG/train",
        "PNG/PNG_train/train",
        "PNG_train/PNG_train/train",
        "PNG_train/train",
        "train",
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_the_tree_is_the_one_that_holds_the_films(tmp_path, tree, first):
    names = [f"patient{i}/study1/view{j}_frontal" for i in (1, 2) for j in (1, 2)]
    rows = [f"train/{name}.jpg,Frontal,train,{TEXT},,,," for name in names]
    folder = chexpert_plus(tmp_path, rows, films=False)
    suffix = "jpg" if tree == "train" else "png"
    for empty in ("PNG/train", "PNG_train", "DICOM_train"):
        (folder / empty).mkdir(parents=True, exist_ok=True)
    for name in names if first else names[1:]:
        film(folder / tree / f"{name}.{suffix}")
    loaded = load_dataset("chexpert-plus", folder)
    assert sum(len(study.images) for study in loaded.studies) == (4 if first else 3)
    assert len(loaded.problems) == (0 if first else 1)


def test_the_dicom_tree_is_taken_where_there_are_no_pngs(tmp_path):
    rows = [f"train/patient1/study1/view1_frontal.jpg,Frontal,train,{TEXT},,,,"]
    folder = chexpert_plus(tmp_path, rows, films=False)
    path = folder / "DICOM_train/patient1/study1/view1_frontal.dcm"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not read here")
    assert load_dataset("chexpert-plus", folder).studies[0].images == (path,)


def test_labels_of_another_text_can_be_asked_for(tmp_path):
    name = "train/patient1/study1/view1_frontal.jpg"
    rows = [f"{name},Frontal,train,{TEXT},,,,"]
    folder = chexpert_plus(tmp_path, rows, [(name, {"Edema": 1})])
    labels = {"path_to_image": name, **dict.fromkeys(LABELS), "Fracture": 1}
    (folder / "chexbert_labels" / "impression_fixed.json").write_text(json.dumps(labels))
    loaded = load_dataset("chexpert-plus", folder, LoadOptions(labels_from="impression"))
    assert loaded.studies[0].labels["Fracture"] == 1
    with pytest.raises(OrapoError, match="--labels-from history: expected one of"):
        load_dataset("chexpert-plus", folder, LoadOptions(labels_from="history"))


# --- MIMIC-CXR ---------------------------------------------------------------------------------

MIMIC_TEXT = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___-year-old woman with cough.  // pneumonia?

 COMPARISON:  None.

 FINDINGS:

 The lungs are clear.
 LUNG BASES:  Small left pleural effusion.

 IMPRESSION:

 Small effusion.

 NOTIFICATION:  Called to Dr. ___.
"""


def test_a_free_text_report_is_cut_at_its_headers():
    sections = split_report(MIMIC_TEXT)
    assert sections.findings == "The lungs are clear.\nLUNG BASES: Small left pleural effusion."
    assert sections.impression == "Small effusion."
    assert sections.indication == "___-year-old woman with cough. // pneumonia?"
    assert sections.comparison == "None."


def test_findings_without_a_header_do_not_become_part_of_what_a_prompt_may_hold():
    text = " HISTORY:  Cough.\n\n COMPARISON:  None.\n \n Effusion.\n\n IMPRESSION:  Effusion.\n"
    sections = split_report(text)
    assert sections == ("Effusion.", "Effusion.", "", "Cough.", "None.")


@pytest.mark.parametrize(
    ("text", "findings", "impression"),
    [
        (" FINAL REPORT\n INDICATION:  Cough.\n \n The lungs are\n clear.\n", "The lungs are clear.", ""),
        (" CONCLUSION: \n No effusion.\n", "", "No effusion."),
        (" HISTORY:  Cough.\n", "", ""),
        ("Clear lungs.", "Clear lungs.", ""),
        ("", "", ""),
    ],
)  # fmt: skip
def test_without_sections_the_last_paragraph_is_the_finding(text, findings, impression):
    sections = split_report(text)
    assert (sections.findings, sections.impression) == (findings, impression)


@pytest.mark.parametrize(
    "header",
    [
        "DLP", "ATTENDING RADIOLOGIST", "CRITICAL RESULTS", "DICTATED BY", "NOTIFICATION",
        "RECOMMENDATION(S)", "RECOMMENDATIONS", "ADDENDUM", "FINAL ADDENDUM", "WET READ",
        "WET READ VERSION #1", "TECHNIQUE", "NOTE TO THE REFERRING PHYSICIAN",
    ],
)  # fmt: skip
@pytest.mark.parametrize("section", ["FINDINGS", "IMPRESSION"])
def test_what_a_study_does_not_keep_is_swallowed_by_no_section(section, header):
    text = f" {section}:\n\n Clear lungs.\n\n {header}:  Dr. ___ was told of a mass.\n\n"
    sections = split_report(text)
    assert getattr(sections, section.lower()) == "Clear lungs."
    assert "mass" not in " ".join(sections)


@pytest.mark.parametrize(
    "header",
    [
        "LUNGS",
        "HEART AND MEDIASTINUM",
        "LINES/TUBES",
        "RIGHT PLEURA",
        "OSSEOUS STRUCTURES",
        "OTHER",
    ],
)
def test_headers_of_what_a_film_shows_are_part_of_the_findings(header):
    text = f" FINDINGS:\n\n DOSE: 1 mGy.\n {header}: As before.\n\n IMPRESSION: No change.\n"
    assert split_report(text)[:2] == (f"{header}: As before.", "No change.")
    text = f" HISTORY: Cough.\n {header}: As before.\n AIRWAYS: Clear.\n"
    assert split_report(text).findings == f"{header}: As before.\nAIRWAYS: Clear."


@pytest.mark.parametrize(
    ("header", "section"),
    [
        ("FINDINGS AND IMPRESSION", "findings"),
        ("FINDINGS/IMPRESSION", "findings"),
        ("CONCLUSION", "impression"),
        ("FINAL IMPRESSION", "impression"),
        ("CLINICAL INDICATION FOR CHEST FILM", "indication"),
        ("REASON FOR THIS EXAMINATION", "indication"),
        ("UNDERLYING CLINICAL CONDITION", "history"),
        ("COMPARISON FILMS", "comparison"),
    ],
)
def test_a_section_has_one_name_whatever_it_is_called(header, section):
    sections = split_report(f" {header}:  AP chest compared to ___:\n")
    assert sections._asdict() == {
        **dict.fromkeys(sections._fields, ""),
        section: "AP chest compared to ___:",
    }


@pytest.mark.parametrize(
    "before",
    [
        " WET READ: ___ 5:16 PM\n  Large mass.\n ______\n",
        " WET READ VERSION #1 ___ 5:16 PM\n\n  Large mass.\n\n",
    ],
)
def test_a_first_reading_at_night_is_no_part_of_the_final_report(before):
    text = f"{before}                                 FINAL REPORT\n Clear lungs.\n\n IMPRESSION: Clear.\n"
    assert split_report(text)[:2] == ("Clear lungs.", "Clear.")


def test_an_addendum_ends_the_impression():
    text = (
        " FINDINGS: Clear.\n IMPRESSION: Clear.\n\n FINAL ADDENDUM\n There is a mass after all.\n"
    )
    assert split_report(text)[:2] == ("Clear.", "Clear.")


def test_an_unknown_header_before_the_impression_holds_no_findings():
    text = " ORDER DETAILS:  Rule out a mass.\n\n IMPRESSION: Clear lungs.\n"
    assert split_report(text)[:2] == ("", "Clear lungs.")


def mimic(folder, with_labels=True):
    def table(name, *lines):
        with gzip.open(folder / f"mimic-cxr-2.0.0-{name}.csv.gz", "wt") as file:
            file.write("\n".join(lines) + "\n")

    table(
        "split",
        "dicom_id,study_id,subject_id,split",
        "aa-1,500,1000,train",
        "aa-2,500,1000,train",
        "bb-1,501,1001,validate",
        "dd-1,503,1003,test",
    )
    table(
        "metadata",
        "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition",
        "aa-1,1000,500,CHEST,LATERAL",
        "aa-2,1000,500,CHEST,AP",
        "bb-1,1001,501,CHEST,",
        "cc-1,1002,502,CHEST,PA",
        "../../x,1003,503,CHEST,PA",
        "dd-1,1003,503,CHEST,PA",
    )
    if with_labels:
        table(
            "chexpert",
            "subject_id,study_id," + ",".join(LABELS),
            "1000,500," + cells(Pleural_Effusion="1.0", Edema="-1.0"),
        )
    for dicom_id, subject, study in (("aa-1", 1000, 500), ("aa-2", 1000, 500), ("bb-1", 1001, 501)):
        film(folder / f"files/p10/p{subject}/s{study}/{dicom_id}.jpg")
        (folder / f"files/p10/p{subject}/s{study}.txt").write_text(MIMIC_TEXT)
    return folder


def test_mimic_is_read_from_its_tables_and_texts(tmp_path):
    loaded = load_dataset("mimic-cxr", mimic(tmp_path))
    first, second = loaded.studies
    assert (first.study_id, first.patient_id, first.split) == ("500", "1000", "train")
    assert [image.name for image in first.images] == ["aa-2.jpg", "aa-1.jpg"], "frontal first"
    assert first.views == ("frontal", "lateral")
    assert (first.labels["Pleural Effusion"], first.labels["Edema"]) == (1, -1)
    assert first.impression == "Small effusion."
    assert (second.split, second.views, second.labels_source) == ("validate", ("",), "facts")
    assert said(loaded) == [
        (5, "dicom_id cc-1 has no row in the table of splits"),
        (6, "expected numbers as subject_id and study_id, and a dicom_id"),
        (7, f"report {tmp_path}/files/p10/p1003/s503.txt: no such file"),
    ]


def test_a_report_that_is_no_text_is_a_problem_and_not_waited_for(tmp_path, monkeypatch):
    mimic(tmp_path)
    first, second = (tmp_path / f"files/p10/p100{i}/s50{i}.txt" for i in (0, 1))
    first.unlink()
    os.mkfifo(first)
    second.write_text("x" * 2000)
    monkeypatch.setattr(mimic_cxr, "LONGEST_LINE", 1000)
    loaded = load_dataset("mimic-cxr", tmp_path)
    sentences = [sentence for _, sentence in said(loaded)]
    assert f"report {first}: is no ordinary file" in sentences
    assert f"report {second}: longer than 1,000 bytes" in sentences


@pytest.mark.parametrize("text", [" FINAL REPORT\n", " EXAMINATION: CHEST\n\n INDICATION: Mass?\n"])
def test_a_report_of_headers_alone_is_an_empty_one(tmp_path, text):
    mimic(tmp_path)
    (tmp_path / "files/p10/p1000/s500.txt").write_text(text)
    loaded = load_dataset("mimic-cxr", tmp_path)
    assert [study.study_id for study in loaded.studies] == ["501"]
    (problem,) = [one for one in loaded.problems if one.kind == "empty_report"]
    assert not problem.fatal
    assert "without findings and impression; the study is left out" in problem.sentence


def test_a_message_stays_one_line_and_gives_no_orders_to_a_terminal(tmp_path):
    film(tmp_path / "a.png")
    row = '"1\n\x1b[31m2",a.png,Clear lungs.\n'
    (tmp_path / "table.csv").write_text("study_id,image_path,report\n" + row + row)
    ((_, sentence),) = said(load_dataset("table", tmp_path / "table.csv"))
    assert sentence == "study_id 1  [31m2 stands already in line 3"


def test_a_study_of_which_one_film_is_held_out_is_held_out(tmp_path):
    mimic(tmp_path)
    with gzip.open(tmp_path / "mimic-cxr-2.0.0-split.csv.gz", "at") as file:
        file.write("zz-9,999,1000,train\n")
    table = tmp_path / "mimic-cxr-2.0.0-split.csv.gz"
    text = gzip.decompress(table.read_bytes())
    table.write_bytes(gzip.compress(text.replace(b"aa-2,500,1000,train", b"aa-2,500,1000,test")))
    loaded = load_dataset("mimic-cxr", tmp_path)
    assert loaded.studies[0].split == "test"
    assert loaded.notes["studies_whose_views_differ_in_split"] == 1
    assert loaded.notes["split_rows_without_metadata"] == 1


def test_reports_of_mimic_may_lie_elsewhere_and_labels_may_be_missing(tmp_path):
    folder, reports = tmp_path / "jpg", tmp_path / "reports"
    folder.mkdir()
    mimic(folder, with_labels=False)
    for path in sorted(folder.rglob("s*.txt")):
        target = reports / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    loaded = load_dataset("mimic-cxr", folder, LoadOptions(reports=reports))
    assert {study.labels_source for study in loaded.studies} == {"facts"}
    assert loaded.studies[0].labels["Pleural Effusion"] == 1


def test_a_broken_gzip_table_is_named(tmp_path):
    mimic(tmp_path)
    path = tmp_path / "mimic-cxr-2.0.0-metadata.csv.gz"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(OrapoError, match=r"metadata\.csv\.gz: broken or truncated gzip file"):
        load_dataset("mimic-cxr", tmp_path)


# --- IU X-ray ----------------------------------------------------------------------------------


def test_annotation_entries_that_are_wrong_are_named_by_split_and_number(tmp_path):
    good = {"id": "CXR1_IM-1", "report": f"XXXX. {TEXT}", "image_path": ["CXR1_IM-1/0.png"]}
    film(tmp_path / "images" / "CXR1_IM-1" / "0.png")
    content = {
        "train": [good, good, {"id": "x"}, 3],
        "val": [{**good, "id": "a", "report": " "}, {**good, "id": "b", "image_path": ["../0.png"]}],
        "test": [{**good, "id": "c", "report": ["two"]}],
    }  # fmt: skip
    (tmp_path / "annotation.json").write_text(json.dumps(content))
    loaded = load_dataset("iu-xray", tmp_path)
    assert [study.labels["Pleural Effusion"] for study in loaded.studies] == [1]
    assert loaded.notes["reports_with_removed_words"] == 1
    told = [(problem.place.entry, problem.sentence) for problem in loaded.problems]
    assert told[:5] == [
        ("train entry 2", "study_id CXR1_IM-1 stands already in train entry 1"),
        ("train entry 3", "lacks report, image_path"),
        ("train entry 4", "expected a JSON object"),
        ("val entry 1", "has no report text; the study is left out"),
        ("val entry 2", "image path '../0.png' leaves the image root"),
    ]
    assert ("test entry 1", "report must be a string, not list") in told


def test_the_indiana_tables_are_joined_by_uid(tmp_path):
    (tmp_path / "indiana_reports.csv").write_text(
        "uid,MeSH,Problems,image,indication,comparison,findings,impression\n"
        f"1,normal,normal,PA,Cough,None.,The lungs are clear.,{TEXT}\n"
        "2,normal,normal,PA,Cough,None.,,\n"
    )
    (tmp_path / "indiana_projections.csv").write_text(
        "uid,filename,projection\n1,1_L.png,Lateral\n1,1_F.png,Frontal\n2,2_F.png,Frontal\n"
        "3,3_F.png,Frontal\n"
    )
    for name in ("1_L", "1_F", "2_F", "3_F"):
        film(tmp_path / "images" / "images_normalized" / f"{name}.png")
    loaded = load_dataset("iu-xray", tmp_path)
    (study,) = loaded.studies
    assert [image.name for image in study.images] == ["1_F.png", "1_L.png"]
    assert (study.indication, study.comparison) == ("Cough", "None.")
    assert said(loaded) == [
        (3, "has no report text; the study is left out"),
        (5, "uid 3 has no row in indiana_reports.csv"),
    ]
    assert loaded.fatal == 0
    assert loaded.notes == {"labels_read_by_facts": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "the file is empty"), ("{", "line 1: broken JSON"), ("[]", "expected an object of train")],
)  # fmt: skip
def test_a_broken_annotation_is_one_sentence(tmp_path, content, message):
    (tmp_path / "annotation.json").write_text(content)
    with pytest.raises(OrapoError, match=message):
        load_dataset("iu-xray", tmp_path)


# --- CheXpert valid ----------------------------------------------------------------------------


@pytest.mark.parametrize("prefix_on_disk", [False, True])
def test_chexpert_valid_has_radiologists_labels_and_no_text(tmp_path, prefix_on_disk):
    root = tmp_path / "CheXpert-v1.0-small" if prefix_on_disk else tmp_path
    start = "CheXpert-v1.0-small/valid/patient64541/study1"
    rows = [
        f"{start}/view1_frontal.jpg,Male,73,Frontal,AP," + cells(Cardiomegaly="1.0"),
        f"{start}/view2_lateral.jpg,Male,73,Lateral,," + cells(Cardiomegaly="1.0"),
        f"{start}/view3_frontal.jpg,Male,73,Frontal,AP," + cells(Cardiomegaly="maybe"),
        "valid/x.jpg,Male,73,Frontal,AP," + cells(),
    ]
    header = "Path,Sex,Age,Frontal/Lateral,AP/PA," + ",".join(LABELS)
    (tmp_path / "valid.csv").write_text("\n".join([header, *rows, ""]))
    for name in ("view1_frontal", "view2_lateral"):
        film(root / f"valid/patient64541/study1/{name}.jpg")
    loaded = load_dataset("chexpert-valid", tmp_path)
    (study,) = loaded.studies
    assert (study.study_id, study.split, study.sex, study.age) == (
        "patient64541_study1", "validate", "M", 73,
    )  # fmt: skip
    assert study.labels["Cardiomegaly"] == 1
    assert study.labels_source == "dataset"
    assert (study.report, len(study.images)) == ("", 2)
    assert said(loaded) == [
        (4, "column Cardiomegaly: label value 'maybe' is not one of 1, 0, -1 or blank"),
        (5, "Path is not of the form CheXpert-v1.0-small/split/patient/study/view.jpg"),
    ]


# --- all ---------------------------------------------------------------------------------------


def test_an_unknown_name_or_place_is_one_sentence(tmp_path):
    with pytest.raises(OrapoError, match="padchest: no such data set; there are chexpert-plus,"):
        load_dataset("padchest", tmp_path)
    for name in ("chexpert-plus", "mimic-cxr", "iu-xray", "chexpert-valid"):
        with pytest.raises(OrapoError, match="holds n"):
            load_dataset(name, tmp_path)
        with pytest.raises(OrapoError, match="no such file or folder"):
            load_dataset(name, tmp_path / "nowhere")


def test_dicom_studies_need_the_extra_where_pydicom_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "orapo.data.films.dicom", None)
    with pytest.raises(OrapoError, match=r"pip install 'orapo\[dicom\]'"):
        load_dataset("dicom", tmp_path)


UGLY = [
    ("INDICATION: Cough.\n Findings: Large right effusion.", "Large right effusion.", ""),
    (
        "INDICATION: Cough. FINDINGS: Large effusion. IMPRESSION: Effusion.",
        "Large effusion.",
        "Effusion.",
    ),
    (
        "HISTORY: 45M.\n CHEST, 2 VIEWS: Large right effusion seen.",
        "Large right effusion seen.",
        "",
    ),
    ("COMPARISON: ___.\n PA AND LATERAL CHEST, ___: Large effusion.", "Large effusion.", ""),
    ("INDICATION: Cough.\n FINDINGS:Large effusion.", "Large effusion.", ""),
    (
        "PORTABLE AP CHEST: Large effusion.\n\n IMPRESSION: Effusion.",
        "Large effusion.",
        "Effusion.",
    ),
    ("  FINAL REPORT\n Large effusion.\n\n IMPRESSION: Effusion.", "Large effusion.", "Effusion."),
    ("COMPARISON: None.\n\n TWO VIEWS OF THE CHEST: Clear lungs.", "Clear lungs.", ""),
]


@pytest.mark.parametrize(("text", "findings", "impression"), UGLY)
def test_ugly_reports_are_cut_where_the_answer_begins_and_none_of_it_gets_into_a_prompt(
    text, findings, impression
):
    sections = split_report(text)
    assert (sections.findings, sections.impression) == (findings, impression)
    study = Study(study_id="s", report=text, **sections._asdict())
    prompt = study_prompt(study, ["indication", "history", "comparison"])
    assert "effusion" not in prompt.lower()
    assert "clear" not in prompt.lower()


@pytest.mark.parametrize(
    "history", ["Cough. Impression: Effusion.", "Fall. CHEST 2 VIEWS: clear.", "FINDINGS : large"]
)
def test_a_field_with_the_header_of_the_answer_is_left_out(history):
    study = Study(study_id="s", history=history)
    assert study_prompt(study, ["history"]) == study_prompt(study)


def test_a_patients_studies_are_brought_into_the_order_of_time():
    loading = Loading("x", LoadOptions(check_files=False))
    for number, (study, patient, when) in enumerate(
        [("b2", "b", "2"), ("a1", "a", "1"), ("b1", "b", "1"), ("c", "c", ""), ("b3", "b", "3")]
    ):
        place = Place(Path("t.csv"), number)
        loading.add(place, study, [], {"Edema": 1}, when=when, patient_id=patient, report="Edema.")
    loaded = loading.finish(Path("t.csv"))
    assert [study.study_id for study in loaded.studies] == ["b1", "a1", "b2", "c", "b3"]
    assert [place.line for place in loaded.places] == [2, 1, 0, 3, 4]


def test_labels_that_say_nothing_are_read_from_the_text():
    loading = Loading("x", LoadOptions(check_files=False))
    blank = {"Edema": None}
    loading.add(Place(Path("t.csv"), 1), "s", [], blank, report="Large effusion.")
    (study,) = loading.finish(Path("t.csv")).studies
    assert (study.labels["Pleural Effusion"], study.labels_source) == (1, "facts")
