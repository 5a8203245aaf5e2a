"""Films of a page, as small pictures: inside it while they are few, beside it in a folder beyond."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from PIL import Image

from orapo.data.films.images import read_image
from orapo.errors import OrapoError
from orapo.writing import write_bytes

LONGEST_SIDE: Final = 512
"""Of a picture, in pixels."""
INSIDE_BYTES: Final = 20_000_000
"""Pictures of more bytes than this lie beside the page, or it would open slowly."""
_AT_ONCE: Final = 64
"""Films read ahead."""
_NAME: Final = re.compile(r"[0-9a-f]{32}\.jpg")


def folder_of(page: Path) -> Path:
    """Return where the films of a page lie that are not inside it."""
    return page.with_name(f"{page.stem}_films")


def place_films(
    page: Path,
    films: Sequence[Image.Image | Path | None],
    step: Callable[[str, int, int | None], None] = lambda what, done, total: None,
) -> tuple[list[str | None], int]:
    """Make the pictures of a page.

    A picture beside the page is named by its content, so that an older page, which stays until the
    new one is whole, keeps its own.

    Args:
        page: The page's file.
        films: Of each study, or None.
        step: Told of each film.

    Returns:
        An address of each film, None where there is none or it can't be read; and how many can't be.

    Raises:
        OrapoError: A picture can't be written.
    """
    places: list[str | None] = []
    inside: list[tuple[int, bytes]] = []
    size, unreadable = 0, 0
    for number, (film, picture) in enumerate(zip(films, _pictures(films), strict=True)):
        places.append(None)
        step("films of the page", number + 1, len(films))
        if picture is None:
            unreadable += film is not None
            continue
        size += len(picture)
        inside.append((number, picture))
        if size > INSIDE_BYTES:
            for one, content in inside:
                places[one] = _beside(page, content)
            inside.clear()
    for number, picture in inside:
        places[number] = "data:image/jpeg;base64," + base64.b64encode(picture).decode("ascii")
    return places, unreadable


def remove_others(page: Path, kept: Sequence[str | None]) -> None:
    """Remove the pictures of an older page, now that the new one is written."""
    folder = folder_of(page)
    names = {place.rpartition("/")[2] for place in kept if place and not place.startswith("data:")}
    with suppress(OSError):
        for file in list(folder.iterdir()):
            if _NAME.fullmatch(file.name) and file.name not in names:
                file.unlink()
        if not names:
            folder.rmdir()


def _pictures(films: Sequence[Image.Image | Path | None]) -> Iterator[bytes | None]:
    """Make pictures in threads (Pillow lets go of the interpreter), a few ahead of what is taken."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(films), _AT_ONCE):
            yield from pool.map(_picture, films[start : start + _AT_ONCE])


def _picture(film: Image.Image | Path | None) -> bytes | None:
    if film is None:
        return None
    try:
        grey = read_image(film) if isinstance(film, Path) else film.convert("L")
    except OrapoError:
        return None
    grey.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    buffer = io.BytesIO()
    grey.save(buffer, format="JPEG", quality=80)
    return buffer.getvalue()


def _beside(page: Path, picture: bytes) -> str:
    folder = folder_of(page)
    name = hashlib.sha256(picture).hexdigest()[:32] + ".jpg"
    if not (folder / name).is_file():
        write_bytes(folder / name, picture)
    return f"{quote(folder.name)}/{name}"
