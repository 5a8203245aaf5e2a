"""DICOM radiographs: a file to a grey picture, a folder of files to studies, and back.

No value of a header gets into a message or a log, and pydicom's own warnings, which quote them, are
kept back: headers name patients. Needs the extra ``[dicom]``.
"""

from orapo.data.films.dicom.reading import read_dicom, read_dicom_deep
from orapo.data.films.dicom.studies import (
    DicomHeader,
    DicomProblem,
    View,
    group_dicom,
    header_of,
    load_dicom_folder,
    study_name,
)
from orapo.data.films.dicom.writing import dicom_uid, write_dicom

__all__ = [
    "DicomHeader",
    "DicomProblem",
    "View",
    "dicom_uid",
    "group_dicom",
    "header_of",
    "load_dicom_folder",
    "read_dicom",
    "read_dicom_deep",
    "study_name",
    "write_dicom",
]
