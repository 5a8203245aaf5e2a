"""Facts -> labels: what a report as a whole says of each label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from orapo.facts.fact import Fact
from orapo.labels import NEGATIVE, POSITIVE, UNCERTAIN, LabelSet, LabelValue

_STRENGTH: Final[Mapping[LabelValue, int]] = {POSITIVE: 3, UNCERTAIN: 2, NEGATIVE: 1, None: 0}


def merge_labels(
    facts: Sequence[Fact], label_set: LabelSet, weak: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, LabelValue], dict[str, tuple[int, ...]]]:
    """Merge the facts of a report: present beats uncertain beats absent.

    Args:
        facts: The facts, each with the values it gives to labels.
        label_set: The labels.
        weak: For some findings, the labels on which they give way to any other fact.

    Returns:
        The labels, and for each that is not blank the indices of the facts that caused it.
        ``no_finding`` is 1 if there are facts and none of them is abnormal.
    """
    labels = label_set.blank()
    causes: dict[str, list[int]] = {}
    yielding: dict[str, list[int]] = {}
    normal = True
    for index, fact in enumerate(facts):
        for label in fact.labels:
            if label == label_set.no_finding:
                normal = False
            elif label in weak.get(fact.finding, ()):
                yielding.setdefault(label, []).append(index)
            else:
                causes.setdefault(label, []).append(index)
    for label, indices in yielding.items():
        causes.setdefault(label, indices)
    evidence: dict[str, tuple[int, ...]] = {}
    for label, indices in causes.items():
        value = max((facts[i].labels[label] for i in indices), key=_STRENGTH.__getitem__)
        labels[label] = value
        evidence[label] = tuple(i for i in indices if facts[i].labels[label] == value)
        if value in (POSITIVE, UNCERTAIN) and label not in label_set.beside:
            normal = False
    if facts and normal and label_set.no_finding is not None:
        labels[label_set.no_finding] = POSITIVE
        evidence[label_set.no_finding] = tuple(range(len(facts)))
    return labels, {name: evidence[name] for name in label_set.labels if name in evidence}
