"""Blinded pairs of reports: who judges what next, and the file in which judgements are kept."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, HTTPException, Response

from orapo.errors import OrapoError
from orapo.preferences.records import CHOICES, Pair, read_sheet
from orapo.serve.appended import AppendedLines, Lines
from orapo.serve.film_values import DESCRIBED_VALUES, values_answer
from orapo.serve.limits import Limits, Places
from orapo.serve.schemas import (
    Fault,
    GivenJudgement,
    JudgedPair,
    JudgingState,
    PairFilm,
    Rater,
    ShownPair,
)
from orapo.serve.store import Store
from orapo.serve.uploads import Upload

_NO_PAIR: Final[dict[int | str, dict[str, Any]]] = {
    404: {"model": Fault, "description": "The sheet has no such pair, or the pair no such film."}
}
_NOT_KEPT: Final[dict[int | str, dict[str, Any]]] = {
    503: {"model": Fault, "description": "It could not be written, and is not in the file."}
}


class Judging:
    """A sheet and what has been judged of it.

    The key (who wrote what) is neither read nor known here.

    Args:
        pairs: The sheet, in the order of showing.
        file: Where judgements are kept; holds those given earlier.

    Raises:
        OrapoError: The file holds judgements of another sheet, or lines that are none.
    """

    def __init__(self, pairs: Mapping[str, Pair], file: Lines) -> None:
        self._pairs, self._file = pairs, file
        self._lock = threading.Lock()
        # Of each rater pair to judgement, the one given last at the end.
        self._given: dict[str, dict[str, dict[str, Any]]] = {}
        for number, record in file.records:
            pair, rater = record.get("pair"), record.get("rater")
            where = f"{file.path}, line {number}"
            named = isinstance(rater, str) and isinstance(pair, str)
            if not named or record.get("choice") not in CHOICES:
                raise OrapoError(f"{where}: expected a judgement (pair, rater, choice, ...)")
            if pair not in pairs:
                raise OrapoError(f"{where}: is of a pair that the sheet lacks; give another file")
            self._remember(record)

    def close(self) -> None:
        """Let others write the file."""
        self._file.close()

    def state(self, rater: str) -> JudgingState:
        """Return how far a rater is, and what comes next."""
        with self._lock:
            given = self._given.get(rater, {})
            following = next((pair for pair in self._pairs if pair not in given), None)
            last = next(reversed(given), None)
            return JudgingState(
                pairs=len(self._pairs),
                judged=len(given),
                next=None if following is None else self._shown(following),
                last=None
                if last is None
                else JudgedPair(
                    shown=self._shown(last),
                    choice=given[last]["choice"],
                    reason=str(given[last].get("reason") or ""),
                ),
            )

    def judge(self, given: GivenJudgement) -> JudgingState:
        """Keep a judgement; a newer one of the same rater and pair counts in place of the older.

        Raises:
            HTTPException: The sheet has no such pair.
            RunFailedError: It could not be written.
        """
        self.pair(given.pair)
        record = {
            "pair": given.pair,
            "rater": given.rater,
            "choice": given.choice,
            "reason": given.reason.strip(),
            "seconds": round(given.seconds, 1),
            "judged_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        with self._lock:
            self._file.append(record)
            self._remember(record)
        return self.state(given.rater)

    def pair(self, name: str) -> Pair:
        """Return a pair.

        Raises:
            HTTPException: The sheet has no such pair.
        """
        if name not in self._pairs:
            raise HTTPException(404, "the sheet has no such pair")
        return self._pairs[name]

    def _remember(self, record: dict[str, Any]) -> None:
        mine = self._given.setdefault(record["rater"], {})
        mine.pop(record["pair"], None)
        mine[record["pair"]] = record

    def _shown(self, name: str) -> ShownPair:
        pair = self._pairs[name]
        return ShownPair(
            pair=name,
            place=list(self._pairs).index(name) + 1,
            left=pair.left,
            right=pair.right,
            films=len(pair.images),
        )


def load_judging(sheet: Path, judgements: Path | None, store: Store | None = None) -> Judging:
    """Read a sheet and open what holds its judgements.

    Args:
        sheet: The pairs.
        judgements: The file; with a store what it holds is read in once, and it is not written.
        store: Where they are kept instead.

    Raises:
        OrapoError: The sheet is broken, a film of it is not there, or the file can't be used.
    """
    pairs = read_sheet(sheet)
    if not pairs:
        raise OrapoError(f"{sheet}: holds no pair")
    if judgements is not None and sheet.resolve() == judgements.resolve():
        raise OrapoError(f"{judgements}: is the sheet; give another file to --judgements")
    for pair in pairs.values():
        for film in pair.images:
            if not film.is_file():
                raise OrapoError(f"{sheet}: pair {pair.pair}: {film} is not there")
    # two sheets may both have a pair "p1"
    tag = hashlib.sha256(sheet.read_bytes()).hexdigest()[:16]
    if judgements is None:
        assert store is not None
        return Judging(pairs, store.lines("judgement", tag))
    file = AppendedLines(judgements)
    try:
        judging = Judging(pairs, file)
        if store is None:
            return judging
        store.read_in(file, "judgement", tag)
        file.close()
        return Judging(pairs, store.lines("judgement", tag))
    except BaseException:
        file.close()
        raise


def judging_routes(judging: Judging, films: Executor, places: Places, limits: Limits) -> APIRouter:
    """Return the routes of the judging page.

    Args:
        judging: The sheet.
        films: Where films for pages are read.
        places: How many may wait for that.
        limits: What is refused.
    """
    router = APIRouter(tags=["judging"])

    @router.post("/v1/judging")
    def state(asked: Rater) -> JudgingState:
        """Say how far a rater is, and show the next pair."""
        return judging.state(asked.rater)

    @router.post("/v1/judging/judgements", responses=_NO_PAIR | _NOT_KEPT)
    def judge(given: GivenJudgement) -> JudgingState:
        """Keep a judgement, and show the next pair."""
        return judging.judge(given)

    @router.post(
        "/v1/judging/film",
        response_class=Response,
        responses={
            **DESCRIBED_VALUES,
            429: {"model": Fault, "description": "All places are taken; see Retry-After."},
            **_NO_PAIR,
        },
    )
    async def film(asked: PairFilm) -> Response:
        """Return a film of a pair at the depth of its file, as /v1/films/values."""
        images = judging.pair(asked.pair).images
        if asked.film >= len(images):
            raise HTTPException(404, "the pair has no such film")
        source = Upload(images[asked.film], f"film {asked.film + 1}", b"")
        with places.take():
            return await values_answer(films, limits, source, facts=False)

    return router
