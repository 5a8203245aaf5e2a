"""Going on from a checkpoint with the weights that it really holds."""

from __future__ import annotations

import logging
from pathlib import Path

from safetensors import SafetensorError
from transformers import PreTrainedModel

from orapo.errors import OrapoError
from orapo.models.finite import not_finite

logger = logging.getLogger(__name__)


def restore_weights(model: PreTrainedModel, folder: Path) -> None:
    """Give a model, in place, all weights of a checkpoint of its class.

    transformers writes some classes (Qwen2.5-VL, LLaVA) under other names than the model's own, and
    only ``from_pretrained`` knows how to translate them back: ``Trainer`` (5.23) takes the file's
    names as they are, matches none and warns. So the weights are read as ``from_pretrained`` does,
    and every one of them must be there.

    Args:
        model: The model; keeps its dtype, device and place in the optimiser.
        folder: The checkpoint.

    Raises:
        OrapoError: The checkpoint can't be read, doesn't hold exactly the model's weights, or holds
            some that are no numbers; the model is then as it was.
    """
    try:
        saved, report = type(model).from_pretrained(
            folder, dtype="auto", use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise OrapoError(f"{folder}: the weights can't be loaded ({reason})") from None
    weights = saved.state_dict()
    own = model.state_dict()
    # `from_pretrained` draws at random what the file lacks, and says so in its report only.
    wrong = {str(name) for name in (*report["missing_keys"], *report["unexpected_keys"])}
    wrong |= {str(item[0]) for item in report["mismatched_keys"]}
    wrong |= weights.keys() ^ own.keys()
    wrong |= {
        name for name in weights.keys() & own.keys() if weights[name].shape != own[name].shape
    }
    if wrong:
        raise OrapoError(
            f"{folder}: its weights are not those of this model ({len(wrong)} differ, for example "
            f"{min(wrong)}); take an earlier checkpoint or the model it was trained from"
        )
    broken = not_finite(saved)
    if broken is not None:
        raise OrapoError(
            f"{folder}: weights are not finite numbers, for example in {broken}; take an earlier checkpoint"
        )
    model.load_state_dict(weights)
    logger.info("%s: all %d weights restored", folder, len(weights))
