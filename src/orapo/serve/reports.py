"""The routes that take films: each takes a place, and gives it back however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from concurrent.futures import Executor
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, replace
from typing import Any, Final, TypeVar

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from orapo.errors import OrapoError
from orapo.export.draft import NOTICE
from orapo.generation.reports import Decoding
from orapo.serve.answers import facts_of
from orapo.serve.decoding import apart
from orapo.serve.faults import fault_of
from orapo.serve.film_values import DESCRIBED_VALUES, FILM_HEADER, values_answer
from orapo.serve.forms import (
    GONE,
    described_form,
    earlier_film_of,
    files_of,
    no_fields,
    read_form,
    settings_of,
)
from orapo.serve.inference import ModelWorker, Order, Progress
from orapo.serve.limits import Limits, Places
from orapo.serve.schemas import Fault, FilmForm, ReportAnswer, ReportForm, StreamEvent
from orapo.serve.uploads import Upload, film_as_png, kept_for_now
from orapo.writing import json_text

_Answer = TypeVar("_Answer")

_PNG_SIDE: Final = 2048
"""Longest side of a film as PNG, in pixels."""

_BUSY: Final[dict[int | str, dict[str, Any]]] = {
    408: {"model": Fault, "description": "The request took too long to arrive."},
    429: {"model": Fault, "description": "All places are taken; Retry-After says when to ask."},
}
_NO_MODEL: Final[dict[int | str, dict[str, Any]]] = {
    501: {"model": Fault, "description": "There is no model."},
    503: {"model": Fault, "description": "The memory does not suffice, or the server ends."},
}


def report_routes(
    worker: ModelWorker | None,
    places: Places,
    films: Executor,
    film_places: Places,
    limits: Limits,
) -> APIRouter:
    """Return the routes that take films.

    Args:
        worker: Writes reports; None answers that there is no model.
        places: Of the model's queue.
        films: Where films for pages are read.
        film_places: How many may wait for that.
        limits: What is refused.
    """
    router = APIRouter(tags=["reports"])
    form_described = described_form(
        ReportForm, images={"maxItems": limits.films}, samples={"maximum": limits.samples}
    )

    @asynccontextmanager
    async def one_film(request: Request) -> AsyncGenerator[Upload, None]:
        """Take the upload, then a place for reading it; give both back in the end."""
        film_places.check()
        form = await read_form(request, 1)
        try:
            files = files_of(form, "image", 1)
            no_fields(form)
            with film_places.take():
                async with kept_for_now(files) as uploads:
                    yield uploads[0]
        finally:
            await form.close()

    @router.post(
        "/v1/films",
        response_class=Response,
        openapi_extra=described_form(FilmForm),
        responses={
            200: {
                "content": {"image/png": {}},
                "headers": {
                    FILM_HEADER: {
                        "description": "JSON: `digest` of the file, and names made of its study's "
                        "and its patient's ids, `position` and `date`, each empty if not said.",
                        "schema": {"type": "string"},
                    }
                },
            },
            **_BUSY,
        },
    )
    async def film(request: Request) -> Response:
        """Return a film as the model gets it: grey, 8 bits, upright; as PNG."""
        async with one_film(request) as upload:
            loop = asyncio.get_running_loop()
            png, facts = await loop.run_in_executor(
                films, apart, limits.film_seconds, film_as_png, upload, _PNG_SIDE
            )
        headers = {FILM_HEADER: json_text(asdict(facts))}
        return Response(png, media_type="image/png", headers=headers)

    @router.post(
        "/v1/films/values",
        response_class=Response,
        openapi_extra=described_form(FilmForm),
        responses=DESCRIBED_VALUES | _BUSY,
    )
    async def film_values(request: Request) -> Response:
        """Return a film at the depth of its file, for a viewer that sets window and level."""
        async with one_film(request) as upload:
            return await values_answer(films, limits, upload, facts=True)

    async def written(request: Request) -> AsyncGenerator[Progress, None]:
        """Take the upload, then a place, then the model; give all back in the end."""
        if worker is None:
            raise HTTPException(501, "this server has no model; it is started with --model")
        places.check(worker.seconds_each)
        form = await read_form(request, limits.films + 1)
        try:
            order_files = files_of(form, "images", limits.films, beside="previous_image")
            earlier = earlier_film_of(form, "previous_image")
            asked = settings_of(form, limits)
            if earlier is not None and not worker.model.earlier_films:
                raise OrapoError("this model was not trained with earlier films: --previous-films")
            if asked.previous_report and not worker.model.earlier_reports:
                raise OrapoError(
                    "this model was not trained with earlier reports: --previous-reports"
                )
            decoding = Decoding(
                max_new_tokens=limits.new_tokens,
                temperature=0.0 if asked.samples == 1 else 1.0,
                seed=asked.seed,
                samples=asked.samples,
            )
            with places.take(worker.seconds_each):
                async with kept_for_now([*order_files, *([earlier] if earlier else [])]) as kept:
                    yield "waiting", places.taken - 1
                    uploads, rest = kept[: len(order_files)], kept[len(order_files) :]
                    before = replace(rest[0], name="the earlier film") if rest else None
                    order = Order(uploads, decoding, asked.select, before, asked.previous_report)
                    async with aclosing(worker.write(order)) as progress:
                        async for event, data in progress:
                            if event == "report":
                                read = await asyncio.to_thread(facts_of, data["report"])
                                data = ReportAnswer(facts=read, notice=NOTICE, **data)
                            yield event, data
        finally:
            await form.close()

    @router.post(
        "/v1/reports",
        openapi_extra=form_described,
        responses=_BUSY | _NO_MODEL,
    )
    async def reports(request: Request) -> ReportAnswer:
        """Write a draft report for the films of one study."""
        progress = written(request)
        await anext(progress)  # from here on the upload is there, and `receive` tells of the end

        async def last() -> ReportAnswer:
            answer = None
            async with aclosing(progress):
                async for _, answer in progress:  # noqa: B007
                    pass
            assert isinstance(answer, ReportAnswer)
            return answer

        return await _unless_gone(request, last())

    @router.post(
        "/v1/reports/stream",
        openapi_extra=form_described,
        response_class=Response,
        responses={
            200: {
                "description": "Server-sent events: `waiting` (how many are before it), `started`, "
                "`text` (the first sample so far), and in the end `report` (as /v1/reports "
                "answers) or `fault` (as other answers' `detail`).",
                "content": {"text/event-stream": {"schema": StreamEvent.model_json_schema()}},
            },
            **_BUSY,
            **_NO_MODEL,
        },
    )
    async def stream(request: Request) -> Response:
        """Write a draft report, and show it while it is written."""
        progress = written(request)
        # What is wrong with the request itself is said by the status, before the stream begins.
        first = await anext(progress)
        return _EventStream(first, progress)

    return router


async def _unless_gone(request: Request, work: Awaitable[_Answer]) -> _Answer:
    """Await an answer as long as the client does.

    Raises:
        HTTPException: The client hung up; the work is cancelled.
    """

    async def hung_up() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(hung_up())
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise HTTPException(GONE, "the client hung up")
        return task.result()
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _detached(progress: AsyncGenerator[Progress, None]) -> AsyncGenerator[Progress, None]:
    """Follow the writing apart from who reads of it.

    A reader that stops reading then holds its connection alone, and not the model's queue or the
    upload's files; one that is slow gets the latest text, not all that came before it.
    """
    unread: list[Progress] = []
    news, over = asyncio.Event(), False

    async def follow() -> None:
        nonlocal over
        try:
            async with aclosing(progress):
                async for event in progress:
                    if event[0] == "text" and unread and unread[-1][0] == "text":
                        unread.pop()
                    unread.append(event)
                    news.set()
        finally:
            over = True
            news.set()

    following = asyncio.create_task(follow())
    try:
        while unread or not over:
            await news.wait()
            news.clear()
            while unread:
                yield unread.pop(0)
        await following
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


class _EventStream(StreamingResponse):
    """Server-sent events; however the answer ends, their source is closed with it."""

    def __init__(self, first: Progress, progress: AsyncGenerator[Progress, None]) -> None:
        self._progress, self._detached = progress, _detached(progress)
        self._events = _events(first, self._detached)
        super().__init__(self._events, media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._events.aclose()
            await self._detached.aclose()
            await self._progress.aclose()  # a client may be gone before the first event was sent


async def _events(
    first: Progress, progress: AsyncGenerator[Progress, None]
) -> AsyncGenerator[str, None]:
    try:
        yield _event(*first)
        async for event, data in progress:
            yield _event(event, data)
    except Exception as error:
        status, detail = fault_of(error)
        if status == 500:
            raise
        yield _event("fault", {"detail": detail})


def _event(name: str, data: Any) -> str:
    body = data.model_dump_json() if isinstance(data, ReportAnswer) else json_text(data)
    return f"event: {name}\ndata: {body}\n\n"
