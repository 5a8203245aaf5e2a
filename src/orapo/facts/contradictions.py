"""What a report claims and denies: then it has said neither.

"Effusion. No effusion." says no more about the effusion than a report without either sentence. It is no
contradiction where claim and denial are of different sides, places or times, or where the denial is of
something narrower ("no acute fracture", "no large effusion", "no other nodule").
"""

from __future__ import annotations

import re
from typing import Final

from orapo.facts.fact import Fact, Polarity, ReportFacts
from orapo.labels import NEGATIVE

_WORD: Final = re.compile(r"[a-z]+")
_NARROW: Final = frozenset(
    ("focal", "acute", "new", "other", "additional", "further", "significant", "residual", "recurrent", "displaced", "tension", "lobar", "suspicious", "remaining", "old", "chronic", "apical", "another", "overt", "frank", "gross", "sizable", "sizeable", "large", "confluent", "segmental", "more", "any", "else", "obvious", "definite", "convincing", "discrete", "dominant", "visible", "otherwise", "active", "worsening", "increasing", "enlarging", "developing", "associated", "adjacent", "superimposed", "underlying", "marked", "severe", "moderate", "appreciable", "substantial", "radiopaque", "secondary")
) - {"any", "visible", "obvious", "definite", "convincing"}  # fmt: skip
"""Words that make a denial one of something narrower."""
_GENERIC: Final = frozenset(
    ("pleural", "pulmonary", "the", "a", "of", "in", "lung", "lungs", "cardiac", "heart", "size", "normal", "is", "are", "silhouette", "mediastinum", "mediastinal", "contour", "contours", "within", "limits", "unremarkable", "fluid", "sided", "side", "left", "right", "collection", "airspace", "not", "enlarged", "cardiomediastinal", "and", "appears")
) - {"focal"}  # fmt: skip
"""Words that add nothing to the name of what is denied."""
_HEADS: Final = frozenset(
    ("effusion", "fluid", "hydrothorax", "cardiomegaly", "enlargement", "opacity", "opacitie", "opacification", "infiltrate", "density", "haziness", "fracture", "pneumothorax", "ptx")
)  # fmt: skip
"""Other names of what is claimed narrow nothing: "Pleural fluid. No effusion." """
ANOTHER_TIME: Final = re.compile(
    r"\b(?:resol\w+|clear(?:ed|ing|ance)|remov\w+|longer|gone|previous\w*|prior|earlier|yesterday|interval"
    r"|extubat\w+|disappeared|withdrawn|discontinued)\b",
    re.IGNORECASE,
)
"""Of a denial: it was so on another day, or is no longer."""
_EXCEPTION: Final = re.compile(
    r"\b(?:except\w*|exception|other than|besides|aside|apart|otherwise|save for)\b",
    re.IGNORECASE,
)


def self_contradictions(report: ReportFacts) -> frozenset[str]:
    """Return the labels that a report claims and denies in one.

    A label of which one claim stands uncontradicted is claimed.
    """
    both = [label for label in report.denied if report.labels.get(label)]
    if not both:
        return frozenset()
    found = []
    for label in both:
        claims = [fact for fact in report.facts if fact.labels.get(label)]
        denials = [fact for fact in report.facts if fact.labels.get(label) == NEGATIVE]
        if claims and all(any(_covers(report, d, c) for d in denials) for c in claims):
            found.append(label)
    return frozenset(found)


def _covers(report: ReportFacts, denial: Fact, claim: Fact) -> bool:
    """Whether a denial denies what is claimed."""
    if denial.finding != claim.finding and denial.labels.keys() != claim.labels.keys():
        return False
    if claim.polarity is Polarity.ABSENT:
        return False
    if denial.laterality is not None and denial.laterality not in (claim.laterality, "bilateral"):
        return False
    if denial.location is not None and denial.location != claim.location:
        return False
    if denial.severity is not None and denial.severity != claim.severity:
        return False
    denied_in = report.sentences[denial.sentence].text
    claimed_in = report.sentences[claim.sentence].text
    if ANOTHER_TIME.search(denied_in) or ANOTHER_TIME.search(claimed_in):
        return False
    if denial.sentence == claim.sentence and _EXCEPTION.search(denied_in):
        return False
    if _EXCEPTION.match(claimed_in):
        return False
    said = _words(report, claim)
    if _words(report, denial) - said - _GENERIC - _HEADS:
        return False
    ahead = report.text[report.sentences[denial.sentence].start : denial.start].lower()
    return not (set(_WORD.findall(ahead)[-4:]) & _NARROW - said)


def _words(report: ReportFacts, fact: Fact) -> set[str]:
    words = _WORD.findall(report.text[fact.start : fact.end].lower())
    return {word.removesuffix("s") if len(word) > 4 else word for word in words}
