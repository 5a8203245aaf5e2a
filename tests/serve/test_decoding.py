"""Films are read in a process that can be ended, whatever a decoder does."""

import os
import signal
import time

import pytest
from fake_server import FakeWriter, endless, eventually, film
from starlette.testclient import TestClient

from orapo.errors import OrapoError
from orapo.generation.rows import Provenance
from orapo.serve import decoding
from orapo.serve.app import create_app
from orapo.serve.decoding import apart
from orapo.serve.inference import ServedModel
from orapo.serve.limits import Limits


def test_what_it_returns_comes_back_and_the_process_is_another_but_stays():
    first = apart(60, os.getpid)
    assert first != os.getpid()
    assert apart(60, os.getpid) == first


def test_a_decoder_that_never_ends_is_ended_and_the_next_film_is_read():
    before = apart(60, os.getpid)
    with pytest.raises(OrapoError, match=r"took longer than 0\.2 s"):
        apart(0.2, time.sleep, 3600)
    assert is_gone(before)
    assert apart(60, abs, -2) == 2


def test_a_decoder_that_crashes_is_a_fault_of_the_film():
    with pytest.raises(OrapoError, match="the decoder broke down"):
        apart(60, os.abort)
    assert apart(60, abs, -2) == 2


def test_a_process_that_is_gone_is_replaced():
    pid = apart(60, os.getpid)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: all(reader.process.poll() is not None for reader in decoding._idle))
    assert apart(60, os.getpid) != pid


def test_what_fails_otherwise_is_told_to_the_log_by_its_place_alone(caplog):
    with pytest.raises(RuntimeError, match="could not be read"):
        apart(60, int, "Zebedee")
    assert "ValueError in decoding.py:" in caplog.text
    assert "Zebedee" not in caplog.text


def test_what_a_decoder_prints_disturbs_no_answer():
    assert apart(60, os.write, 1, b"printed") == 7
    assert apart(60, print, "printed") is None
    assert apart(60, abs, -2) == 2


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_film_that_takes_too_long_frees_the_model_for_the_next_study(monkeypatch):
    limits = Limits(film_seconds=0.3)
    model = ServedModel(FakeWriter(), Provenance("tiny", ""))
    with TestClient(create_app(model, limits=limits), base_url="http://localhost:8000") as client:
        with monkeypatch.context() as patch:
            patch.setattr("orapo.serve.inference.read_films", endless)
            patch.setattr("orapo.serve.reports.film_as_png", endless)
            patch.setattr("orapo.serve.film_values.write_values", endless)
            paths = {"/v1/reports": "images", "/v1/films": "image", "/v1/films/values": "image"}
            for path, field in paths.items():
                answer = client.post(path, files={field: film()})
                assert answer.status_code == 422
                assert "took longer than 0.3 s" in answer.json()["detail"]
        assert client.get("/healthz").json()["waiting"] == 0
    with TestClient(create_app(model), base_url="http://localhost:8000") as client:
        assert client.post("/v1/reports", files={"images": film()}).status_code == 200
