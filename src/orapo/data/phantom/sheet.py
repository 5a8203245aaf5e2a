"""A contact sheet: films side by side, each with the names of its findings."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from orapo.data.phantom.findings import DrawnFinding
from orapo.data.phantom.study import PhantomStudy
from orapo.errors import OrapoError

_SMALLEST_TILE = 160
_GAP = 6
_PAPER = 255
_INK = 30


def contact_sheet(studies: Sequence[PhantomStudy], columns: int) -> Image.Image:
    """Lay films out in rows, with what is drawn under each.

    Args:
        studies: The studies, of one film size; small films are enlarged by a whole factor, so that
            the pixels stay visible.
        columns: Films a row.

    Returns:
        A grey image, mode ``L``.

    Raises:
        OrapoError: There is no study or no column.
    """
    if not studies or columns < 1:
        raise OrapoError("a contact sheet needs at least one study and one column")
    size = studies[0].image.width
    tile = size * max(1, math.ceil(_SMALLEST_TILE / size))
    font = ImageFont.load_default(max(10, tile // 17))
    line = round(1.25 * font.getbbox("Ag")[3])
    captions = [[describe(one) for one in study.drawn] or ["normal"] for study in studies]
    columns = min(columns, len(studies))
    text_height = line * max(len(caption) for caption in captions) + _GAP
    rows = math.ceil(len(studies) / columns)
    sheet = Image.new(
        "L", (columns * (tile + _GAP) + _GAP, rows * (tile + text_height + _GAP) + _GAP), _PAPER
    )
    draw = ImageDraw.Draw(sheet)
    for number, (study, caption) in enumerate(zip(studies, captions, strict=True)):
        x = _GAP + (number % columns) * (tile + _GAP)
        y = _GAP + (number // columns) * (tile + text_height + _GAP)
        sheet.paste(study.image.resize((tile, tile), Image.Resampling.NEAREST), (x, y))
        for row, text in enumerate(caption):
            while draw.textlength(text, font=font) > tile:
                text = text[:-2].rstrip() + "."
            draw.text((x, y + tile + row * line), text, fill=_INK, font=font)
    return sheet


def describe(finding: DrawnFinding) -> str:
    """Return a finding in a few words: label, severity, side, place, and a ? if uncertain."""
    if finding.label == "Support Devices":
        words = [finding.side, finding.place]
    else:
        words = [finding.label, finding.severity, finding.side, finding.place]
    return " ".join(word for word in words if word) + ("?" if finding.uncertain else "")
