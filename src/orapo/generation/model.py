"""Loading a checkpoint: any vision-language model that transformers knows."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from orapo.errors import MissingExtraError, OrapoError


def load_checkpoint(
    name: str | Path, *, device: str | None = None, dtype: str = "auto", remote_code: bool = False
) -> tuple[Any, Any]:
    """Load a model and its processor.

    Weights come from safetensors only. A folder is read as it lies there; nothing is fetched.

    Args:
        name: A checkpoint's folder, or a name on the hub (then transformers fetches it).
        device: Where to; by default a GPU if there is one.
        dtype: A torch dtype's name, or ``auto`` for that of the weights.
        remote_code: Run code that comes with the checkpoint (off unless asked for).

    Returns:
        Model in evaluation mode, and processor.

    Raises:
        MissingExtraError: torch or transformers are not installed.
        OrapoError: The folder holds no checkpoint.
    """
    try:
        import torch
        from safetensors import SafetensorError
        from transformers import AutoModelForImageTextToText, AutoProcessor
        from transformers.utils import logging
    except ModuleNotFoundError as error:
        raise MissingExtraError("generating reports", "train") from error
    folder = Path(name)
    if folder.exists() and not (folder / "config.json").is_file():
        raise OrapoError(f"{folder}: no checkpoint here (config.json is missing)")
    if not folder.exists() and (folder.is_absolute() or str(name).count("/") != 1):
        raise OrapoError(f"{folder}: no such folder")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    settings = {"trust_remote_code": remote_code}
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # the screen is for the command's own bars
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            name, dtype=dtype, use_safetensors=True, **settings
        )
        processor = AutoProcessor.from_pretrained(name, **settings)
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise OrapoError(f"{name}: the checkpoint can't be loaded ({reason})") from None
    finally:
        if shown:
            logging.enable_progress_bar()
    return model.to(device).eval(), processor


def checkpoint_revision(name: str | Path, *, remote_code: bool = False) -> str:
    """Say which weights a checkpoint has.

    Args:
        name: A checkpoint's folder, or a name on the hub that is loaded already.
        remote_code: Run code that comes with the checkpoint.

    Returns:
        ``sha256:`` and the digest of a folder's safetensors files; the commit of a hub's checkpoint,
        empty if transformers does not say it.
    """
    folder = Path(name)
    if not folder.is_dir():
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(name, trust_remote_code=remote_code)
        return str(getattr(config, "_commit_hash", None) or "")
    files = sorted(folder.glob("*.safetensors"))
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            digest.update(file.name.encode() + hashlib.file_digest(content, "sha256").digest())
    return f"sha256:{digest.hexdigest()}" if files else ""
