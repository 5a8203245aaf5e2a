"""OraPO training: configuration, trainer and oracle state."""

from orapo.errors import MissingExtraError

try:
    import trl  # noqa: F401
except ModuleNotFoundError as error:  # pragma: no cover - needs an environment without the extra
    raise MissingExtraError("training", "train") from error

from orapo.training.config import OraPOConfig
from orapo.training.oracle import OracleState
from orapo.training.trainer import OraPOTrainer

__all__ = ["OraPOConfig", "OraPOTrainer", "OracleState"]
