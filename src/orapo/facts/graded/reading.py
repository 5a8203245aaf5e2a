"""Report text -> graded facts: clinical concepts with their attributes, each with its span."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from orapo.facts.engine import RulesEngine
from orapo.facts.fact import Fact, Polarity, ReportFacts, Sentence
from orapo.facts.graded.attributes import OF_A_CHANGE, TIP, Attribute, Mention, read_attributes
from orapo.facts.graded.tables import FINDINGS_FILE, FOLDER, Concept, Tables, load_tables

CACHED: Final = 50_000
"""Sentences (and a tenth as many reports) whose reading is kept."""
BEFORE: Final = 32
"""Characters before a mention in which the words of a concept are looked for."""
_PARTS: Final = re.compile(r"[,;:.]| and | or | with ")
_QUALIFIED: Final = re.compile(
    r"\b(?:large|significant|focal|acute|new|enlarging|displaced|definite|overt|frank|sizea?ble|dense|convincing|"
    r"suspicious|additional|other|residual|superimposed|further|gross|appreciable|obvious|segmental|lobar|confluent|worsening|interval)\b"
)
_STEPS: Final = {
    "trace": "1.5", "minimal": "1.5", "slight": "2.0", "mild": "2.0", "small": "2.0",
    "mild to moderate": "2.5", "moderate": "3.0", "moderate to severe": "3.5", "severe": "4.0",
    "large": "4.0", "marked": "4.0",
}  # fmt: skip
_OWN: Final = ("size", "change", "measure")
"""What each side of a two-sided finding may have for itself."""
_SIDES: Final = frozenset({"side", "greater"})
_MOVED: Final = re.compile(
    r"[^.;]{0,40}\b(?:(?:pulled|drawn) back|withdrawn|retracted|repositioned)\b"
    r"[^.;]{0,40}\b(?:now|tip|ends|terminates|lies)\b"
)
"""Behind a tube: it has been moved, and is there still."""
_LESS: Final = re.compile(
    r" (?:has |have |is |are )?(?:now |since )?(?:cleared|resolved) (?:partially|partly|incompletely|in part|to a large extent)\b"
)
"""Behind a finding: there is less of it, and some still."""
_PROBABLY: Final = re.compile(r"\bprobabl[ey]\b(?:(?!\b(?:or|versus|vs|no|not)\b)[^.;,]){0,40}$")
"""Before a finding: as good as certain, as "likely" is."""
_ENTITY: Final = re.compile(r"&(?:amp;)*[a-z]{1,8};")
_OR: Final = re.compile(r"[^.;]{0,30}\b(?:or|versus|vs)\b")
_COMPARES: Final = re.compile(
    r"\b(?:no|without|little) (?:(?:significant|interval|appreciable|definite) )*change\b"
    r"|\bun-?changed\b|\bcompared (?:to|with)\b",
    re.IGNORECASE,
)
_COMPARED: Final = re.compile(
    r"\b(?:larger|smaller)\b|\b(?:slight|mild|moderate|mark|minimal|severe|significant)(?:ed)?(?:ly)?"
    rf"(?={OF_A_CHANGE.pattern})"
)


class GradedFact(NamedTuple):
    """A clinical concept that a report speaks of.

    Attributes:
        concept: Its name in ``lexicon/concepts.toml``.
        polarity: Present, absent or uncertain.
        attributes: Side, zone, size, measurement, change, position, each with its span.
        start: First character of its mention in the report.
        end: One past its last.
        sentence: Index of its sentence.
        qualified: A denial of one sort only ("no large effusion"), which leaves others possible.
    """

    concept: str
    polarity: Polarity
    attributes: tuple[Attribute, ...]
    start: int
    end: int
    sentence: int
    qualified: bool = False

    def get(self, name: str) -> tuple[str, ...]:
        """Return the values of an attribute, in the order said."""
        return tuple(each.value for each in self.attributes if each.name == name)


class GradedReport(NamedTuple):
    """What a report says, for the graded score.

    Attributes:
        text: The report.
        facts: Its facts in reading order.
        sentences: Its sentences that speak of the films.
        readable: Whether any fact could be read.
        compares: Whether it speaks of an earlier film.
    """

    text: str
    facts: tuple[GradedFact, ...]
    sentences: tuple[Sentence, ...]
    readable: bool
    compares: bool


class _Read(NamedTuple):
    """A fact of a sentence, spans counted from the sentence's start."""

    concept: str
    attributes: tuple[Attribute, ...]
    start: int
    end: int
    qualified: bool
    there: bool


class GradedReader:
    """Reads reports for the graded score; local, deterministic, with the readings of sentences kept.

    Args:
        cached: Sentences kept; 0 keeps none.
    """

    def __init__(self, *, cached: int = CACHED) -> None:
        self.tables: Tables = load_tables()
        findings = Path(str(FOLDER / FINDINGS_FILE))
        self._engine = (
            RulesEngine(findings) if cached else RulesEngine(findings, cached_sentences=0)
        )
        self._cached = cached
        self._sentences: dict[
            tuple[str, tuple[tuple[str, Polarity], ...], int], tuple[tuple[_Read, ...], ...]
        ] = {}
        self._reports: dict[str, GradedReport] = {}

    def read(self, text: str) -> GradedReport:
        """Read a report.

        Args:
            text: The report; any text is allowed.

        Returns:
            Its concepts with their attributes.
        """
        known = self._reports.get(text)
        if known is not None:
            return known
        report = self._read(self._engine.read(text))
        if self._cached:
            if len(self._reports) >= self._cached // 10:
                self._reports.clear()
            self._reports[text] = report
        return report

    def _read(self, report: ReportFacts) -> GradedReport:
        groups: dict[int, list[Fact]] = {}
        for fact in report.facts:
            groups.setdefault(fact.sentence, []).append(fact)
        facts: list[GradedFact] = []
        compares = False
        for index, group in groups.items():
            sentence = report.sentences[index]
            base = sentence.start
            # what another sentence doubts is read anew
            key = (
                sentence.text,
                tuple([(f.finding, f.polarity) for f in group]),
                group[0].start - base,
            )
            read = self._sentences.get(key)
            if read is None:
                read = self._sentence(sentence.text, group, base)
                if self._cached:
                    if len(self._sentences) >= self._cached:
                        self._sentences.clear()
                    self._sentences[key] = read
            for fact, concepts in zip(group, read, strict=True):
                for each in concepts:
                    attributes = each.attributes
                    if attributes:
                        compares = compares or any(a.name == "change" for a in attributes)
                        attributes = tuple(
                            [
                                Attribute(a.name, a.value, a.start + base, a.end + base)
                                for a in attributes
                            ]
                        )
                    facts.append(
                        GradedFact(
                            each.concept,
                            Polarity.PRESENT if each.there else fact.polarity,
                            attributes, fact.start, fact.end, index,
                            each.qualified,
                        )
                    )  # fmt: skip
        compares = compares or _COMPARES.search(report.text) is not None
        return GradedReport(
            report.text, _with_tips(facts), report.sentences, report.readable, compares
        )

    def _sentence(self, text: str, group: list[Fact], base: int) -> tuple[tuple[_Read, ...], ...]:
        low = text.lower()
        if "&" in low:  # "lt" of "&lt;" is no left
            low = _ENTITY.sub(lambda found: " " * len(found.group()), low)
        tables = self.tables
        named: list[tuple[Concept, ...]] = []
        mentions: list[Mention] = []
        there: list[bool] = []
        for fact in group:
            start, end = fact.start - base, fact.end - base
            there.append(_is_there(fact, low, start, end))
            denied = fact.polarity is Polarity.ABSENT and not there[-1]
            concepts = _concepts(fact.finding, low, start, end, denied, tables)
            named.append(concepts)
            first = concepts[0] if concepts else None
            mentions.append(
                Mention(
                    start, end,
                    first.name if first else "",
                    first.kind if first else "other",
                    denied,
                )
            )  # fmt: skip
        attributes = (
            [()] * len(group)  # of what is denied no more than side and place are asked
            if all(mention.denied for mention in mentions)
            and not any(fact.location for fact in group)
            and not any(mention.kind == "bone" for mention in mentions)
            else read_attributes(low, mentions, tables)
        )
        read = []
        for fact, mention, concepts, said, still in zip(
            group, mentions, named, attributes, there, strict=True
        ):
            said = _completed(said, fact, low, mention)
            qualified = (
                mention.denied
                and _QUALIFIED.search(low, max(0, mention.start - 40), mention.end) is not None
            )
            read.append(
                tuple(
                    _Read(each.name, of_one, mention.start, mention.end, qualified, still)
                    for each in concepts
                    for of_one in _by_side(said)
                )
            )
        return tuple(read)


def _is_there(fact: Fact, text: str, start: int, end: int) -> bool:
    """Whether a fact that labels take for absent or doubtful is there, for the graded score."""
    if fact.polarity is Polarity.ABSENT:
        still = _MOVED if fact.finding in ("line or tube", "line") else _LESS
        return still.match(text, end) is not None
    return (
        fact.polarity is Polarity.UNCERTAIN
        and _PROBABLY.search(text, max(0, start - 60), start) is not None
        and _OR.match(text, end) is None
    )


def _by_side(said: tuple[Attribute, ...]) -> tuple[tuple[Attribute, ...], ...]:
    """Part "large right and small left effusions", of which each side has a size of its own."""
    sides = [each for each in said if each.name == "side" and each.value != "bilateral"]
    if len(sides) != 2 or sides[0].value == sides[1].value:
        return (said,)
    own = {
        name: values
        for name in _OWN
        if len(values := [each for each in said if each.name == name]) == 2
        and values[0].value != values[1].value
    }
    if not own:
        return (said,)
    shared = tuple(each for each in said if each.name not in own and each.name not in _SIDES)
    return tuple(
        (side, *(values[place] for values in own.values()), *shared)
        for place, side in enumerate(sides)
    )


def _completed(
    said: tuple[Attribute, ...], fact: Fact, text: str, mention: Mention
) -> tuple[Attribute, ...]:
    """Add what `orapo.facts` read and the words nearby did not give."""
    names = {each.name for each in said}
    if (
        "size" not in names
        and not mention.denied
        and fact.severity in _STEPS
        and mention.kind != "device"
    ) and not _COMPARED.search(text):
        said += (Attribute("size", _STEPS[fact.severity], mention.start, mention.end),)
    of_spine = any(each.value == "bone:spine" for each in said)  # "L1" is no left
    sided = mention.kind in ("lung", "pleura", "bone") and not of_spine
    if "side" not in names and fact.laterality and sided:
        said += (Attribute("side", fact.laterality, mention.start, mention.end),)
    return said


def _concepts(
    finding: str, text: str, start: int, end: int, denied: bool, tables: Tables
) -> tuple[Concept, ...]:
    """Return what a finding means here; two concepts for "hydropneumothorax"."""
    entries = tables.by_finding.get(finding, ())
    if len(entries) == 1 and entries[0][0] is None:
        return (entries[0][1],)
    first = max(0, start - BEFORE)
    for cut in _PARTS.finditer(text, first, start):
        first = cut.end()
    window = text[first:end]
    for pattern, concept in entries:
        if pattern is not None and not (denied and concept.claims) and pattern.search(window):
            return (concept,)
    return tuple(concept for pattern, concept in entries if pattern is None)


def _with_tips(facts: list[GradedFact]) -> tuple[GradedFact, ...]:
    """Say of a device what is said of its tip; a tip without a device is a line or tube."""
    if not any(fact.concept == TIP for fact in facts):
        return tuple(facts)
    concepts = load_tables().concepts
    devices = [
        index
        for index, fact in enumerate(facts)
        if fact.concept != TIP and concepts[fact.concept].kind == "device"
    ]
    kept: list[GradedFact | None] = list(facts)
    for index, fact in enumerate(facts):
        if fact.concept != TIP:
            continue
        # the nearest device of the same sentence, else the last one of the sentence before
        after = bisect_right(devices, index)
        near = [
            at
            for at in devices[max(0, after - 1) : after + 1]
            if facts[at].sentence == fact.sentence
            or (at < index and facts[at].sentence == fact.sentence - 1)
        ]
        if not near:
            kept[index] = fact._replace(concept="line or tube")
            continue
        at = min(near, key=lambda at: (facts[at].sentence != fact.sentence, abs(at - index)))
        kept[index] = None
        device = kept[at]
        if device is not None and fact.polarity is not Polarity.ABSENT:
            names = {each.name for each in device.attributes}
            more = tuple(each for each in fact.attributes if each.name not in names)
            kept[at] = device._replace(attributes=device.attributes + more)
    return tuple(fact for fact in kept if fact is not None)


@lru_cache(maxsize=1)
def default_reader() -> GradedReader:
    """Return the reader that all calls of this process share."""
    return GradedReader()


def read_graded(texts: Iterable[str]) -> Iterator[GradedReport]:
    """Yield what each report says; see `GradedReader.read`."""
    return map(default_reader().read, texts)
