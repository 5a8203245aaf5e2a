"""What is asked about: studies of a manifest or of files, as a model gets them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from orapo.data.conversation import Views, previous_studies, shown_films, study_prompt
from orapo.data.films.image_files import is_dicom
from orapo.data.films.images import read_image
from orapo.data.study import Study
from orapo.data.tables.reading import SUFFIXES
from orapo.errors import MissingExtraError, OrapoError


@dataclass(frozen=True)
class Asked:
    """A study as a model gets it.

    Attributes:
        study_id: Its name.
        films: What is shown, in this order; an earlier study's film comes last.
        prompt: What the model is asked and told.
        earlier: What of an earlier study it is given: ``report``, ``film``, ``report and film`` or
            nothing.
    """

    study_id: str
    films: tuple[Path, ...]
    prompt: str
    earlier: str = ""

    def read(self) -> list[Image.Image]:
        """Read the films.

        Raises:
            OrapoError: There is none, or one can't be read.
        """
        if not self.films:
            raise OrapoError(f"study {self.study_id}: has no image")
        return [read_image(path) for path in self.films]


def ask(
    records: Sequence[Study],
    views: Views,
    fields: Sequence[str],
    *,
    before: Mapping[str, Study] | None = None,
    earlier_films: bool = False,
) -> list[Asked]:
    """Put studies to a model.

    Args:
        records: The studies.
        views: Which films of a study are shown.
        fields: What the prompt tells of it.
        before: The patient's study before, by the id of the later one.
        earlier_films: Whether its first film is shown too, after the others.
    """
    before = before or {}
    return [_ask(one, views, fields, before.get(one.study_id), earlier_films) for one in records]


def _ask(
    study: Study, views: Views, fields: Sequence[str], before: Study | None, earlier_films: bool
) -> Asked:
    films = shown_films(study, views)
    earlier = shown_films(before, "frontal") if before is not None and earlier_films else ()
    prompt = study_prompt(study, fields, previous=before, earlier_film=bool(earlier))
    told = prompt != study_prompt(study, fields, previous=None, earlier_film=bool(earlier))
    given = [name for name, there in (("report", told), ("film", bool(earlier))) if there]
    return Asked(study.study_id, films + earlier, prompt, " and ".join(given))


def studies_of_files(paths: Sequence[Path]) -> list[Study]:
    """Make a study of each picture file, and of the DICOM files of one StudyInstanceUID.

    The latter's name is a hash of that UID (`orapo.data.films.dicom.study_name`), which isn't written out.
    A DICOM file that belongs to no study stays one of its own, so that reading it says what is
    wrong with it.

    Raises:
        OrapoError: Two images have the same name, or a file is a table.
    """
    for path in paths:
        if path.suffix.lower() in SUFFIXES:
            raise OrapoError(f"{path}: is a table and no image; a manifest is given by --data")
    dicom = [path for path in paths if _is_dicom(path)]
    grouped: list[Study] = []
    if dicom:
        try:
            from orapo.data.films.dicom import group_dicom
        except ModuleNotFoundError as error:
            raise MissingExtraError(f"{dicom[0]}: reading DICOM", "dicom") from error
        grouped, problems = group_dicom(dicom)
        taken = set(dicom) - {problem.file for problem in problems}
        paths = [path for path in paths if path not in taken]
    return [*grouped, *_named(paths)]


def _is_dicom(path: Path) -> bool:
    try:
        return is_dicom(path)
    except OrapoError:  # missing or empty: an error row, as of any other file
        return False


def _named(paths: Sequence[Path]) -> list[Study]:
    """Name each image's study: by its file without the ending, with it, or by its way from above.

    The first of these that no other image has; archives name films alike in every study's folder.

    Raises:
        OrapoError: An image stands there twice.
    """
    stems, names = Counter(path.stem for path in paths), Counter(path.name for path in paths)
    folders = [path.absolute().parent for path in paths]
    top = Path(os.path.commonpath(folders)) if folders else Path()
    seen: dict[str, Path] = {}
    for path in paths:
        study_id = path.stem if stems[path.stem] == 1 else path.name
        if names[path.name] > 1:
            study_id = "-".join(path.absolute().relative_to(top).parts)
        if study_id in seen:
            raise OrapoError(f"{path} and {seen[study_id]}: two images of the same name")
        seen[study_id] = path
    return [Study(study_id=study_id, images=(path,)) for study_id, path in seen.items()]


def earlier_of_files(studies: Sequence[Study]) -> Mapping[str, Study]:
    """Find the study before among those of DICOM files, by patient and date.

    Studies whose header has no patient or no date have none before, and are none.
    """
    from orapo.data.films.dicom import header_of

    dated = []
    for study in studies:
        taken = header_of(study.images[0]).taken if study.source == "dicom" else ""
        if taken and study.patient_id:
            dated.append((taken, study))
    return previous_studies(study for _, study in sorted(dated, key=lambda one: one[0]))


def named_before(study: Study, film: Path | None, report: Path | None) -> dict[str, Study]:
    """Make the study before out of an earlier film and an earlier report that a user names.

    Returns:
        As `ask` takes it: by the id of the later study.

    Raises:
        OrapoError: The report can't be read, or is empty.
    """
    text = ""
    if report is not None:
        try:
            text = report.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise OrapoError(f"{report}: can't be read ({error.strerror})") from None
        except UnicodeDecodeError:
            raise OrapoError(f"{report}: not UTF-8 text; save the file as UTF-8") from None
        if not text.strip():
            raise OrapoError(f"{report}: the earlier report is empty")
    earlier = Study(
        study_id=f"before {study.study_id}", images=() if film is None else (film,), report=text
    )
    return {study.study_id: earlier}
