"""Clients that say half of what they want, or never read: they hold nothing that others need."""

import asyncio
import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager

import httpx2
import pytest
from fake_server import REPORTS, FakeWriter, eventually, film, listening
from starlette.testclient import TestClient

from orapo.errors import OrapoError
from orapo.generation.rows import Provenance
from orapo.serve import connections
from orapo.serve.app import create_app
from orapo.serve.connections import _FULL, Bounds, OnceAMinute, that_fit
from orapo.serve.inference import ServedModel
from orapo.serve.limits import Arrivals, Limits, QueueFullError

HALF = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: "
FILM = film()


def place_of(address):
    host, port = address.removeprefix("http://").split(":")
    return host, int(port)


@contextmanager
def half_open(address, count, said=HALF):
    """So many clients that say something and then nothing."""
    with ExitStack() as open_ones:
        yield [open_ones.enter_context(_one(address, said)) for _ in range(count)]


def _one(address, said):
    # where the backlog is full, the kernel tries again in growing steps
    client = socket.create_connection(place_of(address), timeout=90)
    client.sendall(said)
    return client


def is_closed(client):
    client.settimeout(20)
    try:
        return client.recv(1000) == b""
    except ConnectionResetError:
        return True


def half_upload(path="/v1/reports"):
    body = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\nxxxx'
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    return head.encode() + body


def fast_looks(monkeypatch):
    monkeypatch.setattr(connections, "_LOOKS_EVERY", 0.05)


# --- before the application ------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="there is no ulimit")
def test_half_requests_do_not_freeze_a_server_with_few_files_nor_fill_its_log(tmp_path):
    log = tmp_path / "log"
    command = 'ulimit -n 120; exec "$0" -m orapo serve --port 0'
    with log.open("w") as stream:
        server = subprocess.Popen(["bash", "-c", command, sys.executable], stderr=stream)
        try:
            eventually(lambda: re.search(r"http://[\d.]+:\d+", log.read_text()), 120)
            address = re.search(r"http://[\d.]+:\d+", log.read_text())[0]
            with half_open(address, 200):
                for _ in range(3):
                    assert httpx2.get(f"{address}/healthz", timeout=10).status_code == 200
        finally:
            server.terminate()
            server.wait(30)
    assert log.stat().st_size < 4000
    assert "give way" in log.read_text()


def test_a_head_that_never_ends_is_not_waited_for(model, monkeypatch):
    fast_looks(monkeypatch)
    with (
        listening(create_app(model), Bounds(head_seconds=0.3)) as address,
        half_open(address, 3) as clients,
    ):
        assert all(is_closed(client) for client in clients)


def test_a_head_that_drips_is_not_waited_for_either(model, monkeypatch):
    fast_looks(monkeypatch)
    with (
        listening(create_app(model), Bounds(head_seconds=0.3)) as address,
        half_open(address, 1) as (client,),
    ):
        gone = threading.Event()

        def drip():
            try:
                while not gone.wait(0.05):
                    client.sendall(b"x")
            except OSError:
                gone.set()

        threading.Thread(target=drip, daemon=True).start()
        assert gone.wait(20)


def test_of_one_address_the_longest_idle_connection_gives_way(model):
    bounds = Bounds(connections=8, of_an_address=4)
    with listening(create_app(model), bounds) as address, half_open(address, 4) as clients:
        assert httpx2.get(f"{address}/healthz").status_code == 200
        assert is_closed(clients[0])
        clients[3].sendall(b"b\r\n\r\n")
        assert clients[3].recv(15) == b"HTTP/1.1 200 OK"


def test_a_connection_that_is_being_answered_does_not_give_way(model, writer):
    writer.go_on.clear()
    bounds = Bounds(connections=1, of_an_address=1)
    answers = []
    with listening(create_app(model), bounds) as address:

        def ask():
            answers.append(
                httpx2.post(f"{address}/v1/reports", files={"images": FILM}, timeout=30).json()
            )

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        assert writer.writing.wait(20)
        refused = httpx2.get(f"{address}/healthz")
        assert refused.status_code == 503
        assert refused.json()["detail"] == "all connections are in use now"
        writer.go_on.set()
        asking.join(30)
    assert answers[0]["report"] == REPORTS[0]


def test_the_answer_of_a_full_server_is_whole():
    head, body = _FULL.split(b"\r\n\r\n")
    assert int(re.search(rb"content-length: (\d+)", head)[1]) == len(body)
    assert json.loads(body)


def test_connections_fit_into_the_limit_of_open_files(monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(os, "listdir", lambda _: ["0"] * 20)
    for most, fit in ((120, (38, 8)), (1024, (256, 64)), (100_000, (256, 64))):
        monkeypatch.setattr(resource, "getrlimit", lambda _, most=most: (most, most))
        assert that_fit(256) == fit
    monkeypatch.setattr(resource, "getrlimit", lambda _: (60, 60))
    with pytest.raises(OrapoError, match="ulimit -n"):
        that_fit(256)


def test_the_same_line_of_the_server_is_said_once_a_minute_and_without_its_traceback():
    once = OnceAMinute(seconds=1000)

    def record(message, name="asyncio"):
        try:
            raise OSError("a secret")
        except OSError:
            return logging.LogRecord(name, 40, "", 0, message, (), sys.exc_info())

    said = record("socket.accept() out of system resource\nsocket: 1")
    assert once.filter(said)
    assert logging.Formatter().format(said) == "socket.accept() out of system resource (OSError)"
    assert not any(once.filter(record("socket.accept() out of system resource")) for _ in range(9))
    assert once.filter(record("another"))
    assert once.filter(record("ours", "orapo.serve"))
    assert once.filter(record("ours", "orapo.serve"))


def test_requests_of_who_has_no_token_do_not_fill_the_log(caplog):
    """A thousand refusals a second would be five gigabytes a day."""
    caplog.set_level(logging.INFO, "orapo.serve")
    caplog.handler.addFilter(once := OnceAMinute(seconds=1000))
    token = "a token of some length"
    client = TestClient(create_app(None, token=token), base_url="http://localhost")
    for _ in range(9):
        client.get("/healthz")
        client.get("/v1/about")
        client.get("/nowhere")
    with_token = {"authorization": f"Bearer {token}"}
    for _ in range(3):
        client.get("/v1/about", headers=with_token)
    caplog.handler.removeFilter(once)
    said = [" ".join(line.split()[:3]) for line in caplog.messages if line.startswith("GET")]
    assert said == ["GET /healthz 200", "GET other 401", *["GET /v1/about 200"] * 3]


def test_how_often_a_line_was_kept_back_is_said_with_the_next():
    once = OnceAMinute(seconds=0)
    once._said["Invalid HTTP request received."] = (-1000.0, 7)
    record = logging.LogRecord(
        "uvicorn.error", 30, "", 0, "Invalid HTTP request received.", (), None
    )
    assert once.filter(record)
    assert record.getMessage() == "Invalid HTTP request received. (7 more like it since)"


# --- uploads that stall ----------------------------------------------------------------------


def test_half_uploads_hold_no_place(model):
    with (
        listening(create_app(model, limits=Limits(queue=0))) as address,
        half_open(address, 9, half_upload()),
        half_open(address, 9, half_upload("/v1/films")),
    ):
        eventually(lambda: httpx2.get(f"{address}/healthz").status_code == 200)
        asked = {"files": {"images": FILM}, "timeout": 30}
        assert httpx2.post(f"{address}/v1/reports", **asked).json()["report"] == REPORTS[0]
        answer = httpx2.post(f"{address}/v1/films", files={"image": FILM}, timeout=30)
        assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/v1/reports", "/v1/films", "/v1/facts"])
def test_a_body_that_says_nothing_any_more_is_not_waited_for_to_the_end(model, path):
    limits = Limits(silent_seconds=0.2)
    with (
        listening(create_app(model, limits=limits)) as address,
        half_open(address, 1, half_upload(path)) as (client,),
    ):
        client.settimeout(20)
        answer = b""
        while chunk := client.recv(4096):
            answer += chunk
        status = 422 if path == "/v1/facts" and b" 422 " in answer else 408
        assert answer.startswith(b"HTTP/1.1 %d" % status)


def test_where_there_is_no_room_for_an_upload_the_slowest_gives_way():
    async def told():
        arrivals = Arrivals(2, patience=-1.0)
        with ExitStack() as there:
            quick, slow = (there.enter_context(arrivals.one_more()) for _ in range(2))
            quick.count(10**6)
            slow.count(1)
            ended = []
            for one in (quick, slow):
                ended.append(asyncio.create_task(waited(one)))
            await asyncio.sleep(0)
            there.enter_context(arrivals.one_more())
            assert await ended[1] == "gave way"
            assert not ended[0].done()
            ended[0].cancel()

    async def waited(arrival):
        try:
            async with arrival.clock(100):
                await asyncio.Event().wait()
        except TimeoutError:
            return "gave way"

    asyncio.run(asyncio.wait_for(told(), 20))


def test_uploads_that_have_just_begun_do_not_give_way():
    arrivals = Arrivals(1, patience=60.0)
    with arrivals.one_more(), pytest.raises(QueueFullError), arrivals.one_more():
        pass


# --- readers that stall ----------------------------------------------------------------------


class LongWriter(FakeWriter):
    """Shows a text that is larger than the buffers between two sockets."""

    def __call__(self, films, prompts, study_ids, decoding, watch=None):
        watch("No effusion. " * 10**6)
        return super().__call__(films, prompts, study_ids, decoding, watch)


def reader_that_stalls(address):
    """A client with a small buffer that asks for a stream and reads nothing of it."""
    request = httpx2.Request("POST", f"{address}/v1/reports/stream", files={"images": FILM})
    body = request.read()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    client.connect(place_of(address))
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    client.sendall(f"POST /v1/reports/stream HTTP/1.1\r\n{head}\r\n".encode() + body)
    return client


@pytest.fixture
def long_model():
    return ServedModel(LongWriter(), Provenance("tiny", "sha256:0", {"engine": "fake"}), "frontal")


def test_a_reader_that_stalls_keeps_no_place_once_its_report_is_written(long_model):
    long_model.write.go_on.clear()
    app = create_app(long_model, limits=Limits(queue=1))
    with listening(app) as address, ExitStack() as readers:
        for _ in range(2):
            readers.enter_context(reader_that_stalls(address))
        eventually(lambda: httpx2.get(f"{address}/healthz").json()["waiting"] == 2)
        long_model.write.go_on.set()
        eventually(lambda: httpx2.get(f"{address}/healthz").json()["waiting"] == 0)
        answer = httpx2.post(f"{address}/v1/reports", files={"images": FILM}, timeout=30)
        assert answer.status_code == 200


def test_an_answer_that_nobody_takes_ends_its_connection(model, monkeypatch):
    fast_looks(monkeypatch)
    held = threading.Event()

    async def endless(scope, receive, send):
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while not held.is_set():
                await send({"type": "http.response.body", "body": b"x" * 10**6, "more_body": True})
                if (await _whether_gone(receive)) or time.monotonic() > until:
                    break
        finally:
            held.set()

    async def _whether_gone(receive):
        try:
            async with asyncio.timeout(0.01):
                return (await receive())["type"] == "http.disconnect"
        except TimeoutError:
            return False

    until = time.monotonic() + 20
    with listening(endless, Bounds(send_seconds=0.3)) as address, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        client.connect(place_of(address))
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert held.wait(20)
        assert time.monotonic() < until
