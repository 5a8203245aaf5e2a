"""The demo's base: deterministic, cached, and made of what the docs say."""

from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from orapo import OrapoError
from orapo.data.conversation import REPORT_PROMPT
from orapo.data.phantom import PhantomConfig
from orapo.data.phantom.anatomy import sample_anatomy
from orapo.data.phantom.film import render
from orapo.facts import label_report
from orapo.labels import LABELS, NO_FINDING
from orapo.models import base, warm_up
from orapo.models.base import BaseRecipe, seconds_of, tiny_base
from orapo.models.shapes import CLASSES, KINDS, with_shapes
from orapo.models.tiny import TinySize, build_processor

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


SEEING, WRITING = "Pretraining the vision tower", "Learning to write"


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return weights(tiny_base(SMALL, cache=tmp_path_factory.mktemp("whole")))


@pytest.mark.parametrize(
    ("last", "first_again"),
    [
        ((SEEING, 1), (SEEING, 1)),
        ((SEEING, 7), (SEEING, 7)),
        ((SEEING, 12), (WRITING, 1)),
        ((WRITING, 1), (WRITING, 1)),
        ((WRITING, 11), (WRITING, 11)),
    ],
)
def test_an_interrupted_making_goes_on_to_the_same_weights(
    last, first_again, tmp_path, monkeypatch, uninterrupted
):
    monkeypatch.setattr(warm_up, "SAVE_EVERY", 2)

    def interrupt(what, done, total):
        if (what, done) == last:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny_base(SMALL, cache=tmp_path, progress=interrupt)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    seen = []
    made = tiny_base(SMALL, cache=tmp_path, progress=lambda *what: seen.append(what))
    steps = [one[:2] for one in seen if one[0] in (SEEING, WRITING)]
    assert steps[0] == first_again
    again = weights(made)
    assert all((again[name] == tensor).all() for name, tensor in uninterrupted.items())
    assert list(tmp_path.iterdir()) == [made]


def test_what_an_interrupted_making_took_counts(tmp_path, monkeypatch):
    path = tmp_path / "state"
    clock = [0.0]
    monkeypatch.setattr(warm_up.time, "monotonic", lambda: clock[0])
    kept = warm_up.Kept(path)
    clock[0] += 70
    kept.save(SEEING, 1, (), np.random.default_rng(0))
    clock[0] += 1000  # nothing was made
    again = warm_up.Kept(path)
    clock[0] += 5
    assert again.seconds() == 75


@pytest.mark.parametrize("torn", [b"", b"torn"])
def test_a_torn_state_is_made_anew(torn, tmp_path, uninterrupted):
    made = tiny_base(SMALL, cache=tmp_path)
    name = made.name
    other = tmp_path / "other"
    other.mkdir()
    (other / f".{name}.state").write_bytes(torn)
    again = weights(tiny_base(SMALL, cache=other))
    assert all((again[key] == tensor).all() for key, tensor in uninterrupted.items())


@pytest.mark.parametrize("sight", [0.0, 0.3, 1.0])
def test_that_share_of_the_reports_is_of_the_film_shown(sight):
    """Of all others, none is: a blind base sees no true pair, not even by chance."""
    films = [Image.new("RGB", (32, 32), (25 * n, 0, 0)) for n in range(8)]
    others = ["somebody else's report"] * 20
    own = [f"report of film number{n}" for n in range(8)] if sight else []
    processor = build_processor([*others, *own, REPORT_PROMPT], SMALL.size)
    task = base._Task(processor, films, others, own, sight)
    batch = task.batch(500, np.random.default_rng(0))
    texts = [
        processor.tokenizer.decode(row[row >= 0], skip_special_tokens=True)
        for row in batch["labels"]
    ]
    shown = [
        int((task.pixels == film).flatten(1).all(1).nonzero()) for film in batch["pixel_values"]
    ]
    true = [text != others[0] for text in texts]
    assert sum(true) / 500 == pytest.approx(sight, abs=0.06)
    for text, film, mine in zip(texts, shown, true, strict=True):
        assert not mine or text.endswith(f"number{film}")


def test_sight_makes_another_base_and_is_a_share(tmp_path):
    sighted = replace(SMALL, sight=0.3)
    assert sighted.fingerprint != SMALL.fingerprint
    blind, seeing = (tiny_base(one, cache=tmp_path) for one in (SMALL, sighted))
    assert (blind / "model.safetensors").read_bytes() != (seeing / "model.safetensors").read_bytes()
    with pytest.raises(OrapoError, match="sight is a share"):
        BaseRecipe(sight=30)


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
