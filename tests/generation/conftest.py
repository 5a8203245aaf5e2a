"""A checkpoint on disk."""

import pytest


@pytest.fixture
def checkpoint(tiny_model, tiny_processor, tmp_path):
    folder = tmp_path / "model"
    tiny_model.save_pretrained(folder)
    tiny_processor.save_pretrained(folder)
    return folder
