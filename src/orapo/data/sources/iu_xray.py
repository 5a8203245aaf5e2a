"""IU X-ray (Open-i) in its two forms: R2Gen's ``annotation.json`` and the two ``indiana`` tables.

Neither has labels, so FactS reads them. ``XXXX`` stands for words that were removed to protect the
patients; the texts are left as they are, and how many hold it is counted.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from orapo.data.loaded import Loaded, LoadOptions, Place, ViewImage
from orapo.data.sources.loading import Loading, view_of
from orapo.data.study import joined_report
from orapo.errors import OrapoError

SOURCE: Final = "iu-xray"
ANNOTATION: Final = "annotation.json"
REPORTS: Final = "indiana_reports.csv"
PROJECTIONS: Final = "indiana_projections.csv"
_IMAGE_FOLDERS: Final = ("images/images_normalized", "images_normalized", "images")
_LARGEST: Final = 1 << 28
_REMOVED: Final = "XXXX"


def load_iu_xray(path: Path, options: LoadOptions) -> Loaded:
    """Load IU X-ray.

    Args:
        path: Its folder, or ``annotation.json`` or ``indiana_reports.csv`` in it. A folder that
            holds both is read by ``annotation.json``, which has a split.
        options: ``images`` is the folder of the images, if it is another one.

    Raises:
        OrapoError: A table can't be read at all.
    """
    if path.is_dir():
        found = [path / name for name in (ANNOTATION, REPORTS) if (path / name).is_file()]
        if not found:
            raise OrapoError(f"{path}: holds neither {ANNOTATION} nor {REPORTS}")
        path = found[0]
    loading = Loading(SOURCE, options)
    root = options.images or _image_folder(path.parent)
    if path.suffix.lower() == ".json":
        _read_annotation(loading, path, root)
    else:
        _read_tables(loading, path, root)
    loaded = loading.finish(path)
    removed = sum(_REMOVED in study.report for study in loaded.studies)
    if removed:
        loaded.notes["reports_with_removed_words"] = removed
    return loaded


def _image_folder(folder: Path) -> Path:
    return next((folder / name for name in _IMAGE_FOLDERS if (folder / name).is_dir()), folder)


def _read_annotation(loading: Loading, path: Path, root: Path) -> None:
    for split, entries in _annotation(path).items():
        name = loading.split(Place(path, entry=f"{split[:40]!r}"), split)
        if name is None:
            continue
        for number, entry in enumerate(entries, start=1):
            place = Place(path, entry=f"{split[:40]} entry {number}")
            if not isinstance(entry, dict):
                loading.wrong(place, "expected a JSON object", "broken_row")
                continue
            _add_annotated(loading, place, entry, name, root)
            if number % 500 == 0:
                loading.tick(path.name, number)


def _annotation(path: Path) -> dict[str, list[Any]]:
    try:
        if path.stat().st_size > _LARGEST:
            raise OrapoError(f"{path}: larger than {_LARGEST:,} bytes; R2Gen's has 2 million")
        text = path.read_text(encoding="utf-8-sig")
        if not text:
            raise OrapoError(f"{path}: the file is empty")
        content = json.loads(text)
    except OSError as error:
        raise OrapoError(f"{path}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise OrapoError(f"{path}: not UTF-8 text at position {error.start}") from None
    except json.JSONDecodeError as error:
        raise OrapoError(f"{path}, line {error.lineno}: broken JSON ({error.msg})") from None
    except (RecursionError, ValueError):
        raise OrapoError(f"{path}: broken JSON") from None
    if not isinstance(content, dict) or not all(isinstance(v, list) for v in content.values()):
        raise OrapoError(f"{path}: expected an object of train, val and test, each a list")
    return content


def _add_annotated(
    loading: Loading, place: Place, entry: dict[str, Any], split: str, root: Path
) -> None:
    lacking = [name for name in ("id", "report", "image_path") if name not in entry]
    if lacking:
        loading.wrong(place, f"lacks {', '.join(lacking)}", "broken_row")
        return
    study_id = loading.identifier(place, entry["id"], "id")
    paths = entry["image_path"]
    if not isinstance(paths, list):
        loading.wrong(place, "image_path must be a list of paths", "wrong_type")
        return
    report = loading.text(place, entry["report"], "report")
    # R2Gen lists the frontal film first and says no more about views.
    images = [ViewImage(path, "") for path in _existing(loading, place, root, paths)]
    loading.add(
        place,
        study_id,
        images,
        None,
        patient_id=study_id.partition("_")[0],
        report=report,
        findings=report,
        split=split,
    )


def _existing(loading: Loading, place: Place, root: Path, paths: list[Any]) -> list[str]:
    found = []
    for path in paths:
        whole = loading.inside(place, root, path)
        if whole is not None and loading.there(place, whole, path):
            found.append(whole)
    return found


def _read_tables(loading: Loading, path: Path, root: Path) -> None:
    views: dict[str, list[tuple[Place, str, str]]] = {}
    projections = path.with_name(PROJECTIONS)
    for place, row in loading.rows(projections, ("uid", "filename", "projection")):
        uid = loading.identifier(place, row["uid"], "uid")
        view = (place, row["filename"], loading.text(place, row["projection"], "projection"))
        views.setdefault(uid, []).append(view)
    required = ("uid", "indication", "comparison", "findings", "impression")
    for place, row in loading.rows(path, required):
        uid = loading.identifier(place, row["uid"], "uid")
        texts: dict[str, Any] = {
            name: loading.text(place, row[name], name) for name in required[1:]
        }
        report = joined_report(texts["findings"], texts["impression"])
        images = []
        for where, name, projection in views.pop(uid, []):
            whole = loading.inside(where, root, name)
            if whole is not None and loading.there(where, whole, name):
                images.append(ViewImage(whole, view_of(projection)))
        loading.add(place, uid, images, None, patient_id=uid, report=report, **texts)
    for uid, rest in views.items():
        sentence = f"uid {uid} has no row in {path.name}"
        loading.wrong(rest[0][0], sentence, "missing_row", fatal=False)
