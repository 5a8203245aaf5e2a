"""Imports run one way, as ARCHITECTURE.md draws it."""

import ast
import graphlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "orapo"
ROOT = PACKAGE.parents[1]
MAP = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
WAYS = re.findall(r"^    ([\w/]+\.py) +(\w+)  ", MAP, flags=re.MULTILINE)
RULES = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
FLOORS, FACTS, ROOMS, EVALUATION, DATA = (contract["layers"] for contract in RULES["contracts"])
INSIDE = {"facts": FACTS, "training": ROOMS, "evaluation": EVALUATION, "data": DATA}
MOST_FILES = 9
"""In a room inside a part, its `__init__` and folders apart."""
SMALL = [
    *(f"training/{room}" for layer in ROOMS for room in layer.split(" | ")),
    *(f"data/{room}" for room in ("films", "sources", "tables")),
    *(f"evaluation/{room}" for room in ("figures", "pages", "plots")),
    "cli/parts",
]


def lint_imports(config, folder):
    """Run import-linter; in this process it would switch off the loggers of all other tests."""
    words = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", config]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True)


def test_imports_run_one_way():
    done = lint_imports(ROOT / "pyproject.toml", ROOT)
    assert done.returncode == 0, done.stdout


def drawn(layers):
    return " -> ".join(layer.replace(" | ", ", ") for layer in layers)


def test_the_map_draws_the_floors():
    assert f"    {drawn(FLOORS)}\n" in MAP


@pytest.mark.parametrize("part", INSIDE)
def test_the_map_draws_the_inside_of_a_part(part):
    assert f"    {part}: {drawn(INSIDE[part])}\n" in MAP


def circle(modules, imports):
    """Return modules that import each other around a circle, or None."""
    try:
        graphlib.TopologicalSorter({name: imports(name) for name in modules}).prepare()
    except graphlib.CycleError as found:
        return found.args[1]
    return None


def test_no_modules_import_each_other_in_a_circle():
    """Imports inside functions and for types alone count: who reads one of them has to read all."""
    graph = grimp.build_graph("orapo", cache_dir=None)
    assert circle(graph.modules, graph.find_modules_directly_imported_by) is None


def test_a_circle_of_late_imports_is_noticed(tmp_path, monkeypatch):
    package = tmp_path / "in_circles"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "images.py").write_text("def late():\n    from in_circles.dicom import read\n")
    (package / "dicom.py").write_text("from in_circles.images import LIMIT\n")
    monkeypatch.syspath_prepend(tmp_path)
    graph = grimp.build_graph("in_circles", cache_dir=None)
    found = circle(graph.modules, graph.find_modules_directly_imported_by)
    assert set(found) == {"in_circles.images", "in_circles.dicom"}


@pytest.mark.parametrize("room", SMALL)
def test_a_room_says_in_a_sentence_what_belongs_there_and_stays_small(room):
    folder = PACKAGE / room
    if not folder.is_dir():
        assert folder.with_suffix(".py").is_file()
        return
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert len(said.splitlines()) == 1
    assert said.endswith(".")
    assert len([path for path in folder.glob("*.py") if path.name[0] != "_"]) <= MOST_FILES


def test_an_import_against_it_is_noticed(tmp_path):
    package = tmp_path / "upside_down"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "cli.py").touch()
    (package / "labels.py").write_text("def late():\n    import upside_down.cli\n")
    config = tmp_path / "rules.ini"
    config.write_text(
        "[importlinter]\nroot_package = upside_down\n[importlinter:contract:1]\nname = x\n"
        "type = layers\ncontainers = upside_down\nlayers =\n    cli\n    labels\n"
    )
    done = lint_imports(config, tmp_path)
    assert done.returncode == 1
    assert "upside_down.labels -> upside_down.cli" in done.stdout


def test_the_map_names_every_part():
    parts = [name for layer in [*FLOORS, *ROOMS] for name in layer.split(" | ")]
    assert [name for name in parts if name not in MAP] == []


def test_three_ways_are_drawn():
    assert len(WAYS) > 30


@pytest.mark.parametrize(("file", "name"), WAYS)
def test_every_place_on_a_way_is_there(file, name):
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    assert name in {getattr(node, "name", None) for node in tree.body}


@pytest.mark.parametrize("file", sorted(set(re.findall(r"`([\w/]+/\w+\.py)`", MAP))))
def test_every_module_of_the_map_is_there(file):
    assert (PACKAGE / file).is_file() or (ROOT / file).is_file()


@pytest.mark.parametrize("heavy", ["torch", "transformers", "trl"])
def test_the_core_never_imports_what_only_training_needs_at_its_top(heavy):
    for part in ("labels.py", "facts", "data", "evaluation", "preferences"):
        place = PACKAGE / part
        for path in [place] if place.is_file() else place.rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in tree.body:
                names = (
                    [alias.name for alias in node.names]
                    if isinstance(node, ast.Import)
                    else [node.module or ""]
                    if isinstance(node, ast.ImportFrom)
                    else []
                )
                assert not any(name.split(".")[0] == heavy for name in names), path


def test_the_map_is_short():
    assert len(MAP.split()) <= 900
