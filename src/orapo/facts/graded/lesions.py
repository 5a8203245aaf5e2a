"""Facts -> lesions: what one report says of one thing, however often and by however many names.

"Left basilar opacity, likely pneumonia" is one lesion with two names; an impression that repeats the
findings adds nothing. Lesions are what is matched and counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from orapo.facts.fact import Polarity
from orapo.facts.graded.reading import GradedFact, GradedReport
from orapo.facts.graded.tables import Significance, Tables

RANK: Final[Mapping[Significance, int]] = {
    "urgent": 3, "actionable": 2, "incidental": 1, "expected": 0, "nothing": -1,
}  # fmt: skip
_SAYS_MORE: Final = ("larger", "smaller", "new", "unchanged", "chronic", "old")
_REFERS: Final = re.compile(
    r"\s*(?:this|these|it|they|that|those|(?:the )?(?:findings?|appearances?)|which)\b",
    re.IGNORECASE,
)
_EXPLAINS: Final = re.compile(
    r"\b(?:consistent|compatible|keeping|represent\w*|reflect\w*|due|likely|suggest\w*|indicat\w*|may|could|might|probabl[ey]"
    r"|possibl[ey]|secondary|from|related|suspicious|concerning|worrisome|favou?r\w*|versus|vs|c/w|suspect\w*|explained)\b"
)
"""Between what is seen and what it is."""
_BESIDE: Final = re.compile(
    r";|\b(?:super-?imposed|underlying|co-?existing|concurrent|additional|separate)\b"
)
"""Between two findings: the second is another one."""
_ONE_ORGAN: Final = frozenset({"lung", "diffuse", "heart", "airway"})
_TINY: Final = 1.5
"""The least size on the scale; below it a finding is borderline."""
_BAD: Final = frozenset({"low", "high", "wrong", "bronchus", "right_bronchus", "left_bronchus"})


@dataclass(slots=True)
class Context:
    """What the study gives besides its report.

    Attributes:
        age: In years; None if not known.
        asked: Concepts that the indication asks about.
    """

    age: float | None = None
    asked: frozenset[str] = frozenset()


@dataclass(slots=True)
class Lesion:
    """One thing that a report says is there, or may be.

    Attributes:
        certain: Its names said outright, in reading order.
        suspected: Its names only suspected.
        facts: Indices of its facts.
        side: ``left``, ``right``, ``bilateral`` or None.
        greater: Of what is on both sides, the side that has more; None if not said.
        form: ``loculated`` or None.
        zones: By row (height, depth, bone), the zones named.
        levels: Ribs (``rib:7``) and vertebrae named by their number.
        size: Steps of the scale; None if not said.
        measure: Centimetres; None if not said.
        distance: Centimetres above the landmark, and which; None if not said.
        change: ``new``, ``larger``, ``smaller``, ``unchanged``, ``chronic``, ``old`` (seen before) or
            None.
        position: Of a device: ``right``, ``low``, ``high``, ``wrong``, ``bronchus`` or None.
        verdict: The same where the report says so itself; None where its landmark or distance means it.
        weight: What it counts.
        significance: Of its gravest name.
        share: Part of it that this is, after a two-sided one was parted.
    """

    certain: list[str] = field(default_factory=list)
    suspected: list[str] = field(default_factory=list)
    facts: list[int] = field(default_factory=list)
    side: str | None = None
    zones: dict[str, frozenset[str]] = field(default_factory=dict)
    size: float | None = None
    measure: float | None = None
    distance: tuple[float, str] | None = None
    change: str | None = None
    position: str | None = None
    verdict: str | None = None
    weight: float = 0.0
    significance: Significance = "expected"
    share: float = 1.0
    sentence: int = 0
    greater: str | None = None
    form: str | None = None
    levels: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        """All its names, certain ones first."""
        return self.certain + self.suspected

    @property
    def borderline(self) -> bool:
        """Whether its size is at the limit of what is normal."""
        return self.size is not None and self.size < _TINY

    def lead(self, tables: Tables) -> str:
        """Return the name that says most: a diagnosis before a sign, certain before suspected."""
        names = self.names
        if len(names) == 1:
            return names[0]
        concepts = tables.concepts
        said = [name for name in names if not concepts[name].sign] or names
        # of a pneumonia that is seen as a consolidation: the pneumonia
        whole = (name for name in said if not any(each in said for each in concepts[name].part_of))
        return next(whole, said[0])


def lesions_of(report: GradedReport, tables: Tables, context: Context) -> list[Lesion]:
    """Return the lesions of a report, weighed.

    Args:
        report: What was read.
        tables: The graded score's.
        context: Age and indication.
    """
    lesions: list[Lesion] = []
    named: dict[str, list[int]] = {}
    for index, fact in enumerate(report.facts):
        if fact.polarity is Polarity.ABSENT:
            continue
        one = _lesion(index, fact, tables)
        name = fact.concept
        known = [at for near in tables.near_to[name] for at in named.get(near, ())]
        for at in sorted(set(known)) if len(known) > 1 else known:
            if _same(lesions[at], one, tables, report):
                _merge(lesions[at], one)
                break
        else:
            at = len(lesions)
            lesions.append(one)
        places = named.setdefault(name, [])
        if at not in places:
            places.append(at)
    for part in tables.parts_elsewhere & named.keys():
        _suspect_whole(lesions, part, tables)
    for lesion in lesions:
        _weigh(lesion, tables, context)
    return lesions


def _suspect_whole(lesions: Sequence[Lesion], part: str, tables: Tables) -> None:
    """Suspect what two findings of different organs mean: a pneumothorax with a shift, tension."""
    if not any(part in lesion.certain for lesion in lesions):
        return
    for whole in tables.concepts[part].part_of:
        for lesion in lesions:
            if whole not in lesion.names and any(
                tables.near.get((whole, name)) == "close" for name in lesion.certain
            ):
                lesion.suspected.append(whole)


def _lesion(index: int, fact: GradedFact, tables: Tables) -> Lesion:
    lesion = Lesion(facts=[index], sentence=fact.sentence)
    (lesion.certain if fact.polarity is Polarity.PRESENT else lesion.suspected).append(fact.concept)
    sides: set[str] = set()
    changes: list[str] = []
    for each in fact.attributes:
        name, value = each.name, each.value
        if name == "side":
            sides.add(value)
        elif name == "greater":
            lesion.greater = value
        elif name == "form":
            lesion.form = value
        elif name == "zone":
            row, _, zone = value.partition(":")
            lesion.zones[row] = lesion.zones.get(row, frozenset()) | {zone}
        elif name == "level":
            lesion.levels |= {value}
        elif name == "size":
            lesion.size = max(lesion.size or 0.0, float(value))
        elif name == "measure":
            lesion.measure = max(lesion.measure or 0.0, float(value))
        elif name == "distance":
            far, _, landmark = value.partition(" ")
            lesion.distance = float(far), landmark
        elif name == "change":
            changes.append(value)
        elif name == "position":
            lesion.position = lesion.position or value
        elif name == "verdict":
            lesion.verdict = lesion.verdict or value
    if lesion.greater and len(sides) == 1:
        lesion.side = "bilateral"  # "edema, worse on the right"
    elif sides:
        lesion.side = sides.pop() if len(sides) == 1 else "bilateral"
    if changes:
        # "persistent but improved" has improved
        lesion.change = min(changes, key=_SAYS_MORE.index)
    window = tables.words.distance.get(fact.concept)
    if lesion.distance and window and lesion.distance[1] == window.landmark:
        height = lesion.distance[0]
        if lesion.position in (None, "right") and lesion.verdict is None:
            lesion.position = (
                "low" if height < window.from_ else "high" if height > window.to else "right"
            )
    return lesion


def sides_agree(one: str | None, other: str | None) -> bool:
    """Whether two sides can be the same."""
    return one is None or other is None or one == other


def zones_agree(one: Lesion, other: Lesion) -> bool:
    """Whether the zones of two lesions can be the same."""
    if not one.zones or not other.zones:
        return True
    return all(one.zones[row] & other.zones[row] for row in one.zones.keys() & other.zones.keys())


def _same(lesion: Lesion, new: Lesion, tables: Tables, report: GradedReport) -> bool:
    """Whether a fact says something of a lesion that was named before.

    Args:
        lesion: What was said so far.
        new: The fact.
        tables: The graded score's.
        report: What both are from.
    """
    name = (new.certain or new.suspected)[0]
    if name in lesion.certain or name in lesion.suspected:
        if tables.concepts[name].kind in ("heart", "airway", "spine", "abdomen", "implant"):
            return True
        sides = sides_agree(lesion.side, new.side) or "bilateral" in (lesion.side, new.side)
        return sides and (lesion.side == "bilateral" or zones_agree(lesion, new))
    names = [old for old in lesion.names if (old, name) in tables.near]
    if not names or not sides_agree(lesion.side, new.side) or not zones_agree(lesion, new):
        return False
    same_sentence = lesion.sentence == new.sentence
    between = ""
    if same_sentence:
        before, behind = sorted(
            (report.facts[lesion.facts[-1]], report.facts[new.facts[0]]), key=_at
        )
        between = report.text[before.end : behind.start].lower()
        if _BESIDE.search(between):
            return False
    placed = lesion.side == new.side is not None or bool(lesion.zones and new.zones)
    if not same_sentence and None not in (lesion.size, new.size) and lesion.size != new.size:
        placed = False  # "small right effusion. A large right opacity ..."
    refers = (
        new.sentence - lesion.sentence == 1
        and _REFERS.match(report.sentences[new.sentence].text) is not None
    )  # "This is likely pneumonia."
    if not same_sentence and not placed and not refers:
        return False
    concepts = tables.concepts
    if new.certain and any(old not in names and not concepts[old].sign for old in lesion.certain):
        return False  # haziness that edema explains is no effusion too
    for old in names:
        if old in concepts[name].part_of or name in concepts[old].part_of:
            return True
        kinds = {concepts[old].kind, concepts[name].kind}
        told = refers or (same_sentence and _EXPLAINS.search(between) is not None)
        if len(kinds) == 2 and not kinds <= _ONE_ORGAN and not told:
            continue  # an opacity beside an effusion is another thing
        explained = concepts[old].sign != concepts[name].sign
        alike = (
            concepts[old].sign and concepts[name].sign and tables.near[old, name] != "loose"
        )  # interstitial and airspace opacities are two
        doubted = old in lesion.suspected or name in new.suspected
        if explained or ((same_sentence or refers) and (alike or doubted)):
            return True
    return False


def _at(fact: GradedFact) -> int:
    return fact.start


def _merge(lesion: Lesion, new: Lesion) -> None:
    name = new.names[0]
    if new.certain:
        if name in lesion.suspected:
            lesion.suspected.remove(name)
        if name not in lesion.certain:
            lesion.certain.append(name)
    elif name not in lesion.names:
        lesion.suspected.append(name)
    lesion.facts += new.facts
    if lesion.side is None or new.side == "bilateral":
        lesion.side = new.side or lesion.side
    lesion.greater = lesion.greater or new.greater
    lesion.form = lesion.form or new.form
    lesion.levels |= new.levels
    for row, zones in new.zones.items():
        lesion.zones[row] = lesion.zones.get(row, frozenset()) | zones
    lesion.size = lesion.size if lesion.size is not None else new.size
    lesion.measure = lesion.measure if lesion.measure is not None else new.measure
    lesion.distance = lesion.distance or new.distance
    changes = [each for each in (lesion.change, new.change) if each is not None]
    lesion.change = min(changes, key=_SAYS_MORE.index) if changes else None
    if lesion.position is None or (lesion.position == "right" and new.position in _BAD):
        lesion.position = new.position
    lesion.verdict = lesion.verdict or new.verdict
    lesion.sentence = new.sentence


def _weigh(lesion: Lesion, tables: Tables, context: Context) -> None:
    weights = tables.weights
    best = -1.0
    names = lesion.names
    elsewhere = len(names) > 1 and any(
        tables.concepts[name].kind not in _ONE_ORGAN for name in lesion.certain
    )
    for name in names:
        if elsewhere and tables.concepts[name].sign and tables.concepts[name].kind in _ONE_ORGAN:
            continue  # an opacity that is a hernia, an effusion or a nipple is none of the lung
        weighs = tables.concepts[name].weighs
        if context.age is not None:
            for rule in weights.age:
                if name in rule.concepts and rule.from_ <= context.age < rule.below:
                    weighs = rule.weighs
        if lesion.change == "chronic" and tables.concepts[name].kind == "bone":
            weighs = min(weighs, "incidental", key=RANK.__getitem__)  # a healed fracture
        if lesion.size is not None and lesion.borderline:
            # a borderline heart; below that it is normal by its own name
            least: Significance = "incidental" if lesion.size >= 1 else "nothing"
            weighs = min(weighs, least, key=RANK.__getitem__)
        if lesion.position is not None and lesion.position in _BAD:
            worst: Significance = "urgent" if "bronchus" in lesion.position else "actionable"
            weighs = max(weighs, worst, key=RANK.__getitem__)
        if name in context.asked:  # the tube that a study is made for is no line among others
            weighs = max(weighs, "actionable", key=RANK.__getitem__)
        weight = weights.significance[weighs]
        if name in context.asked:
            weight *= weights.score.asked
        if name not in lesion.certain:
            weight *= weights.score.uncertain
        if RANK[weighs] > RANK[lesion.significance] or best < 0:
            lesion.significance = weighs
        best = max(best, weight)
    lesion.weight = best * _size_factor(lesion.size, tables)


def _size_factor(size: float | None, tables: Tables) -> float:
    sizes = tables.weights.size
    if size is None or size < _TINY:
        return 1.0
    if size < 2:
        return sizes["tiny"]
    if size < 3:
        return sizes["small"]
    return sizes["large"] if size >= 4 else sizes["moderate"]


def parted(mine: Sequence[Lesion], others: Sequence[Lesion]) -> list[Lesion]:
    """Part a two-sided lesion into left and right where the other report names one side of it."""
    if not any(lesion.side == "bilateral" for lesion in mine):
        return list(mine)
    named: dict[str, set[str | None]] = {}
    for lesion in others:
        for name in lesion.names:
            named.setdefault(name, set()).add(lesion.side)
    result: list[Lesion] = []
    for lesion in mine:
        sides = set().union(*(named.get(name, set()) for name in lesion.names))
        if lesion.side == "bilateral" and sides & {"left", "right"} and "bilateral" not in sides:
            result += [_half(lesion, "left"), _half(lesion, "right")]
        else:
            result.append(lesion)
    return result


def _half(lesion: Lesion, side: str) -> Lesion:
    return Lesion(
        list(lesion.certain), list(lesion.suspected), list(lesion.facts), side, dict(lesion.zones),
        lesion.size, lesion.measure, lesion.distance, lesion.change, lesion.position, lesion.verdict,
        lesion.weight / 2, lesion.significance, 0.5, lesion.sentence,
    )  # fmt: skip
