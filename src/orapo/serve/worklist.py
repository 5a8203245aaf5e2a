"""The worklist that several readers share, where the user keeps a store; who is at a study is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from orapo.serve.schemas import Fault, KeepText, OpenedStudy, OtherReader, Rater, SharedStudy
from orapo.serve.store import KeptText, Store, now

_PRESENT: Final = 60.0
"""Seconds for which a reader counts as being at a study after they were heard of."""
_MOST_PRESENT: Final = 10_000
_NOT_KEPT: Final[dict[int | str, dict[str, Any]]] = {
    503: {"model": Fault, "description": "It could not be written, and is not in the store."}
}


class _Presence:
    """Who is at which study now; in memory alone."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def here(self, study: str, reader: str) -> list[str]:
        """Note a reader, and return the others."""
        with self._lock:
            clock = time.monotonic()
            self._seen = {
                place: seen for place, seen in self._seen.items() if clock - seen < _PRESENT
            }
            if len(self._seen) < _MOST_PRESENT:
                self._seen[study, reader] = clock
            return sorted(who for what, who in self._seen if what == study and who != reader)


def worklist_routes(store: Store, whole: Callable[[str | None], None]) -> APIRouter:
    """Return the routes of the shared worklist.

    Args:
        store: Where texts are kept.
        whole: Refuses texts that are too long.
    """
    router = APIRouter(tags=["worklist"])
    presence = _Presence()

    def others(study: str, reader: str) -> list[OtherReader]:
        there = presence.here(study, reader)
        texts = {text.reader: text for text in store.last_texts(study) if text.reader != reader}
        return [
            OtherReader(
                reader=name,
                here=name in there,
                at=texts[name].at if name in texts else None,
                state=texts[name].state if name in texts else "",
                report=texts[name].report if name in texts else "",
            )
            for name in sorted({*there, *texts})
        ]

    @router.post("/v1/worklist")
    def worklist(asked: Rater) -> list[SharedStudy]:
        """Return every study in the store, with what this reader needs to go on with it."""
        found: dict[str, dict[str, KeptText]] = {}
        for text in store.last_texts():
            found.setdefault(text.study, {})[text.reader] = text
        return [
            SharedStudy(
                study=study,
                mine=texts[asked.rater].page if asked.rater in texts else None,
                theirs=None
                if asked.rater in texts
                else max(texts.values(), key=lambda text: text.at).page,
                readers=sorted(texts),
            )
            for study, texts in found.items()
        ]

    @router.post("/v1/worklist/texts", responses=_NOT_KEPT)
    def keep(given: KeepText) -> list[OtherReader]:
        """Keep a reader's text of a study, and tell of the others'; nothing is overwritten."""
        for text in (given.report, given.draft):
            whole(text)
        store.keep(
            KeptText(
                study=given.study,
                reader=given.rater,
                at=now(),
                name=given.name,
                state=given.state,
                report=given.report,
                draft=given.draft,
                films=tuple(given.films),
                page=given.page,
            )
        )
        return others(given.study, given.rater)

    @router.post("/v1/worklist/others")
    def opened(asked: OpenedStudy) -> list[OtherReader]:
        """Say that a reader is at a study, and who else is or was."""
        return others(asked.study, asked.rater)

    @router.get(
        "/v1/store",
        response_class=Response,
        responses={200: {"content": {"application/jsonl": {"schema": {"type": "string"}}}}},
    )
    def everything() -> StreamingResponse:
        """Return all that is in the store: a JSON object a line."""

        def lines() -> Iterator[bytes]:
            for line in store.as_json_lines():
                yield line.encode()

        headers = {"Content-Disposition": 'attachment; filename="orapo-store.jsonl"'}
        return StreamingResponse(lines(), media_type="application/jsonl", headers=headers)

    return router
