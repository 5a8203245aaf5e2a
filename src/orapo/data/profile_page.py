"""The profile of a data set as files: JSON, a list of problems, and two pages without a script.

The pages hold no report text. The page of thumbnails holds films: keep it where the data may lie.
"""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jinja2
from matplotlib.figure import Figure

from orapo.data.films.body_part import BodyPart
from orapo.data.films.images import read_image
from orapo.data.loaded import Loaded, Problem
from orapo.data.profile import problem_record, text_of
from orapo.data.study import Study
from orapo.data.tables.writing import for_a_spreadsheet, write_rows
from orapo.errors import OrapoError
from orapo.labels import LABELS
from orapo.writing import json_text, write_text

THUMBNAILS: Final = 48
_LISTED: Final = 200
_SIDE: Final = 160
_DPI: Final = 110
_LOOKS: Final = {
    "positive": "#0072B2",
    "uncertain": "#E69F00",
    "negative": "#999999",
    "blank": "#eeeeee",
}
_PROBLEM_COLUMNS: Final = ("file", "line", "row", "entry", "fatal", "kind", "problem")


def write_profile(
    out: Path,
    loaded: Loaded,
    figures: Mapping[str, Any],
    problems: Sequence[Problem],
    *,
    thumbnails: bool,
) -> Path:
    """Write ``profile.json``, ``problems.csv``, ``profile.html`` and ``thumbnails.html``.

    Args:
        out: The folder.
        loaded: The data set.
        figures: Its profile.
        problems: All its problems.
        thumbnails: Whether films may be opened.

    Returns:
        The page.

    Raises:
        OrapoError: The folder can't be written.
    """
    _write(out / "profile.json", json_text(figures, indent=2) + "\n")
    with write_rows(out / "problems.csv", _PROBLEM_COLUMNS) as write:
        records = (problem_record(problem) for problem in problems)
        for record in for_a_spreadsheet(records, True, "file", "entry", "problem"):
            write(record)
    title = f"Data set {loaded.source or 'of this manifest'}"
    films = _films(loaded.studies, loaded.body_part) if thumbnails else []
    page = _render(
        title=title,
        profile=figures,
        problems=[(_place(problem), problem.sentence) for problem in problems[:_LISTED]],
        thumbnails=bool(films),
        tables=_tables(figures),
        label_plot=_label_plot(figures["labels"]),
        length_plot=_length_plot(loaded.studies),
    )
    if films:
        _write(out / "thumbnails.html", _render(title=f"{title}: films", films=films))
    _write(out / "profile.html", page)
    return out / "profile.html"


def _place(problem: Problem) -> str:
    return str(problem.place._replace(file=Path(problem.place.file.name)))


def _tables(figures: Mapping[str, Any]) -> list[tuple[str, list[list[str]]]]:
    def rows(counts: Mapping[str, Any]) -> list[list[str]]:
        return [[name.replace("_", " "), _number(value)] for name, value in counts.items()]

    size = {name: figures[name] for name in ("studies", "patients", "images")}
    splits = [["", "studies", "images", "patients"]]
    for name, one in figures["splits"].items():
        splits.append([name, *(_number(one[key]) for key in ("studies", "images", "patients"))])
    doubts = {
        **{f"empty {name}": count for name, count in figures["empty"].items()},
        "texts in two splits": figures["texts_in_two_splits"]["texts"],
        "studies with such a text": figures["texts_in_two_splits"]["studies"],
        "patients in two splits": figures["patients_in_two_splits"],
    }
    tables = [
        ("Size", rows(size)),
        ("Splits", splits),
        ("Views", rows(figures["views"])),
        ("Source of the labels", rows(figures["labels_source"])),
        ("Texts and leaks", rows(doubts)),
    ]
    if figures["image_files"] is not None:
        tables.append(("Image files", rows(figures["image_files"])))
    if figures["notes"]:
        tables.append(("Decided while reading", rows(figures["notes"])))
    if figures["problems"]:
        tables.append(("Problems", rows(figures["problems"])))
    return tables


def _number(value: object) -> str:
    if isinstance(value, tuple | list):
        return " x ".join(str(part) for part in value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _label_plot(labels: Mapping[str, Mapping[str, int]]) -> str:
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    names = list(reversed(LABELS))
    left = [0.0] * len(names)
    for value, colour in _LOOKS.items():
        total = [max(1, sum(labels[name].values())) for name in names]
        shares = [labels[name][value] / all_ for name, all_ in zip(names, total, strict=True)]
        axes.barh(names, shares, left=left, color=colour, edgecolor="white", label=value)
        left = [start + share for start, share in zip(left, shares, strict=True)]
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of studies")
    figure.legend(loc="outside upper right", ncols=4, frameon=False)
    return _png(figure)


def _length_plot(studies: Sequence[Study]) -> str:
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    lengths = [text_of(study).count(" ") + 1 for study in studies if text_of(study)]
    axes.hist(lengths, bins=40, color=_LOOKS["positive"])
    axes.set_xlabel("words of findings and impression")
    axes.set_ylabel("studies")
    return _png(figure)


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return _data(buffer.getvalue())


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _films(studies: Sequence[Study], body_part: BodyPart) -> list[dict[str, str]]:
    """Return some films as thumbnails; those that can't be read are problems already."""
    films: list[dict[str, str]] = []
    with_images = [study for study in studies if study.images]
    for study in random.Random(0).sample(with_images, min(THUMBNAILS, len(with_images))):
        try:
            image = read_image(study.images[0], body_part)
        except OrapoError:
            continue
        image.thumbnail((_SIDE, _SIDE))
        buffer = io.BytesIO()
        image.convert("L").save(buffer, format="PNG")
        positive = [name for name, value in study.labels.items() if value in (1, -1)]
        films.append(
            {
                "data": _data(buffer.getvalue()),
                "study_id": study.study_id,
                "split": study.split,
                "labels": ", ".join(positive),
            }
        )
    return films


def _render(**values: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("orapo.data", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("profile.html.j2").render(**values)


def _write(path: Path, text: str) -> None:
    write_text(path, text)
