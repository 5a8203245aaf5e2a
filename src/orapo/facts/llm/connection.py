"""How the judge is spoken to: no call is longer or larger than it may be, and what came is checked."""

from __future__ import annotations

import asyncio
import os
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, Field, ValidationError

from orapo.errors import OrapoError
from orapo.facts.llm.settings import JudgeSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_BYTES_A_TOKEN: Final = 64
_FEWEST_BYTES: Final = 2**20
_TOO_LARGE: Final = "orapo_too_large"
_PACKED: Final = "orapo_packed"
_OF_THE_BODY: Final = frozenset(
    ("content-type", "content-encoding", "content-length", "transfer-encoding")
)


class UnreadableAnswerError(Exception):
    """The judge's answer does not hold what was asked for; ``final``: nor would another one."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    finish_reason: str | None = None
    message: _Message | None = None


_Tokens = Annotated[int, Field(ge=0, le=10**9)]


class _Usage(BaseModel):
    prompt_tokens: _Tokens = 0
    completion_tokens: _Tokens = 0


class Completion(BaseModel):
    """What is used of a server's answer."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None


def completion(answer: Any) -> Completion:
    """Read a server's answer.

    Args:
        answer: As the client got it.

    Raises:
        UnreadableAnswerError: It was cut because it is too large, or is no chat completion.
    """
    if answer.extensions.get(_TOO_LARGE):
        raise UnreadableAnswerError("an answer of too many bytes", final=True)
    if answer.extensions.get(_PACKED):
        raise UnreadableAnswerError("an answer that is packed, unasked", final=True)
    try:
        return Completion.model_validate_json(answer.content)
    except ValidationError:
        raise UnreadableAnswerError("an answer that is no chat completion") from None


def client_of(settings: JudgeSettings) -> AsyncOpenAI:
    """Return the client.

    A time-out of an HTTP client is one of each read: a server that sends a byte now and then would
    never meet it. So ours is one of the whole attempt, from the connection to the last byte, and an
    answer is read no further than its longest form could be. It is asked for unpacked, and taken so
    alone: 64 kB that were packed twice are unpacked into gigabytes before anybody can count.

    Raises:
        OrapoError: There is no key.
    """
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    # openai knows the errors of the library that it is built on: httpx, or what follows it.
    http = import_module(DefaultAsyncHttpxClient.__mro__[1].__module__.partition(".")[0])
    most = max(_FEWEST_BYTES, _BYTES_A_TOKEN * settings.max_tokens)

    class Client(DefaultAsyncHttpxClient):
        async def send(self, request: Any, **named: Any) -> Any:
            try:
                async with asyncio.timeout(settings.timeout):
                    return await self._whole(request, **named | {"stream": True})
            except TimeoutError:
                raise http.ReadTimeout("too late", request=request) from None

        async def _whole(self, request: Any, **named: Any) -> Any:
            answer = await super().send(request, **named)
            content, too_large = bytearray(), False
            packed = answer.headers.get("content-encoding", "identity").lower() != "identity"
            try:
                async for chunk in answer.aiter_raw():
                    content += chunk
                    if too_large := len(content) > most:
                        break
            finally:
                await answer.aclose()
            # what it is written in is JSON's UTF-8: Python has charsets that decode no text ("hex")
            headers = [("content-type", "application/json")]
            headers += [
                (name, value)
                for name, value in answer.headers.multi_items()
                if name.lower() not in _OF_THE_BODY
            ]
            return type(answer)(
                answer.status_code,
                headers=headers,
                content=b"" if too_large or packed else bytes(content),
                request=request,
                extensions={_TOO_LARGE: too_large, _PACKED: packed},
            )

    key = settings.api_key or os.environ.get("OPENAI_API_KEY") or ("none" * settings.is_local)
    if not key:
        raise OrapoError(f"{settings.base_url}: needs a key; set OPENAI_API_KEY")
    return AsyncOpenAI(
        api_key=key,
        base_url=settings.base_url,
        timeout=settings.timeout,
        # The client waits longer after each failure, or as long as Retry-After says (up to two minutes).
        max_retries=settings.retries,
        # Neither a redirection nor a proxy of the environment may carry a report elsewhere.
        http_client=Client(
            follow_redirects=False,
            trust_env=not settings.is_local,
            timeout=settings.timeout,
            headers={"Accept-Encoding": "identity"},
        ),
    )
