"""What readers did, in one SQLite file: their texts of each study, edits, judgements; nothing is overwritten.

Films are not in it. It is off unless the user gives a file.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from orapo.errors import OrapoError, RunFailedError
from orapo.serve.appended import AppendedLines
from orapo.writing import json_text

_APPLICATION: Final = 0x6F726170
"""SQLite's application_id: "orap"."""
_VERSION: Final = 1
_OWNER_ALONE: Final = 0o600
_TABLES: Final = """
create table lines (id integer primary key, kind text not null, tag text not null, record text not null);
create table texts (
  id integer primary key, at text not null, study text not null, reader text not null,
  name text not null, state text not null, report text not null, draft text, films text not null,
  page text not null
);
create index texts_of on texts (study, reader, id);
create table files (digest text primary key, name text not null, lines integer not null);
"""


@dataclass(frozen=True)
class KeptText:
    """What one reader made of one study, as it was saved at one time.

    Attributes:
        study: Of what: a name made of its StudyInstanceUID or of its films.
        reader: Whose.
        at: When, UTC.
        name: The study's in exports.
        state: As the worklist says it.
        report: The text.
        draft: The model's, if there was one.
        films: SHA-256 of those that the text is about.
        page: What the page needs to go on with it; opaque here.
    """

    study: str
    reader: str
    at: str
    name: str
    state: str
    report: str
    draft: str | None
    films: tuple[str, ...]
    page: str


class Store:
    """The open file; one server at a time.

    Args:
        path: Made, for its owner alone to read, if it isn't there.

    Raises:
        OrapoError: It can't be opened, is no store, or another server has it open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        if path.exists() and not path.is_file():
            raise OrapoError(f"{path}: is no ordinary file")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ALONE))
        except OSError as error:
            raise OrapoError(f"{path}: can't be written ({error.strerror})") from None
        self._open = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=1.0
        )
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._open.close()
            if "locked" in str(error):
                raise OrapoError(f"{path}: another orapo serve has it open") from None
            raise OrapoError(f"{path}: is no store of orapo serve, or a broken one") from None
        except BaseException:
            self._open.close()
            raise

    def _prepare(self) -> None:
        run = self._open.execute
        # each commit is on the disk, and no other process writes
        for setting in ("locking_mode = exclusive", "synchronous = full"):
            run(f"pragma {setting}")
        run("begin exclusive")
        (application,) = run("pragma application_id").fetchone()
        (version,) = run("pragma user_version").fetchone()
        (tables,) = run("select count(*) from sqlite_master").fetchone()
        if not tables and not application:
            for statement in _TABLES.split(";"):
                run(statement)
            run(f"pragma application_id = {_APPLICATION}")
            run(f"pragma user_version = {_VERSION}")
        elif application != _APPLICATION:
            raise OrapoError(f"{self.path}: is another program's data base")
        elif version != _VERSION:
            raise OrapoError(f"{self.path}: was written by another version of orapo")
        run("commit")

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """Change it as a whole or not at all; on the disk when this ends."""
        with self._lock:
            try:
                self._open.execute("begin immediate")
                yield self._open
                self._open.execute("commit")
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    self._open.execute("rollback")
                kind = getattr(error, "sqlite_errorname", None) or type(error).__name__
                raise RunFailedError(f"it could not be kept ({kind})") from None
            except BaseException:
                with suppress(sqlite3.Error):
                    self._open.execute("rollback")
                raise

    def _rows(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._open.execute(question, values).fetchall()
            except sqlite3.Error as error:
                raise RunFailedError(f"the store can't be read ({type(error).__name__})") from None

    def close(self) -> None:
        """Close it, and let others open it."""
        with self._lock:
            self._open.close()

    # --- texts

    def keep(self, text: KeptText) -> None:
        """Keep a text beside those that are there; on the disk when this returns.

        Raises:
            RunFailedError: It could not be written; then nothing of it is in the file.
        """
        with self._change() as change:
            change.execute(
                "insert into texts (at, study, reader, name, state, report, draft, films, page) "
                "values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(text.at, text.study, text.reader, text.name, text.state, text.report),
                    *(text.draft, json_text(text.films), text.page),
                ),
            )

    def last_texts(self, study: str | None = None) -> list[KeptText]:
        """Return of each study and reader the text that was kept last, oldest study first."""
        where = "" if study is None else "where study = ?"
        rows = self._rows(
            "select study, reader, at, name, state, report, draft, films, page from texts where id in "
            f"(select max(id) from texts {where} group by study, reader) order by id",
            *([] if study is None else [study]),
        )
        return [_text(row) for row in rows]

    # --- lines: edits and judgements

    def lines(self, kind: str, tag: str = "") -> StoreLines:
        """Return the records of a kind, as a file of lines had them."""
        return StoreLines(self, kind, tag)

    def records(self, kind: str, tag: str) -> list[tuple[int, dict[str, Any]]]:
        """Return number and content of the records of a kind."""
        rows = self._rows("select id, record from lines where kind = ? and tag = ?", kind, tag)
        return [(number, json.loads(record)) for number, record in rows]

    def append(self, kind: str, tag: str, record: Mapping[str, Any]) -> None:
        """Keep a record; see `keep`."""
        with self._change() as change:
            _insert(change, kind, tag, record)

    def read_in(self, file: AppendedLines, kind: str, tag: str = "") -> int:
        """Take over what a file of lines holds, once: the same content is not taken again.

        Returns:
            How many lines were new.
        """
        digest = hashlib.sha256(f"{kind} {tag}\n".encode() + file.path.read_bytes()).hexdigest()
        if self._rows("select 1 from files where digest = ?", digest):
            return 0
        there = {json_text(record, sort_keys=True) for _, record in self.records(kind, tag)}
        new = [r for _, r in file.records if json_text(r, sort_keys=True) not in there]
        with self._change() as change:
            for record in new:
                _insert(change, kind, tag, record)
            change.execute("insert into files values (?, ?, ?)", (digest, file.path.name, len(new)))
        return len(new)

    def as_json_lines(self) -> Iterator[str]:
        """Yield all that is in it, a JSON object a line: every text that was ever kept, edits, judgements."""
        last = 0
        while rows := self._rows(
            "select id, study, reader, at, name, state, report, draft, films, page from texts "
            "where id > ? order by id limit 100",
            last,
        ):
            last = rows[-1][0]
            for row in rows:
                text = _text(row[1:])
                record = {key: value for key, value in vars(text).items() if key != "page"}
                yield json_text({"kind": "text", **record}, ensure_ascii=False) + "\n"
        last = 0
        while rows := self._rows(
            "select id, kind, tag, record from lines where id > ? order by id limit 100", last
        ):
            last = rows[-1][0]
            for _, kind, tag, record in rows:
                named = {"sheet": tag} if tag else {}
                yield json_text({"kind": kind, **named, **json.loads(record)}) + "\n"


class StoreLines:
    """Records of one kind in a store, to be used as `AppendedLines` is."""

    def __init__(self, store: Store, kind: str, tag: str) -> None:
        self._store, self._kind, self._tag = store, kind, tag
        self.path = store.path
        self.records = store.records(kind, tag)

    def append(self, record: Mapping[str, Any]) -> None:
        """Keep a record; see `Store.keep`."""
        self._store.append(self._kind, self._tag, record)

    def close(self) -> None:
        """Do nothing: the store is closed as a whole."""


def _text(row: tuple[Any, ...]) -> KeptText:
    study, reader, at, name, state, report, draft, films, page = row
    of = tuple(json.loads(films))
    return KeptText(study, reader, at, name, state, report, draft, of, page)


def _insert(change: sqlite3.Connection, kind: str, tag: str, record: Mapping[str, Any]) -> None:
    line = json_text(record, ensure_ascii=False)
    change.execute("insert into lines (kind, tag, record) values (?, ?, ?)", (kind, tag, line))


def now() -> str:
    """Return the time as it stands in a store."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
