"""Exported reports read back: the same text, labels and references, always marked as drafts."""

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from commands import invoke
from orapo.cli import export as export_command
from orapo.data.tables.reading import read_rows
from orapo.data.tables.writing import write_rows
from orapo.errors import MissingExtraError, OrapoError
from orapo.export.codes import LABEL_CODES
from orapo.export.draft import NOTICE, NOTICES, Draft, FileNames, as_json, as_text, read_drafts
from orapo.facts import label_report
from orapo.labels import LABELS

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("highdicom")
pytest.importorskip("fhir.resources")

from orapo.data.films.dicom import dicom_uid, write_dicom  # noqa: E402
from orapo.export.dicom_sr import (  # noqa: E402
    read_structured_report,
    sr_text,
    structured_report,
)
from orapo.export.fhir import fhir_bundle, fhir_string, read_fhir_bundle  # noqa: E402

GOLDEN = Path(__file__).parent / "golden"
WHEN = datetime(2026, 11, 25, 12, 30)
REPORT = "Small left pleural effusion. Possible pneumonia.\nNo pneumothorax."
UGLY = "Größe 3 cm, \\ | ^ = ~ <b>&amp;</b>, 影像, 😀\n\ttabs.\r\n  End"


@pytest.fixture
def films(tmp_path):
    """Two films of one study, with a patient in the header, and one of an earlier study."""
    made = []
    for name, study, view in (("a", "now", "frontal"), ("b", "now", "lateral"), ("c", "old", "")):
        path = tmp_path / f"{name}.dcm"
        write_dicom(
            Image.linear_gradient("L"), path, view=view, patient_id="MRN-4711", study_uid=study,
            series_uid=study, instance_uid=name,
        )  # fmt: skip
        header = pydicom.dcmread(path)
        header.PatientName = "Müller^Jürgen"
        header.SpecificCharacterSet = "ISO_IR 100"
        header.PatientBirthDate, header.PatientSex = "19500203", "M"
        header.AccessionNumber, header.StudyDate = "ACC99", "20200102"
        header.save_as(path)
        made.append(path)
    return tuple(made)


def draft(text=REPORT, films=(), **more):
    return Draft("s1", text, label_report(text).labels, "model", "sha256:12", films, **more)


def saved(document, tmp_path):
    path = tmp_path / "report.dcm"
    document.save_as(path, enforce_file_format=True)
    return path


def stored(bundle, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(bundle), encoding="utf-8", errors="surrogatepass")
    return path


def uids(names, study):
    cr = "1.2.840.10008.5.1.4.1.1.1"
    return [(dicom_uid(study), dicom_uid(study), dicom_uid(name), cr) for name in names]


@pytest.mark.parametrize("text", [REPORT, UGLY, "x" * 300_000, "The lungs are clear."])
def test_a_structured_report_reads_back_as_it_was(films, tmp_path, text):
    read = read_structured_report(saved(structured_report(draft(text, films)), tmp_path))
    assert read.text == text
    assert read.labels == label_report(text).labels
    assert list(read.references) == [*uids("ab", "now"), *uids("c", "old")]
    assert not read.verified


def test_a_structured_report_is_an_unverified_draft_and_names_nobody(films, tmp_path):
    path = saved(structured_report(draft(films=films), when=WHEN), tmp_path)
    document = pydicom.dcmread(path)
    assert (document.VerificationFlag, document.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    assert document.CompletionFlag == "PARTIAL"
    assert document.ContentQualification == "RESEARCH"
    assert (document.ContentDate, document.ContentTime) == ("20261125", "123000")
    assert document.StudyInstanceUID == dicom_uid("now")
    comments = [item.TextValue for item in document.ContentSequence if item.ValueType == "TEXT"]
    assert NOTICE in comments
    content = path.read_bytes()
    for secret in (b"MRN-4711", b"ller", b"19500203", b"ACC99", b"20200102"):
        assert secret not in content


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("model", "DRAFT, written by a model, not verified"),
        ("edited", "DRAFT, written by a model, edited by a reader, not verified"),
        ("own", "Text typed by a reader, no model, not verified"),
    ],
)
def test_the_series_says_who_wrote_the_text_as_long_as_dicom_lets_it(tmp_path, source, said):
    document = pydicom.dcmread(saved(structured_report(draft(source=source)), tmp_path))
    assert document.SeriesDescription == said
    assert len(said) <= 64
    comments = [item.TextValue for item in document.ContentSequence if item.ValueType == "TEXT"]
    assert NOTICES[source] in comments


def test_the_same_text_of_another_author_is_another_document():
    made = [structured_report(draft(source=source), when=WHEN) for source in NOTICES]
    assert len({document.SOPInstanceUID for document in made}) == 3
    bundles = [fhir_bundle(draft(source=source), when=WHEN) for source in NOTICES]
    assert len({bundle["entry"][0]["fullUrl"] for bundle in bundles}) == 3


def test_what_no_model_wrote_names_none():
    one = Draft("s1", REPORT, label_report(REPORT).labels, source="own")
    assert "Model" not in str(structured_report(one).ContentSequence)
    devices = [
        entry["resource"]
        for entry in fhir_bundle(one)["entry"]
        if entry["resource"]["resourceType"] == "Device"
    ]
    assert [device["type"]["text"] for device in devices] == [
        "Rules that read labels from reports (research software)"
    ]


@pytest.mark.parametrize(
    ("cell", "source"), [("own", "own"), ("edited", "edited"), ("PACS 3", "model"), (None, "model")]
)
def test_a_workbenchs_json_that_is_exported_again_keeps_its_author(tmp_path, cell, source):
    table = tmp_path / "again.jsonl"
    table.write_text(json.dumps({"study_id": "s1", "report": REPORT, "source": cell}) + "\n")
    (one,) = read_drafts(table)
    assert as_text(one).startswith(NOTICES[source])


def test_the_patient_is_copied_when_asked_for(films, tmp_path):
    path = saved(structured_report(draft(films=films), with_patient=True), tmp_path)
    document = pydicom.dcmread(path)
    assert str(document.PatientName) == "Müller^Jürgen"
    assert (document.PatientID, document.PatientBirthDate) == ("MRN-4711", "19500203")
    assert (document.AccessionNumber, document.StudyDate) == ("ACC99", "20200102")


def test_the_same_draft_and_time_give_the_same_document(films, tmp_path):
    first = saved(structured_report(draft(films=films), when=WHEN), tmp_path).read_bytes()
    second = saved(structured_report(draft(films=films), when=WHEN), tmp_path).read_bytes()
    other = structured_report(draft(REPORT + " ", films), when=WHEN)
    assert first == second
    assert other.SOPInstanceUID != pydicom.dcmread(tmp_path / "report.dcm").SOPInstanceUID


@pytest.mark.parametrize(
    "name", ["report.fhir.json", "report.sr.json", "report.json", "report.txt"]
)
def test_the_formats_are_as_they_were(films, tmp_path, name):
    """A changed format is a changed contract: look at the difference before renewing the file."""
    record = {"study_id": "s1", "report": REPORT, "model": "org/model", "decoding": {"seed": 3}}
    one = Draft(
        "s1", REPORT, label_report(REPORT).labels, "org/model", "sha256:12", films, record
    )  # fmt: skip
    when = WHEN.replace(tzinfo=UTC)
    if name == "report.fhir.json":
        made = json.dumps(fhir_bundle(one, when=when), indent=1, ensure_ascii=False) + "\n"
    elif name == "report.sr.json":
        document = pydicom.dcmread(saved(structured_report(one, when=when), tmp_path))
        del document.ContributingEquipmentSequence  # names the version of highdicom
        made = json.dumps(document.to_json_dict(), indent=1, ensure_ascii=False) + "\n"
    else:
        made = as_json(one) if name == "report.json" else as_text(one)
    assert made == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.skipif(not shutil.which("dsrdump"), reason="dcmtk is not installed")
@pytest.mark.parametrize("with_films", [True, False])
def test_dcmtk_reads_the_structured_report(films, tmp_path, with_films):
    document = structured_report(draft(UGLY, films if with_films else ()), when=WHEN)
    path = saved(document, tmp_path)
    done = subprocess.run(["dsrdump", "+Pl", str(path)], capture_output=True)
    shown = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, done.stderr
    # dcmtk's own check of value representations knows no UTF-8; it says nothing else
    warnings = [line for line in done.stderr.splitlines() if b"ISO_IR 192" not in line]
    assert not warnings
    assert "X-Ray Report" in shown
    assert "Unverified" in shown or "UNVERIFIED" in shown
    assert "影像" in shown
    assert shown.count("IMAGE") == (3 if with_films else 0)


def test_films_that_are_no_dicom_leave_a_report_without_references(tmp_path):
    film = tmp_path / "film.png"
    Image.linear_gradient("L").save(film)
    read = read_structured_report(saved(structured_report(draft(films=(film,))), tmp_path))
    assert (read.text, read.references) == (REPORT, ())
    assert read_fhir_bundle(stored(fhir_bundle(draft(films=(film,))), tmp_path)).references == ()
    for make in (structured_report, fhir_bundle):
        with pytest.raises(OrapoError, match="no film is a DICOM file"):
            make(draft(films=(film,)), with_patient=True)


def test_what_dicom_cannot_hold_is_counted():
    assert sr_text("a\0b\x1bc\n\f\t ok  ") == ("a\ufffdb\ufffdc\n\f\t ok", 4)
    assert sr_text(UGLY) == (UGLY, 0)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(st.characters(codec="utf-8"), max_size=200))
def test_any_text_survives_or_is_counted(tmp_path, text):
    kept, lost = sr_text(text)
    one = draft(text)
    assert read_structured_report(saved(structured_report(one), tmp_path)).text == kept
    assert (kept == text) == (lost == 0)
    read = read_fhir_bundle(stored(fhir_bundle(one), tmp_path))
    assert (read.text, read.labels) == (text, dict(one.labels))


@pytest.mark.parametrize("text", [REPORT, UGLY, "a\0b\x1b", "ü" * 900_000, " "])
def test_a_fhir_bundle_reads_back_as_it_was(films, tmp_path, text):
    bundle = fhir_bundle(draft(text, films), when=WHEN)
    read = read_fhir_bundle(stored(bundle, tmp_path))
    assert read.text == text
    assert read.labels == label_report(text).labels
    assert list(read.references) == [*uids("ab", "now"), *uids("c", "old")]
    assert read.status == "preliminary"
    assert "MRN-4711" not in json.dumps(bundle)


def test_a_fhir_bundle_holds_an_observation_a_label_and_the_device(films):
    bundle = fhir_bundle(draft(films=films, record={"decoding": {"seed": 3}}), when=WHEN)
    resources = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
    report = next(r for r in resources.values() if r["resourceType"] == "DiagnosticReport")
    found = {
        resources[one["reference"]]["code"]["text"]: resources[one["reference"]][
            "valueCodeableConcept"
        ]["text"]
        for one in report["result"]
    }
    assert found == {
        "Pleural Effusion": "Present",
        "Pneumonia": "Undetermined",
        "Pneumothorax": "Absent",
    }
    assert all(r.get("status", "preliminary") != "final" for r in resources.values())
    assert NOTICE in report["code"]["text"]
    device = next(r for r in resources.values() if r["resourceType"] == "Device")
    assert device["deviceName"][0]["name"] == "model"
    assert device["version"][0]["value"] == "sha256:12"
    assert "'seed': 3" in device["note"][0]["text"]


def test_the_patient_of_a_fhir_bundle_is_there_when_asked_for(films, tmp_path):
    bundle = fhir_bundle(draft(films=films), with_patient=True)
    patient = next(
        e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient"
    )
    assert patient["identifier"] == [{"value": "MRN-4711"}]
    assert patient["name"] == [{"family": "Müller", "given": ["Jürgen"]}]
    assert (patient["gender"], patient["birthDate"]) == ("male", "1950-02-03")


def test_a_long_text_is_cut_in_a_string_of_fhir_between_characters():
    kept, lost = fhir_string("ü" * 600_000)
    assert (len(kept), lost) == (500_000, 100_000)


def test_every_label_has_a_code_that_dicom_can_hold():
    assert list(LABEL_CODES) == list(LABELS)
    assert all(len(code) <= 16 for code in LABEL_CODES.values())
    assert len(set(LABEL_CODES.values())) == len(LABELS)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("org/model", "org/model"),
        ("/home/doe/models/a", "a"),
        ("./run", "run"),
        ("~/run/", "run"),
        ("C:\\users\\doe\\run", "run"),
        ("", ""),
    ],
)
def test_folders_of_a_model_are_not_exported(films, model, name):
    one = Draft("s", REPORT, {}, model)
    assert one.model_name == name
    assert "doe" not in str(structured_report(one)) + json.dumps(fhir_bundle(one))


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "a/b", ".hidden", "ü", "x" * 300, "a b"])
def test_file_names_of_studies_lead_nowhere_else(name):
    made = FileNames().of(name)
    assert Path(made).name == made
    assert not made.startswith(".")
    assert len(made) < 100


def test_file_names_differ_whatever_the_letter_case():
    names = FileNames()
    made = [names.of(study) for study in ("A", "a", "A/", "A?")]
    assert len({name.casefold() for name in made}) == 4
    assert made[0] == "A"


# ---------------------------------------------------------------- the command


@pytest.fixture
def orapo():
    def run(*words, code=0):
        return invoke([export_command], ("export", *words), code).output

    return run


@pytest.fixture
def predictions(tmp_path, films):
    path = tmp_path / "predictions.jsonl"
    labels = label_report(REPORT).labels
    with write_rows(path, ("study_id", "report", "error", *LABELS, "films", "model")) as write:
        write({"study_id": "s/1", "report": REPORT, **labels, "films": [str(films[0])]})
        write({"study_id": "s2", "report": "", "error": "s2.png: broken"})
        write({"study_id": "s3", "report": UGLY, "films": ["nowhere.dcm"], "model": "m"})
    return path


def test_text_and_json_are_a_file_a_report(orapo, predictions, tmp_path):
    out = tmp_path / "out"
    said = orapo(predictions, "--format", "text", "--out", out)
    assert "2 reports" in said
    assert "1 studies have an error" in said
    texts = sorted(path.read_bytes().decode() for path in out.iterdir())
    assert texts == sorted(f"{NOTICE}\n\n{text}" for text in (REPORT, UGLY))
    orapo(predictions, "--format", "json", "--out", out)
    record = json.loads((out / "s3.json").read_text(encoding="utf-8"))
    assert (record["report"], record["notice"], record["model"]) == (UGLY, NOTICE, "m")
    assert list(record["labels"]) == list(LABELS)


def test_csv_is_one_table(orapo, predictions, tmp_path):
    out = tmp_path / "reports.csv"
    orapo(predictions, "--format", "csv", "--out", out)
    rows = [row.values for row in read_rows(out)]
    assert [row["study_id"] for row in rows] == ["s/1", "s3"]
    assert rows[1]["report"] == UGLY
    assert rows[0]["Pleural Effusion"] == "1.0"
    assert all(row["notice"] == NOTICE for row in rows)


@pytest.mark.parametrize(("kind", "ending"), [("dicom-sr", ".dcm"), ("fhir", ".fhir.json")])
def test_a_missing_film_leaves_its_report_out_and_is_said(
    orapo, predictions, tmp_path, kind, ending
):
    out = tmp_path / "out"
    said = orapo(predictions, "--format", kind, "--out", out, code=1)
    assert "nowhere.dcm" in said
    assert "1 reports could not be exported" in said
    (file,) = out.iterdir()
    assert file.name.endswith(ending)
    read = (read_structured_report if kind == "dicom-sr" else read_fhir_bundle)(file)
    assert (read.text, list(read.references)) == (REPORT, uids("a", "now"))


def test_what_is_lost_is_said(orapo, tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"study_id": "s", "report": "a\0b"}) + "\n")
    said = orapo(path, "--format", "dicom-sr", "--out", tmp_path / "out")
    assert "study s: 1 characters" in said


def test_labels_are_those_of_the_table_or_read_from_the_text(tmp_path):
    path = tmp_path / "p.jsonl"
    given = {**dict.fromkeys(LABELS), "Fracture": 1}
    lines = [{"study_id": "a", "report": REPORT, **given}, {"study_id": "b", "report": REPORT}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    first, second = read_drafts(path)
    assert first.labels["Fracture"] == 1
    assert first.labels["Pleural Effusion"] is None
    assert second.labels == label_report(REPORT).labels


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "text", "--with-patient", "--out", "x"), "for --format dicom-sr and fhir"),
        (("--format", "csv", "--out", "x.txt"), "ending in .csv"),
        (("--format", "text", "--out", "FILE"), "expected a folder"),
    ],
)
def test_wrong_use_is_one_sentence(orapo, predictions, options, message):
    words = [str(predictions) if word == "FILE" else word for word in options]
    with pytest.raises(OrapoError, match=message):
        orapo(predictions, *words)


@pytest.mark.parametrize(
    ("make", "package", "extra"),
    [(structured_report, "highdicom.sr", "dicom"), (fhir_bundle, "fhir.resources.R4B.bundle", "fhir")],
)  # fmt: skip
def test_a_missing_package_is_named_by_its_extra(monkeypatch, make, package, extra):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"\[{extra}\]"):
        make(draft())


@pytest.mark.parametrize("read", [read_structured_report, read_fhir_bundle])
def test_another_file_is_refused(tmp_path, films, read):
    with pytest.raises(OrapoError):
        read(films[0])
    with pytest.raises(OrapoError):
        read(tmp_path / "missing")
