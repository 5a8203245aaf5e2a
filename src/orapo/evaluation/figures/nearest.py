"""The retrieval row: the training report of the nearest film, by plain pixels.

It uses the film, but no model of it; what a trained model adds to looking up the film
that is most alike is what it adds to this row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from orapo.data.films.images import read_image
from orapo.errors import OrapoError
from orapo.labels import LabelValue

SIDE: Final = 32
BLANK: Final[Mapping[str, LabelValue]] = {}
"""Labels of a film without a neighbour: those of an empty report."""
MOST_FILMS: Final = 10_000
"""Training films that are looked at; of more, as many at even distances."""


def nearest_labels(
    training: Sequence[tuple[Path, str]],
    films: Sequence[Path | None],
    seen: Callable[[], object] = lambda: None,
) -> list[Mapping[str, LabelValue]] | None:
    """Return what FactS reads in the report of each film's nearest training film.

    Args:
        training: N films with their reports.
        films: M films; None for a study without one.
        seen: Called after each film that was read.

    Returns:
        M label vectors, blank where a film has no neighbour; None where none has.
    """
    from orapo.facts import label_report

    places = [index for index, film in enumerate(films) if film is not None]
    if not training or not places:
        return None
    found = nearest_films(
        [film for film, _ in training], [film for film in films if film is not None], seen
    )
    if all(index is None for index in found):
        return None
    labels: list[Mapping[str, LabelValue]] = [BLANK] * len(films)
    for place, index in zip(places, found, strict=True):
        if index is not None:
            labels[place] = label_report(training[index][1]).labels
    return labels


def nearest_films(
    training: Sequence[Path],
    films: Sequence[Path],
    seen: Callable[[], object] = lambda: None,
) -> list[int | None]:
    """Find the nearest training film of each film.

    Films are compared as 32 x 32 grey pixels, each film brought to mean 0 and length 1 (so that
    exposure and contrast do not count), by Euclidean distance.

    Args:
        training: N film files.
        films: M film files.
        seen: Called after each film that was read.

    Returns:
        For each of the M films an index into ``training``; None where it can't be read, and
        everywhere if no training film can.
    """
    from sklearn.neighbors import NearestNeighbors

    step = max(1, -(-len(training) // MOST_FILMS))
    known = [(index, _features(training[index], seen)) for index in range(0, len(training), step)]
    found = [(index, pixels) for index, pixels in known if pixels is not None]
    asked = [_features(film, seen) for film in films]
    readable = [pixels for pixels in asked if pixels is not None]
    if not found or not readable:
        return [None] * len(films)
    index = NearestNeighbors(n_neighbors=1).fit(np.stack([pixels for _, pixels in found]))
    places = iter(index.kneighbors(np.stack(readable), return_distance=False)[:, 0])
    return [None if pixels is None else found[next(places)][0] for pixels in asked]


def _features(film: Path, seen: Callable[[], object]) -> NDArray[np.float32] | None:
    try:
        grey = read_image(film).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    except OrapoError:
        return None
    finally:
        seen()
    pixels: NDArray[np.float32] = np.asarray(grey, dtype=np.float32).ravel()
    pixels = pixels - pixels.mean()
    length = float(np.linalg.norm(pixels))
    return pixels / length if length else pixels
