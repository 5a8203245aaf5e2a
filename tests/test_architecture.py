"""Imports run one way, as ARCHITECTURE.md draws it."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "orapo"
ROOT = PACKAGE.parents[1]
MAP = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
WAYS = re.findall(r"^    ([\w/]+\.py) +(\w+)  ", MAP, flags=re.MULTILINE)
RULES = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
(ONE_WAY,) = RULES["contracts"]


def lint_imports(config, folder):
    """Run import-linter; in this process it would switch off the loggers of all other tests."""
    words = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", config]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True)


def test_imports_run_one_way():
    done = lint_imports(ROOT / "pyproject.toml", ROOT)
    assert done.returncode == 0, done.stdout


def test_the_map_draws_the_same_way():
    drawn = [layer.replace(" | ", ", ") for layer in ONE_WAY["layers"]]
    assert " -> ".join(drawn) in MAP


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
    parts = [name for layer in ONE_WAY["layers"] for name in layer.split(" | ")]
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
