"""Which studies a user's files are."""

import os

import pytest
from PIL import Image

from orapo.errors import OrapoError
from orapo.generation.inputs import studies_of_files


def pictures(folder, *names):
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (64, 64)).save(path)
    return paths


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.png", "b.png"], ["a", "b"]),
        (["a.png", "a.jpg"], ["a.png", "a.jpg"]),
        (["p1/s1/view1.png", "p1/s2/view1.png"], ["s1-view1.png", "s2-view1.png"]),
        (["p1/view1.png", "p2/view1.png", "c.png"], ["p1-view1.png", "p2-view1.png", "c"]),
    ],
)
def test_a_study_bears_its_files_name_or_the_way_to_it(tmp_path, names, expected):
    studies = studies_of_files(pictures(tmp_path, *names))
    assert [study.study_id for study in studies] == expected


def test_files_named_from_here_and_from_above_have_the_same_names(tmp_path, monkeypatch):
    one, other = pictures(tmp_path, "p1/view1.png", "p2/view1.png")
    monkeypatch.chdir(tmp_path)
    studies = studies_of_files([one, other.relative_to(os.getcwd())])
    assert [study.study_id for study in studies] == ["p1-view1.png", "p2-view1.png"]


def test_a_file_given_twice_is_refused(tmp_path):
    (path,) = pictures(tmp_path, "a.png")
    with pytest.raises(OrapoError, match="two images of the same name"):
        studies_of_files([path, path])


def test_a_manifest_among_the_films_is_pointed_to_its_option(tmp_path):
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("{}\n")
    with pytest.raises(OrapoError, match=r"manifest\.jsonl: is a table and no image.*--data"):
        studies_of_files([manifest])
