"""FactS' other engine: a language model behind any OpenAI-compatible address as judge."""

from orapo.facts.llm.cache import VerdictCache
from orapo.facts.llm.engine import JudgeFailure, LlmEngine
from orapo.facts.llm.settings import JudgeSettings, Prices
from orapo.facts.llm.spending import Spending

__all__ = [
    "JudgeFailure",
    "JudgeSettings",
    "LlmEngine",
    "Prices",
    "Spending",
    "VerdictCache",
]
