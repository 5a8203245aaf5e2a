"""One synthetic study: findings, film and report, all from a seed and a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from orapo.data.phantom.anatomy import sample_anatomy
from orapo.data.phantom.config import PhantomConfig
from orapo.data.phantom.film import render
from orapo.data.phantom.findings import DrawnFinding, sample_findings
from orapo.data.phantom.reports import write_report
from orapo.data.study import Study

SOURCE: Final = "phantom"
_PAIR_EVERY: Final = 20
"""Of so many studies, the second is of the same patient as the first."""


@dataclass(frozen=True, slots=True)
class PhantomStudy:
    """A study and the truth behind it.

    Attributes:
        study: As in a manifest, without an image path. Its labels are what the report says.
        image: The film, mode ``L``.
        drawn: What the film shows.
    """

    study: Study
    image: Image.Image
    drawn: tuple[DrawnFinding, ...]


def draw_study(seed: int, index: int, config: PhantomConfig) -> PhantomStudy:
    """Draw one study.

    It depends on ``seed``, ``index`` and ``config`` alone, not on how many others are drawn. The
    findings don't depend on the film size or the difficulty, nor the text on the film size, so
    that levels and sizes can be compared study by study.

    Args:
        seed: Of the phantom; not negative.
        index: Of the study; not negative.
        config: Film size and difficulty.
    """
    for_findings, for_report, for_film = np.random.default_rng([seed, index]).spawn(3)
    drawn = sample_findings(for_findings, config.uncertain_share)
    report = write_report(for_report, drawn, config)
    patient = index - 1 if index % _PAIR_EVERY == 1 else index
    # Two studies of one patient show the same chest.
    anatomy = sample_anatomy(np.random.default_rng([seed, patient, 1]))
    image = render(anatomy, drawn, config.size, config.difficulty.contrast, for_film)
    study = Study(
        study_id=f"phantom-{index:06d}",
        patient_id=f"phantom-p{patient:06d}",
        report=report.text,
        findings=report.findings,
        impression=report.impression,
        labels=report.labels,
        source=SOURCE,
    )
    return PhantomStudy(study, image, drawn)
