"""Adapters that are what was saved: from safetensors alone, and every weight of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict
from peft.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors import SafetensorError
from safetensors.torch import load_file

from orapo.errors import OrapoError
from orapo.models.finite import is_finite


def load_adapter(model: Any, folder: Path) -> PeftModel:
    """Put an adapter onto the model that it was trained on.

    Raises:
        OrapoError: The folder holds no adapter in safetensors, or that of another model.
    """
    check_safe(folder)
    try:
        adapted = PeftModel.from_pretrained(model, str(folder))
    except (KeyError, TypeError, RuntimeError) as error:
        raise OrapoError(
            f"{folder}: the adapter does not fit its base ({type(error).__name__})"
        ) from None
    check_adapter(adapted, folder)
    return adapted


def check_safe(folder: Path) -> None:
    """Make sure that an adapter's weights are safetensors: PEFT would unpickle others.

    Raises:
        OrapoError: They are not.
    """
    if not (folder / SAFETENSORS_WEIGHTS_NAME).is_file():
        raise OrapoError(
            f"{folder}: an adapter is read from {SAFETENSORS_WEIGHTS_NAME} alone, which is not there"
        )


def check_adapter(model: PeftModel, folder: Path) -> None:
    """Make sure that every adapter of a model has the weights of a checkpoint.

    PEFT only warns of what it does not find.

    Args:
        model: The model, after loading.
        folder: The checkpoint; the adapter "default" lies in it, others in folders of their names.

    Raises:
        OrapoError: A weight is missing, or another, or no finite number.
    """
    for name in model.peft_config:
        path = (folder if name == "default" else folder / name) / SAFETENSORS_WEIGHTS_NAME
        try:
            saved = load_file(path)
        except (OSError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            raise OrapoError(f"{path}: the adapter can't be loaded ({reason})") from None
        broken = sorted(key for key, weight in saved.items() if not is_finite(weight))
        if broken:
            raise OrapoError(
                f"{folder}: weights are not finite numbers, for example in {broken[0]} of the adapter "
                f"{name!r}; take an earlier checkpoint"
            )
        # Left to itself PEFT asks the hub about the base, to find out whether embeddings were saved.
        own = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
        if saved.keys() - own.keys():
            whole = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=True)
            if saved.keys() & (whole.keys() - own.keys()):
                own = whole
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
