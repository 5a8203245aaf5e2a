"""`orapo serve` as a user starts and ends it."""

import re
import signal
import socket
import subprocess
import sys

import pytest
from typer.testing import CliRunner

pytest.importorskip("fastapi")

import httpx2

from orapo.cli import serve
from orapo.errors import OrapoError


def refused(*options):
    import typer

    app = typer.Typer()
    serve.add_to(app)
    result = CliRunner().invoke(app, options)
    assert isinstance(result.exception, OrapoError), result.output
    return str(result.exception)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "ward.example"])
def test_other_machines_need_a_token_or_a_word_that_they_need_none(host):
    assert "--token" in refused("--host", host)


def test_a_short_token_is_none():
    assert "at least 16" in refused("--token", "short")


def test_a_port_that_is_taken_is_said_before_a_model_is_loaded():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"--port {port}" in refused("--port", port, "--model", "/no/such/folder")


def test_a_model_that_is_not_there_is_said(tmp_path):
    assert "no checkpoint" in refused("--port", "0", "--model", str(tmp_path))


def test_pairs_and_judgements_go_together_and_are_read_before_a_model_is_loaded(tmp_path):
    sheet, out = str(tmp_path / "sheet.jsonl"), str(tmp_path / "out.jsonl")
    assert "go together" in refused("--pairs", sheet)
    assert "go together" in refused("--judgements", out)
    model = ("--port", "0", "--model", "/no/such/folder")
    assert "sheet.jsonl: no such file" in refused("--pairs", sheet, "--judgements", out, *model)
    # the folder that orapo preferences make wrote will do
    assert "sheet.jsonl: no such file" in refused(
        "--pairs", str(tmp_path), "--judgements", out, *model
    )


def test_edits_are_those_of_a_models_drafts(tmp_path):
    assert "needs --model" in refused("--log-edits", str(tmp_path / "edits.jsonl"))


def test_it_says_its_address_answers_and_ends_at_a_signal():
    command = [sys.executable, "-m", "orapo", "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
            assert "not for diagnosis" in httpx2.get(f"{address[0]}/", timeout=60).text
            body = {"text": "A small effusion of Zebedee."}
            assert httpx2.post(f"{address[0]}/v1/facts", json=body, timeout=60).is_success
        finally:
            process.send_signal(signal.SIGTERM)
        log = process.stderr.read()
    assert process.returncode == 143
    assert "POST /v1/facts 200" in log
    assert "Zebedee" not in log
    assert "Traceback" not in log
