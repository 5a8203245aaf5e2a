"""The work of a run: who writes which batch, and what happens to studies that can't be written."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from PIL import Image

from orapo.errors import RunFailedError
from orapo.generation.batches import written_rows
from orapo.generation.inputs import Asked
from orapo.generation.processes import Processes
from orapo.generation.reports import Sample, Selection
from orapo.generation.rows import Provenance

HERE = Provenance("model", "revision")


@pytest.fixture
def asked(tmp_path):
    film = tmp_path / "film.png"
    Image.linear_gradient("L").save(film)
    return [Asked(f"s{place}", (film,), f"Prompt {place}.") for place in range(11)]


class Recorder:
    """Writes a report that says what stood in the batch, and remembers the batches."""

    def __init__(self):
        self.batches = []

    def __call__(self, films, prompts, study_ids):
        self.batches.append(list(study_ids))
        return [[Sample(f"{prompt} Beside {len(study_ids)}.")] for prompt in prompts]


def all_rows(asked, write, size=4, **options):
    parts = written_rows(asked, write, size, Selection.FIRST, HERE, **options)
    return [row for rows in parts for row in rows]


@pytest.mark.parametrize("done", range(12))
def test_wherever_it_goes_on_batches_hold_the_same_studies(asked, done):
    whole = all_rows(asked, Recorder())
    write = Recorder()
    assert whole[:done] + all_rows(asked, write, done=done) == whole
    assert all(batch[0] in ("s0", "s4", "s8") for batch in write.batches)


@dataclass(frozen=True)
class Threads(Processes):
    """Processes that are threads: they gather over a barrier."""

    shared: Any = None

    def gather(self, rows):
        slots, barrier = self.shared
        slots[self.index] = list(rows)
        barrier.wait(10)
        together = [row for slot in slots for row in slot]
        barrier.wait(10)
        return together


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("done", [0, 3, 4, 9, 11])
def test_any_number_of_processes_gives_the_rows_of_one(asked, count, done):
    whole = all_rows(asked, Recorder())
    shared = [[] for _ in range(count)], threading.Barrier(count)
    writers = [Recorder() for _ in range(count)]
    with ThreadPoolExecutor(count) as pool:
        running = [
            pool.submit(
                all_rows,
                asked,
                writers[index],
                done=done,
                processes=Threads(index, count, shared),
            )
            for index in range(count)
        ]
        results = [one.result(10) for one in running]
    assert all(result == whole[done:] for result in results)
    written = sorted(batch[0] for writer in writers for batch in writer.batches)
    assert written == [f"s{start}" for start in range(done // 4 * 4, 11, 4) if done < 11]


def test_a_study_that_the_processor_refuses_spoils_no_other(asked):
    record = Recorder()

    def write(films, prompts, study_ids):
        if "s5" in study_ids:
            raise ValueError("absolute aspect ratio must be smaller than 200\nmore")
        return record(films, prompts, study_ids)

    rows = all_rows(asked, write)
    assert [row["study_id"] for row in rows if row["error"]] == ["s5"]
    assert rows[5]["error"].endswith("(absolute aspect ratio must be smaller than 200)")
    assert record.batches == [["s0", "s1", "s2", "s3"], ["s4"], ["s6"], ["s7"], ["s8", "s9", "s10"]]


def test_films_are_read_while_the_batch_before_is_written(tmp_path):
    """One batch ahead, and no more: a run's films may not fit into memory."""
    reads, second_read = [], threading.Event()

    class Watched(Asked):
        def read(self):
            reads.append(self.study_id)
            if self.study_id == "1":
                second_read.set()
            return [Image.linear_gradient("L")]

    seen = []

    def write(films, prompts, study_ids):
        assert second_read.wait(10)
        seen.append((study_ids[0], "2" in reads))
        return [[Sample("")]]

    asked = [Watched(str(place), (), "") for place in range(5)]
    list(written_rows(asked, write, 1, Selection.FIRST, HERE))
    assert seen[0] == ("0", False)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("CUDA out of memory"), RunFailedError),
        (MemoryError(), RunFailedError),
        (RuntimeError("something else"), RuntimeError),
    ],
)
def test_what_is_no_fault_of_a_study_ends_the_run(asked, error, expected):
    def write(films, prompts, study_ids):
        raise error

    with pytest.raises(expected):
        all_rows(asked, write)
