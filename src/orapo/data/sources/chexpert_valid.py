"""CheXpert's own tables (``valid.csv``, ``train.csv``): films with labels and without reports.

The labels of ``valid.csv`` are radiologists'. Studies have no text; nothing is read by FactS.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from orapo.data.loaded import Loaded, LoadOptions, Place, ViewImage
from orapo.data.sources.loading import Loading, sex_of, view_of
from orapo.errors import OrapoError
from orapo.labels import LABELS, LabelValue

SOURCE: Final = "chexpert-valid"
_REQUIRED: Final = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *LABELS)
_PATH: Final = re.compile(
    r"(?:(CheXpert-v1\.0[\w-]*)/)?(\w+)/(patient\w+)/(study\w+)/([\w.-]+\.(?:jpg|png))"
)


def load_chexpert_valid(path: Path, options: LoadOptions) -> Loaded:
    """Load CheXpert's validation set (or any table of its form).

    Args:
        path: ``valid.csv`` or its folder. The paths in it begin with the name of the folder that
            was unpacked (``CheXpert-v1.0-small/``), which may be left out on disk.
        options: ``images`` is the folder that holds ``valid/``, if it is another one.

    Raises:
        OrapoError: The table can't be read at all.
    """
    table = path / "valid.csv" if path.is_dir() else path
    if path.is_dir() and not table.is_file():
        raise OrapoError(f"{path}: holds no valid.csv, the table of CheXpert's validation set")
    loading = Loading(SOURCE, options)
    root = (options.images or table.parent).absolute()
    columns = {name: name for name in LABELS}
    studies: dict[str, list[tuple[Place, ViewImage, dict[str, LabelValue], dict[str, str]]]] = {}
    seen: dict[str, Place] = {}
    for place, row in loading.rows(table, _REQUIRED):
        name = str(row["Path"]).replace("\\", "/")
        match = _PATH.fullmatch(name)
        if match is None:
            sentence = "Path is not of the form CheXpert-v1.0-small/split/patient/study/view.jpg"
            loading.wrong(place, sentence, "image_path")
            continue
        if not loading.is_new(seen, name, place):
            continue
        labels = loading.labels(place, row, columns)
        split = loading.split(place, match[2])
        if labels is None or split is None:
            continue
        rest = name.removeprefix(f"{match[1]}/") if match[1] else name
        whole = f"{root}/{rest}"
        if match[1] and not os.path.isfile(whole) and os.path.isfile(f"{root}/{name}"):
            whole = f"{root}/{name}"
        view = ViewImage(whole, view_of(row["Frontal/Lateral"]))
        facts = {"split": split, "Age": row["Age"], "Sex": row["Sex"], "patient": match[3]}
        studies.setdefault(f"{match[3]}_{match[4]}", []).append((place, view, labels, facts))
    for study_id, views in studies.items():
        place, _, labels, facts = min(views, key=lambda one: one[1].view != "frontal")
        if any(one[2] != labels for one in views):
            loading.notes["studies_whose_views_differ_in_labels"] += 1
        loading.add(
            place,
            study_id,
            [image for where, image, _, _ in views if loading.there(where, image.path)],
            labels,
            needs_report=False,
            patient_id=facts["patient"],
            age=loading.age(place, facts["Age"]),
            sex=sex_of(facts["Sex"]),
            split=facts["split"],
        )
    return loading.finish(table)
