"""Loading a checkpoint: any vision-language model that transformers knows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from orapo.errors import MissingExtraError, OrapoError
from orapo.models.chat_templates import prepare_processor
from orapo.models.hub import find_model
from orapo.models.whole import check_intact, file_digest

ADAPTER_FILE: Final = "adapter_config.json"


def load_checkpoint(
    name: str | Path,
    *,
    device: str | None = None,
    dtype: str = "auto",
    remote_code: bool = False,
    revision: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[Any, Any]:
    """Load a model and its processor.

    Weights come from safetensors only, all of them, and must be finite numbers. A folder is read as it
    lies there; nothing is fetched. In a folder with a LoRA adapter, the model that it was trained on is
    loaded, and the adapter merged into its weights. Of the checkpoint's own decoding settings only the
    special tokens stay (`orapo.models.plain_decoding`).

    Args:
        name: A checkpoint's folder, or a name on the hub (then transformers fetches it).
        device: Where to; by default a GPU if there is one.
        dtype: A torch dtype's name, or ``auto`` for that of the weights.
        remote_code: Run code that comes with the checkpoint (off unless asked for).
        revision: Of a name on the hub: branch, tag or commit.
        options: Further arguments of ``from_pretrained`` for the model. With a ``device_map`` among
            them the model stays where that puts it.

    Returns:
        Model in evaluation mode, and processor.

    Raises:
        MissingExtraError: torch or transformers are not installed.
        OrapoError: The folder holds no checkpoint, a torn one (`orapo.models.whole`), that of another model
            or one without chat template, weights are not finite, or there is neither folder nor model.
    """
    try:
        import torch
        from safetensors import SafetensorError
        from transformers import AutoModelForImageTextToText, AutoProcessor
        from transformers.utils import logging
    except ModuleNotFoundError as error:
        raise MissingExtraError("generating reports", "train") from error
    folder, options = Path(name), dict(options or {})
    check_intact(folder)
    base: str | Path = name
    if is_adapter(folder):
        base = adapter_base(folder)
        check_intact(base)
    elif folder.exists() and not (folder / "config.json").is_file():
        raise OrapoError(f"{folder}: no checkpoint here (config.json is missing)")
    find_model(base, revision)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    settings: dict[str, Any] = {"trust_remote_code": remote_code}
    if revision is not None:
        settings["revision"] = revision
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # the screen is for the command's own bars
    try:
        if (folder / ADAPTER_FILE).is_file():
            _only_safetensors(folder)
        model, report = AutoModelForImageTextToText.from_pretrained(
            base,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            **settings,
            **options,
        )
        _refuse_missing(base, report)
        if base != name:
            model = _with_adapter(model, folder)
        processor = AutoProcessor.from_pretrained(name, **settings)
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise OrapoError(f"{name}: the checkpoint can't be loaded ({reason})") from None
    finally:
        if shown:
            logging.enable_progress_bar()
    if "device_map" not in options:
        model = model.to(device)
    from orapo.models.finite import not_finite

    broken = not_finite(model)
    if broken is not None:
        raise OrapoError(f"{name}: weights are not finite numbers, for example in {broken}")
    from orapo.models.plain_decoding import decode_plainly

    prepare_processor(processor, str(name))
    decode_plainly(model, processor.tokenizer)
    return model.eval(), processor


def is_adapter(folder: Path) -> bool:
    """Say whether a folder holds a LoRA adapter and not the whole model."""
    return (folder / ADAPTER_FILE).is_file() and not (folder / "config.json").is_file()


def adapter_base(folder: Path) -> str:
    """Return folder or name of the model that an adapter was trained on.

    Raises:
        OrapoError: The adapter doesn't say, or the folder is gone.
    """
    file = folder / ADAPTER_FILE
    try:
        base = json.loads(file.read_text(encoding="utf-8")).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError):
        raise OrapoError(f"{file}: can't be read as JSON") from None
    if not base:
        raise OrapoError(f"{file}: names no base_model_name_or_path")
    if Path(base).is_absolute() and not Path(base).is_dir():
        raise OrapoError(
            f"{folder}: the adapter was trained on {base}, which is gone; "
            f"put its new place into base_model_name_or_path of {ADAPTER_FILE}"
        )
    return str(base)


def _refuse_missing(base: str | Path, report: Mapping[str, Any]) -> None:
    # `from_pretrained` draws at random what the file lacks, and only warns.
    missing = sorted(str(name) for name in report["missing_keys"])
    if missing:
        raise OrapoError(
            f"{base}: its weights are not those of its configuration ({len(missing)} are missing, for "
            f"example {missing[0]})"
        )


def _only_safetensors(folder: Path) -> None:
    try:
        from orapo.models.adapters import check_safe
    except ModuleNotFoundError as error:
        raise MissingExtraError("loading an adapter", "train") from error
    check_safe(folder)


def _with_adapter(model: Any, folder: Path) -> Any:
    from orapo.models.adapters import load_adapter

    # Merged: generation then costs what it costs without one.
    return load_adapter(model, folder).merge_and_unload()


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
        digest.update(file.name.encode() + bytes.fromhex(file_digest(file)))
    return f"sha256:{digest.hexdigest()}" if files else ""
