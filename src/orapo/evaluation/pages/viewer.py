"""The viewer of studies that stands in a page, and the page itself: one file, no request to anywhere.

Report texts are untrusted: the template engine escapes them, the viewer writes them as text, and the
page's own policy forbids requests and every script but the page's own, by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jinja2
import markupsafe

from orapo.evaluation.pages.graded_marks import TITLES, FactVerdict
from orapo.evaluation.pages.page_films import place_films, remove_others
from orapo.evaluation.pages.shown_studies import KINDS, ShownStudy, Step, index_of, study_views
from orapo.evaluation.pages.verdicts import AnyVerdict, ReferenceVerdict
from orapo.evaluation.titles import figure_title
from orapo.facts import Verdict
from orapo.labels import UncertainPolicy
from orapo.writing import json_text, write_bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """How a verdict looks and reads; colours and underlines are in report.css, by its value."""

    verdict: AnyVerdict
    symbol: str
    title: str
    meaning: str


MARKS: Final = (
    Mark(
        Verdict.ENTAILED,
        "✓",
        "right",
        "a finding that is there, and nothing that is said of it is wrong",
    ),
    Mark(
        FactVerdict.PARTLY,
        "≈",
        "partly right",
        "a finding that is there; its side, place, size, change, position, name or certainty is wrong "
        "or left out",
    ),
    Mark(Verdict.FALSE_ALARM, "✗", "false alarm", "a finding that is not there"),
    Mark(Verdict.CONTRADICTION, "≠", "contradiction", "denies a finding that is there"),
    Mark(
        Verdict.AGREED_ABSENT,
        "○",
        "rightly absent",
        "denies a finding that the other text does not have",
    ),
    Mark(Verdict.UNSCORED, "–", "not checkable", "neither score can judge it"),
    Mark(ReferenceVerdict.FOUND, "✓", "found", "of the reference, and the model says it"),
    Mark(ReferenceVerdict.MISSED, "…", "missed", "of the reference, and the model does not"),
)
"""Verdicts on sentences."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Studies, ready for a page.

    Attributes:
        views: As ``report.json`` holds them.
        films: The address of each film, or None.
        unreadable: Films that can't be read.
    """

    views: Sequence[Mapping[str, Any]]
    films: Sequence[str | None]
    unreadable: int

    @classmethod
    def of(
        cls,
        page: Path,
        studies: Sequence[ShownStudy],
        uncertain: UncertainPolicy,
        step: Step = lambda what, done, total: None,
    ) -> Viewer:
        """Read the studies, and make the films of a page; see `study_views` and `place_films`.

        Raises:
            OrapoError: A film beside the page can't be written.
        """
        views = study_views(studies, uncertain, step)
        films, unreadable = place_films(page, [study.image for study in studies], step)
        for view, study, film in zip(views, studies, films, strict=True):
            view["film"] = film
            view["film_unreadable"] = film is None and study.image is not None
        return cls(views, films, unreadable)

    def context(self, first: str = "grave", shown: str = "") -> dict[str, Any]:
        """Return what the viewer's template needs.

        Args:
            first: The order at the beginning.
            shown: Id of the study at the beginning; empty: the first one of that order.
        """
        index = index_of(self.views)
        texts = [
            {key: value for key, value in view.items() if key != "film"} for view in self.views
        ]
        return {
            "index": index,
            "first": first,
            "kinds": KINDS,
            "marks": MARKS,
            "films_beside": any(film and not film.startswith("data:") for film in self.films),
            "viewer_data": {
                "index": as_data([index | {"first": first, "shown": shown, **_signs()}]),
                "studies": as_data(texts),
                "films": as_data(self.films if any(self.films) else []),
            },
        }


def _signs() -> dict[str, Any]:
    """Signs and words of verdicts: on sentences, on facts."""
    return {
        "marks": {mark.verdict.value: [mark.symbol, mark.title] for mark in MARKS},
        "facts": {verdict.value: list(words) for verdict, words in TITLES.items()},
    }


def as_data(lines: Sequence[Any]) -> markupsafe.Markup:
    """Return JSON, a line each, that is safe inside a ``script`` element that is not run."""
    text = "\n".join(json_text(line, ensure_ascii=False) for line in lines)
    # "<" alone can end the element or begin a comment in it
    return markupsafe.Markup(text.replace("<", "\\u003c"))


def templates() -> jinja2.Environment:
    """Return the pages' templates: strict about names, and nothing unescaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("orapo.evaluation.pages", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["title_of"] = figure_title
    return environment


def write_viewer(
    path: Path,
    template: str,
    viewer: Viewer,
    context: Mapping[str, Any],
    *,
    first: str = "grave",
    shown: str = "",
    data: Path | None = None,
    figures: Mapping[str, Any] | None = None,
) -> None:
    """Write a page with a viewer; an older one stays whole until the new one is.

    Args:
        path: The HTML file.
        template: Its template.
        viewer: The studies.
        context: What else the template needs.
        first: The order of the list at the beginning: ``grave`` (gravest errors) or ``difference``.
        shown: Id of the study at the beginning; empty: the first one of that order.
        data: Where the page's data are written as JSON too.
        figures: What they hold beside the studies.

    Raises:
        OrapoError: A file can't be written.
    """
    environment = templates()
    # As it stands in the page: the policy lets this script run and no other one.
    script = environment.get_template("viewer.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    page = environment.get_template(template).render(
        **viewer.context(first, shown),
        script=markupsafe.Markup(script),
        script_hash=digest,
        unreadable=viewer.unreadable,
        data_name=data.name if data else "",
        **context,
    )
    if data is not None:
        content = {**(figures or {}), "studies": viewer.views}
        write_page(data, json_text(content, ensure_ascii=False) + "\n")
    write_page(path, page)
    remove_others(path, viewer.films)


def write_page(path: Path, page: str) -> None:
    """Write a page whole, or leave the older one.

    Raises:
        OrapoError: It can't be written.
    """
    # "replace": JSON may smuggle in half a surrogate pair, which UTF-8 can't hold
    write_bytes(path, page.encode("utf-8", "replace"))
