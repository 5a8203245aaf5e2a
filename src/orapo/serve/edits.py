"""The log of edits and reading time, for studies of workload; only where the user asks for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter, Response

from orapo.generation.rows import Provenance
from orapo.serve.appended import Lines
from orapo.serve.schemas import EditedDraft, Fault

_NOT_KEPT: Final[dict[int | str, dict[str, Any]]] = {
    503: {"model": Fault, "description": "It could not be written, and is not in the log."}
}


def edit_routes(
    file: Lines, provenance: Provenance, whole: Callable[[str | None], None]
) -> APIRouter:
    """Return the route that logs what became of a draft.

    Args:
        file: The log.
        provenance: Of the model that writes the drafts.
        whole: Refuses texts that are too long.
    """
    router = APIRouter(tags=["log"])

    @router.post("/v1/edits", status_code=204, response_class=Response, responses=_NOT_KEPT)
    def log(edited: EditedDraft) -> Response:
        """Log a draft, what became of it, and when; a later line of the same `log` replaces it."""
        whole(edited.draft)
        whole(edited.final)
        now = datetime.now(UTC)
        shown = now - timedelta(seconds=edited.age)
        file.append(
            {
                "log": edited.log,
                "study": edited.study or f"study-{edited.log[:12]}",
                "model": provenance.model,
                "revision": provenance.revision,
                "draft": edited.draft,
                "final": edited.final,
                "seconds": round(edited.seconds, 1),
                "edits": [round(when, 1) for when in edited.edits],
                "shown_at": shown.isoformat(timespec="milliseconds"),
                "logged_at": now.isoformat(timespec="milliseconds"),
            }
        )
        return Response(status_code=204)

    return router
