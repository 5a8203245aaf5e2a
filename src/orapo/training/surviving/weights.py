"""Going on from a checkpoint with the weights that it really holds."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from peft.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import PreTrainedModel

from orapo.errors import OrapoError

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
        OrapoError: The checkpoint can't be read, or doesn't hold exactly the model's weights; the
            model is then as it was.
    """
    try:
        saved, report = type(model).from_pretrained(
            folder, dtype="auto", use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
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
    model.load_state_dict(weights)
    logger.info("%s: all %d weights restored", folder, len(weights))


def check_adapter(model: PeftModel, folder: Path) -> None:
    """Make sure that every adapter of a model has the weights of a checkpoint.

    PEFT only warns of what it does not find.

    Args:
        model: The model, after loading.
        folder: The checkpoint; the adapter "default" lies in it, others in folders of their names.

    Raises:
        OrapoError: A weight is missing, or another.
    """
    for name in model.peft_config:
        path = (folder if name == "default" else folder / name) / SAFETENSORS_WEIGHTS_NAME
        try:
            saved = load_file(path)
        except (OSError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            raise OrapoError(f"{path}: the adapter can't be loaded ({reason})") from None
        own = get_peft_model_state_dict(model, adapter_name=name)
        wrong = saved.keys() ^ own.keys()
        wrong |= {
            key
            for key in saved.keys() & own.keys()
            if not torch.equal(saved[key].to(own[key]), own[key])
        }
        if wrong:
            raise OrapoError(
                f"{folder}: the adapter {name!r} is not that of this model ({len(wrong)} weights "
                f"differ, for example {min(wrong)}); take an earlier checkpoint"
            )
