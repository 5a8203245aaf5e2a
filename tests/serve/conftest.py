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
