"""The formats that reports are exported in, by name; loaded for the help of `orapo export` alone."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Format(StrEnum):
    """What a report is exported as."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    DICOM_SR = "dicom-sr"
    FHIR = "fhir"


ENDINGS: Final = {
    Format.TEXT: ".txt",
    Format.JSON: ".json",
    Format.CSV: ".csv",
    Format.DICOM_SR: ".dcm",
    Format.FHIR: ".fhir.json",
}
