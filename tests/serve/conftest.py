"""A server's application around a model that writes what it is told to."""

import pytest

pytest.importorskip("fastapi")

from fake_server import FakeWriter

from orapo.generation.rows import Provenance
from orapo.serve.app import create_app
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
