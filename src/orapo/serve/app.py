"""The HTTP API and the page: routes, and nothing of what they do."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from collections.abc import AsyncIterator, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Final

from fastapi import Body, FastAPI, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from orapo import __version__
from orapo.errors import OrapoError
from orapo.export.draft import NOTICE
from orapo.labels import LABELS
from orapo.serve import decoding
from orapo.serve.answers import (
    MEDIA_TYPES,
    described_file,
    exported,
    exported_formats,
    facts_of,
    score_of,
    warm_up,
)
from orapo.serve.appended import Lines
from orapo.serve.edits import edit_routes
from orapo.serve.faults import add_faults
from orapo.serve.guard import Guard
from orapo.serve.inference import ModelWorker, ServedModel
from orapo.serve.judging import Judging, judging_routes
from orapo.serve.limits import Limits, Places
from orapo.serve.metrics import Metrics
from orapo.serve.reports import report_routes
from orapo.serve.schemas import (
    About,
    ExportRequest,
    FactsAnswer,
    FactsRequest,
    Fault,
    Health,
    ScoreAnswer,
    ScoreRequest,
)
from orapo.serve.store import Store
from orapo.serve.worklist import worklist_routes

STATIC: Final = Path(__file__).parent / "static"
NOTE_HEADER: Final = "Orapo-Note"


def create_app(
    model: ServedModel | None = None,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    names: Collection[str] = (),
    judging: Judging | None = None,
    edits: Lines | None = None,
    store: Store | None = None,
) -> FastAPI:
    """Make the server's application.

    Args:
        model: Writes reports; without one facts, scores and exports still work.
        limits: What is refused.
        token: Who asks for anything but the page must send it (``Authorization: Bearer``).
        names: Host names by which it may be asked for, besides addresses and ``localhost``.
        judging: The pairs that are judged at ``/judge``; without them there is no such page.
        edits: Where edits of drafts are logged; without it none are.
        store: Where readers' worklist and texts are kept; without it they are not.

    Returns:
        An ASGI application, to be run in one process.
    """
    limits = limits or Limits()
    # It warns of bad forms and quotes them.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    places = Places(limits.queue + 1)
    metrics = Metrics(lambda: places.taken)
    worker = (
        None
        if model is None
        else ModelWorker(model, limits.model_seconds, limits.film_seconds, metrics.written)
    )
    films = ThreadPoolExecutor(1, thread_name_prefix="orapo-films")
    film_places = Places(limits.queue + 1)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(warm_up)
        await asyncio.to_thread(decoding.warm_up)
        yield
        films.shutdown(wait=False, cancel_futures=True)
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
    add_faults(app)

    logs_edits = edits is not None and model is not None

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
            judging=judging is not None,
            logs_edits=logs_edits,
            earlier=[] if model is None else model.earlier,
            store=store is not None,
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
                    kind.partition(";")[0]: {"schema": described_file(kind)}
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

    app.include_router(report_routes(worker, places, films, film_places, limits))
    if edits is not None and model is not None:
        app.include_router(edit_routes(edits, model.provenance, whole))
    if store is not None:
        app.include_router(worklist_routes(store, whole))
    if judging is not None:
        app.include_router(judging_routes(judging, films, film_places, limits))

        @app.get("/judge", include_in_schema=False)
        def judging_page() -> FileResponse:
            return FileResponse(STATIC / "judge.html")

    return app
