"""Films for the pages: all values of the file's depth, so that a reader can set window and level."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from orapo.data.films.deep_film import made_smaller
from orapo.data.films.images import read_deep
from orapo.serve.decoding import apart
from orapo.serve.limits import Limits
from orapo.serve.uploads import Upload, facts_of_film, in_its_words, request_folder
from orapo.writing import json_text

FILM_HEADER: Final = "Orapo-Film"
VALUES_TYPE: Final = "application/octet-stream"
DESCRIBED_VALUES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Row by row the values, two bytes each, the lower first; bright is dense. Then "
        "the curve, a byte a sample: grey from two window widths below the centre to two above it.",
        "content": {VALUES_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        "headers": {
            FILM_HEADER: {
                "description": "JSON: `columns`, `rows`; `top`, the most that a value can be; "
                "`windows`, centre and width of each, the model's first; `smaller`: how many pixels "
                "of the file a pixel is wide. Of an upload also what /v1/films says.",
                "schema": {"type": "string"},
            }
        },
    }
}


@dataclass(frozen=True)
class Depth:
    """What a page must know to show values.

    Attributes:
        columns: Pixels of a row.
        rows: How many of them.
        top: The most that a value can be.
        windows: Centre and width of each window, as `orapo.data.films.deep_film.DeepFilm` has them.
        smaller: How many pixels of the file a pixel is wide.
    """

    columns: int
    rows: int
    top: int
    windows: tuple[tuple[float, float], ...]
    smaller: int


class _Values(FileResponse):
    """The answer with a film's values; however it ends, their file goes with it."""

    def __init__(self, path: Path, headers: dict[str, str], folder: AsyncExitStack) -> None:
        super().__init__(path, media_type=VALUES_TYPE, headers=headers)
        self._folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._folder.aclose()


async def values_answer(
    films: Executor, limits: Limits, upload: Upload, *, facts: bool
) -> FileResponse:
    """Read a film and answer with its values.

    They come from a file, not from memory: who reads slowly would hold that for long.

    Args:
        films: Where films are read.
        limits: Of time and size.
        upload: The film.
        facts: Whether to say whose it is.

    Raises:
        OrapoError: It can't be read.
    """
    async with AsyncExitStack() as folder:
        into = await folder.enter_async_context(request_folder()) / "values"
        loop = asyncio.get_running_loop()
        seconds, side = limits.film_seconds, limits.film_side
        said = await loop.run_in_executor(
            films, apart, seconds, write_values, upload, into, side, facts
        )
        return _Values(into, {FILM_HEADER: json_text(said)}, folder.pop_all())
    raise AssertionError  # `folder` swallows nothing


def write_values(upload: Upload, into: Path, longest_side: int, facts: bool) -> dict[str, Any]:
    """Write a film's values and curve into a file.

    Args:
        upload: The film.
        into: The file.
        longest_side: In pixels; of larger films squares are averaged.
        facts: Whether to return whose it is.

    Returns:
        What the header says.

    Raises:
        OrapoError: It can't be read, in the words of `Upload.name`.
    """
    with in_its_words(upload):
        film = read_deep(upload.path)
    values, smaller = made_smaller(film.values, longest_side)
    with into.open("wb") as file:
        file.write(np.ascontiguousarray(values, "<u2").data)
        file.write(film.curve.tobytes())
    rows, columns = values.shape
    depth = asdict(Depth(columns, rows, film.top, film.windows, smaller))
    return {**asdict(facts_of_film(upload)), **depth} if facts else depth
