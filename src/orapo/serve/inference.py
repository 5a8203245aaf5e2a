"""The one model, and the studies that wait for it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

from PIL import Image

from orapo import __version__
from orapo.data.conversation import Views, study_prompt
from orapo.data.study import Study
from orapo.errors import OrapoError, RunFailedError
from orapo.export.draft import Draft
from orapo.facts.comparison import comparisons
from orapo.generation.choice import choose, votes
from orapo.generation.reports import Decoding, Sample, Selection
from orapo.generation.rows import Provenance
from orapo.serve.answers import reader
from orapo.serve.decoding import apart
from orapo.serve.schemas import WrittenSample
from orapo.serve.uploads import Upload, described, read_earlier, read_films

if TYPE_CHECKING:  # it needs torch
    from orapo.generation.streaming import Watch

Progress = tuple[str, Any]
"""Event and data: ``waiting`` and how many are before it, ``started``, ``text`` so far, ``report``."""


class Writer(Protocol):
    """Writes the samples of one study; `orapo.generation.sample_reports` with a model does."""

    def __call__(
        self,
        films: Sequence[Sequence[Image.Image]],
        prompts: Sequence[str],
        study_ids: Sequence[str],
        decoding: Decoding,
        watch: Watch | None = None,
    ) -> list[list[Sample]]:
        """Return the samples of each study."""


@dataclass(frozen=True)
class ServedModel:
    """A loaded model.

    Attributes:
        write: Writes with it.
        provenance: Its name, weights and software.
        views: Which films of a study it is shown, as it was trained.
        earlier_reports: Whether it was trained with the report of the study before.
        earlier_films: Whether it was trained with a film of the study before.
    """

    write: Writer
    provenance: Provenance
    views: Views = "frontal"
    earlier_reports: bool = False
    earlier_films: bool = False

    @property
    def earlier(self) -> list[Literal["report", "film"]]:
        """What of the study before it was trained with."""
        reports: list[Literal["report", "film"]] = ["report"] if self.earlier_reports else []
        return [*reports, "film"] if self.earlier_films else reports


def load_served(
    name: str,
    *,
    views: Views,
    earlier_reports: bool = False,
    earlier_films: bool = False,
    device: str | None = None,
    remote_code: bool = False,
) -> ServedModel:
    """Load a checkpoint for serving; see `orapo.generation.load_checkpoint`.

    Raises:
        OrapoError: It can't be loaded.
        MissingExtraError: torch or transformers are not installed.
    """
    from orapo.generation import checkpoint_revision, load_checkpoint, sample_reports

    model, processor = load_checkpoint(name, device=device, remote_code=remote_code)
    import torch
    import transformers

    software = {
        "engine": f"transformers {transformers.__version__}, torch {torch.__version__}",
        "device": model.device.type,
        "dtype": str(model.dtype).removeprefix("torch."),
        "orapo": __version__,
    }
    revision = checkpoint_revision(name, remote_code=remote_code)
    write = partial(sample_reports, model, processor)
    # Its folder's name alone: where that lies is nothing that clients need know.
    shown = Draft(study_id="", text="", labels={}, model=name).model_name
    provenance = Provenance(shown, revision, software)
    return ServedModel(write, provenance, views, earlier_reports, earlier_films)


@dataclass(frozen=True)
class Order:
    """What one request wants written.

    Attributes:
        uploads: The films; read when the model is free, so that waiting costs no memory.
        decoding: How.
        selection: Which sample becomes the report.
        earlier_film: Of the study before, if the model is to be shown it.
        earlier_report: Of the study before, if the model is to be told it.
    """

    uploads: tuple[Upload, ...]
    decoding: Decoding
    selection: Selection = Selection.CONSENSUS
    earlier_film: Upload | None = None
    earlier_report: str = ""

    @property
    def prompt(self) -> str:
        """What the model is asked and told."""
        return study_prompt(
            Study(study_id="upload"),
            ("previous",) if self.earlier_report else (),
            previous=Study(study_id="earlier", report=self.earlier_report),
            earlier_film=self.earlier_film is not None,
        )

    @property
    def earlier(self) -> str:
        """What it is given of the study before, in words."""
        given = (("report", self.earlier_report.strip()), ("film", self.earlier_film))
        return " and ".join(name for name, there in given if there)


@dataclass
class _Job:
    order: Order
    tell: Callable[[Progress], None]
    cancelled: threading.Event = field(default_factory=threading.Event)


class GoneError(Exception):
    """Nobody waits for this report any more."""


class ModelWorker:
    """Writes one study after another in a thread of its own.

    Args:
        model: What writes.
        seconds: A report is cut off by then.
        film_seconds: Its films must be read by then.
        observe: Told of the seconds that each report took.
    """

    def __init__(
        self,
        model: ServedModel,
        seconds: float,
        film_seconds: float,
        observe: Callable[[float], None] | None = None,
    ) -> None:
        self.model = model
        self._seconds, self._film_seconds, self._observe = seconds, film_seconds, observe
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="orapo-model")
        self._closing = threading.Event()
        self.seconds_each = 1.0

    async def write(self, order: Order) -> AsyncGenerator[Progress, None]:
        """Follow a study until its report is there.

        Closing the iterator, as a client does that hangs up, takes the study out of the queue, or
        ends the writing at the next token.

        Yields:
            What happens; the last one is ``report`` with the fields of a `ReportAnswer` but facts.

        Raises:
            OrapoError: A film can't be read, or the model's processor refuses it.
            RunFailedError: The memory does not suffice.
        """
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Progress | None] = asyncio.Queue()

        def tell(event: Progress | None) -> None:
            # the server may be closing, and the loop with it
            if not loop.is_closed():
                loop.call_soon_threadsafe(events.put_nowait, event)

        job = _Job(order, tell)
        future = self._thread.submit(self._run, job)
        future.add_done_callback(lambda _: tell(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            yield "report", future.result()
        finally:
            job.cancelled.set()
            future.cancel()

    def close(self) -> None:
        """End what is being written, forget what waits."""
        self._closing.set()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _run(self, job: _Job) -> dict[str, Any]:
        if job.cancelled.is_set():
            raise GoneError
        started = time.monotonic()
        job.tell(("started", None))
        shown = apart(self._film_seconds, read_films, job.order.uploads, self.model.views)
        films = [film for _, film in shown]
        if (earlier := job.order.earlier_film) is not None:
            films.append(apart(self._film_seconds, read_earlier, earlier, job.order.uploads))
        study_id = described(job.order.uploads)

        last = ""

        def watch(text: str) -> bool:
            nonlocal last
            if text != last:  # it stands still while other samples go on
                job.tell(("text", text))
                last = text
            late = time.monotonic() - started > self._seconds
            return late or job.cancelled.is_set() or self._closing.is_set()

        samples = self._samples(films, study_id, job.order, watch)
        if job.cancelled.is_set() or self._closing.is_set():
            raise GoneError
        took = time.monotonic() - started
        self.seconds_each = 0.8 * self.seconds_each + 0.2 * took
        if self._observe is not None:
            self._observe(took)
        return self._answer(job.order, study_id, samples, [place for place, _ in shown])

    def _samples(
        self, films: list[Image.Image], study_id: str, order: Order, watch: Watch
    ) -> list[Sample]:
        try:
            return self.model.write([films], [order.prompt], [study_id], order.decoding, watch)[0]
        except OrapoError:  # a template that leaves films out says so in a sentence of its own
            raise
        except ValueError as error:
            # Processors refuse films of odd shapes; their words speak of shapes alone.
            reason = (str(error).strip().splitlines() or [""])[0][:200]
            raise OrapoError(f"the model's processor refuses it ({reason})") from None
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
                raise RunFailedError("the memory does not suffice for this study") from None
            raise

    def _answer(
        self, order: Order, study_id: str, samples: list[Sample], shown: list[int]
    ) -> dict[str, Any]:
        read = [reader().read(sample.text) for sample in samples]
        chosen = choose(samples, read, order.selection)
        decoding, provenance = order.decoding, self.model.provenance
        return {
            "study_id": study_id,
            "report": samples[chosen].text,
            "votes": votes(read),
            "samples": [
                WrittenSample(report=s.text, log_likelihood=s.log_likelihood, cut=s.cut)
                for s in samples
            ],
            "chosen": chosen,
            "cut": samples[chosen].cut,
            "invented_comparisons": [] if order.earlier else comparisons(samples[chosen].text),
            "earlier": order.earlier,
            "films_shown": shown,
            "prompt": order.prompt,
            "model": provenance.model,
            "revision": provenance.revision,
            "decoding": {
                "max_new_tokens": decoding.max_new_tokens,
                "temperature": decoding.temperature,
                "top_p": decoding.top_p,
                "seed": decoding.seed,
                "samples": decoding.samples,
                "select": order.selection.value,
                **provenance.decoding,
            },
        }
