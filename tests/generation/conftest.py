"""A checkpoint on disk and a manifest of drawn studies."""

import pytest

from orapo.data.phantom import PhantomConfig, write_phantom


@pytest.fixture
def checkpoint(tiny_model, tiny_processor, tmp_path):
    folder = tmp_path / "model"
    tiny_model.save_pretrained(folder)
    tiny_processor.save_pretrained(folder)
    return folder


@pytest.fixture
def manifest(tmp_path):
    """40 studies, one of them with a film that can't be read."""
    path = write_phantom(tmp_path / "phantom", {"test": 40}, 0, PhantomConfig(size=32))
    sorted((tmp_path / "phantom").rglob("*.png"))[17].write_bytes(b"no film")
    return path
