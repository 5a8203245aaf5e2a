"""How a radiograph's stored values become grey: rescale, window or table, padding, MONOCHROME1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut
from pydicom.pixels.processing import apply_windowing

from orapo.data.films.deep_film import DeepFilm, curve_places, strips, window_between
from orapo.data.films.image_files import check_contrast
from orapo.errors import OrapoError

PERCENTILES: Final = (0.5, 99.5)
"""What becomes black and white where a file says no window; collimator and marks lie outside."""
_MOST_WINDOWS: Final = 8
_FAR: Final = 1000
"""A window that is so many times as far or wide as all values shows nothing."""


@dataclass(frozen=True)
class Look:
    """How stored values become grey.

    Attributes:
        seen: Of each value that can be stored, what it stands for.
        padding: Of each, whether it stands for no measurement.
        ends: Of its window, in what is seen; None for the file's own.
        grey: From what is seen to 0 to 255, before MONOCHROME1 is inverted.
    """

    seen: np.ndarray
    padding: np.ndarray
    ends: tuple[float, float] | None
    grey: Callable[[np.ndarray], np.ndarray]


def seen_through(path: Path, dataset: Dataset, stored: np.ndarray) -> tuple[Look, Image.Image]:
    """Look up the grey value of each stored value: faster than computing it for each pixel.

    Args:
        path: The file, for messages.
        dataset: Its header.
        stored: Its values, as unsigned numbers.

    Returns:
        How values become grey, and the film, mode ``L``.

    Raises:
        OrapoError: A table is broken, or all of the film is alike.
    """
    bits = int(dataset.get("BitsStored") or dataset.BitsAllocated)
    values = np.arange(2**bits)
    signed = int(dataset.get("PixelRepresentation") or 0) == 1
    if signed:
        values = np.where(values >= 2 ** (bits - 1), values - 2**bits, values)
    if dataset.get("ModalityLUTSequence"):
        seen, _ = _by_table(path, dataset, "ModalityLUTSequence", values)
    else:
        seen = apply_modality_lut(values, dataset)
    padding = _padding(dataset, values, bits)

    def looked_up(grey: np.ndarray) -> Image.Image:
        grey = 255 - grey if dataset.PhotometricInterpretation == "MONOCHROME1" else grey
        table = (np.where(padding, 0, grey) + 0.5).astype(np.uint8)
        film = np.empty(stored.shape, np.uint8)
        for rows in strips(stored):  # numpy makes 8-byte indices of all that it is given
            np.take(table, stored[rows], out=film[rows], mode="clip")
        return Image.fromarray(film)

    if (grey := _windowed(path, dataset, seen)) is not None:
        film = looked_up(grey)
        low, high = film.getextrema()
        if low != high:

            def windowed(wanted: np.ndarray) -> np.ndarray:
                found = _windowed(path, dataset, wanted, seen.max())
                assert found is not None  # its faults were the header's
                return found

            return Look(seen, padding, None, windowed), film
    if bits == 8 and not signed and (seen == values).all():
        low, high = 0.0, 255.0
    else:
        counts = np.zeros(2**bits, np.int64)
        for rows in strips(stored):
            counts += np.bincount(stored[rows].ravel(), minlength=2**bits)
        low, high = _stretched(seen, counts * ~padding)

    def stretched(wanted: np.ndarray) -> np.ndarray:
        return np.clip((wanted - low) * (255 / max(high - low, 1e-9)), 0, 255)

    film = looked_up(stretched(seen))
    check_contrast(path, film)
    return Look(seen, padding, (low, high), stretched), film


def deep_film(dataset: Dataset, stored: np.ndarray, look: Look) -> DeepFilm:
    """Count what is seen from 0 on, in the file's own steps, bright is dense.

    Args:
        dataset: The header.
        stored: The values, as unsigned numbers.
        look: How they become grey.
    """
    low, high = float(look.seen.min()), float(look.seen.max())
    if not np.isfinite([low, high]).all():
        raise ValueError("no finite rescale")  # `careful` says which file
    if dataset.get("ModalityLUTSequence"):
        top = max(1, min(2**16 - 1, round(high - low)))
    else:
        top = len(look.seen) - 1
    step = (high - low) / top
    numbers = np.rint((look.seen - low) / step).astype(np.int64)
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    numbers = top - numbers if inverted else numbers
    table = np.where(look.padding, 0, numbers).astype(np.uint16)
    values = np.empty(stored.shape, np.uint16)
    for rows in strips(stored):
        np.take(table, stored[rows], out=values[rows], mode="clip")

    def counted(ends: tuple[float, float]) -> tuple[float, float]:
        first, last = sorted(
            (top - end if inverted else end) for end in np.subtract(ends, low) / step
        )
        return window_between(first, last)

    of_file = _window_ends(dataset, high)
    looks = [look.ends or of_file[0], *of_file[1:]]
    # a window of no width is a threshold; the page has none
    looks = [((a + b - step) / 2, (a + b + step) / 2) if b - a < step else (a, b) for a, b in looks]
    (first, last), places = looks[0], curve_places()
    curve = look.grey((first + last) / 2 + places * (last - first))
    curve = 255 - curve[::-1] if inverted else curve
    windows = [counted(ends) for ends in looks]
    sound = [one for one in windows[1:_MOST_WINDOWS] if max(abs(one[0]), one[1]) < _FAR * top]
    return DeepFilm(values, top, (windows[0], *sound), (curve + 0.5).astype(np.uint8))


def _window_ends(dataset: Dataset, most: float) -> list[tuple[float, float]]:
    """Say where the windows of a file begin and end, or its VOI table, in what is seen."""
    if dataset.get("VOILUTSequence"):
        count, first, _ = (int(number) for number in dataset.VOILUTSequence[0].LUTDescriptor)
        first = _signed_first(first, most)
        return [(first, first + (count % 2**16 or 2**16) - 1)]
    found = []
    try:
        centres, widths = (
            np.atleast_1d(np.asarray(dataset.get(name), np.float64))
            for name in ("WindowCenter", "WindowWidth")
        )
    except (ValueError, TypeError):  # no numbers
        return []
    for centre, width in zip(centres, widths, strict=False):
        if str(dataset.get("VOILUTFunction") or "LINEAR") == "LINEAR":
            centre, width = centre - 0.5, width - 1
        if np.isfinite(centre) and np.isfinite(width) and width >= 0:
            found.append((float(centre - width / 2), float(centre + width / 2)))
    return found


def _padding(dataset: Dataset, values: np.ndarray, bits: int) -> np.ndarray:
    """(2^bits,) bool: the values that stand for no measurement."""
    first = dataset.get("PixelPaddingValue")
    if not isinstance(first, int):
        return np.zeros(len(values), bool)
    last = dataset.get("PixelPaddingRangeLimit")
    ends = [
        v if values.min() < 0 else v % 2**bits for v in (first, first if last is None else last)
    ]
    return (values >= min(ends)) & (values <= max(ends))


def _windowed(
    path: Path, dataset: Dataset, seen: np.ndarray, most: float | None = None
) -> np.ndarray | None:
    """Grey values from 0 to 255 by the file's own window or table; None if it has none that works.

    `most` is the most that the file's values are, where `seen` are others.
    """
    if dataset.get("VOILUTSequence"):
        entries, top = _by_table(path, dataset, "VOILUTSequence", seen, most)
        return None if entries.min() == entries.max() else entries * (255 / top)
    try:
        if "WindowCenter" in dataset and "WindowWidth" in dataset:
            # Where the window ends is what becomes of values far outside it.
            far = np.array([-1e12, 1e12])
            with np.errstate(over="ignore"):
                grey = apply_windowing(np.concatenate([seen, far]), dataset)
            low, high = grey[-2:]
            grey = grey[:-2]
        else:
            return None
    except (ValueError, TypeError, AttributeError, IndexError, KeyError):
        return None  # a window of no width, an unknown function
    if low == high or not np.isfinite(grey).all():
        return None
    return np.clip((grey - low) * (255 / (high - low)), 0, 255)


def _by_table(
    path: Path, dataset: Dataset, name: str, values: np.ndarray, most: float | None = None
) -> tuple[np.ndarray, int]:
    """Look values up in the first table of a sequence, and say the most that an entry can be.

    pydicom's own functions count entries in as many bits as these have, so that a table of 8 bits
    begins anew at its 257th, and take no table of 8 bits that stand two in a word.
    """
    item = dataset[name][0]
    try:
        count, first, depth = (int(number) for number in item.LUTDescriptor)
        data = item["LUTData"].value
        if not isinstance(data, bytes):
            data = np.atleast_1d(np.asarray(data, np.int64) % 2**16).astype("<u2").tobytes()
        elif item["LUTData"].VR != "OB" and dataset.original_encoding[1] is False:
            data = np.frombuffer(data, ">u2").astype("<u2").tobytes()
    except (ValueError, TypeError, AttributeError, KeyError):
        raise OrapoError(f"{path}: its {name} is broken (description or data)") from None
    count = count % 2**16 or 2**16
    if len(data) in (count, count + count % 2) and depth == 8:
        table = np.frombuffer(data, np.uint8, count)
    elif len(data) == 2 * count:
        table = np.frombuffer(data, "<u2")
    else:
        raise OrapoError(
            f"{path}: its {name} is broken ({len(data):,} bytes are not {count:,} entries "
            f"of {depth} bits)"
        )
    if not (depth == 8 or 10 <= depth <= 16) or table.max() >= 2**depth:
        raise OrapoError(f"{path}: its {name} is broken (entries are not of {depth} bits)")
    first = _signed_first(first, values.max() if most is None else most)
    places = np.rint(values).astype(np.int64) - first
    return table[places.clip(0, count - 1)].astype(np.int64), 2**depth - 1


def _signed_first(first: int, most: float) -> int:
    """Say where a table begins: a negative number may be written where an unsigned one stands."""
    return first - 2**16 if first >= 2**15 and first > most else first


def _stretched(seen: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Say what becomes black and what white where a file has no window."""
    order = np.argsort(seen, kind="stable")
    share = np.cumsum(counts[order]) / max(counts.sum(), 1)
    places = np.searchsorted(share, np.array(PERCENTILES) / 100)
    low, high = seen[order][places.clip(max=len(seen) - 1)]
    if low == high:  # hardly anything but background: all that there is
        there = seen[counts > 0]
        low, high = there.min(initial=low), there.max(initial=low)
    return float(low), float(high)
