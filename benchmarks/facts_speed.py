"""How many reports a second FactS reads, beside medspaCy and a plain mention regex.

    python benchmarks/facts_speed.py REPORTS.csv --peer PYTHON

PYTHON is the interpreter of an environment of its own with ``pip install medspacy`` (its pins would
hold back ours). Everything runs on one core, one after the other, in this call: each figure is one
pass over the file, from an empty cache, without reading the file and making the engine.
"""

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def passes(read, texts, repeats):
    """Reports a second: the best of some passes, each from scratch."""
    best = 0.0
    for _ in range(repeats):
        fresh = read()
        start = time.perf_counter()
        for text in texts:
            fresh(text)
        best = max(best, len(texts) / (time.perf_counter() - start))
    return best


def vocabulary():
    """The phrases of the findings in FactS' lexicon, written out."""
    from orapo.facts.compiler import load_vocabulary
    from orapo.facts.schema import expanded

    findings = load_vocabulary().findings.values()
    return sorted({text for finding in findings for text in expanded(finding.phrases)})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", type=Path)
    parser.add_argument("--column", default="report")
    parser.add_argument("--peer", help="interpreter of the environment with medspaCy")
    parser.add_argument("--peer-reports", type=int, default=300, help="medspaCy reads the first N")
    options = parser.parse_args()
    with options.reports.open(encoding="utf-8") as file:
        texts = [row[options.column] for row in csv.DictReader(file)]

    from orapo.facts import RulesEngine

    phrases = vocabulary()
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, phrases))})\b", re.IGNORECASE)
    longest_first = re.compile(
        rf"\b(?:{'|'.join(map(re.escape, sorted(phrases, key=len, reverse=True)))})s?\b",
        re.IGNORECASE,
    )
    figures = {
        "reports": len(texts),
        "phrases": len(phrases),
        "FactS": passes(lambda: RulesEngine().read, texts, 3),
        "FactS, no cache": passes(lambda: RulesEngine(cached_sentences=0).read, texts, 3),
        "mention regex": max(
            passes(lambda: pattern.findall, texts[:200], 1),
            passes(lambda: longest_first.findall, texts[:200], 1),
        ),
    }
    if options.peer:
        with tempfile.TemporaryDirectory() as folder:
            job = Path(folder) / "job.json"
            job.write_text(json.dumps({"texts": texts[: options.peer_reports], "phrases": phrases}))
            script = Path(__file__).with_name("medspacy_speed.py")
            # one core for it, too
            alone = {**os.environ, "OMP_NUM_THREADS": "1"}
            done = subprocess.run(
                [options.peer, str(script), str(job)],
                env=alone,
                check=True,
                stdout=subprocess.PIPE,
                stderr=sys.stderr,
            )
        peer = json.loads(done.stdout)
        figures["medspaCy"] = peer["reports_per_second"]
        figures["medspaCy version"] = peer["version"]
        figures["FactS / medspaCy"] = figures["FactS"] / figures["medspaCy"]
        figures["FactS, no cache / medspaCy"] = figures["FactS, no cache"] / figures["medspaCy"]
    figures["FactS / mention regex"] = figures["FactS"] / figures["mention regex"]
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    main()
