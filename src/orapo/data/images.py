"""Reading films from image files: every mode to one, every fault said clearly."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from orapo.errors import OrapoError

MAX_PIXELS: Final = 100_000_000
"""More pixels than any radiograph has; checked before anything is decoded."""
MIN_SIDE: Final = 16
IMAGE_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def read_image(path: Path | str) -> Image.Image:
    """Read a film as grey image.

    The content decides, not the file's name. 16-bit pictures are scaled by their full range,
    palettes expanded, transparency laid over black, CMYK converted, the EXIF orientation applied.

    Args:
        path: The file.

    Returns:
        Mode ``L``, upright.

    Raises:
        OrapoError: The file is missing, empty, truncated, too large, too small, animated or no
            picture.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise OrapoError(f"{path}: can't be read ({error.strerror})") from None
    if path.is_dir():
        raise OrapoError(f"{path}: is a folder, not an image")
    if size == 0:
        raise OrapoError(f"{path}: the file is empty")
    try:
        with warnings.catch_warnings():
            # our own limit, below, answers before Pillow decodes anything
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                _check(path, image)
                image.load()
                return _grey(ImageOps.exif_transpose(image))
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        what = (
            "too many pixels"
            if isinstance(error, Image.DecompressionBombError)
            else "not an image that can be read"
        )
        raise OrapoError(f"{path}: {what}") from None
    except (OSError, SyntaxError, ValueError) as error:
        # Pillow's words for a truncated or broken file
        raise OrapoError(f"{path}: broken or truncated image ({error})") from None


def _check(path: Path, image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise OrapoError(
            f"{path}: {width} x {height} pixels are more than the limit of {MAX_PIXELS:,}"
        )
    if min(width, height) < MIN_SIDE:
        raise OrapoError(f"{path}: {width} x {height} pixels are too few for a radiograph")
    if getattr(image, "n_frames", 1) > 1:
        raise OrapoError(f"{path}: has several frames; a film has one")


def _grey(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        top = 255.0 if values.max(initial=0) <= 255 else 65535.0
        return Image.fromarray((values.clip(0, top) * (255.0 / top)).round().astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image)
    return image.convert("L")


def find_images(paths: list[Path]) -> list[Path]:
    """Expand folders to the image files below them, sorted by name.

    Raises:
        OrapoError: A path does not exist, or a folder holds no image.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
            if not inside:
                raise OrapoError(f"{path}: no image files ({', '.join(IMAGE_SUFFIXES)}) in it")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise OrapoError(f"{path}: no such file")
    return found
