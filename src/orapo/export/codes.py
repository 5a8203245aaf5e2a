"""Codes of the 14 labels and of their values, shared by DICOM SR and FHIR.

The labels have codes of our own: a CheXpert label is what a labeler reads from a report, and no
concept of SNOMED CT or RadLex means just that; a mapping is for terminologists to make. Their values
are SNOMED CT's, as DICOM's CID 240 has them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from orapo.labels import LabelValue

LABEL_SCHEME: Final = "99ORAPO"
"""DICOM: schemes that begin with 99 are private."""
LABEL_SYSTEM: Final = "urn:orapo:chexpert-label"
SNOMED_SYSTEM: Final = "http://snomed.info/sct"
LOINC_SYSTEM: Final = "http://loinc.org"

LABEL_CODES: Final = {
    "No Finding": "NO_FINDING",
    "Enlarged Cardiomediastinum": "ENLARGED_CARDMED",
    "Cardiomegaly": "CARDIOMEGALY",
    "Lung Lesion": "LUNG_LESION",
    "Lung Opacity": "LUNG_OPACITY",
    "Edema": "EDEMA",
    "Consolidation": "CONSOLIDATION",
    "Pneumonia": "PNEUMONIA",
    "Atelectasis": "ATELECTASIS",
    "Pneumothorax": "PNEUMOTHORAX",
    "Pleural Effusion": "PLEURAL_EFFUSION",
    "Pleural Other": "PLEURAL_OTHER",
    "Fracture": "FRACTURE",
    "Support Devices": "SUPPORT_DEVICES",
}
"""At most 16 characters each, as DICOM's short strings are."""


class ValueCode(NamedTuple):
    """A code of SNOMED CT and what it means."""

    code: str
    meaning: str


VALUE_CODES: Final[dict[LabelValue, ValueCode]] = {
    1: ValueCode("52101004", "Present"),
    0: ValueCode("272519000", "Absent"),
    -1: ValueCode("373068000", "Undetermined"),
}
LABEL_OF_CODE: Final = {code: label for label, code in LABEL_CODES.items()}
VALUE_OF_CODE: Final = {value.code: label for label, value in VALUE_CODES.items()}
