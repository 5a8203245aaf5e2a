"""The pictures that an exported report refers to, as their DICOM headers name them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from orapo.data.films.image_files import is_dicom
from orapo.errors import MissingExtraError, OrapoError


class Reference(NamedTuple):
    """A DICOM picture, by its UIDs."""

    study_uid: str
    series_uid: str
    instance_uid: str
    class_uid: str


def reference_of(header: Any) -> Reference:
    """Return the UIDs of a header that `dicom_headers` gave."""
    return Reference(
        str(header.StudyInstanceUID),
        str(header.SeriesInstanceUID),
        str(header.SOPInstanceUID),
        str(header.SOPClassUID),
    )


def dicom_headers(films: Sequence[Path]) -> list[Any]:
    """Read the headers of those films that are DICOM files, in order.

    Returns:
        pydicom data sets without pixels; empty for films that are other pictures.

    Raises:
        OrapoError: A film is not there, can't be read, or lacks a UID.
        MissingExtraError: One is DICOM, and pydicom is not installed.
    """
    files = [film for film in films if is_dicom(film)]
    if not files:
        return []
    try:
        import pydicom

        from orapo.data.films.dicom.reading import careful, check_bytes
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{files[0]}: reading DICOM", "dicom") from error
    headers = []
    for file in files:
        with careful(file):
            check_bytes(file)
            header = pydicom.dcmread(file, stop_before_pixels=True)
            header.walk(lambda _, element: element.value, recursive=False)  # decode now
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"):
            if not header.get(name):
                raise OrapoError(f"{file}: says no {name}, so nothing can refer to it")
        headers.append(header)
    return headers
