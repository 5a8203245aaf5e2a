"""The log of edits and reading time: off unless asked for, said on the page, and what is in it."""

from datetime import datetime

import pytest
from fake_server import lines_of
from starlette.testclient import TestClient

from orapo.serve.app import create_app

LOG = "0123456789abcdef" * 2
EDITED = {
    "log": LOG,
    "draft": "No effusion.",
    "final": "Small effusion.",
    "seconds": 12.34,
    "age": 60,
    "edits": [3, 5.58],
}


def test_what_became_of_a_draft_is_a_line(model, file):
    with TestClient(create_app(model, edits=file), base_url="http://localhost:8000") as client:
        assert client.get("/v1/about").json()["logs_edits"] is True
        assert client.post("/v1/edits", json=EDITED).status_code == 204
        assert client.post("/v1/edits", json={**EDITED, "study": "case 7"}).status_code == 204
    nameless, named = lines_of(file.path)
    shown, logged = (datetime.fromisoformat(nameless.pop(key)) for key in ("shown_at", "logged_at"))
    assert (logged - shown).total_seconds() == pytest.approx(60, abs=0.01)
    assert nameless == {
        "log": LOG,
        "study": "study-0123456789ab",
        "model": "tiny",
        "revision": "sha256:0",
        "draft": "No effusion.",
        "final": "Small effusion.",
        "seconds": 12.3,
        "edits": [3, 5.6],
    }
    assert named["study"] == "case 7"


@pytest.mark.parametrize(
    "wrong",
    [
        {"log": "../edits"},
        {"draft": "x" * 20_001},
        {"final": "x" * 20_001},
        {"seconds": -1},
        {"edits": [-1]},
        {"edits": [0] * 20_001},
        {"file": "/tmp/other"},
    ],
)
def test_what_is_no_edit_is_refused_and_leaves_no_line(model, file, wrong):
    with TestClient(create_app(model, edits=file), base_url="http://localhost:8000") as client:
        assert client.post("/v1/edits", json=EDITED | wrong).status_code == 422
    assert lines_of(file.path) == []


def test_it_is_off_unless_asked_for(client):
    assert client.get("/v1/about").json()["logs_edits"] is False
    assert client.post("/v1/edits", json=EDITED).status_code == 404
