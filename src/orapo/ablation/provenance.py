"""What a result was made of: an earlier call's result is taken over only if that is unchanged.

A stage leaves a record beside its result when it is done: everything the result depends on, and
the seconds it took.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import orapo
from orapo.data.phantom import PHANTOM_VERSION
from orapo.writing import json_text, write_text

PACKAGES: Final = (
    "orapo",
    "torch",
    "transformers",
    "tokenizers",
    "trl",
    "accelerate",
    "numpy",
    "pillow",
)
_CODE: Final = ("labels.py", "losses.py", "data", "facts", "generation", "models", "training")


def surroundings() -> dict[str, Any]:
    """Return what every result depends on beside its own inputs: code, versions, the phantom."""
    return {
        "versions": {name: version(name) for name in PACKAGES},
        "phantom_version": PHANTOM_VERSION,
        "code": _code_digest(),
    }


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_record(path: Path, made_of: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what `write_record` wrote, or None if there is none or it was made of other things."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    # Through JSON, as the record was: tuples have become lists.
    wanted = json.loads(json_text(made_of))
    if not isinstance(record, dict) or record.get("made_of") != wanted or "seconds" not in record:
        return None
    return record


def write_record(path: Path, made_of: Mapping[str, Any], seconds: float) -> None:
    """Say that a result is whole; call it last.

    Args:
        path: Of the record.
        made_of: What the result depends on.
        seconds: What it took.
    """
    record = {"made_of": made_of, "seconds": round(seconds, 1)}
    write_text(path, json_text(record, indent=1))


@cache
def _code_digest() -> str:
    # A checkout's code changes while its version stays: a changed loss must not show old figures.
    root = Path(orapo.__file__).parent
    digest = hashlib.sha256()
    for name in _CODE:
        place = root / name
        files = [place] if place.is_file() else sorted(place.rglob("*"))
        for file in files:
            if file.suffix in (".py", ".toml", ".json"):
                digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()
