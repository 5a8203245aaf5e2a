"""One process at a time in a folder."""

import logging
import subprocess
import sys

import pytest

from orapo import OrapoError
from orapo.locking import locked

HOLD = """
import sys
from pathlib import Path
from orapo.locking import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds a folder until it is killed."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "folder")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_folder_that_another_process_holds_is_refused_until_that_is_killed(holder, tmp_path):
    with (
        pytest.raises(OrapoError, match="folder: busy there"),
        locked(tmp_path / "folder", "busy there"),
    ):
        raise AssertionError("held twice")
    holder.kill()
    holder.wait()
    with locked(tmp_path / "folder", "busy there"):
        pass


def test_the_same_folder_by_another_path_is_the_same(holder, tmp_path):
    (tmp_path / "other").symlink_to(tmp_path)
    with pytest.raises(OrapoError, match="busy"), locked(tmp_path / "other" / "folder", "busy"):
        raise AssertionError("held twice")


def test_who_waits_says_so_and_goes_on_when_the_other_ends(holder, tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.WARNING)
    ends = logging.Handler()
    ends.emit = lambda record: holder.kill()
    logger = logging.getLogger("orapo.locking")
    logger.addHandler(ends)
    try:
        with locked(tmp_path / "folder"):
            assert "waiting for another process" in caplog.text
            assert str(tmp_path) not in caplog.text
    finally:
        logger.removeHandler(ends)


def test_nothing_is_left_in_the_folder_and_it_need_not_exist(tmp_path):
    with locked(tmp_path / "none"):
        assert not (tmp_path / "none").exists()
    with locked(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_an_error_inside_frees_it(tmp_path):
    with pytest.raises(ValueError, match="inside"), locked(tmp_path):
        raise ValueError("inside")
    with locked(tmp_path, "busy"):
        pass
