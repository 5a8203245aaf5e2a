"""Facts -> labels: what a report as a whole says of each label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from orapo.facts.fact import Fact
from orapo.labels import NEGATIVE, POSITIVE, UNCERTAIN, LabelSet, LabelValue

_STRONGEST_FIRST: Final[tuple[LabelValue, ...]] = (POSITIVE, UNCERTAIN, NEGATIVE)


def stronger(one: LabelValue, other: LabelValue) -> LabelValue:
    """Return which of two values a report that gives a label both has: 1, else -1, else 0."""
    return next((value for value in _STRONGEST_FIRST if value in (one, other)), None)


def merge_labels(
    facts: Sequence[Fact],
    label_set: LabelSet,
    weak: Mapping[str, tuple[str, ...]],
    *,
    unread: bool = False,
) -> tuple[dict[str, LabelValue], dict[str, tuple[int, ...]]]:
    """Merge the facts of a report: present beats uncertain beats absent.

    Args:
        facts: The facts, each with the values it gives to labels.
        label_set: The labels.
        weak: For some findings, the labels on which they give way to any other fact.
        unread: Whether a sentence that may assert something was not read.

    Returns:
        The labels, and for each that is not blank the indices of the facts that caused it.
        ``no_finding`` is 1 if there are facts and none of them is abnormal.
    """
    labels = label_set.blank()
    causes: dict[str, list[int]] = {}
    yielding: dict[str, list[int]] = {}
    no_finding = label_set.no_finding
    normal = not unread
    for index, fact in enumerate(facts):
        for label in fact.labels:
            if label == no_finding:
                normal = False
            elif fact.finding in weak and label in weak[fact.finding]:
                yielding.setdefault(label, []).append(index)
            elif label in causes:
                causes[label].append(index)
            else:
                causes[label] = [index]
    for label, indices in yielding.items():
        causes.setdefault(label, indices)
    evidence: dict[str, tuple[int, ...]] = {}
    for label in label_set.labels:
        if label not in causes:
            continue
        indices = causes[label]
        values = [facts[index].labels[label] for index in indices]
        value = next(each for each in _STRONGEST_FIRST if each in values)
        labels[label] = value
        evidence[label] = tuple(i for i, each in zip(indices, values, strict=True) if each == value)
        if value != NEGATIVE and label not in label_set.beside:
            normal = False
    if facts and normal and no_finding is not None:
        labels[no_finding] = POSITIVE
        evidence = {no_finding: tuple(range(len(facts))), **evidence}
    return labels, evidence
