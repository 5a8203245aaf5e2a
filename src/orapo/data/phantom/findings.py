"""Which findings a film shows, with side, place and severity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

PREVALENCE: Final[Mapping[str, float]] = MappingProxyType(
    {
        "Cardiomegaly": 0.22,
        "Pleural Effusion": 0.24,
        "Lung Opacity": 0.18,
        "Atelectasis": 0.14,
        "Support Devices": 0.25,
        "Edema": 0.10,
        "Consolidation": 0.08,
        "Pneumothorax": 0.07,
        "Lung Lesion": 0.04,
        "Fracture": 0.035,
    }
)
"""Share of the studies that show each finding; drawn independently of each other."""

DEVICES: Final = ("pacemaker", "picc", "central line", "endotracheal tube")
RIBS: Final = ("fourth", "fifth", "sixth", "seventh")

FAINTER: Final = 0.6
"""Contrast of an uncertain finding as a share of a certain one's."""


@dataclass(frozen=True, slots=True)
class DrawnFinding:
    """One finding on a film.

    Attributes:
        label: Its CheXpert label.
        side: ``left``, ``right`` or ``bilateral`` (the patient's); None where it makes no sense.
        place: Zone, lobe, rib or kind of device; None where the label says it.
        severity: ``small``/``moderate``/``large`` or ``mild``/``moderate``/``severe``; else None.
        uncertain: Drawn fainter and reported as uncertain.
    """

    label: str
    side: str | None = None
    place: str | None = None
    severity: str | None = None
    uncertain: bool = False


def sample_findings(rng: np.random.Generator, uncertain_share: float) -> tuple[DrawnFinding, ...]:
    """Draw the findings of one study.

    Every label is drawn at its `PREVALENCE`, independently, so none gives another away; places are
    chosen so that findings don't hide each other where there is room.
    """
    labels = [label for label, share in PREVALENCE.items() if rng.random() < share]
    return place_findings(rng, labels, uncertain_share)


def place_findings(
    rng: np.random.Generator, labels: Sequence[str], uncertain_share: float
) -> tuple[DrawnFinding, ...]:
    """Give each of ``labels`` a side, a place and a severity.

    Args:
        rng: Where the choices come from.
        labels: Drawn labels, keys of `PREVALENCE`.
        uncertain_share: Probability that one (other than a device) is uncertain.

    Returns:
        The findings in the order of `PREVALENCE`; two at most for Support Devices.
    """
    taken: set[tuple[str, str]] = set()
    placed: dict[str, list[DrawnFinding]] = {}
    for label in _PLACING_ORDER:
        if label not in labels:
            continue
        if label == "Support Devices":
            placed[label] = _devices(rng)
            continue
        uncertain = bool(rng.random() < uncertain_share)
        placed[label] = [_PLACERS[label](rng, taken, uncertain)]
    return tuple(finding for label in PREVALENCE for finding in placed.get(label, ()))


def _pick(rng: np.random.Generator, options: Sequence[str], weights: Sequence[float] = ()) -> str:
    p = np.asarray(weights) / np.sum(weights) if weights else None
    return str(rng.choice(np.asarray(options, dtype=object), p=p))


def _free_zone(
    rng: np.random.Generator, zones: Sequence[tuple[str, str]], taken: set[tuple[str, str]]
) -> tuple[str, str]:
    """Choose one of the (side, zone) pairs and take it; a taken one only if none is free."""
    free = [zone for zone in zones if zone not in taken] or list(zones)
    zone = free[rng.integers(len(free))]
    taken.add(zone)
    return zone


def _zones(*names: str) -> list[tuple[str, str]]:
    return [(side, name) for side in ("left", "right") for name in names]


_Taken = set[tuple[str, str]]


def _cardiomegaly(rng: np.random.Generator, taken: _Taken, uncertain: bool) -> DrawnFinding:
    severity = "mild" if uncertain else _pick(rng, ("mild", "moderate", "severe"), (45, 35, 20))
    taken.add(("left", "lower"))  # the heart covers it
    return DrawnFinding("Cardiomegaly", None, None, severity, uncertain)


def _effusion(rng: np.random.Generator, taken: _Taken, uncertain: bool) -> DrawnFinding:
    side = _pick(rng, ("left", "right", "bilateral"), (37, 37, 26))
    # Two large effusions would leave no film to read.
    weights = (60, 40, 0) if side == "bilateral" else (45, 35, 20)
    severity = "small" if uncertain else _pick(rng, ("small", "moderate", "large"), weights)
    for one in ("left", "right") if side == "bilateral" else (side,):
        taken.add((one, "lower"))
        if severity == "large":
            taken.add((one, "mid"))
    return DrawnFinding("Pleural Effusion", side, None, severity, uncertain)


def _pneumothorax(rng: np.random.Generator, taken: _Taken, uncertain: bool) -> DrawnFinding:
    severity = "small" if uncertain else _pick(rng, ("small", "moderate", "large"), (40, 35, 25))
    side, _ = _free_zone(rng, _zones("upper"), taken)
    return DrawnFinding("Pneumothorax", side, "apical", severity, uncertain)


def _consolidation(rng: np.random.Generator, taken: _Taken, uncertain: bool) -> DrawnFinding:
    zones = [*_zones("upper", "lower"), ("right", "mid")]
    side, zone = _free_zone(rng, zones, taken)
    lobe = {"upper": "upper lobe", "mid": "middle lobe", "lower": "lower lobe"}[zone]
    return DrawnFinding("Consolidation", side, lobe, None, uncertain)


def _opacity(rng: np.random.Generator, taken: _Taken, uncertain: bool) -> DrawnFinding:
    side, zone = _free_zone(rng, _zones("upper", "mid", "lower"), taken)
    severity = "small" if uncertain else _pick(rng, ("small", "large"), (50, 50))
    return DrawnFinding("Lung Opacity", side, f"{zone} lung", severity, uncertain)


def _atelectasis(rng: np.random.Generator, taken: _Taken, uncertain: bool) -> DrawnFinding:
    if rng.random() < 0.2 and not taken & set(_zones("lower")):
        taken.update(_zones("lower"))
        return DrawnFinding("Atelectasis", "bilateral", "base", "mild", uncertain)
    side, _ = _free_zone(rng, _zones("lower"), taken)
    return DrawnFinding("Atelectasis", side, "base", _pick(rng, ("mild", "moderate")), uncertain)


def _edema(rng: np.random.Generator, taken: _Taken, uncertain: bool) -> DrawnFinding:
    severity = "mild" if uncertain else _pick(rng, ("mild", "moderate", "severe"), (45, 35, 20))
    return DrawnFinding("Edema", "bilateral", "perihilar", severity, uncertain)


def _lesion(rng: np.random.Generator, taken: _Taken, uncertain: bool) -> DrawnFinding:
    side, zone = _free_zone(rng, _zones("upper", "mid", "lower"), taken)
    severity = "small" if uncertain else _pick(rng, ("small", "large"), (60, 40))
    return DrawnFinding("Lung Lesion", side, f"{zone} lung", severity, uncertain)


def _fracture(rng: np.random.Generator, taken: _Taken, uncertain: bool) -> DrawnFinding:
    # The upper of these ribs cross the upper zone, the lower ones the mid zone.
    side, zone = _free_zone(rng, _zones("upper", "mid"), taken)
    rib = _pick(rng, RIBS[:2] if zone == "upper" else RIBS[2:])
    return DrawnFinding("Fracture", side, f"{rib} rib", None, uncertain)


def _devices(rng: np.random.Generator) -> list[DrawnFinding]:
    count = 2 if rng.random() < 0.2 else 1
    kinds = rng.choice(np.asarray(DEVICES, dtype=object), size=count, replace=False)
    sides = {"pacemaker": (75, 25), "picc": (30, 70), "central line": (25, 75)}
    return [
        DrawnFinding(
            "Support Devices",
            _pick(rng, ("left", "right"), sides[kind]) if kind in sides else None,
            str(kind),
        )
        for kind in sorted(kinds)
    ]


# The largest first, so that the small ones can keep out of their way.
_PLACERS: Final = {
    "Cardiomegaly": _cardiomegaly,
    "Pleural Effusion": _effusion,
    "Pneumothorax": _pneumothorax,
    "Consolidation": _consolidation,
    "Atelectasis": _atelectasis,
    "Lung Opacity": _opacity,
    "Edema": _edema,
    "Lung Lesion": _lesion,
    "Fracture": _fracture,
}
_PLACING_ORDER: Final = (*_PLACERS, "Support Devices")
