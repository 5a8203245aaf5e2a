"""The phantom in the layouts of real data sets, so that their loaders can be tried without them.

Names and columns are those of the data sets; the texts, films, ages and everything else are made
up from the seed.
"""

from __future__ import annotations

import csv
import gzip
import importlib
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from orapo.data.phantom.config import PhantomConfig
from orapo.data.phantom.folder import SPLIT_STARTS, VERSION, checked_counts, fill_folder
from orapo.data.phantom.study import draw_study
from orapo.data.sources import chexpert_plus, iu_xray, mimic_cxr
from orapo.data.study import Study
from orapo.labels import LABELS, format_label
from orapo.writing import json_text

_SECOND_VIEW_EVERY: Final = 5
_INDICATIONS: Final = (
    "Cough and fever.",
    "Shortness of breath.",
    "Chest pain.",
    "Preoperative film.",
    "Line placement.",
)
_TABLE: Final = "studies.csv"
PLUS_COLUMNS: Final = (
    "path_to_image", "path_to_dcm", "frontal_lateral", "ap_pa", "deid_patient_id",
    "patient_report_date_order", "report", "section_narrative", "section_clinical_history",
    "section_history", "section_comparison", "section_technique", "section_procedure_comments",
    "section_findings", "section_impression", "section_end_of_impression", "section_summary",
    "section_accession_number", "age", "sex", "race", "ethnicity", "interpreter_needed",
    "insurance_type", "recent_bmi", "deceased", "split",
)  # fmt: skip
"""The columns of CheXpert Plus' table, in its order."""


@dataclass(frozen=True, slots=True)
class LayoutStudy:
    """A phantom study under the names of a layout.

    Attributes:
        study: As the layout's loader gives it back, but for the images.
        image: The film.
        views: How many views of it are written; all are frontal.
    """

    study: Study
    image: Image.Image
    views: int


Writer = Callable[[Path, Iterator[LayoutStudy]], None]


def write_layout(
    layout: str,
    out: Path,
    counts: Mapping[str, int],
    seed: int,
    config: PhantomConfig,
    progress: Callable[[int, int], None] | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Write a phantom in the layout of a real data set.

    Args:
        layout: One of `LAYOUTS`.
        out: The folder.
        counts: Number of studies by split.
        seed: Of the phantom; study ``i`` is that of the plain phantom.
        config: Film size and difficulty.
        progress: Called with the number of studies done and their total, after each one.
        overwrite: Draw over a complete phantom of other arguments.

    Returns:
        What to give to ``orapo data check``: the folder, or the table.

    Raises:
        OrapoError: As `write_phantom`.
    """
    counts = checked_counts(counts, seed)
    total = sum(counts.values())
    arguments = {
        "version": VERSION,
        "layout": layout,
        "seed": seed,
        "counts": counts,
        **asdict(config),
    }
    entries, write = _WRITERS[layout]

    def draw(part: Path) -> None:
        def studies() -> Iterator[LayoutStudy]:
            for done, study in enumerate(layout_studies(layout, counts, seed, config), start=1):
                yield study
                if progress is not None:
                    progress(done, total)

        write(part, studies())

    drawn = fill_folder(
        out, arguments, entries, draw, lambda: (out / entries[-1]).exists(), overwrite
    )
    if not drawn and progress is not None:
        progress(total, total)
    return out / _TABLE if layout == "table" else out


def layout_studies(
    layout: str, counts: Mapping[str, int], seed: int, config: PhantomConfig
) -> Iterator[LayoutStudy]:
    """Yield the studies of a layout, drawn."""
    for split, count in counts.items():
        for index in range(SPLIT_STARTS[split], SPLIT_STARTS[split] + count):
            drawn = draw_study(seed, index, config)
            patient = int(drawn.study.patient_id.removeprefix("phantom-p"))
            study = _renamed(layout, drawn.study, index, patient, seed)
            views = 2 if index % _SECOND_VIEW_EVERY == 0 else 1
            # CheXpert Plus has no test split, the others have all three.
            held_out = "validate" if layout == "chexpert-plus" and split == "test" else split
            yield LayoutStudy(study.model_copy(update={"split": held_out}), drawn.image, views)


def _renamed(layout: str, study: Study, index: int, patient: int, seed: int) -> Study:
    rng = np.random.default_rng([seed, patient, 2])
    context: dict[str, Any] = {
        "indication": _INDICATIONS[int(rng.integers(len(_INDICATIONS)))],
        "comparison": "None.",
        "age": float(rng.integers(18, 91)),
        "sex": "FM"[int(rng.integers(2))],
        "source": layout,
    }
    second = index - patient + 1
    kept: dict[str, Any]
    if layout == "chexpert-plus":
        name = f"patient{patient:06d}"
        kept = {"study_id": f"{name}_study{second}", "patient_id": name}
        context["history"] = context.pop("indication")
    elif layout == "mimic-cxr":
        kept = {"study_id": str(50_000_000 + index), "patient_id": str(10_000_000 + patient)}
        context |= {"age": None, "sex": ""}
    elif layout == "iu-xray":
        # R2Gen's form has one text a study and neither age nor sex.
        name = f"CXR{index}"
        kept = {"study_id": f"{name}_IM-0001", "patient_id": name}
        kept |= {"findings": study.report, "impression": "", "labels_source": "facts"}
        context = {"source": layout}
    else:
        kept = {}
    return study.model_copy(update={**kept, **context})


def _write_chexpert_plus(part: Path, studies: Iterator[LayoutStudy]) -> None:
    folder = part / chexpert_plus.LABEL_FOLDER
    folder.mkdir()
    with (
        (part / chexpert_plus.TABLE).open("w", encoding="utf-8", newline="") as table_file,
        (folder / "report_fixed.json").open("w", encoding="utf-8") as labels_file,
    ):
        table = csv.DictWriter(table_file, PLUS_COLUMNS, restval="", lineterminator="\n")
        table.writeheader()
        for one in studies:
            for view, (row, labels) in enumerate(chexpert_plus_rows(one), start=1):
                table.writerow(row)
                labels_file.write(json_text(labels) + "\n")
                split, _, rest = row["path_to_image"].partition("/")
                stem = rest.removesuffix(".jpg")
                _save(one.image, part / "PNG" / split / f"{stem}.png")
                film = part / f"DICOM_{split}" / f"{stem}.dcm"
                _save_dicom(one.image, film, one.study, view)


def chexpert_plus_rows(one: LayoutStudy) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield a row of the table and one of the labels' file for each view of a study."""
    study = one.study
    split = "train" if study.split == "train" else "valid"
    patient, _, number = study.study_id.partition("_")
    for view in range(1, one.views + 1):
        path = f"{split}/{patient}/{number}/view{view}_frontal"
        row = {
            "path_to_image": f"{path}.jpg",
            "path_to_dcm": f"{path}.dcm",
            "frontal_lateral": "Frontal",
            "ap_pa": "PA",
            "deid_patient_id": patient,
            "patient_report_date_order": number.removeprefix("study"),
            "report": study.report,
            "section_clinical_history": study.history,
            "section_comparison": study.comparison,
            "section_findings": study.findings,
            "section_impression": study.impression,
            "age": int(study.age or 0),
            "sex": {"F": "Female", "M": "Male", "": "Unknown"}[study.sex],
            "split": split,
        }
        yield row, {"path_to_image": f"{path}.jpg", **study.labels}


def _write_mimic_cxr(part: Path, studies: Iterator[LayoutStudy]) -> None:
    ids = ("dicom_id", "study_id", "subject_id")
    columns = {
        "split": (*ids, "split"),
        "metadata": (*ids, "PerformedProcedureStepDescription", "ViewPosition", "Rows", "Columns",
                     "StudyDate", "StudyTime"),
        "chexpert": ("subject_id", "study_id", *LABELS),
    }  # fmt: skip
    rows: dict[str, list[list[Any]]] = {name: [] for name in columns}
    for one in studies:
        study = one.study
        subject = study.patient_id
        inside = part / "files" / f"p{subject[:2]}" / f"p{subject}" / f"s{study.study_id}"
        for view in range(1, one.views + 1):
            dicom_id = f"{study.study_id}-{view:08x}"
            names = [dicom_id, study.study_id, subject]
            size = [one.image.height, one.image.width]
            rows["split"].append([*names, study.split])
            rows["metadata"].append([*names, "CHEST (PA AND LAT)", "PA", *size, 21000101, 120000])
            _save(one.image, inside / f"{dicom_id}.jpg")
        labels = [format_label(study.labels[name]) for name in LABELS]
        rows["chexpert"].append([subject, study.study_id, *labels])
        inside.with_suffix(".txt").write_text(mimic_report(study), encoding="utf-8")
    for name, header in columns.items():
        path = part / f"{mimic_cxr.PREFIX}{name}.csv.gz"
        with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows[name])


def mimic_report(study: Study) -> str:
    """Return a study's report as MIMIC-CXR's text files have it."""
    sections = {
        "EXAMINATION": "CHEST (PA AND LAT)",
        "INDICATION": study.indication,
        "COMPARISON": study.comparison,
        "FINDINGS": study.findings,
        "IMPRESSION": study.impression,
    }
    paragraphs = [
        textwrap.fill(f"{name}:  {text}", 80, initial_indent=" ", subsequent_indent=" ")
        for name, text in sections.items()
        if text
    ]
    return "\n".join([f"{'FINAL REPORT':>44}", "\n \n".join(paragraphs), ""])


def _write_iu_xray(part: Path, studies: Iterator[LayoutStudy]) -> None:
    annotation: dict[str, list[dict[str, Any]]] = {"train": [], "val": [], "test": []}
    reports: list[list[str]] = []
    projections: list[list[str]] = []
    for one in studies:
        study = one.study
        paths = [f"{study.study_id}/{view}.png" for view in range(one.views)]
        for path in paths:
            _save(one.image, part / "images" / path)
        entry = {"id": study.study_id, "report": study.report, "image_path": paths}
        annotation["val" if study.split == "validate" else study.split].append(entry)
        uid = study.patient_id.removeprefix("CXR")
        reports.append([uid, "", "", "PA", "", "", study.report, ""])
        projections += [[uid, path, "Frontal"] for path in paths]
    _write_csv(
        part / iu_xray.REPORTS,
        "uid,MeSH,Problems,image,indication,comparison,findings,impression",
        reports,
    )
    _write_csv(part / iu_xray.PROJECTIONS, "uid,filename,projection", projections)
    (part / iu_xray.ANNOTATION).write_text(json_text(annotation), encoding="utf-8")


def _write_table(part: Path, studies: Iterator[LayoutStudy]) -> None:
    fields = ("patient_id", "split", "findings", "impression", "report", "indication",
              "comparison", "age", "sex")  # fmt: skip
    rows = []
    for one in studies:
        paths = [f"images/{one.study.study_id}-{view}.png" for view in range(one.views)]
        for path in paths:
            _save(one.image, part / path)
        rest = [str(getattr(one.study, name)) for name in fields]
        labels = [format_label(one.study.labels[name]) for name in LABELS]
        views = ";".join(["frontal"] * one.views)
        rows.append([one.study.study_id, ";".join(paths), views, *rest, *labels])
    header = ",".join(("study_id", "image_path", "view", *fields, *LABELS))
    _write_csv(part / _TABLE, header, rows)


def _write_csv(path: Path, header: str, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(header + "\n")
        csv.writer(file, lineterminator="\n").writerows(rows)


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def _save_dicom(image: Image.Image, path: Path, study: Study, view: int) -> None:
    """Write the film as DICOM too, where pydicom is installed."""
    try:
        write_dicom = importlib.import_module("orapo.data.films.dicom").write_dicom
    except ImportError:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_dicom(
        image,
        path,
        view="frontal",
        patient_id=study.patient_id,
        study_uid=study.study_id,
        series_uid=f"{study.study_id} series",
        instance_uid=f"{study.study_id} view {view}",
        monochrome1=view % 2 == 0,
        number=view,
    )


_WRITERS: Final[Mapping[str, tuple[tuple[str, ...], Writer]]] = {
    "chexpert-plus": (
        ("PNG", "DICOM_train", "DICOM_valid", chexpert_plus.LABEL_FOLDER, chexpert_plus.TABLE),
        _write_chexpert_plus,
    ),
    "mimic-cxr": (
        ("files", *(f"{mimic_cxr.PREFIX}{name}.csv.gz" for name in
                    ("split", "chexpert", "metadata"))),
        _write_mimic_cxr,
    ),
    "iu-xray": (
        ("images", iu_xray.REPORTS, iu_xray.PROJECTIONS, iu_xray.ANNOTATION),
        _write_iu_xray,
    ),
    "table": (("images", _TABLE), _write_table),
}  # fmt: skip
LAYOUTS: Final = tuple(_WRITERS)
"""The layouts that there are."""
