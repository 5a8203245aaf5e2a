"""OraPO training: what is set (`config`, `recipe`), a run (`run`), and the rooms that it goes through.

`preparing` before the first step, `method` in every step, `watching` beside it, `rewards`, `surviving`
whatever happens; `trl_contract` is the contact with TRL's private side. Imports run from `run` to the
settings, in this order.

Names come on first use: the processes that read films (`surviving.films`) need neither torch nor TRL.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from orapo.errors import MissingExtraError

if TYPE_CHECKING:
    from orapo.training.config import OraPOConfig
    from orapo.training.method.oracle import OracleState
    from orapo.training.method.trainer import OraPOTrainer
    from orapo.training.preparing.dataset import training_dataset

__all__ = ["OraPOConfig", "OraPOTrainer", "OracleState", "training_dataset"]

_PLACES = {
    "OraPOConfig": "config",
    "OraPOTrainer": "method.trainer",
    "OracleState": "method.oracle",
    "training_dataset": "preparing.dataset",
}

if find_spec("trl") is None:  # pragma: no cover - needs an environment without the extra
    raise MissingExtraError("training", "train")


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'orapo.training' has no attribute {name!r}")
    return getattr(import_module(f"orapo.training.{_PLACES[name]}"), name)
