"""What the API takes and gives, as its OpenAPI description shows it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from orapo.export.draft import Source
from orapo.export.formats import Format
from orapo.facts import Polarity, Verdict
from orapo.generation.reports import Selection
from orapo.labels import DEFAULT_UNCERTAIN, LABELS, UncertainPolicy
from orapo.preferences.records import Choice

Span = tuple[int, int]
"""First character and one past the last, in Unicode code points of the report."""


def _encodable(text: str) -> str:
    """Refuse halves of characters (lone surrogates), which JSON can hold and UTF-8 can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds half a character (a lone surrogate)") from None
    return text


Text = Annotated[str, AfterValidator(_encodable)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", max_length=64)]


def _no_truth(value: Any) -> Any:
    """Refuse true and false, which Python takes for numbers."""
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


class Sentence(BaseModel):
    """A sentence of a report."""

    text: str
    span: Span


class Fact(BaseModel):
    """One clinical statement of one sentence."""

    finding: str = Field(examples=["pleural effusion"])
    polarity: Polarity
    location: str | None = None
    laterality: str | None = None
    severity: str | None = None
    span: Span
    text: str = Field(description="The words that it was read from.")
    sentence: int = Field(description="Which sentence, from 0.")
    labels: dict[str, Literal[1, 0, -1]] = Field(description="The labels that it bears on.")


class Label(BaseModel):
    """One of the 14 labels: 1 positive, 0 denied, -1 uncertain, null not mentioned."""

    value: Literal[1, 0, -1] | None
    evidence: list[int] = Field(description="Which facts it was read from, from 0.")


class FieldAnswer(BaseModel):
    """A field of a template and its answer."""

    field: str = Field(examples=["Pneumothorax"])
    answer: str = Field(description="As it stands there; empty if none does.", examples=["No"])


class FactsAnswer(BaseModel):
    """What FactS reads from a report."""

    english: bool = Field(description="Nothing is read of a report in another language.")
    sentences: list[Sentence]
    facts: list[Fact]
    labels: dict[str, Label]
    fields: list[FieldAnswer] = Field(description="What was read as a template's.")


class FactsRequest(BaseModel):
    """A report to read."""

    model_config = ConfigDict(extra="forbid")

    text: Text = Field(examples=["Small left pleural effusion. No pneumothorax."])


class ScoreRequest(BaseModel):
    """A report and what it is compared with: a reference's text, or labels."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "oneOf": [
                {
                    "required": [given],
                    "properties": {given: {"type": kind}, other: {"type": "null"}},
                }
                for given, kind, other in (
                    ("reference", "string", "labels"),
                    ("labels", "object", "reference"),
                )
            ]
        },
    )

    report: Text
    reference: Text | None = None
    labels: dict[str, Literal[1, 0, -1] | None] | None = Field(
        default=None, json_schema_extra={"propertyNames": {"enum": list(LABELS)}}
    )
    # its square must not vanish: 5e-324 divides by zero
    facts_beta: float = Field(default=1.0, strict=True, ge=0.001, le=1000, allow_inf_nan=False)
    uncertain: UncertainPolicy = DEFAULT_UNCERTAIN


class SentenceScore(BaseModel):
    """What the reference says of one sentence."""

    span: Span
    verdict: Verdict


class Score(BaseModel):
    """FactS of a report, and why."""

    reward: float
    precision: float
    recall: float
    tp: int
    fp: int
    fn: int
    contradictions: int
    readable: bool = Field(description="Whether any fact could be read from the report.")
    entailed: list[str]
    false_alarms: list[str]
    contradicted: list[str]
    missed: list[str]
    sentences: list[SentenceScore]


class MarkedFact(BaseModel):
    """One finding, and what became of it."""

    verdict: Literal["right", "partly right", "false", "missed", "contradicted"]
    sign: str = Field(description="Of the verdict.", examples=["✓"])
    finding: str
    words: str = Field(description="What is wrong.", examples=["wrong location: right for left"])
    quote: str = Field(description="Its sentence; the reference's for what is missed.")
    quotes: list[str] = Field(description="All sentences that mention it, `quote` first.")


class VerdictCount(BaseModel):
    """How many findings have a verdict."""

    verdict: Literal["right", "partly right", "false", "missed", "contradicted"]
    sign: str
    count: int


class Graded(BaseModel):
    """The graded score, and each fact marked as it counts it."""

    score: float = Field(description="From -1 to 1.")
    counts: list[VerdictCount]
    marks: list[MarkedFact]


class ScoreAnswer(BaseModel):
    """The score; null with a reason where there is nothing to score."""

    score: Score | None
    reason: str = ""
    graded: Graded | None = Field(
        default=None, description="Null where a text can't be read or there is no reference text."
    )
    labels: dict[str, Literal[1, 0, -1] | None] = Field(description="Those of the reference.")


class ExportRequest(BaseModel):
    """A report to write into a file."""

    model_config = ConfigDict(extra="forbid")

    report: Text
    format: Format
    study_id: Text = Field(default="report", min_length=1, max_length=200)
    source: Source | None = Field(
        default=None,
        description="The text is this server's model's, the same edited, or no model's; unsaid, the file calls it a "
        "model's, and names none.",
    )
    films: list[Digest] = Field(
        default=[], max_length=64, description="SHA-256 of the films' files; goes into JSON."
    )


class WrittenSample(BaseModel):
    """One of the sampled reports."""

    report: str
    log_likelihood: float | None
    cut: bool


class ReportAnswer(BaseModel):
    """A draft report, what was read from it, and all that it comes from."""

    study_id: str = Field(description="Made of the films' content; it seeds the sampling.")
    report: str
    facts: FactsAnswer
    votes: dict[str, int] = Field(description="How many samples claim each label, surely or not.")
    samples: list[WrittenSample]
    chosen: int = Field(description="Which sample the report is, from 0.")
    cut: bool = Field(description="Whether a limit of length or time ended it.")
    invented_comparisons: list[str] = Field(
        description="Words that compare with an earlier film, which the model never saw."
    )
    earlier: str = Field(description="What it was given of the study before: report, film, both.")
    films_shown: list[int] = Field(description="Which uploads the model was shown, from 0.")
    prompt: str
    model: str
    revision: str
    decoding: dict[str, Any]
    notice: str


class ReportSettings(BaseModel):
    """How a report is written."""

    model_config = ConfigDict(extra="forbid")

    samples: int = Field(default=1, ge=1, description="Reports to sample; 1 is greedy decoding.")
    # what every reader of JSON holds exactly
    seed: int = Field(default=0, ge=0, le=2**53 - 1)
    select: Selection = Selection.CONSENSUS
    previous_report: Text = Field(
        default="", max_length=20_000, description="Of the same patient's study before."
    )


class ReportForm(ReportSettings):
    """The form that films are uploaded with."""

    images: list[bytes] = Field(
        min_length=1,
        description="PNG, JPEG, TIFF, BMP, WEBP or DICOM; several are views of one study.",
        json_schema_extra={"items": {"type": "string", "format": "binary"}},
    )
    previous_image: bytes = Field(
        default=b"",
        description="A film of the same patient's study before.",
        json_schema_extra={"format": "binary"},
    )


class FilmForm(BaseModel):
    """One film."""

    model_config = ConfigDict(extra="forbid")

    image: bytes = Field(json_schema_extra={"format": "binary"})


RaterName = Annotated[
    str,  # before the pattern, which is lost from the description behind a validator
    Field(
        description="Who judges: a name or a number, without spaces around it.",
        pattern=r"^\S([^\r\n]{0,98}\S)?$",
        examples=["reader 1"],
    ),
    AfterValidator(_encodable),
]
Seconds = Annotated[float, Field(strict=True, ge=0, le=10**6, allow_inf_nan=False)]
PairName = Annotated[Text, Field(description="As the sheet names it.", max_length=1000)]


class Rater(BaseModel):
    """Who judges."""

    model_config = ConfigDict(extra="forbid")

    rater: RaterName


StudyName = Annotated[
    Text,
    Field(description="Made of its StudyInstanceUID or films.", min_length=1, max_length=200),
]


class OpenedStudy(BaseModel):
    """A reader opens a study."""

    model_config = ConfigDict(extra="forbid")

    rater: RaterName
    study: StudyName


class KeepText(BaseModel):
    """A reader's text of a study, to be kept."""

    model_config = ConfigDict(extra="forbid")

    rater: RaterName
    study: StudyName
    name: Text = Field(default="", max_length=200)
    state: Text = Field(max_length=40, examples=["edited"])
    report: Text
    draft: Text | None = Field(default=None, description="The model's, if there is one.")
    films: list[Digest] = Field(default=[], max_length=64)
    page: Text = Field(description="What the page needs to go on with it.", max_length=500_000)


class OtherReader(BaseModel):
    """Somebody else who is or was at a study."""

    reader: str
    here: bool = Field(description="Whether they are at it now.")
    at: str | None = Field(description="When they kept a text last, UTC; null if none.")
    state: str
    report: str


class SharedStudy(BaseModel):
    """A study of the store."""

    study: str
    mine: str | None = Field(description="What this reader's page kept last.")
    theirs: str | None = Field(description="Another's, where this reader has none.")
    readers: list[str] = Field(description="Who has kept a text of it.")


class PairFilm(BaseModel):
    """A film of a pair."""

    model_config = ConfigDict(extra="forbid")

    pair: PairName
    film: Annotated[int, BeforeValidator(_no_truth)] = Field(
        ge=0, lt=1000, description="Which one, from 0."
    )


class GivenJudgement(BaseModel):
    """What a rater says of a pair."""

    model_config = ConfigDict(extra="forbid")

    pair: PairName
    rater: RaterName
    choice: Choice = Field(description="Which report is better.")
    reason: Text = Field(default="", max_length=5000)
    seconds: Seconds = Field(description="For which the pair was visible.")


class ShownPair(BaseModel):
    """Two reports of one study; who wrote which is not known here."""

    pair: str
    place: int = Field(description="In the sheet, from 1.")
    left: str
    right: str
    films: int = Field(description="How many films of the study there are.")


class JudgedPair(BaseModel):
    """A pair and what the rater said of it."""

    shown: ShownPair
    choice: Choice
    reason: str


class JudgingState(BaseModel):
    """How far a rater is."""

    pairs: int
    judged: int
    next: ShownPair | None = Field(description="Null when all are judged.")
    last: JudgedPair | None = Field(description="Judged last; null when none is.")


class EditedDraft(BaseModel):
    """What became of a draft."""

    model_config = ConfigDict(extra="forbid")

    log: str = Field(
        pattern=r"^[0-9a-f]{32}$", max_length=32, description="A random name of this draft."
    )
    study: Text = Field(default="", max_length=200, description="Empty: a random one.")
    draft: Text
    final: Text
    seconds: Seconds = Field(description="For which the page was visible.")
    age: Seconds = Field(description="Seconds since the draft was shown.")
    edits: list[Seconds] = Field(
        max_length=20_000, description="When it was edited, in seconds since it was shown."
    )


class StreamEvent(BaseModel):
    """One event of a report that is being written."""

    event: Literal["waiting", "started", "text", "report", "fault"]
    data: str = Field(description="JSON: a number, null, a text, a ReportAnswer, or a Fault.")


class About(BaseModel):
    """What this server can do."""

    version: str
    model: str | None = Field(description="The model's name; null where there is none.")
    revision: str
    formats: list[Format] = Field(description="What it can export.")
    dicom: bool = Field(description="Whether it can read DICOM files.")
    labels: list[str]
    films: int = Field(description="Most films of a study.")
    samples: int = Field(description="Most samples of a study.")
    characters: int = Field(description="Most characters of a text.")
    upload_bytes: int
    judging: bool = Field(description="Whether pairs are judged here, at /judge.")
    logs_edits: bool = Field(description="Whether edits of drafts are logged.")
    earlier: list[Literal["report", "film"]] = Field(
        description="What of the study before the model was trained with."
    )
    store: bool = Field(description="Whether the worklist is kept here, for several readers.")
    notice: str


class Health(BaseModel):
    """That it answers."""

    status: Literal["ok"] = "ok"
    model: bool = Field(description="Whether it has a model.")
    waiting: int = Field(description="Studies that are written or wait.")


class Fault(BaseModel):
    """Why there is no answer, in a sentence."""

    detail: str
