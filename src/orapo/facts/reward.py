"""FactS as a reward function for TRL; what is computed is in `orapo.facts.score` (docs/method.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orapo.facts.engine import FactsEngine, label_report
from orapo.facts.fact import ReportFacts
from orapo.facts.score import (
    ContradictionRule,
    FactsScore,
    Reference,
    reference_labels,
    score_reports,
)
from orapo.labels import CHEXPERT, POSITIVE, LabelSet, UncertainPolicy, any_known, parse_label

Completion = str | Sequence[Mapping[str, Any]]
"""A completion as TRL hands it over: its text, or a list of messages."""


def completion_text(completion: Completion) -> str:
    """Text of a completion, plain or conversational (TRL 1.16)."""
    if isinstance(completion, str):
        return completion
    parts: list[str] = []
    for message in completion:
        content = message.get("content")
        if isinstance(content, str):
            parts.append(content)
        elif content:
            parts += [part["text"] for part in content if part.get("text")]
    return "\n".join(parts)


def _read_labels(labels: Any, label_set: LabelSet) -> Reference:
    if isinstance(labels, str):
        labels = json.loads(labels)
    return label_set.complete({name: parse_label(value) for name, value in labels.items()})


class FactSReward:
    """FactS as a plain TRL reward function, usable in anyone's ``GRPOTrainer``.

    The data set gives the reference as a column ``labels`` (a mapping of label name to 1, 0, -1 or
    None, or its JSON text) or ``report`` (the radiologist's text, read by the engine where labels
    are missing or all blank). A completion without a reference, one that the engine failed on, and
    one that is not English get None, which TRL takes as unknown, never 0.

    Args:
        facts_beta: b of the F-beta.
        uncertain: ``positive``, ``negative`` or ``ignore``.
        contradictions: ``false_positive`` or ``none``: what denying a positive label costs.
        engine: What reads the texts; None: the rules with the package's lexicon.

    Raises:
        ValueError: ``facts_beta`` is not above 0, or a policy has another name.
    """

    __name__ = "facts"

    def __init__(
        self,
        facts_beta: float = 1.0,
        uncertain: str = "positive",
        contradictions: str = "false_positive",
        engine: FactsEngine | None = None,
    ) -> None:
        if not facts_beta > 0:
            raise ValueError(f"facts_beta must be above 0, not {facts_beta}")
        self.facts_beta = facts_beta
        self.uncertain = UncertainPolicy(uncertain)
        self.contradictions = ContradictionRule(contradictions)
        self.engine = engine

    def __call__(
        self,
        completions: Sequence[Completion],
        labels: Sequence[Any] | None = None,
        report: Sequence[str | None] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Score completions.

        Args:
            completions: N texts, or N lists of messages.
            labels: N references, or None.
            report: N reference texts, used where ``labels`` has nothing or only blanks.
            log_metric: TRL's; gets what the scores are made of, see `_figures`.
            **columns: Anything else that TRL passes; not used.

        Returns:
            N rewards in [0, 1]; None where the reward is unknown or there is nothing to score.

        Raises:
            ValueError: ``completions`` is one text, or a column is of another length.
        """
        reports, scores = self._score(completions, labels, report, explain=False)
        if log_metric is not None and scores:
            label_set = CHEXPERT if self.engine is None else self.engine.label_set
            for name, value in _figures(reports, scores, label_set.no_finding).items():
                log_metric(f"facts/{name}", value)
        return [None if score is None else score.reward for score in scores]

    def explain(
        self,
        completions: Sequence[Completion],
        labels: Sequence[Any] | None = None,
        report: Sequence[str | None] | None = None,
    ) -> list[FactsScore | None]:
        """Score completions and say why, sentence by sentence.

        Args:
            completions: N texts, or N lists of messages.
            labels: N references, or None.
            report: N reference texts, used where ``labels`` has nothing or only blanks.

        Returns:
            N scores with their explanations; None where the call would give None.
        """
        return self._score(completions, labels, report, explain=True)[1]

    def _score(
        self,
        completions: Sequence[Completion],
        labels: Sequence[Any] | None,
        report: Sequence[str | None] | None,
        *,
        explain: bool,
    ) -> tuple[list[ReportFacts | None], list[FactsScore | None]]:
        if isinstance(completions, str):
            raise ValueError("completions must be a list of texts, not one text")
        for name, column in (("labels", labels), ("report", report)):
            if column is not None and len(column) != len(completions):
                raise ValueError(f"{len(completions)} completions, but {len(column)} {name}")
        texts = [completion_text(completion) for completion in completions]
        label_set = CHEXPERT if self.engine is None else self.engine.label_set
        given = [
            None
            if labels is None or labels[index] is None
            else _read_labels(labels[index], label_set)
            for index in range(len(texts))
        ]
        # labels that a data set lacks are read from the report, like those of a table
        sources = [
            str(report[index])
            if report is not None and report[index] and not (known and any_known(known))
            else None
            for index, known in enumerate(given)
        ]
        # a group's K rollouts share a reference, and a collapsed policy its reports
        wanted = list(dict.fromkeys([*texts, *(text for text in sources if text is not None)]))
        read = dict(zip(wanted, self._read(wanted), strict=True))
        references: list[Reference | None] = []
        for known, source in zip(given, sources, strict=True):
            if source is None:
                references.append(known if known and any_known(known) else None)
            else:
                # a reference without a fact says nothing, not that all is normal
                facts = read[source]
                said = facts is not None and facts.readable
                references.append(reference_labels(facts) if facts is not None and said else None)
        reports = [read[text] for text in texts]
        scores = score_reports(
            [
                None if reference is None or facts is None or not facts.english else facts
                for facts, reference in zip(reports, references, strict=True)
            ],
            [{} if reference is None else reference for reference in references],
            facts_beta=self.facts_beta,
            uncertain=self.uncertain,
            contradictions=self.contradictions,
            explain=explain,
        )
        return reports, scores

    def _read(self, texts: Sequence[str]) -> Sequence[ReportFacts | None]:
        if self.engine is None:
            return [label_report(text) for text in texts]
        return list(self.engine.read_many(texts))


def _figures(
    reports: Sequence[ReportFacts | None],
    scores: Sequence[FactsScore | None],
    normal_label: str | None,
) -> dict[str, float]:
    """Means over a generation.

    ``unknown``: share of reports that the engine failed on; ``not_english``: share that is written in
    another language, and not read; ``unreadable``: share from which no fact could be read;
    ``disguised``: share with letters of other alphabets or invisible characters within words;
    ``no_finding``: share of the read ones that say that all is normal; ``precision``,
    ``recall`` and ``contradictions`` (positive labels denied, a report) of the scored ones.
    """
    read = [report for report in reports if report is not None]
    scored = [score for score in scores if score is not None]
    figures = {
        "unknown": 1 - len(read) / len(reports),
        "not_english": sum(not report.english for report in read) / len(reports),
        "disguised": sum(report.disguised for report in read) / len(reports),
        "unreadable": sum(not score.readable for score in scored) / len(scores),
    }
    if read and normal_label is not None:
        normal = sum(report.labels.get(normal_label) == POSITIVE for report in read)
        figures["no_finding"] = normal / len(read)
    if scored:
        for name in ("precision", "recall", "contradictions"):
            figures[name] = sum(getattr(score, name) for score in scored) / len(scored)
    return figures


class RepetitionPenalty:
    """Optional reward term: minus the share of a report's facts that say nothing new.

    A fact says nothing new if an earlier one names the same finding at the same side, be it with
    the same polarity (said twice) or the opposite one (the report contradicts itself). Zero for a
    report without facts. The zero-reward rate never reads this term (docs/method.md).
    """

    __name__ = "repetition"

    def __call__(self, completions: Sequence[Completion], **columns: Any) -> list[float]:
        """Score completions.

        Args:
            completions: N texts, or N lists of messages.
            **columns: Anything else that TRL passes; not used.

        Returns:
            N values in (-1, 0].
        """
        return [_repetition(label_report(completion_text(text))) for text in completions]


def _repetition(report: ReportFacts) -> float:
    seen: set[tuple[str, str | None]] = set()
    again = 0
    for fact in report.facts:
        key = (fact.finding, fact.laterality)
        again += key in seen
        seen.add(key)
    return -again / len(report.facts) if report.facts else 0.0
