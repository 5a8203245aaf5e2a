"""The reports: short radiology English, and the labels that it states.

Every sentence carries the labels that it gives, so a report's labels are the sum of what was
written and never a guess about it. ``tests/data/test_phantom.py`` holds FactS against them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from orapo.data.phantom import phrases
from orapo.data.phantom.config import Difficulty, PhantomConfig
from orapo.data.phantom.findings import PREVALENCE, DrawnFinding, place_findings
from orapo.data.phantom.phrases import Statement, choose, finding_statement, noun_phrase, sentence
from orapo.labels import (
    CHEXPERT,
    NEGATIVE,
    NO_FINDING,
    POSITIVE,
    SUPPORT_DEVICES,
    UNCERTAIN,
    LabelValue,
)

_IN_LUNG: Final = frozenset(
    {"Lung Opacity", "Consolidation", "Atelectasis", "Edema", "Lung Lesion"}
)
_IMPRESSION_SHARE: Final = 0.3


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A report and what it says.

    Attributes:
        findings: Its findings paragraph.
        impression: Empty or one sentence that adds no label.
        labels: All 14 labels as stated.
    """

    findings: str
    impression: str
    labels: dict[str, LabelValue]

    @property
    def text(self) -> str:
        """The whole report."""
        return f"{self.findings} {self.impression}".strip()


def write_report(
    rng: np.random.Generator, drawn: Sequence[DrawnFinding], config: PhantomConfig
) -> WrittenReport:
    """Write the report of a film.

    Args:
        rng: Chooses the words, and the mistake where ``label_noise`` asks for one.
        drawn: What the film shows.
        config: Share of style sentences and of mistaken reports.
    """
    reported = list(drawn)
    if rng.random() < config.difficulty.label_noise:
        reported = _mistaken(rng, reported, config.uncertain_share)
    statements = _trim(_compose(rng, reported, config.difficulty), config.difficulty.most_words)
    labels = CHEXPERT.blank()
    for one in statements:
        labels.update(one.labels)
    abnormal = any(one.abnormal for one in statements)
    stated = {name for name, value in labels.items() if value in (POSITIVE, UNCERTAIN)}
    if not abnormal and stated <= {SUPPORT_DEVICES}:
        labels[NO_FINDING] = POSITIVE
    elif abnormal and not any(labels[name] == POSITIVE for name in stated - {SUPPORT_DEVICES}):
        labels[NO_FINDING] = NEGATIVE  # not blank: see `orapo.facts.reference_labels`
    findings = " ".join(one.text for one in statements)
    return WrittenReport(findings, _impression(rng, reported, abnormal), labels)


def _mistaken(
    rng: np.random.Generator, drawn: list[DrawnFinding], uncertain_share: float
) -> list[DrawnFinding]:
    """Leave out a finding, or add one that is not on the film."""
    labels = {finding.label for finding in drawn}
    if drawn and rng.random() < 0.5:
        missed = choose(rng, sorted(labels))
        return [finding for finding in drawn if finding.label != missed]
    absent = [label for label in PREVALENCE if label not in labels]
    if not absent:
        return drawn
    shares = np.asarray([PREVALENCE[label] for label in absent])
    added = str(rng.choice(np.asarray(absent), p=shares / shares.sum()))
    return [*drawn, *place_findings(rng, [added], uncertain_share)]


def _compose(
    rng: np.random.Generator, reported: Sequence[DrawnFinding], difficulty: Difficulty
) -> list[Statement]:
    present = {finding.label for finding in reported}
    told = [(finding.label, finding_statement(rng, finding)) for finding in reported]
    devices = [one for label, one in told if label == SUPPORT_DEVICES]
    heart = [one for label, one in told if label == "Cardiomegaly"]
    chest = [one for label, one in told if label not in (SUPPORT_DEVICES, "Cardiomegaly")]
    if not heart and rng.random() < 0.85:
        heart = [choose(rng, phrases.NORMAL_HEART)]
    chest += _normal_lungs(rng, reported) + _denials(rng, present)
    body = [*heart, *chest] if rng.random() < 0.4 else [*chest, *heart]
    opening, closing = (
        [choose(rng, kind) for kind in kinds if rng.random() < difficulty.style_share]
        for kinds in (phrases.STYLE_OPENING, phrases.STYLE_CLOSING)
    )
    statements = [*opening, *devices, *body, *closing]
    said = {name for one in statements for name in one.labels}
    for extra in _normal_rest(rng, present | said):
        if _words(statements) >= difficulty.fewest_words:
            break
        statements.append(extra)
    return statements


def _normal_lungs(rng: np.random.Generator, reported: Sequence[DrawnFinding]) -> list[Statement]:
    in_lung = [finding for finding in reported if finding.label in _IN_LUNG]
    if not in_lung:
        return [choose(rng, phrases.CLEAR_LUNGS)] if rng.random() < 0.7 else []
    sides = {finding.side for finding in in_lung}
    if sides in ({"left"}, {"right"}) and rng.random() < 0.3:
        return [phrases.clear_lung(rng, "left" if sides == {"right"} else "right")]
    return []


def _denials(rng: np.random.Generator, present: Collection[str]) -> list[Statement]:
    """Deny some of the labels that the report doesn't affirm."""
    named: dict[str, str] = {}
    for label, (share, words) in phrases.DENIED.items():
        barred = phrases.DENIED_ONLY_WITHOUT.get(label, frozenset()) & set(present)
        if label not in present and not barred and rng.random() < share:
            named[choose(rng, words)] = label
    names = list(named)
    names = [names[i] for i in rng.permutation(len(names))]
    return [
        Statement(text, {named[name]: NEGATIVE for name in group})
        for text, group in phrases.denials(rng, names)
    ]


def _normal_rest(rng: np.random.Generator, said: Collection[str]) -> list[Statement]:
    """Return normal statements about what the report hasn't spoken of, in random order."""
    groups = [phrases.NORMAL_VESSELS, phrases.NORMAL_HILA, phrases.NORMAL_DIAPHRAGM]
    if "Enlarged Cardiomediastinum" not in said:
        groups.append(phrases.NORMAL_MEDIASTINUM)
    if "Fracture" not in said:
        groups.append(phrases.NORMAL_BONES)
    if "Edema" in said:
        groups.remove(phrases.NORMAL_VESSELS)
    return [choose(rng, groups[i]) for i in rng.permutation(len(groups))]


def _words(statements: Sequence[Statement]) -> int:
    return sum(len(one.text.split()) for one in statements)


def _trim(statements: list[Statement], most_words: int) -> list[Statement]:
    """Leave out optional sentences, the last first, while the report is too long."""
    kept = list(statements)
    while _words(kept) > most_words and any(one.optional for one in kept):
        kept.remove(next(one for one in reversed(kept) if one.optional))
    return kept


def _impression(rng: np.random.Generator, reported: Sequence[DrawnFinding], abnormal: bool) -> str:
    if rng.random() >= _IMPRESSION_SHARE:
        return ""
    told = [one for one in reported if one.label != SUPPORT_DEVICES]
    if not told:
        return choose(rng, phrases.NORMAL_IMPRESSION[: 2 if abnormal or reported else None])
    certain = [one for one in told if not one.uncertain]
    if not certain:
        return ""
    name, _ = noun_phrase(rng, choose(rng, certain))
    return sentence(name)
