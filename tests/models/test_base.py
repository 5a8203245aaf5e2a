"""The demo's base: deterministic, cached, and made of what the docs say."""

from importlib.metadata import version

import numpy as np
import pytest
from safetensors.torch import load_file

from orapo.data.phantom import PhantomConfig
from orapo.data.phantom.anatomy import sample_anatomy
from orapo.data.phantom.film import render
from orapo.facts import label_report
from orapo.labels import LABELS, NO_FINDING
from orapo.models import base
from orapo.models.base import BaseRecipe, seconds_of, tiny_base
from orapo.models.shapes import CLASSES, KINDS, with_shapes
from orapo.models.tiny import TinySize

SMALL = BaseRecipe(
    size=TinySize(image=32, vision_width=16, vision_layers=1, text_width=16, text_layers=1),
    films=4,
    shape_pictures=8,
    reports=8,
    patch_steps=12,
    joint_steps=12,
    patch_batch=4,
    batch=4,
)


def weights(folder):
    return load_file(folder / "model.safetensors")


def test_two_makings_give_the_same_weights_and_a_third_comes_from_the_cache(tmp_path):
    seen = []
    folders = [
        tiny_base(SMALL, cache=tmp_path / name, progress=lambda *what: seen.append(what))
        for name in ("a", "b")
    ]
    first, second = map(weights, folders)
    assert first.keys() == second.keys()
    assert all((first[name] == second[name]).all() for name in first)
    assert ("Learning to write", 12, 12) in seen
    seen.clear()
    assert (
        tiny_base(SMALL, cache=tmp_path / "a", progress=lambda *what: seen.append(what))
        == (folders[0])
    )
    assert not seen
    assert seconds_of(folders[0]) > 0


def test_an_interrupted_making_leaves_nothing_behind(tmp_path):
    def interrupt(what, done, total):
        if what == "Learning to write" and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny_base(SMALL, cache=tmp_path, progress=interrupt)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    size = PhantomConfig().size
    return [with_shapes(render(sample_anatomy(rng), (), size, 1.0, rng), 8, rng) for _ in range(60)]


def test_captions_name_the_shapes_that_the_patches_show(pictures):
    for picture in pictures:
        drawn = {(int(value) - 1) // 2 for value in np.unique(picture.patches) if value}
        affirmed = {
            kind
            for sentence in picture.caption.split(".")
            for kind in KINDS
            if kind in sentence.split() and not {"No", "no"} & set(sentence.split())
        }
        # A small shape may cover no patch enough to own it.
        assert {KINDS[kind] for kind in drawn} <= affirmed
        assert picture.patches.max() < CLASSES


def test_captions_state_no_finding(pictures):
    for picture in pictures:
        labels = label_report(picture.caption).labels
        assert all(labels[name] is None for name in LABELS if name != NO_FINDING), picture.caption


@pytest.mark.parametrize("package", ["torch", "transformers", "tokenizers", "numpy"])
def test_another_version_of_a_library_is_another_base(package, monkeypatch):
    real = SMALL.fingerprint
    monkeypatch.setattr(base, "version", lambda name: "0.0" if name == package else version(name))
    assert SMALL.fingerprint != real


def test_another_phantom_is_another_base(monkeypatch):
    real = SMALL.fingerprint
    monkeypatch.setattr(base, "PHANTOM_VERSION", -1)
    assert SMALL.fingerprint != real
