"""Reading films from image files: every mode to one, every fault said clearly."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageChops, ImageFile, ImageOps, UnidentifiedImageError

from orapo.data.films.body_part import BodyPart
from orapo.data.films.deep_film import DeepFilm, straight_curve, window_between
from orapo.data.films.image_files import MAX_PIXELS, check_contrast, check_size, is_dicom
from orapo.data.films.image_integrity import (
    check_covered,
    check_end,
    check_jpeg,
    check_rows,
    check_sums,
    jpeg_pixels,
)
from orapo.errors import MissingExtraError, OrapoError

# Named one by one: Pillow also knows formats that start other programs (EPS).
_FORMATS: Final = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "JPEG2000", "PPM")
_BIT_DEPTHS: Final = (8, 10, 12, 14, 16)
_BITS_PER_SAMPLE: Final = 258
_PHOTOMETRIC: Final = 262
_ORIENTATION: Final = 274
_SWAPPED: Final = {
    "16B": "16L",
    "16L": "16B",
    "16N": "16B" if sys.byteorder == "little" else "16L",
}
_SPLIT: Final = {"LA;16B", *(f"{mode};{order}" for mode in ("RGB", "RGBA") for order in _SWAPPED)}
"""Pillow's names of the 16-bit forms whose lower bytes it can be made to give."""
_LUMINANCE: Final = (0.299, 0.587, 0.114)
"""Of red, green and blue, as Pillow's own conversion has it (ITU-R 601)."""
_TRUNCATED_SWITCH: Final = threading.Lock()
_TOP: Final = "orapo-top"
"""Name of the most that a value of a picture with more than 8 bits can be, in its info."""

_Narrowed = Callable[[Path, np.ndarray, bool], Image.Image]
"""Makes a picture of more than 8 bits; told the file, the values, and whether 0 is white."""


def read_image(path: Path | str, body_part: BodyPart = "chest") -> Image.Image:
    """Read a film as grey image.

    The content decides, not the file's name; DICOM files go to `orapo.data.films.dicom`. Pictures with
    more than 8 bits are scaled by the full range of the detector depth that holds their brightest
    pixel (10, 12, 14 or 16 bits), palettes expanded, transparency laid over black, CMYK converted,
    the EXIF orientation applied.

    Args:
        path: The file.
        body_part: ``any`` takes DICOM films of other parts than the chest too.

    Returns:
        Mode ``L``, upright.

    Raises:
        OrapoError: The file is missing, empty, truncated, too large, too small, animated, of one
            value everywhere, or no picture.
        MissingExtraError: It is DICOM, and pydicom is not installed.
    """
    path = Path(path)
    if is_dicom(path):
        return _read_dicom(path, body_part)
    film = _read_picture(path, _from_wide)
    check_contrast(path, film)
    return film


def read_deep(path: Path | str, body_part: BodyPart = "chest") -> DeepFilm:
    """Read a film at the depth of its file; `read_image` says what is read and what is refused.

    Args:
        path: The file.
        body_part: ``any`` takes DICOM films of other parts than the chest too.

    Returns:
        What `read_image` would make 8 bits of, and how; within one grey value, since a curve is
        sampled.

    Raises:
        OrapoError: As `read_image`.
        MissingExtraError: It is DICOM, and pydicom is not installed.
    """
    path = Path(path)
    if is_dicom(path):
        try:
            from orapo.data.films.dicom import read_dicom_deep
        except ModuleNotFoundError as error:
            raise MissingExtraError(f"{path}: reading DICOM", "dicom") from error
        return read_dicom_deep(path, body_part)
    film = _read_picture(path, _kept_wide)
    values = np.asarray(film).astype(np.uint16, copy=False)
    top = 255 if film.mode == "L" else int(film.info[_TOP])
    ends = np.array([[values.min(), values.max()]]) * (255 / top) + 0.5
    check_contrast(path, Image.fromarray(ends.astype(np.uint8)))
    return DeepFilm(values, top, (window_between(0, top),), straight_curve())


def _read_picture(path: Path, narrowed: _Narrowed) -> Image.Image:
    """Decode a file that is no DICOM; `narrowed` makes a picture of more than 8 bits."""
    try:
        with warnings.catch_warnings():
            # Our own limit answers before Pillow decodes anything; what Pillow has to say about
            # odd metadata may quote it.
            warnings.simplefilter("ignore")
            # opened here: of a file that it opens itself, Pillow 13 maps the raw pixels of a TIFF
            # that is to be turned by its width and height after the turn
            with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
                _check(path, image)
                with _whole_or_nothing():
                    return _film(path, image, narrowed)
    except Image.DecompressionBombError:
        raise OrapoError(f"{path}: more pixels than the limit of {MAX_PIXELS:,}") from None
    except UnidentifiedImageError:
        raise OrapoError(f"{path}: not an image that can be read") from None
    except OrapoError:
        raise
    except Exception as error:
        # Broken files make Pillow raise nearly anything: OSError, SyntaxError, ValueError,
        # struct.error, zlib.error, KeyError, MemoryError ...
        raise OrapoError(f"{path}: broken or truncated image ({error})") from None


def shown(film: Image.Image) -> Image.Image:
    """Return a film in the mode that models are shown: ``RGB``.

    Not every image processor makes three channels of one (LFM2-VL's does not).
    """
    return film.convert("RGB")


def _read_dicom(path: Path, body_part: BodyPart) -> Image.Image:
    # Late: only who has DICOM files needs pydicom, which the core does not bring.
    try:
        from orapo.data.films.dicom import read_dicom
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{path}: reading DICOM", "dicom") from error
    return read_dicom(path, body_part)


def _check(path: Path, image: Image.Image) -> None:
    check_size(path, *image.size)
    # The second picture of an MPO file, as phones write it, is a preview or the other eye's.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise OrapoError(f"{path}: has several frames; a film has one")


def _is_wide(path: Path, image: Image.Image) -> bool:
    """Whether it has 16 bits with colours or transparency, of which Pillow keeps the upper 8.

    Of a film that uses 12 bits of the 16 hardly anything but black would be left.
    """
    if image.format == "PNG":
        with path.open("rb") as file:
            depth, colours = file.read(26)[24:26]  # of IHDR, which always comes first
        return depth == 16 and colours in (2, 4, 6)
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, (1,))  # type: ignore[attr-defined]
        return len(bits) > 1 and max(bits) > 8
    return False


def _wide_grey(path: Path, image: Image.Image, narrowed: _Narrowed) -> Image.Image:
    """Read 16 bits with colours or transparency: Pillow's upper 8, and the lower 8 once more.

    The lower bytes are what it takes for the upper ones when it is told that a file's byte order is
    the other one.

    Args:
        path: The file.
        image: Open, not decoded yet.
        narrowed: Makes what is returned of the values.

    Returns:
        Grey, transparency over black, not yet upright.

    Raises:
        OrapoError: A form that can't be split so (planes, inks, premultiplied transparency).
    """
    with Image.open(path, formats=(str(image.format),)) as other:
        images = [part for part in (image, other) if isinstance(part, ImageFile.ImageFile)]
        modes = {_raw_mode(tile.args) for part in images for tile in part.tile}
        if not modes <= _SPLIT or len(modes) != 1 or "transparency" in image.info:
            raise OrapoError(
                f"{path}: 16 bits with colours or transparency in this form can't be read; save it "
                "as 16-bit grey"
            )
        raw = modes.pop()
        if raw == "LA;16B":  # four bytes a pixel, whatever they are called
            image._mode = "RGBA"
            images[0].tile = [tile._replace(args="RGBA") for tile in images[0].tile]
        else:
            images[1].tile = [
                tile._replace(args=_with_raw_mode(tile.args, _SWAPPED[raw[-3:]]))
                for tile in images[1].tile
            ]
        for part in images if raw != "LA;16B" else images[:1]:
            part.load()
        _check_whole(path, image)
        grey = np.empty((image.height, image.width), np.uint16)
        for top in range(0, image.height, 64):  # 64 rows at a time, in place of many large arrays
            box = (0, top, image.width, min(top + 64, image.height))
            values = np.asarray(image.crop(box)).astype(np.float32)
            if raw == "LA;16B":
                values = values[..., ::2] * 256 + values[..., 1::2]
                shown = values[..., 0]
            else:
                values = values * 256 + np.asarray(other.crop(box))
                shown = values[..., :3] @ np.array(_LUMINANCE, np.float32)
            if "A" in raw:
                shown = shown * (values[..., -1] / 65535)
            grey[top : box[3]] = (shown + 0.5).astype(np.uint16)
    return narrowed(path, grey, False)


def _raw_mode(args: Any) -> str:
    return str(args if isinstance(args, str) else args[0])


def _with_raw_mode(args: Any, ending: str) -> Any:
    name = _raw_mode(args)[:-3] + ending
    return name if isinstance(args, str) else (name, *args[1:])


@contextmanager
def _whole_or_nothing() -> Iterator[None]:
    """Keep Pillow from padding truncated files, whatever another library has set."""
    with _TRUNCATED_SWITCH:  # read within: another thread may have it switched off for now
        if ImageFile.LOAD_TRUNCATED_IMAGES:
            ImageFile.LOAD_TRUNCATED_IMAGES = False
            try:
                yield
            finally:
                ImageFile.LOAD_TRUNCATED_IMAGES = True
            return
    yield


def _film(path: Path, image: Image.Image, narrowed: _Narrowed) -> Image.Image:
    """Decode an open picture, whole or not at all."""
    check_covered(path, image)
    if image.format == "PNG":
        check_sums(path)
    elif image.format in ("JPEG", "MPO"):
        check_end(path)
        if (
            image.mode == "L"
            and (pixels := jpeg_pixels(path, (image.height, image.width))) is not None
        ):
            film = Image.fromarray(pixels)
            film.info = image.info
            ImageOps.exif_transpose(film, in_place=True)
            return film
        check_jpeg(path)
    if _is_wide(path, image):
        film = _wide_grey(path, image, narrowed)
        film.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
        ImageOps.exif_transpose(film, in_place=True)
        return film
    image.load()
    _check_whole(path, image)
    return _grey(path, image, narrowed)


def _check_whole(path: Path, image: Image.Image) -> None:
    if image.format == "PNG":
        check_rows(path, image)


def _grey(path: Path, image: Image.Image, narrowed: _Narrowed) -> Image.Image:
    white_is_zero = image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == 0  # type: ignore[attr-defined]
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow minds up to 8 bits itself
        return narrowed(path, np.asarray(image), bool(white_is_zero))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image)
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        # Pillow takes every CMYK JPEG for Adobe's, which are stored inverted; the mark is missing
        image = ImageChops.invert(image)
    return image.convert("L")


def _from_wide(path: Path, values: np.ndarray, white_is_zero: bool) -> Image.Image:
    """Scale more than 8 bits, or floats, to 8 bits."""
    top = _top(path, values)
    film = Image.fromarray((values * np.float32(255 / top) + np.float32(0.5)).astype(np.uint8))
    return ImageChops.invert(film) if white_is_zero else film


def _kept_wide(path: Path, values: np.ndarray, white_is_zero: bool) -> Image.Image:
    """Keep more than 8 bits, floats as 16; mode ``I;16``, the most that a value can be beside."""
    top = _top(path, values)
    if values.dtype.kind == "f":
        values, top = values * np.float32(65535 / top) + np.float32(0.5), 65535
    values = values.astype(np.uint16)
    film = Image.fromarray(np.uint16(top) - values if white_is_zero else values)
    film.info[_TOP] = top
    return film


def _top(path: Path, values: np.ndarray) -> int:
    """Say of what white is: the full range of the depth that holds the brightest pixel."""
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)) or low < 0 or high > 65535:
        raise OrapoError(f"{path}: expected pixel values from 0 to 65535")
    if values.dtype.kind == "f" and high <= 1:
        return 1
    return next(2**bits - 1 for bits in _BIT_DEPTHS if high < 2**bits)
