"""Names of models: a folder, a mistyped folder, or the hub's; the last is said before it is asked."""

import logging
import os
import socket
import subprocess
import sys

import pytest

from orapo.errors import OrapoError
from orapo.generation import load_checkpoint
from orapo.models.hub import find_model

pytest.importorskip("huggingface_hub")


@pytest.fixture
def asked(monkeypatch):
    """What the network is asked for; it answers nothing."""
    names = []

    def nobody(host, *_, **__):
        names.append(host)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    return names


@pytest.mark.parametrize(
    "name",
    ["runs/best", "./runs/best", "/runs/best", "~/best", "best", "runs/a/best", "runs/", ".."],
)
def test_a_mistyped_path_is_one_sentence_and_no_request(name, tmp_path, monkeypatch, asked):
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    for look in (find_model, load_checkpoint):
        if os.path.exists(name):
            continue
        with pytest.raises(OrapoError, match="no such folder"):
            look(name)
    assert asked == []


def test_the_hub_is_asked_once_and_only_after_it_was_said(tmp_path):
    """In a process of its own, for the hub's client reads its settings when it is imported."""
    program = """
import socket, sys
asked = []
def hook(event, given):
    if event == "socket.getaddrinfo":
        asked.append(given[0])
sys.addaudithook(hook)
from orapo.errors import OrapoError
from orapo.models.hub import find_model
try:
    find_model("nobody-of-this-name/no-model")
except OrapoError as error:
    print(error, file=sys.stderr)
print(len(asked))
"""
    environment = {key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"}
    # an address of this machine at which nobody listens
    environment |= {"HF_ENDPOINT": "http://localhost:9", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = done.stderr.strip().splitlines()
    assert said[0] == "nobody-of-this-name/no-model: no such folder here; looking on the hub"
    assert "the hub's client can't get it either" in said[-1]
    assert int(done.stdout) <= 2


def test_without_the_hub_a_name_is_one_sentence(caplog, asked):
    with caplog.at_level(logging.WARNING), pytest.raises(OrapoError, match="can't get it either"):
        load_checkpoint("nobody-of-this-name/no-model")
    assert "looking on the hub" in caplog.text
    assert asked == []  # HF_HUB_OFFLINE of these tests
