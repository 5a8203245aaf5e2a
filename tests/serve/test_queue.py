"""One model, a queue with an end, and clients that hang up; against a server that listens."""

import contextlib
import socket
import threading

import httpx2
import pytest
from fake_server import REPORTS, eventually, film, listening

from orapo.serve.app import create_app
from orapo.serve.inference import ServedModel
from orapo.serve.limits import Limits, Places, QueueFullError

FILM = film()


@pytest.fixture
def address(model):
    with listening(create_app(model, limits=Limits(queue=1))) as address:
        yield address


def waiting(address):
    return httpx2.get(f"{address}/healthz").json()["waiting"]


def ask(address, path="/v1/reports"):
    return httpx2.post(f"{address}{path}", files={"images": FILM}, timeout=30)


class Asking(threading.Thread):
    """A client that waits for its report."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.answer = address, None
        self.start()

    def run(self):
        self.answer = ask(self.address)


def test_who_finds_no_place_is_told_when_to_ask_again_and_the_others_get_their_reports(
    address, writer
):
    writer.go_on.clear()
    clients = [Asking(address), Asking(address)]
    eventually(lambda: waiting(address) == 2)
    for path in ("/v1/reports", "/v1/reports/stream"):
        refused = ask(address, path)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
    assert httpx2.get(f"{address}/v1/about").status_code == 200  # all else goes on
    writer.go_on.set()
    for client in clients:
        client.join(30)
        assert client.answer.json()["report"] == REPORTS[0]
    eventually(lambda: waiting(address) == 0)


@pytest.mark.parametrize("path", ["/v1/reports", "/v1/reports/stream"])
def test_a_client_that_hangs_up_ends_the_writing_and_frees_its_place(address, writer, path):
    writer.go_on.clear()
    with pytest.raises(httpx2.TimeoutException):
        httpx2.post(f"{address}{path}", files={"images": FILM}, timeout=1)
    assert writer.ended_early.wait(20)
    eventually(lambda: waiting(address) == 0)
    writer.go_on.set()
    assert ask(address).json()["report"] == REPORTS[0]


def test_a_client_that_hangs_up_while_it_waits_leaves_the_queue_and_is_never_written(
    address, writer
):
    writer.go_on.clear()
    first = Asking(address)
    assert writer.writing.wait(20)
    with pytest.raises(httpx2.TimeoutException):
        httpx2.post(f"{address}/v1/reports/stream", files={"images": film(seed=9)}, timeout=1)
    eventually(lambda: waiting(address) == 1)
    writer.go_on.set()
    first.join(30)
    assert ask(address).status_code == 200
    assert len(writer.shown) == 2


def test_a_report_that_takes_too_long_is_cut_off_and_given(writer, model):
    writer.go_on.clear()
    served = ServedModel(writer, model.provenance)
    with listening(create_app(served, limits=Limits(model_seconds=0.2))) as address:
        answer = ask(address).json()
    assert answer["cut"]
    assert answer["report"] == "There"


def test_an_upload_that_drips_ends_in_time_and_holds_no_place_until_then(model):
    limits = Limits(queue=0, upload_seconds=0.5)
    with listening(create_app(model, limits=limits)) as address:
        client = socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), 20)
        answered = threading.Event()

        def drip():
            with contextlib.suppress(OSError):
                client.sendall(
                    b"POST /v1/reports HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
                    b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
                )
                part = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
                client.sendall(b"%x\r\n%s\r\n" % (len(part), part))
                while not answered.wait(0.02):
                    client.sendall(b"1\r\nx\r\n")

        with client:
            threading.Thread(target=drip, daemon=True).start()
            assert ask(address).status_code == 200
            assert client.recv(1000).startswith(b"HTTP/1.1 408")
            answered.set()
        assert waiting(address) == 0


@pytest.mark.parametrize("path", ["/v1/reports", "/v1/reports/stream"])
def test_a_server_that_ends_does_not_wait_for_a_report(model, writer, path):
    writer.go_on.clear()
    with listening(create_app(model)) as address:
        client = threading.Thread(target=_quietly, args=(address, path), daemon=True)
        client.start()
        assert writer.writing.wait(20)
    assert writer.ended_early.is_set()


def _quietly(address, path):
    with contextlib.suppress(httpx2.HTTPError):
        ask(address, path)


def test_places_are_given_back_whatever_happens():
    places = Places(1)
    with pytest.raises(KeyError), places.take():
        raise KeyError
    with places.take(), pytest.raises(QueueFullError), places.take():
        pass
    assert places.taken == 0
