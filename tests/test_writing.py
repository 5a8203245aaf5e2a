"""Files that are written: no link is followed, none is torn, and others read none of them."""

import ast
import math
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import orapo
from orapo.data.resumable import ResumableRows
from orapo.data.tables.writing import write_rows
from orapo.errors import OrapoError, RunFailedError
from orapo.writing import (
    finite_only,
    json_text,
    new_beside,
    open_own,
    remove_leftovers,
    replacing,
    write_bytes,
    write_text,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes and links are POSIX'")


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def target(tmp_path):
    """What a planted link leads to."""
    path = tmp_path / "elsewhere" / "target"
    path.parent.mkdir()
    path.write_text("precious")
    return path


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    return path


@pytest.mark.parametrize("name", [".l.csv.part", ".l.csv.rows", "l.csv"])
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_planted_links_are_not_followed_by_a_table(folder, target, name, link):
    link(target, folder / name)
    rows = ResumableRows(folder / "l.csv", "a")
    rows.add({"study_id": "s"})
    with write_rows(folder / "l.csv", ("study_id",)) as write:
        for row in rows.rows():
            write(row)
    rows.discard()
    assert target.read_text() == "precious"
    assert (folder / "l.csv").read_text() == "study_id\ns\n"
    assert not (folder / "l.csv").is_symlink()


def test_rows_that_a_link_leads_to_are_not_taken_over(folder, tmp_path):
    other = ResumableRows(tmp_path / "l.csv", "a")
    other.add({"study_id": "not ours"})
    other.close()
    (folder / ".l.csv.rows").symlink_to(other.path)
    assert ResumableRows(folder / "l.csv", "a").done == 0
    assert "not ours" in other.path.read_text()


def test_a_dangling_link_makes_no_file_where_it_leads(folder, tmp_path):
    (folder / "a.json").symlink_to(tmp_path / "made")
    write_text(folder / "a.json", "{}")
    assert not (tmp_path / "made").exists()
    assert (folder / "a.json").read_text() == "{}"


def test_names_of_files_under_way_can_t_be_known_beforehand(folder):
    names = {new_beside(folder / "a.csv").name for _ in range(20)}
    assert len(names) == 20
    assert all(name.startswith(".a.csv.") and name.endswith(".part") for name in names)


def test_a_name_as_long_as_a_name_can_be_is_written(folder):
    path = folder / ("n" * 250 + ".json")
    write_text(path, "{}")
    assert path.read_text() == "{}"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_what_is_written_is_its_owners_alone(folder, umask):
    before = os.umask(umask)
    try:
        write_text(folder / "a.json", "{}")
        rows = ResumableRows(folder / "l.csv", "a")
    finally:
        os.umask(before)
    assert mode_of(folder / "a.json") == 0o600
    assert mode_of(rows.path) == 0o600


@pytest.mark.parametrize(("umask", "mode"), [(0o002, 0o660), (0o022, 0o640), (0o077, 0o600)])
def test_a_folder_of_a_group_gives_what_the_umask_leaves_to_it(folder, umask, mode):
    folder.chmod(0o2770)
    before = os.umask(umask)
    try:
        write_text(folder / "a.json", "{}")
    finally:
        os.umask(before)
    assert mode_of(folder / "a.json") == mode


def test_a_file_that_takes_the_place_of_an_older_one_keeps_its_mode(folder):
    path = folder / "a.json"
    path.write_text("old")
    path.chmod(0o644)
    write_text(path, "new")
    assert (path.read_text(), mode_of(path)) == ("new", 0o644)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(folder):
    write_text(folder / "a", "old")

    def half():
        with replacing(folder / "a") as part:
            part.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        half()
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert (folder / "a").read_text() == "old"


def test_a_place_that_can_t_be_written_is_said(folder):
    (folder / "file").write_text("")
    for path in (folder / "file" / "a", folder):
        with pytest.raises(OrapoError, match="can't be written"):
            write_bytes(path, b"")


def test_another_users_file_is_not_opened_as_our_own(folder, monkeypatch):
    (folder / "a").write_text("")
    monkeypatch.setattr(os, "getuid", lambda: os.stat(folder).st_uid + 1)
    with pytest.raises(OSError, match="another's file or a link"):
        open_own(folder / "a", anew=False)


def test_what_a_killed_process_left_can_be_taken_away_and_nothing_else_is(folder):
    kept = [folder / name for name in ("a[1].csv", ".a1.csv.x.part", ".a[1].csv.rows")]
    for path in kept:
        path.write_text("")
    new_beside(folder / "a[1].csv")
    remove_leftovers(folder / "a[1].csv")
    assert sorted(folder.iterdir()) == sorted(kept)
    (folder / "deep").mkdir()
    new_beside(folder / "deep" / "b.png")
    remove_leftovers(folder)
    assert sorted(folder.rglob("*")) == sorted([*kept, folder / "deep"])


@pytest.mark.parametrize("kind", ["pipe", "link to a device"])
def test_a_device_or_pipe_is_no_output_and_stays_what_it_is(folder, kind):
    """As root in a container, `--out /dev/null` would put a file in its place for everybody."""
    out = folder / "out.csv"
    if kind == "pipe":
        os.mkfifo(out)
    else:
        out.symlink_to("/dev/null")
    with pytest.raises(OrapoError, match="is no file that can be written as a whole"):
        write_text(out, "x")
    with pytest.raises(OrapoError, match="is no file"), write_rows(out, ("study_id",)) as write:
        write({"study_id": "a"})
    assert stat.S_ISFIFO(out.stat().st_mode) or out.is_symlink()
    assert list(folder.iterdir()) == [out]


def test_no_writer_makes_a_temporary_name_of_its_own():
    """But those of training, whose rooms are being moved."""
    source = Path(orapo.__file__).parent
    own = subprocess.run(
        ["grep", "-rlE", r'\.part"', "--include=*.py", source], capture_output=True, text=True
    ).stdout.split()
    rooms = {Path(path).relative_to(source).as_posix() for path in own}
    rooms = {path for path in rooms if not path.startswith("training/")}
    folders_and_private_places = {
        *("data/convert.py", "data/phantom/folder.py", "models/base.py"),
        *("evaluation/figures/radeval_runner.py", "writing.py"),
        "models/whole.py",  # training's mark, for whoever may read the weights beside it
    }
    assert rooms <= folders_and_private_places


# ---------------------------------------------------------------- JSON


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_lacks_is_an_error_with_its_place(number):
    with pytest.raises(RunFailedError, match=r"^base\.per_label\.1 is not a finite number"):
        json_text({"base": {"name": "x", "per_label": [0.5, number]}}, indent=1)
    assert json_text([1, 0.5, None, "NaN"]) == '[1, 0.5, null, "NaN"]'
    assert finite_only({"a": [number, (1.5, number)], "b": "x"}) == {
        "a": [None, [1.5, None]],
        "b": "x",
    }


def test_no_module_writes_json_that_could_hold_nan():
    """Python writes NaN and Infinity into JSON unless it is told not to; no other reader takes them."""
    package, careless = Path(orapo.__file__).parent, []
    for path in sorted(package.rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr in ("dump", "dumps")
                and getattr(call.func.value, "id", "") == "json"
                and not any(word.arg == "allow_nan" for word in call.keywords)
            ):
                careless.append(f"{path.relative_to(package)}:{call.lineno}")
    assert not careless, "use orapo.writing.json_text"
