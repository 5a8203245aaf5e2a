"""Which of a study's samples becomes its report, and what the samples agree on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from orapo.facts import ReportFacts, score_reports
from orapo.generation.reports import Sample, Selection
from orapo.labels import POSITIVE, UNCERTAIN, UncertainPolicy

OPERATING_POINTS: Final[Mapping[str, float]] = {"precision": 0.5, "balanced": 1.0, "recall": 2.0}
"""b of FactS when samples are held against each other."""


def consensus_scores(read: Sequence[ReportFacts], facts_beta: float = 1.0) -> list[float]:
    """Say how well the facts of each report agree with those of the others (minimum Bayes risk).

    Args:
        read: What was read from N samples of one study.
        facts_beta: b of FactS: below 1 a sample is chosen that claims what the others claim too,
            above 1 one that misses little of what any of them claims.

    Returns:
        For each sample the mean FactS (uncertain positive) against each other one's labels.
        A sample from which nothing could be read is no reference: its silence is not No Finding.
        0 where there is no other.
    """
    pairs = [
        (mine, theirs)
        for mine in range(len(read))
        for theirs in range(len(read))
        if mine != theirs and read[theirs].readable
    ]
    scores = score_reports(
        [read[mine] for mine, _ in pairs],
        [read[theirs].labels for _, theirs in pairs],
        facts_beta=facts_beta,
        uncertain=UncertainPolicy.POSITIVE,
    )
    rewards: list[list[float]] = [[] for _ in read]
    for (mine, _), score in zip(pairs, scores, strict=True):
        if score is not None:
            rewards[mine].append(score.reward)
    return [sum(each) / len(each) if each else 0.0 for each in rewards]


def choose(
    samples: Sequence[Sample],
    read: Sequence[ReportFacts],
    selection: Selection,
    facts_beta: float = 1.0,
) -> int:
    """Return the index of the sample that becomes the report.

    Args:
        samples: The samples of one study.
        read: What FactS read from each.
        selection: ``first``; ``consensus``, the one whose facts agree best with the others'; or
            ``best-likelihood``, the highest mean log-probability a token. Where two agree as well,
            the likelier one counts, then the earlier.
        facts_beta: Of the consensus.
    """
    if selection is Selection.FIRST or len(samples) == 1:
        return 0
    likelihood = [-float("inf") if s.log_likelihood is None else s.log_likelihood for s in samples]
    if selection is Selection.LIKELIHOOD:
        return max(range(len(samples)), key=lambda index: (likelihood[index], -index))
    # Rounded: means of the same numbers in another order differ in their last digit.
    agreement = [round(score, 9) for score in consensus_scores(read, facts_beta)]
    return max(
        range(len(samples)),
        key=lambda index: (agreement[index], read[index].readable, likelihood[index], -index),
    )


def votes(read: Sequence[ReportFacts]) -> dict[str, int]:
    """Count for each label the samples that claim it, surely or as uncertain."""
    labels = read[0].labels
    return {
        name: sum(report.labels.get(name) in (POSITIVE, UNCERTAIN) for report in read)
        for name in labels
    }
