"""The gold answer has to score: FactS of the radiologists' own reports, before anything is trained.

A policy can't earn more than the report it learns from. Where references score low against the labels of
their own studies, labels and texts disagree (another section, another study, another labeler) or the
rules misread them, and the reward teaches something else than was meant.

A report that earns 0 is worse: the method would prefer it to a rollout that earns 0 as well, so the oracle
makes no pair with it, and the run names such studies.

Of a report without labels of its own the labels are read from the same text: it scores 1 if it reads as
anything at all, and nothing that a policy writes about a study whose report does not is ever rewarded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

import numpy as np

from orapo.data.study import Study
from orapo.data.target import check_target, study_labels, target_text
from orapo.facts import FactSReward
from orapo.labels import any_known
from orapo.training.config import OraPOConfig
from orapo.training.recipe import RunConfig
from orapo.training.rewards.terms import reward_engine

LEAST: Final = 0.95
"""Mean FactS of references below which a run is warned of."""
MOST_STUDIES: Final = 5000
"""So many take a second or two; of more a sample is looked at."""
NAMED: Final = 10


@dataclass(frozen=True)
class SelfCheck:
    """What the references of a training set score against the labels of their own studies.

    Attributes:
        studies: That the run trains on.
        looked_at: Of them: all, or a sample.
        unlabelled: Of these, studies without labels of their own, which FactS read from the text.
        unknown: Of these, studies without a score: their report reads as nothing, or their labels leave
            nothing to score. Nothing that is written about them is rewarded.
        zero: Of these, studies whose report earns 0: it is no chosen answer of a pair.
        mean: FactS of the scored; None where there is none, or where nothing was looked at.
        worst: Ids of the ten with the lowest scores, of those below 1, the worst first; unknown ones
            count as lowest.
        zeros: Ids of the first ten whose report earns 0.
        skipped: Why nothing was looked at; empty if it was.
    """

    studies: int
    looked_at: int = 0
    unlabelled: int = 0
    unknown: int = 0
    zero: int = 0
    mean: float | None = None
    worst: tuple[str, ...] = ()
    zeros: tuple[str, ...] = ()
    skipped: str = ""

    @property
    def sentence(self) -> str:
        """Say what was found."""
        if self.skipped:
            return f"Self-check of the references: skipped, {self.skipped}"
        sample = f"{self.studies:,}"
        if self.looked_at < self.studies:
            sample = f"{self.looked_at:,} of {self.studies:,}, drawn at random,"
        mean = "can't be scored" if self.mean is None else f"have a mean FactS of {self.mean:.3f}"
        said = f"Self-check: the references of {sample} training studies {mean} against their own labels"
        if self.unlabelled:
            said += f"; {self.unlabelled:,} have none of their own: FactS read them from the text"
        if self.zero:
            share = self.zero / self.looked_at
            said += (
                f"; {self.zero:,} ({share:.1%}) earn 0 and are no chosen answers of the oracle's pairs, "
                f"the first: {', '.join(self.zeros)}"
            )
        if self.unknown:
            said += (
                f"; {self.unknown:,} give no score, so that nothing written about them is rewarded"
            )
        return said

    @property
    def warning(self) -> str | None:
        """Say what is wrong, with ids and without a word of a report; None if nothing is."""
        if self.skipped or not self.looked_at:
            return None
        low = self.mean is None or self.mean < LEAST
        if not low and self.unknown <= (1 - LEAST) * self.looked_at:
            return None
        what = (
            f"the mean FactS of the references is {self.mean:.3f}, below {LEAST:g}"
            if low and self.mean is not None
            else f"{self.unknown:,} of {self.looked_at:,} references give no score"
        )
        return (
            f"{what}: labels and reports disagree, or the rules misread them, and no policy can earn "
            f"what the radiologist's own report does not; look at the studies {', '.join(self.worst)}"
        )


def self_check(run: RunConfig, config: OraPOConfig, studies: Sequence[Study]) -> SelfCheck:
    """Score the references of a training set as rollouts are scored.

    Args:
        run: Its target, its lexicon.
        config: Its b, its policy for uncertain labels.
        studies: That it trains on. Of more than `MOST_STUDIES` a sample is taken, by ``studies_seed``.

    Raises:
        OrapoError: The lexicon can't be used.
    """
    if run.engine == "llm":
        return SelfCheck(len(studies), skipped="since each report would be a call of the judge")
    target = check_target(run.target)
    looked_at = list(studies)
    if len(studies) > MOST_STUDIES:
        drawn = np.random.default_rng(run.studies_seed).choice(
            len(studies), MOST_STUDIES, replace=False
        )
        looked_at = [studies[place] for place in sorted(drawn)]
    texts = [target_text(study, target) for study in looked_at]
    reward = FactSReward(config.facts_beta, config.uncertain, engine=reward_engine(run))
    scores = reward(texts, [study_labels(study, target) for study in looked_at], texts)
    known = [score for score in scores if score is not None]
    below = [
        (-1.0 if score is None else score, study.study_id)
        for score, study in zip(scores, looked_at, strict=True)
        if score is None or score < 1
    ]
    return SelfCheck(
        studies=len(studies),
        looked_at=len(looked_at),
        unlabelled=sum(
            not any_known(study.labels) or study.labels_source == "facts" for study in looked_at
        ),
        unknown=len(scores) - len(known),
        zero=known.count(0),
        mean=fmean(known) if known else None,
        worst=tuple(study_id for _, study_id in sorted(below)[:NAMED]),
        zeros=tuple(study_id for score, study_id in sorted(below) if score == 0)[:NAMED],
    )
