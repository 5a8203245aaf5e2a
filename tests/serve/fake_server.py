"""A model that writes what it is told to, and a server that really listens."""

import io
import json
import socket
import threading
import time
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
from PIL import Image

from orapo.generation.reports import Sample

REPORTS = (
    "There is a small left pleural effusion. No pneumothorax.",
    "The heart is mildly enlarged. Small left pleural effusion.",
    "The lungs are clear.",
)


LEFT = "Small left pleural effusion."
HOSTILE = "<img src=x onerror=\"document.title='owned'\"> No pneumothorax."


class FakeWriter:
    """Writes the same reports for each study, word by word; can be held, and made to fail."""

    def __init__(self, reports=REPORTS):
        self.reports = reports
        self.shown = []
        self.error = None
        self.go_on = threading.Event()
        self.go_on.set()
        self.writing = threading.Event()
        self.ended_early = threading.Event()

    def __call__(self, films, prompts, study_ids, decoding, watch=None):
        self.shown.append(([film.size for film in films[0]], study_ids[0], decoding))
        self.writing.set()
        if self.error is not None:
            raise self.error
        words = self.reports[0].split(" ")
        for count in range(1, len(words) + 1):
            if watch(" ".join(words[:count])):
                self.ended_early.set()
                return [[Sample(" ".join(words[:count]), cut=True)] * decoding.samples]
            while not self.go_on.wait(0.01):  # a token of a held model says what it said before
                if watch(" ".join(words[:count])):
                    self.ended_early.set()
                    return [[Sample(" ".join(words[:count]), cut=True)] * decoding.samples]
        chosen = [self.reports[place % len(self.reports)] for place in range(decoding.samples)]
        return [[Sample(text, -float(place)) for place, text in enumerate(chosen, 1)]]


def endless(*_):
    """A decoder that never ends."""
    threading.Event().wait()


def film(size=(40, 48), seed=0, kind="PNG", mode="L"):
    """A picture file's bytes."""
    values = np.random.default_rng(seed).integers(0, 255, size[::-1], dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).convert(mode).save(stream, kind)
    return stream.getvalue()


def dicom_film(tmp_path, name="film.dcm", *, seed=0, size=(40, 48), **headers):
    """A DICOM file's bytes; headers are set as they are named."""
    pydicom = pytest.importorskip("pydicom")
    from orapo.data.films.dicom import write_dicom

    path = tmp_path / name
    values = np.random.default_rng(seed).integers(0, 255, size[::-1], dtype=np.uint8)
    uids = {"study_uid": "s", "series_uid": "x", "instance_uid": str(seed)}
    write_dicom(Image.fromarray(values), path, patient_id="p", **uids)
    dataset = pydicom.dcmread(path)
    for key, value in headers.items():
        setattr(dataset, key, value)
    dataset.save_as(path)
    return path.read_bytes()


@contextmanager
def listening(app, bounds=None):
    """Run an application on a port of this machine, as `orapo serve` does; give its address."""
    import uvicorn

    from orapo.serve.connections import BoundedProtocol, Bounds

    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            started.set()

    port = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=partial(BoundedProtocol, bounds or Bounds()),
        log_config=None,
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=2,
    )
    server = Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [port]}, daemon=True)
    thread.start()
    assert started.wait(60)
    try:
        yield f"http://127.0.0.1:{port.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        port.close()


def eventually(holds, seconds=20.0):
    """Wait for what another thread is about to do."""
    pause, until = threading.Event(), time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never came"
        pause.wait(0.01)


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]
