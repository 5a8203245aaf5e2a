"""The statements of one sentence: which findings it affirms, denies, doubts or only mentions.

A sentence is read left to right as a row of lexicon phrases. A cue such as "no" or "possible" opens
a scope that reaches forward over a list of findings until something ends it; cues such as "is not
seen" reach back over the list before them; a state ("normal", "enlarged") is tied to the structures
(heart, mediastinum ...) that it is said of. Every step looks at a bounded number of phrases, so the
time is linear in the sentence's length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from orapo.facts.fact import Polarity
from orapo.facts.language.at_hand import General, is_asked_how
from orapo.facts.language.phrases import (
    AND,
    ASSERTIVE,
    COMMA,
    LINKS,
    LONGEST_LIST,
    OR,
    STATE,
    STRUCTURE,
    VERB,
    VERSUS,
    WITH,
    PhraseRow,
)
from orapo.facts.language.plans import (
    goes_on,
    is_advised,
    is_conditional,
    is_date,
    is_only_planned,
    is_there_all_the_same,
    tells_of_another_film,
)
from orapo.facts.language.reach import (
    EXCEPTING,
    choice_before,
    ends_denied,
    is_device_behind_disease,
    is_of_the_other_side,
    is_presupposed,
    is_sided_anew,
    list_before,
    meant_finding,
    stands_alone,
)
from orapo.facts.language.schema import Kind
from orapo.facts.language.states import (
    DENIED,
    HEDGED,
    NOT_STATED,
    Draft,
    Scope,
    Subject,
    measured_state,
    speaks_of_all,
    state_structure,
)
from orapo.facts.language.unseen import (
    is_active,
    is_of_another_film,
    is_seen_now,
    is_unseen,
    reached_back,
)
from orapo.facts.language.vocabulary import Entry, Item, Vocabulary

# Looking up a member of an enum is slow before Python 3.12.
_PRESENT: Final = Polarity.PRESENT
_ABSENT: Final = Polarity.ABSENT
_UNCERTAIN: Final = Polarity.UNCERTAIN
_SCOPES: Final = {
    Kind.DENY_NEXT: DENIED,
    Kind.DENY_EITHER: DENIED,
    Kind.HEDGE_NEXT: HEDGED,
    Kind.HEDGE_EITHER: HEDGED,
}
_MOVED: Final = frozenset(
    ("changed", "grown", "increased", "decreased", "worsened", "improved", "progressed", "resolved", "cleared")
)  # fmt: skip


class SentenceReader(PhraseRow):
    """A row of phrases, and the state of reading it."""

    def __init__(self, tokens: list[str], items: list[Item], vocabulary: Vocabulary) -> None:
        super().__init__(tokens, items, vocabulary.grammar)
        self.vocabulary = vocabulary
        self.drafts: list[Draft] = []  # findings, in order
        self.states: list[Draft] = []  # what is said of structures
        self.scope: Scope | None = None
        self.used = False  # a finding was read in this scope
        self.closed = False  # ... and a verb followed it
        self.link: Kind | None = None  # the connector since the last finding or structure
        self.linked = -1  # its token
        self.after_verb = False
        self.last: Draft | None = None  # the last finding of the statement
        self.qualifiers: list[Item] = []
        self.subject = Subject()
        self.prestates: list[tuple[Item, Scope | None]] = []
        self.boundary = -1  # the item that began this statement
        self.some_dropped = False
        self.unchanged = False  # "no change in A or B" says both
        self.neither = False  # ... and so is what "neither ... has resolved" says
        self.chosen = False  # an "or" was read in this scope
        self.general = General(self)  # what speaks of no film at hand
        self.unfinished = False  # "the right lung is clear, the left is not"
        self.then = False  # what another film showed is told
        self.turns = False  # "but", "with" ... were read
        self.opener: Item | None = None  # the cue that opened the scope

    def run(self) -> None:
        """Read all items."""
        steps = _STEPS
        if tells_of_another_film(self.tokens):
            self._open(NOT_STATED)
            self.then = True
        for index, item in enumerate(self.items):
            step = steps.get(item.kind)
            if step is not None:
                step(self, index, item)
        self._place_qualifiers()
        if not self.drafts and not self.subject.structures and not self.states:
            self._normal_alone()
        self._finish_subject()
        if self.general:
            self.some_dropped = True
            for draft in (*self.drafts, *self.states):
                draft.dropped = draft.dropped or self.general.holds(draft)

    def _normal_alone(self) -> None:
        """Read "Normal." and "There is no abnormality." as of all that is on the film."""
        finding = self.vocabulary.normal_finding
        last = self.prestates[-1] if self.prestates else None
        if last is None or finding is None or last[0].data != "normal" or last[1] is not None:
            return
        first = self.prestates[0][0].first
        if speaks_of_all(self.tokens, first, last[0].last):
            self.states.append(Draft(finding, _ABSENT, first, last[0].last, -1))

    # Connectors and boundaries

    def _connector(self, index: int, item: Item) -> None:
        self._place_qualifiers()
        # ", and" is "and", ", or" is "or"
        self.link, self.linked = item.kind, item.first
        if item.kind is COMMA and self.opener and self.tokens[self.opener.first] == "having":
            self._open(None)  # "having previously been drained, the effusion is back"
        if item.kind is AND and self.drafts and self.drafts[-1].dropped and goes_on(self, item):
            self.drafts[-1].dropped = False
        if item.kind is OR:
            self.chosen = True
        elif item.kind is WITH:
            self.turns = True

    def _whole_sentence(self, index: int, item: Item) -> None:
        self.general.hear(item)

    def _neutral(self, index: int, item: Item) -> None:
        self.unchanged = self.unchanged or self.tokens[item.first] in ("no", "without", "not")

    def _verb(self, index: int, item: Item) -> None:
        self.after_verb = True
        if self.used:
            self.closed = True

    def _boundary(self, index: int, item: Item) -> None:
        self._place_qualifiers()
        if self.then and self.tokens[item.last] in ("was", "were"):
            return  # "on the prior film there was an effusion"
        self.then = False
        self._open(None)
        if self.drafts and self.drafts[-1].dropped and goes_on(self, item):
            self.drafts[-1].dropped = False
        self.turns = True
        self.boundary = index
        self.link = None
        self.prestates = []
        self.after_verb = False
        self.unchanged = False

    def _open(self, scope: Scope | None) -> None:
        self.scope, self.used, self.closed = scope, False, False
        self.chosen = False

    def _starts_anew(self, index: int) -> bool:
        """Whether an assertive word here ends the scope: after a comma or "and", not in a list."""
        return (
            self.used
            and self.link in (COMMA, AND)
            and not (self.link is COMMA and self.or_follows(index))
        )

    # Qualifiers

    def _qualifier(self, index: int, item: Item) -> None:
        if item.assertive and self._starts_anew(index):
            self._open(None)
        if item.kind is not ASSERTIVE:
            self.qualifiers.append(item)

    def _place_qualifiers(self) -> None:
        """Give the words since the last finding to it, as no other finding followed them."""
        if self.qualifiers:
            if self.last is not None:
                self.last.modifiers += self.qualifiers
            self.qualifiers = []

    # Cues

    def _cue(self, index: int, item: Item) -> None:
        scope = _SCOPES.get(item.kind, NOT_STATED)
        if scope.denies and item.last + 1 == len(self.tokens):
            self.unfinished = self.tokens[item.last] == "not"
        if scope.denies and ends_denied(self, item):
            self._deny_back(index)
            return
        if scope.denies and is_unseen(self, self.drafts, index):
            self._deny_back(index)
            self._verb(index, item)
            return
        if self.scope is not None and not self._ends_scope(index, scope):
            return
        word = self.tokens[item.first]
        if word == "may" and is_date(self, item):
            return
        if word == "neither" and not _MOVED.isdisjoint(self.tokens):
            self.unchanged = self.neither = True  # "neither effusion has changed"
            return
        self._begin(scope, item)

    def _begin(self, scope: Scope, opener: Item) -> None:
        self._place_qualifiers()
        self._open(scope)
        self.opener = opener
        self.after_verb = False

    def _ends_scope(self, index: int, new: Scope) -> bool:
        old = self.scope
        if new.denies and old is HEDGED:
            return True
        if new.silent:
            return True
        if old is not None and old.silent:
            if new.hedges and is_conditional(self):
                return False
            behind = self.opener is None or self.linked > self.opener.first
            return (self.link is not None and behind) or self.closed
        # "no suspicion for pneumonia", "without possible ..." stay denied
        return new is DENIED or self.closed or self._starts_anew(index)

    def _cue_either(self, index: int, item: Item) -> None:
        if self.finding_at_once(index):
            self._cue(index, item)
        elif item.kind is Kind.DENY_EITHER and self.last is None and self.subject.structures:
            normal = Entry(STATE, "normal", item.assertive, item.severity, item.place)
            self._state(index, Item(normal, item.first, item.last))
        elif item.kind is Kind.HEDGE_EITHER and self.last is None and self._state_next(index):
            self._cue(index, item)  # "the heart is possibly enlarged"
        elif self.link is None or self.nothing_follows(index):
            self._cue_back(index, item)

    def _state_next(self, index: int) -> bool:
        after = self.items[index + 1 : index + 2]
        return bool(self.subject.structures and after) and after[0].kind is STATE

    def _cue_back(self, index: int, item: Item) -> None:
        if item.kind is Kind.DENY_PREVIOUS and is_active(self, item):
            self._begin(DENIED, item)
            return
        if item.kind in (Kind.DENY_PREVIOUS, Kind.DENY_EITHER):
            self._deny_back(index)
        else:
            for draft in reached_back(self, self.drafts, index):
                if item.kind is Kind.NOT_STATED_PREVIOUS:
                    if is_only_planned(self, self.vocabulary, item, draft):
                        draft.dropped = self.some_dropped = True
                elif draft.polarity is _PRESENT:
                    draft.polarity = _UNCERTAIN
        self._verb(index, item)

    def _deny_back(self, index: int) -> None:
        if self.neither or is_of_another_film(self, self.items[index].last):
            return
        if is_seen_now(self, index):
            return
        # in what a prior film showed, too: "... an effusion, which has resolved"
        apart = self.scope is None or self.link is not None
        for draft in reached_back(self, self.drafts, index):
            if not is_of_the_other_side(draft, self.qualifiers):
                draft.polarity = _ABSENT
                draft.dropped = draft.dropped and not apart

    # Findings

    def _finding(self, index: int, item: Item) -> None:
        if self.scope is not None and is_asked_how(self, self.opener, item):
            self._open(None)
        if (self.used and (self.link is WITH or (self.closed and self.link is not OR))) or (
            self.scope is DENIED
            and (
                (self.used and self._says_its_own(index, item))
                or is_presupposed(self, self.opener, index)
            )
        ):
            self._open(None)
        if self.after_verb and self.subject.structures and not self.subject.states:
            self.subject = Subject()  # "the lungs show ..."
        finding = meant_finding(self, self.vocabulary, index)
        if self.scope is HEDGED and is_advised(self, self.vocabulary, self.opener, finding):
            self.scope = NOT_STATED
        silent = self.scope is not None and self.scope.silent
        if silent and is_there_all_the_same(self, self.vocabulary, self.opener, item, finding):
            self._open(None)
        self.used = True
        self.prestates = []
        if finding is not None and self.scope is not None and self.scope.silent:
            self.some_dropped = True
            spoken_of = Draft(finding.name, _PRESENT, item.first, item.last, index, dropped=True)
            self.drafts.append(spoken_of)
            self.last = None
        elif finding is not None:
            last = self.drafts[-1] if self.drafts else None
            if last is not None and last.last + 1 == item.first and last.finding == finding.name:
                last.last = item.last  # "mass lesion" is one finding
                return
            polarity = _PRESENT
            if self.scope is not None:
                polarity = _ABSENT if self.scope.denies else _UNCERTAIN
            modifiers = [*self.qualifiers, item]
            draft = Draft(finding.name, polarity, item.first, item.last, index, modifiers)
            self.drafts.append(draft)
            self.last = draft
            chooses = self.link is VERSUS or (self.link is OR and not self.unchanged)
            if chooses and polarity is _PRESENT:
                for other in choice_before(self, self.vocabulary, self.drafts):
                    if other.polarity is _PRESENT:
                        other.polarity = _UNCERTAIN
        else:
            self.last = None
        self.qualifiers = []
        self.link = None

    def _says_its_own(self, index: int, item: Item) -> bool:
        """Whether a finding behind a denied one begins a clause that says something of itself.

        "No pneumothorax, effusion is unchanged"; "..., ET tube in place"; "no A or B, C is present".
        """
        link = self.link
        if link is not COMMA and link is not AND:
            return False
        own = self.predicate_follows(index) or (
            link is COMMA and stands_alone(self, self.opener, self.drafts, index)
        )
        if not own and item.last > item.first:
            own = self.tokens[item.last] in self.grammar.predicates
        if not own and link is COMMA:
            own = self.is_stated_bare(index)
        if not own and link is COMMA:
            own = self.chosen or is_device_behind_disease(self, self.vocabulary, self.drafts, index)
        sided = own or is_sided_anew(self, self.opener, self.drafts, (item, *self.qualifiers))
        return sided and not self.or_follows(index)

    # Structures and states

    def _adjective(self, index: int, item: Item) -> None:
        """Read "cardiac" in "cardiac and mediastinal contours", not in "cardiac device"."""
        after = self.items[index + 1 : index + 2]
        if not after or after[0].first > item.last + 1:
            return
        heads = index == 0 and item.first == 0  # "Cardiac: enlarged"
        if after[0].kind in LINKS or (heads and after[0].kind in (STATE, VERB)):
            self._structure(index, item)

    def _structure(self, index: int, item: Item) -> None:
        if self.is_place(index, item, self.last is not None) or self.names_next(index, item):
            self.qualifiers.append(item)
            return
        said_ahead = self.state_ahead(index, bool(self.subject.structures))
        stated = said_ahead or bool(self.prestates)
        if self.used and stated and self.link is not OR:
            self._open(None)
        if self.prestates:
            self._finish_subject()
            self.subject.states += self.prestates
            self.subject.given_before = True
            self.prestates = []
        elif self.subject.states and (
            not self.subject.given_before or said_ahead or self.link is None
        ):
            self._finish_subject()
            self._open(None)
        self.subject.structures.append(item)
        self.qualifiers.append(item)
        self.link = None
        self.after_verb = False
        measured = measured_state(item, self.tokens)
        if measured is not None:
            said = Item(Entry(STATE, measured, False), item.last, item.last)
            self.subject.states.append((said, None))

    def _state(self, index: int, item: Item) -> None:
        if item.assertive and self._starts_anew(index):
            self._open(None)
        if item.severity is not None or item.place is not None:
            self.qualifiers.append(item)
        ended = self.used and (self.link in (COMMA, AND) or self.closed)
        scope = None if ended else self.scope
        if self.qualifies_next(index, bool(self.subject.structures)):
            self.prestates.append((item, scope))
            return
        if self.after_verb and item.data == "normal" and self._says_normal(item):
            # "pulmonary vascular engorgement appears within normal limits"
            for draft in list_before(self, self.drafts):
                device = self.vocabulary.is_device(self.vocabulary.findings[draft.finding])
                if draft.item > self.boundary and not (device or self._names_behind(draft)):
                    draft.polarity = _ABSENT
        if not self.subject.structures:
            self.prestates.append((item, scope))
        elif self.subject.is_behind(self.drafts):
            return
        else:
            self.used = self.used or scope is DENIED
            self.subject.states.append((item, scope))
            self.subject.modifiers += [q for q in self.qualifiers if q.kind is not STRUCTURE]
            self.qualifiers = []

    def _names_behind(self, draft: Draft) -> bool:
        """Whether what is normal is another thing than a finding: "apart from edema the chest is normal"."""
        opened = self.items[self.boundary] if self.boundary >= 0 else None
        if opened is not None and self.tokens[opened.first] in EXCEPTING:
            return True
        return any(structure.first > draft.last for structure in self.subject.structures[:1])

    def _says_normal(self, item: Item) -> bool:
        return "normal" in self.tokens[item.first : item.last + 1]

    def _finish_subject(self) -> None:
        """Turn the structures and the states said of them into statements."""
        subject = self.subject
        if subject.structures or subject.states:
            self.subject = Subject()
        if not subject.states:
            return
        # bounded, or a text of thousands of structures and states would take for ever
        del subject.states[:-LONGEST_LIST], subject.modifiers[LONGEST_LIST:]
        for structure in subject.structures:
            self.states += state_structure(structure, subject, self.tokens)


# What each kind of phrase does; kinds without an entry (neutral ones) do nothing.
_STEPS: Final[dict[Kind, Callable[[SentenceReader, int, Item], None]]] = {
    Kind.FINDING: SentenceReader._finding,
    Kind.STRUCTURE: SentenceReader._structure,
    Kind.ADJECTIVE: SentenceReader._adjective,
    Kind.STATE: SentenceReader._state,
    Kind.SEVERITY: SentenceReader._qualifier,
    Kind.PLACE: SentenceReader._qualifier,
    Kind.ASSERTIVE: SentenceReader._qualifier,
    Kind.DENY_NEXT: SentenceReader._cue,
    Kind.HEDGE_NEXT: SentenceReader._cue,
    Kind.NOT_STATED_NEXT: SentenceReader._cue,
    Kind.DENY_EITHER: SentenceReader._cue_either,
    Kind.HEDGE_EITHER: SentenceReader._cue_either,
    Kind.DENY_PREVIOUS: SentenceReader._cue_back,
    Kind.HEDGE_PREVIOUS: SentenceReader._cue_back,
    Kind.NOT_STATED_PREVIOUS: SentenceReader._cue_back,
    Kind.NEW_STATEMENT: SentenceReader._boundary,
    Kind.NEUTRAL: SentenceReader._neutral,
    Kind.NOT_STATED_SENTENCE: SentenceReader._whole_sentence,
    Kind.VERB: SentenceReader._verb,
    Kind.COMMA: SentenceReader._connector,
    Kind.AND: SentenceReader._connector,
    Kind.OR: SentenceReader._connector,
    Kind.VERSUS: SentenceReader._connector,
    Kind.WITH: SentenceReader._connector,
}
