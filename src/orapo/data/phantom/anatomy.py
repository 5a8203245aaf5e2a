"""The normal chest: what varies between patients, and how it is laid out on the film.

Coordinates are the body's: ``u`` runs from -1 at the left edge of the film (the patient's right)
to 1, ``v`` from -1 (neck) to 1 (abdomen). The film is built from layers of what the beam meets:
soft tissue, air that displaces it, lung markings, bone and metal.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Layer: TypeAlias = NDArray[np.float32]
Point: TypeAlias = tuple[float, float]
Stroke: TypeAlias = tuple[Sequence[Point], float, float]
"""A line through points in body coordinates, its width, and its level from 0 to 1."""

EDGE: Final = 0.022
"""Width over which a border goes from one tissue to the next."""
APEX: Final = -0.74
"""Where the lungs end above."""
SIDES: Final = {"right": -1.0, "left": 1.0}
"""Sign of ``u``: films are read as if facing the patient."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What differs from patient to patient; lengths in body coordinates."""

    shift: Point
    scale: float
    turn: float
    half_width: dict[str, float]
    dome: dict[str, float]
    cardiothoracic_ratio: float
    heart_tilt: float
    heart_shape: float
    mediastinum: float
    knob: float
    rib_spacing: float
    rib_drop: float
    rib_level: float
    clavicle_tilt: float
    tissue: float
    breast: float
    stomach_bubble: float


def sample_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw one normal patient."""

    def around(mean: float, spread: float) -> float:
        return float(mean + spread * np.clip(rng.standard_normal(), -2.2, 2.2))

    dome = around(0.50, 0.035)
    width = around(0.72, 0.022)
    return Anatomy(
        shift=(around(0, 0.025), around(0, 0.025)),
        scale=around(1.0, 0.03),
        turn=around(0, 0.022),
        half_width={"right": width + around(0, 0.008), "left": width + around(0, 0.008)},
        # The liver holds the right dome up.
        dome={"right": dome - 0.02, "left": dome + 0.03 + around(0, 0.012)},
        cardiothoracic_ratio=around(0.43, 0.016),
        heart_tilt=around(0.55, 0.07),
        heart_shape=around(0.80, 0.035),
        mediastinum=around(0.125, 0.012),
        knob=around(0.085, 0.01),
        rib_spacing=around(0.125, 0.004),
        rib_drop=around(0.42, 0.05),
        rib_level=around(0.085, 0.015),
        clavicle_tilt=around(0.17, 0.04),
        tissue=around(0.0, 0.025),
        breast=max(0.0, around(0.03, 0.04)),
        stomach_bubble=max(0.0, around(0.08, 0.08)),
    )


@lru_cache(maxsize=8)
def _pixel_grid(side: int) -> tuple[Layer, Layer]:
    axis = ((np.arange(side, dtype=np.float32) + 0.5) * (2.0 / side) - 1.0).astype(np.float32)
    x, y = np.meshgrid(axis, axis)
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y


def ramp(distance: Layer, edge: float = EDGE) -> Layer:
    """Return 0 outside, 1 inside, with a straight slope of width ``edge`` across the border."""
    inside: Layer = np.clip(distance * np.float32(1 / edge) + np.float32(0.5), 0, 1)
    return inside


def _round_corners(points: Sequence[Point]) -> Sequence[Point]:
    """Cut the corners of a line twice (Chaikin), so that a bent line looks like a curve."""
    for _ in range(2 if len(points) > 2 else 0):
        cut: list[Point] = [points[0]]
        for (ax, ay), (bx, by) in itertools.pairwise(points):
            cut.append((0.75 * ax + 0.25 * bx, 0.75 * ay + 0.25 * by))
            cut.append((0.25 * ax + 0.75 * bx, 0.25 * ay + 0.75 * by))
        points = [*cut, points[-1]]
    return points


class Canvas:
    """A square grid of pixels and where they lie in the body.

    Args:
        side: Width and height in pixels.
        anatomy: Its pose places the body on the film.
    """

    def __init__(self, side: int, anatomy: Anatomy) -> None:
        self.side = side
        x, y = _pixel_grid(side)
        self._cos, self._sin = float(np.cos(anatomy.turn)), float(np.sin(anatomy.turn))
        self._scale, self._shift = anatomy.scale, anatomy.shift
        dx, dy = x - np.float32(self._shift[0]), y - np.float32(self._shift[1])
        cos, sin = np.float32(self._cos / self._scale), np.float32(self._sin / self._scale)
        self.u: Layer = dx * cos + dy * sin
        self.v: Layer = dy * cos - dx * sin

    def pixels(self, points: Sequence[Point]) -> list[Point]:
        """Return body coordinates as pixel coordinates."""
        placed = []
        for u, v in points:
            x = self._scale * (u * self._cos - v * self._sin) + self._shift[0]
            y = self._scale * (u * self._sin + v * self._cos) + self._shift[1]
            placed.append(((x + 1) * self.side / 2, (y + 1) * self.side / 2))
        return placed

    def strokes(self, strokes: Iterable[Stroke], blur: float = 0.0) -> Layer:
        """Draw lines; where they cross, the later one stands.

        Args:
            strokes: The lines.
            blur: Radius of the blur in body coordinates.
        """
        image = Image.new("L", (self.side, self.side))
        draw = ImageDraw.Draw(image)
        for points, width, level in strokes:
            draw.line(
                self.pixels(_round_corners(points)),
                fill=round(255 * level),
                width=max(1, round(width * self.side / 2)),
                joint="curve",
            )
        return self._layer(image, blur)

    def polygon(self, points: Sequence[Point], blur: float = 0.0) -> Layer:
        """Fill a polygon."""
        image = Image.new("L", (self.side, self.side))
        ImageDraw.Draw(image).polygon(self.pixels(points), fill=255)
        return self._layer(image, blur)

    def blob(self, centre: Point, radii: Point) -> Layer:
        """Return a Gaussian hump of height 1."""
        du = (self.u - np.float32(centre[0])) * np.float32(1 / radii[0])
        dv = (self.v - np.float32(centre[1])) * np.float32(1 / radii[1])
        hump: Layer = np.exp(np.float32(-0.5) * (du * du + dv * dv))
        return hump

    def ellipse(self, centre: Point, radii: Point, tilt: float = 0.0, edge: float = EDGE) -> Layer:
        """Return a filled ellipse; ``tilt`` turns it clockwise, in radians."""
        du, dv = self.u - np.float32(centre[0]), self.v - np.float32(centre[1])
        cos, sin = float(np.cos(tilt)), float(np.sin(tilt))
        p = (du * np.float32(cos) + dv * np.float32(sin)) * np.float32(1 / radii[0])
        q = (dv * np.float32(cos) - du * np.float32(sin)) * np.float32(1 / radii[1])
        return ramp((1 - np.sqrt(p * p + q * q)) * np.float32(min(radii)), edge)

    def clouds(self, rng: np.random.Generator, cells: int) -> Layer:
        """Return smooth noise from 0 to 1 with about ``cells`` spots across the film."""
        spots = Image.fromarray(rng.random((cells, cells), dtype=np.float32))
        return np.asarray(spots.resize((self.side, self.side), Image.Resampling.BICUBIC))

    def _layer(self, image: Image.Image, blur: float) -> Layer:
        if blur:
            image = image.filter(ImageFilter.GaussianBlur(blur * self.side / 2))
        return np.asarray(image, dtype=np.float32) * np.float32(1 / 255)


class Thorax:
    """The layers of one chest; painters of findings change them in place.

    Args:
        canvas: The grid.
        anatomy: The patient.
        cardiothoracic_ratio: Width of the heart as a share of the chest's.
        rng: For the lung markings.

    Attributes:
        tissue: Soft tissue that the beam meets, lungs left out of account.
        air: Share of it displaced by air, 0 to 1.
        markings: Vessels within the lungs.
        bone: Ribs, clavicles, spine.
        metal: Devices.
        au: Distance from the midline.
        lung: Mask of both lungs, the heart not taken out.
        lateral: Distance inward from the lateral wall of the lung.
        above_dome: Distance upward from the diaphragm.
    """

    def __init__(
        self,
        canvas: Canvas,
        anatomy: Anatomy,
        cardiothoracic_ratio: float,
        rng: np.random.Generator,
    ) -> None:
        self.canvas, self.anatomy = canvas, anatomy
        u, v = canvas.u, canvas.v
        self.au: Layer = np.abs(u)
        self._on_left = u > 0
        self._shape_lungs(v)
        self._shape_middle(cardiothoracic_ratio)
        self.tissue = self._soft_tissue(v)
        self.bone = self._bones(v)
        self.markings = canvas.strokes(_vessels(rng), blur=0.008)
        self.metal: Layer = np.zeros_like(u)

    def of_side(self, side: str) -> Layer:
        """Return 1 on the patient's ``side`` and 0 on the other."""
        on_left: Layer = self._on_left.astype(np.float32)
        return on_left if side == "left" else 1 - on_left

    def by_side(self, values: dict[str, float]) -> Layer:
        """Return the value of the side on which each pixel lies."""
        return np.where(self._on_left, np.float32(values["left"]), np.float32(values["right"]))

    def wall(self, half_width: Layer | np.float32, apex: float) -> Layer:
        """Return how far each pixel lies inward from a lung's lateral wall.

        Args:
            half_width: Of the chest, at its widest.
            apex: Where the lung ends above.
        """
        up = np.clip((np.float32(0.30) - self.canvas.v) * np.float32(1 / (0.30 - apex)), 0, 1)
        down = np.clip(self.canvas.v - np.float32(0.30), 0, 1)
        shape = np.sqrt(1 - up * up * np.sqrt(up)) - np.float32(0.10) * down
        wall: Layer = half_width * shape - self.au
        return wall

    def rib_line(self, side: str, rib: int, au: float) -> Point:
        """Return the point of a posterior rib (1 is the uppermost) at ``au`` from the midline."""
        a = self.anatomy
        v = -0.82 + a.rib_spacing * rib + 0.10 * au + a.rib_drop * au**3
        return SIDES[side] * au, v

    def _shape_lungs(self, v: Layer) -> None:
        a = self.anatomy
        self.lateral = self.wall(self.by_side(a.half_width), APEX)
        away = self.au - np.float32(0.32)
        slope = np.where(away > 0, np.float32(1.55), np.float32(0.9))
        self.above_dome = self.by_side(a.dome) + slope * away * away - v
        self.lung = ramp(self.lateral) * ramp(self.above_dome)
        thick = 1 - np.clip(self.lateral * np.float32(1 / 0.26), 0, 1)
        self.air = self.lung * (1 - np.float32(0.30) * thick * thick)

    def _shape_middle(self, cardiothoracic_ratio: float) -> None:
        a, canvas = self.anatomy, self.canvas
        half = cardiothoracic_ratio * (a.half_width["left"] + a.half_width["right"]) / 2
        # An enlarged heart grows to the left more than to the right.
        centre = (half - 0.135 - 0.25 * max(0.0, half - 0.33), a.dome["left"] - 0.66 * half)
        heart = canvas.ellipse(
            centre, (1.08 * half, 1.08 * half * a.heart_shape), a.heart_tilt, edge=0.045
        )
        widen = np.clip((canvas.v + np.float32(0.1)) * np.float32(1 / 0.6), -0.7, 1)
        band = ramp(
            np.float32(a.mediastinum) + np.float32(0.03) * widen * widen - self.au, edge=0.035
        )
        # At the apex the lung stands off the midline.
        high = np.clip((np.float32(-0.35) - canvas.v) * np.float32(1 / 0.4), 0, 1)
        band = np.maximum(
            band, ramp(np.float32(0.10) + np.float32(0.12) * high * high - self.au, 0.05)
        )
        knob = canvas.ellipse((a.mediastinum + 0.01, -0.27), (a.knob, a.knob * 1.3), edge=0.05)
        artery = canvas.ellipse((a.mediastinum + 0.02, -0.09), (0.075, 0.17), 0.2, edge=0.07)
        cava = canvas.ellipse((-a.mediastinum - 0.005, -0.2), (0.045, 0.34), edge=0.04)
        self.middle = np.maximum.reduce([heart, band, knob, artery, cava])
        self.air *= 1 - self.middle
        hila = canvas.blob((-0.22, 0.0), (0.06, 0.10)) + canvas.blob((0.23, -0.04), (0.05, 0.09))
        self.air *= 1 - np.float32(0.38) * hila
        self._heart = heart

    def _soft_tissue(self, v: Layer) -> Layer:
        a, canvas = self.anatomy, self.canvas
        neck = np.clip((v + np.float32(0.98)) * np.float32(1 / 0.36), 0, 1)
        outline = np.float32(0.21) + np.float32(0.86) * neck * neck * (3 - 2 * neck) - self.au
        inside = np.clip(outline * np.float32(1 / 0.16), 0, 1)
        tissue: Layer = np.float32(0.55 + a.tissue) * np.sqrt(inside)
        tissue += np.float32(0.10) * self.middle + np.float32(0.04) * self._heart
        below = ramp(-self.above_dome, 0.05) * ramp(self.lateral + np.float32(0.08), 0.12)
        tissue += np.float32(0.15) * below
        bubble = canvas.ellipse((0.33, a.dome["left"] + 0.17), (0.13, 0.07), edge=0.05)
        tissue -= np.float32(a.stomach_bubble) * bubble
        for sign in SIDES.values():
            tissue += np.float32(a.breast) * canvas.ellipse(
                (sign * 0.46, 0.30), (0.34, 0.34), edge=0.24
            )
        # The trachea: a dark stripe down to its parting.
        windpipe = ramp(np.float32(0.04) - self.au, 0.045) * ramp(np.float32(-0.22) - v, 0.08)
        tissue -= np.float32(0.14) * windpipe
        tissue -= np.float32(0.09) * canvas.strokes(
            [([(0, -0.24), (-0.14, -0.10)], 0.05, 1.0), ([(0, -0.24), (0.15, -0.08)], 0.045, 1.0)],
            blur=0.014,
        )
        return tissue

    def _bones(self, v: Layer) -> Layer:
        a, canvas, au = self.anatomy, self.canvas, self.au
        caged = ramp(self.lateral + np.float32(0.035), 0.03) * ramp(au - np.float32(0.07), 0.06)
        caged *= ramp(np.float32(0.80) - v, 0.3)
        cubed = au * au * au
        back = (v - np.float32(0.10) * au - np.float32(a.rib_drop) * cubed + np.float32(0.82)) * (
            np.float32(1 / a.rib_spacing)
        )
        bone = np.float32(a.rib_level) * _bar(back, 0.24) * caged
        front = (v + np.float32(0.62) * au + np.float32(0.30)) * np.float32(
            1 / (1.12 * a.rib_spacing)
        )
        bone += np.float32(0.45 * a.rib_level) * (
            _bar(front, 0.26) * caged * ramp(au - np.float32(0.30), 0.2)
        )
        # Vertebrae: seen faintly through the mediastinum, brighter at the neck.
        vertebrae = np.float32(0.7) + np.float32(0.3) * _bar(v * np.float32(1 / 0.115), 0.34)
        # Soft tissue hides much of the bone behind it.
        bone *= 1 - np.float32(0.6) * np.maximum(self.middle, ramp(-self.above_dome, 0.05))
        bone += np.float32(0.05) * vertebrae * ramp(np.float32(0.08) - au, 0.05)
        rise = a.clavicle_tilt
        strokes: list[Stroke] = []
        for sign in SIDES.values():
            collar = [
                (0.07, -0.52),
                (0.24, -0.57),
                (0.46, -0.55 - rise * 0.6),
                (0.72, -0.56 - rise),
            ]
            strokes.append(([(sign * x, y) for x, y in collar], 0.062, 1.0))
        bone += np.float32(0.14) * canvas.strokes(strokes, blur=0.009)
        for sign in SIDES.values():
            blade = [(0.74, -0.62), (0.98, -0.55), (0.92, -0.28), (0.82, 0.02), (0.72, -0.20)]
            bone += np.float32(0.05) * canvas.polygon([(sign * x, y) for x, y in blade], 0.015)
            bone += np.float32(0.10) * canvas.ellipse((sign * 0.97, -0.58), (0.11, 0.12))
        return bone


def _bar(phase: Layer, half: float) -> Layer:
    """Return 1 within ``half`` of each whole number of ``phase``, with soft borders."""
    away = np.abs(phase - np.rint(phase))
    return ramp(np.float32(half) - away, 0.16)


def _vessels(rng: np.random.Generator) -> list[Stroke]:
    """Return lung markings: branches that leave the hila and thin out toward the wall."""
    strokes: list[Stroke] = []
    for sign in SIDES.values():
        start = np.array([sign * 0.19, -0.02])
        for angle in np.linspace(-1.25, 1.15, 8) + rng.uniform(-0.12, 0.12, 8):
            at, heading, level, width = start, float(angle), 0.95, 0.026
            for _ in range(3):
                step = rng.uniform(0.11, 0.17)
                end = at + step * np.array([sign * np.cos(heading), np.sin(heading)])
                strokes.append(([tuple(at), tuple(end)], width, level))
                fork = heading + rng.choice((-1, 1)) * rng.uniform(0.35, 0.6)
                tip = end + 0.7 * step * np.array([sign * np.cos(fork), np.sin(fork)])
                strokes.append(([tuple(end), tuple(tip)], width * 0.6, level * 0.6))
                at, width, level = end, width * 0.7, level * 0.7
                heading += rng.uniform(-0.25, 0.25)
    return strokes
