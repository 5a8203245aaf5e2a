"""Phantom -> layout -> loader: the same studies, labels and texts come back."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orapo.data.datasets import load_dataset
from orapo.data.films.images import read_image
from orapo.data.phantom import DIFFICULTIES, PhantomConfig
from orapo.data.phantom.layouts import LAYOUTS, layout_studies, mimic_report, write_layout
from orapo.data.sources.iu_xray import REPORTS
from orapo.errors import OrapoError

COUNTS = {"train": 6, "validate": 2, "test": 1}


def same(study):
    """All of a study but where its images lie, in a form that can be compared and read."""
    return study.model_dump(exclude={"images", "views"})


@pytest.mark.parametrize("layout", LAYOUTS)
@given(seed=st.integers(0, 10_000), level=st.sampled_from(sorted(DIFFICULTIES)))
@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_what_goes_into_a_layout_comes_back(tmp_path_factory, layout, seed, level):
    config = PhantomConfig(size=32, difficulty=DIFFICULTIES[level])
    folder = tmp_path_factory.mktemp(layout)
    path = write_layout(layout, folder, COUNTS, seed, config)
    loaded = load_dataset(layout, path)
    assert loaded.problems == []
    drawn = {one.study.study_id: one for one in layout_studies(layout, COUNTS, seed, config)}
    back = {study.study_id: study for study in loaded.studies}
    assert back.keys() == drawn.keys()
    for name, one in drawn.items():
        expected = one.study
        if layout == "mimic-cxr":  # the whole text file, sections and all
            expected = expected.model_copy(update={"report": mimic_report(expected).strip()})
        assert same(back[name]) == same(expected)
        assert len(back[name].images) == one.views


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_films_of_a_layout_can_be_read(tmp_path, layout):
    path = write_layout(layout, tmp_path, {"train": 2}, 0, PhantomConfig(size=32))
    for study in load_dataset(layout, path).studies:
        for image in study.images:
            assert read_image(image).size == (32, 32)


def test_the_tables_of_iu_xray_give_the_same_texts_and_labels_as_its_annotation(tmp_path):
    write_layout("iu-xray", tmp_path, COUNTS, 3, PhantomConfig(size=32))
    tables, annotation = (
        load_dataset("iu-xray", path).studies for path in (tmp_path / REPORTS, tmp_path)
    )
    assert [(s.report, s.labels) for s in tables] == [(s.report, s.labels) for s in annotation]
    assert {study.views[0] for study in tables} == {"frontal"}


def test_a_layout_is_not_written_over_another_set_of_arguments(tmp_path):
    config = PhantomConfig(size=32)
    write_layout("table", tmp_path, {"train": 2}, 0, config)
    before = (tmp_path / "studies.csv").read_bytes()
    with pytest.raises(OrapoError, match="made with another seed"):
        write_layout("table", tmp_path, {"train": 2}, 1, config)
    with pytest.raises(OrapoError, match="another layout"):
        write_layout("iu-xray", tmp_path, {"train": 2}, 0, config, overwrite=True)
    assert (tmp_path / "studies.csv").read_bytes() == before
    write_layout("table", tmp_path, {"train": 2}, 1, config, overwrite=True)
    assert (tmp_path / "studies.csv").read_bytes() != before


@pytest.mark.parametrize(
    "tree",
    ["PNG/PNG/train", "PNG_train", "PNG_train/train", "PNG_train/PNG_train", "PNG/PNG_train"],
)
def test_chexpert_plus_is_found_in_every_tree(tmp_path, tree):
    write_layout("chexpert-plus", tmp_path, {"train": 1}, 0, PhantomConfig(size=32))
    films = (tmp_path / "PNG" / "train").rename(tmp_path / "films")
    (tmp_path / "PNG").rmdir()
    (tmp_path / tree).parent.mkdir(parents=True, exist_ok=True)
    films.rename(tmp_path / tree)
    loaded = load_dataset("chexpert-plus", tmp_path)
    assert loaded.problems == []
    assert loaded.studies[0].images[0] == (
        tmp_path / tree / "patient000000" / "study1" / "view1_frontal.png"
    )


def test_the_dicom_tree_shows_the_same_films_and_is_a_data_set_of_its_own(tmp_path):
    pytest.importorskip("orapo.data.films.dicom")
    write_layout("chexpert-plus", tmp_path, {"train": 6}, 0, PhantomConfig(size=32))
    studies = load_dataset("chexpert-plus", tmp_path).studies
    pngs = [read_image(image).tobytes() for study in studies for image in study.images]
    (tmp_path / "PNG").rename(tmp_path / "aside")
    studies = load_dataset("chexpert-plus", tmp_path).studies
    dicoms = [image for study in studies for image in study.images]
    assert {image.suffix for image in dicoms} == {".dcm"}
    assert [read_image(image).tobytes() for image in dicoms] == pngs
    loaded = load_dataset("dicom", tmp_path / "DICOM_train")
    assert loaded.problems == []
    assert [len(study.images) for study in loaded.studies] == [len(s.images) for s in studies]
    assert {study.patient_id for study in loaded.studies} == {
        f"patient{number:06d}" for number in range(1, 6)
    }
