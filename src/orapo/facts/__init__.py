"""FactS: report text -> atomic facts -> CheXpert labels -> reward (DESIGN 1.2)."""

from orapo.facts.engine import RulesEngine, extract_facts, label_report
from orapo.facts.fact import Fact, Polarity, ReportFacts, Sentence
from orapo.facts.reward import (
    FactSReward,
    FactsScore,
    RepetitionPenalty,
    Verdict,
    fact_verdicts,
    score_report,
)

__all__ = [
    "Fact",
    "FactSReward",
    "FactsScore",
    "Polarity",
    "RepetitionPenalty",
    "ReportFacts",
    "RulesEngine",
    "Sentence",
    "Verdict",
    "extract_facts",
    "fact_verdicts",
    "label_report",
    "score_report",
]
