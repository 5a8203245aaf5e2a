"""Own tables: any names of columns, and nothing wrong with them goes unsaid."""

import json
import time

import pytest
from PIL import Image

from orapo.data.datasets import load_dataset
from orapo.data.loaded import LoadOptions
from orapo.data.tables.writing import write_rows
from orapo.errors import OrapoError
from orapo.labels import LABELS

TEXT = "Small left pleural effusion."
HEADER = "study_id,image_path,report"


@pytest.fixture
def folder(tmp_path):
    Image.new("L", (32, 32), 90).save(tmp_path / "a.png")
    return tmp_path


def load(folder, content, name="t.csv", **options):
    path = folder / name
    if isinstance(content, str):
        content = content.encode()
    path.write_bytes(content)
    return load_dataset("table", path, LoadOptions(**options))


def sentences(loaded):
    return [problem.sentence for problem in loaded.problems]


def test_columns_of_other_names_are_mapped(folder):
    loaded = load(
        folder,
        f"id,text,film,Erguss,wer\n7,{TEXT},a.png,-1,p1\n",
        columns={
            "study_id": "id",
            "report": "text",
            "images": "film",
            "Pleural Effusion": "Erguss",
            "patient_id": "wer",
        },
    )
    (study,) = loaded.studies
    assert (study.study_id, study.report, study.patient_id) == ("7", TEXT, "p1")
    assert study.images == (folder / "a.png",)
    assert study.labels["Pleural Effusion"] == -1
    assert study.labels_source == "dataset"
    assert "lacks the label column(s)" in loaded.problems[0].sentence
    assert loaded.fatal == 0


def test_a_table_without_labels_is_read_by_facts(folder):
    (study,) = load(folder, f"{HEADER}\n1,a.png,{TEXT}\n").studies
    assert study.labels["Pleural Effusion"] == 1
    assert study.labels_source == "facts"


def test_labels_come_from_findings_and_impression_rather_than_the_whole_report(folder):
    content = "study_id,image_path,report,findings,impression\n"
    content += '1,a.png,History: pneumothorax. No effusion.,No effusion.,"Edema."\n'
    (study,) = load(folder, content).studies
    assert study.labels["Pneumothorax"] is None
    assert (study.labels["Pleural Effusion"], study.labels["Edema"]) == (0, 1)


def test_the_three_formats_give_the_same_studies(folder):
    rows = [
        {"study_id": "1", "image_path": "a.png", "report": TEXT, "split": "val", "sex": "female"},
        {"study_id": "2", "image_path": "a.png", "report": "Clear.", "split": "test", "sex": "M"},
    ]
    found = []
    for suffix in (".csv", ".jsonl", ".parquet"):
        path = folder / f"t{suffix}"
        with write_rows(path, list(rows[0])) as write:
            for row in rows:
                write(row)
        loaded = load_dataset("table", path)
        assert loaded.problems == []
        found.append(loaded.studies)
    assert found[0] == found[1] == found[2]
    assert [(study.split, study.sex) for study in found[0]] == [("validate", "F"), ("test", "M")]


def test_several_views_stand_in_one_cell_or_in_a_list(folder):
    Image.new("L", (32, 32), 90).save(folder / "b.png")
    content = f"study_id,image_path,view,report\n1,a.png; b.png,lateral;PA,{TEXT}\n"
    (study,) = load(folder, content).studies
    assert [(image.name, view) for image, view in zip(study.images, study.views, strict=True)] == [
        ("b.png", "frontal"),
        ("a.png", "lateral"),
    ]
    record = {"study_id": 1, "images": ["a.png", "b.png"], "report": TEXT}
    (study,) = load(folder, json.dumps(record), "t.jsonl").studies
    assert len(study.images) == 2


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("1,../a.png,x.", "image path '../a.png' leaves the image root"),
        ("1,..\\a.png,x.", r"image path '..\\a.png' leaves the image root"),
        ("1,sub/../../a.png,x.", "image path 'sub/../../a.png' leaves the image root"),
        ("1,C:\\a.png,x.", r"image path 'C:\\a.png' leaves the image root"),
        ("1,nowhere.png,x.", "image nowhere.png: no such file"),
        ("1,a.png\0,x.", "image path holds a null byte"),
        ("1,,x.", "image_path names no image"),
        (" ,a.png,x.", "study_id must be a string or a whole number, it is empty"),
        ("1,a.png,  ", "has no report text; the study is left out"),
        ("1,a.png,nan", "has no report text; the study is left out"),
        ("1,a.png,x.,more", "4 fields, expected 3 as in the header"),
    ],
)
def test_a_faulty_row_is_named_and_left_out(folder, row, sentence):
    (folder / "sub").mkdir()
    loaded = load(folder, f"{HEADER}\n0,a.png,{TEXT}\n{row}\n")
    (problem,) = loaded.problems
    assert problem.sentence == sentence
    assert (problem.place.line, problem.place.number) == (3, 2)
    assert str(problem).startswith(f"{folder}/t.csv, line 3 (row 2): ")
    assert [study.study_id for study in loaded.studies] == ["0"]


def test_an_absolute_path_is_taken_only_without_an_image_root(folder):
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    content = f"{HEADER}\n1,{folder}/a.png,{TEXT}\n"
    assert load(folder, content).problems == []
    loaded = load(folder, content, images=elsewhere)
    assert "leaves the image root" in loaded.problems[0].sentence
    assert load(folder, content, images=folder).problems == []


def test_relative_paths_start_at_the_image_root(folder):
    (folder / "tables").mkdir()
    loaded = load(folder / "tables", f"{HEADER}\n1,a.png,{TEXT}\n", images=folder)
    assert loaded.studies[0].images == (folder / "a.png",)


def test_a_study_stands_only_once(folder):
    loaded = load(folder, f"{HEADER}\n1,a.png,{TEXT}\n2,a.png,{TEXT}\n1,a.png,Clear.\n")
    assert sentences(loaded) == ["study_id 1 stands already in line 2"]
    assert [(s.study_id, s.report) for s in loaded.studies] == [("1", TEXT), ("2", TEXT)]


def test_every_faulty_cell_is_said_at_once(folder):
    labels = ",".join(LABELS)
    cells = dict.fromkeys(LABELS, "")
    cells |= {"Edema": "yes", "Fracture": "2", "Pneumonia": "N/A", "Cardiomegaly": "nan"}
    content = f"{HEADER},split,{labels}\n1,b.png,{TEXT},holdout,{','.join(cells.values())}\n"
    loaded = load(folder, content)
    assert sentences(loaded) == [
        "split 'holdout' is not one of train, validate, test",
        "image b.png: no such file",
        "column Edema: label value 'yes' is not one of 1, 0, -1 or blank",
        "column Pneumonia: label value 'N/A' is not one of 1, 0, -1 or blank",
        "column Fracture: label value '2' is not one of 1, 0, -1 or blank",
        "no study is left",
    ]


def test_no_finding_beside_a_finding_is_a_doubt_but_beside_a_device_it_is_not(folder):
    def content(**values):
        cells = [str(values.get(name.replace(" ", "_"), "")) for name in LABELS]
        return f"{HEADER},{','.join(LABELS)}\n1,a.png,{TEXT},{','.join(cells)}\n"

    loaded = load(folder, content(No_Finding=1, Pneumonia=1))
    assert sentences(loaded) == ["No Finding is 1 together with another label that is 1"]
    assert loaded.fatal == 0
    assert len(loaded.studies) == 1
    assert load(folder, content(No_Finding=1, Support_Devices=1)).problems == []


def test_wrong_types_in_json_lines_are_all_named(folder):
    lines = [
        {"study_id": 1.5, "report": ["a"], "labels": "none", "image_path": "a.png"},
        {"study_id": True, "report": TEXT, "image_path": 3},
        {"study_id": "c", "report": TEXT, "image_path": "a.png", "labels": {"Edema": True}},
        {"study_id": "d", "report": "half \ud83d", "image_path": "a.png"},
        {"study_id": "e", "report": TEXT, "image_path": "a.png", "labels": {"Edema": 1.0}},
    ]
    content = "\n".join(json.dumps(line) for line in lines) + '\n{"study_id"\n[]\n'
    loaded = load(folder, content, "t.jsonl")
    assert [(p.place.line, p.sentence) for p in loaded.problems] == [
        (1, "study_id must be a string or a whole number, not float"),
        (1, "report must be a string, not list"),
        (1, "labels must be an object of CheXpert label names to 1, 0, -1 or null"),
        (2, "study_id must be a string or a whole number, not bool"),
        (2, "has no image path"),
        (3, "column Edema: label value True is not one of 1, 0, -1 or blank"),
        (4, "holds half a character (a surrogate without its pair)"),
        (6, "broken JSON (Expecting ':' delimiter)"),
        (7, "expected a JSON object"),
    ]
    (study,) = loaded.studies
    assert study.labels["Edema"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"t\.csv: the file is empty"),
        (f"{HEADER}\n", r"t\.csv: the table has no rows"),
        ("study_id,report\n1,x\n", r"lacks the column\(s\) image_path; it has study_id, report"),
        ("image_path,report\na,x\n", r"lacks the column\(s\) study_id; "),
        ("study_id,image_path\n1,a\n", r"lacks the column\(s\) report \(or findings, or impr"),
        (f'{HEADER}\n1,a.png,"x\n', r"t\.csv, line 2: broken CSV"),
        (f"{HEADER}\n1,a.png,ok\n2,a.png,\xc9pan\n".encode("latin-1"),
         r"t\.csv, line 3: not UTF-8 text \(byte 0xc9 at position 46\)"),
    ],
)  # fmt: skip
def test_a_table_that_is_wrong_as_a_whole_is_one_sentence(folder, content, message):
    with pytest.raises(OrapoError, match=message):
        load(folder, content)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_reports_alone_are_a_table_where_nobody_asks_for_films(tmp_path, name):
    with write_rows(tmp_path / name, ("id", "text")) as write:
        write({"id": "1", "text": TEXT})
    options = LoadOptions(check_files=False)
    loaded = load_dataset("table", tmp_path / name, options)
    assert [(one.study_id, one.report, one.images) for one in loaded.studies] == [("1", TEXT, ())]
    assert {problem.kind for problem in loaded.problems} == {"guessed"}


def test_another_encoding_can_be_named(folder):
    content = f"{HEADER}\n1,a.png,\xc9panchement: {TEXT}\n".encode("latin-1")
    loaded = load(folder, content, encoding="latin-1")
    assert loaded.studies[0].report.startswith("Épanchement")
    with pytest.raises(OrapoError, match="--encoding klingon: no such encoding"):
        load(folder, content, encoding="klingon")


def test_a_mapping_to_what_is_not_there_is_refused(folder):
    content = f"{HEADER}\n1,a.png,{TEXT}\n"
    with pytest.raises(OrapoError, match=r"lacks the column\(s\) befund"):
        load(folder, content, columns={"findings": "befund"})
    with pytest.raises(OrapoError, match="--columns: reprot is no field; there are study_id"):
        load(folder, content, columns={"reprot": "report"})


@pytest.mark.parametrize(
    ("content", "columns", "option"),
    [
        ("study_id,report,File\n1,x,a.png\n", {}, "name it: --columns image_path=COLUMN"),
        ("study_id,File\n1,a.png\n", {}, "name them: --columns image_path=COLUMN,report=COLUMN"),
        (f"{HEADER}\n1,a.png,x\n", {"Pleural Effusion": "PE"}, "'Pleural Effusion=COLUMN'"),
    ],
)
def test_the_option_that_names_a_column_can_be_typed_as_it_is_said(
    folder, content, columns, option
):
    with pytest.raises(OrapoError) as caught:
        load(folder, content, columns=columns)
    assert str(caught.value).endswith(f"{option})")


def test_byte_order_mark_and_quoted_lines_are_no_faults(folder):
    content = b"\xef\xbb\xbf" + f'{HEADER}\r\n1,a.png,"One ""line"".\nTwo."\r\n'.encode()
    (study,) = load(folder, content).studies
    assert study.report == 'One "line".\nTwo.'


def test_a_report_of_two_megabytes_is_read_in_seconds(folder):
    record = {"study_id": "1", "image_path": "a.png", "report": "no effusion or edema, " * 90_000}
    start = time.monotonic()
    (study,) = load(folder, json.dumps(record), "t.jsonl").studies
    assert time.monotonic() - start < 15, "about one; minutes if the time grew with the square"
    assert (study.labels["Pleural Effusion"], study.labels["Edema"]) == (0, 0)
