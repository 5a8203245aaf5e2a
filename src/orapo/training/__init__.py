"""OraPO training: what is set (`config`, `recipe`), a run (`run`), and the rooms that it goes through.

`preparing` before the first step, `method` in every step, `watching` beside it, `rewards`, `surviving`
whatever happens; `trl_contract` is the contact with TRL's private side. Imports run from `run` to the
settings, in this order.
"""

from orapo.errors import MissingExtraError

try:
    import trl  # noqa: F401
except ModuleNotFoundError as error:  # pragma: no cover - needs an environment without the extra
    raise MissingExtraError("training", "train") from error

from orapo.training.config import OraPOConfig
from orapo.training.method.oracle import OracleState
from orapo.training.method.trainer import OraPOTrainer
from orapo.training.preparing.dataset import training_dataset

__all__ = ["OraPOConfig", "OraPOTrainer", "OracleState", "training_dataset"]
