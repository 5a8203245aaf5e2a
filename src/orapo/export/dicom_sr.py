"""Generated reports as DICOM structured reports, and back (extra ``[dicom]``).

An Enhanced SR after DICOM's template TID 2000: a device as observer, the report as text, the labels
as codes, the pictures by their UIDs. Always UNVERIFIED, PRELIMINARY and PARTIAL. Without being asked
for the patient, nothing of the source's header but UIDs is copied.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orapo.errors import MissingExtraError, OrapoError
from orapo.export.codes import (
    LABEL_CODES,
    LABEL_OF_CODE,
    LABEL_SCHEME,
    VALUE_CODES,
    VALUE_OF_CODE,
)
from orapo.export.draft import Draft, Source
from orapo.export.sources import Reference, dicom_headers, reference_of
from orapo.labels import CHEXPERT, LabelValue

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_PATIENT: Final = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
    *("StudyDescription", "PatientAge", "SpecificCharacterSet"),
)
_REQUIRED: Final = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"),
    *("StudyDate", "StudyTime", "ReferringPhysicianName"),
)
# VR UT holds these control characters alone (PS3.5, 6.2); white space at its end is padding.
_NOT_IN_TEXT: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_PADDING: Final = re.compile("[ \0]+$")
REPLACEMENT: Final = "\ufffd"
_DESCRIPTIONS: Final[Mapping[Source, str]] = {  # at most 64 characters each, as VR LO holds
    "model": "DRAFT, written by a model, not verified",
    "edited": "DRAFT, written by a model, edited by a reader, not verified",
    "own": "Text typed by a reader, no model, not verified",
}


@dataclass(frozen=True)
class StructuredReport:
    """What is read back from a structured report.

    Attributes:
        text: The report.
        labels: All 14 labels, None where the file says nothing.
        references: The pictures that it refers to, those of its own study first.
        verified: Whether somebody has signed it.
    """

    text: str
    labels: dict[str, LabelValue]
    references: tuple[Reference, ...]
    verified: bool


def sr_text(text: str) -> tuple[str, int]:
    """Return a text as DICOM can hold it, and how many of its characters were replaced or dropped.

    Control characters other than tab, line feed, form feed and carriage return become U+FFFD;
    spaces at the end are dropped.
    """
    clean, replaced = _NOT_IN_TEXT.subn(REPLACEMENT, text)
    kept = _PADDING.sub("", clean)
    return kept, replaced + len(clean) - len(kept)


def structured_report(
    draft: Draft, *, when: datetime | None = None, with_patient: bool = False
) -> Dataset:
    """Make a structured report.

    Args:
        draft: With the films it is about; those that are DICOM files are referred to.
        when: The time that it bears; now if not given. The same draft and time give the same UIDs.
        with_patient: Copy patient and study (name, dates, accession number) from the first DICOM
            film's header.

    Returns:
        A pydicom data set, ready to be saved.

    Raises:
        OrapoError: A film is not there or can't be read, or the patient is asked for and no film is
            DICOM.
        MissingExtraError: highdicom is not installed.
    """
    try:
        from highdicom.sr import EnhancedSR
        from pydicom.dataset import Dataset
        from pydicom.uid import ComputedRadiographyImageStorage, generate_uid
    except ModuleNotFoundError as error:
        raise MissingExtraError("writing DICOM structured reports", "dicom") from error
    headers = dicom_headers(draft.films)
    if with_patient and not headers:
        raise OrapoError(
            f"study {draft.study_id}: no film is a DICOM file, so no patient can be copied"
        )
    when = when or datetime.now()
    # The same for the same content: sent twice, an archive knows it for the same document.
    key = [draft.study_id, draft.text, draft.model, draft.revision, repr(dict(draft.labels))]
    key += [draft.source] if draft.source != "model" else []
    key += [when.isoformat(), *(reference_of(header).instance_uid for header in headers)]

    def uid(what: str) -> str:
        digest = hashlib.sha256("\0".join([what, *key]).encode("utf-8", "surrogatepass"))
        return str(generate_uid(entropy_srcs=[digest.hexdigest()]))

    evidence = [_evidence(header, with_patient) for header in headers]
    if not evidence:  # highdicom wants one to take the study from; it is not referred to
        stand_in = Dataset()
        stand_in.SOPClassUID = ComputedRadiographyImageStorage
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            setattr(stand_in, name, uid(name))
        evidence = [_evidence(stand_in, with_patient=False)]
    document: Any = EnhancedSR(
        evidence=evidence,
        content=_content(draft, [reference_of(header) for header in headers], uid("device")),
        series_instance_uid=uid("series"),
        series_number=1,
        sop_instance_uid=uid("instance"),
        instance_number=1,
        manufacturer="orapo",
        # a short string, in which a backslash would begin another one
        manufacturer_model_name=sr_text(draft.model_name)[0].replace("\\", "/")[:64] or None,
        is_complete=False,
        is_final=False,
        is_verified=False,
        specific_character_set="ISO_IR 192",
        series_description=_DESCRIPTIONS[draft.source],
        content_qualification="RESEARCH",
        content_date=when.date(),
        content_time=when.time().replace(microsecond=0),
    )
    if not headers:
        del document.CurrentRequestedProcedureEvidenceSequence
    for equipment in document.get("ContributingEquipmentSequence") or ():
        equipment.ContributionDateTime = when.strftime("%Y%m%d%H%M%S")
    document.InstanceCreationDate = when.strftime("%Y%m%d")
    document.InstanceCreationTime = when.strftime("%H%M%S")
    return document


def _evidence(header: Dataset, with_patient: bool) -> Dataset:
    """Copy of a header what the report may hold of it."""
    from pydicom.dataset import Dataset

    copy = Dataset()
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"):
        setattr(copy, name, header.get(name))
    for name in _REQUIRED:
        setattr(copy, name, "")
    if with_patient:
        for name in _PATIENT:
            if name in header:
                setattr(copy, name, header.get(name))
    return copy


def _content(draft: Draft, references: Sequence[Reference], device_uid: str) -> Dataset:
    """Make the tree of the document, after TID 2000."""
    from highdicom.sr import (
        CodeContentItem,
        CodedConcept,
        ContainerContentItem,
        ContentSequence,
        DeviceObserverIdentifyingAttributes,
        ImageContentItem,
        LanguageOfContentItemAndDescendants,
        ObserverContext,
        TextContentItem,
    )
    from pydicom.sr.codedict import codes

    contains = "CONTAINS"
    root = ContainerContentItem(
        name=codes.LN.XRayReport, is_content_continuous=False, template_id="2000"
    )
    english = CodedConcept(value="en", scheme_designator="RFC5646", meaning="English")
    own = draft.source == "own"  # then orapo has read the text, and no model has written it
    observer = ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=device_uid,
            name="orapo",
            model_name=None if own else sr_text(draft.model_name)[0] or "unknown",
            serial_number=draft.revision or None,
        ),
    )
    findings = ContainerContentItem(
        name=codes.cid7001.Findings, is_content_continuous=False, relationship_type=contains
    )
    body = ContentSequence()
    body.append(
        TextContentItem(codes.DCM.Finding, sr_text(draft.text)[0], relationship_type=contains)
    )
    for label, code in LABEL_CODES.items():
        value = draft.labels.get(label)
        if value is None:
            continue
        said = VALUE_CODES[value]
        body.append(
            CodeContentItem(
                CodedConcept(code, LABEL_SCHEME, label),
                CodedConcept(said.code, "SCT", said.meaning),
                relationship_type=contains,
            )
        )
    for reference in references:
        body.append(
            ImageContentItem(
                codes.DCM.SourceImage,
                reference.class_uid,
                reference.instance_uid,
                relationship_type=contains,
            )
        )
    findings.ContentSequence = body
    tree = ContentSequence()
    tree.extend(LanguageOfContentItemAndDescendants(english))
    tree.extend(observer)
    tree.append(TextContentItem(codes.DCM.Comment, draft.notice, relationship_type=contains))
    tree.append(findings)
    root.ContentSequence = tree
    return root


def read_structured_report(path: Path) -> StructuredReport:
    """Read a structured report that `structured_report` made.

    Raises:
        OrapoError: The file can't be read, or is another kind of document.
        MissingExtraError: pydicom is not installed.
    """
    try:
        import pydicom

        from orapo.data.films.dicom.reading import careful
    except ModuleNotFoundError as error:
        raise MissingExtraError("reading DICOM structured reports", "dicom") from error
    with careful(path):
        document = pydicom.dcmread(path)
        if document.get("Modality") != "SR":
            raise OrapoError(f"{path}: is no structured report")
        labels = CHEXPERT.blank()
        text: str | None = None
        for item in _items(document):
            name = item.ConceptNameCodeSequence[0] if "ConceptNameCodeSequence" in item else None
            if name is None:
                continue
            scheme, code = name.CodingSchemeDesignator, name.CodeValue
            if item.ValueType == "TEXT" and (scheme, code) == ("DCM", "121071"):
                text = str(item.TextValue or "")
            elif item.ValueType == "CODE" and scheme == LABEL_SCHEME:
                value = item.ConceptCodeSequence[0].CodeValue
                labels[LABEL_OF_CODE[code]] = VALUE_OF_CODE[value]
        if text is None:
            raise OrapoError(f"{path}: holds no text of a finding")
        return StructuredReport(
            text, labels, tuple(_references(document)), document.VerificationFlag == "VERIFIED"
        )


def _items(item: Any) -> Any:
    for child in item.get("ContentSequence") or ():
        yield child
        yield from _items(child)


def _references(document: Any) -> Any:
    for name in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence"):
        for study in document.get(name) or ():
            for series in study.ReferencedSeriesSequence:
                for picture in series.ReferencedSOPSequence:
                    yield Reference(
                        str(study.StudyInstanceUID),
                        str(series.SeriesInstanceUID),
                        str(picture.ReferencedSOPInstanceUID),
                        str(picture.ReferencedSOPClassUID),
                    )
