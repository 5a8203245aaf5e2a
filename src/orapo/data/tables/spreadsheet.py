"""Tables that a person opens in a spreadsheet: no cell of them is taken for a formula."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

_FORMULA: Final = "=+@＝＋－＠\\-"
_BEGINS: Final = re.compile(rf"^(?=[{_FORMULA}\t\r\n])|(?<=[;\t\r\n])(?=[{_FORMULA}])")
"""Where a cell begins with what makes it a formula. Not at the text's beginning alone: where the decimal
mark is a comma, Excel takes a file's semicolons for what parts its cells, and knows no quotes then."""


def no_formula(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; reports do begin with "- ".

    A leading apostrophe, as OWASP advises against CSV injection. Numbers are no texts: a label's
    -1.0 stays as it is.
    """
    return _BEGINS.sub("'", text)


def for_a_spreadsheet(
    rows: Iterable[Mapping[str, Any]], wanted: bool, *columns: str
) -> Iterator[Mapping[str, Any]]:
    """Yield rows whose cells no spreadsheet takes for a formula.

    Args:
        rows: The rows.
        wanted: If not, they are yielded as they are.
        columns: Those that hold texts.
    """
    for row in rows:
        yield {**row, **_safe(row, columns)} if wanted else row


def _safe(row: Mapping[str, Any], columns: tuple[str, ...]) -> dict[str, Any]:
    return {name: no_formula(row[name]) for name in columns if isinstance(row.get(name), str)}
