"""How many films a second are read, beside torchxrayvision, from the same files in one run.

    python benchmarks/image_reading.py FOLDER [FOLDER ...] --peer PYTHON

PYTHON is the interpreter of an environment of its own with ``pip install torchxrayvision pydicom``.
The folders hold PNG, JPEG and DICOM files; those that the other side can't read are left out, and
named. ``--synthetic N`` adds N drawn films of 2,048 x 2,500 pixels as PNG and as DICOM of 12 bits,
as large as those of archives. Both sides read the same files on one core, in turns, the best of
some passes counts. torchxrayvision's `load_image` gives floats; ours gives 8-bit grey, which
processors of vision-language models take; that is part of the comparison.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PEER = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
from torchxrayvision.utils import load_image
for line in sys.stdin:
    start = time.perf_counter()
    try:
        for file in json.loads(line):
            load_image(file)
        answer = time.perf_counter() - start
    except Exception as error:
        answer = type(error).__name__
    print(json.dumps(answer), flush=True)
"""


def ours(files):
    from orapo.data.films.images import read_image

    start = time.perf_counter()
    for file in files:
        read_image(file)
    return time.perf_counter() - start


class Peer:
    """torchxrayvision in its own environment, kept running."""

    def __init__(self, python):
        self.process = subprocess.Popen(
            [python, "-c", PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, files):
        self.process.stdin.write(json.dumps([str(file) for file in files]) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if isinstance(answer, str):
            raise ValueError(answer)
        return answer


def draw(folder, count):
    """Films of an archive's size, with the grain that makes them hard to compress."""
    import numpy as np
    from PIL import Image

    from orapo.data.films.dicom import write_dicom

    rng = np.random.default_rng(0)
    for index in range(count):
        rows, columns = np.mgrid[:2500, :2048]
        body = 128 + 90 * np.sin(rows / 400 + index) * np.cos(columns / 300)
        film = Image.fromarray((body + rng.normal(0, 3, body.shape)).clip(0, 255).astype("u1"))
        film.save(folder / f"drawn{index}.png")
        names = dict.fromkeys(("patient_id", "study_uid", "series_uid"), f"drawn{index}")
        write_dicom(film, folder / f"drawn{index}.dcm", instance_uid=f"drawn{index}", **names)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--peer", required=True)
    parser.add_argument("--synthetic", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()

    from orapo.data.films.image_files import find_images, is_dicom
    from orapo.errors import OrapoError

    peer = Peer(options.peer)
    groups = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder, options.synthetic)
        for place in [*options.folders, folder]:
            for file in find_images([place]):
                try:
                    ours([file])
                    peer([file])
                except (OrapoError, ValueError) as error:
                    print(f"left out: {file.name}: {error}"[:160], file=sys.stderr)
                    continue
                kind = "DICOM" if is_dicom(file) else "PNG and JPEG"
                size = "drawn, 2,048 x 2,500" if place == folder else place.name
                groups.setdefault(f"{kind}, {size}", []).append(file)
        for label, files in groups.items():
            passes = [(ours(files), peer(files)) for _ in range(options.repeats)]
            mine, theirs = (min(values) for values in zip(*passes, strict=True))
            print(
                f"{label}: {len(files)} files; orapo {len(files) / mine:.1f}/s, "
                f"torchxrayvision {len(files) / theirs:.1f}/s, ratio {theirs / mine:.2f}"
            )


if __name__ == "__main__":
    main()
