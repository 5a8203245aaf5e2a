"""What a model is to write."""

import pytest

from orapo.data.study import Study
from orapo.data.target import check_target, target_text
from orapo.errors import OrapoError
from orapo.training.preparing.dataset import training_dataset, with_films
from orapo.training.surviving.films import FILM_ERROR

STUDY = Study(
    study_id="s",
    images=("film.png",),
    report="INDICATION: Fall.\nFINDINGS: Left effusion.\nIMPRESSION: Effusion.",
    findings="Left effusion.",
    impression="Effusion. ",
)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("sections", "Left effusion. Effusion."),
        ("findings", "Left effusion."),
        ("impression", "Effusion."),
        ("report", STUDY.report),
    ],
)
def test_the_target_is_what_is_asked_for(target, text):
    assert target_text(STUDY, target) == text
    assert training_dataset([STUDY], target=target).with_format(None)["report"] == [text]


def test_without_sections_the_whole_report_is_learned():
    study = STUDY.model_copy(update={"findings": "", "impression": ""})
    assert target_text(study, "sections") == study.report


def test_a_study_without_the_target_is_named():
    study = STUDY.model_copy(update={"impression": ""})
    with pytest.raises(OrapoError, match="study s: has no impression"):
        training_dataset([study], target="impression")
    with pytest.raises(OrapoError, match="sections, findings, impression, report, not 'all'"):
        check_target("all")


def test_missing_labels_are_read_from_the_target():
    rows = training_dataset([STUDY], target="impression").with_format(None)
    assert rows[0]["labels"]["Pleural Effusion"] == 1


def test_a_film_that_breaks_is_blank_and_marked_only_where_somebody_looks_at_the_mark(tmp_path):
    """Pairs are learned from as they are: there it ends the run."""
    gone = str(tmp_path / "gone.png")
    rows = with_films({"image_paths": [[gone]]})
    assert rows["images"][0][0].getextrema() == ((0, 0),) * 3
    assert gone in rows[FILM_ERROR][0]
    with pytest.raises(OrapoError, match=r"gone\.png"):
        with_films({"image_paths": [[gone]]}, endure=False)
