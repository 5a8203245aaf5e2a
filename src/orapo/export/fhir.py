"""Generated reports as FHIR R4B bundles, and back (extra ``[fhir]``).

A collection of a DiagnosticReport (status ``preliminary``), an Observation for each label that the
report says something of, the Device that wrote it (or, of a text that no model wrote, read it), and, where the films are DICOM, the ImagingStudy.
"""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from orapo.errors import MissingExtraError, OrapoError
from orapo.export.codes import (
    LABEL_CODES,
    LABEL_OF_CODE,
    LABEL_SYSTEM,
    LOINC_SYSTEM,
    SNOMED_SYSTEM,
    VALUE_CODES,
    VALUE_OF_CODE,
)
from orapo.export.draft import Draft
from orapo.export.sources import Reference, dicom_headers, reference_of
from orapo.labels import CHEXPERT, LabelValue

_NAMESPACE: Final = uuid.UUID("8f2b6c1e-6a53-5d8e-9d57-0c6a3b1f4e21")
"""Of our name-based UUIDs; made up once."""
_NOT_IN_STRING: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
# A string holds at most 1 MB (FHIR R4B, 2.24.0.1); the attachment has the report whole.
_LONGEST_STRING: Final = 1_000_000


@dataclass(frozen=True)
class FhirReport:
    """What is read back from a bundle.

    Attributes:
        text: The report.
        labels: All 14 labels, None where the bundle says nothing.
        references: The pictures that it refers to.
        status: Of the DiagnosticReport.
    """

    text: str
    labels: dict[str, LabelValue]
    references: tuple[Reference, ...]
    status: str


def fhir_bundle(
    draft: Draft, *, when: datetime | None = None, with_patient: bool = False
) -> dict[str, Any]:
    """Make a FHIR R4B bundle, checked against the specification's schema.

    Args:
        draft: With the films it is about; those that are DICOM files become an ImagingStudy.
        when: The time that it bears; now if not given.
        with_patient: Copy id, name, birth date and sex from the first DICOM film's header.

    Returns:
        The bundle as plain JSON values.

    Raises:
        OrapoError: A film is not there or can't be read, or the patient is asked for and no film is
            DICOM.
        MissingExtraError: fhir.resources is not installed.
    """
    try:
        from fhir.resources.R4B.bundle import Bundle
    except ModuleNotFoundError as error:
        raise MissingExtraError("writing FHIR resources", "fhir") from error
    headers = dicom_headers(draft.films)
    if with_patient and not headers:
        raise OrapoError(
            f"study {draft.study_id}: no film is a DICOM file, so no patient can be copied"
        )
    when = when or datetime.now()
    when = when if when.tzinfo else when.astimezone()  # FHIR wants to know the zone
    instant = when.isoformat(timespec="seconds")

    def urn(what: str) -> str:
        key = "\0".join([what, draft.study_id, draft.text, draft.model, draft.revision])
        if draft.source != "model":  # the same text that says another author is another report
            key += f"\0{draft.source}"
        return f"urn:uuid:{uuid.uuid5(_NAMESPACE, key)}"

    resources: dict[str, dict[str, Any]] = {}
    device = urn("device")
    patient = urn("patient") if with_patient else None
    subject = {"reference": patient} if patient else None
    observations = {
        urn(label): _observation(label, value, device, subject, instant)
        for label in LABEL_CODES
        if (value := draft.labels.get(label)) is not None
    }
    imaging = _imaging_studies(headers, subject, urn)
    resources[urn("report")] = _report(
        draft, list(observations), list(imaging), subject, device, instant
    )
    resources |= observations
    resources[device] = _device(draft)
    resources |= imaging
    if patient:
        resources[patient] = _patient(headers[0])
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": instant,
        "entry": [{"fullUrl": name, "resource": each} for name, each in resources.items()],
    }
    Bundle.model_validate(bundle)
    return bundle


def fhir_string(text: str) -> tuple[str, int]:
    """Return a text as a FHIR string can hold it, and how many characters were replaced or cut."""
    clean, replaced = _NOT_IN_STRING.subn("\ufffd", text)
    if len(clean.encode("utf-8", "surrogatepass")) <= _LONGEST_STRING:
        return clean, replaced
    kept = clean.encode("utf-8", "surrogatepass")[:_LONGEST_STRING].decode("utf-8", "ignore")
    return kept, replaced + len(clean) - len(kept)


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _observation(
    label: str, value: int, device: str, subject: dict[str, str] | None, instant: str
) -> dict[str, Any]:
    said = VALUE_CODES[value]
    return {
        "resourceType": "Observation",
        "status": "preliminary",
        "category": [
            _concept(
                "http://terminology.hl7.org/CodeSystem/observation-category", "imaging", "Imaging"
            )
        ],
        "code": _concept(LABEL_SYSTEM, LABEL_CODES[label], label),
        **({"subject": subject} if subject else {}),
        "issued": instant,
        "valueCodeableConcept": _concept(SNOMED_SYSTEM, said.code, said.meaning),
        "device": {"reference": device},
    }


def _report(
    draft: Draft,
    observations: list[str],
    imaging: list[str],
    subject: dict[str, str] | None,
    device: str,
    instant: str,
) -> dict[str, Any]:
    data = base64.b64encode(draft.text.encode("utf-8", "surrogatepass")).decode()
    conclusion, _ = fhir_string(draft.text)
    report = {
        "resourceType": "DiagnosticReport",
        "status": "preliminary",
        "identifier": [{"system": "urn:orapo:study-id", "value": fhir_string(draft.study_id)[0]}],
        "category": [_concept("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD", "Radiology")],
        "code": {
            **_concept(LOINC_SYSTEM, "18748-4", "Diagnostic imaging study"),
            "text": f"Chest radiograph. {draft.notice}",
        },
        "issued": instant,
        "conclusion": conclusion,
        "presentedForm": [
            {
                "contentType": "text/plain; charset=utf-8",
                "language": "en",
                "data": data,
                "title": draft.notice,
            }
        ],
    }
    if not data:  # an empty report: FHIR has no empty strings
        del report["conclusion"], report["presentedForm"]
    elif not conclusion.strip():
        del report["conclusion"]
    if subject:
        report["subject"] = subject
    if observations:
        report["result"] = [{"reference": name} for name in observations]
    if imaging:
        report["imagingStudy"] = [{"reference": name} for name in imaging]
    return report


def _device(draft: Draft) -> dict[str, Any]:
    if draft.source == "own":  # its labels are still ours
        return {
            "resourceType": "Device",
            "deviceName": [{"name": "orapo", "type": "model-name"}],
            "type": {"text": "Rules that read labels from reports (research software)"},
        }
    model = fhir_string(draft.model_name)[0].strip() or "unknown"
    device: dict[str, Any] = {
        "resourceType": "Device",
        "deviceName": [{"name": model, "type": "model-name"}],
        "type": {"text": "Vision-language model that writes reports (research software)"},
    }
    if draft.revision:
        device["version"] = [{"value": draft.revision}]
    settings = draft.record.get("decoding")
    if settings:
        device["note"] = [{"text": f"Decoding: {settings}"}]
    return device


def _imaging_studies(
    headers: Sequence[Any], subject: dict[str, str] | None, urn: Any
) -> dict[str, dict[str, Any]]:
    studies: dict[str, dict[str, list[tuple[Reference, Any]]]] = {}
    for header in headers:
        reference = reference_of(header)
        series = studies.setdefault(reference.study_uid, {})
        series.setdefault(reference.series_uid, []).append((reference, header))
    dicom = "http://dicom.nema.org/resources/ontology/DCM"
    return {
        urn(study): {
            "resourceType": "ImagingStudy",
            "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{study}"}],
            "status": "available",
            # required; who it is, is not said unless asked for
            "subject": subject or {"display": "not said"},
            "series": [
                {
                    "uid": series,
                    "modality": {
                        "system": dicom,
                        "code": str(members[0][1].get("Modality") or "OT"),
                    },
                    "instance": [
                        {
                            "uid": reference.instance_uid,
                            "sopClass": {
                                "system": "urn:ietf:rfc:3986",
                                "code": f"urn:oid:{reference.class_uid}",
                            },
                        }
                        for reference, _ in members
                    ],
                }
                for series, members in each.items()
            ],
        }
        for study, each in studies.items()
    }


def _patient(header: Any) -> dict[str, Any]:
    patient: dict[str, Any] = {"resourceType": "Patient"}
    if identifier := str(header.get("PatientID") or "").strip():
        patient["identifier"] = [{"value": identifier}]
    name = header.get("PatientName")
    parts = {
        "family": str(getattr(name, "family_name", "") or ""),
        "given": str(getattr(name, "given_name", "") or "").split(),
    }
    if any(parts.values()):
        patient["name"] = [{key: value for key, value in parts.items() if value}]
    sex = {"F": "female", "M": "male", "O": "other"}.get(str(header.get("PatientSex") or ""))
    if sex:
        patient["gender"] = sex
    born = str(header.get("PatientBirthDate") or "")
    if len(born) == 8 and born.isdecimal():
        patient["birthDate"] = f"{born[:4]}-{born[4:6]}-{born[6:]}"
    return patient


def read_fhir_bundle(path: Path) -> FhirReport:
    """Read a bundle that `fhir_bundle` made.

    Raises:
        OrapoError: The file can't be read, breaks the schema, or holds no report.
        MissingExtraError: fhir.resources is not installed.
    """
    try:
        from fhir.resources.R4B.bundle import Bundle
    except ModuleNotFoundError as error:
        raise MissingExtraError("reading FHIR resources", "fhir") from error
    try:
        bundle = Bundle.model_validate_json(path.read_bytes())
    except OSError as error:
        raise OrapoError(f"{path}: can't be read ({error.strerror})") from None
    except ValueError:  # pydantic's message would quote the report
        raise OrapoError(f"{path}: is no FHIR R4B bundle") from None
    text, status = "", ""
    labels = CHEXPERT.blank()
    references: list[Reference] = []
    for entry in bundle.entry or ():
        resource: Any = entry.resource
        kind = resource.get_resource_type()
        if kind == "DiagnosticReport":
            status = str(resource.status)
            for form in resource.presentedForm or ():
                text = form.data.decode("utf-8", "surrogatepass")  # the library unpacks it
        elif kind == "Observation" and resource.code.coding[0].system == LABEL_SYSTEM:
            value = resource.valueCodeableConcept.coding[0].code
            labels[LABEL_OF_CODE[resource.code.coding[0].code]] = VALUE_OF_CODE[value]
        elif kind == "ImagingStudy":
            study = resource.identifier[0].value.removeprefix("urn:oid:")
            references += [
                Reference(
                    study, series.uid, one.uid, str(one.sopClass.code).removeprefix("urn:oid:")
                )
                for series in resource.series or ()
                for one in series.instance or ()
            ]
    if not status:
        raise OrapoError(f"{path}: holds no DiagnosticReport")
    return FhirReport(text, labels, tuple(references), status)
