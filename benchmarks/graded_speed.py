"""How many reports a second the graded score judges, beside FactS in the same run.

    python benchmarks/graded_speed.py REPORTS.csv [--column report]

Each report is judged against the next one of the file, as a generated report is against its
reference. One core, one pass each, by readers that have seen nothing yet (so the file's own
repetition is all that the caches can use), seconds of processor time; the second pass is that of a
later epoch, in which references come again.
"""

import argparse
import csv
import json
import os
import time
from pathlib import Path

from orapo import FactSReward, GradedFactSReward
from orapo.facts.engine import _default_engine
from orapo.facts.graded.reading import default_reader


def reports_a_second(reward, texts, references, batch=64):
    """Pairs a second, handed over in batches as a trainer does."""
    start = time.process_time()
    for at in range(0, len(texts), batch):
        reward(texts[at : at + batch], report=references[at : at + batch])
    return len(texts) / (time.process_time() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", type=Path)
    parser.add_argument("--column", default="report")
    options = parser.parse_args()
    with options.reports.open(encoding="utf-8") as file:
        texts = [row[options.column] for row in csv.DictReader(file)]
    references = texts[1:] + texts[:1]
    _default_engine()
    default_reader()
    facts, graded = FactSReward(), GradedFactSReward()
    figures = {
        "reports": len(texts),
        "FactS": reports_a_second(facts, texts, references),
        "graded": reports_a_second(graded, texts, references),
        "FactS, second pass": reports_a_second(facts, texts, references),
        "graded, second pass": reports_a_second(graded, texts, references),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    main()
