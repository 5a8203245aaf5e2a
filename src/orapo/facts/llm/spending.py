"""What the judge has cost, and the limit that it stays below."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from orapo.facts.llm.settings import Prices


class CostLimitError(Exception):
    """Another call could bring the cost above the limit."""


@dataclass
class Spending:
    """Counts calls, tokens and cost of a run.

    Attributes:
        prices: What tokens cost; None counts tokens only.
        limit: Highest cost; None: no limit.
        calls: Answers that came, readable or not.
        cached: Verdicts that were there already.
        prompt_tokens: Tokens sent, as the server counts them.
        completion_tokens: Tokens answered, as the server counts them.
    """

    prices: Prices | None = None
    limit: float | None = None
    calls: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    _reserved: float = 0.0
    _returned: asyncio.Condition = field(default_factory=asyncio.Condition)

    def begin_run(self) -> None:
        """Start over with what is reserved; called in the event loop that a run lives in."""
        self._reserved, self._returned = 0.0, asyncio.Condition()

    @property
    def cost(self) -> float | None:
        """What the answers so far cost; None without prices."""
        return self._price(self.prompt_tokens, self.completion_tokens)

    def _price(self, prompt: int, completion: int) -> float | None:
        if self.prices is None:
            return None
        return (prompt * self.prices.prompt + completion * self.prices.completion) / 1e6

    def add(self, prompt: int, completion: int) -> None:
        """Count an answer."""
        self.calls += 1
        self.prompt_tokens += prompt
        self.completion_tokens += completion

    @asynccontextmanager
    async def reserved(self, prompt: int, completion: int) -> AsyncIterator[None]:
        """Hold back the most that a call can cost while it is under way.

        Args:
            prompt: Most tokens that are sent.
            completion: Most tokens that are answered.

        Raises:
            CostLimitError: The limit leaves no room for it, whatever the calls under way will cost.
        """
        most = self._price(prompt, completion)
        if self.limit is None or most is None:
            yield
            return
        async with self._returned:
            while (self.cost or 0.0) + self._reserved + most > self.limit:
                if not self._reserved:
                    raise CostLimitError
                await self._returned.wait()
            self._reserved += most
        try:
            yield
        finally:
            async with self._returned:
                self._reserved -= most
                # sums of floats leave crumbs that would keep the loop above waiting for ever
                self._reserved = 0.0 if self._reserved < 1e-12 else self._reserved
                self._returned.notify_all()
