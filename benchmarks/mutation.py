"""How many small changes of the code the tests notice: mutation test of what everything rests on.

    pip install mutmut
    python benchmarks/mutation.py [--group losses --group reward --group evaluation] [--sample 100] [--seed 0]

mutmut changes one thing at a time (``<`` to ``<=``, ``1`` to ``2``, an argument to None ...) in a copy of the
project and runs the tests that reach it. A change that no test notices survived: a test is missing, or the
change changes nothing. mutmut leaves module level code and functions with decorators alone.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What is changed, and the tests that are to notice.
GROUPS = {
    "losses": (["losses.py"], ["tests/test_losses.py"]),
    "reward": (
        ["facts/reward.py", "facts/score.py"],
        ["tests/facts/test_reward.py", "tests/facts/test_label_sets.py"],
    ),
    "reading": (
        [
            f"facts/{name}.py"
            for name in (
                *("contradictions", "fields", "language/english"),
                *("forms/answers", "forms/layout", "forms/pairs", "forms/sections"),
                *("clean_text/json_text", "clean_text/markup", "clean_text/rewriting"),
                "clean_text/typography",
            )
        ],
        [
            f"tests/facts/test_{name}.py"
            for name in ("layout", "typography", "said_and_denied", "second_reading", "extraction")
        ],
    ),
    "evaluation": (
        [f"evaluation/{name}.py" for name in ("counts", "clinical", "bootstrap", "significance")],
        [
            f"tests/evaluation/{name}.py"
            for name in (
                *("test_counts", "test_clinical", "test_bootstrap", "test_significance"),
                *("test_trivial", "figures/test_wording"),
            )
        ],
    ),
}
# mutmut's exit codes of a test run: 0 passed, so the change survived; 33 no test reaches it.
SURVIVED = {0: "survived", 33: "no test reaches it"}


def copy_of_the_project(files, tests, folder):
    """Copy what the tests need, with a configuration of mutmut."""
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    settings = (
        "\n[tool.mutmut]\n"
        'source_paths = ["src"]\n'
        f"only_mutate = {[f'src/orapo/{name}' for name in files]}\n"
        f"pytest_add_cli_args_test_selection = {tests}\n"
        'pytest_add_cli_args = ["--hypothesis-seed=0", "-p", "no:cacheprovider"]\n'
        "use_git_change_detection = false\n"
    ).replace("'", '"')
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + settings)


def mutmut(folder, *words):
    return subprocess.run(
        [Path(sys.executable).with_name("mutmut"), *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder / "mutants" / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def verdicts(folder):
    """Exit code of each mutant's tests; None where it was not tried."""
    found = {}
    for meta in sorted((folder / "mutants").rglob("*.meta")):
        found |= json.loads(meta.read_text())["exit_code_by_key"]
    return found


def tried(name, sample, seed, processes):
    """Try a sample of a group's changes; return its size, all there are, and what survived."""
    files, tests = GROUPS[name]
    with tempfile.TemporaryDirectory(prefix="mutation-") as place:
        folder = Path(place)
        copy_of_the_project(files, tests, folder)
        # A name that matches nothing: the changes are made, the tests are timed, none is tried.
        made = mutmut(folder, "run", "--max-children", str(processes), "no-such-change")
        everything = sorted(verdicts(folder))
        if not everything:
            sys.exit(f"{name}: mutmut made no changes\n{made.stdout}{made.stderr}")
        chosen = sorted(random.Random(seed).sample(everything, min(sample, len(everything))))
        ran = mutmut(folder, "run", "--max-children", str(processes), *chosen)
        after = verdicts(folder)
        untried = [each for each in chosen if after[each] is None]
        if untried:
            sys.exit(f"{name}: {len(untried)} were not tried\n{ran.stdout[-3000:]}{ran.stderr}")
        alive = {
            each: (SURVIVED[after[each]], mutmut(folder, "show", each).stdout)
            for each in chosen
            if after[each] in SURVIVED
        }
        return len(chosen), len(everything), alive


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--group", action="append", choices=GROUPS, help="default: all")
    parser.add_argument("--sample", type=int, default=100, help="changes tried a group")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    rows = []
    for name in given.group or GROUPS:
        start = time.monotonic()
        count, total, alive = tried(name, given.sample, given.seed, given.processes)
        for each, (why, change) in alive.items():
            lines = change.splitlines()
            print(f"{each}: {why}")
            print("\n".join(f"    {line}" for line in lines if line[:1] in "+-@"), flush=True)
        killed = count - len(alive)
        seconds = time.monotonic() - start
        rows.append(
            f"| {name} | {total} | {count} | {killed} | {killed / count:.1%} | {seconds:.0f} |"
        )
    print("\n| group | changes | tried | noticed | share | seconds |\n|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
