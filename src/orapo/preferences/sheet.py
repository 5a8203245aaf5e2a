"""The sheet in a folder: what raters get, as JSON lines and as a table to be filled by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from orapo.data.tables.writing import no_formula, write_rows
from orapo.errors import OrapoError
from orapo.preferences.pairing import Sheet
from orapo.preferences.records import Pair, PairKey, read_key, read_sheet, write_key, write_sheet
from orapo.writing import json_text, write_text

SHEET: Final = "sheet.jsonl"
TABLE: Final = "sheet.csv"
KEY: Final = "key.jsonl"
SUMMARY: Final = "make.json"
ANSWER_COLUMNS: Final = ("rater", "choice", "reason", "seconds")
_SHOWN_COLUMNS: Final = ("pair", "study_id", "images", "left", "right")


def check_new(folder: Path) -> None:
    """Refuse a folder that holds a sheet: judgements that were given on it would be lost.

    Raises:
        OrapoError: It does, or it is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise OrapoError(f"{folder}: expected a folder, this is a file")
    for name in (SHEET, TABLE, KEY):
        if (folder / name).exists():
            raise OrapoError(
                f"{folder / name}: there is a sheet already, which may have been judged; give "
                "another folder to --out"
            )


def write_sheet_folder(folder: Path, sheet: Sheet, summary: Mapping[str, Any]) -> None:
    """Write all files of a sheet; the summary last, so that it says that the rest is whole.

    Raises:
        OrapoError: The folder can't be written.
    """
    write_key(folder / KEY, sheet.keys)
    write_sheet(folder / SHEET, sheet.pairs)
    _write_table(folder / TABLE, sheet.pairs)
    write_json(folder / SUMMARY, summary)


def read_sheet_folder(folder: Path) -> tuple[dict[str, Pair], dict[str, PairKey]]:
    """Read sheet and key, which must be of the same pairs.

    Raises:
        OrapoError: A file is missing or broken, or they are not.
    """
    if not folder.is_dir():
        raise OrapoError(f"{folder}: no such folder; it is what orapo preferences make wrote")
    pairs, keys = read_sheet(folder / SHEET), read_key(folder / KEY)
    for here, there, name in ((pairs, keys, KEY), (keys, pairs, SHEET)):
        if lacking := [pair for pair in here if pair not in there]:
            raise OrapoError(f"{folder / name}: lacks pair {lacking[0]}; sheet and key don't match")
    for name, pair in pairs.items():
        if keys[name].study_id != pair.study_id:
            raise OrapoError(f"{folder / KEY}: pair {name} is of another study than in {SHEET}")
    return pairs, keys


def _write_table(path: Path, pairs: Sequence[Pair]) -> None:
    with write_rows(path, (*_SHOWN_COLUMNS, *ANSWER_COLUMNS)) as write:
        for pair in pairs:
            shown = {
                "pair": pair.pair,
                "study_id": pair.study_id,
                "images": ";".join(image.as_posix() for image in pair.images),
                "left": pair.left,
                "right": pair.right,
            }
            write({name: no_formula(text) for name, text in shown.items()})


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file; an older one stays whole until the new one is.

    Raises:
        OrapoError: It can't be written.
    """
    write_text(path, json_text(values, indent=2) + "\n")
