"""Imports run one way, as ARCHITECTURE.md draws it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "orapo"
# From the top down; a layer imports those below it, and layers in one line do not import each other.
LAYERS = (
    ("cli",),
    ("demo", "serve"),
    ("ablation", "export"),
    ("training",),
    ("preferences",),
    ("evaluation", "generation"),
    ("models",),
    ("data",),
    ("facts", "losses"),
    ("labels",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
FREE = {"errors", "paths", "__init__", "__main__"}
"""Anyone may import errors and paths; the entry points import the command line."""


def part_of(module):
    names = module.split(".")
    return names[1] if names[0] == "orapo" and len(names) > 1 else None


def imports():
    for path in sorted(PACKAGE.rglob("*.py")):
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if own in FREE:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                # `from orapo import x` names a part or a public name
                names = [f"orapo.{a.name}" for a in node.names] if node.module == "orapo" else ()
                modules = names or [node.module]
            elif isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                continue
            for module in modules:
                other = part_of(module)
                if other in RANK and other != own:
                    yield path.relative_to(PACKAGE).as_posix(), own, other


def test_every_part_of_the_package_has_its_layer():
    parts = {
        path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix in ("", ".py")
    }
    assert parts - FREE - {"__pycache__"} == set(RANK)


def test_imports_run_one_way():
    wrong = {(path, other) for path, own, other in imports() if RANK[own] >= RANK[other]}
    assert wrong == set()


def test_the_map_names_every_part():
    text = (PACKAGE.parents[1] / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert [name for name in RANK if f"{name}" not in text] == []


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
