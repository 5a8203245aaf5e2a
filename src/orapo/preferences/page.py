"""The files of a check: plots, one page without a script, and ``check.json``.

The page holds no report text and no reason that a rater wrote.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from orapo.preferences.check import in_words
from orapo.preferences.figures import drift_plot, kappa_plot, raters_plot, systems_plot
from orapo.preferences.raters import WORDS
from orapo.preferences.sheet import write_json
from orapo.writing import write_bytes


def write_check(out: Path, check: Mapping[str, Any]) -> None:
    """Write plots, ``check.html`` and, last, ``check.json``.

    Args:
        out: The folder.
        check: As `orapo.preferences.check.check_judgements` makes it.

    Raises:
        OrapoError: A file can't be written.
    """
    raters_plot(check["raters"], out / "raters.png")
    drift_plot(check["raters"], out / "drift.png")
    written = ["raters.png", "drift.png"]
    if check["kappa"]:
        kappa_plot(list(check["raters"]), check["kappa"], out / "kappa.png")
        written.append("kappa.png")
    if check["systems"]["each"]:
        systems_plot(check["systems"], out / "systems.png")
        written.append("systems.png")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("orapo.preferences", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    raters = check["raters"].values()
    goes_with = sorted({name for one in raters for name in one["goes_with"]} - {WORDS})
    page = environment.get_template("check.html.j2").render(
        check=check,
        plots={name: _address(out / name) for name in written},
        words=in_words,
        rewards=sorted({name for one in raters for name in one["with_rewards"]}),
        goes_with=[*goes_with, WORDS],
    )
    write_bytes(out / "check.html", page.encode("utf-8", "replace"))
    write_json(out / "check.json", check)


def _address(plot: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(plot.read_bytes()).decode('ascii')}"
