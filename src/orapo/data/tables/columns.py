"""Which columns of a table hold the study's id and its report, named or found by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from orapo.data.tables.records import Row, Say, lacking, listed
from orapo.errors import OrapoError
from orapo.labels import LABELS

ID: Final = "study_id"
REPORT: Final = "report"


class Side(StrEnum):
    """Whose reports a table holds, by which the names of its columns are understood."""

    REFERENCE = "reference"
    GENERATED = "generated"
    LABELS = "labels"
    """Another labeler's labels: no option names their columns, they are called as orapo calls them."""
    ANY = "any"


_IDS: Final = (
    *("id", "uid", "study", "studyuid", "studyinstanceuid", "studykey", "accession", "case"),
    *("imageid", "dicomid", "sampleid", "key"),
    *(
        f"{what}{end}"
        for what in ("study", "accession", "report", "exam", "examination", "case")
        for end in ("id", "no", "nr", "number")
    ),
)
_PEOPLE: Final = (
    *("subject", "subjectid", "subjectno", "subjectnumber"),
    *("patient", "patientid", "patientno", "patientnumber"),
)
"""An id where there is no other: a patient may have several studies, which is then refused."""
_GENERATED: Final = (
    *("prediction", "predictions", "predicted", "predictedreport", "reportpredicted", "pred"),
    *("generated", "generatedreport", "reportgenerated", "generatedtext", "generation"),
    *("modelprediction", "modeloutput", "modelreport", "output", "hypothesis", "hyp", "candidate"),
    *("candidatereport", "completion", "response", "gen", "genreport", "genreports", "predreport"),
    *("predreports", "predictedreports", "generatedreports", "modelpredictions", "modeloutputs"),
    *("outputs", "hypotheses", "candidates", "responses"),
)
_REFERENCES: Final = (
    *("reference", "referencereport", "reportreference", "ref", "groundtruth", "groundtruthreport"),
    *(
        "gt",
        "gtreport",
        "gtreports",
        "references",
        "refreport",
        "target",
        "targetreport",
        "truth",
        "gold",
        "goldreport",
        "originalreport",
    ),
)
_TEXTS: Final = (
    *(
        "text",
        "reporttext",
        "textreport",
        "fullreport",
        "fulltext",
        "reportbody",
        "radiologyreport",
    ),
    *("reports", "freetext", "narrative"),
)
_FINDINGS: Final = ("findings", "finding", "findingssection", "sectionfindings", "reportfindings")
_IMPRESSION: Final = (
    *("impression", "impressions", "impressionsection", "sectionimpression", "reportimpression"),
    *("conclusion", "conclusions"),
)
_SHORT: Final = 20
"""Characters below which a text may be what a program writes for none ("nan")."""
_OTHERS: Final = ("patientid", "split", "age", "sex", "view", "images", "imagepath", "labels")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


_ALL_IDS: Final = frozenset((_plain(ID), *_IDS, *_PEOPLE))
_KNOWN: Final = frozenset(
    (
        *(_plain(name) for name in (ID, REPORT, *LABELS)),
        *(*_IDS, *_PEOPLE, *_GENERATED, *_REFERENCES, *_TEXTS, *_FINDINGS, *_IMPRESSION, *_OTHERS),
    )
)


def is_known(name: str) -> bool:
    """Whether tables of reports have columns of that name."""
    return _plain(name) in _KNOWN


def header_row(rows: Sequence[Sequence[Any]]) -> int:
    """Return which of a table's first rows is its header: the first, or a later one below a title.

    A later one only if it names an id and something else that tables of reports have, each once, and
    the rows above it fill fewer cells, as titles and merged headings do.
    """
    filled = [sum(cell not in (None, "") for cell in row) for row in rows]
    first = next((index for index, count in enumerate(filled) if count), 0)
    for index, row in enumerate(rows):
        if _surely(row):
            return index if max(filled[:index], default=0) < filled[index] else first
    return first


def _surely(row: Sequence[Any]) -> bool:
    names = [_plain(cell) for cell in row if isinstance(cell, str) and cell.strip()]
    ids = [name for name in names if name in _ALL_IDS]
    others = [name for name in names if name in _KNOWN and name not in _ALL_IDS]
    return bool(ids and others) and len(set(names)) == len(names)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user says about a table.

    Attributes:
        study_id: Column of the study's id; None: it is found.
        text: Column of the report.
        findings: Column of its findings.
        impression: Column of its impression.
        shared: The names are meant for several tables: one that lacks them is searched.
        side: Whose reports it holds.
        say: Told what was found by its name, and is not named as orapo names it.
    """

    study_id: str | None = None
    text: str | None = None
    findings: str | None = None
    impression: str | None = None
    shared: bool = False
    side: Side = Side.ANY
    say: Say = field(default=lambda sentence: None)

    def of(self, side: Side, **names: Any) -> Wanted:
        """Return the same for another table of the command."""
        return replace(self, side=side, **names)

    @property
    def id_option(self) -> str:
        """The option that names the column of this table's ids."""
        return _option("--id-column", self.side)

    @property
    def name_id(self) -> str:
        """What to do about an id that isn't found: ``"name it with --id-column"``."""
        return f"call it {ID}" if self.side is Side.LABELS else f"name it with {self.id_option}"

    @property
    def text_option(self) -> str:
        """The option that names the column of this table's reports."""
        return _option("--text-column", self.side)


@dataclass(frozen=True, slots=True)
class ReportColumns:
    """The columns of one table.

    Attributes:
        study_id: Column of the id.
        text: Column of the report; None if there are only sections, or neither.
        findings: Column of the findings, if there is one.
        impression: Column of the impression, likewise.
        have: All columns of the table.
        otherwise: Column of the whole report, for records whose sections are empty.
        side: Whose reports the table holds.
    """

    study_id: str
    text: str | None = None
    findings: str | None = None
    impression: str | None = None
    have: tuple[str, ...] = ()
    otherwise: str | None = None
    side: Side = Side.ANY

    def needs_text(self, path: Path, or_else: str = "") -> None:
        """Refuse a table without a report.

        Args:
            path: The table.
            or_else: What would do instead, for the message.

        Raises:
            OrapoError: It has none; the message names the options.
        """
        if not (self.text or self.findings or self.impression):
            raise OrapoError(
                f"{path}: lacks the column(s) {REPORT}{or_else}; it has {listed(self.have)} (name it "
                f"with {_option('--text-column', self.side)}, or with --findings-column and --impression-column)"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        named = (self.study_id, self.text, self.findings, self.impression, self.otherwise)
        return tuple(name for name in named if name)

    @property
    def required(self) -> tuple[str, ...]:
        """Those that every record must have; of two sections one may be absent."""
        return (self.study_id, self.text) if self.text else (self.study_id,)

    def report(self, path: Path, row: Row) -> str:
        """Return a record's report: its text, else findings and impression joined.

        Raises:
            OrapoError: A cell holds neither text nor ``{"findings", "impression"}``.
        """
        if not any(name in row.values for name in self.names[1:]):
            raise OrapoError(
                f"{path}, line {row.line}: lacks {' and '.join(self.names[1:]) or REPORT}"
            )
        text = "" if self.text is None else _cell(path, row, self.text)
        if text.strip() or not (self.findings or self.impression):
            return text
        joined = _joined(
            *(self._section(path, row, name) for name in (self.findings, self.impression))
        )
        return joined if joined or self.otherwise is None else _cell(path, row, self.otherwise)

    def sections(self, path: Path, row: Row) -> tuple[str, str]:
        """Return the findings and the impression of a record's report, where it has sections.

        Raises:
            OrapoError: A cell holds no text.
        """
        whole = row.values.get(self.text) if self.text else None
        nested = _nested(whole) if isinstance(whole, Mapping) else None
        findings, impression = nested or (
            self._section(path, row, self.findings),
            self._section(path, row, self.impression),
        )
        return findings, impression

    def _section(self, path: Path, row: Row, name: str | None) -> str:
        """Return a section of a record's report; empty if the table has none, or says "None".

        Raises:
            OrapoError: The cell holds no text.
        """
        return "" if name is None else _joined(_cell(path, row, name), "")


def _joined(findings: str, impression: str) -> str:
    # imported late: pydantic, which the module needs, would slow down commands that need no study
    from orapo.data.study import joined_report

    return joined_report(findings, impression)


def _cell(path: Path, row: Row, column: str) -> str:
    value = row.values.get(column)
    if value is None or value != value:  # pandas writes NaN where there is no text
        return ""
    if isinstance(value, str):
        return "" if len(value) < _SHORT and not _joined(value, "") else value
    if isinstance(value, Mapping) and (sections := _nested(value)):
        return _joined(*sections)
    raise OrapoError(
        f"{path}, line {row.line}: {column} must be text"
        f"{', or an object with findings and impression' if isinstance(value, Mapping) else ''}, "
        f"not {type(value).__name__}"
    )


def _nested(value: Mapping[Any, Any]) -> tuple[str, str] | None:
    """Return findings and impression of an object that holds them; None if it is another one."""
    parts = {_plain(str(name)): part for name, part in value.items()}
    if not any(name in parts for name in (*_FINDINGS, *_IMPRESSION)):
        return None
    findings, impression = (
        next((parts[name] for name in names if name in parts), None)
        for names in (_FINDINGS, _IMPRESSION)
    )
    if not all(part is None or isinstance(part, str) for part in (findings, impression)):
        return None
    return findings or "", impression or ""


def find_columns(path: Path, have: Iterable[str], wanted: Wanted) -> ReportColumns:
    """Return the columns of a table: those named, and those whose names leave no doubt.

    Args:
        path: The table, for messages.
        have: Its columns.
        wanted: What the user says.

    Raises:
        OrapoError: A named column is lacking, there is no id, or two names could be meant.
    """
    columns = list(have)
    study_id = _found_id(path, columns, wanted)
    if study_id is None and not _any_text(path, columns, wanted):
        raise OrapoError(
            f"{path}: {lacking(columns, (ID, REPORT))} (name them with {wanted.id_option} and "
            f"{wanted.text_option})"
        )
    study_id = study_id or find_id(path, columns, wanted)
    text = _named(path, columns, wanted.text, "--text-column", wanted)
    findings = _named(path, columns, wanted.findings, "--findings-column", wanted)
    impression = _named(path, columns, wanted.impression, "--impression-column", wanted)
    if text or findings or impression:
        return ReportColumns(study_id, text, findings, impression, tuple(columns), side=wanted.side)
    found = _found_text(path, columns, wanted)
    return replace(found, study_id=study_id, have=tuple(columns), side=wanted.side)


def _any_text(path: Path, columns: Sequence[str], wanted: Wanted) -> bool:
    """Whether a table without an id has what a report is compared by: a text, named or found, or labels."""
    if wanted.text or wanted.findings or wanted.impression or not set(LABELS).isdisjoint(columns):
        return True
    try:
        found = _found_text(path, columns, replace(wanted, say=lambda sentence: None))
    except OrapoError:
        return True  # several: told once the id is named
    return len(found.names) > 1


def _option(name: str, side: Side) -> str:
    """Return an option's name for the table of that side: the references have their own."""
    return name.replace("--", "--reference-", 1) if side is Side.REFERENCE else name


def _named(
    path: Path, columns: Sequence[str], name: str | None, option: str, wanted: Wanted
) -> str | None:
    if name is None or name in columns:
        return name
    if wanted.shared:
        wanted.say(f"{path}: has no column {name} ({option}); one is looked for by its name")
        return None
    raise OrapoError(f"{path}: {option} {name}: no such column; it has {listed(columns)}")


def find_id(path: Path, columns: Sequence[str], wanted: Wanted) -> str:
    """Return the column of the study's id.

    Raises:
        OrapoError: As `find_columns`.
    """
    if found := _found_id(path, columns, wanted):
        return found
    raise OrapoError(f"{path}: {lacking(columns, (ID,))} ({wanted.name_id})")


def _found_id(path: Path, columns: Sequence[str], wanted: Wanted) -> str | None:
    named = _named(path, columns, wanted.study_id, "--id-column", wanted)
    if named is not None:
        return named
    if ID in columns:
        return ID
    option = wanted.id_option
    of_labels = wanted.side is Side.LABELS
    for names in ((_plain(ID),), _IDS, _PEOPLE):
        choice = f"call the right one {ID}" if of_labels else f"choose with {option}"
        if name := _only(path, columns, names, "the study's id", choice):
            said = f"{path}: the study's id is read from column {name!r}"
            wanted.say(said if of_labels else f"{said} ({option})")
            return name
    return None


def _found_text(path: Path, columns: Sequence[str], wanted: Wanted) -> ReportColumns:
    """Find the text by tiers; within a tier two names are a doubt."""
    of_side: Mapping[Side, tuple[str, ...]] = {
        Side.GENERATED: _GENERATED,
        Side.REFERENCE: _REFERENCES,
        Side.LABELS: (),
        Side.ANY: (),
    }
    mine = of_side[wanted.side]
    # "report" beside "prediction" may well be the reference: taken for the prediction, it is perfect
    if REPORT in columns and not any(_plain(name) in mine for name in columns):
        findings, impression = (
            name if name in columns else None for name in ("findings", "impression")
        )
        return ReportColumns(ID, REPORT, findings, impression)
    findings, impression = (
        _only(path, columns, names, what, f"choose with {named}")
        for names, what, named in (
            (_FINDINGS, "the findings", "--findings-column"),
            (_IMPRESSION, "the impression", "--impression-column"),
        )
    )
    option = wanted.text_option
    choice = f"choose with {option}"
    text = _only(path, columns, (_plain(REPORT), *mine), "the report", choice)
    both = [name for name in (findings, impression) if name]
    if text is None and both:
        whole = [name for name in columns if _plain(name) in _TEXTS]
        otherwise = whole[0] if len(whole) == 1 else None
        if otherwise or not {"findings", "impression"}.issuperset(both):
            named = " and ".join(map(repr, both))
            more = f", where they are empty from {otherwise!r}" if otherwise else ""
            wanted.say(f"{path}: the report is read from {named}{more} ({option})")
        return ReportColumns(ID, None, findings, impression, otherwise=otherwise)
    theirs = (*_GENERATED, *_REFERENCES) if wanted.side is Side.ANY else ()
    for names in (_TEXTS, theirs):
        text = text or _only(path, columns, names, "the report", choice)
    if text is not None:
        wanted.say(f"{path}: the report is read from column {text!r} ({option})")
    return ReportColumns(ID, text)


def _only(
    path: Path, columns: Sequence[str], names: Sequence[str], what: str, choice: str
) -> str | None:
    """Return the one column that has one of these names.

    Raises:
        OrapoError: There are several.
    """
    found = [column for column in columns if _plain(column) in names]
    exact = [column for column in found if column in (ID, REPORT, "findings", "impression")]
    if len(exact) == 1 and exact[0] != REPORT:
        return exact[0]
    if len(found) > 1:
        raise OrapoError(f"{path}: columns {', '.join(found)} could each be {what}; {choice}")
    return found[0] if found else None
