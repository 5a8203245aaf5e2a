"""From layers to a film: exposure, scatter, noise, and the reduction to pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image

from orapo.data.phantom.anatomy import Anatomy, Canvas, Thorax
from orapo.data.phantom.findings import DrawnFinding
from orapo.data.phantom.painting import heart_width, paint

_AIR: Final = 0.47
_MARKINGS: Final = 0.15
_DRAWING_SIDE: Final = 192


def render(
    anatomy: Anatomy,
    findings: Sequence[DrawnFinding],
    size: int,
    contrast: float,
    rng: np.random.Generator,
) -> Image.Image:
    """Draw one frontal film.

    The film is drawn at two or more times ``size`` and reduced, so that the same study shows the
    same things at every size.

    Args:
        anatomy: The patient.
        findings: What to show.
        size: Width and height in pixels.
        contrast: Multiplier of the findings' contrast.
        rng: For lung markings, small shifts, exposure and noise.

    Returns:
        A grey image, mode ``L``; bright is dense.
    """
    factor = max(2, round(_DRAWING_SIDE / size))
    # One stream each, so that a finding changes nothing but what it covers.
    for_markings, for_clouds, for_exposure, *for_findings = rng.spawn(3 + len(findings))
    canvas = Canvas(size * factor, anatomy)
    enlarged = next((one for one in findings if one.label == "Cardiomegaly"), None)
    thorax = Thorax(canvas, anatomy, heart_width(anatomy, enlarged, contrast), for_markings)
    for finding, stream in zip(findings, for_findings, strict=True):
        paint(thorax, finding, contrast, stream)
    beam = thorax.tissue + thorax.bone
    beam -= np.float32(_AIR) * thorax.air
    beam += np.float32(_MARKINGS) * thorax.markings * thorax.air
    beam += np.float32(0.035) * (canvas.clouds(for_clouds, 7) - np.float32(0.5))
    beam += thorax.metal * (1 - beam)
    return _develop(beam, size, factor, for_exposure)


def _develop(beam: np.ndarray, size: int, factor: int, rng: np.random.Generator) -> Image.Image:
    small = beam.reshape(size, factor, size, factor).mean(axis=(1, 3))
    gain, lift = rng.uniform(0.90, 1.12), rng.uniform(-0.03, 0.04)
    gamma = rng.uniform(0.85, 1.2)
    grain = rng.uniform(0.008, 0.022)
    film = np.clip(small * gain + lift + 0.02, 0, 1) ** gamma
    # Last, because the number of draws depends on the size.
    film = film + grain * rng.standard_normal((size, size), dtype=np.float32)
    return Image.fromarray((np.clip(film, 0, 1) * 255).astype(np.uint8))
