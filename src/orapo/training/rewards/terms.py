"""The rewards of a run by name: FactS, what it is compared with, and the terms beside it.

TRL adds the terms up, each times its weight (``multi_objective_aggregation: sum_then_normalize``) or
brings each to one scale within its group first (``normalize_then_sum``). A term that gives None for a
rollout adds nothing to its sum; where FactS gives None the rollout is left out altogether. The
zero-reward rate reads FactS alone.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from orapo.errors import MissingExtraError, OrapoError
from orapo.facts import FactsEngine, FactSReward, RepetitionPenalty, RulesEngine
from orapo.facts.graded import GradedFactSReward
from orapo.facts.rare import RareFactSReward, rarity_weights
from orapo.facts.reward import Completion, completion_text
from orapo.facts.score import Explanation
from orapo.labels import CHEXPERT, LABELS, POSITIVE, UNCERTAIN, LabelValue, UncertainPolicy
from orapo.training.config import OraPOConfig
from orapo.training.recipe import RunConfig
from orapo.training.rewards.radeval import PREFIX, RadEvalReward

if TYPE_CHECKING:
    from orapo.facts.llm import JudgeSettings

Reward = Callable[..., Sequence[float | None]]

# What chat models add and no report holds: headings, emphasis, code, tables, tags.
_MARKUP: Final = re.compile(r"^\s*#|\*\*|```|^\s*\||</?[a-zA-Z]+>", re.MULTILINE)
_MOST: Final = 1e6
"""Size of a weight; beyond, float32 has no room beside it for the other rewards."""
_END: Final = re.compile(r"[.!?][\"')\]]*\s*$")


class AccuracyReward(FactSReward):
    """1 where a report has every label of the study right, else 0: the naive baseline (Table 4).

    That is where FactS is 1. Arguments are those of FactS.
    """

    __name__ = "accuracy"

    def __call__(
        self, completions: Sequence[Completion], *args: Any, **columns: Any
    ) -> list[float | None]:
        """Score completions; see `FactSReward`."""
        scores = super().__call__(completions, *args, **columns)
        return [None if score is None else float(score == 1) for score in scores]


class BleuReward:
    """BLEU of a report against the radiologist's, sentence by sentence (sacrebleu), in [0, 1].

    Raises:
        MissingExtraError: sacrebleu is not installed.
    """

    __name__ = "bleu"

    def __init__(self) -> None:
        try:
            from sacrebleu.metrics import BLEU
        except ModuleNotFoundError as error:
            raise MissingExtraError("the reward bleu", "language") from error
        self._bleu = BLEU(effective_order=True)

    def __call__(
        self,
        completions: Sequence[Completion],
        report: Sequence[str | None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Score completions.

        Args:
            completions: N texts, or N lists of messages.
            report: N reference texts.
            **columns: Anything else that TRL passes; not used.

        Returns:
            N values; None where there is no reference.
        """
        references = report if report is not None else [None] * len(completions)
        return [
            self._bleu.sentence_score(completion_text(text), [reference]).score / 100
            if reference
            else None
            for text, reference in zip(completions, references, strict=True)
        ]


class LengthPenalty:
    """Minus how far a report's length lies from the reference's, in words, as a share of it.

    Args:
        tolerance: Share by which it may be longer or shorter at no cost.
    """

    __name__ = "length"

    def __init__(self, tolerance: float = 0.25) -> None:
        self.tolerance = tolerance

    def __call__(
        self,
        completions: Sequence[Completion],
        report: Sequence[str | None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Score completions.

        Args:
            completions: N texts, or N lists of messages.
            report: N reference texts.
            **columns: Anything else that TRL passes; not used.

        Returns:
            N values in [-1, 0]; None where there is no reference.
        """
        references = report if report is not None else [None] * len(completions)
        return [
            self._one(len(completion_text(text).split()), len((reference or "").split()))
            for text, reference in zip(completions, references, strict=True)
        ]

    def _one(self, words: int, wanted: int) -> float | None:
        if not wanted:
            return None
        off = abs(words - wanted) / wanted - self.tolerance
        return -min(max(off, 0.0), 1.0)


class FormatPenalty:
    """-1 for a text that is no finished prose: markup in it, or cut off in a sentence; else 0."""

    __name__ = "format"

    def __call__(self, completions: Sequence[Completion], **columns: Any) -> list[float]:
        """Score completions.

        Args:
            completions: N texts, or N lists of messages.
            **columns: Anything else that TRL passes; not used.

        Returns:
            N values, -1 or 0.
        """
        texts = [completion_text(text) for text in completions]
        return [0.0 if _END.search(text) and not _MARKUP.search(text) else -1.0 for text in texts]


class FalseAlarmPenalty:
    """Minus the mean, over the labels that a report claims, of what each false claim costs.

    A false claim costs 1 less the label's prevalence: one of a rare label, which is the likeliest to
    be wrong and the dearest to macro precision, the most.

    Args:
        labels: Of the studies trained on.
        uncertain: What an uncertain label counts as, as in FactS.
        engine: What reads reports; None: the rules.
    """

    __name__ = "false_alarm"

    def __init__(
        self,
        labels: Sequence[Mapping[str, LabelValue]],
        uncertain: str = "positive",
        engine: FactsEngine | None = None,
    ) -> None:
        self._facts = FactSReward(uncertain=uncertain, engine=engine)
        count = max(len(labels), 1)
        self._cost = {
            name: 1 - sum(each.get(name) in (POSITIVE, UNCERTAIN) for each in labels) / count
            for name in LABELS
        }

    def __call__(
        self,
        completions: Sequence[Completion],
        labels: Sequence[Any] | None = None,
        report: Sequence[str | None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Score completions; arguments as FactS takes them, N values in [-1, 0] or None."""
        return [
            None if score is None or score.explanation is None else self._one(score.explanation)
            for score in self._facts.explain(completions, labels, report)
        ]

    def _one(self, found: Explanation) -> float:
        claimed = len(found.entailed) + len(found.false_alarms)
        return -sum(self._cost[name] for name in found.false_alarms) / max(claimed, 1)


TERMS: Final[dict[str, Callable[[], Reward]]] = {
    "repetition": RepetitionPenalty,
    "length": LengthPenalty,
    "format": FormatPenalty,
    # a report that says nothing is the model's failure, not an unknown
    "graded": partial(GradedFactSReward, unreadable=-1.0),
}
FALSE_ALARM: Final = "false_alarm"
"""The one term that needs to know the studies."""
# RadGraph's F1 (Delbrouck et al. 2022), and an error rate: lower is better (Yu et al. 2023).
_RADEVAL: Final = {
    "radgraph": ("radeval/radgraph/radgraph_partial", 1.0),
    "radcliq": ("radeval/radcliq/radcliq_v1", -1.0),
}
MAIN: Final = ("facts", "facts_rare", "graded", "accuracy", "bleu", *_RADEVAL)


def main_reward(
    name: str,
    config: OraPOConfig,
    engine: FactsEngine | None = None,
    radeval_python: str = "",
    labels: Sequence[Mapping[str, LabelValue]] = (),
) -> tuple[Reward, float]:
    """Return the reward that a run is about, and its weight: -1 for an error rate.

    Args:
        name: Of `MAIN`, or ``package.module:function``.
        config: Its b and its policy for uncertain labels.
        engine: What reads reports; None: the rules.
        radeval_python: The interpreter that holds RadEval; empty: this one.
        labels: Of the studies trained on, for ``facts_rare``.

    Raises:
        OrapoError: There is no such reward.
        MissingExtraError: It needs an extra that is not installed.
    """
    if name == "facts":
        return FactSReward(config.facts_beta, config.uncertain, engine=engine), 1.0
    if name == "facts_rare":
        weights = rarity_weights(labels, uncertain=UncertainPolicy(config.uncertain))
        return RareFactSReward(weights, config.facts_beta, config.uncertain, engine=engine), 1.0
    if name == "graded":
        return TERMS[name](), 1.0
    if name == "accuracy":
        return AccuracyReward(config.facts_beta, config.uncertain, engine=engine), 1.0
    if name == "bleu":
        return BleuReward(), 1.0
    if name in _RADEVAL:
        metric, weight = _RADEVAL[name]
        return RadEvalReward(metric, radeval_python), weight
    return _found(name, MAIN), 1.0


def rewards_of(
    run: RunConfig,
    config: OraPOConfig,
    labels: Sequence[Mapping[str, LabelValue]],
    engine: FactsEngine | None,
) -> tuple[list[Reward], list[float]]:
    """Return all that a recipe rewards, with weights, the reward that the run is about first.

    Args:
        run: Names them.
        config: Its b and its policy for uncertain labels.
        labels: Of the studies trained on.
        engine: What reads reports; None: the rules.

    Raises:
        OrapoError: There is no such reward or term.
        MissingExtraError: One needs an extra that is not installed.
    """
    terms, weights = reward_terms(
        run.reward_terms or (), labels, run.radeval_python, config.uncertain, engine
    )
    reward, weight = main_reward(run.reward, config, engine, run.radeval_python, labels)
    if run.reward == "graded":  # the zero-reward rate reads FactS alone, whatever is rewarded
        terms.append(FactSReward(config.facts_beta, config.uncertain, engine=engine))
        weights.append(0.0)
    return [reward, *terms], [weight, *weights]


def reward_engine(run: RunConfig) -> FactsEngine | None:
    """Return what reads reports for the reward; None for the rules as they come.

    Raises:
        OrapoError: There is no such engine, or what it needs is missing.
    """
    if run.engine == "llm":
        from orapo.facts.llm import LlmEngine

        return LlmEngine(judge_settings(run))
    if run.engine != "rules":
        raise OrapoError(f"engine must be rules or llm, not {run.engine!r}")
    if not run.lexicon:
        return None
    engine = RulesEngine(run.lexicon)
    if engine.label_set != CHEXPERT:
        raise OrapoError(f"{run.lexicon}: brings another label set; training scores CheXpert's")
    return engine


def judge_settings(run: RunConfig) -> JudgeSettings:
    """Return how a judge is asked.

    Raises:
        OrapoError: The recipe does not say it, or says what a judge does not read.
    """
    from orapo.facts.llm import JudgeSettings, Prices, VerdictCache

    if not run.judge_model:
        raise OrapoError("engine llm needs judge_model, the model's name on the server")
    if run.lexicon:
        raise OrapoError("lexicon is for engine rules; a judge does not read it")
    if len(run.judge_prices) not in (0, 2):
        raise OrapoError("judge_prices are two: of a million tokens in, and of a million out")
    return JudgeSettings(
        run.judge_model,
        run.judge_url,
        allow_remote=run.judge_allow_remote,
        concurrency=run.judge_concurrency,
        timeout=run.judge_timeout,
        retries=run.judge_retries,
        prices=Prices(*run.judge_prices) if run.judge_prices else None,
        max_cost=run.judge_max_cost or None,
        structured=run.judge_structured,
        cache=VerdictCache.default_path(),
    )


def reward_terms(
    terms: Sequence[str],
    labels: Sequence[Mapping[str, LabelValue]] = (),
    radeval_python: str = "",
    uncertain: str = "positive",
    engine: FactsEngine | None = None,
) -> tuple[list[Reward], list[float]]:
    """Return the rewards that a recipe names, and their weights.

    Args:
        terms: ``name=weight`` each; a name of `TERMS`, ``false_alarm``, ``radeval/METRIC``
            (`radeval_reward`), or ``package.module:function`` for a reward function as TRL takes it.
        labels: Of the studies trained on, for ``false_alarm``.
        radeval_python: The interpreter that holds RadEval; empty: this one.
        uncertain: What an uncertain label counts as, for ``false_alarm``.
        engine: What reads reports, for ``false_alarm``; None: the rules.

    Raises:
        OrapoError: A term can't be read, or its function can't be found.
    """
    rewards: list[Reward] = []
    weights = []
    for term in terms:
        name, _, weight = term.partition("=")
        number = _weight(weight)
        if number is None:
            raise OrapoError(
                f"reward term {term!r}: expected name=weight, as {name}=0.5, a finite number"
            )
        weights.append(number)
        if name == FALSE_ALARM:
            rewards.append(FalseAlarmPenalty(labels, uncertain, engine))
        elif name.startswith(PREFIX):
            rewards.append(RadEvalReward(name, radeval_python))
        else:
            rewards.append(TERMS[name]() if name in TERMS else _found(name, (*TERMS, FALSE_ALARM)))
    return rewards, weights


def _weight(text: str) -> float | None:
    try:
        weight = float(text)
    except ValueError:
        return None
    return weight if abs(weight) <= _MOST else None


def _found(name: str, known: Sequence[str]) -> Reward:
    module, colon, function = name.partition(":")
    if not colon:
        raise OrapoError(
            f"reward term {name!r}: expected {', '.join(known)}, radeval/METRIC or "
            "package.module:function"
        )
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise OrapoError(f"reward term {name!r}: can't be found ({error})") from None
    if not callable(found):
        raise OrapoError(f"reward term {name!r}: is no function")
    reward: Reward = found
    return reward
