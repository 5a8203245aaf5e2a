"""`orapo serve` as a user starts and ends it."""

import json
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner

pytest.importorskip("fastapi")

import httpx2

from orapo.cli import serve
from orapo.errors import OrapoError
from orapo.preferences.records import Pair, write_sheet


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


def test_pairs_and_where_their_judgements_go_are_read_before_a_model_is_loaded(tmp_path):
    sheet, out = str(tmp_path / "sheet.jsonl"), str(tmp_path / "out.jsonl")
    assert "needs --judgements (a file to write) or --store" in refused("--pairs", sheet)
    assert "needs --pairs" in refused("--judgements", out)
    no_store = tmp_path / "sheet.sqlite"
    no_store.write_text("something else, which is not a data base")
    assert "sheet.sqlite: is no store" in refused("--store", str(no_store))
    model = ("--port", "0", "--model", "/no/such/folder")
    assert "sheet.jsonl: no such file" in refused("--pairs", sheet, "--judgements", out, *model)
    # the folder that orapo preferences make wrote will do
    assert "sheet.jsonl: no such file" in refused(
        "--pairs", str(tmp_path), "--judgements", out, *model
    )


def test_edits_are_those_of_a_models_drafts(tmp_path):
    assert "needs --model" in refused("--log-edits", str(tmp_path / "edits.jsonl"))


@contextmanager
def started(*options):
    """A server that a user has started; its address and, at the end, what it said."""
    command = [sys.executable, "-m", "orapo", "serve", "--port", "0", *map(str, options)]
    said = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr:
                said.append(line)
                if address := re.search(r"http://127\.0\.0\.1:\d+", line):
                    break
            yield address[0], said
        finally:
            process.send_signal(signal.SIGTERM)
            said += process.stderr.readlines()
    assert process.returncode == 143


def test_it_says_its_address_answers_and_ends_at_a_signal():
    with started() as (address, said):
        assert "not for diagnosis" in httpx2.get(f"{address}/", timeout=60).text
        body = {"text": "A small effusion of Zebedee."}
        assert httpx2.post(f"{address}/v1/facts", json=body, timeout=60).is_success
    log = "".join(said)
    assert "POST /v1/facts 200" in log
    assert "Zebedee" not in log
    assert "Traceback" not in log


def test_judgements_and_edits_come_into_the_files_that_were_named(
    tiny_model, tiny_processor, tmp_path
):
    for part in (tiny_model, tiny_processor):
        part.save_pretrained(tmp_path / "model")
    (tmp_path / "sheet").mkdir()
    write_sheet(tmp_path / "sheet" / "sheet.jsonl", [Pair("p1", "s1", (), "Clear.", "Effusion.")])
    judged, edited = tmp_path / "judged.jsonl", tmp_path / "edited.jsonl"
    files = ("--pairs", tmp_path / "sheet", "--judgements", judged, "--log-edits", edited)
    with started("--model", tmp_path / "model", *files) as (address, _):
        about = httpx2.get(f"{address}/v1/about", timeout=60).json()
        judgement = {"pair": "p1", "rater": "r", "choice": "tie", "seconds": 1.0}
        assert httpx2.post(f"{address}/v1/judging/judgements", json=judgement).is_success
        edit = {"log": "0" * 32, "draft": "Clear.", "final": "Effusion.", "seconds": 2.0}
        edit |= {"age": 3.0, "edits": [1.0]}
        assert httpx2.post(f"{address}/v1/edits", json=edit).is_success
    assert about["judging"] is about["logs_edits"] is True
    assert json.loads(judged.read_text())["choice"] == "tie"
    assert json.loads(edited.read_text())["final"] == "Effusion."


def test_a_store_takes_over_what_files_hold_and_is_one_file(tmp_path):
    (tmp_path / "sheet").mkdir()
    write_sheet(tmp_path / "sheet" / "sheet.jsonl", [Pair("p1", "s1", (), "Clear.", "Effusion.")])
    judged, store = tmp_path / "judged.jsonl", tmp_path / "work.sqlite"
    judged.write_text(json.dumps({"pair": "p1", "rater": "r", "choice": "tie"}) + "\n")
    files = ("--pairs", tmp_path / "sheet", "--judgements", judged, "--store", store)
    with started(*files) as (address, _):
        assert httpx2.get(f"{address}/v1/about", timeout=60).json()["store"] is True
        state = httpx2.post(f"{address}/v1/judging", json={"rater": "r"}).json()
        text = {"rater": "r", "study": "s", "state": "own text", "report": "Clear.", "page": "{}"}
        assert httpx2.post(f"{address}/v1/worklist/texts", json=text).is_success
        lines = httpx2.get(f"{address}/v1/store").text.splitlines()
    assert state["judged"] == 1
    assert [json.loads(line)["kind"] for line in lines] == ["text", "judgement"]
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "judged.jsonl",
        "sheet",
        "work.sqlite",
    ]
