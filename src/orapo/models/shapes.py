"""The other task that the tiny base learns to see with: reporting shapes on films.

It trains the vision tower and report language, not radiology: the films show no findings,
and the captions have a report's sentences ("There is a bright disc in the left upper lung. No ring
or arc.") without the name of any finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from orapo.data.phantom.phrases import choose, denials, present

NO_SHAPE: Final = "No shape is seen."
KINDS: Final = ("disc", "ring", "stripe", "pole", "slash", "wedge", "arc", "cloud")
TONES: Final = ("bright", "dark")
CLASSES: Final = 1 + len(KINDS) * len(TONES)
"""Classes of a patch: none, or a kind in a tone."""
_ROWS: Final = ("upper", "mid", "lower")
_COLUMNS: Final = ("right", "middle", "left")  # the patient's right is on the left of the film
_PLACES: Final = ("in the {column} {row} lung", "in the {column} {row} zone")
_MOST_DENIED: Final = 5
_OVERSAMPLING: Final = 4
_COVERED: Final = 0.12
"""A patch belongs to a shape that covers so much of it."""


class ShapePicture(NamedTuple):
    """A film with shapes, what they are, and where."""

    image: Image.Image
    caption: str
    """E.g. ``"There is a bright disc in the left upper lung. No ring or arc is seen."``."""
    patches: NDArray[np.int64]
    """(patches a side, patches a side): class of each patch, 0 for none."""


def with_shapes(film: Image.Image, patch: int, rng: np.random.Generator) -> ShapePicture:
    """Draw none to five shapes on a film.

    Args:
        film: A film without findings, mode ``L``.
        patch: Pixels of a patch's side.
        rng: Source of everything random.
    """
    grid = film.width // patch
    patches = np.zeros((grid, grid), dtype=np.int64)
    cells = sorted(int(cell) for cell in rng.choice(9, size=rng.integers(0, 6), replace=False))
    seen: list[tuple[str, str]] = []
    for cell in cells:
        kind, tone = int(rng.integers(len(KINDS))), int(rng.integers(len(TONES)))
        mask = _mask(KINDS[kind], film.width, divmod(cell, 3), rng)
        shade = Image.new("L", film.size, 235 if tone == 0 else 10)
        strength = rng.uniform(0.25, 0.8)
        film = Image.composite(shade, film, mask.point(lambda value, s=strength: int(value * s)))
        covered = np.asarray(mask.resize((grid, grid), Image.Resampling.BOX)) > 255 * _COVERED
        patches[covered] = 1 + kind * len(TONES) + tone
        row, column = _ROWS[cell // 3], _COLUMNS[cell % 3]
        name = f"{TONES[tone]} {KINDS[kind]}"
        place = choose(rng, _PLACES).format(column=column, row=row)
        seen.append((KINDS[kind], choose(rng, (f"{name} {place}", f"{column} {row} {name}"))))
    return ShapePicture(film, _caption(seen, rng), patches)


def _caption(seen: Sequence[tuple[str, str]], rng: np.random.Generator) -> str:
    """Report the shapes that are there and deny some that are not, in any order."""
    sentences = [present(rng, name) for _, name in seen] or [NO_SHAPE]
    kinds = {kind for kind, _ in seen}
    absent = [kind for kind in KINDS if kind not in kinds]
    count = int(rng.integers(0, _MOST_DENIED + 1))
    denied = [absent[i] for i in rng.permutation(len(absent))][:count]
    sentences += [text for text, _ in denials(rng, denied)]
    return " ".join(sentences[i] for i in rng.permutation(len(sentences)))


def _mask(kind: str, width: int, cell: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Draw one shape, white on black, somewhere in a cell of the 3 x 3 grid."""
    side = width * _OVERSAMPLING
    step = side / 3
    x, y = ((c + 0.5 + rng.uniform(-0.2, 0.2)) * step for c in (cell[1], cell[0]))
    r = step * rng.uniform(0.16, 0.48)
    turn = 1 if rng.random() < 0.5 else -1
    thin = max(_OVERSAMPLING * 0.75, 0.2 * r)
    box = (x - r, y - r, x + r, y + r)
    if kind == "cloud":  # a disc without an edge
        line = np.arange(side, dtype=np.float32)
        square = (line[None] - x) ** 2 + (line[:, None] - y) ** 2
        cloud = (255 * np.exp(-square / (0.9 * r * r))).astype(np.uint8)
        return Image.fromarray(cloud).resize((width, width), Image.Resampling.BOX)
    mask = Image.new("L", (side, side))
    draw = ImageDraw.Draw(mask)
    if kind == "disc":
        draw.ellipse(box, fill=255)
    elif kind == "ring":
        draw.ellipse(box, outline=255, width=round(1.3 * thin))
    elif kind == "stripe":
        draw.rectangle((x - r, y - thin, x + r, y + thin), fill=255)
    elif kind == "pole":
        draw.rectangle((x - thin, y - r, x + thin, y + r), fill=255)
    elif kind == "slash":
        draw.line((x - r, y - turn * r, x + r, y + turn * r), fill=255, width=round(1.5 * thin))
    elif kind == "wedge":
        corner = [(x - turn * r, y + r), (x + turn * r, y + r), (x + turn * r, y - r)]
        draw.polygon(corner, fill=255)
    else:  # arc
        start = int(rng.integers(0, 360))
        draw.arc(box, start, start + 130, fill=255, width=round(1.3 * thin))
    return mask.resize((width, width), Image.Resampling.BOX)
