"""Conversion: one manifest, neutral names, pixels and nothing else, resumable."""

import json
import os
import stat

import pytest
from PIL import Image, PngImagePlugin

from orapo.data import convert as module
from orapo.data.convert import convert, write_hugging_face
from orapo.data.datasets import load_dataset
from orapo.data.films.images import read_image
from orapo.data.manifest import read_manifest
from orapo.data.phantom import PhantomConfig
from orapo.data.phantom.layouts import write_layout
from orapo.errors import OrapoError


@pytest.fixture
def source(tmp_path):
    path = write_layout("table", tmp_path / "in", {"train": 4, "test": 2}, 0, PhantomConfig())
    return load_dataset("table", path)


def run(source, out, **options):
    return convert(source, out, made_from="test", **options)


def test_a_conversion_keeps_everything_but_the_names_of_the_files(tmp_path, source):
    done = run(source, tmp_path / "out")
    studies = read_manifest(done.manifest)
    assert [s.model_dump(exclude={"images"}) for s in studies] == [
        s.model_dump(exclude={"images"}) for s in source.studies
    ]
    for old, new in zip(source.studies, studies, strict=True):
        for before, after in zip(old.images, new.images, strict=True):
            assert read_image(after).tobytes() == read_image(before).tobytes()
            assert old.study_id not in str(after.relative_to(tmp_path / "out"))


def test_copies_hold_pixels_and_nothing_else(tmp_path, source):
    info = PngImagePlugin.PngInfo()
    info.add_text("PatientName", "Jane Doe")
    image = source.studies[0].images[0]
    Image.open(image).save(image, pnginfo=info, dpi=(72, 72))
    assert b"Jane Doe" in image.read_bytes()
    done = run(source, tmp_path / "out")
    for study in done.studies:
        for copy in study.images:
            content = copy.read_bytes()
            assert b"Jane" not in content
            assert b"pHYs" not in content
    assert all(
        b"Jane" not in path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()
    )


def test_images_are_made_smaller_but_never_larger(tmp_path, source):
    Image.linear_gradient("L").resize((100, 50)).save(source.studies[0].images[0])
    done = run(source, tmp_path / "out", image_size=40)
    sizes = [read_image(study.images[0]).size for study in done.studies]
    assert sizes[:2] == [(40, 20), (40, 40)]
    done = run(source, tmp_path / "large", image_size=4000)
    assert read_image(done.studies[0].images[0]).size == (100, 50)


def test_an_interrupted_conversion_goes_on_where_it_stopped(tmp_path, source):
    def interrupt(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(source, tmp_path / "out", progress=interrupt)
    assert not (tmp_path / "out" / "manifest.jsonl").exists()
    done = run(source, tmp_path / "out")
    assert done.there == 3
    assert done.copied == sum(len(study.images) for study in source.studies) - 3


def test_an_image_that_has_changed_is_copied_again_and_the_old_copy_removed(tmp_path, source):
    total = sum(len(study.images) for study in source.studies)
    run(source, tmp_path / "out")
    Image.linear_gradient("L").save(source.studies[0].images[0])
    done = run(source, tmp_path / "out")
    assert (done.copied, done.there) == (1, total - 1)
    assert len(list((tmp_path / "out" / "images").rglob("*.png"))) == total


def test_another_conversion_or_folder_is_left_alone(tmp_path, source):
    run(source, tmp_path / "out", image_size=40)
    with pytest.raises(OrapoError, match="holds a conversion of other data"):
        run(source, tmp_path / "out", image_size=32)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(OrapoError, match="is not empty"):
        run(source, tmp_path / "mine")


def test_an_unreadable_image_stops_it_or_is_left_out_if_asked(tmp_path, source):
    bad = source.studies[1].images[0]
    bad.write_bytes(bad.read_bytes()[:60])
    done = run(source, tmp_path / "out")
    assert done.manifest is None
    assert not (tmp_path / "out" / "manifest.jsonl").exists()
    (problem,) = done.problems
    assert problem.place == source.places[1]
    assert str(bad) in problem.sentence
    done = run(source, tmp_path / "out", skip_bad=True)
    assert source.studies[1].study_id not in {study.study_id for study in done.studies}
    assert len(done.studies) == len(source.studies) - 1


def test_a_copy_for_hugging_face_holds_the_same_studies(tmp_path, source):
    datasets = pytest.importorskip("datasets")
    done = run(source, tmp_path / "out")
    loaded = datasets.load_from_disk(str(write_hugging_face(done.studies, tmp_path / "out")))
    assert {split: len(part) for split, part in loaded.items()} == {"train": 4, "test": 2}
    row, study = loaded["train"][0], source.studies[0]
    assert (row["study_id"], row["report"]) == (study.study_id, study.report)
    assert row["labels"] == study.labels
    assert row["images"][0].tobytes() == read_image(study.images[0]).tobytes()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX'")
def test_a_copy_for_hugging_face_is_its_owners_alone_to_read(tmp_path, source):
    datasets = pytest.importorskip("datasets")
    done = run(source, tmp_path / "out")
    made = write_hugging_face(done.studies, tmp_path / "out")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (made, *made.rglob("*"))} == {
        0o700,
        0o600,
    }
    assert datasets.load_from_disk(str(made))


def test_a_copy_for_hugging_face_goes_through_no_planted_link(tmp_path, source):
    pytest.importorskip("datasets")
    done = run(source, tmp_path / "out")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in (".hf.part", "hf"):
        (tmp_path / "out" / name).symlink_to(elsewhere)
    made = write_hugging_face(done.studies, tmp_path / "out")
    assert not list(elsewhere.iterdir())
    assert made.is_dir()
    assert not made.is_symlink()


def test_without_datasets_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(OrapoError, match=r"pip install 'orapo\[train\]'"):
        module.require_datasets()


def test_the_record_names_no_patient(tmp_path, source):
    run(source, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "converted.json").read_text())
    assert record == {"form": 1, "image_size": None, "made_from": "test"}
