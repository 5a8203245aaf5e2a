"""Reading every film of a data set: the same with own processes, a pool's, and after an interruption."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from orapo.data import image_check as module
from orapo.data.convert import convert
from orapo.data.datasets import load_dataset
from orapo.data.image_check import check_images
from orapo.data.phantom import PhantomConfig
from orapo.data.phantom.layouts import write_layout


@pytest.fixture
def loaded(tmp_path):
    path = write_layout("table", tmp_path / "in", {"train": 8}, 0, PhantomConfig(size=32))
    found = load_dataset("table", path)
    found.studies[1].images[0].write_bytes(b"\x89PNG")
    return found


def stopped_at(number):
    def progress(done, total):
        if done == number:
            raise KeyboardInterrupt

    return progress


@pytest.fixture
def read(monkeypatch):
    """The films that are read."""
    films = []
    look_at = module.look_at

    def seen(path, body_part="chest"):
        films.append(path)
        return look_at(path, body_part)

    monkeypatch.setattr(module, "look_at", seen)
    return films


def test_an_interrupted_check_goes_on_where_it_stopped_to_the_same_result(loaded, tmp_path, read):
    whole = check_images(loaded, 1)
    read.clear()
    with pytest.raises(KeyboardInterrupt):
        check_images(loaded, 1, stopped_at(6), keep=tmp_path / "out" / "images")
    before = list(read)
    read.clear()
    again = check_images(loaded, 1, keep=tmp_path / "out" / "images")
    assert again == whole
    bad = loaded.studies[1].images[0]
    assert set(before) & set(read) == {bad}  # it may have been repaired meanwhile
    assert len(before) + len(read) == whole.read + 1
    assert list((tmp_path / "out").iterdir()) == []  # nothing is left of it


def test_a_film_that_has_changed_since_is_read_again(loaded, tmp_path, read):
    with pytest.raises(KeyboardInterrupt):
        check_images(loaded, 1, stopped_at(6), keep=tmp_path / "images")
    changed = loaded.studies[0].images[0]
    Image.linear_gradient("L").save(changed)
    read.clear()
    again = check_images(loaded, 1, keep=tmp_path / "images")
    assert changed in read
    assert again.sizes[0] == (256, 256)


def test_the_rate_of_a_bar_is_that_of_this_run(loaded, tmp_path):
    """Films that an earlier run read would make the first rate thousands a second."""
    with pytest.raises(KeyboardInterrupt):
        check_images(loaded, 1, stopped_at(6), keep=tmp_path / "images")
    told = []
    check_images(loaded, 1, lambda done, total: told.append(done), keep=tmp_path / "images")
    assert told == list(range(5, told[-1] + 1))


def test_a_pool_of_others_does_the_same_as_own_processes_and_stays(loaded, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        assert check_images(loaded, 2, pool=pool) == check_images(loaded, 1)
        options = {"made_from": "test", "skip_bad": True}
        there = convert(loaded, tmp_path / "a", workers=2, pool=pool, **options)
        assert pool.submit(int, "7").result() == 7
    here = convert(loaded, tmp_path / "b", **options)
    assert (there.copied, there.problems) == (here.copied, here.problems)
    assert there.manifest.read_bytes() == here.manifest.read_bytes()
    for one, other in zip(there.studies, here.studies, strict=True):
        assert [film.name for film in one.images] == [film.name for film in other.images]
        assert [film.read_bytes() for film in one.images] == [
            film.read_bytes() for film in other.images
        ]
