"""How many reports a second FactS reads, beside medspaCy and a plain mention regex.

    python benchmarks/facts_speed.py REPORTS.csv --peer PYTHON

PYTHON is the interpreter of an environment of its own with ``pip install medspacy`` (its pins would
hold back ours). Everything runs on one core, one after the other, in this call: each figure is one
pass over the file by a reader that has seen nothing yet, without the time to make the reader; seconds
are of processor time, which other work on the machine disturbs less than the clock. What
the labels of a report come from (facts, spans) is worked out on demand and not part of it.
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

from orapo.facts import RulesEngine
from orapo.facts.language.compiler import load_vocabulary
from orapo.facts.language.schema import expanded


def pass_over(texts, make):
    """Reports a second of one pass by a reader that has seen nothing yet."""
    load_vocabulary.cache_clear()  # with it goes the memory of misspelt words
    read = make()
    start = time.process_time()
    for text in texts:
        read(text)
    return len(texts) / (time.process_time() - start)


def vocabulary():
    """The phrases of the findings in FactS' lexicon, written out."""
    findings = load_vocabulary().findings.values()
    return sorted({text for finding in findings for text in expanded(finding.phrases)})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", type=Path)
    parser.add_argument("--column", default="report")
    parser.add_argument("--peer", help="interpreter of the environment with medspaCy")
    options = parser.parse_args()
    with options.reports.open(encoding="utf-8") as file:
        texts = [row[options.column] for row in csv.DictReader(file)]

    phrases = vocabulary()
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, phrases))})\b", re.IGNORECASE)
    longest_first = re.compile(
        rf"\b(?:{'|'.join(map(re.escape, sorted(phrases, key=len, reverse=True)))})s?\b",
        re.IGNORECASE,
    )
    figures = {
        "reports": len(texts),
        "phrases": len(phrases),
        "FactS": pass_over(texts, lambda: RulesEngine().read),
        "FactS, no cache": pass_over(texts, lambda: RulesEngine(cached_sentences=0).read),
        "mention regex": max(
            pass_over(texts, lambda: pattern.findall),
            pass_over(texts, lambda: longest_first.findall),
        ),
    }
    if options.peer:
        with tempfile.TemporaryDirectory() as folder:
            job = Path(folder) / "job.json"
            job.write_text(json.dumps({"texts": texts, "phrases": phrases}))
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
