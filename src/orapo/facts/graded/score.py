"""The graded score of a report against its reference, and the errors that it is made of.

    score = (N + M - F) / (N + R + F)

R is the weight of all that the reference says is there, M what the report has of it (each finding
less what is wrong about it), F the weight of what it says and is not there. N, the weight of saying
rightly that nothing needs action, counts only where the reference names nothing that does. So 1 is
all right, 0 what a normal template earns where something is wrong, and below 0 more is wrong than right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from orapo.facts.contradictions import ANOTHER_TIME
from orapo.facts.fact import Polarity
from orapo.facts.graded.lesions import (
    RANK,
    Context,
    Lesion,
    lesions_of,
    parted,
    sides_agree,
    zones_agree,
)
from orapo.facts.graded.matching import Category, Pairing, nearness, pair
from orapo.facts.graded.reading import GradedFact, GradedReport
from orapo.facts.graded.tables import Significance, Tables, load_tables


class GradedError(NamedTuple):
    """One error of a report.

    Attributes:
        category: Which kind.
        finding: The concept that it is about.
        weight: What it costs, in the weight of findings.
        detail: In words: ``"right for left"``.
        sentence: The report's sentence (its index), or None for what it misses.
        reference_sentence: The reference's sentence, or None for what is not there.
        span: The mention in the report, or in the reference for what is missed.
        mentions: Indices of all facts of the report that mention it, or of the reference's for what is
            missed: a finding is said again in an impression.
    """

    category: Category
    finding: str
    weight: float
    detail: str
    sentence: int | None
    reference_sentence: int | None
    span: tuple[int, int]
    mentions: tuple[int, ...] = ()


class Matched(NamedTuple):
    """A finding of the report that the reference has too.

    Attributes:
        finding: The concept, as the reference has it.
        credit: The part of it that is right, 0 to 1.
        facts: Indices of the report's facts.
        reference_facts: Indices of the reference's.
    """

    finding: str
    credit: float
    facts: tuple[int, ...]
    reference_facts: tuple[int, ...]


class GradedScore(NamedTuple):
    """The graded score of one report.

    Attributes:
        score: In [-1, 1].
        matched: Weight of the reference's findings that the report has, less what is wrong (M).
        false: Weight of what it says and is not there (F).
        reference: Weight of the reference's findings (R).
        errors: In the order of their weight.
        findings: What was matched with what.
    """

    score: float
    matched: float
    false: float
    reference: float
    errors: tuple[GradedError, ...]
    findings: tuple[Matched, ...]

    def counts(self) -> dict[Category, int]:
        """Count the errors of each category."""
        return {each: sum(error.category is each for error in self.errors) for each in Category}


def graded_score(
    report: GradedReport,
    reference: GradedReport,
    context: Context | None = None,
    tables: Tables | None = None,
) -> GradedScore | None:
    """Score a report.

    Args:
        report: What the report says.
        reference: What the radiologist says.
        context: Age and indication, where the study gives them.
        tables: Other weights and concepts than the package's.

    Returns:
        Its score; None if nothing can be read in one of the two.
    """
    if not report.readable or not reference.readable:
        return None
    tables = tables or load_tables()
    context = context or Context()
    mine = lesions_of(report, tables, context)
    theirs = lesions_of(reference, tables, context)
    said, unsaid = _taken_back(mine, report, reference)
    normal = all(RANK[lesion.significance] < RANK["actionable"] for lesion in theirs)
    weights = tables.weights
    if not normal:
        _limit(theirs, "incidental", weights.score.lines)
        urgent = [each.weight for each in theirs if each.significance == "urgent"]
        if urgent:
            _limit(theirs, "actionable", weights.score.beside * max(urgent))
    theirs, said = parted(theirs, said), parted(said, theirs)

    errors: list[GradedError] = []
    findings: list[Matched] = []
    matched = false = 0.0
    pairs = _one_to_one(theirs, said, report, tables, reference.compares)
    for at, by, pairing in pairs:
        lesion, claim = theirs[at], said[by]
        lead = lesion.lead(tables)
        matched += lesion.weight * pairing.credit
        alarm = 0.0
        if _alarms(lesion, claim, pairing, tables):
            alarm = max(0.0, claim.weight - lesion.weight) * (1 - pairing.credit)
            false += alarm
        lost = lesion.weight + alarm / max(1e-9, sum(fault.part for fault in pairing.faults))
        findings.append(Matched(lead, pairing.credit, tuple(claim.facts), tuple(lesion.facts)))
        fact = report.facts[claim.facts[0]]
        errors += [
            GradedError(
                fault.category, lead, lost * fault.part, fault.detail, fact.sentence,
                reference.facts[lesion.facts[0]].sentence, (fact.start, fact.end), tuple(claim.facts),
            )
            for fault in pairing.faults
        ]  # fmt: skip
    taken = {at for at, _, _ in pairs}
    used = {by for _, by, _ in pairs}
    halves = {id_ for at, _, _ in pairs if theirs[at].share < 1 for id_ in theirs[at].facts}
    for at, lesion in enumerate(theirs):
        if at in taken or not lesion.weight:
            continue
        if any(_part_elsewhere(lesion, claim, tables) for claim in said):
            matched += lesion.weight  # who says tension says that the mediastinum is shifted
        else:
            errors.append(_missed(lesion, report, reference, tables, halves))
    whole = {id_ for _, by, _ in pairs if said[by].share < 1 for id_ in said[by].facts}
    for by, claim in enumerate(said):
        if by in used:
            continue
        # a further name of something that is there costs what the name is wrong by
        known = max((_likeness(lesion, claim, tables) for lesion in theirs), default=0.0)
        cost = claim.weight * (1 - known)
        if cost <= 0:
            continue
        false += cost
        errors.append(_false(claim, report, tables, cost, whole))
    for claim in unsaid:
        false += claim.weight
        errors.append(
            _error(Category.CONTRADICTION, claim, report, tables, claim.weight, "said and denied")
        )
    total = sum((lesion.weight for lesion in theirs), 0.0)
    base = weights.score.normal if normal else 0.0
    # a reference of nothing but what is expected weighs next to nothing, and never nothing at all
    score = (base + matched - false) / (base + total + false)
    errors.sort(key=lambda error: -error.weight)
    return GradedScore(score, matched, false, total, tuple(errors), tuple(findings))


def _alarms(lesion: Lesion, claim: Lesion, pairing: Pairing, tables: Tables) -> bool:
    """Whether a claim of more weight than what is there is a false alarm of the difference.

    So it is of a tube said to lie in a bronchus that lies well, and of a disease by a near name
    ("pulmonary edema" for a chronic interstitial opacity).
    """
    if any(fault.category is Category.WRONG_POSITION for fault in pairing.faults):
        return True
    if lesion.borderline and not claim.borderline:
        return True
    name = claim.lead(tables)
    graver = RANK[claim.significance] > RANK[lesion.significance]
    return graver and name not in lesion.names and not tables.concepts[name].sign


def _limit(lesions: Sequence[Lesion], rank: Significance, most: float) -> None:
    """Make the findings of no more than a rank weigh no more together than something graver."""
    least = -1 if rank == "incidental" else RANK[rank]
    few = [lesion for lesion in lesions if least <= RANK[lesion.significance] <= RANK[rank]]
    total = sum(lesion.weight for lesion in few)
    if total > most:
        for lesion in few:
            lesion.weight *= most / total


def _one_to_one(
    theirs: Sequence[Lesion],
    said: Sequence[Lesion],
    report: GradedReport,
    tables: Tables,
    compares: bool,
) -> list[tuple[int, int, Pairing]]:
    """Match lesions, the best pairs first; ties in reading order."""
    possible: list[tuple[float, int, int, Pairing]] = []
    denials = {fact.concept for fact in report.facts if fact.polarity is Polarity.ABSENT}
    for at, lesion in enumerate(theirs):
        lead = lesion.lead(tables)
        denied = lead in denials and any(
            fact.concept == lead and _denies(fact, lesion) for fact in report.facts
        )
        for by, claim in enumerate(said):
            pairing = pair(lesion, claim, tables, compares, denied)
            if pairing is not None:
                possible.append((-pairing.credit, at, by, pairing))
    possible.sort(key=lambda each: each[:3])
    taken: set[int] = set()
    used: set[int] = set()
    chosen: list[tuple[int, int, Pairing]] = []
    for _, at, by, pairing in possible:
        if at not in taken and by not in used:
            taken.add(at)
            used.add(by)
            chosen.append((at, by, pairing))
    return chosen


def _part_elsewhere(part: Lesion, whole: Lesion, tables: Tables) -> bool:
    """Whether something is part of a certain finding whose side is not its own: a shift, tension."""
    name = part.lead(tables)
    return name in tables.parts_elsewhere and any(
        each in whole.certain for each in tables.concepts[name].part_of
    )


def _likeness(lesion: Lesion, claim: Lesion, tables: Tables) -> float:
    if _part_elsewhere(claim, lesion, tables):
        return 1.0
    if not sides_agree(lesion.side, claim.side) and lesion.side != "bilateral":
        return 0.0
    if not zones_agree(lesion, claim):
        return 0.0
    mine = lesion.names
    wholes = tables.concepts[claim.lead(tables)].part_of
    if wholes and any(whole in mine for whole in wholes):
        return 1.0
    return max(nearness(one, other, tables) for one in mine for other in claim.names)


def _taken_back(
    lesions: Sequence[Lesion], report: GradedReport, reference: GradedReport
) -> tuple[list[Lesion], list[Lesion]]:
    """Part what a report says from what it says and denies as well.

    What the reference says and denies too ("no pneumonia ... early pneumonia") is left alone.
    """
    denied = [
        (fact.concept, fact.get("side"), fact.get("zone"))
        for fact in report.facts
        if fact.polarity is Polarity.ABSENT
        and not fact.qualified
        and not ANOTHER_TIME.search(report.sentences[fact.sentence].text)
    ]
    if not denied:
        return list(lesions), []
    both = {fact.concept for fact in reference.facts if fact.polarity is Polarity.ABSENT} & {
        fact.concept for fact in reference.facts if fact.polarity is not Polarity.ABSENT
    }
    said: list[Lesion] = []
    unsaid: list[Lesion] = []
    for lesion in lesions:
        contradicted = any(
            concept in lesion.names
            and concept not in both
            and (not sides or sides[0] == lesion.side)
            and _within(zones, lesion)
            for concept, sides, zones in denied
        )
        (unsaid if contradicted else said).append(lesion)
    return said, unsaid


def _within(zones: Sequence[str], lesion: Lesion) -> bool:
    """Whether a denial for some zones, or for all of them, denies a lesion."""
    if not zones:
        return True
    denied = [zone.partition(":") for zone in zones]
    return all(zone in lesion.zones.get(row, ()) for row, _, zone in denied)


def _missed(
    lesion: Lesion, report: GradedReport, reference: GradedReport, tables: Tables, halves: set[int]
) -> GradedError:
    fact = reference.facts[lesion.facts[0]]
    category, detail = Category.MISSED_FINDING, "not mentioned"
    sentence: int | None = None
    if lesion.share < 1 and halves & set(lesion.facts):
        category, detail = Category.WRONG_LOCATION, f"one side only; {lesion.side} left out"
    else:
        for denial in report.facts:
            if denial.concept in lesion.names and _denies(denial, lesion):
                category, detail = Category.CONTRADICTION, "denied"
                sentence = denial.sentence
                break
    return GradedError(
        category, lesion.lead(tables), lesion.weight, detail, sentence, fact.sentence,
        (fact.start, fact.end), tuple(lesion.facts),
    )  # fmt: skip


def _denies(denial: GradedFact, lesion: Lesion) -> bool:
    if denial.polarity is not Polarity.ABSENT:
        return False
    sides = denial.get("side")
    sided = not sides or lesion.side in (None, *sides)
    return not denial.qualified and sided and _within(denial.get("zone"), lesion)


def _false(
    claim: Lesion, report: GradedReport, tables: Tables, cost: float, halves: set[int]
) -> GradedError:
    if claim.share < 1 and halves & set(claim.facts):
        detail = f"bilateral, but {claim.side} is free"
        return _error(Category.WRONG_LOCATION, claim, report, tables, cost, detail)
    return _error(Category.FALSE_FINDING, claim, report, tables, cost, "not in the reference")


def _error(
    category: Category,
    claim: Lesion,
    report: GradedReport,
    tables: Tables,
    cost: float,
    detail: str,
) -> GradedError:
    fact = report.facts[claim.facts[0]]
    return GradedError(
        category, claim.lead(tables), cost, detail, fact.sentence, None, (fact.start, fact.end),
        tuple(claim.facts),
    )  # fmt: skip
