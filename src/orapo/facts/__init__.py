"""FactS: report text -> atomic facts -> CheXpert labels -> reward (docs/method.md)."""

from orapo.facts.engine import FactsEngine, RulesEngine, extract_facts, label_report
from orapo.facts.fact import Fact, Polarity, ReportFacts, Sentence
from orapo.facts.reward import FactSReward, RepetitionPenalty
from orapo.facts.score import (
    ContradictionRule,
    Explanation,
    FactsScore,
    SentenceVerdict,
    Verdict,
    fact_verdicts,
    reference_labels,
    score_report,
    score_reports,
)

__all__ = [
    "ContradictionRule",
    "Explanation",
    "Fact",
    "FactSReward",
    "FactsEngine",
    "FactsScore",
    "Polarity",
    "RepetitionPenalty",
    "ReportFacts",
    "RulesEngine",
    "Sentence",
    "SentenceVerdict",
    "Verdict",
    "extract_facts",
    "fact_verdicts",
    "label_report",
    "reference_labels",
    "score_report",
    "score_reports",
]
