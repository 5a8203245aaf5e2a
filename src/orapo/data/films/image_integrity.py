"""Whether an image file holds its whole picture: decoders fill up what is missing, and say nothing.

Half a film that is passed on teaches that half a chest is black. Each check here answers one way in
which a file can be cut, or left unwritten, without a decoder's complaint.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import simplejpeg
from PIL import Image, ImageFile, TiffImagePlugin

from orapo.errors import OrapoError

_END_WITHIN: Final = 64
"""Bytes; some programs write a few of their own after a JPEG picture's end, as in DICOM."""
_PIECE: Final = 1 << 20
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Of PNG's colour types."""
_PASSES: Final = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
)  # fmt: skip
"""Of an interlaced PNG: first column, first row, step of columns, step of rows."""
_LOSSES: Final = ("Corrupt JPEG data", "Premature end", "Inconsistent progression")
"""How libjpeg's warnings begin that say that a part of the picture was made up."""


def check_sums(path: Path) -> None:
    """Compare the check sums of a PNG file, which Pillow skips when it decodes.

    Without this a file whose end was never written (zeros, as a broken download leaves them) would
    be passed on with its lower part black.
    """
    with Image.open(path, formats=("PNG",)) as image:
        image.verify()


def check_rows(path: Path, image: Image.Image) -> None:
    """Refuse a PNG whose data end before its last row, though all its check sums are right.

    Pillow leaves the rows that don't come black, so only a picture that ends black is counted.

    Args:
        path: The file.
        image: As it was decoded, before any conversion.

    Raises:
        OrapoError: Rows are missing.
    """
    last = np.asarray(image.crop((0, image.height - 2, image.width, image.height)))
    if last.reshape(2, -1).any(axis=1).all():
        return
    with path.open("rb") as file:
        width, height, depth, colours, _, _, interlaced = struct.unpack(
            ">IIBBBBB", file.read(29)[16:]
        )
    wanted = 0
    for x, y, across, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - x) // across), -(-(height - y) // down)
        if columns > 0 and rows > 0:
            wanted += rows * (1 + (columns * depth * _CHANNELS[colours] + 7) // 8)
    inflate, there = zlib.decompressobj(), 0
    for piece in _png_data(path):
        there += len(inflate.decompress(piece, _PIECE))
        while inflate.unconsumed_tail and there < wanted:
            there += len(inflate.decompress(inflate.unconsumed_tail, _PIECE))
        if there >= wanted:
            return
    raise OrapoError(f"{path}: broken or truncated image ({there:,} of {wanted:,} bytes)")


def _png_data(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            end = file.tell() + length + 4
            while kind == b"IDAT" and length:
                piece = file.read(min(length, _PIECE))
                if not piece:
                    return
                length -= len(piece)
                yield piece
            file.seek(end)


def check_covered(path: Path, image: Image.Image) -> None:
    """Refuse a file whose directory names fewer strips or tiles than the picture has (TIFF).

    Raises:
        OrapoError: The lower right corner is in none.
    """
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else []
    extents = [tile.extents for tile in tiles if tile.extents is not None]
    width, height = image.size
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # as stored: the size of a picture that is still to be turned may be that after the turn
        width = image.tag_v2.get(TiffImagePlugin.IMAGEWIDTH, width)
        height = image.tag_v2.get(TiffImagePlugin.IMAGELENGTH, height)
    if extents and not any(right >= width and bottom >= height for _, _, right, bottom in extents):
        raise OrapoError(f"{path}: broken or truncated image (parts of it are missing)")


def check_end(path: Path) -> None:
    """Look for the mark that ends a JPEG picture, before zeros if such follow.

    Decoders take zeros for more of the picture: a file whose second half was never written would
    be passed on with half a film.

    Raises:
        OrapoError: It isn't there.
    """
    with path.open("rb") as file:
        place = file.seek(0, os.SEEK_END)
        end = b""
        while place and not end:
            start = max(0, place - 2**16)
            file.seek(start)
            end = file.read(place - start).rstrip(b"\0")
            place = start
        if len(end) < _END_WITHIN:  # it may begin in the part before
            file.seek(max(0, place - _END_WITHIN))
            end = file.read(min(place, _END_WITHIN)) + end
    if b"\xff\xd9" not in end[-_END_WITHIN:]:
        raise OrapoError(f"{path}: broken or truncated image (the picture's end is missing)")


def jpeg_pixels(path: Path, shape: tuple[int, int], data: bytes | None = None) -> np.ndarray | None:
    """Decode a grey JPEG picture, and refuse one from whose middle something is missing.

    Pillow decodes with the same library and the same result, but doesn't hear its warnings.

    Args:
        path: The file.
        shape: Height and width that the picture must have.
        data: The picture, where it is a part of the file (DICOM).

    Returns:
        (height, width), or None where another decoder must decide: colours, or a form that is not
        supported here (12 bits, lossless).

    Raises:
        OrapoError: libjpeg made up a part of the picture, or it has another size.
    """
    if data is None:
        with _mapped(path) as whole:
            return _decoded(path, shape, whole)
    return _decoded(path, shape, data)


def check_jpeg(path: Path) -> None:
    """Refuse a JPEG file, of any colours, from whose middle something is missing.

    Raises:
        OrapoError: libjpeg would make up a part of the picture.
    """
    with _mapped(path) as whole, _no_losses(path):
        # An eighth of the size is as good to hear the warnings, and saves most of the time but
        # that of the entropy decoding.
        simplejpeg.decode_jpeg(whole, "GRAY", min_height=1, min_width=1, strict=True)


def _decoded(path: Path, shape: tuple[int, int], data: bytes | mmap.mmap) -> np.ndarray | None:
    with _no_losses(path):
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if (height, width) != shape:  # asked before so many pixels are made
            raise OrapoError(
                f"{path}: holds a picture of {width} x {height} pixels, not of "
                f"{shape[1]} x {shape[0]} as its header says"
            )
        if colours == "Gray":
            pixels: np.ndarray = simplejpeg.decode_jpeg(data, "GRAY", strict=True)
            return pixels[..., 0]
    return None


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        yield whole


@contextmanager
def _no_losses(path: Path) -> Iterator[None]:
    """Pass on libjpeg's warnings about lost data; what else it refuses is for others to say."""
    try:
        yield
    except ValueError as error:
        if str(error).startswith(_LOSSES):
            raise OrapoError(f"{path}: broken or truncated image ({error})") from None
