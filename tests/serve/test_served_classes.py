"""A checkpoint of every class, as it lies on a disk, writes about a film that is sent to the server."""

import pytest
from fake_server import film
from starlette.testclient import TestClient

from checkpoints import BUILDERS
from orapo.serve.app import create_app
from orapo.serve.inference import load_served
from orapo.serve.limits import Limits


@pytest.mark.parametrize("kind", list(BUILDERS))
def test_a_film_and_a_prior_report_give_texts(kind, checkpoints):
    served = load_served(str(checkpoints(kind)), views="all", earlier_reports=True, device="cpu")
    fields = {"previous_report": "Small left effusion.", "samples": "4"}
    with TestClient(
        create_app(served, limits=Limits(new_tokens=8)), base_url="http://localhost:8000"
    ) as client:
        answer = client.post("/v1/reports", files={"images": film((40, 48))}, data=fields)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    # random weights may end a report at once, but not all four
    written = [sample["report"] for sample in body["samples"]]
    assert len(written) == 4
    assert any(text.strip() for text in written)
    assert body["report"] == written[body["chosen"]]
    assert all(sample["log_likelihood"] < 0 for sample in body["samples"])
    assert body["model"] == kind
    assert body["films_shown"] == [0]
    assert "Previous: Small left effusion." in body["prompt"]
