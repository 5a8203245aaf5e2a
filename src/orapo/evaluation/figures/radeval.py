"""RadGraph, CheXbert, RaTEScore, RadCliQ, GREEN and BERTScore through RadEval, in its own process.

Any Python that holds RadEval 2.2 will do. Its dependencies (spaCy 3.7 by medspaCy) want NumPy 1, so it
lives best in an environment of its own. It fetches weights when it is first used, which is why it runs
only when asked for.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from orapo.errors import OrapoError
from orapo.evaluation.bootstrap import Resampler
from orapo.evaluation.detail import mean_over_studies
from orapo.writing import json_text

METRICS: Final = ("radgraph", "f1chexbert", "ratescore", "radcliq", "green", "bertscore")
"""What ``all`` stands for."""
OFFERED: Final = (*METRICS, "radeval_bertscore", "srrbert", "temporal", "bleu", "rouge")
WEIGHTS: Final = {
    "radgraph": "StanfordAIMI/RRG_scorers, in ~/.cache/radgraph",
    "f1chexbert": "StanfordAIMI/RRG_scorers, in ~/.cache/chexbert, and bert-base-uncased",
    "ratescore": "Angelakeke/RaTE-NER-Deberta and FremyCompany/BioLORD-2023-C",
    "radcliq": "those of radgraph and f1chexbert, and distilroberta-base",
    "green": "StanfordAIMI/GREEN-radllama2-7b",
    "bertscore": "distilbert-base-uncased",
    "radeval_bertscore": "IAMJB/RadEvalModernBERT",
    "srrbert": "StanfordAIMI/SRR-BERT-Leaves-with-Statuses and NLTK's punkt_tab",
    "rexrank": "StanfordAIMI/RRG_scorers, in ~/.cache/radgraph and ~/.cache/chexbert, bert-base-uncased "
    "and distilroberta-base",
    "temporal": "stanza's package radiology, in ~/stanza_resources",
}
"""What RadEval 2.2.1 fetches; where no folder is named, into the hub's cache (``HF_HOME``)."""
# crimson and radfact_ct are left out: they hand the reports to an API.
_RUNNER: Final = Path(__file__).with_name("radeval_runner.py")
_LESS_IS_BETTER: Final = ("radcliq_v1",)


def radeval_metrics(
    names: str, everything: Sequence[str] = METRICS, offered: Sequence[str] = OFFERED
) -> list[str]:
    """Return the metrics of a comma-separated list, or of ``all``.

    Args:
        names: The list.
        everything: What ``all`` stands for.
        offered: What may be asked for.

    Raises:
        OrapoError: One is not offered.
    """
    asked = list(everything) if names == "all" else [name.strip() for name in names.split(",")]
    for name in asked:
        if name not in offered:
            raise OrapoError(f"--radeval {name!r}: expected all or some of {', '.join(offered)}")
    return asked


def run_radeval(
    generated: Sequence[str],
    references: Sequence[str],
    metrics: Sequence[str],
    python: str | None = None,
    timeout: float | None = None,
) -> dict[str, Any]:
    """Score N generated reports with RadEval.

    Args:
        generated: N texts.
        references: N texts.
        metrics: Of `OFFERED`.
        python: The interpreter that holds RadEval; None: this one.
        timeout: Seconds after which it is stopped.

    Returns:
        ``version``, and in ``metrics`` for each either ``figures`` (name to N numbers, or to one) or
        ``error``; ``missing`` where RadEval can't be imported. What a process that died or was
        stopped had scored is kept.

    Raises:
        OrapoError: ``python`` can't be run.
    """
    # it runs in a folder of its own, for GREEN writes into the one that it is in
    interpreter = python or sys.executable
    command = os.path.abspath(interpreter) if os.sep in interpreter else interpreter
    environment = {**os.environ, "HF_HUB_DISABLE_TELEMETRY": "1"}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "reports.json", Path(folder) / "scores.json"
        reports = {"generated": list(generated), "references": list(references)}
        source.write_text(json_text({**reports, "metrics": list(metrics)}), encoding="utf-8")
        try:
            done = subprocess.run(
                [command, str(_RUNNER), str(source), str(target)],
                env=environment,
                cwd=folder,
                # what it says may hold reports
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=timeout,
                check=False,
            )
            ended = f"the process ended with exit code {done.returncode}"
        except subprocess.TimeoutExpired:
            ended = f"stopped after {timeout:g} seconds"
        except OSError as error:
            raise OrapoError(f"--radeval-python {interpreter}: {error.strerror}") from None
        try:
            result = json.loads(target.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            result = {"metrics": {}}
    return _understood(result, metrics, len(generated), ended)


def _understood(result: object, metrics: Sequence[str], reports: int, ended: str) -> dict[str, Any]:
    """Return what a process wrote, with an error wherever that is not what was agreed on."""
    found: dict[str, Any] = result if isinstance(result, dict) else {}
    if isinstance(found.get("missing"), str):
        return {"missing": found["missing"], "metrics": {}}
    figures = found.get("metrics")
    if not isinstance(figures, dict):
        figures, ended = {}, "its output is not understood"
    scored: dict[str, Any] = {}
    for name in metrics:
        one = figures.get(name, {"error": ended})
        known = isinstance(one, dict) and (
            isinstance(one.get("error"), str) or _are_figures(one.get("figures"), reports)
        )
        scored[name] = one if known else {"error": "its output is not understood"}
    return {"version": str(found.get("version", "")), "metrics": scored}


def _are_figures(figures: object, reports: int) -> bool:
    def number(value: object) -> bool:
        return value is None or (isinstance(value, (int, float)) and math.isfinite(value))

    return isinstance(figures, dict) and all(
        number(values)
        or (isinstance(values, list) and len(values) == reports and all(map(number, values)))
        for values in figures.values()
    )


def radeval_detail(
    result: dict[str, Any], metrics: Sequence[str], resampler: Resampler
) -> tuple[dict[str, Any], list[str]]:
    """Return the figures with their intervals, ready for JSON, and what to say of absent ones.

    Args:
        result: As `run_radeval` gives it.
        metrics: What was asked for.
        resampler: Of the studies that were scored.
    """
    if "missing" in result:
        return {}, [
            f"RadEval absent: it can't be imported ({result['missing']}). Install it in an "
            "environment of its own (python -m venv E; E/bin/pip install radeval 'numpy<2' "
            "'pyarrow<26') and name that with --radeval-python E/bin/python; or pip install "
            "'orapo[radeval]'."
        ]
    figures: dict[str, Any] = {}
    said = []
    for metric in metrics:
        scored = result["metrics"][metric]
        if "error" in scored:
            weights = f" It fetches {WEIGHTS[metric]}." if metric in WEIGHTS else ""
            said.append(f"RadEval's {metric} absent: {scored['error'].rstrip('.')}.{weights}")
            continue
        for name, values in scored["figures"].items():
            figures[name] = _figure(values, resampler)
            if name in _LESS_IS_BETTER:
                figures[name]["meaning"] = "less is better"
    if said:
        said.append(
            "RadEval fetches weights at their first use. Without network, bring these folders from a "
            "machine that has them, the hub's cache (HF_HOME) among them; HF_HUB_OFFLINE=1 then "
            "spares the attempts."
        )
    return {"version": result["version"], "studies": resampler.studies, "figures": figures}, said


def _figure(values: Any, resampler: Resampler) -> dict[str, Any]:
    if not isinstance(values, list):
        return {"value": values, "low": None, "high": None}
    each = np.array([np.nan if one is None else one for one in values], dtype=np.float64)
    (interval,) = resampler.interval(lambda weights: mean_over_studies(each, weights))
    return dict(interval.as_dict())
