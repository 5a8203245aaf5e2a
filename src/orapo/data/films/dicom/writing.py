"""Synthetic DICOM radiographs, for data sets that are drawn."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    RE_VALID_UID,
    UID,
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)

from orapo.data.films.dicom.studies import View
from orapo.errors import OrapoError


def dicom_uid(text: str) -> str:
    """Return a UID that is always the same for a text; a UID stays as it is."""
    known = len(text) <= 64 and re.fullmatch(RE_VALID_UID, text)
    return text if known else str(generate_uid(entropy_srcs=[text]))


def write_dicom(
    image: Image.Image,
    path: Path,
    *,
    view: View = "frontal",
    patient_id: str,
    study_uid: str,
    series_uid: str,
    instance_uid: str,
    monochrome1: bool = False,
    bits: int = 12,
    number: int = 1,
) -> None:
    """Write a synthetic radiograph as DICOM (computed radiography of a chest, no compression).

    The same arguments give the same bytes. `read_dicom` gives back the very picture.

    Args:
        image: Grey.
        path: The file.
        view: Goes into ViewPosition and PatientOrientation.
        patient_id: Of a patient that does not exist.
        study_uid: A UID, or a text that one is made of; so are the next two.
        series_uid: Likewise.
        instance_uid: Likewise.
        monochrome1: Whether to store it inverted.
        bits: BitsStored, 8 to 16.
        number: InstanceNumber.

    Raises:
        OrapoError: ``bits`` is impossible, or the file can't be written.
    """
    if not 8 <= bits <= 16:
        raise OrapoError(f"a film is stored in 8 to 16 bits, not {bits}")
    top = 2**bits - 1
    values = np.asarray(image.convert("L")).astype(np.float64) * (top / 255)
    values = (top - values if monochrome1 else values).round()
    allocated = 8 if bits == 8 else 16
    position, orientation = {
        "frontal": ("PA", ["L", "F"]),
        "lateral": ("LL", ["A", "F"]),
        "": ("", ["", ""]),
    }[view]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = UID(dicom_uid(instance_uid))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = Dataset()
    dataset.file_meta = meta
    fields: dict[str, Any] = {
        "SOPClassUID": meta.MediaStorageSOPClassUID,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "StudyInstanceUID": dicom_uid(study_uid),
        "SeriesInstanceUID": dicom_uid(series_uid),
        "ImageType": ["DERIVED", "PRIMARY"],
        "Modality": "CR",
        "BodyPartExamined": "CHEST",
        "ViewPosition": position,
        "PatientOrientation": orientation,
        "PatientID": patient_id,
        "SeriesNumber": 1,
        "InstanceNumber": number,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME1" if monochrome1 else "MONOCHROME2",
        "Rows": image.height,
        "Columns": image.width,
        "BitsAllocated": allocated,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": 0,
        "WindowCenter": 2 ** (bits - 1),
        "WindowWidth": 2**bits,
        # Required, and known to be unknown
        **dict.fromkeys(("PatientName", "PatientBirthDate", "PatientSex", "StudyID"), ""),
        **dict.fromkeys(("StudyDate", "StudyTime", "AccessionNumber", "Manufacturer"), ""),
        "ReferringPhysicianName": "",
    }
    for name, value in fields.items():
        setattr(dataset, name, value)
    raw = values.astype("u1" if allocated == 8 else "<u2").tobytes()
    dataset.add_new("PixelData", "OB" if allocated == 8 else "OW", raw + b"\0" * (len(raw) % 2))
    try:
        dataset.save_as(path, enforce_file_format=True)
    except OSError as error:
        raise OrapoError(f"{path}: can't be written ({error.strerror})") from None
