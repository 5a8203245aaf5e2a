"""The retrieval row: which training film is nearest, and what its report says."""

import numpy as np
import pytest
from PIL import Image

from orapo.evaluation.figures.nearest import BLANK, nearest_films, nearest_labels


@pytest.fixture
def film(tmp_path):
    """Write a film that is bright where asked: a name and a corner to its file."""

    def write(name, corner, brightness=200, size=(96, 96)):
        pixels = np.full(size, 40, dtype=np.uint8)
        height, width = size[0] // 2, size[1] // 2
        row, column = corner
        pixels[row * height : (row + 1) * height, column * width : (column + 1) * width] = (
            brightness
        )
        path = tmp_path / f"{name}.png"
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def training(film):
    return [film(f"t{r}{c}", (r, c)) for r in (0, 1) for c in (0, 1)]


def test_the_film_with_the_same_picture_is_the_nearest(training, film):
    asked = [film("a", (1, 0)), film("b", (0, 1))]
    assert nearest_films(training, asked) == [2, 1]


def test_exposure_and_size_do_not_count(training, film):
    asked = [film("dark", (1, 1), brightness=60), film("large", (0, 0), size=(300, 200))]
    assert nearest_films(training, asked) == [3, 0]


def test_films_that_cannot_be_read_have_no_neighbour_and_are_none(training, film, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    seen = []
    found = nearest_films([broken, *training], [broken, film("a", (0, 0))], lambda: seen.append(1))
    assert found == [None, 1]
    assert len(seen) == 7
    assert nearest_films([broken], [training[0]]) == [None]


def test_a_study_is_given_what_its_neighbour_s_report_says(training, film):
    reports = ["Edema.", "Left pleural effusion.", "No acute disease.", "Cardiomegaly."]
    known = list(zip(training, reports, strict=True))
    labels = nearest_labels(known, [film("a", (0, 1)), None])
    assert labels[0]["Pleural Effusion"] == 1
    assert labels[1] is BLANK


def test_without_films_there_is_no_row(training, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    assert nearest_labels([(broken, "Edema.")], [training[0]]) is None
    assert nearest_labels([(training[0], "Edema.")], [broken, None]) is None
    assert nearest_labels([], training) is None
    assert nearest_labels([(training[0], "Edema.")], [None]) is None
