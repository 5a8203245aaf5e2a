"""From a DICOM file to one grey picture, or to a sentence that says why not."""

from __future__ import annotations

import logging
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.errors import InvalidDicomError
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from orapo.data.films.body_part import BodyPart, other_part
from orapo.data.films.deep_film import DeepFilm
from orapo.data.films.dicom.grey import deep_film, seen_through
from orapo.data.films.image_files import MAX_PIXELS, check_size
from orapo.data.films.image_integrity import jpeg_pixels
from orapo.errors import NEEDS_DECODER, OrapoError

MAX_BYTES: Final = 4 * MAX_PIXELS
"""Larger files are not opened: pydicom reads a file as a whole."""

_RADIOGRAPHS: Final = ("CR", "DX", "RG", "OT", "SC", "")  # OT, SC and nothing: can't be told
NO_PICTURES: Final = ("SR", "PR", "KO", "DOC")
_OTHER_MODALITIES: Final = (
    *("CT", "MR", "PT", "NM", "US", "MG", "XA", "RF", "PX", "IO", "DXA", "BMD", "ECG", "SEG"),
    *("ES", "XC", "GM", "SM", "OP", "OCT", "RTIMAGE", "RTSTRUCT", "RTDOSE", "RTPLAN", "REG"),
)


class OtherBodyPartError(OrapoError):
    """A film is of another part of the body, by its header.

    Attributes:
        part: Which.
    """

    def __init__(self, path: Path, part: str) -> None:
        super().__init__(f"{path}: not a chest radiograph (body part {part})")
        self.part = part


_PLAIN: Final = (*(ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian),)
_JP2: Final = b"\0\0\0\x0cjP  "
_FAMILIES: Final = (
    ("JPEG 2000", "pylibjpeg pylibjpeg-openjpeg"),
    ("JPEG-LS", "pyjpegls"),
    ("JPEG", "pylibjpeg pylibjpeg-libjpeg"),
)


def read_dicom(path: Path | str, body_part: BodyPart = "chest") -> Image.Image:
    """Read a radiograph from a DICOM file.

    Stored values go through rescale (or the modality table) and the file's first window or VOI
    table; without one that shows anything, 8 bits are taken as they are and more are stretched
    between two percentiles. MONOCHROME1 is inverted, padding becomes black.

    Args:
        path: The file.
        body_part: ``any`` takes films of other parts than the chest too.

    Returns:
        Mode ``L``; bright is dense.

    Raises:
        OrapoError: It is no DICOM file, no radiograph of a chest, has no or not all pixels, several
            frames or too many pixels, or a transfer syntax for which no decoder is installed.
    """
    path = Path(path)
    with careful(path):
        dataset, stored = _read(path, body_part)
        return seen_through(path, dataset, stored)[1]


def read_dicom_deep(path: Path | str, body_part: BodyPart = "chest") -> DeepFilm:
    """Read a radiograph at the depth of its file; `read_dicom` says what is read and refused.

    Args:
        path: The file.
        body_part: ``any`` takes films of other parts than the chest too.

    Returns:
        Values after rescale or the modality table, counted from 0; padding is 0.

    Raises:
        OrapoError: As `read_dicom`.
    """
    path = Path(path)
    with careful(path):
        dataset, stored = _read(path, body_part)
        look, _ = seen_through(path, dataset, stored)
        return deep_film(dataset, stored, look)


def _read(path: Path, body_part: BodyPart) -> tuple[Dataset, np.ndarray]:
    check_bytes(path)
    dataset = pydicom.dcmread(path)
    check_kind(path, dataset, body_part)
    _check_pixels(path, dataset)
    return dataset, _stored_values(path, dataset)


@contextmanager
def careful(path: Path) -> Iterator[None]:
    """Say what fails inside in our words: pydicom's messages, warnings and log lines quote headers.

    Raises:
        OrapoError: Whatever goes wrong inside, in one sentence.
    """
    log = logging.getLogger("pydicom")
    level = log.level
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            log.setLevel(logging.CRITICAL)
            yield
    except OrapoError:
        raise
    except InvalidDicomError:
        raise OrapoError(f"{path}: not a DICOM file (the mark DICM is missing)") from None
    except OSError as error:
        raise OrapoError(f"{path}: can't be read ({error.strerror or 'broken off'})") from None
    except Exception as error:
        # A broken header makes pydicom raise nearly anything: KeyError, struct.error, TypeError ...
        raise OrapoError(f"{path}: broken DICOM file ({type(error).__name__})") from None
    finally:
        log.setLevel(level)


def check_bytes(path: Path) -> None:
    """Refuse a file that would fill the memory; to be asked before pydicom opens it.

    Raises:
        OrapoError: It is too large, or would be once it is inflated.
    """
    if path.stat().st_size > MAX_BYTES:
        raise OrapoError(f"{path}: larger than {MAX_BYTES // 10**6} MB, which no radiograph is")
    # A deflated file could be small and swell without bounds when pydicom opens it. The names of
    # transfer syntaxes stand at the beginning.
    with path.open("rb") as file:
        if DeflatedExplicitVRLittleEndian.encode() not in file.read(4096):
            return
        syntax = pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID")
        if syntax != DeflatedExplicitVRLittleEndian:
            return
        file.seek(132)
        pydicom.filereader.read_dataset(
            file, False, True, stop_when=lambda tag, vr, length: tag.group != 2
        )
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        inflate.decompress(file.read(), MAX_BYTES)
        if inflate.unconsumed_tail:
            raise OrapoError(f"{path}: inflates to more than {MAX_BYTES // 10**6} MB")


def check_kind(path: Path, dataset: Dataset, body_part: BodyPart = "chest") -> None:
    """Refuse what is no radiograph of a chest, as far as the header tells.

    Args:
        path: The file, for the message.
        dataset: Its header.
        body_part: ``any`` takes films of other parts than the chest too.

    Raises:
        OrapoError: Modality or body part are others.
    """
    modality = str(dataset.get("Modality") or "").upper()
    if modality in NO_PICTURES:
        raise OrapoError(f"{path}: holds no picture (Modality {modality})")
    if modality not in _RADIOGRAPHS:
        # Not every text that stands there: a header's free text may say anything.
        named = f"Modality {modality}" if modality in _OTHER_MODALITIES else "another modality"
        raise OrapoError(f"{path}: not a chest radiograph ({named})")
    if body_part == "any":
        return
    other = other_part(str(dataset.get("BodyPartExamined") or ""))
    if other:
        raise OtherBodyPartError(path, other)


def _check_pixels(path: Path, dataset: Dataset) -> None:
    """Check all that can be known before anything is decoded."""
    if "PixelData" not in dataset:
        raise OrapoError(f"{path}: has no PixelData, so no picture")
    missing = [name for name in ("Rows", "Columns", "BitsAllocated") if name not in dataset]
    if missing:
        raise OrapoError(f"{path}: says nothing of {missing[0]}, without which it can't be read")
    rows, columns, bits = int(dataset.Rows), int(dataset.Columns), int(dataset.BitsAllocated)
    check_size(path, columns, rows)
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise OrapoError(f"{path}: has several frames; a film has one")
    samples = int(dataset.get("SamplesPerPixel") or 1)
    if samples != 1 or dataset.get("PhotometricInterpretation") not in (
        *("MONOCHROME1", "MONOCHROME2"),
    ):
        raise OrapoError(f"{path}: expected MONOCHROME1 or MONOCHROME2, as radiographs have it")
    if bits not in (8, 16):
        raise OrapoError(f"{path}: expected 8 or 16 bits a pixel, not {bits}")
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_compressed and syntax != DeflatedExplicitVRLittleEndian:
        if syntax != JPEGBaseline8Bit:  # which comes without pydicom's decoders
            _check_decoder(path, syntax)
        data = get_frame(dataset.PixelData, 0, number_of_frames=1)
        # Decoders fill up what is missing of a JPEG picture; each ends with the mark FFD9.
        if syntax != RLELossless and b"\xff\xd9" not in data[-64:]:
            raise OrapoError(f"{path}: PixelData is truncated (the picture's end is missing)")
        _check_boxes(path, data)
        return
    there, needed = len(dataset.PixelData), rows * columns * bits // 8
    if there < needed:
        raise OrapoError(f"{path}: PixelData is truncated ({there:,} of {needed:,} bytes)")


def _check_boxes(path: Path, data: bytes) -> None:
    """Refuse a JPEG 2000 file, as it stands in DICOM by mistake, with a box of no length.

    pydicom looks for the picture from box to box, and would stay at that one forever.
    """
    if not data.startswith(_JP2):
        return
    place = len(_JP2) + 4
    while place < len(data) and data[place + 4 : place + 8] != b"jp2c":
        length = int.from_bytes(data[place : place + 4], "big")
        if length < 8:
            raise OrapoError(f"{path}: PixelData is broken (JPEG 2000 boxes)")
        place += length


def _check_decoder(path: Path, syntax: UID) -> None:
    # A private syntax may bear any text as name; its number is named alone.
    name = f"{syntax.name} ({syntax})" if not syntax.is_private else "of a manufacturer's own"
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        raise OrapoError(
            f"{path}: transfer syntax {name} is none of a radiograph that can be read"
        ) from None
    if not available:
        raise _without_decoder(path, syntax, name)


def _without_decoder(path: Path, syntax: UID, name: str) -> OrapoError:
    package = next((p for family, p in _FAMILIES if family in syntax.name), "python-gdcm")
    return OrapoError(f"{path}: transfer syntax {name} {NEEDS_DECODER}: pip install {package}")


def _stored_values(path: Path, dataset: Dataset) -> np.ndarray:
    """Decode, and keep the bits that count, as unsigned numbers; those above may hold overlays."""
    allocated = int(dataset.BitsAllocated)
    bits = int(dataset.get("BitsStored") or allocated)
    if not 1 <= bits <= allocated:
        raise OrapoError(f"{path}: BitsStored {bits} don't fit into BitsAllocated {allocated}")
    shift = max(0, int(dataset.get("HighBit", bits - 1)) + 1 - bits)
    shape = (int(dataset.Rows), int(dataset.Columns))
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in _PLAIN:  # as pydicom does it, without two more passes over all pixels
        count = shape[0] * shape[1]
        values = np.frombuffer(dataset.PixelData, f"<u{allocated // 8}", count).reshape(shape)
    else:
        read = None
        if syntax == JPEGBaseline8Bit and allocated == bits == 8:
            read = jpeg_pixels(path, shape, get_frame(dataset.PixelData, 0, number_of_frames=1))
        values = _by_pydicom(path, dataset, shape, bits, shift) if read is None else read
    unsigned = values.view(f"u{values.dtype.itemsize}")
    if shift:
        unsigned = unsigned >> shift
    top = 2**bits - 1
    return unsigned & top if unsigned.max() > top else unsigned


def _by_pydicom(
    path: Path, dataset: Dataset, shape: tuple[int, int], bits: int, shift: int
) -> np.ndarray:
    """Decode what is compressed, or of the other byte order."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_compressed:
        _check_decoder(path, syntax)
    if shift:
        dataset.BitsStored = bits + shift  # pydicom clears the bits above these
    try:
        values = pixel_array(dataset, raw=True)
    except Exception as error:
        # Pillow, which is always there, takes a syntax on and then not all of its depths: of JPEG
        # Extended 8 bits and not the 12 that radiographs have.
        if "does not support" in str(error) and get_decoder(syntax).missing_dependencies:
            bits_too = f"{syntax.name} ({syntax}) with {bits} bits"
            raise _without_decoder(path, syntax, bits_too) from None
        raise OrapoError(
            f"{path}: PixelData is truncated or broken ({type(error).__name__})"
        ) from None
    if values.shape != shape:
        raise OrapoError(f"{path}: PixelData holds another picture than Rows and Columns say")
    dataset.BitsStored = bits
    return values.astype(values.dtype.newbyteorder("="), copy=False)  # big-endian files
