"""How each finding looks: painters that change the layers of a `Thorax`.

``strength`` is the contrast: 1 at the easy level, less when the difficulty asks for it or the
finding is uncertain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from orapo.data.phantom.anatomy import APEX, EDGE, SIDES, Anatomy, Point, Stroke, Thorax, ramp
from orapo.data.phantom.findings import FAINTER, DrawnFinding

_HEART: Final = {"mild": 0.555, "moderate": 0.615, "severe": 0.685}
_FLUID: Final = {"small": 0.26, "moderate": 0.50, "large": 0.85}
_RIM: Final = {"small": 0.10, "moderate": 0.16, "large": 0.24}
_HAZE: Final = {"mild": 0.34, "moderate": 0.46, "severe": 0.58}
_DISC: Final = {"small": 0.07, "large": 0.115}
_PATCH: Final = {"small": 0.105, "large": 0.155}
_ZONES: Final = {"upper": (0.40, -0.34), "mid": (0.48, -0.02), "lower": (0.54, 0.29)}
_RIB_NUMBERS: Final = {"fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7}


def strength_of(finding: DrawnFinding, contrast: float) -> float:
    """Return the contrast of a finding at a difficulty's ``contrast``."""
    return contrast * (FAINTER if finding.uncertain else 1.0)


def heart_width(anatomy: Anatomy, finding: DrawnFinding | None, contrast: float) -> float:
    """Return the cardiothoracic ratio to draw: the patient's own, or up to an enlarged one."""
    own = anatomy.cardiothoracic_ratio
    if finding is None or finding.severity is None:
        return own
    enlarged = _HEART[finding.severity] + 0.3 * (own - 0.43)
    return own + (enlarged - own) * min(1.0, strength_of(finding, contrast))


def paint(thorax: Thorax, finding: DrawnFinding, contrast: float, rng: np.random.Generator) -> None:
    """Draw one finding (Cardiomegaly is drawn with the heart, see `heart_width`)."""
    painter = _PAINTERS.get(finding.label)
    if painter is not None:
        painter(thorax, finding, strength_of(finding, contrast), rng)


def _fill(thorax: Thorax, mask: np.ndarray, share: float) -> None:
    """Let fluid or cells take ``share`` of the air under ``mask``."""
    thorax.air *= 1 - np.float32(min(1.0, share)) * mask


def _zone(finding: DrawnFinding, rng: np.random.Generator) -> Point:
    place = (finding.place or "mid").split()[0]
    au, v = _ZONES[place]
    jitter = rng.uniform(-0.035, 0.035, 2)
    return SIDES[finding.side or "left"] * (au + jitter[0]), v + jitter[1]


def _effusion(thorax: Thorax, finding: DrawnFinding, strength: float, rng: object) -> None:
    a = thorax.anatomy
    height = _FLUID[finding.severity or "small"]
    across = np.clip((thorax.au - np.float32(0.12)) * np.float32(1 / 0.6), 0, 1)
    # The meniscus climbs the lateral wall.
    climb = np.float32(0.50) + np.float32(0.50) * across * across * across
    for side in ("left", "right") if finding.side == "bilateral" else (finding.side or "left",):
        floor = a.dome[side] + 1.55 * (a.half_width[side] - 0.32) ** 2
        level = np.float32(floor) - np.float32(height) * climb
        _fill(
            thorax,
            ramp(thorax.canvas.v - level, 0.05) * thorax.of_side(side),
            1.0 * strength,
        )


def _opacity(
    thorax: Thorax, finding: DrawnFinding, strength: float, rng: np.random.Generator
) -> None:
    radius = _PATCH[finding.severity or "small"]
    stretch = rng.uniform(0.85, 1.2)
    patch = thorax.canvas.blob(_zone(finding, rng), (radius * stretch, radius / stretch))
    clouds = np.float32(0.7) + np.float32(0.45) * thorax.canvas.clouds(rng, 14)
    _fill(thorax, np.minimum(1, patch * clouds), 0.74 * strength)


def _consolidation(
    thorax: Thorax, finding: DrawnFinding, strength: float, rng: np.random.Generator
) -> None:
    side = finding.side or "right"
    sign = SIDES[side]
    slip = float(rng.uniform(-0.03, 0.03))
    out = 0.10 if side == "left" else 0.0
    lobe = (finding.place or "upper lobe").split()[0]
    corners: list[Point] = {
        # A lobe above or a wedge beside a straight fissure.
        "upper": [(0.05, -0.9), (0.9, -0.9), (0.9, -0.13), (0.05, -0.20)],
        "middle": [(0.12, 0.00), (0.9, -0.04), (0.9, 0.30), (0.16, 0.10)],
        "lower": [
            (0.1, 0.02),
            (0.50 + out, 0.12),
            (0.58 + out, 0.34),
            (0.46 + out, 0.7),
            (0.1, 0.7),
        ],
    }[lobe]
    mask = thorax.canvas.polygon([(sign * x, y + slip) for x, y in corners], blur=0.011)
    _fill(thorax, mask, 0.86 * strength)
    # Bronchi stay filled with air.
    base = (0.2, {"upper": -0.2, "middle": 0.06, "lower": 0.1}[lobe] + slip)
    tips = {
        "upper": [(0.34, -0.36), (0.48, -0.27)],
        "middle": [(0.46, 0.08), (0.42, 0.12)],
        "lower": [(0.42 + out, 0.32), (0.34, 0.36)],
    }[lobe]
    bronchi: list[Stroke] = [
        ([(sign * base[0], base[1]), (sign * x, y + slip)], 0.018, 1.0) for x, y in tips
    ]
    lines = thorax.canvas.strokes(bronchi, blur=0.006)
    thorax.air += np.float32(0.22 * strength) * lines * mask * thorax.lung * (1 - thorax.middle)


def _edema(
    thorax: Thorax, finding: DrawnFinding, strength: float, rng: np.random.Generator
) -> None:
    share = _HAZE[finding.severity or "mild"]
    canvas = thorax.canvas
    wings = canvas.blob((-0.34, 0.0), (0.17, 0.26)) + canvas.blob((0.36, 0.0), (0.17, 0.26))
    clouds = np.float32(0.75) + np.float32(0.4) * canvas.clouds(rng, 18)
    _fill(thorax, np.minimum(1, wings * clouds), 1.35 * share * strength)
    thorax.markings *= 1 + np.float32(1.0 * strength) * wings
    lines: list[Stroke] = []
    for sign, half in (
        (-1.0, thorax.anatomy.half_width["right"]),
        (1.0, thorax.anatomy.half_width["left"]),
    ):
        for v in np.linspace(0.16, 0.42, 5) + rng.uniform(-0.01, 0.01, 5):
            lines.append(([(sign * (half - 0.08), float(v)), (sign * half, float(v))], 0.008, 1.0))
    thorax.markings += np.float32(0.6 * strength) * canvas.strokes(lines) * thorax.lung


def _atelectasis(
    thorax: Thorax, finding: DrawnFinding, strength: float, rng: np.random.Generator
) -> None:
    a = thorax.anatomy
    thick = 0.042 if finding.severity == "mild" else 0.056
    lines: list[Stroke] = []
    for side in ("left", "right") if finding.side == "bilateral" else (finding.side or "left",):
        sign, base = SIDES[side], a.dome[side]
        start = 0.36 if side == "left" else 0.20
        first = float(rng.uniform(0.10, 0.14))
        rise = float(rng.uniform(0.02, 0.07))
        lines.append(
            ([(sign * start, base - first), (sign * (start + 0.30), base - first - rise)], thick, 1)
        )
        if finding.severity == "moderate":
            second = first + float(rng.uniform(0.10, 0.13))
            lines.append(
                (
                    [
                        (sign * (start + 0.06), base - second),
                        (sign * (start + 0.28), base - second - rise),
                    ],
                    thick * 0.8,
                    0.9,
                )
            )
    bands = thorax.canvas.strokes(lines, blur=0.006)
    _fill(thorax, bands, 0.95 * strength)
    thorax.tissue += np.float32(0.10 * strength) * bands * thorax.lung


def _pneumothorax(thorax: Thorax, finding: DrawnFinding, strength: float, rng: object) -> None:
    a = thorax.anatomy
    side = finding.side or "left"
    rim = _RIM[finding.severity or "small"]
    here = thorax.of_side(side) * thorax.lung * (1 - thorax.middle)
    collapsed = thorax.wall(np.float32(a.half_width[side] - rim), APEX + 1.3 * rim)
    # Air rises: low in the chest the lung still touches the wall.
    low = np.clip((thorax.canvas.v - np.float32(0.05)) * np.float32(1 / 0.5), 0, 1)
    collapsed += np.float32(rim) * low
    above = np.float32(APEX + 1.3 * rim) - thorax.canvas.v
    outside = np.maximum(ramp(-collapsed), ramp(above)) * here
    thorax.markings *= 1 - np.float32(min(1.0, strength)) * outside
    thorax.air += np.float32(0.30 * strength) * outside
    line = ramp(np.float32(0.016) - np.abs(collapsed), 0.012) * (1 - ramp(above)) * here
    thorax.tissue += np.float32(0.17 * strength) * line
    _fill(thorax, here * (1 - outside), 0.12 * strength)


def _lesion(
    thorax: Thorax, finding: DrawnFinding, strength: float, rng: np.random.Generator
) -> None:
    radius = _DISC[finding.severity or "small"] * float(rng.uniform(0.92, 1.08))
    disc = thorax.canvas.ellipse(_zone(finding, rng), (radius, radius), edge=EDGE)
    inside = disc * thorax.lung * (1 - thorax.middle)
    _fill(thorax, disc, 0.85 * strength)
    thorax.tissue += np.float32(0.16 * strength) * inside


def _fracture(
    thorax: Thorax, finding: DrawnFinding, strength: float, rng: np.random.Generator
) -> None:
    side = finding.side or "left"
    rib = _RIB_NUMBERS[(finding.place or "fifth").split()[0]]
    at = float(rng.uniform(0.50, 0.57))
    step = 0.075
    near = [thorax.rib_line(side, rib, au) for au in np.linspace(at - 0.22, at, 5)]
    far = [
        (u, v + step)
        for u, v in (thorax.rib_line(side, rib, au) for au in np.linspace(at - 0.01, at + 0.17, 5))
    ]
    whole = [thorax.rib_line(side, rib, au) for au in np.linspace(at + 0.01, at + 0.15, 5)]
    share = np.float32(min(1.0, strength))
    thorax.bone *= 1 - share * thorax.canvas.strokes([(whole, 0.065, 1.0)], blur=0.006)
    # The broken ends are seen edge on, hence whiter than the rib.
    ends = thorax.canvas.strokes(
        [(near, 0.045, 0.4), (far, 0.045, 0.4), (near[3:], 0.055, 1.0), (far[:3], 0.055, 1.0)],
        blur=0.004,
    )
    thorax.bone += np.float32(0.42 * strength) * ends


def _devices(
    thorax: Thorax, finding: DrawnFinding, strength: float, rng: np.random.Generator
) -> None:
    canvas = thorax.canvas
    sign = SIDES[finding.side or "left"]
    cava = (-0.10, -0.02 + float(rng.uniform(-0.04, 0.06)))
    shift = float(rng.uniform(-0.03, 0.03))
    if finding.place == "pacemaker":
        x, y = sign * (0.56 + shift), -0.42 + shift
        box = [
            (x - 0.11, y - 0.07),
            (x + 0.11, y - 0.07),
            (x + 0.11, y + 0.08),
            (x - 0.11, y + 0.08),
        ]
        lead = [
            (x, y - 0.06),
            (sign * 0.36, -0.55),
            (sign * 0.10, -0.50),
            (-0.09, -0.38),
            (-0.10, 0.10),
        ]
        tip = [(-0.10, 0.10), (0.02, 0.32), (0.26, 0.38)]
        metal = np.maximum(
            canvas.polygon(box, blur=0.012),
            0.7 * canvas.strokes([(lead, 0.03, 1.0), (tip, 0.03, 1.0)]),
        )
    elif finding.place == "endotracheal tube":
        end = -0.34 + shift
        metal = 0.95 * canvas.strokes([([(0.0, -1.1), (0.004, end)], 0.04, 1.0)])
    elif finding.place == "picc":
        path = [
            (sign * 1.02, -0.30),
            (sign * 0.86, -0.42 + shift),
            (sign * 0.62, -0.52 + shift),
            (sign * 0.30, -0.56),
            (sign * 0.12, -0.48),
            (-0.09, -0.36),
            cava,
        ]
        metal = 0.9 * canvas.strokes([(path, 0.034, 1.0)])
    else:
        path = [
            (sign * 0.20, -1.1),
            (sign * 0.17, -0.75),
            (sign * 0.13, -0.5),
            (-0.09, -0.36),
            cava,
        ]
        metal = 0.9 * canvas.strokes([(path, 0.034, 1.0)])
    thorax.metal = np.maximum(thorax.metal, np.float32(min(1.0, 0.9 * strength)) * metal)


_Painter = Callable[[Thorax, DrawnFinding, float, np.random.Generator], None]
_PAINTERS: Final[dict[str, _Painter]] = {
    "Pleural Effusion": _effusion,
    "Lung Opacity": _opacity,
    "Consolidation": _consolidation,
    "Edema": _edema,
    "Atelectasis": _atelectasis,
    "Pneumothorax": _pneumothorax,
    "Lung Lesion": _lesion,
    "Fracture": _fracture,
    "Support Devices": _devices,
}
