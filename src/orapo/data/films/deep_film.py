"""A film at the depth of its file, and how its values become the 8 bits that a model gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

CURVE_SPAN: Final = 2.0
"""A curve reaches that many window widths to each side of the centre."""
CURVE_STEPS: Final = 4096


@dataclass(frozen=True)
class DeepFilm:
    """Values of a film, bright is dense, and the look by which `read_image` gives 8 bits of them.

    Attributes:
        values: (rows, columns) uint16, from 0.
        top: The most that a value can be.
        windows: Centre and width of each window of the file, in these values and as DICOM counts
            them: from ``centre - 0.5 - (width - 1) / 2`` on. The first is the model's.
        curve: (`CURVE_STEPS` + 1,) uint8: the grey of values from `CURVE_SPAN` window widths
            (less one) below the centre to as many above it; straight within the window unless the
            file says otherwise.
    """

    values: np.ndarray
    top: int
    windows: tuple[tuple[float, float], ...]
    curve: np.ndarray


def curve_places() -> np.ndarray:
    """Return where a curve is sampled, in window widths from the centre."""
    return np.linspace(-CURVE_SPAN, CURVE_SPAN, CURVE_STEPS + 1)


def straight_curve() -> np.ndarray:
    """Return the curve of a window that is black at one end, white at the other, straight between."""
    return np.rint(np.clip(curve_places() + 0.5, 0, 1) * 255).astype(np.uint8)


def window_between(low: float, high: float) -> tuple[float, float]:
    """Return centre and width of the window that is black at a value and white at another."""
    return (low + high + 1) / 2, high - low + 1


def strips(values: np.ndarray) -> Iterator[slice]:
    """Yield the rows of a picture in parts that fit a processor's cache."""
    height = max(1, 2**16 // values.shape[1])
    for start in range(0, len(values), height):
        yield slice(start, start + height)


def made_smaller(values: np.ndarray, longest_side: int) -> tuple[np.ndarray, int]:
    """Return values whose sides are no longer, each the mean of a square, and the square's side."""
    side = -(-max(values.shape) // longest_side)
    if side == 1:
        return values, side
    rows, columns = (length // side for length in values.shape)
    smaller = np.empty((rows, columns), np.uint16)
    for row in range(rows):  # a row at a time, in place of many large arrays
        strip = values[row * side : (row + 1) * side, : columns * side]
        smaller[row] = np.rint(strip.reshape(side, columns, side).mean((0, 2)))
    return smaller, side
