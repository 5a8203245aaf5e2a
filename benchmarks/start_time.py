"""What `orapo` takes before it does anything: version, help, a press of Tab; beside typer and rich alone.

    python benchmarks/start_time.py

Seconds of processor time, of the whole process and its children, as the system counts them, which
other work on the machine disturbs less than the clock. All commands run in turns, after one run of
each that is not counted and writes the bytecode. Best, median and worst of the turns are printed,
and the median ratio to the import of typer and rich in the same turn. And the milliseconds from the
start of Python to the first line of orapo, and from there until a signal is taken care of.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

PEER = "import typer, rich"
ORAPO = [sys.executable, "-c", "from orapo import __main__; __main__.main()"]
COMMANDS = {
    PEER: [sys.executable, "-c", PEER],
    "orapo --version": [*ORAPO, "--version"],
    "orapo --help": [*ORAPO, "--help"],
    "orapo label --help": [*ORAPO, "label", "--help"],
    "orapo generate --help": [*ORAPO, "generate", "--help"],
}
TABS = ("orapo ", "orapo da", "orapo data ", "orapo label --", "orapo generate --")
READY = """
import time
begun = time.monotonic()
from orapo import __main__, signals
signals.end_at_once()
print(begun, time.monotonic())
"""


def seconds(command, environment):
    """Processor time of a command, its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def pressed(typed):
    """What bash sets when Tab is pressed after what was typed."""
    word = str(typed.count(" "))
    return {"_ORAPO_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": word}


def until_ready(environment):
    """Milliseconds until orapo's first line, and from there until it handles signals."""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", READY], env=environment, capture_output=True, check=True
    )
    begun, ready = map(float, done.stdout.split())
    return 1000 * (begun - start), 1000 * (ready - begun)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", help="also write the figures to this file")
    options = parser.parse_args()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    runs = {name: (command, environment) for name, command in COMMANDS.items()}
    # the name of the variable comes from the name of the program
    named = [sys.executable, "-c", "import sys; sys.argv[0] = 'orapo'; " + ORAPO[-1]]
    for typed in TABS:
        runs[f"{typed}<Tab>"] = (named, environment | pressed(typed))
    taken = {name: [] for name in runs}
    windows = []
    for turn in range(options.repeats + 1):
        for name, run in runs.items():
            cost = seconds(*run)
            if turn:
                taken[name].append(cost)
        if turn:
            windows.append(until_ready(environment))
    figures = {}
    print(f"{'seconds of processor time':32} {'best':>6} {'median':>7} {'worst':>6} {'times':>6}")
    for name, costs in taken.items():
        ratios = [cost / peer for cost, peer in zip(costs, taken[PEER], strict=True)]
        figures[name] = {
            "best": min(costs),
            "median": statistics.median(costs),
            "worst": max(costs),
            "times": statistics.median(ratios),
        }
        row = figures[name].values()
        print(
            f"{name:32} " + " ".join(f"{v:{w}.2f}" for v, w in zip(row, (6, 7, 6, 6), strict=True))
        )
    for name, times in zip(("python", "orapo"), zip(*windows, strict=True), strict=True):
        figures[f"{name}_ms"] = {"best": min(times), "median": statistics.median(times)}
        what = {
            "python": "Python, until orapo's first line",
            "orapo": "orapo, until it takes signals",
        }
        print(f"{what[name]}: {min(times):.1f} ms, median {statistics.median(times):.1f} ms")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
