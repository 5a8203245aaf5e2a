"""How a study is put to a model: prompt and films, as chat templates understand them.

`study_prompt` is the only place where text of a study gets into a prompt. It reads the fields that
are named in `PROMPT_FIELDS`, which a radiologist has before reporting, and nothing else; a field
that nevertheless holds the answer, as badly cut reports make it, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args

from orapo.data.study import Study
from orapo.errors import OrapoError

REPORT_PROMPT: Final = "Write the report of this chest film."
PROMPT_FIELDS: Final = ("indication", "history", "comparison", "age", "sex", "previous")
EARLIER_FILM: Final = "The last image is an earlier film of the same patient."
ANSWER_FIELDS: Final = ("findings", "impression", "report", "labels")
Views = Literal["frontal", "all"]

_SEXES: Final = {"F": "female", "M": "male"}
# A chat template's own marks ("<image>", "<|im_end|>", "[INST]") would be read as such wherever
# they stand, and a placeholder too many breaks the match of placeholders and films.
_MARKS: Final = re.compile(r"<[^<>\s]*>|\[/?(?:INST|IMG\w*)\]", re.IGNORECASE)
_WORD: Final = re.compile(r"\w+")
_SENTENCE: Final = re.compile(r"[.;:!?]\s|\n")
# A badly cut section that holds the header of the answer holds the answer.
_ANSWER_HEADER: Final = re.compile(
    r"\b(?:findings?|impressions?|conclusions?)\b\s*:"
    r"|\b(?:chest|views?|radiographs?)\b[^.:;]{0,30}:",
    re.IGNORECASE,
)
_SHORTEST_ANSWER: Final = 3
"""Words; what is shorter ("Normal.") stands in any text without giving an answer away."""
_SHORTEST_SENTENCE: Final = 5
"""Words of a part of the answer, likewise."""


def user_message(text: str = REPORT_PROMPT, images: int = 0) -> list[dict[str, Any]]:
    """Return a conversation of one user message, the images before the text.

    Args:
        text: The prompt p_i.
        images: Placeholders for so many images; 0 leaves them to TRL, which adds its own.
    """
    if images == 0:
        return [{"role": "user", "content": text}]
    parts: list[dict[str, Any]] = [{"type": "image"} for _ in range(images)]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def check_prompt_fields(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return the fields of a prompt, from a list or from a text with commas.

    Raises:
        OrapoError: A field is unknown, or would give the answer away.
    """
    parts = [names] if isinstance(names, str) else list(names)
    fields = [name.strip() for part in parts for name in str(part).split(",") if name.strip()]
    for name in fields:
        if name in ANSWER_FIELDS:
            raise OrapoError(
                f"prompt field {name!r} is the answer; a prompt can hold {', '.join(PROMPT_FIELDS)}"
            )
        if name not in PROMPT_FIELDS:
            raise OrapoError(
                f"unknown prompt field {name!r}; a prompt can hold {', '.join(PROMPT_FIELDS)}"
            )
    return tuple(dict.fromkeys(fields))


def study_prompt(
    study: Study,
    fields: Sequence[str] = (),
    *,
    text: str = REPORT_PROMPT,
    previous: Study | None = None,
    earlier_film: bool = False,
) -> str:
    """Build the prompt of a study.

    Args:
        study: Its findings, impression and report are looked at only to keep them out.
        fields: Of `PROMPT_FIELDS`; what a study lacks is left out.
        text: What the model is asked.
        previous: The same patient's study before, for the field ``previous``.
        earlier_film: Whether its film is shown after those of the study; the prompt says so.

    Returns:
        The question, and a line a field.

    Raises:
        OrapoError: A field is unknown, or would give the answer away.
    """
    lines = [text, EARLIER_FILM] if earlier_film else [text]
    for name in check_prompt_fields(fields):
        content = _content(study, name, previous)
        if content and not _holds_answer(content, study, name):
            lines.append(f"{name.capitalize()}: {content}")
    return "\n".join(lines)


def _content(study: Study, name: str, previous: Study | None) -> str:
    if name == "age":
        return "" if study.age is None else f"{study.age:g} years"
    if name == "sex":
        return _SEXES.get(study.sex, "")
    if name == "previous":
        if previous is None or previous.study_id == study.study_id:
            return ""
        sections = f"{previous.findings} {previous.impression}".strip() or previous.report
    else:
        # One by one, so that no other field can ever be asked for
        sections = {
            "indication": study.indication,
            "history": study.history,
            "comparison": study.comparison,
        }[name]
    return " ".join(_MARKS.sub(" ", sections).split())


def _holds_answer(content: str, study: Study, name: str) -> bool:
    """Say whether a text holds findings, impression or the whole report, or a sentence of them."""
    if name != "previous" and _ANSWER_HEADER.search(content):
        return True
    there = f" {_words(content)} "
    answers = (study.findings, study.impression, study.report)
    if any(_stands_in(answer, there, _SHORTEST_ANSWER) for answer in answers):
        return True
    if name == "previous":
        return False  # reports share sentences without one being cut from the other
    return any(
        _stands_in(sentence, there, _SHORTEST_SENTENCE)
        for answer in answers[:2]  # a whole report has its own indication in it
        for sentence in _SENTENCE.split(answer)
    )


def _stands_in(answer: str, there: str, shortest: int) -> bool:
    wanted = _words(answer)
    return wanted.count(" ") + 1 >= shortest and f" {wanted} " in there


def _words(text: str) -> str:
    return " ".join(_WORD.findall(_MARKS.sub(" ", text).casefold()))


def previous_studies(studies: Iterable[Study]) -> Mapping[str, Study]:
    """Find the study before, for each study whose patient has an earlier one.

    A patient's studies stand in the order of time in a manifest; loaders see to it where a data set
    says when its studies were made. Studies without patient have none before.

    Returns:
        By the id of the later study.
    """
    last: dict[str, Study] = {}
    before: dict[str, Study] = {}
    for study in studies:
        if study.patient_id:
            if study.patient_id in last:
                before[study.study_id] = last[study.patient_id]
            last[study.patient_id] = study
    return before


def check_views(views: str) -> Views:
    """Return which views are shown.

    Raises:
        OrapoError: It is neither ``frontal`` nor ``all``.
    """
    for known in get_args(Views):
        if views == known:
            return known
    raise OrapoError(f"views must be one of {', '.join(get_args(Views))}, not {views!r}")


def shown_films(study: Study, views: Views) -> tuple[Path, ...]:
    """Return the films of a study that a model is shown, frontal ones first.

    Args:
        study: Without known views the order of its images counts.
        views: ``frontal`` for one film, the first frontal one if there is any; ``all`` for all.
    """
    films = list(study.images)
    if len(study.views) == len(films):
        order = {"frontal": 0, "": 1, "lateral": 2}
        ranked = sorted(zip(study.views, films, strict=True), key=lambda item: order[item[0]])
        films = [film for _, film in ranked]
    return tuple(films[:1] if views == "frontal" else films)
