"""Run by the Python that holds RadEval: reports in, scores out, over two JSON files.

    python radeval_runner.py IN.json OUT.json

Imports RadEval 2.2 and the standard library alone, so that it works in an environment of its own. A
metric that fails (no weights, no network) takes no other one along. OUT.json is written anew after
each metric.
"""

import json
import os
import sys
from typing import Any

# The modules that lie beside this file are orapo's, and one bears the name of what is imported here.
sys.path[:] = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]

# Scores of a whole set of reports, not means over reports: they have no figure for each one.
OF_A_SET = ("f1chexbert", "srrbert")


def scores(metric: str, references: list[str], generated: list[str]) -> Any:
    """Return the metric's figures: name to a list (one a report) or a number."""
    from radeval import RadEval

    evaluator = RadEval(metrics=[metric], per_sample=metric not in OF_A_SET, show_progress=False)
    figures = evaluator(refs=references, hyps=generated)
    return {name: plain(value) for name, value in figures.items()}


def plain(value: Any) -> Any:
    """Return a number or a list of numbers as JSON has them; None for anything else."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return float(value) if isinstance(value, (int, float)) else None


def main() -> None:
    """Score what the first file holds, metric by metric, into the second one."""
    source, target = sys.argv[1:3]
    with open(source, encoding="utf-8") as file:
        asked = json.load(file)
    result: Any
    try:
        from importlib.metadata import version

        result = {"version": version("radeval"), "metrics": {}}
        import radeval  # noqa: F401
    except Exception as error:
        result = {"missing": f"{type(error).__name__}: {error}", "metrics": {}}
        asked["metrics"] = []
    for metric in [*asked["metrics"], None]:
        if metric is not None:
            try:
                figures = scores(metric, asked["references"], asked["generated"])
                result["metrics"][metric] = {"figures": figures}
            except Exception as error:
                # the first line: others may hold texts of reports
                said = (str(error).splitlines() or [""])[0][:300]
                result["metrics"][metric] = {"error": f"{type(error).__name__}: {said}"}
        with open(target + ".part", "w", encoding="utf-8") as file:
            json.dump(result, file)
        os.replace(target + ".part", target)


if __name__ == "__main__":
    main()
