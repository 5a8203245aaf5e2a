"""Which files are films, and what no film measures: asked before anything is decoded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from PIL import Image

from orapo.errors import OrapoError

MAX_PIXELS: Final = 100_000_000
"""More pixels than any radiograph has; checked before anything is decoded."""
MIN_SIDE: Final = 16
IMAGE_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
DICOM_SUFFIXES: Final = (".dcm", ".dicom")


def is_dicom(path: Path) -> bool:
    """Say whether a file has DICOM's preamble, or at least its name.

    Raises:
        OrapoError: The file is missing, empty, a folder, or can't be read.
    """
    try:
        if path.is_dir():
            raise OrapoError(f"{path}: is a folder, not an image")
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise OrapoError(f"{path}: is no ordinary file")
        with path.open("rb") as file:
            start = file.read(132)
    except OSError as error:
        raise OrapoError(f"{path}: can't be read ({error.strerror})") from None
    if not start:
        raise OrapoError(f"{path}: the file is empty")
    return start[128:] == b"DICM" or (
        path.suffix.lower() in DICOM_SUFFIXES and not _is_picture(start)
    )


def _is_picture(start: bytes) -> bool:
    return start.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))


def check_size(path: Path, width: int, height: int) -> None:
    """Refuse what no radiograph measures; to be asked before anything is decoded.

    Raises:
        OrapoError: There are too many pixels or too few.
    """
    if width * height > MAX_PIXELS:
        raise OrapoError(
            f"{path}: {width} x {height} pixels are more than the limit of {MAX_PIXELS:,}"
        )
    if min(width, height) < MIN_SIDE:
        raise OrapoError(f"{path}: {width} x {height} pixels are too few for a radiograph")


def check_contrast(path: Path, film: Image.Image) -> None:
    """Refuse a picture of one value: a model would write a report on nothing.

    Raises:
        OrapoError: All pixels are alike.
    """
    low, high = film.getextrema()
    if low == high:
        raise OrapoError(f"{path}: every pixel has the same value; nothing is shown")


def find_images(paths: list[Path]) -> list[Path]:
    """Expand folders to the image files below them, sorted by name.

    DICOM files count too, also those without an ending, as archives write them.

    Raises:
        OrapoError: A path does not exist, or a folder holds no image or can't be opened.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in _files_below(path) if _looks_like_image(file))
            if not inside:
                endings = ", ".join((*IMAGE_SUFFIXES, *DICOM_SUFFIXES))
                raise OrapoError(f"{path}: no image files ({endings}) in it")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise OrapoError(f"{path}: no such file")
    return found


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield all files; a folder that can't be opened ends it, since its films would be missing."""

    def refuse(error: OSError) -> None:
        raise OrapoError(f"{error.filename}: can't be read ({error.strerror})")

    for where, _, names in os.walk(folder, onerror=refuse):
        for name in names:
            yield Path(where, name)


def _looks_like_image(file: Path) -> bool:
    # "._film.png" is what macOS leaves beside a file, and DICOMDIR a list of the others
    if file.name.startswith(".") or file.name.upper() == "DICOMDIR" or not file.is_file():
        return False
    if file.suffix.lower() in (*IMAGE_SUFFIXES, *DICOM_SUFFIXES):
        return True
    try:
        return not file.suffix[1:].isalpha() and is_dicom(file)
    except OrapoError:
        return False
