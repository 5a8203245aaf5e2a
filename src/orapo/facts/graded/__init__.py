"""The graded score: right means where, how much and what else (docs/graded.md)."""

from orapo.facts.graded.attributes import Attribute
from orapo.facts.graded.matching import Category
from orapo.facts.graded.reading import GradedFact, GradedReader, GradedReport, read_graded
from orapo.facts.graded.reward import GradedFactSReward
from orapo.facts.graded.score import GradedError, GradedScore, graded_score

__all__ = [
    "Attribute",
    "Category",
    "GradedError",
    "GradedFact",
    "GradedFactSReward",
    "GradedReader",
    "GradedReport",
    "GradedScore",
    "graded_score",
    "read_graded",
]
