"""Weights that are numbers: a model with NaN or infinity in it writes nothing, or nonsense, without an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from orapo.errors import OrapoError


def not_finite(model: Any) -> str | None:
    """Return the name of the first weight of a module that holds NaN or infinity; None if none does.

    Of weights that are spread over processes each looks at its own share. Packed ones (4 and 8 bits)
    hold whole numbers and are passed over.
    """
    for name, weight in model.named_parameters():
        own = weight.to_local() if hasattr(weight, "to_local") else weight
        if not is_finite(own.detach()):
            return str(name)
    return None


def not_finite_in(folder: Path) -> str | None:
    """Return the same of a folder's safetensors files, read one weight at a time.

    Raises:
        OrapoError: A file can't be read.
    """
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt") as weights:
                for name in weights.keys():  # noqa: SIM118  (it is no mapping)
                    if not is_finite(weights.get_tensor(name)):
                        return str(name)
        except (OSError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            raise OrapoError(f"{file}: the weights can't be loaded ({reason})") from None
    return None


def is_finite(weight: torch.Tensor) -> bool:
    """Say whether a tensor holds neither NaN nor infinity; whole numbers never do."""
    if weight.is_meta or not weight.is_floating_point():
        return True
    if weight.element_size() == 1:  # eight bits: torch compares none of them
        weight = weight.float()
    return bool(torch.isfinite(weight).all())
