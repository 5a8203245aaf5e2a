"""The page of ``orapo compare``: one file that asks nothing of any network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from orapo.evaluation.report import write_page


def write_comparison(
    path: Path, result: Mapping[str, Any], warnings: Sequence[str], command: str
) -> None:
    """Write the page.

    Args:
        path: The HTML file.
        result: As `orapo.evaluation.significance.compared` gives it, with ``missing_predictions``.
        warnings: What nobody may overlook.
        command: How it was called.

    Raises:
        OrapoError: It can't be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("orapo.evaluation", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("comparison.html.j2")
    page = template.render(result=result, warnings=warnings, command=command)
    write_page(path, page)
