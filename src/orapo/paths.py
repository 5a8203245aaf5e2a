"""Where orapo keeps what it need not make or pay for twice."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return ``$ORAPO_CACHE``, or ``~/.cache/orapo``; it may not be there yet."""
    return Path(os.environ.get("ORAPO_CACHE") or Path.home() / ".cache" / "orapo")
