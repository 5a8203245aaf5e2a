"""How the judge is reached, and whether it may be."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from orapo.errors import OrapoError


@dataclass(frozen=True)
class Prices:
    """What a million tokens cost, in any currency; the one of ``max_cost``."""

    prompt: float
    completion: float


@dataclass(frozen=True)
class JudgeSettings:
    """Which model judges, and how it is called.

    Attributes:
        model: Its name, as the server knows it.
        base_url: Address of an OpenAI-compatible API; vLLM's, llama.cpp's and Ollama's are.
        allow_remote: Whether report texts may leave this machine.
        api_key: Sent along; by default ``OPENAI_API_KEY`` of the environment, which a local server
            need not have.
        concurrency: Calls at a time.
        timeout: Seconds after which a call counts as failed.
        retries: How often a call that failed in transport (429, 5xx, time-out, cut connection) is
            made again, and how often an answer that can't be read is asked for again.
        max_tokens: Longest answer.
        prices: What tokens cost; needed for ``max_cost``.
        max_cost: No call is begun that could bring the cost of this run above it.
        structured: Ask the server to hold the answer to the JSON schema; switch off for servers
            that refuse the field. The answer is checked either way.
        cache: File of the verdicts paid for already; None keeps them in memory, for this run only.

    Raises:
        OrapoError: The address is not this machine's and ``allow_remote`` is off, or a figure
            makes no sense.
    """

    model: str
    base_url: str = "http://127.0.0.1:8000/v1"
    allow_remote: bool = False
    api_key: str | None = None
    concurrency: int = 16
    timeout: float = 60.0
    retries: int = 5
    max_tokens: int = 4096
    prices: Prices | None = None
    max_cost: float | None = None
    structured: bool = True
    cache: Path | None = None

    def __post_init__(self) -> None:
        if urlsplit(self.base_url).scheme not in ("http", "https"):
            raise OrapoError(f"{self.base_url}: expected an address that begins with http(s)://")
        if not self.allow_remote and not self.is_local:
            raise OrapoError(
                f"{self.base_url}: is not this machine; report texts leave it only with "
                "--allow-remote (data use agreements such as MIMIC's forbid it with most services)"
            )
        if self.max_cost is not None and self.prices is None:
            raise OrapoError("--max-cost needs the prices of a million tokens: --prices IN OUT")
        for name in ("concurrency", "timeout", "max_tokens"):
            if getattr(self, name) <= 0:
                raise OrapoError(f"the judge's {name} must be above 0, not {getattr(self, name)}")
        if self.retries < 0:
            raise OrapoError(f"the judge's retries must not be negative, not {self.retries}")

    @property
    def is_local(self) -> bool:
        """Whether the address is this machine by its name alone; nothing is looked up for it."""
        host = urlsplit(self.base_url).hostname or ""
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False
