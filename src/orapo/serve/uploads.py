"""Films as they are uploaded: kept in a folder of the request's own, and gone with it."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from orapo.data.conversation import Views, shown_films
from orapo.data.films.image_files import DICOM_SUFFIXES, is_dicom
from orapo.data.films.images import read_image
from orapo.data.study import Study
from orapo.errors import MissingExtraError, OrapoError

_CHUNK = 2**20


@dataclass(frozen=True)
class Upload:
    """A file that was sent.

    Attributes:
        path: Where it lies now; its name says nothing of what the sender called it.
        name: How messages call it, e.g. ``image 1``.
        digest: SHA-256 of its content.
    """

    path: Path
    name: str
    digest: bytes


@asynccontextmanager
async def kept_for_now(
    files: Sequence[tuple[str, BinaryIO]],
) -> AsyncGenerator[tuple[Upload, ...], None]:
    """Lay uploaded files where they can be read by path, and take them away again.

    Args:
        files: The sender's name of each, of which only a DICOM ending counts, and its content.
    """
    async with request_folder() as folder:
        yield await asyncio.to_thread(_laid_down, folder, files)


@asynccontextmanager
async def request_folder() -> AsyncGenerator[Path, None]:
    """Make a folder of the request's own, which goes with it."""
    with tempfile.TemporaryDirectory(prefix="orapo-serve-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _laid_down(folder: Path, files: Sequence[tuple[str, BinaryIO]]) -> tuple[Upload, ...]:
    uploads = []
    for place, (name, content) in enumerate(files, 1):
        ending = Path(name.lower()).suffix
        path = folder / f"image-{place}{ending if ending in DICOM_SUFFIXES else ''}"
        digest = hashlib.sha256()
        with path.open("wb") as file:
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
        uploads.append(Upload(path, f"image {place}", digest.digest()))
    return tuple(uploads)


def described(uploads: Sequence[Upload]) -> str:
    """Name a study by its films' content: the same films get the same name and random numbers."""
    return "upload-" + hashlib.sha256(b"".join(one.digest for one in uploads)).hexdigest()[:16]


def read_films(uploads: Sequence[Upload], views: Views) -> list[tuple[int, Image.Image]]:
    """Read the films of one study that a model is shown.

    Args:
        uploads: All of the study; a film that isn't shown must be readable too.
        views: Which are shown; a frontal one by the DICOM headers, else the first.

    Returns:
        Place among the uploads, and film, in the order in which they are shown.

    Raises:
        OrapoError: One can't be read, or DICOM files are of several studies; in the words of
            `Upload.name`.
    """
    films = {one.path: read_film(one) for one in uploads}
    study = Study(study_id="upload", images=tuple(films))
    dicom = [one for one in uploads if is_dicom(one.path)]
    if dicom:  # pictures beside them say nothing of whose they are
        of_one = _dicom_study(dicom)
        study = of_one if len(dicom) == len(uploads) else study
    places = {one.path: place for place, one in enumerate(uploads)}
    return [(places[path], films[path]) for path in shown_films(study, views)]


def read_earlier(earlier: Upload, uploads: Sequence[Upload]) -> Image.Image:
    """Read a film of the study before.

    Args:
        earlier: The film.
        uploads: Those of this study.

    Raises:
        OrapoError: It can't be read, or is of another patient or of this very study.
    """
    film = read_film(earlier)
    if earlier.digest in {one.digest for one in uploads}:
        raise OrapoError(f"{earlier.name} is one of this study's")
    if is_dicom(earlier.path):
        from orapo.data.films.dicom import header_of

        before = header_of(earlier.path)
        for one in uploads:
            if not is_dicom(one.path):
                continue
            now = header_of(one.path)
            if before.patient_id and now.patient_id and before.patient_id != now.patient_id:
                raise OrapoError(f"{earlier.name} is of another patient")
            if before.study_uid and before.study_uid == now.study_uid:
                raise OrapoError(f"{earlier.name} is one of this study's")
    return film


def _dicom_study(uploads: Sequence[Upload]) -> Study:
    from orapo.data.films.dicom import group_dicom

    studies, problems = group_dicom([one.path for one in uploads])
    without_uid = len(uploads) == 1 and not studies
    if without_uid:  # a single film needs no name of its study
        return Study(study_id="upload", images=(uploads[0].path,))
    names = {one.path: one.name for one in uploads}
    if problems:
        raise OrapoError(_renamed(f"{names[problems[0].file]}: {problems[0].sentence}", uploads))
    if len({study.patient_id for study in studies}) > 1:
        raise OrapoError(f"the DICOM files are of {len(studies)} patients; send one at a time")
    if len(studies) != 1:
        raise OrapoError(f"the DICOM files are of {len(studies)} studies; send one at a time")
    return studies[0]


def read_film(upload: Upload) -> Image.Image:
    """Read an upload; see `orapo.data.films.images.read_image`.

    Raises:
        OrapoError: It can't be read, in the words of `Upload.name`.
        MissingExtraError: It is DICOM, and pydicom is not installed.
    """
    with in_its_words(upload):
        return read_image(upload.path)


@contextmanager
def in_its_words(upload: Upload) -> Iterator[None]:
    """Say what is wrong with an upload in the words of `Upload.name`.

    Raises:
        OrapoError: What was raised inside.
        MissingExtraError: It is DICOM, and pydicom is not installed.
    """
    try:
        yield
    except MissingExtraError:
        raise MissingExtraError("reading DICOM", "dicom") from None
    except OrapoError as error:
        raise OrapoError(_renamed(str(error), [upload])) from None


def _renamed(message: str, uploads: Sequence[Upload]) -> str:
    for one in uploads:
        message = message.replace(str(one.path), one.name).replace(one.path.name, one.name)
    return message


@dataclass(frozen=True)
class FilmFacts:
    """What a page must know of a film to keep it with the right study.

    Attributes:
        digest: SHA-256 of the file, in hex.
        study: The study's name by its StudyInstanceUID; empty where the file has none.
        patient: A name made of PatientID, to compare with others'; empty where the file has none.
        position: ``PA``, ``AP``, ``LAT`` or empty.
        date: When it was taken, as 2026-11-29; empty where the file does not say.
    """

    digest: str
    study: str = ""
    patient: str = ""
    position: str = ""
    date: str = ""


def film_as_png(upload: Upload, longest_side: int) -> tuple[bytes, FilmFacts]:
    """Return a film as `as_png` does, and whose it is.

    Raises:
        OrapoError: It can't be read.
    """
    return as_png(upload, longest_side), facts_of_film(upload)


def facts_of_film(upload: Upload) -> FilmFacts:
    """Say whose a film is.

    Raises:
        OrapoError: Its header can't be read.
    """
    digest = upload.digest.hex()
    if not is_dicom(upload.path):
        return FilmFacts(digest)
    from orapo.data.films.dicom import header_of, study_name

    header = header_of(upload.path)
    day = header.taken[:8]
    patient = hashlib.sha256(f"patient {header.patient_id}".encode()).hexdigest()[:16]
    return FilmFacts(
        digest,
        study=study_name(header.study_uid) if header.study_uid else "",
        patient=patient if header.patient_id else "",
        position=header.position,
        date=f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else "",
    )


def as_png(upload: Upload, longest_side: int) -> bytes:
    """Return a film as the model gets it, as PNG for a browser.

    Args:
        upload: The film.
        longest_side: In pixels; larger films are made smaller.

    Raises:
        OrapoError: It can't be read.
    """
    film = read_film(upload)
    film.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    stream = BytesIO()
    film.save(stream, "PNG", compress_level=1)
    return stream.getvalue()
