"""``orapo data``: check, sample, convert and phantom from the command line."""

import csv
import importlib
import json

import pytest
from PIL import Image
from typer import Typer
from typer.testing import CliRunner

from orapo.cli.data import add_to
from orapo.data.manifest import read_manifest
from orapo.data.phantom import PhantomConfig
from orapo.data.phantom.layouts import write_layout
from orapo.errors import OrapoError

SECRET = "Secret wording of a report."


@pytest.fixture
def command():
    app = Typer()
    add_to(app)

    def run(*arguments):
        return CliRunner().invoke(app, ["data", *map(str, arguments)])

    return run


@pytest.fixture
def table(tmp_path):
    counts = {"train": 8, "validate": 2, "test": 2}
    return write_layout("table", tmp_path / "phantom", counts, 0, PhantomConfig(size=32))


def damaged(table):
    """A table with one fault of every sort that training would meet, and doubts beside them."""
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    (table.parent / rows[0]["image_path"].split(";")[0]).write_bytes(b"\x89PNG")
    Image.new("L", (32, 32), 0).save(table.parent / rows[1]["image_path"])
    rows[2]["Edema"] = "yes"
    rows[3]["image_path"] = "images/none.png"
    rows[4] |= {"report": "", "findings": "", "impression": ""}
    rows[-1] |= {"patient_id": rows[5]["patient_id"], "report": SECRET, "findings": SECRET}
    rows[5] |= {"findings": SECRET, "impression": rows[-1]["impression"]}
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


# --- check -------------------------------------------------------------------------------------


def test_a_sound_data_set_is_profiled(command, table):
    result = command("check", table, "--dataset", "table", "--json")
    assert result.exit_code == 0
    profile = json.loads(result.stdout)
    assert profile["studies"] == 12
    assert profile["splits"]["train"] == {"studies": 8, "images": 10, "patients": 7}
    assert profile["views"] == {"frontal": 16}
    assert profile["image_files"]["read"] == profile["images"] == 16
    assert sum(profile["labels"]["Edema"].values()) == 12
    assert profile["problem_list"] == []
    assert profile["problems"] == {}


def test_the_profile_counts_each_value_of_a_label(command, tmp_path):
    lines = [
        {"study_id": str(i), "patient_id": str(i), "findings": "x.", "labels": {"Edema": value}}
        for i, value in enumerate([1, 1, 1, 0, 0, -1, None])
    ]
    path = tmp_path / "m.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    profile = json.loads(command("check", path, "--no-images", "--json").stdout)
    assert profile["labels"]["Edema"] == {
        "positive": 3, "negative": 2, "uncertain": 1, "blank": 1,
    }  # fmt: skip
    assert profile["empty"] == {"report": 7, "findings": 0, "impression": 7}


@pytest.mark.parametrize(("second", "warned"), [("train", True), ("validate", False)])
def test_a_data_set_of_training_studies_alone_holds_nothing_out(command, tmp_path, second, warned):
    (tmp_path / "t.csv").write_text(
        "study_id,image_path,report,split\n"
        "1,a.png,Small left effusion.,\n"
        f"2,b.png,Cardiomegaly.,{second}\n"
    )
    result = command("check", tmp_path / "t.csv", "--dataset", "table", "--no-images")
    assert result.exit_code == 0
    sentence = "t.csv: all studies are in the training split; nothing is held out"
    assert (sentence in result.stderr) is warned
    told = json.loads(
        command("check", tmp_path / "t.csv", "--dataset", "table", "--no-images", "--json").stdout
    )
    assert told["held_out"] == (0 if warned else 1)
    assert not told["problem_list"], "a table without splits is no faulty one"


def test_reports_whose_headings_are_not_read_as_meant_are_counted(command, tmp_path):
    texts = (
        "FINDINGS: The heart is enlarged.\nIMPRESSION: Cardiomegaly.",
        "FINDINGS: The heart is enlarged.\nIMPRESION: Cardiomegaly.",
        "FINDINGS: Clear.\nZQ PROTOCOL: The heart is enlarged.",
    )
    path = tmp_path / "m.jsonl"
    path.write_text(
        "\n".join(json.dumps({"study_id": str(i), "report": t}) for i, t in enumerate(texts))
    )
    result = command("check", path, "--no-images", "--json")
    notes = json.loads(result.stdout)["notes"]
    assert notes["reports_with_misspelt_headings"] == 1
    assert notes["reports_with_unknown_headings"] == 1
    shown = command("check", path, "--no-images").stdout
    assert "reports with unknown headings 1" in shown


def test_what_is_not_known_of_studies_is_counted_and_no_patient_is_made_up(command, tmp_path):
    (tmp_path / "t.csv").write_text(
        "study_id,image_path,report,split\n"
        "1,a.png,Small left effusion.,train\n"
        "2,b.png,Kein Erguss. Das Herz ist normal gross.,train\n"
        "3,c.png,See the report above.,test\n"
    )
    words = ("check", tmp_path / "t.csv", "--dataset", "table", "--no-images")
    profile = json.loads(command(*words, "--json").stdout)
    assert profile["notes"] == {
        "labels_read_by_facts": 3,
        "studies_without_a_patient": 3,
        "reports_not_english": 1,
        "reports_without_a_fact": 1,
    }
    assert profile["splits"]["train"] == {"studies": 2, "images": 2, "patients": 0}
    assert "3 studies (patients unknown), 3 images" in command(*words).stdout


@pytest.mark.parametrize("words", [["check"], ["convert", "--out", "out"]])
def test_films_of_other_body_parts_are_taken_if_asked_for(command, tmp_path, monkeypatch, words):
    pytest.importorskip("pydicom")
    from pydicom import dcmread

    from orapo.data.films.dicom import write_dicom

    monkeypatch.chdir(tmp_path)
    for part in ("CHEST", "ABDOMEN"):
        path = tmp_path / "films" / f"{part}.dcm"
        path.parent.mkdir(exist_ok=True)
        names = dict.fromkeys(("patient_id", "study_uid", "series_uid", "instance_uid"), part)
        write_dicom(Image.linear_gradient("L"), path, **names)
        header = dcmread(path)
        header.BodyPartExamined = part
        header.save_as(path)
    options = ("films", "--dataset", "dicom", "--json")
    alone = command(*words, *options, *(["--skip-bad"] if words[0] == "convert" else []))
    assert json.loads(alone.stdout)["studies"] == 1
    assert "not a chest radiograph (body part ABDOMEN)" in alone.stderr
    words = [word.replace("out", "any") if word == "out" else word for word in words]
    both = command(*words, *options, "--body-part", "any")
    assert json.loads(both.stdout)["studies"] == 2
    assert command("check", "films", "--dataset", "dicom", "--body-part", "knee").exit_code == 2


@pytest.mark.parametrize(
    ("words", "patched", "kept"),
    [
        (["check"], "look_at", "nothing was kept (with --out what was seen of the images is)"),
        (["check", "--out", "out"], "look_at", "what was seen of the images is kept in out; "
         "the same command goes on from there"),
        (["convert", "--out", "out"], "_copy", "the images copied so far are kept in out; "
         "the same command goes on from there"),
    ],
)  # fmt: skip
def test_interrupted_it_says_in_one_line_what_is_kept_and_goes_on(
    command, table, tmp_path, monkeypatch, words, patched, kept
):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(
        f"orapo.data.{'image_check' if patched == 'look_at' else 'convert'}"
    )
    real, seen = getattr(module, patched), []

    def third_interrupts(*given, **named):
        seen.append(given)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(*given, **named)

    monkeypatch.setattr(module, patched, third_interrupts)
    words = [*words, table, "--dataset", "table"]
    result = command(*words)
    assert result.exit_code == 130
    assert result.stderr == f"orapo: interrupted; {kept}\n"
    seen.extend([None] * 3)
    before = len(seen)
    assert command(*words).exit_code == 0
    if "out" in words:
        assert len(seen) - before == 16 - 2


def test_all_problems_are_listed_with_file_and_row_and_no_text(command, table, tmp_path):
    damaged(table)
    out = tmp_path / "profile"
    result = command("check", table, "--dataset", "table", "--out", out)
    assert result.exit_code == 2
    lines = [line for line in result.stderr.splitlines() if ": " in line]
    where = f"{table}, line"
    assert [line for line in lines if line.startswith("error")] == [
        f"error: {where} 4 (row 3): column Edema: label value 'yes' is not one of 1, 0, -1 or blank",
        f"error: {where} 5 (row 4): image images/none.png: no such file",
        f"error: {where} 2 (row 1): image {table.parent}/images/phantom-000000-0.png: "
        "not an image that can be read",
        f"error: {where} 3 (row 2): image {table.parent}/images/phantom-000001-0.png: "
        "every pixel has the same value; nothing is shown",
    ]  # fmt: skip
    assert [line.partition("): ")[2] for line in lines if line.startswith("warning")] == [
        "has no report text; the study is left out",
        "patient phantom-p000005 stands in test here and in train in line 7",
    ]
    assert lines[-1] == f"orapo: {table}: 4 problem(s) would stop a training"
    assert SECRET not in result.output
    written = {path.name: path.read_text() for path in out.iterdir()}
    assert set(written) == {"profile.json", "profile.html", "thumbnails.html", "problems.csv"}
    assert not any(SECRET in text for text in written.values())
    with (out / "problems.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert (rows[0]["line"], rows[0]["row"], rows[0]["fatal"]) == ("4", "3", "True")
    profile = json.loads(written["profile.json"])
    assert profile["fatal_problems"] == 4
    assert profile["texts_in_two_splits"] == {"texts": 1, "studies": 2}
    assert profile["patients_in_two_splits"] == 1
    assert profile["image_files"]["unreadable"] == 2


def test_the_pages_are_self_contained(command, table, tmp_path):
    assert command("check", table, "--dataset", "table", "--out", tmp_path / "p").exit_code == 0
    for name, films in (("profile.html", 2), ("thumbnails.html", 12)):
        page = (tmp_path / "p" / name).read_text()
        assert page.count("data:image/png;base64,") == films
        assert "<script" not in page
        assert "http://" not in page
        assert "https://" not in page


def test_names_from_the_data_are_escaped_on_the_pages(command, tmp_path):
    Image.linear_gradient("L").save(tmp_path / "a.png")
    path = tmp_path / "t.csv"
    path.write_text("study_id,image_path,report\n<script>alert(1)</script>,a.png,Clear lungs.\n")
    command("check", path, "--dataset", "table", "--out", tmp_path / "p")
    page = (tmp_path / "p" / "thumbnails.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_many_images_are_read_by_several_processes(command, tmp_path):
    for i in range(70):
        Image.linear_gradient("L").save(tmp_path / f"{i}.png")
    (tmp_path / "69.png").write_bytes(b"")
    rows = [f"{i},{i}.png,Clear." for i in range(70)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["study_id,image_path,report", *rows, ""]))
    result = command("check", path, "--dataset", "table", "--workers", 2, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["image_files"]["read"] == 70
    assert f"{path}, line 71 (row 70): image {tmp_path}/69.png: the file is empty" in result.stderr


def test_without_images_none_is_opened_or_missed(command, table):
    damaged(table)
    result = command("check", table, "--dataset", "table", "--no-images", "--json")
    profile = json.loads(result.stdout)
    assert profile["image_files"] is None
    assert set(profile["problems"]) == {"label", "empty_report", "patient_in_two_splits"}


def test_a_set_without_training_studies_is_fit_for_evaluation(command, tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text('{"study_id": "a", "findings": "Clear.", "split": "test"}\n')
    result = command("check", path, "--no-images")
    assert result.exit_code == 0
    assert "fit for evaluation, not for training" in result.stderr


def test_a_training_study_without_report_would_stop_a_training(command, tmp_path):
    path = tmp_path / "m.jsonl"
    lines = [{"study_id": str(i), "labels": {"Edema": 1}, "split": "train"} for i in range(3)]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    result = command("check", path, "--no-images")
    assert result.exit_code == 2
    assert "line 1: 3 studies of the split train have no report" in result.stderr


def test_columns_are_mapped_by_an_option(command, tmp_path):
    Image.linear_gradient("L").save(tmp_path / "a.png")
    path = tmp_path / "t.csv"
    path.write_text("id,text,film\n1,Clear lungs.,a.png\n")
    mapping = "report=text,study_id=id,image_path=film"
    assert command("check", path, "--dataset", "table", "--columns", mapping).exit_code == 0
    result = command("check", path, "--dataset", "table", "--columns", "report")
    assert "expected field=column, not 'report'" in str(result.exception)


# --- the manifest as a data set ----------------------------------------------------------------


def test_all_faults_of_a_manifest_are_said(command, tmp_path):
    Image.linear_gradient("L").save(tmp_path / "a.png")
    good = {"findings": "Clear.", "images": ["a.png"]}
    lines = [
        {"study_id": "a", **good},
        {"study_id": "a", **good},
        {"study_id": "b", **good, "images": ["../a.png"]},
        {"study_id": "c", **good, "reprot": SECRET},
        {"study_id": "d", "images": ["a.png"]},
        {"study_id": "e", **good, "images": []},
        {"study_id": "f", **good, "views": ["frontal", "lateral"]},
        {"study_id": "g", "images": ["a.png"], "labels": {"Edema": 1}},
    ]
    path = tmp_path / "m.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n{\n")
    result = command("check", path, "--json")
    told = json.loads(result.stdout)
    assert [(p["line"], p["kind"]) for p in told["problem_list"]] == [
        (2, "duplicate_id"),
        (3, "image_path"),
        (3, "no_image"),
        (4, "wrong_type"),
        (5, "empty_report"),
        (6, "no_image"),
        (7, "wrong_type"),
        (9, "broken_row"),
        (8, "training_without_report"),
    ]
    assert told["studies"] == 2, "a, and g: labels of the data set need no text"
    assert SECRET not in result.output


# --- sample ------------------------------------------------------------------------------------


@pytest.fixture
def manifest(command, tmp_path):
    command("phantom", "--out", tmp_path / "p", "--train", 60, "--test", 10, "--size", 32)
    return tmp_path / "p" / "manifest.jsonl"


def ids(studies):
    return [study.study_id for study in studies]


def test_a_conversion_into_a_relative_folder_can_be_read(command, manifest, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command("convert", manifest, "--dataset", "manifest", "--out", "copy")
    studies = read_manifest(tmp_path / "copy" / "manifest.jsonl")
    assert len(studies) == 70
    assert all(image.is_file() for study in studies for image in study.images)


def test_samples_are_nested_and_images_are_found_from_them(command, manifest, tmp_path):
    for size in (10, 25):
        out = tmp_path / f"{size}.jsonl"
        arguments = ("sample", manifest, "--size", size, "--stratified", "--out", out, "--json")
        summary = json.loads(command(*arguments).stdout)
        assert summary["studies"] == size
    few, many = (read_manifest(tmp_path / f"{size}.jsonl") for size in (10, 25))
    assert set(ids(few)) < set(ids(many))
    source = ids(read_manifest(manifest))
    assert ids(many) == sorted(ids(many), key=source.index)  # a patient's studies stay in time
    assert {study.split for study in many} == {"train"}
    assert all(image.is_file() for study in many for image in study.images)


def test_held_out_studies_can_be_taken_along(command, manifest, tmp_path):
    out = tmp_path / "s.jsonl"
    command("sample", manifest, "--size", 5, "--with-held-out", "--out", out)
    assert [study.split for study in read_manifest(out)] == ["train"] * 5 + ["test"] * 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "61", "--out", "x.jsonl"], "--size 61: the split train has 60 studies"),
        (["--size", "5", "--out", "x.csv"], "a manifest's name ends in .jsonl"),
        (["--size", "5", "--split", "tset", "--out", "x.jsonl"], "the split tset has 0 studies"),
    ],
)
def test_what_can_t_be_sampled_is_one_sentence(
    command, manifest, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    result = command("sample", manifest, *arguments)
    assert isinstance(result.exception, OrapoError)
    assert message in str(result.exception)
    assert not list(tmp_path.glob("x.*"))


def test_the_input_is_never_written_over(command, manifest):
    before = manifest.read_bytes()
    result = command("sample", manifest, "--size", 5, "--out", manifest)
    assert isinstance(result.exception, OrapoError)
    assert manifest.read_bytes() == before


# --- convert -----------------------------------------------------------------------------------


def test_a_data_set_becomes_a_manifest_that_passes_the_check(command, table, tmp_path):
    out = tmp_path / "out"
    arguments = ("convert", table, "--dataset", "table", "--out", out, "--image-size", 24, "--json")
    summary = json.loads(command(*arguments).stdout)
    assert (summary["studies"], summary["images_copied"]) == (12, 16)
    assert json.loads(command(*arguments).stdout)["images_there"] == 16
    assert command("check", out / "manifest.jsonl").exit_code == 0
    with Image.open(read_manifest(out / "manifest.jsonl")[0].images[0]) as image:
        assert (image.size, image.mode) == ((24, 24), "L")


def test_faults_stop_a_conversion_before_it_starts_unless_left_out(command, table, tmp_path):
    damaged(table)
    out = tmp_path / "out"
    result = command("convert", table, "--dataset", "table", "--out", out)
    assert "2 problem(s); repair them, or leave these studies out with --skip-bad" in str(
        result.exception
    )
    assert "line 4 (row 3)" in result.stderr
    assert not out.exists()
    result = command("convert", table, "--dataset", "table", "--out", out, "--skip-bad", "--json")
    assert result.exit_code == 0
    ids = {study.study_id for study in read_manifest(out / "manifest.jsonl")}
    assert "phantom-000000" in ids, "its second view can be read"
    assert ids.isdisjoint({"phantom-000001", "phantom-000002", "phantom-000003", "phantom-000004"})


# --- phantom -----------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["chexpert-plus", "mimic-cxr", "iu-xray", "table"])
def test_a_phantom_in_each_layout_passes_its_check(command, tmp_path, layout):
    out = tmp_path / "p"
    arguments = ("phantom", "--layout", layout, "--studies", 10, "--size", 32, "--out", out)
    result = command(*arguments, "--json")
    assert result.exit_code == 0
    path = json.loads(result.stdout)["manifest"]
    result = command("check", path, "--dataset", layout, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["studies"] == 10


def test_another_phantom_is_drawn_over_only_with_force(command, tmp_path):
    arguments = ("phantom", "--train", 2, "--size", 32, "--out", tmp_path / "p")
    command(*arguments)
    result = command(*arguments, "--seed", 1)
    assert "holds a phantom made with another seed" in str(result.exception)
    assert command(*arguments, "--seed", 1, "--force").exit_code == 0
