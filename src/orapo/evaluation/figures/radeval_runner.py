"""Run by the Python that holds RadEval: reports in, scores out, over two JSON files.

    python radeval_runner.py IN.json OUT.json
    python radeval_runner.py --answer METRIC

The second way is a process that stays: it answers each line of JSON on its standard input with one.

Imports RadEval 2.2 and the standard library alone, so that it works in an environment of its own. A
metric that fails (no weights, no network) takes no other one along. OUT.json is written anew after
each metric.
"""

import importlib
import json
import math
import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# The modules that lie beside this file are orapo's, and one bears the name of what is imported here.
sys.path[:] = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]

# Scores of a whole set of reports, not means over reports: they have no figure for each one.
OF_A_SET = ("f1chexbert", "srrbert")
SHOWN = 20
"""Characters by which a report is known in an error's message."""


class OldName(MetaPathFinder, Loader):
    """Lets RadEval 2.2.1 find itself: its RadGraph imports ``RadEval``, the package is ``radeval``.

    RadGraph and RadCliQ fail without this where file names have cases (jbdel/RadEval, issue 27). Each
    name gives the very module of the other name, for a second copy would have registries of its own.
    """

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Answer for ``RadEval`` and what lies in it."""
        return ModuleSpec(fullname, self) if fullname.split(".")[0] == "RadEval" else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module of the package's name."""
        module = importlib.import_module("radeval" + spec.name[len("RadEval") :])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module, which has been run, its own description back."""
        if module.__spec__ is not None:
            module.__spec__ = module.__spec__.loader_state


def scores(metric: str, references: list[str], generated: list[str]) -> Any:
    """Return the metric's figures: name to a list (one a report) or a number."""
    if metric == "rexrank":
        return rexrank(references, generated)
    from radeval import RadEval

    evaluator = RadEval(metrics=[metric], per_sample=metric not in OF_A_SET, show_progress=False)
    figures = evaluator(refs=references, hyps=generated)
    return {name: plain(value) for name, value in figures.items()}


def rexrank(references: list[str], generated: list[str]) -> Any:
    """Return the four of ReXrank's figures that RadCliQ-v1 is made of, and it, with ReXrank's settings.

    RadEval's own RadCliQ weighs BERTScore's words by IDF, ReXrank does not, and RadEval gives its parts no
    public names. Should those change, this fails, rather than give another figure.
    """
    from radeval.metrics.bertscore.bertscore import BertScore
    from radeval.metrics.RadCliQv1.radcliq import CompositeMetric

    class Parts(CompositeMetric):  # type: ignore[misc]
        parts: Any = None
        without_idf = False

        def _get_bert_scorer(self, refs: Any) -> Any:
            self.without_idf = True
            return BertScore(model_type="distilroberta-base", num_layers=5, idf=False).bert_scorer

        def _compute_sub_metrics(self, refs: Any, hyps: Any) -> Any:
            self.parts = super()._compute_sub_metrics(refs, hyps)
            return self.parts

    composite = Parts()
    _, radcliq = composite.predict(references, generated)
    if composite.parts is None or not composite.without_idf:
        raise RuntimeError("RadCliQ's parts are not those of RadEval 2.2")
    names = {"bertscore": "bertscore", "semb_score": "semb_score", "radgraph": "radgraph_combined"}
    found = {name: plain(composite.parts[part]) for part, name in names.items()}
    return {**found, "radcliq_v1": plain(radcliq)}


def said_of(error: Exception, texts: list[str]) -> str:
    """Return an error in a line that holds no report: its first line, where no report begins in it."""
    line = (str(error).splitlines() or [""])[0][:300]
    quoted = any(text[:SHOWN] in line for text in texts if len(text) >= SHOWN)
    return type(error).__name__ + (": its message quotes a report" if quoted else f": {line}")


def plain(value: Any) -> Any:
    """Return a number or a list of numbers as JSON has them; None for anything else."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    known = isinstance(value, (int, float)) and math.isfinite(value)
    return float(value) if known else None


def answer(metric: str) -> None:
    """Score reports, a line of JSON each time, with a metric that is loaded once."""
    # the answers' own way out: what RadEval prints must not get between them
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.meta_path.insert(0, OldName())
    evaluator = None
    for line in sys.stdin:
        asked = json.loads(line)
        references, generated = asked["references"], asked["generated"]
        try:
            if evaluator is None:
                from radeval import RadEval

                evaluator = RadEval(metrics=[metric], per_sample=True, show_progress=False)
            figures = evaluator(refs=references, hyps=generated)
            result: dict[str, Any] = {
                "figures": {name: plain(value) for name, value in figures.items()}
            }
        except Exception as error:
            result = {"error": said_of(error, references + generated)}
        out.write(json.dumps(result, allow_nan=False) + "\n")
        out.flush()


def main() -> None:
    """Score what the first file holds, metric by metric, into the second one."""
    source, target = sys.argv[1:3]
    with open(source, encoding="utf-8") as file:
        asked = json.load(file)
    result: Any
    texts = asked["references"] + asked["generated"]
    # first, or Python would find what lies in the package by its folder, a second time
    sys.meta_path.insert(0, OldName())
    try:
        from importlib.metadata import version

        import radeval  # noqa: F401

        result = {"version": version("radeval"), "metrics": {}}
    except Exception as error:
        result = {"missing": f"{type(error).__name__}: {error}", "metrics": {}}
        asked["metrics"] = []
    for metric in [*asked["metrics"], None]:
        if metric is not None:
            try:
                figures = scores(metric, asked["references"], asked["generated"])
                result["metrics"][metric] = {"figures": figures}
            except Exception as error:
                result["metrics"][metric] = {"error": said_of(error, texts)}
        with open(target + ".part", "w", encoding="utf-8") as file:
            json.dump(result, file, allow_nan=False)
        os.replace(target + ".part", target)


if __name__ == "__main__":
    if sys.argv[1] == "--answer":
        answer(sys.argv[2])
    else:
        main()
