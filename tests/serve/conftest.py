"""A server's application around a model that writes what it is told to."""

import json
import tempfile

import pytest

pytest.importorskip("fastapi")

from fake_server import HOSTILE, LEFT, FakeWriter, film

from orapo.generation.rows import Provenance
from orapo.serve.app import create_app
from orapo.serve.appended import AppendedLines
from orapo.serve.inference import ServedModel


@pytest.fixture
def writer():
    return FakeWriter()


@pytest.fixture
def model(writer):
    return ServedModel(writer, Provenance("tiny", "sha256:0", {"engine": "fake"}), "frontal")


@pytest.fixture
def client(model):
    from starlette.testclient import TestClient

    with TestClient(create_app(model), base_url="http://localhost:8000") as client:
        yield client


@pytest.fixture(scope="module")
def browser():
    pytest.importorskip("playwright", reason="playwright is not installed")
    from chromium import CHROMIUM
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        # Chromium's own sandbox needs rights that containers do not give
        yield (
            browser := playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        )
        browser.close()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where uploads lie until they are answered."""
    place = tmp_path / "uploads"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


@pytest.fixture
def sheet(tmp_path):
    """Three pairs: of two films, of none, and of one with a hostile report."""
    for place in range(3):
        (tmp_path / f"film{place}.png").write_bytes(film((300, 400), seed=place))
    pairs = [
        ("p1", ["film0.png", "film1.png"], LEFT, "No effusion."),
        ("p2", [], "The lungs are clear.", "The heart is enlarged."),
        ("p3", ["film2.png"], HOSTILE, "Line one.\nLine two."),
    ]
    lines = [
        {"pair": pair, "study_id": f"secret-{pair}", "images": images, "left": left, "right": right}
        for pair, images, left, right in pairs
    ]
    path = tmp_path / "sheet.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def out(tmp_path):
    return tmp_path / "judgements.jsonl"


@pytest.fixture
def file(tmp_path):
    file = AppendedLines(tmp_path / "edits.jsonl")
    yield file
    file.close()
