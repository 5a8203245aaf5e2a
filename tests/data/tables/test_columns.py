"""Which column is the study's id and which the report: said when guessed, refused when in doubt."""

import pytest

from orapo.data.tables.columns import Side, Wanted, find_columns
from orapo.data.tables.records import Row
from orapo.errors import OrapoError


def found(path, have, **wanted):
    said = []
    columns = find_columns(path, have, Wanted(**wanted, say=said.append))
    return columns, " ".join(said)


@pytest.mark.parametrize(
    ("have", "side", "study_id", "text"),
    [
        (["uid", "report"], Side.ANY, "uid", "report"),
        (["Study ID", "Report Text"], Side.ANY, "Study ID", "Report Text"),
        (["AccessionNumber", "narrative"], Side.ANY, "AccessionNumber", "narrative"),
        (["id", "prediction"], Side.GENERATED, "id", "prediction"),
        (["id", "reference", "prediction"], Side.GENERATED, "id", "prediction"),
        (["id", "reference", "prediction"], Side.REFERENCE, "id", "reference"),
        (["image_id", "gt_report", "gen_report"], Side.GENERATED, "image_id", "gen_report"),
        (["image_id", "gt_report", "gen_report"], Side.REFERENCE, "image_id", "gt_report"),
        (["subject_id", "study_id", "report"], Side.ANY, "study_id", "report"),
        (["subject_id", "text"], Side.ANY, "subject_id", "text"),
        (["Accession No", "Patient No", "text"], Side.ANY, "Accession No", "text"),
        (["Exam No.", "narrative"], Side.ANY, "Exam No.", "narrative"),
        (["Case Number", "narrative"], Side.ANY, "Case Number", "narrative"),
    ],
)
def test_names_that_leave_no_doubt_are_found_and_said(tmp_path, have, side, study_id, text):
    columns, said = found(tmp_path / "t.csv", have, side=side)
    assert (columns.study_id, columns.text) == (study_id, text)
    for name, plain in ((study_id, "study_id"), (text, "report")):
        assert (repr(name) in said) == (name != plain)


@pytest.mark.parametrize(
    ("have", "side", "message"),
    [
        (["id", "uid", "report"], Side.ANY, "id, uid could each be the study's id; .*--id-column"),
        (["study_id", "text", "narrative"], Side.ANY, "could each be the report; .*--text-column"),
        # the reference's own text, taken for the prediction, would be a perfect score
        (["study_id", "report", "prediction"], Side.GENERATED, "could each be the report"),
        (["study_id", "report", "ground_truth"], Side.REFERENCE, "could each be the report"),
        (["id", "gt_report", "gen_report"], Side.ANY, "could each be the report"),
        (["film", "report"], Side.ANY, r"lacks the column\(s\) study_id; .*with --id-column\)"),
        (["film", "Edema"], Side.REFERENCE, r"study_id; .*with --reference-id-column\)"),
        (["film", "text"], Side.REFERENCE, r"study_id; .*with --reference-id-column\)"),
        (["film", "words"], Side.GENERATED, "study_id, report; .*with --id-column and --text-col"),
        (
            ["film", "words"],
            Side.REFERENCE,
            "study_id, report; .*with --reference-id-column and --reference-text-column",
        ),
        (["id", "uid", "report"], Side.REFERENCE, "choose with --reference-id-column"),
        (["id", "text", "narrative"], Side.REFERENCE, "choose with --reference-text-column"),
    ],
)
def test_a_doubt_is_an_error_that_names_the_option(tmp_path, have, side, message):
    with pytest.raises(OrapoError, match=message):
        found(tmp_path / "t.csv", have, side=side)


def test_a_column_that_is_named_and_is_not_there_is_refused(tmp_path):
    with pytest.raises(OrapoError, match="--text-column words: no such column; it has id, report"):
        found(tmp_path / "t.csv", ["id", "report"], text="words")
    columns, said = found(tmp_path / "t.csv", ["id", "report"], text="words", shared=True)
    assert columns.text == "report"
    assert "has no column words (--text-column)" in said


def report(tmp_path, values, **wanted):
    columns, _ = found(tmp_path / "t.csv", list(values), **wanted)
    return columns.report(tmp_path / "t.csv", Row(2, values))


def test_findings_and_impression_are_joined_with_the_end_of_a_sentence(tmp_path):
    row = {"study_id": "1", "findings": "Heart normal", "impression": "No disease"}
    assert report(tmp_path, row) == "Heart normal. No disease"
    for empty in ("", "None", "nan", "-", "N/A", None):
        assert report(tmp_path, {**row, "impression": empty}) == "Heart normal"
    nested = {"study_id": "1", "report": {"Findings": "Edema.", "IMPRESSION": "CHF."}}
    assert report(tmp_path, nested) == "Edema. CHF."


def test_a_whole_report_stands_in_where_both_sections_are_empty(tmp_path):
    row = {"id": "1", "Findings": "", "IMPRESSION": "None", "Report Text": "Edema."}
    columns, said = found(tmp_path / "t.csv", list(row))
    assert columns.report(tmp_path / "t.csv", Row(2, row)) == "Edema."
    assert "'Findings' and 'IMPRESSION', where they are empty from 'Report Text'" in said
    assert report(tmp_path, {**row, "Findings": "Clear."}) == "Clear."
    assert report(tmp_path, {**row, "text": "Effusion."}) == ""  # which of the two, nobody knows


@pytest.mark.parametrize("value", [3, ["Edema."], {"text": "Edema."}, {"findings": 3}])
def test_what_is_no_text_is_refused(tmp_path, value):
    with pytest.raises(OrapoError, match="line 2: report must be text"):
        report(tmp_path, {"study_id": "1", "report": value})
