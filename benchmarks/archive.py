"""Films a second and memory of `orapo data check` and `orapo data convert`, by workers.

    python benchmarks/archive.py [--films 5000] [--side 1024] [--workers 1,2,4,8]

The films are DICOM files of 12 bits in a table of own data: a few are drawn, the others are links to
them, so that the disk need not hold an archive (and the files come from the system's cache: what is
measured is decoding, not a disk). Each command runs as a user calls it; memory is the sum of the
resident sets of the command and of its processes, sampled 20 times a second, and the peak of the
command itself. Processor time a film says more than the clock where others use the machine. The run with a fifth of the films shows what grows with their number. The last line is
a conversion that was done already and is called again.
"""

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

DRAWN = 20


def draw(folder, count, side):
    import numpy as np
    from PIL import Image

    from orapo.data.films.dicom import write_dicom

    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side]
    films = []
    for index in range(min(DRAWN, count)):
        body = 128 + 90 * np.sin(rows / 400 + index) * np.cos(columns / 300)
        film = Image.fromarray((body + rng.normal(0, 3, body.shape)).clip(0, 255).astype("u1"))
        names = dict.fromkeys(("patient_id", "study_uid", "series_uid"), f"drawn{index}")
        path = folder / f"drawn{index}.dcm"
        write_dicom(film, path, instance_uid=f"drawn{index}", **names)
        films.append(path)
    for number in range(count):
        os.link(films[number % len(films)], folder / f"{number}.dcm")
    for count_of, name in ((count, "all.csv"), (max(1, count // 5), "fifth.csv")):
        with (folder / name).open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["study_id", "image_path", "report", "split"])
            table.writerows(
                [n, f"{n}.dcm", "The heart is enlarged. No effusion.", "train"]
                for n in range(count_of)
            )


class Memory(threading.Thread):
    """Watches a process and those that it starts, until it ends."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.own, self.all = pid, 0, 0
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(0.05):
            sizes = [self._resident(pid) for pid in self._family(self.pid)]
            self.own = max(self.own, sizes[0] if sizes else 0)
            self.all = max(self.all, sum(sizes))

    def _family(self, pid):
        found = [pid]
        for one in found:
            try:
                for task in Path(f"/proc/{one}/task").iterdir():
                    found += [int(child) for child in (task / "children").read_text().split()]
            except OSError:
                pass
        return found

    def _resident(self, pid):
        try:
            return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
        except (OSError, IndexError):
            return 0


def processor_time():
    """Of all that was started and has ended, and of what that started."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def run(words):
    start, before = time.perf_counter(), processor_time()
    command = [sys.executable, "-m", "orapo", "data", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        memory = Memory(process.pid)
        memory.start()
        code = process.wait()
    memory.ended.set()
    memory.join()
    if code:
        sys.exit(f"{' '.join(command)}: exit code {code}")
    return time.perf_counter() - start, processor_time() - before, memory


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=5000)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--workers", default="1,2,4,8")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder, options.films, options.side)

        def say(what, words, films, workers):
            seconds, spent, memory = run([*words, "--workers", workers])
            print(
                f"{what}, {films:,} films, {workers} workers: {seconds:.1f} s, "
                f"{films / seconds:.1f} films/s, {1000 * spent / films:.0f} ms of processor time a "
                f"film, {memory.all / 1e6:.0f} MB in all, "
                f"{memory.own / 1e6:.0f} MB the command itself",
                flush=True,
            )

        table, fifth = folder / "all.csv", folder / "fifth.csv"
        given = ("--dataset", "table")
        counts = [int(one) for one in options.workers.split(",")]
        few = max(1, options.films // 5)
        say("check", ["check", fifth, *given], few, counts[-1])
        for workers in counts:
            say("check", ["check", table, *given], options.films, workers)
        sized = ("--image-size", 512)
        out = folder / "few"
        say("convert", ["convert", fifth, *given, *sized, "--out", out], few, counts[-1])
        for workers in counts:
            out = folder / f"out{workers}"
            say("convert", ["convert", table, *given, *sized, "--out", out], options.films, workers)
        say("again", ["convert", table, *given, *sized, "--out", out], options.films, counts[-1])


if __name__ == "__main__":
    main()
