"""The hostile picture files of ORAPO_BENCH behave as its EXPECT.md says."""

import os
import re
import resource
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orapo.data.films.images import read_image
from orapo.errors import OrapoError

BENCH = os.environ.get("ORAPO_BENCH")
pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(not BENCH, reason="ORAPO_BENCH is not set"),
]
FOLDER = Path(BENCH or ".") / "hostile"
KINDS = ("img_", "dcm_", "text_")
# What the table's words "same picture as" and "looks like" mean, in mean grey values.
ALIKE = 3.0


def table():
    """The rows of EXPECT.md about pictures: file and what is expected."""
    file = FOLDER / "EXPECT.md"
    if not BENCH or not file.is_file():
        return {}
    rows = re.findall(r"^\| (\S+) \| (.+) \|$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: text for name, text in rows if name.startswith(KINDS)}


ROWS = table()
ACCEPTED = [name for name, text in ROWS.items() if text.startswith("accept")]
REFUSED = [name for name, text in ROWS.items() if text.startswith(("clear error", "warning"))]


def read(name):
    if name.startswith("dcm_"):
        pytest.importorskip("pydicom")
    return read_image(FOLDER / name)


def test_every_picture_file_has_a_row_and_every_row_is_understood():
    assert set(ROWS) == {path.name for path in FOLDER.iterdir() if path.name.startswith(KINDS)}
    assert {*ACCEPTED, *REFUSED} == set(ROWS)


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_file_is_one_sentence_with_its_name(name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(OrapoError, match=re.escape(name)) as caught:
        read(name)
    assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_good_file_is_a_film_with_contrast(name):
    film = read(name)
    assert film.mode == "L"
    assert film.size == (256, 204)
    assert np.asarray(film).std() > 20


@pytest.mark.parametrize("name", [name for name in ACCEPTED if name.startswith("img_")])
def test_a_good_picture_is_the_control_picture(name):
    control = np.asarray(read("img_ok_gray.png"), float)
    assert np.abs(np.asarray(read(name), float) - control).mean() < ALIKE


@pytest.mark.parametrize("name", [name for name in ACCEPTED if name.startswith("dcm_")])
def test_a_good_dicom_file_is_the_control_picture_but_for_its_window(name):
    control, got = (np.asarray(read(file), float) for file in ("img_ok_gray.png", name))
    slope, start = np.polyfit(control.ravel(), got.ravel(), 1)
    assert 0.9 < slope < 2
    assert np.abs(got - np.clip(slope * control + start, 0, 255)).mean() < ALIKE


def test_monochrome1_looks_like_monochrome2():
    one, two = (np.asarray(read(f"dcm_mono{kind}.dcm"), float) for kind in (1, 2))
    assert np.abs(one - two).mean() < ALIKE


def test_the_control_picture_is_passed_on_as_it_is():
    with Image.open(FOLDER / "img_ok_gray.png") as image:
        assert np.array_equal(np.asarray(read("img_ok_gray.png")), np.asarray(image.convert("L")))
