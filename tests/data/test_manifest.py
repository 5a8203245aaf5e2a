"""The manifest: what is written is read back, and every fault is said with its line."""

import json
import os
from pathlib import Path

import pytest

from orapo.data.loaded import LoadOptions
from orapo.data.manifest import load_manifest, read_manifest, write_manifest
from orapo.data.study import Study
from orapo.errors import OrapoError

SECRET = "Secret wording of a report"


def manifest_of(folder: Path, *records: dict[str, object]) -> Path:
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_a_manifest_is_read_back_as_written(tmp_path):
    studies = [
        Study(
            study_id="a",
            patient_id="p",
            images=(tmp_path / "images" / "a.png", Path("/elsewhere/b.png")),
            report="Effusion. Ärztlich geprüft.",
            findings="Effusion.",
            labels={"Pleural Effusion": 1, "Edema": -1, "Pneumothorax": 0},
            split="test",
            source="own",
        ),
        Study(study_id="b", labels={}),
    ]
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, studies)
    assert read_manifest(path) == studies


def test_images_inside_the_folder_are_written_relative_so_that_it_can_be_moved(tmp_path):
    old = tmp_path / "old"
    write_manifest(
        old / "manifest.jsonl", [Study(study_id="a", images=(old / "images" / "a.png",))]
    )
    moved = old.rename(tmp_path / "new")
    assert '"images/a.png"' in (moved / "manifest.jsonl").read_text()
    assert read_manifest(moved / "manifest.jsonl")[0].images == (moved / "images" / "a.png",)


def test_relative_images_are_found_from_any_working_directory(tmp_path, monkeypatch):
    manifest_of(tmp_path, {"study_id": "a", "images": ["sub/../a.png"]})
    monkeypatch.chdir(tmp_path)
    (study,) = read_manifest(Path("manifest.jsonl"))
    assert study.images == (tmp_path / "a.png",)
    assert study.images[0].is_absolute()


@pytest.mark.parametrize("image", ["../secret.png", "images/../../secret.png", ".."])
def test_a_relative_image_must_stay_in_the_folder(tmp_path, image):
    path = manifest_of(tmp_path, {"study_id": "a"}, {"study_id": "b", "images": [image]})
    with pytest.raises(OrapoError, match=r"line 2: images: .* leaves the manifest's folder"):
        read_manifest(path)


def test_an_image_path_must_not_be_empty(tmp_path):
    path = manifest_of(tmp_path, {"study_id": "a", "images": [""]})
    with pytest.raises(OrapoError, match="line 1: images: expected file paths, one is empty"):
        read_manifest(path)


def test_a_study_may_stand_only_once(tmp_path):
    path = manifest_of(tmp_path, {"study_id": "a"}, {"study_id": "b"}, {"study_id": "a"})
    with pytest.raises(OrapoError, match="line 3: study_id a stands already in line 1"):
        read_manifest(path)
    with pytest.raises(OrapoError, match="study_id a is to be written twice"):
        write_manifest(path, [Study(study_id="a"), Study(study_id="a")])
    assert path.read_text().count("\n") == 3, "the older manifest is left whole"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"study_id": "a", "report": 7}, "report: expected a valid string"),
        ({"study_id": ""}, "study_id: expected "),
        ({"study_id": "a", "report": None}, "report: expected a valid string"),
        ({"study_id": "a", "reprot": SECRET}, '"reprot" is not a field of a study'),
        ({"study_id": "a", "labels": {"Edema": SECRET}}, "labels: expected an object"),
        ({"study_id": "a", "labels": {SECRET: 1}}, "labels: expected an object"),
        ({"study_id": "a", "labels": [1, 0]}, "labels: expected an object"),
        ({"study_id": "a", "images": SECRET}, "images: expected a valid tuple"),
        (
            {"study_id": "a", "labels_source": SECRET},
            "labels_source: expected 'dataset' or 'facts'",
        ),
        ({"report": SECRET}, "lacks the column"),
    ],
)
def test_a_faulty_record_is_named_by_line_and_field_without_its_text(tmp_path, record, message):
    path = manifest_of(tmp_path, {"study_id": "first", "report": "fine"}, record)
    with pytest.raises(OrapoError) as caught:
        read_manifest(path)
    assert f"{path}, line 2" in str(caught.value)
    assert message in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_jsonl_is_a_manifest(tmp_path):
    (tmp_path / "table.csv").write_text("study_id\na\n")
    command = f"orapo data convert {tmp_path / 'table.csv'} --dataset table --out data"
    for read in (read_manifest, lambda path: load_manifest(path, LoadOptions())):
        with pytest.raises(OrapoError, match=r"ends in \.jsonl. .*add --dataset table") as caught:
            read(tmp_path / "table.csv")
        assert str(caught.value).endswith(command)
    with pytest.raises(OrapoError, match="no such file"):
        read_manifest(tmp_path / "manifest.jsonl")


def test_a_link_inside_the_folder_may_lead_to_the_images(tmp_path):
    (tmp_path / "store").mkdir()
    data = tmp_path / "data"
    data.mkdir()
    os.symlink(tmp_path / "store", data / "images")
    path = manifest_of(data, {"study_id": "a", "images": ["images/a.png"]})
    assert read_manifest(path)[0].images == (data / "images" / "a.png",)
