"""From DICOM files to studies: what belongs together, and which view comes first."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import pydicom
from pydicom.dataset import Dataset

from orapo.data.films.body_part import BodyPart
from orapo.data.films.dicom.reading import (
    NO_PICTURES,
    OtherBodyPartError,
    careful,
    check_bytes,
    check_kind,
)
from orapo.data.films.image_files import find_images, is_dicom
from orapo.data.study import Study
from orapo.errors import OrapoError

View = Literal["frontal", "lateral", ""]

_ORDER: Final = {"frontal": 0, "": 1, "lateral": 2}


@dataclass(frozen=True)
class DicomHeader:
    """What of a header is used; its printed form shows nothing of the patient.

    Attributes:
        study_uid: Files of one examination share it.
        instance_uid: Of this very picture.
        patient_id: As the file has it.
        view: From ViewPosition, else from PatientOrientation.
        number: InstanceNumber, 0 where there is none.
        age: In years.
        sex: ``F``, ``M`` or empty.
        has_picture: False for structured reports, presentation states and the like.
        taken: StudyDate and StudyTime, which sort as texts; empty where there is no date.
        position: How readers call the view: ``PA``, ``AP``, ``LAT`` or nothing.
    """

    study_uid: str = field(repr=False)
    instance_uid: str = field(repr=False)
    patient_id: str = field(repr=False)
    view: View
    number: int
    age: float | None = field(repr=False)
    sex: Literal["F", "M", ""] = field(repr=False)
    has_picture: bool
    taken: str = field(default="", repr=False)
    position: Literal["PA", "AP", "LAT", ""] = ""


@dataclass(frozen=True)
class DicomProblem:
    """A file that is in no study.

    Attributes:
        file: Which.
        sentence: Why, without its name.
    """

    file: Path
    sentence: str
    other_part: str = ""
    """The other part of the body that it shows, if that is why."""

    def __str__(self) -> str:
        return f"{self.file}: {self.sentence}"


_HEADER_TAGS: Final = [
    *("StudyInstanceUID", "SOPInstanceUID", "PatientID", "PatientAge", "PatientSex", "Modality"),
    *("ViewPosition", "PatientOrientation", "InstanceNumber", "BodyPartExamined"),
    *("StudyDate", "StudyTime"),
]


def header_of(path: Path | str, body_part: BodyPart = "chest") -> DicomHeader:
    """Read what groups files into studies, without their pixels.

    Args:
        path: The file.
        body_part: ``any`` takes films of other parts than the chest too.

    Raises:
        OrapoError: It is no DICOM file, a broken one, or no radiograph of a chest.
    """
    path = Path(path)
    is_dicom(path)  # says what is missing or empty
    with careful(path):
        check_bytes(path)
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_HEADER_TAGS)
        picture = str(dataset.get("Modality") or "") not in NO_PICTURES
        if picture:
            check_kind(path, dataset, body_part)
        sex = str(dataset.get("PatientSex") or "")
        return DicomHeader(
            study_uid=str(dataset.get("StudyInstanceUID") or ""),
            instance_uid=str(dataset.get("SOPInstanceUID") or ""),
            patient_id=str(dataset.get("PatientID") or ""),
            view=_view(dataset),
            number=int(dataset.get("InstanceNumber") or 0),
            age=_years(str(dataset.get("PatientAge") or "")),
            sex="F" if sex == "F" else "M" if sex == "M" else "",
            has_picture=picture,
            taken=_taken(dataset),
            position=_position(dataset),
        )


def _position(dataset: Dataset) -> Literal["PA", "AP", "LAT", ""]:
    said = str(dataset.get("ViewPosition") or "").upper()
    if said.startswith("PA"):
        return "PA"
    if said.startswith("AP"):
        return "AP"
    return "LAT" if _view(dataset) == "lateral" else ""


def _view(dataset: Dataset) -> View:
    position = str(dataset.get("ViewPosition") or "").upper()
    if position.startswith(("PA", "AP")):
        return "frontal"
    if "LAT" in position or position in ("LL", "RL"):
        return "lateral"
    if position:
        return ""  # oblique, swimmer's ...
    along_rows = str((dataset.get("PatientOrientation") or [""])[0])
    if along_rows.startswith(("L", "R")):
        return "frontal"
    return "lateral" if along_rows.startswith(("A", "P")) else ""


def _taken(dataset: Dataset) -> str:
    date, time = (str(dataset.get(name) or "") for name in ("StudyDate", "StudyTime"))
    return date + time if date.isdecimal() and len(date) == 8 else ""


def _years(age: str) -> float | None:
    per_year = {"Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}.get(age[-1:])
    if per_year is None or not age[:-1].isdecimal():
        return None
    years = round(int(age[:-1]) / per_year, 2)
    return years if years <= 150 else None


def study_name(study_uid: str) -> str:
    """Return the ``study_id`` of a StudyInstanceUID: ``dicom-`` and 12 digits of its SHA-256.

    It is the same wherever the study is read, and leads back to the header only who has that: a
    hospital's archive finds a patient by the UID itself.
    """
    return "dicom-" + hashlib.sha256(study_uid.encode()).hexdigest()[:12]


def group_dicom(
    files: Iterable[Path], body_part: BodyPart = "chest"
) -> tuple[list[Study], list[DicomProblem]]:
    """Make studies of files, each of those of one StudyInstanceUID, frontal views first.

    Args:
        files: DICOM files; those that hold no picture by design are passed over.
        body_part: ``any`` takes films of other parts than the chest too.

    Returns:
        Studies without report, by their first file and named by `study_name`, and the files that are
        in none.
    """
    problems: list[DicomProblem] = []
    groups: dict[str, list[tuple[Path, DicomHeader]]] = {}
    instances: dict[str, Path] = {}
    for file in files:
        try:
            header = header_of(file, body_part)
        except OrapoError as error:
            other = error.part if isinstance(error, OtherBodyPartError) else ""
            problems.append(DicomProblem(file, str(error).removeprefix(f"{file}: "), other))
            continue
        if not header.has_picture:
            continue
        members = groups.get(header.study_uid, [])
        if not header.study_uid:
            problems.append(DicomProblem(file, "has no StudyInstanceUID, so no study"))
        elif header.instance_uid and header.instance_uid in instances:
            first = instances[header.instance_uid]
            problems.append(DicomProblem(file, f"is the same picture as {first.name} once more"))
        elif members and members[0][1].patient_id != header.patient_id:
            problems.append(
                DicomProblem(file, f"says another patient than {members[0][0].name}, same study")
            )
        else:
            instances[header.instance_uid] = file
            groups.setdefault(header.study_uid, []).append((file, header))
    return [_study(uid, members) for uid, members in groups.items()], problems


def _study(uid: str, members: list[tuple[Path, DicomHeader]]) -> Study:
    members = sorted(members, key=lambda m: (_ORDER[m[1].view], m[1].number, m[0]))
    headers = [header for _, header in members]
    return Study(
        study_id=study_name(uid),
        patient_id=headers[0].patient_id,
        images=tuple(file for file, _ in members),
        views=tuple(header.view for header in headers),
        age=next((header.age for header in headers if header.age is not None), None),
        sex=next((header.sex for header in headers if header.sex), ""),
        split="test",
        source="dicom",
    )


def load_dicom_folder(
    path: Path, body_part: BodyPart = "chest"
) -> tuple[list[Study], list[DicomProblem]]:
    """Make studies of all DICOM files below a folder.

    Args:
        path: The folder.
        body_part: ``any`` takes films of other parts than the chest too.

    Returns:
        Studies without report, and the files that are in none, with why.

    Raises:
        OrapoError: It is no folder, or no DICOM file is in it.
    """
    if not path.is_dir():
        raise OrapoError(f"{path}: is no folder")
    files = [file for file in find_images([path]) if _may_be_dicom(file)]
    if not files:
        raise OrapoError(f"{path}: no DICOM file in it")
    return group_dicom(files, body_part)


def _may_be_dicom(file: Path) -> bool:
    """Whether it is to be looked at: what is empty or can't be opened is named with the others."""
    try:
        return os.path.getsize(file) == 0 or is_dicom(file)
    except (OSError, OrapoError):
        return True
