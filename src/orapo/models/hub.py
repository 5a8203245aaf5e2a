"""Where a model's name leads: to a folder, or, said first, to the hub."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Final

from orapo.errors import OrapoError

_log = logging.getLogger(__name__)
_ASKED_FOR: Final = "config.json"
_NAME: Final = re.compile(r"[\w][\w.-]*/[\w][\w.-]*", re.ASCII)


def find_model(name: str | Path, revision: str | None = None) -> None:
    """Look whether a model is there, and say so before the network is used.

    A name of the form ``owner/model`` that is no folder is the hub's, unless ``owner`` is a folder
    here: then it is a mistyped path, and nobody is asked. The hub is asked about one small file, so
    that a name that it doesn't have is one sentence and not the many requests of a model's loading.

    Args:
        name: A checkpoint's folder, or a name on the hub.
        revision: Of a name on the hub: branch, tag or commit.

    Raises:
        OrapoError: It is neither.
    """
    folder = Path(name)
    if folder.exists():
        return
    if not _NAME.fullmatch(str(name)):
        raise OrapoError(f"{folder}: no such folder")
    owner = folder.parts[0]
    if Path(owner).is_dir():
        raise OrapoError(
            f"{folder}: no such folder, though {owner} is one; to fetch a model of this name from "
            "the hub, run this from elsewhere"
        )
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache

    _log.warning("%s: no such folder here; looking on the hub", name)
    if isinstance(try_to_load_from_cache(str(name), _ASKED_FOR, revision=revision), str):
        return  # fetched earlier, and usable even without the network
    try:
        get_hf_file_metadata(hf_hub_url(str(name), _ASKED_FOR, revision=revision))
    except Exception as error:  # the hub's client has a dozen kinds, of three libraries
        raise OrapoError(
            f"{name}: no such folder here, and the hub's client can't get it either "
            f"({type(error).__name__})"
        ) from None
