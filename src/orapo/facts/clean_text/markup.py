"""Tables, Markdown and JSON -> lines of plain text: ``field: answer``, ``- item``, sentences."""

from __future__ import annotations

import itertools
import operator
import re
from typing import Final

from orapo.facts.clean_text.json_text import write_json
from orapo.facts.clean_text.json_tokens import JSON, json_tokens
from orapo.facts.clean_text.rewriting import Rewriter, Rewritten
from orapo.facts.forms.answers import Answer, AnswerWords
from orapo.facts.forms.items import ANSWERING, SIDE, Place

MARKED: Final = re.compile(
    r"[{}\[|*`~#\\>]|\"[,;\t]\"|(?<!\w)_{1,2}(?=[A-Za-z])|---|===|___\n"
    r"|(?i:\b(?:status|present|presence|value|answer|result)[,;\t]\w)"
    r"|(?i:(?:finding|label|observation|name|condition|disease|pathology|abnormality)s?[,;\t]\w)"
    r"|\n[^,\n]*(?:,(?:-?[01](?:\.0)?)?){2,}[ \t]*(?:\n|\Z)|\t\t"
    r"|\n[ \t]*(?:-?[01](?:\.0)?|[Yy]es|[Nn]o|[Tt]rue|[Ff]alse|(?i:present|absent|positive|negative|pos|neg|y|n))[ \t]*[,;\t]"
)
"""A text in which this finds nothing is plain."""

_FENCE: Final = re.compile(r"[ \t]*(?:```|~~~)[ \t]*\w*[ \t]*")
_ROW: Final = re.compile(r"[ \t]*\|?(?=[^|\n]*\|)([^\n]*?)\|?[ \t]*$")
_RULE: Final = re.compile(
    r"(?=.*(?:--|:-|-:))[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$"
)
_LINE: Final = re.compile(r"[ \t]*(?:[-=_*]{3,}(?:[ \t]+[-=]{3,})*|(?:[-*_] ){2,}[-*_])[ \t]*$")
_HEAD: Final = re.compile(r"[ \t]*(?:>[ \t]*)*(\#{1,6})[ \t]+")
_BOLD: Final = re.compile(r"[ \t]*(?:\*\*|__)[^*_\n]+(?:\*\*|__)[ \t]*")
_NUMBERED: Final = re.compile(r"[ \t]*(?:\*\*|__)?\d{1,2}[.)][ \t]+(?=[A-Za-z*_])")
_QUOTE: Final = re.compile(r"[ \t]*(?:>[ \t]?)+")
_MARKS: Final = re.compile(
    r"\*{1,3}(?=\S)|(?<=\S)\*{1,3}|__(?=[A-Za-z])|(?<=[A-Za-z.:)])__(?!_)|(?<![\w])_(?=[A-Za-z][^_\n]*[A-Za-z.]_(?!\w))|(?<=[A-Za-z.])_(?![\w])|~~[^~\n]*~~|`+|\\(?=[^\w\s])"
)
_GLUED: Final = re.compile(r"[a-z.)]\*{1,3}(?=[A-Z])")
"""A star that ends one entry, or begins the next, without a space: "*Edema*No effusion"."""
_BULLET: Final = re.compile(r"[ \t]*\*[ \t]")
_STARRED: Final = re.compile(r"[ \t]*[*+] [^*\n]+ [*+] (?=\S)")
_STAR: Final = re.compile(r" [*+] (?=\S)")
_NUMBER: Final = re.compile(r"\d{0,3}[.)]?")
_DELIMITED: Final = re.compile(r"[^,;\t\n]*(?:[,;\t][^,;\t\n]*)+")
_BOX: Final = re.compile(r"[ ]*\[[ x]\][ ]*")
"""A tick in the name of a column, which adorns it."""
_ROW_NAME: Final = re.compile(
    r"(?:\W*\w*\d[\w./-]*\W*|status|answer|value|result|presence|prediction|predicted|label|present\??|patient(?: \w+)?|[\w/.-]+\.(?:png|jpe?g|dcm))\Z",
    re.IGNORECASE,
)
"""What a row of nothing but answers is called: the study's number, or what they are."""
_QUOTED: Final = re.compile(r'[ \t]*"[^"\n]*"(?:[,;\t]"[^"\n]*")+[ \t]*')
_TITLE: Final = re.compile(r"[ \t]*\[{1,2}([A-Za-z][\w .-]{1,60})\]{1,2}[ \t]*")
"""The name of a section of INI and TOML."""
_HEADER_CELL: Final = re.compile(
    r"(?:finding|label|observation|structure|item|region|anatomy|category|pathology|condition|organ"
    r"|feature|abnormality|area|system|question|no\.?|#|name|disease|diagnosis|parameter)s?\Z",
    re.IGNORECASE,
)


def flatten(text: str, words: AnswerWords) -> Rewritten:
    """Return a text without marks: every value of JSON, every row of a table on a line of its own.

    Args:
        text: With typography resolved.
        words: What answers are made of.
    """
    writer = Rewriter(text)
    lines = _Lines(writer, words)
    at = 0
    while (found := JSON.search(text, at)) is not None:
        tokens, end = json_tokens(text, found.start())
        at = max(end, found.end())
        if tokens:
            lines.write_to(found.start())
            write_json(writer, tokens)
            writer.drop_to(end)
            if not writer.ends_with("\n"):
                writer.put("\n")
    lines.write_to(len(text))
    return writer.finish()


def _underlined(line: str, following: str) -> bool:
    """Whether a line is a heading with a rule of its own length below it."""
    title, rule = line.strip(), following.strip()
    return (
        len(title) > 2
        and len(rule) > 2
        and set(rule) in ({"-"}, {"="}, {"~"}, {"^"})
        and abs(len(title) - len(rule)) <= 2
        and title[-1] not in ".,;"
        and ":" not in title[:-1]
    )


class _Lines:
    """Writes lines, tables and Markdown resolved."""

    def __init__(self, writer: Rewriter, words: AnswerWords) -> None:
        self._writer, self._words = writer, words
        self._titled = False
        """Whether the line before was a title."""

    def write_to(self, end: int) -> None:
        """Write all lines up to a place."""
        writer, text = self._writer, self._writer.source
        header: list[Place] | None = None
        while writer.done < end:
            start = writer.done
            stop = text.find("\n", start, end)
            stop = end if stop < 0 else stop
            line = text[start:stop]
            following = text[stop + 1 : (text.find("\n", stop + 1) + 1 or len(text) + 1) - 1]
            if _RULE.fullmatch(line) and ("|" in line or header):
                writer.drop_to(min(stop + 1, end))
                continue
            cells = self._cells(start, line, following, header)
            if not cells:
                header = None
                self._line(line, start, stop, following)
            elif header is None and self._heads(cells, line, following):
                header = cells
                writer.drop_to(min(stop + 1, end))
                continue
            else:
                self._row(line, cells, header)
                writer.drop_to(stop)
            if stop == end:
                break
            writer.keep_to(stop + 1)

    # Tables

    def _cells(
        self, start: int, line: str, following: str, header: list[Place] | None
    ) -> list[Place]:
        """Return where each cell of a row begins and ends, without white space and marks."""
        if "|" in line and _ROW.fullmatch(line):
            edges = [index for index, char in enumerate(line) if char == "|"]
            if not line.strip().startswith("|"):
                edges.insert(0, -1)
            if not line.strip().endswith("|"):
                edges.append(len(line))
        elif _QUOTED.fullmatch(line):
            edges = [-1, *(m.start() + 1 for m in re.finditer(r'"[,;\t]', line)), len(line)]
        elif _DELIMITED.fullmatch(line) and (
            header or self._names_and_values(line, following) or self._titles(line, following)
        ):
            # names in one line, and below them a line of nothing but answers
            edges = [-1, *(i for i, char in enumerate(line) if char in ",;\t"), len(line)]
            if header and len(edges) != len(header) + 1:
                return []
        else:
            return []
        text = self._writer.source
        cells = []
        for left, right in itertools.pairwise(edges):
            begin, stop = start + left + 1, start + right
            while begin < stop and (text[begin].isspace() or text[begin] in '*`_~"'):
                begin += 1
            while stop > begin and (text[stop - 1].isspace() or text[stop - 1] in '*`~"'):
                stop -= 1
            cells.append((begin, stop))
        return cells

    def _names_and_values(self, line: str, following: str) -> bool:
        names, values = (re.split(r"[,;\t]", each) for each in (line, following))
        if len(names) != len(values) or len(names) < 2 or any(map(self._words.pure, names)):
            return False
        if len(names) > 2 and _ROW_NAME.match(values[0].strip()) and all(names[1:]):
            names, values = names[1:], values[1:]
        answered = [self._words.pure(value) is not None for value in values]
        empty = sum(not value.strip() for value in values) if len(names) > 2 else 0
        return all(names) and any(answered) and sum(answered) + empty == len(values)

    def _titles(self, line: str, following: str) -> bool:
        """Whether a line is "label,value" above "Edema,0", or "value,label" above "0,Edema"."""
        titles, values = (re.split(r"[,;\t]", each) for each in (line, following))
        return len(titles) == len(values) > 1 and any(
            _HEADER_CELL.match(titles[name].strip()) is not None
            and (
                self._words.pure(values[value]) is not None
                or (not values[value].strip() and self._asks(titles[value]))
            )
            for name, value in ((0, -1), (-1, 0), (1, -1))
        )

    def _asks(self, title: str) -> bool:
        """Whether a column's name is an answer, or says that answers stand below it."""
        return (
            ANSWERING.match(title.strip(" ?*")) is not None or self._words.pure(title) is not None
        )

    def _heads(self, cells: list[Place], line: str, following: str) -> bool:
        """Whether a row names the columns of those below it."""
        first = self._writer.source[slice(*cells[0])]
        if (
            _QUOTED.fullmatch(line)
            and self._words.pure(self._writer.source[slice(*cells[-1])])
            and not (len(cells) > 2 and _HEADER_CELL.match(first))
        ):
            return False
        if "|" not in line or ("|" in following and _RULE.fullmatch(following)):
            return True
        return len(cells) > 1 and _HEADER_CELL.match(first) is not None

    def _row(self, line: str, cells: list[Place], header: list[Place] | None) -> None:
        """Write a row as ``field: answer``."""
        text = self._writer.source
        said = [self._words.pure(text[slice(*cell)]) for cell in cells]
        titles = [self._words.pure(text[slice(*cell)]) for cell in header or []]
        if header and len(header) == len(cells) > 1 and all(titles) and not any(said):
            # "| Present | Absent |" above "| Edema | Fracture |"
            self._fields(header, cells)
            return
        row_name = header and len(cells) > 2 and _ROW_NAME.match(text[slice(*cells[0])])
        blank = [cell[0] == cell[1] for cell in cells]
        known = any(said[1:]) and all(map(operator.or_, map(bool, said[1:]), blank[1:]))
        if row_name and not said[0] and not any(titles[1:]) and known:
            cells, said, header = cells[1:], said[1:], header[1:] if header else None
        full = all(one or cell[0] == cell[1] for one, cell in zip(said, cells, strict=True))
        answered = all(said) or (full and not any(titles))
        if header and len(header) == len(cells) > 1 and answered:
            # every column is a field: "| Edema | Effusion |" above "| no | yes |"
            self._fields(header, cells)
        elif header or (line.strip().startswith("|") and len(cells) <= 3):
            self._answers(cells, header or [])
        elif len(cells) == 2 and (
            said[1] or self._answers_first(cells, []) or text[cells[0][0] - 1 : cells[0][0]] == '"'
        ):
            self._answers(cells, [])
        else:  # sentences side by side
            for number, cell in enumerate(cells):
                self._writer.put("\n" if number else "")
                self._keep(cell)

    def _fields(self, header: list[Place], cells: list[Place]) -> None:
        text = self._writer.source
        for number, (name, cell) in enumerate(zip(header, cells, strict=True)):
            if cell[0] == cell[1]:
                continue
            self._writer.put("\n" if number else "")
            self._writer.put(text[slice(*name)] + ": ")
            self._keep(cell)

    def _answers(self, cells: list[Place], header: list[Place]) -> None:
        """Write a field and what stands beside it; of ticked columns, the ticked one's name."""
        writer, text, words = self._writer, self._writer.source, self._words
        if len(cells) > 2 and _NUMBER.fullmatch(text[slice(*cells[0])]):
            cells, header = cells[1:], header[1:]
        if self._answers_first(cells, header):
            # "| yes | edema |": the answer's own place is behind us
            said = text[slice(*cells[0])]
            self._keep(cells[1])
            writer.put(f": {said}")
            return
        self._keep(cells[0])
        names = [_BOX.sub("", text[slice(*cell)]) for cell in header[1:]]
        answers = [cell for cell in cells[1:] if cell[1] > cell[0]]
        if sum(words.pure(name) is not None for name in names) > 1:
            ticked = [
                name
                for name, cell in zip(names, cells[1:], strict=False)
                if words.pure(name) and words.pure(text[slice(*cell)]) is Answer.AFFIRMED
            ]
            if ticked or not answers:
                writer.put(": " + (ticked[0] if len(ticked) == 1 else "n/a"))
                return
        if not answers and any(map(self._asks, names)):
            writer.put(": n/a")  # "| Edema | |" below "| Finding | Present? |"
            return
        beside = self._beside(names, cells[1:])
        written = 0
        for name, cell in itertools.zip_longest(names, cells[1:], fillvalue=None):
            if cell is None or cell not in answers or cell in beside:
                continue
            writer.put(", " if written else ": ")
            if name and SIDE.match(name):
                writer.put(f"{name} ")
            self._keep(cell)
            written += 1

    def _beside(self, names: list[str], cells: list[Place]) -> list[Place]:
        """Return the cells that answer something else, where a column for the answer is in the table.

        "| Edema | yes | none |" below "| Finding | Present | Comment |".
        """
        said = [
            (name.strip(" ?*"), cell)
            for name, cell in zip(names, cells, strict=False)
            if self._words.pure(self._writer.source[slice(*cell)]) is not None
        ]
        asked = [cell for name, cell in said if ANSWERING.match(name)]
        if not asked:
            return []
        return [cell for name, cell in said if cell not in asked and SIDE.match(name) is None]

    def _answers_first(self, cells: list[Place], header: list[Place]) -> bool:
        """Whether a row's first cell answers for the second one's name: "| yes | edema |"."""
        if len(cells) < 2:
            return False
        text = self._writer.source
        first, second = (text[slice(*cell)] for cell in cells[:2])
        if self._words.pure(first) is None or self._words.pure(second) is not None:
            return False
        if len(cells) == len(header) and _HEADER_CELL.match(text[slice(*header[1])]):
            return _HEADER_CELL.match(text[slice(*header[0])]) is None
        return len(cells) == 2 and not first.strip(".)").isdecimal()

    def _keep(self, place: Place) -> None:
        self._writer.drop_to(place[0])
        self._writer.keep_to(place[1])

    # Markdown

    def _line(self, line: str, start: int, stop: int, following: str) -> None:
        """Write a line without its marks."""
        writer = self._writer
        if _FENCE.fullmatch(line) or _LINE.fullmatch(line):
            writer.drop_to(stop + 1 if self._titled else stop)  # no empty line below its title
            self._titled = False
            return
        self._titled = False
        title = _TITLE.fullmatch(line)
        if title is not None:
            writer.drop_to(start + title.start(1) + title[1].rfind(".") + 1)
            writer.keep_to(start + title.end(1))
            writer.drop_to(stop)
            return
        head = _HEAD.match(line)
        if head is not None:
            writer.drop_to(start + head.end())
            if number := _NUMBERED.match(writer.source, writer.done, stop):
                writer.drop_to(number.end())  # "### 2. Edema" is no entry of a list
            line = line.rstrip()
            closing = len(line) - len(line.rstrip("#"))
            self._unmarked(start + len(line) - closing)
            writer.drop_to(stop)
            self._as_heading(line)
            return
        if _STARRED.match(line):  # "* No edema * Effusion"
            behind = stop - len(line.lstrip()) + 1
            for star in _STAR.finditer(writer.source, behind, stop):
                self._unmarked(star.start())
                writer.put("\n* ", star.end())
        quote = _QUOTE.match(line)
        if quote is not None:
            writer.drop_to(start + quote.end())
        bold = _BOLD.fullmatch(line) and following.strip() and not _BOLD.fullmatch(following)
        if bold and (number := _NUMBERED.match(writer.source, writer.done, stop)):
            writer.drop_to(number.end())
        self._unmarked(stop)
        if bold or (_underlined(line, following) and self._words.leading(line) is None):
            self._as_heading(line)
            self._titled = True

    def _as_heading(self, line: str) -> None:
        """End a heading with a colon: what stands below it answers it."""
        if line.rstrip("*_# \t")[-1:] not in ".:;!?":
            self._writer.put(":")

    def _unmarked(self, stop: int) -> None:
        writer = self._writer
        bullet = _BULLET.match(writer.source, writer.done, stop)
        if bullet:
            writer.keep_to(bullet.end())
        for mark in _MARKS.finditer(writer.source, writer.done, stop):
            writer.keep_to(mark.start())
            glued = mark.group()[0] == "*" and _GLUED.match(writer.source, mark.start() - 1)
            writer.put("\n" if glued else "", mark.end())
        writer.keep_to(stop)
