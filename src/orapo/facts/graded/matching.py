"""One lesion of a report against one of the reference: how much of it is right, and what is wrong."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from orapo.facts.graded.lesions import RANK, Lesion, sides_agree, zones_agree
from orapo.facts.graded.tables import Tables


class Category(StrEnum):
    """The error categories of the field (ReXVal, RadPref), and two that name what is left."""

    FALSE_FINDING = "false finding"
    MISSED_FINDING = "missed finding"
    WRONG_LOCATION = "wrong location"
    WRONG_SEVERITY = "wrong severity or size"
    WRONG_CHANGE = "wrong or unknowable change"
    WRONG_POSITION = "wrong device position"
    OVERCALLED = "overcalled certainty"
    CONTRADICTION = "contradiction"
    IMPRECISE = "imprecise name or place"


class Fault(NamedTuple):
    """Something wrong with a finding that is right: what, how much of its weight, in words."""

    category: Category
    part: float
    detail: str


class Pairing(NamedTuple):
    """How far two lesions are the same."""

    credit: float
    faults: tuple[Fault, ...]


_SIDED: Final = frozenset({"pleura", "lung", "diffuse", "bone", "spine", "device", "mediastinum"})
_ZONED: Final = frozenset({"pleura", "lung", "diffuse", "bone"})
_SIZED: Final = frozenset(
    {"pleura", "lung", "diffuse", "heart", "airway", "mediastinum", "abdomen", "bone", "spine"}
)
_NOT_NEW: Final = frozenset({"unchanged", "old", "chronic"})
_OLD: Final = frozenset({"old", "chronic"})
_WORSE: Final = frozenset({"new", "larger"})
_LEAST: Final = 0.3
"""Centimetres below which two measurements are the same."""
_TIP: Final = 1.0
"""Centimetres by which the place of a tip may differ."""


def nearness(one: str, other: str, tables: Tables) -> float:
    """Return how near two concepts are: 1 the same, 0 not at all."""
    if one == other:
        return 1.0
    closeness = tables.near.get((one, other))
    return 0.0 if closeness is None else tables.weights.near[closeness]


def pair(
    reference: Lesion, report: Lesion, tables: Tables, compares: bool, denied: bool = False
) -> Pairing | None:
    """Compare a lesion of a report with one of the reference.

    Args:
        reference: The radiologist's.
        report: The report's.
        tables: The graded score's.
        compares: Whether the reference speaks of an earlier film at all.
        denied: Whether the report denies what the reference has, by its own name.

    Returns:
        What part is right and what is wrong; None if they are two different things.
    """
    lead = reference.lead(tables)
    mine, theirs = reference.names, report.names
    near_any = max(nearness(one, other, tables) for one in mine for other in theirs)
    if not near_any:
        return None
    near_lead = max(nearness(lead, name, tables) for name in theirs)
    if near_any < 1 and not _can_be_same(reference, report):
        return None
    penalty = tables.weights.penalty
    faults: list[Fault] = []
    name = (near_lead + near_any) / 2
    if name < 1 and denied and lead not in report.names:
        name *= tables.weights.score.denied
    if name < 1:
        said = ", ".join(report.names)
        faults.append(Fault(Category.IMPRECISE, 1 - name, f"{said} for {lead}"))
    if _overcalled(reference, report, lead, tables):
        faults.append(
            Fault(Category.OVERCALLED, penalty.overcalled, f"{report.lead(tables)} is not certain")
        )
    elif reference.certain and not report.certain:
        faults.append(Fault(Category.IMPRECISE, penalty.unstated, f"{lead} is certain"))
    kind = tables.concepts[lead].kind
    if kind in _SIDED:
        _compare_place(reference, report, kind, faults, tables)
    for part in reference.certain:
        concept = tables.concepts[part]
        if concept.part_of and concept.weighs == "urgent" and part not in (lead, *theirs):
            left_out = 1 - tables.weights.near["close"]  # a mass without its cavity
            faults.append(Fault(Category.IMPRECISE, left_out, f"{part} left out"))
    if reference.form is not None and report.form is None:
        detail = f"{reference.form} left out"
        faults.append(Fault(Category.IMPRECISE, penalty.unstated, detail))
    if kind in _SIZED:
        _compare_size(reference, report, faults, tables)
    if kind == "device":
        _compare_position(reference, report, faults, tables)
    if name < 1 and reference.change == "chronic" and _is_acute(report, tables):
        detail = f"{report.lead(tables)} for something chronic"
        faults.append(Fault(Category.WRONG_CHANGE, penalty.wrong_change, detail))
    else:
        _compare_change(reference, report, faults, tables, compares)
    credit = max(0.0, 1 - sum(fault.part for fault in faults))
    return Pairing(credit, tuple(faults))


def _can_be_same(one: Lesion, other: Lesion) -> bool:
    if not sides_agree(one.side, other.side) and "bilateral" not in (one.side, other.side):
        return False
    return zones_agree(one, other)


def _overcalled(reference: Lesion, report: Lesion, lead: str, tables: Tables) -> bool:
    """Whether the report is certain of what the reference suspects or doesn't name."""
    if report.certain and not reference.certain:
        return True
    concepts = tables.concepts
    for name in report.certain:
        if name in reference.certain or concepts[name].sign:
            continue
        doubted = name in reference.suspected
        if not doubted and any(name in concepts[each].part_of for each in reference.certain):
            continue  # a consolidation is called a pneumonia
        if name not in reference.suspected and (
            RANK[concepts[name].weighs] < RANK[concepts[lead].weighs]
        ):
            continue  # an opacity called an atelectasis alarms nobody
        if name in reference.suspected or concepts[lead].sign:
            return True
    return False


def _compare_place(
    reference: Lesion, report: Lesion, kind: str, faults: list[Fault], tables: Tables
) -> None:
    penalty = tables.weights.penalty
    one, other = reference.side, report.side
    if kind == "diffuse":  # an edema of no side is one of both
        one, other = one or "bilateral", other or "bilateral"
    if not sides_agree(one, other):
        # of a line it matters more where it ends than where it goes in
        half = "bilateral" in (one, other) or (
            kind == "device" and reference.position == report.position
        )
        part = penalty.wrong_side / (2 if half else 1)
        faults.append(Fault(Category.WRONG_LOCATION, part, f"{other} for {one}"))
    elif reference.greater and report.greater and reference.greater != report.greater:
        detail = f"greater on the {report.greater}, not on the {reference.greater}"
        faults.append(Fault(Category.WRONG_LOCATION, penalty.wrong_side / 2, detail))
    elif one is not None and other is None and kind != "device":
        faults.append(Fault(Category.IMPRECISE, penalty.unstated, f"side ({one}) left out"))
    if reference.levels and report.levels:
        _compare_levels(reference, report, faults, tables)
    if kind not in _ZONED:
        return
    for row, zones in reference.zones.items():
        theirs = report.zones.get(row)
        if theirs is None:
            if kind == "lung" and row == "height":
                said = ", ".join(sorted(zones))
                faults.append(Fault(Category.IMPRECISE, penalty.unstated, f"{said} left out"))
        elif not zones & theirs:
            detail = f"{', '.join(sorted(theirs))} for {', '.join(sorted(zones))}"
            faults.append(Fault(Category.WRONG_LOCATION, penalty.wrong_zone, detail))


def _compare_levels(reference: Lesion, report: Lesion, faults: list[Fault], tables: Tables) -> None:
    """Compare ribs and vertebrae; one more or less is how a reader counts them."""
    mine, theirs = (
        [(bone, int(number)) for bone, _, number in (each.partition(":") for each in lesion.levels)]
        for lesion in (reference, report)
    )
    bones = {bone for bone, _ in mine} & {bone for bone, _ in theirs}
    near = any(
        one[0] == other[0] and abs(one[1] - other[1]) <= 1 for one in mine for other in theirs
    )
    if bones and not near:
        detail = f"another {min(bones)}"
        faults.append(Fault(Category.WRONG_LOCATION, tables.weights.penalty.wrong_zone, detail))


def _compare_size(reference: Lesion, report: Lesion, faults: list[Fault], tables: Tables) -> None:
    penalty = tables.weights.penalty
    if reference.measure is not None and report.measure is not None:
        low, high = sorted((reference.measure, report.measure))
        if high > 1.25 * low and high - low > _LEAST - 1e-9:
            part = penalty.wrong_measurement * (2 if high > 2 * low else 1)
            detail = f"{report.measure:g} cm for {reference.measure:g} cm"
            faults.append(Fault(Category.WRONG_SEVERITY, part, detail))
        return
    if reference.size is not None and report.size is not None:
        steps = (
            int(abs(reference.size - report.size) + 0.5)
            if abs(reference.size - report.size) >= 1
            else 0
        )
        if steps:
            detail = f"{_size_word(report.size)} for {_size_word(reference.size)}"
            faults.append(Fault(Category.WRONG_SEVERITY, penalty.wrong_size * steps, detail))


def _size_word(size: float) -> str:
    if size < 1.5:
        return "borderline" if size >= 1 else "at the upper limit of normal"
    return "tiny" if size < 2 else "small" if size < 2.5 else "moderate" if size < 4 else "large"


def _compare_position(
    reference: Lesion, report: Lesion, faults: list[Fault], tables: Tables
) -> None:
    penalty = tables.weights.penalty
    one, other = reference.position, report.position
    if report.verdict is None and _same_height(reference, report):
        other = one  # of one height only what is said of it can be wrong
    if one is not None and other is not None and one != other:
        if "bronchus" in (one, other) and "bronchus" in one and "bronchus" in other:
            return  # one of them does not say which
        detail = f"{_POSITIONS[other]} for {_POSITIONS[one]}"
        both = "bronchus" in one and "bronchus" in other  # it must come back in either case
        part = penalty.position_missing if both else penalty.wrong_position
        faults.append(Fault(Category.WRONG_POSITION, part, detail))
        return
    if one not in (None, "right") and other is None:
        detail = f"{_POSITIONS[one or '']} left out"
        faults.append(Fault(Category.WRONG_POSITION, penalty.position_missing, detail))
    elif one is None and other not in (None, "right"):
        detail = f"{_POSITIONS[other or '']}, which the reference doesn't say"
        faults.append(Fault(Category.WRONG_POSITION, penalty.position_missing, detail))
    if (
        reference.distance
        and report.distance
        and reference.distance[1] == report.distance[1]
        and not _same_height(reference, report)
    ):
        detail = f"{_height(report.distance[0])} for {_height(reference.distance[0])} the {reference.distance[1]}"
        faults.append(Fault(Category.WRONG_SEVERITY, penalty.wrong_measurement, detail))


def _same_height(reference: Lesion, report: Lesion) -> bool:
    one, other = reference.distance, report.distance
    return (
        one is not None
        and other is not None
        and one[1] == other[1]
        and abs(one[0] - other[0]) <= _TIP
    )


def _height(distance: float) -> str:
    return f"{abs(distance):g} cm {'above' if distance >= 0 else 'below'}"


_POSITIONS: Final = {
    "right": "well placed", "low": "too low", "high": "too high", "wrong": "malpositioned",
    "bronchus": "in a bronchus", "right_bronchus": "in the right main bronchus",
    "left_bronchus": "in the left main bronchus",
}  # fmt: skip


def _is_acute(report: Lesion, tables: Tables) -> bool:
    return report.change not in _OLD and tables.concepts[report.lead(tables)].acute


def _compare_change(
    reference: Lesion, report: Lesion, faults: list[Fault], tables: Tables, compares: bool
) -> None:
    penalty = tables.weights.penalty
    one, other = reference.change, report.change
    if other is None or one == other:
        return
    if one is None:
        if other in _NOT_NEW and compares:
            return  # the reference compares, and says nothing new of this
        detail = f"{other}, which the reference doesn't say"
        faults.append(Fault(Category.WRONG_CHANGE, penalty.unknowable_change, detail))
    elif one in _OLD or other in _OLD:
        if "new" in (one, other):
            faults.append(Fault(Category.WRONG_CHANGE, penalty.wrong_change, f"{other} for {one}"))
    elif not (one in _WORSE and other in _WORSE):
        faults.append(Fault(Category.WRONG_CHANGE, penalty.wrong_change, f"{other} for {one}"))
