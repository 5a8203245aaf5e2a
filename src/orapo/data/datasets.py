"""The data sets that can be loaded, by name."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from orapo.data.loaded import Loaded, LoadOptions, Place
from orapo.data.manifest import load_manifest
from orapo.data.sources.chexpert_plus import load_chexpert_plus
from orapo.data.sources.chexpert_valid import load_chexpert_valid
from orapo.data.sources.iu_xray import load_iu_xray
from orapo.data.sources.loading import Loading
from orapo.data.sources.mimic_cxr import load_mimic_cxr
from orapo.data.sources.own_table import load_table
from orapo.data.sources.rexgradient import load_rexgradient
from orapo.errors import MissingExtraError, OrapoError

Loader: TypeAlias = Callable[[Path, LoadOptions], Loaded]


def _load_dicom(path: Path, options: LoadOptions) -> Loaded:
    """Load a folder of DICOM studies, which have no reports.

    Patients are numbered: what a header calls them gets into no message, page or manifest.
    """
    try:
        # by name: it needs pydicom, which the core does without
        dicom = importlib.import_module("orapo.data.films.dicom")
    except ImportError:
        raise MissingExtraError("a folder of DICOM studies", "dicom") from None
    loading = Loading("dicom", options)
    loading.tick(path.name, 0)
    studies, problems = dicom.load_dicom_folder(path, options.body_part)
    for problem in problems:
        if problem.other_part:
            loading.other_body_part(Place(problem.file), problem.other_part)
        else:
            loading.wrong(Place(problem.file), problem.sentence, "unreadable_image")
    numbers: dict[str, str] = {}
    for study in studies:
        known = study.patient_id or study.study_id
        number = numbers.setdefault(known, f"patient{len(numbers) + 1:06d}")
        numbered = study.model_copy(update={"patient_id": number})
        loading.keep(Place(study.images[0]), numbered, needs_report=False)
    loading.notes["studies_without_report"] = len(studies)
    return loading.finish(path)


LOADERS: Final[dict[str, Loader]] = {
    "chexpert-plus": load_chexpert_plus,
    "mimic-cxr": load_mimic_cxr,
    "iu-xray": load_iu_xray,
    "rexgradient": load_rexgradient,
    "chexpert-valid": load_chexpert_valid,
    "table": load_table,
    "manifest": load_manifest,
    "dicom": _load_dicom,
}


def load_dataset(name: str, path: Path, options: LoadOptions | None = None) -> Loaded:
    """Load a data set.

    Args:
        name: One of `LOADERS`.
        path: Its folder or table.
        options: What a loader can be told.

    Returns:
        Its studies, and everything that is wrong with it.

    Raises:
        OrapoError: There is no such data set, or a table of it can't be read at all.
    """
    if name not in LOADERS:
        raise OrapoError(f"{name}: no such data set; there are {', '.join(LOADERS)}")
    if not path.exists():
        raise OrapoError(f"{path}: no such file or folder")
    with _without_collector():
        return LOADERS[name](path, options or LoadOptions())


@contextmanager
def _without_collector() -> Iterator[None]:
    """Pause the collector of reference cycles: loading makes none, and millions of objects.

    It would go through all of them again and again: a fifth of the time (benchmarks/RESULTS.md).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
