"""The HTTP API and the page: routes, and nothing of what they do."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Collection, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from fastapi import Body, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import ValidationError
from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from orapo import __version__
from orapo.data.study import schema_fault
from orapo.errors import MissingExtraError, OrapoError, RunFailedError
from orapo.export.draft import NOTICE
from orapo.generation.reports import Decoding
from orapo.labels import LABELS
from orapo.serve.answers import MEDIA_TYPES, exported, exported_formats, facts_of, score_of, warm_up
from orapo.serve.guard import Guard
from orapo.serve.inference import GoneError, ModelWorker, Order, Progress, ServedModel
from orapo.serve.limits import Limits, Places, QueueFullError
from orapo.serve.metrics import Metrics
from orapo.serve.schemas import (
    About,
    ExportRequest,
    FactsAnswer,
    FactsRequest,
    Fault,
    FilmForm,
    Health,
    ReportAnswer,
    ReportForm,
    ReportSettings,
    ScoreAnswer,
    ScoreRequest,
)
from orapo.serve.uploads import as_png, kept_for_now

STATIC: Final = Path(__file__).parent / "static"
NOTE_HEADER: Final = "Orapo-Note"
_GONE: Final = 499
"""nginx' status for a client that hung up; nobody sees it but the counters."""
_Answer = TypeVar("_Answer")


def create_app(
    model: ServedModel | None = None,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    names: Collection[str] = (),
) -> FastAPI:
    """Make the server's application.

    Args:
        model: Writes reports; without one facts, scores and exports still work.
        limits: What is refused.
        token: Who asks for anything but the page must send it (``Authorization: Bearer``).
        names: Host names by which it may be asked for, besides addresses and ``localhost``.

    Returns:
        An ASGI application, to be run in one process.
    """
    limits = limits or Limits()
    # It warns of bad forms and quotes them.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    places, reading_places = Places(limits.queue + 1), Places(limits.queue + 1)
    metrics = Metrics(lambda: places.taken)
    worker = None if model is None else ModelWorker(model, limits.model_seconds, metrics.written)
    reader = ThreadPoolExecutor(1, thread_name_prefix="orapo-films")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(warm_up)
        yield
        reader.shutdown(wait=False, cancel_futures=True)
        if worker is not None:
            await asyncio.to_thread(worker.close)

    app = FastAPI(
        title="orapo",
        version=__version__,
        description=f"Draft reports for chest films, and what FactS reads from them. {NOTICE}",
        docs_url=None,  # both fetch their scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        responses={
            400: {"model": Fault, "description": "Not a request of this API."},
            401: {"model": Fault, "description": "The token is missing or wrong."},
            403: {"model": Fault, "description": "Asked for by another name or site."},
            413: {"model": Fault, "description": "Too large."},
            422: {"model": Fault, "description": "Bad input, with the reason."},
        },
    )
    app.add_middleware(Guard, limits=limits, token=token, names=names, observe=metrics.answered)
    _add_faults(app)

    def whole(text: str | None) -> None:
        if text is not None and len(text) > limits.characters:
            raise OrapoError(f"longer than {limits.characters:,} characters")

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/healthz", tags=["server"])
    async def healthz() -> Health:
        """Say that the server answers."""
        return Health(model=worker is not None, waiting=places.taken)

    @app.get("/metrics", tags=["server"], response_class=Response)
    def counters() -> Response:
        """Return counters in Prometheus' text format."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v1/about", tags=["server"])
    def about() -> About:
        """Say what this server can do."""
        return About(
            version=__version__,
            model=None if model is None else model.provenance.model,
            revision="" if model is None else model.provenance.revision,
            formats=exported_formats(),
            dicom=importlib.util.find_spec("pydicom") is not None,
            labels=list(LABELS),
            films=limits.films,
            samples=limits.samples,
            characters=limits.characters,
            upload_bytes=limits.upload_bytes,
            notice=NOTICE,
        )

    @app.post("/v1/facts", tags=["text"])
    def facts(asked: FactsRequest) -> FactsAnswer:
        """Read sentences, facts and labels from a report."""
        whole(asked.text)
        return facts_of(asked.text)

    @app.post("/v1/score", tags=["text"])
    def score(asked: ScoreRequest) -> ScoreAnswer:
        """Score a report with FactS against a reference's text or labels."""
        whole(asked.report)
        whole(asked.reference)
        return score_of(asked)

    @app.post(
        "/v1/export",
        tags=["text"],
        response_class=Response,
        responses={
            200: {
                "description": "The file.",
                "headers": {
                    NOTE_HEADER: {
                        "description": "What of the report the format can't hold, if anything.",
                        "schema": {"type": "string"},
                    }
                },
                "content": {
                    kind.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
                    for kind in MEDIA_TYPES.values()
                },
            },
            501: {"model": Fault, "description": "The format's library is not installed."},
        },
    )
    def export(asked: Annotated[ExportRequest, Body()]) -> Response:
        """Write a report into a file, marked as an unverified draft."""
        whole(asked.report)
        name, content, note = exported(asked, None if model is None else model.provenance)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        if note:
            headers[NOTE_HEADER] = note
        return Response(content, media_type=MEDIA_TYPES[asked.format], headers=headers)

    @app.post(
        "/v1/films",
        tags=["reports"],
        response_class=Response,
        openapi_extra=_form(FilmForm),
        responses={200: {"content": {"image/png": {}}}, **_BUSY},
    )
    async def film(request: Request) -> Response:
        """Return a film as the model gets it: grey, 8 bits, upright; as PNG."""
        with reading_places.take():
            form = await _read_form(request, 1)
            try:
                files = _files(form, "image", 1)
                with kept_for_now(files) as uploads:
                    loop = asyncio.get_running_loop()
                    png = await loop.run_in_executor(reader, as_png, uploads[0], limits.film_side)
            finally:
                await form.close()
        return Response(png, media_type="image/png")

    async def written(request: Request) -> AsyncGenerator[Progress, None]:
        """Take a place, then the upload, then the model; give all back in the end."""
        if worker is None:
            raise HTTPException(501, "this server has no model; it is started with --model")
        with places.take(worker.seconds_each):
            form = await _read_form(request, limits.films)
            try:
                order_files = _files(form, "images", limits.films)
                asked = _settings(form, limits)
                decoding = Decoding(
                    max_new_tokens=limits.new_tokens,
                    temperature=0.0 if asked.samples == 1 else 1.0,
                    seed=asked.seed,
                    samples=asked.samples,
                )
                with kept_for_now(order_files) as uploads:
                    yield "waiting", places.taken - 1
                    order = Order(uploads, decoding, asked.select)
                    async with aclosing(worker.write(order)) as progress:
                        async for event, data in progress:
                            if event == "report":
                                read = await asyncio.to_thread(facts_of, data["report"])
                                data = ReportAnswer(facts=read, notice=NOTICE, **data)
                            yield event, data
            finally:
                await form.close()

    @app.post(
        "/v1/reports",
        tags=["reports"],
        openapi_extra=_form(ReportForm),
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

    @app.post(
        "/v1/reports/stream",
        tags=["reports"],
        openapi_extra=_form(ReportForm),
        response_class=Response,
        responses={
            200: {
                "description": "Server-sent events: `waiting` (how many are before it), `started`, "
                "`text` (the first sample so far), and in the end `report` (as /v1/reports "
                "answers) or `fault` (as other answers' `detail`).",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
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

    return app


_BUSY: Final[dict[int | str, dict[str, Any]]] = {
    408: {"model": Fault, "description": "The request took too long to arrive."},
    429: {"model": Fault, "description": "All places are taken; Retry-After says when to ask."},
}
_NO_MODEL: Final[dict[int | str, dict[str, Any]]] = {
    501: {"model": Fault, "description": "There is no model."},
    503: {"model": Fault, "description": "The memory does not suffice, or the server ends."},
}


def _form(model: Any) -> dict[str, Any]:
    """Describe a form that is read by hand, so that a place is taken before anything is read."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions = schema.pop("$defs", {})
    for name, field in schema["properties"].items():
        reference = field.pop("$ref", "").rpartition("/")[2]
        if reference:
            schema["properties"][name] = {**definitions[reference], **field}
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }


async def _read_form(request: Request, films: int) -> FormData:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise HTTPException(422, "expected a form (multipart/form-data)")
    try:
        return await request.form(max_files=films, max_fields=8, max_part_size=1024)
    except ClientDisconnect:
        raise HTTPException(_GONE, "the client hung up") from None
    except FormParserError:  # Starlette says some of these itself, and in its newer versions all
        raise HTTPException(400, "the form is broken") from None


def _files(form: FormData, field: str, most: int) -> list[tuple[str, Any]]:
    """Return name and content of the files of a field.

    Raises:
        OrapoError: There is none, there are too many, or files stand elsewhere.
    """
    files = [(name, value) for name, value in form.multi_items() if isinstance(value, UploadFile)]
    if any(name != field for name, _ in files):
        raise OrapoError(f"files are expected in the field {field!r}")
    if not files:
        raise OrapoError(f"there is no file in the field {field!r}")
    if len(files) > most:
        raise OrapoError(f"more than {most} files")
    return [(value.filename or "", value.file) for _, value in files]


def _settings(form: FormData, limits: Limits) -> ReportSettings:
    given = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    try:
        asked = ReportSettings.model_validate(given)
    except ValidationError as error:
        raise OrapoError(schema_fault(error)) from None
    if asked.samples > limits.samples:
        raise OrapoError(f"samples: at most {limits.samples}")
    return asked


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
            raise HTTPException(_GONE, "the client hung up")
        return task.result()
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


class _EventStream(StreamingResponse):
    """Server-sent events; however the answer ends, their source is closed with it."""

    def __init__(self, first: Progress, progress: Any) -> None:
        self._events, self._progress = _events(first, progress), progress
        super().__init__(self._events, media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._events.aclose()
            await self._progress.aclose()  # a client may be gone before the first event was sent


async def _events(first: Progress, progress: Any) -> AsyncGenerator[str, None]:
    try:
        yield _event(*first)
        async for event, data in progress:
            yield _event(event, data)
    except Exception as error:
        status, detail = _fault(error)
        if status == 500:
            raise
        yield _event("fault", {"detail": detail})


def _event(name: str, data: Any) -> str:
    body = data.model_dump_json() if isinstance(data, ReportAnswer) else json.dumps(data)
    return f"event: {name}\ndata: {body}\n\n"


def _fault(error: BaseException) -> tuple[int, str]:
    """Return the status and the sentence of what went wrong."""
    if isinstance(error, MissingExtraError):
        return 501, str(error)
    if isinstance(error, OrapoError):
        return 422, str(error)
    if isinstance(error, RunFailedError):
        return 503, str(error)
    if isinstance(error, GoneError | CancelledError):
        return 503, "the server ends"
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail)
    return 500, "something went wrong here; the log has the place"


def _add_faults(app: FastAPI) -> None:
    """Answer every fault with one sentence, which quotes nothing that was sent."""

    async def said(_: Request, error: Exception) -> JSONResponse:
        status, detail = _fault(error)
        return JSONResponse({"detail": detail}, status)

    for kind in (OrapoError, RunFailedError, GoneError, CancelledError):
        app.add_exception_handler(kind, said)

    async def full(_: Request, error: Exception) -> JSONResponse:
        seconds = error.seconds if isinstance(error, QueueFullError) else 1
        return JSONResponse({"detail": str(error)}, 429, {"Retry-After": str(seconds)})

    app.add_exception_handler(QueueFullError, full)

    async def unfit(_: Request, error: Exception) -> JSONResponse:
        faults: Sequence[Any] = error.errors() if isinstance(error, RequestValidationError) else []
        place = ".".join(str(part) for part in faults[0]["loc"]) if faults else "body"
        reason = str(faults[0]["msg"]) if faults else "not valid"
        # a name that was sent can hold what UTF-8 can't
        detail = f"{place[:100]}: {reason[:200]}".encode("ascii", "replace").decode()
        return JSONResponse({"detail": detail}, 422)

    app.add_exception_handler(RequestValidationError, unfit)
