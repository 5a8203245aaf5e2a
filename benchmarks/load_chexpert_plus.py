"""Time and memory that a table of CheXpert Plus' size takes, on one core.

    python benchmarks/load_chexpert_plus.py [--rows 223462]

Writes a table of that many image rows with texts of the phantom, put together to the length of real
reports, and CheXbert's label lines; no image is written or opened. Then, each in a process of its
own that is bound to one core: loading into studies, and ``orapo data check --no-images``.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = 223_462
TRAIN_SHARE = 223_228 / 223_462
STUDIES_A_PATIENT = 3
DIFFERENT_TEXTS = 12_000

LOAD = """
import json, resource, sys, time
from pathlib import Path
start = time.perf_counter()
from orapo.data.datasets import load_dataset
from orapo.data.loaded import LoadOptions
loaded = load_dataset("chexpert-plus", Path(sys.argv[1]), LoadOptions(check_files=False))
seconds = time.perf_counter() - start
print(json.dumps({
    "seconds": round(seconds, 2),
    "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    "studies": len(loaded.studies),
    "problems": len(loaded.problems),
    "notes": loaded.notes,
}))
"""
CHECK = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
command = [sys.executable, "-m", "orapo", "data", "check", sys.argv[1], "--dataset",
           "chexpert-plus", "--no-images", "--json"]
done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
print(json.dumps({
    "seconds": round(time.perf_counter() - start, 2),
    "peak_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
    "studies": json.loads(done.stdout)["studies"],
}))
"""


def texts():
    """Studies of the phantom, with findings and impressions as long as real ones."""
    import numpy as np

    from orapo.data.phantom import DIFFICULTIES, PhantomConfig
    from orapo.data.phantom.findings import sample_findings
    from orapo.data.phantom.reports import write_report
    from orapo.data.study import Study

    config = PhantomConfig(difficulty=DIFFICULTIES["medium"])
    for index in range(DIFFERENT_TEXTS):
        rng = np.random.default_rng(index)
        written = [
            write_report(rng, sample_findings(rng, config.uncertain_share), config)
            for _ in range(4)
        ]
        findings = "\n".join(one.findings for one in written[:3])
        impression = written[3].findings
        yield Study(
            study_id="x",
            report=f"NARRATIVE: CHEST\n\nFINDINGS: {findings}\n\nIMPRESSION: {impression}\n",
            findings=findings,
            impression=impression,
            history="Cough and fever.",
            comparison="None.",
            age=60,
            sex="F",
            labels=written[0].labels,
        )


def write_table(folder, rows):
    from orapo.data.phantom.layouts import PLUS_COLUMNS, LayoutStudy, chexpert_plus_rows
    from orapo.data.sources.chexpert_plus import LABEL_FOLDER, TABLE

    kinds = list(texts())
    (folder / LABEL_FOLDER).mkdir()
    written = study = 0
    with (
        (folder / TABLE).open("w", encoding="utf-8", newline="") as table_file,
        (folder / LABEL_FOLDER / "report_fixed.json").open("w", encoding="utf-8") as labels_file,
    ):
        table = csv.DictWriter(table_file, PLUS_COLUMNS, restval="", lineterminator="\n")
        table.writeheader()
        while written < rows:
            patient, number = divmod(study, STUDIES_A_PATIENT)
            one = kinds[study % len(kinds)].model_copy(
                update={
                    "study_id": f"patient{patient:06d}_study{number + 1}",
                    "split": "train" if written < TRAIN_SHARE * rows else "validate",
                }
            )
            views = min(2 if study % 6 == 0 else 1, rows - written)
            for row, labels in chexpert_plus_rows(LayoutStudy(one, None, views)):
                table.writerow(row)
                labels_file.write(json.dumps(labels) + "\n")
                written += 1
            study += 1


def on_one_core(script, folder):
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        env=alone,
        check=True,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
    )
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        write_table(folder, options.rows)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        figures = {
            "rows": options.rows,
            "table_and_labels_mb": round(size / 1e6),
            "writing_seconds": round(time.perf_counter() - start, 1),
            "load": on_one_core(LOAD, folder),
            "check_without_images": on_one_core(CHECK, folder),
        }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
