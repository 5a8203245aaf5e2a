"""RadGraph, CheXbert, RaTEScore, RadCliQ, GREEN and BERTScore through RadEval, in its own process.

RadEval 2.2 resolves beside TRL 1.16 and transformers 5.23 (extra ``radeval``), but its pins have
clashed with others' before: any Python that holds it will do. It fetches weights when it is first
used, which is why it runs only when asked for.
"""

from __future__ import annotations

import json
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

METRICS: Final = ("radgraph", "f1chexbert", "ratescore", "radcliq", "green", "bertscore")
"""What ``all`` stands for."""
OFFERED: Final = (*METRICS, "radeval_bertscore", "srrbert", "temporal", "bleu", "rouge")
# crimson and radfact_ct are left out: they hand the reports to an API.
_RUNNER: Final = Path(__file__).with_name("radeval_runner.py")
_LESS_IS_BETTER: Final = ("radcliq_v1",)


def radeval_metrics(names: str) -> list[str]:
    """Return the metrics of a comma-separated list, or of ``all``.

    Raises:
        OrapoError: One is not offered.
    """
    asked = list(METRICS) if names == "all" else [name.strip() for name in names.split(",")]
    for name in asked:
        if name not in OFFERED:
            raise OrapoError(f"--radeval {name!r}: expected all or some of {', '.join(OFFERED)}")
    return asked


def run_radeval(
    generated: Sequence[str],
    references: Sequence[str],
    metrics: Sequence[str],
    python: str | None = None,
) -> dict[str, Any]:
    """Score N generated reports with RadEval.

    Args:
        generated: N texts.
        references: N texts.
        metrics: Of `OFFERED`.
        python: The interpreter that holds RadEval; None: this one.

    Returns:
        ``version``, and in ``metrics`` for each either ``figures`` (name to N numbers, or to one) or
        ``error``; ``missing`` where RadEval can't be imported. What a process that died had scored
        is kept.

    Raises:
        OrapoError: ``python`` can't be run.
    """
    interpreter = python or sys.executable
    environment = {**os.environ, "HF_HUB_DISABLE_TELEMETRY": "1"}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "reports.json", Path(folder) / "scores.json"
        reports = {"generated": list(generated), "references": list(references)}
        source.write_text(json.dumps({**reports, "metrics": list(metrics)}), encoding="utf-8")
        try:
            done = subprocess.run(
                [interpreter, str(_RUNNER), str(source), str(target)],
                env=environment,
                # what it says may hold reports
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        except OSError as error:
            raise OrapoError(f"--radeval-python {interpreter}: {error.strerror}") from None
        try:
            result: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            result = {"metrics": {}}
    for name in metrics:
        if "missing" not in result and name not in result["metrics"]:
            code = done.returncode
            result["metrics"][name] = {"error": f"the process ended with exit code {code}"}
    return result


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
            "RadEval absent: it can't be imported "
            f"({result['missing']}). pip install 'orapo[radeval]', or name with --radeval-python a "
            "Python that has it."
        ]
    figures: dict[str, Any] = {}
    said = []
    for metric in metrics:
        scored = result["metrics"][metric]
        if "error" in scored:
            said.append(
                f"RadEval's {metric} absent: {scored['error']} (weights are fetched at its first "
                "use; without network, bring the cache of a machine that has it: HF_HOME)."
            )
            continue
        for name, values in scored["figures"].items():
            figures[name] = _figure(values, resampler)
            if name in _LESS_IS_BETTER:
                figures[name]["meaning"] = "less is better"
    return {"version": result["version"], "studies": resampler.studies, "figures": figures}, said


def _figure(values: Any, resampler: Resampler) -> dict[str, Any]:
    if not isinstance(values, list):
        return {"value": values, "low": None, "high": None}
    each = np.array([np.nan if one is None else one for one in values], dtype=np.float64)
    (interval,) = resampler.interval(lambda weights: mean_over_studies(each, weights))
    return dict(interval.as_dict())
