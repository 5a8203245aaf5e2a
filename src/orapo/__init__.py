"""OraPO (Oracle-educated GRPO) and the FactS reward for chest X-ray reports.

Public names are loaded on first use, so that ``import orapo`` stays cheap and needs no torch.
"""

# Nothing is imported, not even `typing`: until this module is done, Ctrl-C prints a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from orapo.errors import OrapoError
    from orapo.evaluation import evaluate_reports
    from orapo.facts import FactSReward, extract_facts, label_report
    from orapo.facts.graded import GradedFactSReward
    from orapo.training import OraPOConfig, OraPOTrainer

__version__ = "0.2.0"

__all__ = [
    "FactSReward",
    "GradedFactSReward",
    "OraPOConfig",
    "OraPOTrainer",
    "OrapoError",
    "evaluate_reports",
    "extract_facts",
    "label_report",
]

_HOME = {
    "FactSReward": "orapo.facts",
    "GradedFactSReward": "orapo.facts.graded",
    "OraPOConfig": "orapo.training",
    "OraPOTrainer": "orapo.training",
    "OrapoError": "orapo.errors",
    "evaluate_reports": "orapo.evaluation",
    "extract_facts": "orapo.facts",
    "label_report": "orapo.facts",
}


def _no_telemetry() -> None:
    """Keep what orapo is built on from telling others of its use; ``HF_HUB_DISABLE_TELEMETRY=0`` lets it.

    TRL's trainers send their names and settings when they are made. The hub's client reads the
    variable when it is imported, which may have been before.
    """
    import os  # Python itself has imported both when it starts
    import sys

    asked = os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    constants = sys.modules.get("huggingface_hub.constants")
    if constants is not None and asked == "1":
        constants.HF_HUB_DISABLE_TELEMETRY = True  # type: ignore[attr-defined]


_no_telemetry()


def __getattr__(name: str) -> "Any":
    if name not in _HOME:
        raise AttributeError(f"module 'orapo' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> "list[str]":
    return sorted([*globals(), *_HOME])
