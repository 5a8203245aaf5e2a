"""ReXGradient-160K: one JSON object a split, study by study, and PNG films in a tree of folders.

As it is published (arXiv 2505.00228): ``metadata/{train,valid,test}_metadata_view_position.json`` holds
under each study's name ``Indication``, ``Comparison``, ``Findings``, ``Impression``, ``PatientID``,
``AccessionNumber``, ``StudyInstanceUid``, ``PatientAge`` ("061Y", "002D"), ``PatientSex``,
``EthnicGroup``, ``StudyDate`` (20200102), and lists of one length, a film each: ``ImagePath``
(``../deid_png/...``), ``ImageViewPosition``, ``ImageBodyPart``, ``ImageModality`` and ``ImageShape``.
What is not known is ``None``, "None", "N/A", "UNKNOWN" or NaN. The films come as ten archives, which are
unpacked to ``deid_png/<PatientID>/<AccessionNumber>/studies/.../<SopInstanceUid>.png``, beside
``metadata`` or, where that was fetched into a folder of its own, beside this one. The CSV tables name no
film.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from orapo.data.films.body_part import other_part
from orapo.data.loaded import Loaded, LoadOptions, Place, ViewImage
from orapo.data.sources.loading import Loading, sex_of, view_of
from orapo.data.study import joined_report
from orapo.errors import OrapoError

SOURCE: Final = "rexgradient"
FOLDER: Final = "metadata"
_FOLDERS: Final = (FOLDER, f"download/{FOLDER}")
IMAGES: Final = "deid_png"
ENDING: Final = "_metadata_view_position.json"
SPLITS: Final = ("train", "valid", "test")
_TEXTS: Final = ("Findings", "Impression", "Indication", "Comparison")
_AGE: Final = re.compile(r"(\d{1,3})([YMWD])?")
_PER_YEAR: Final = {"Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}
_FRONTAL: Final = ("POSTERO_ANTERIOR", "ANTERO_POSTERIOR", "AP", "PA", "AP AXIAL")
_NO_CHEST: Final = ("KUB",)
"""Projections that are of no chest, whatever part is named: kidneys, ureters, bladder."""


def load_rexgradient(path: Path, options: LoadOptions) -> Loaded:
    """Load ReXGradient-160K.

    The report is findings and impression, the two sections that ReXrank scores; where one says "None"
    it is empty. There are no labels: FactS reads them.

    Args:
        path: Its folder, the folder ``metadata`` in it, or one of the three JSON files.
        options: ``images`` is the folder ``deid_png``, if it lies elsewhere; ``body_part`` whether
            films stay that the table calls those of another part of the body.

    Raises:
        OrapoError: None of the files is there, or one can't be read at all, or the folder of the films
            is not found.
    """
    tables = _tables(path)
    root = options.images or _films(tables[0].parent, options.check_files)
    loading = Loading(SOURCE, options)
    for table in tables:
        split = table.name.removesuffix(ENDING)
        for place, entry in loading.rows(table, kind=".json"):
            _add(loading, place, entry, split, root)
    return loading.finish(*tables)


def _tables(path: Path) -> list[Path]:
    if path.is_file():
        if not path.name.endswith(ENDING):
            raise OrapoError(
                f"{path}: expected a file *{ENDING}; the CSV tables of ReXGradient name no film"
            )
        return [path]
    folder = next((path / name for name in _FOLDERS if (path / name).is_dir()), path)
    found = [folder / f"{split}{ENDING}" for split in SPLITS]
    there = [table for table in found if table.is_file()]
    if not there:
        raise OrapoError(f"{path}: holds none of {', '.join(table.name for table in found)}")
    return there


def _films(folder: Path, needed: bool) -> Path:
    """Return the folder of the films, beside that of the tables or one further up."""
    above = folder.absolute().parents[:2]
    for place in above:
        if (place / IMAGES).is_dir():
            return place / IMAGES
    if needed:
        raise OrapoError(
            f"{folder}: no folder {IMAGES} in {' or '.join(map(str, above))}; the films' archives are "
            "unpacked to it, or name it with --image-root"
        )
    return above[0] / IMAGES


def _add(loading: Loading, place: Place, entry: Mapping[str, Any], split: str, root: Path) -> None:
    before = loading.faults
    study_id = loading.identifier(place, entry.get("study_id") or entry.get("id"), "id")
    patient = entry.get("PatientID")
    patient_id = "" if patient in (None, "") else loading.identifier(place, patient, "PatientID")
    texts = {name: loading.text(place, entry.get(name), name) for name in _TEXTS}
    sections = {name: joined_report(text, "") for name, text in texts.items()}  # "None" is none
    images = _images(loading, place, entry, root)
    if loading.faults > before or images is None:
        return
    named: dict[str, Any] = {name.lower(): text for name, text in sections.items()}
    date = str(entry.get("StudyDate") or "")
    loading.add(
        place,
        study_id,
        images,
        None,
        when=date if date.isdecimal() and len(date) == 8 else "",
        patient_id=patient_id,
        report=joined_report(sections["Findings"], sections["Impression"]),
        **named,
        age=_age(loading, place, entry.get("PatientAge")),
        sex=sex_of(entry.get("PatientSex") or ""),
        split="validate" if split == "valid" else split,
    )


def _images(
    loading: Loading, place: Place, entry: Mapping[str, Any], root: Path
) -> list[ViewImage] | None:
    """Return the study's films; None if all of them are of another part of the body."""
    paths, views = entry.get("ImagePath"), entry.get("ImageViewPosition")
    if not isinstance(paths, list) or not paths:
        loading.wrong(place, "ImagePath must be a list of paths", "wrong_type")
        return []
    if not isinstance(views, list) or len(views) != len(paths):
        sentence = "ImageViewPosition must be a list as long as ImagePath; no view is known"
        loading.wrong(place, sentence, "wrong_type", fatal=False)
        views = [""] * len(paths)
    parts = entry.get("ImageBodyPart")
    if not isinstance(parts, list) or len(parts) != len(paths):
        parts = [""] * len(paths)
    found, others = [], 0
    for path, view, part in zip(paths, views, parts, strict=True):
        position = str(view or "").upper().strip()
        other = position if position in _NO_CHEST else other_part(str(part or ""))
        if other and loading.options.body_part == "chest":
            others += 1
            loading.other_body_part(place, other)
            continue
        text = str(path).replace("\\", "/").removeprefix("../").removeprefix(f"{IMAGES}/")
        whole = loading.inside(place, root, text)
        if whole is not None and loading.there(place, whole, text):
            found.append(ViewImage(whole, "frontal" if position in _FRONTAL else view_of(position)))
    return None if others == len(paths) else found


def _age(loading: Loading, place: Place, value: object) -> float | None:
    """Return years of "061Y", "011M", or a number of years."""
    match = _AGE.fullmatch(str(value or "").strip().upper())
    if match and match[2]:
        return loading.age(place, round(int(match[1]) / _PER_YEAR[match[2]], 2))
    return loading.age(place, value)
