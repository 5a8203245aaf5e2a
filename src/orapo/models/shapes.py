"""The other task that the tiny base learns to see with: naming shapes on films without findings.

It teaches eyes, not radiology: no finding is ever drawn in these pictures and no word of a report
stands in their captions.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image, ImageDraw

SHAPE_PROMPT: Final = "Name the shapes."
NO_SHAPE: Final = "none."
_OVERSAMPLING: Final = 4
_KINDS: Final = ("disc", "ring", "square", "triangle", "stripe", "pole", "wedge", "cloud")
_TONES: Final = ("bright", "dark")
_ROWS: Final = ("top", "middle", "bottom")
_COLUMNS: Final = ("west", "centre", "east")


def with_shapes(film: Image.Image, rng: np.random.Generator) -> tuple[Image.Image, str]:
    """Draw none to three shapes on a film, and name them.

    Args:
        film: A film without findings, mode ``L``.
        rng: Source of everything random.

    Returns:
        The picture (mode ``L``) and its caption, e.g. ``"bright disc top west. dark pole bottom
        centre."``; shapes in reading order.
    """
    cells = sorted(rng.choice(9, size=rng.integers(0, 4), replace=False))
    names = []
    for cell in cells:
        kind, tone = str(rng.choice(_KINDS)), str(rng.choice(_TONES))
        film = _paste(film, kind, tone, divmod(int(cell), 3), rng)
        names.append(f"{tone} {kind} {_ROWS[cell // 3]} {_COLUMNS[cell % 3]}.")
    return film, " ".join(names) or NO_SHAPE


def _paste(
    film: Image.Image, kind: str, tone: str, cell: tuple[int, int], rng: np.random.Generator
) -> Image.Image:
    side = film.width * _OVERSAMPLING
    mask = Image.new("L", (side, side))
    draw = ImageDraw.Draw(mask)
    step = side / 3
    x, y = ((c + 0.5 + rng.uniform(-0.15, 0.15)) * step for c in (cell[1], cell[0]))
    r = step * rng.uniform(0.2, 0.42)
    thin = max(_OVERSAMPLING, 0.25 * r)
    box = (x - r, y - r, x + r, y + r)
    if kind == "disc":
        draw.ellipse(box, fill=255)
    elif kind == "ring":
        draw.ellipse(box, outline=255, width=round(max(_OVERSAMPLING, 0.3 * r)))
    elif kind == "square":
        draw.rectangle(box, fill=255)
    elif kind == "triangle":
        draw.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=255)
    elif kind == "stripe":
        draw.rectangle((x - r, y - thin, x + r, y + thin), fill=255)
    elif kind == "pole":
        draw.rectangle((x - thin, y - r, x + thin, y + r), fill=255)
    elif kind == "wedge":
        corner = 1 if rng.random() < 0.5 else -1
        draw.polygon([(x - corner * r, y + r), (x + corner * r, y + r), (x + corner * r, y - r)], 255)
    else:  # a cloud: a disc without an edge
        grid = np.arange(side, dtype=np.float32)
        square = (grid[None] - x) ** 2 + (grid[:, None] - y) ** 2
        mask = Image.fromarray((255 * np.exp(-square / (1.2 * r * r))).astype(np.uint8))
    mask = mask.resize(film.size, Image.Resampling.BOX)
    strength = rng.uniform(0.35, 0.8)
    shade = Image.new("L", film.size, 235 if tone == "bright" else 10)
    return Image.composite(shade, film, mask.point(lambda value: int(value * strength)))
