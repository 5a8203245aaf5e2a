"""Rewards for trainers that know no unknown one: a number for every rollout, or the run stops.

TRL leaves a rollout out whose reward is None. verl has no such thing, and ms-swift adds it up as 0: a report
that could not be judged would be pushed down as if it were wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from orapo.errors import OrapoError, RunFailedError
from orapo.facts import FactSReward, label_report

Reference = str | Mapping[str, Any]
"""The radiologist's report; or a study's labels, as a mapping or its JSON text."""


def known_rewards(
    trainer: str,
    completions: Sequence[str],
    references: Sequence[Reference | None],
    studies: Sequence[str],
    *,
    facts_beta: float = 1.0,
    uncertain: str = "positive",
) -> list[float]:
    """Score rollouts by FactS.

    Args:
        trainer: Who asks; a sentence names it.
        completions: N texts.
        references: N references.
        studies: What a sentence calls each.
        facts_beta: b of FactS.
        uncertain: ``positive``, ``negative`` or ``ignore``.

    Returns:
        N rewards in [0, 1].

    Raises:
        OrapoError: A reference is none, or gives nothing to score by.
        RunFailedError: A reward is unknown for want of a report in English.
    """
    if len(references) != len(completions):
        raise OrapoError(f"{len(completions)} rollouts, but {len(references)} references")
    reports, labels = [], []
    for reference, study in zip(references, studies, strict=True):
        report, label = _parts(reference, study)
        reports.append(report)
        labels.append(label)
    rewards = _facts(facts_beta, uncertain)(completions, labels=labels, report=reports)
    known: list[float] = []
    for reward, text, study in zip(rewards, completions, studies, strict=True):
        if reward is None:
            raise _unknown(trainer, text, study)
        known.append(reward)
    return known


@lru_cache(maxsize=8)
def _facts(facts_beta: float, uncertain: str) -> FactSReward:
    return FactSReward(facts_beta=facts_beta, uncertain=uncertain)


def _parts(reference: Reference | None, study: str) -> tuple[str | None, Mapping[str, Any] | None]:
    """Return report and labels of a reference; one of them is None."""
    if isinstance(reference, Mapping):
        return None, reference
    if isinstance(reference, str) and reference.strip():
        if not reference.lstrip().startswith("{"):
            return reference, None
        try:
            labels = json.loads(reference)
        except ValueError:
            raise OrapoError(f"{study}: the reference begins with {{ and is no JSON") from None
        return None, labels
    raise OrapoError(
        f"{study}: the reference must be the radiologist's report, or labels as a mapping or JSON text"
    )


def _unknown(trainer: str, text: str, study: str) -> Exception:
    if not label_report(text).english:
        return RunFailedError(
            f"{study}: a rollout is not in English, so FactS can't judge it, and {trainer} would take the unknown "
            "reward for a number; make the base write English first (prompt, a little supervision)"
        )
    return OrapoError(
        f"{study}: its reference gives nothing to score by, and {trainer} knows no unknown reward; leave such "
        "studies out of the data set"
    )
