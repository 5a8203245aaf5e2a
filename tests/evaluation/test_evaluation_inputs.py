"""What `orapo evaluate` reads: predictions, references, training studies."""

import json
import math

import pytest

from orapo.data.manifest import write_manifest
from orapo.data.study import Study
from orapo.data.tables.writing import write_rows
from orapo.errors import OrapoError
from orapo.evaluation.inputs import read_predictions, read_references, read_training
from orapo.evaluation.matching import (
    likely_reason,
    match_studies,
    silent_warning,
    without_unread,
)
from orapo.labels import LABELS


def csv(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest.jsonl"
    write_manifest(
        path,
        [
            Study(study_id="b", report="No edema.", labels={"Edema": 1}, split="test"),
            Study(study_id="a", findings="Edema.", impression="Cardiomegaly.", split="test"),
            Study(study_id="c", report="Effusion.", split="train"),
        ],
    )
    return path


def test_predictions_come_sorted_by_study_whatever_the_order_of_the_rows(tmp_path):
    path = csv(tmp_path / "p.csv", "report,study_id", '"Edema, mild.",2', ",10")
    assert list(read_predictions(path).items()) == [("10", ""), ("2", "Edema, mild.")]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["study_id,report", "a,x", "b,y", "a,z"], r"p.csv, line 4: study a .*first in line 2"),
        (
            ["study_id,words", "a,x"],
            r"lacks the column\(s\) report; it has study_id, words .*--text-column",
        ),
        (
            ["film,report", "a,x"],
            r"lacks the column\(s\) study_id; it has film, report .*--id-column",
        ),
        (["study_id,report", ",x"], "line 2: study_id must be"),
        (["study_id,report"], "no rows"),
    ],
)
def test_bad_predictions_are_named_with_their_line(tmp_path, lines, message):
    with pytest.raises(OrapoError, match=message):
        read_predictions(csv(tmp_path / "p.csv", *lines))


def test_given_labels_count_before_the_report(tmp_path):
    header = ",".join(["study_id", "report", *reversed(LABELS)])
    cells = ["1.0" if name == "Fracture" else "" for name in reversed(LABELS)]
    path = csv(tmp_path / "r.csv", header, ",".join(["a", "Edema.", *cells]), f"b,Edema.{',' * 14}")
    references = read_references(path)
    assert references["a"].origin == "given"
    assert {name for name, value in references["a"].labels.items() if value} == {"Fracture"}
    assert references["b"].origin == "facts"  # all 14 blank: the labels are not known
    assert references["b"].labels["Edema"] == 1


def test_a_table_of_reports_is_read_by_facts(tmp_path):
    one = read_references(csv(tmp_path / "r.csv", "study_id,report", "a,No edema."))["a"]
    assert (one.origin, one.labels["Edema"], one.report) == ("facts", 0, "No edema.")


def test_a_manifest_keeps_its_labels_and_the_rest_is_read_from_findings_and_impression(manifest):
    references = read_references(manifest, "test")
    assert list(references) == ["a", "b"]
    assert (references["b"].origin, references["b"].labels["Edema"]) == ("given", 1)
    assert references["a"].origin == "facts"
    assert references["a"].labels["Edema"] == references["a"].labels["Cardiomegaly"] == 1
    assert references["a"].report == "Edema. Cardiomegaly."


def test_training_studies_are_the_train_split_of_a_manifest_and_all_of_a_table(manifest, tmp_path):
    assert list(read_training(manifest)) == ["c"]
    table = csv(tmp_path / "t.csv", "study_id,report", "x,Edema.", "y,Edema.")
    assert list(read_training(table)) == ["x", "y"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["study_id,Edema", "a,1"], "line 2: has some of the 14 label columns but lacks No Fi"),
        (
            ["study_id,words", "a,x"],
            r"lacks the column\(s\) report, and the 14 label columns; .*--reference-text-col",
        ),
        ([",".join(["study_id", *LABELS]), "a,7" + 13 * ","], "column No Finding: label value '7'"),
    ],
)
def test_bad_references_are_named(tmp_path, lines, message):
    with pytest.raises(OrapoError, match=message):
        read_references(csv(tmp_path / "r.csv", *lines))


def test_a_split_that_is_not_there_is_named(manifest, tmp_path):
    with pytest.raises(OrapoError, match="no study of the split 'valid'"):
        read_references(manifest, "valid")
    table = tmp_path / "r.jsonl"
    table.write_text(json.dumps({"study_id": "a", "report": "Edema."}) + "\n")
    with pytest.raises(OrapoError, match="from a manifest"):
        read_references(table, "test")


def test_a_submission_to_rexrank_holds_both_sides(tmp_path):
    path = tmp_path / "prediction.json"
    one = {"findings": "Edema", "impression": "CHF.", "subject_id": 7, "model_prediction": "Clear."}
    path.write_text(
        json.dumps({"50051329": one, "50051330": {**one, "impression": None}}, indent=4)
    )
    assert read_predictions(path) == dict.fromkeys(("50051329", "50051330"), "Clear.")
    references = read_references(path)
    assert [one.report for one in references.values()] == ["Edema. CHF.", "Edema"]
    # with the reference as "report" beside it, nobody can know which of the two is meant
    path.write_text(json.dumps({"1": {**one, "report": "Findings: Edema Impression: CHF."}}))
    with pytest.raises(OrapoError, match="model_prediction, report could each be the report"):
        read_predictions(path)


@pytest.mark.parametrize("value", [12, 12.0, "12", " 12 "])
@pytest.mark.parametrize("name", ["p.jsonl", "p.parquet"])
def test_an_id_that_a_program_made_a_number_is_the_same_study(tmp_path, name, value):
    """Pandas writes 12.0 where another row has no id, Excel where a cell is a number."""
    with write_rows(tmp_path / name, ("study_id", "report")) as write:
        write({"study_id": value, "report": "Edema."})
    assert read_predictions(tmp_path / name) == {"12": "Edema."}


@pytest.mark.parametrize(
    ("value", "what"),
    [(1.5, "not float"), (1e300, "not float"), (True, "not bool"), (None, "it is empty")],
)
def test_what_is_no_id_is_said(tmp_path, value, what):
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"study_id": value, "report": "x"}) + "\n")
    with pytest.raises(OrapoError, match=f"must be a text or a whole number, {what}"):
        read_predictions(path)


@pytest.mark.parametrize(("age", "years"), [("072Y", 72), ("72", 72), (30.0, 30), ("006M", 0.5)])
def test_an_age_may_be_written_as_in_dicom(tmp_path, age, years):
    path = tmp_path / "references.json"
    path.write_text(json.dumps([{"study_id": "1", "report": "Clear lungs.", "age": age}]))
    (one,) = read_references(path).values()
    assert one.age == years


def test_an_age_that_is_none_is_said(tmp_path):
    path = tmp_path / "references.csv"
    path.write_text("study_id,report,age\n1,Clear lungs.,elderly\n")
    with pytest.raises(OrapoError, match="line 2: age must be years"):
        read_references(path)


def test_what_pandas_calls_nan_is_neither_an_age_nor_one_patient_of_all(tmp_path):
    path = tmp_path / "r.jsonl"
    rows = [
        {"study_id": "1", "report": "x", "patient_id": 7.0, "age": 66.0, "sex": "F"},
        {"study_id": "2", "report": "x", "patient_id": math.nan, "age": math.nan, "sex": math.nan},
        {"study_id": "3", "report": "x", "patient_id": "nan", "age": "nan", "sex": "None"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, *others = read_references(path).values()
    assert (first.patient_id, first.age, first.groups["age"]) == ("7", 66, "65 to 79")
    for one in others:
        assert (one.patient_id, one.age, one.groups["sex"], one.groups["age"]) == ("", None, "", "")


@pytest.mark.parametrize("form", ['="{}"', "'{}", '"{}"'])
def test_quotation_marks_around_ids_are_hinted_at(form):
    names = {str(number) for number in range(5)}
    assert "if quotation marks did not count" in likely_reason(
        {form.format(n) for n in names}, names
    )


def test_a_hint_names_no_more_differences_than_there_are():
    words = likely_reason([f"{n}.0" for n in range(1, 6)], [f"000{n}" for n in range(1, 6)])
    assert words == "5 more would match if leading zeros and a decimal .0 did not count"


@pytest.mark.parametrize("cell", ["nan", "NaN", "None", "N/A", "#N/A", "<NA>", "NULL", "-", " "])
def test_what_programs_write_for_no_text_is_an_empty_report(tmp_path, cell):
    path = csv(tmp_path / "p.csv", "study_id,report", f"a,{cell}", "b,No effusion.")
    assert read_predictions(path) == {"a": "", "b": "No effusion."}
    references = read_references(path)
    assert [one.unread for one in references.values()] == ["empty", ""]


def both_sides(folder, texts):
    rows = [f'{study},"{text}"' for study, text in texts.items()]
    truth = read_references(csv(folder / "r.csv", "study_id,report", *rows))
    return match_studies(dict.fromkeys(texts, "There is edema."), truth, False, "p.csv", "r.csv")


def test_a_study_of_which_nothing_is_known_is_no_normal_one_but_left_out(tmp_path):
    texts = {f"s{n:02}": "No edema." for n in range(16)}
    foreign = {"u1": "Kein Erguss, kein Infiltrat.", "u2": "Das Herz ist normal.", "e": ""}
    matched = without_unread(both_sides(tmp_path, texts | foreign), "r.csv", partial=False)
    assert list(matched.truth) == list(matched.reports) == sorted(texts)
    assert matched.left_out == {"empty": 1, "not English": 2}
    assert "3 of 19 references of r.csv (15.8 %) can't be scored against" in matched.warning
    few = dict(list(texts.items())[:3])
    with pytest.raises(OrapoError, match=r"3 of 6 references .*--partial leaves them out"):
        without_unread(both_sides(tmp_path, few | foreign), "r.csv", partial=False)
    assert list(
        without_unread(both_sides(tmp_path, few | foreign), "r.csv", partial=True).truth
    ) == list(few)
    with pytest.raises(OrapoError, match="they need labels beside them"):
        without_unread(both_sides(tmp_path, foreign), "r.csv", partial=True)


def test_given_labels_need_no_report_that_can_be_read(tmp_path):
    columns = ",".join(LABELS)
    path = csv(
        tmp_path / "r.csv", f"study_id,report,{columns}",
        "a,Kein Erguss.,1" + "," * 13, "b,nan,1" + "," * 13,
    )  # fmt: skip
    assert [one.unread for one in read_references(path).values()] == ["", ""]


def test_references_that_mention_no_label_are_said(tmp_path):
    texts = {f"s{n}": "No edema." for n in range(9)} | {"x": "See the report above."}
    matched = without_unread(both_sides(tmp_path, texts), "r.csv", partial=False)
    assert len(matched.truth) == 10
    assert "1 of 10 references of r.csv (10.0 %) mention none of the labels, such as x" in (
        silent_warning(matched.truth, "r.csv")
    )
    del matched.truth["x"]
    assert silent_warning(matched.truth, "r.csv") == ""
