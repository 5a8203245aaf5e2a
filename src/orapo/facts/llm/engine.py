"""The llm engine: report -> facts -> labels by a language model as judge.

A failed judge is not a zero: a report that could not be judged is a `JudgeFailure`, and None for
those that ask through `LlmEngine.read_many`.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import ValidationError

from orapo.errors import MissingExtraError, OrapoError
from orapo.facts.compiler import load_vocabulary
from orapo.facts.fact import Details, Fact, Polarity, ReportFacts, Sentence
from orapo.facts.labelling import merge_labels
from orapo.facts.llm import prompt
from orapo.facts.llm.cache import VerdictCache
from orapo.facts.llm.settings import JudgeSettings
from orapo.facts.llm.spending import CostLimitError, Spending
from orapo.facts.schema import VALUE_OF
from orapo.facts.sentences import Span, reported_sentences
from orapo.labels import CHEXPERT, NEGATIVE, LabelSet, LabelValue

if TYPE_CHECKING:
    from openai import AsyncOpenAI

GIVE_UP_AFTER: Final = 20
"""If none of this many first reports is answered, the judge is not there."""
AHEAD: Final = 4
"""Reports under way for each call that may run, so that one slow call does not stop the rest."""


@dataclass(frozen=True)
class JudgeFailure:
    """A report that the judge failed on: its reward is unknown, not 0.

    Attributes:
        reason: Why, in a few words, without anything of the report.
    """

    reason: str


class _UnreadableAnswerError(Exception):
    """The judge's answer does not hold what was asked for."""


class LlmEngine:
    """FactS with a language model as judge.

    Args:
        settings: Which model, where, and how.
        label_set: The labels to judge.

    Attributes:
        spending: Calls, tokens and cost so far.
        failed: Reports that it failed on so far.

    Raises:
        MissingExtraError: The ``openai`` client is not installed.
        OrapoError: The cache can't be opened.
    """

    def __init__(self, settings: JudgeSettings, label_set: LabelSet = CHEXPERT) -> None:
        try:
            import openai  # noqa: F401 (asked for before work begins)
        except ModuleNotFoundError as error:
            raise MissingExtraError("the engine llm", "llm") from error
        self.settings = settings
        self._label_set = label_set
        vocabulary = load_vocabulary()
        self._sections = vocabulary.skipped_sections, vocabulary.read_sections
        self._cache = VerdictCache(settings.cache)
        self.spending = Spending(settings.prices, settings.max_cost)
        self.failed = 0

    @property
    def label_set(self) -> LabelSet:
        """The labels that it reads reports for."""
        return self._label_set

    def read_many(self, texts: Iterable[str]) -> Iterator[ReportFacts | None]:
        """Yield what each report says, in order; None where the judge failed."""
        for verdict in self.judge_many(texts):
            yield None if isinstance(verdict, JudgeFailure) else verdict

    def judge_many(self, texts: Iterable[str]) -> Iterator[ReportFacts | JudgeFailure]:
        """Judge reports, several at a time.

        Args:
            texts: The reports; taken as they are needed, so there may be any number of them.

        Yields:
            What each says, in order, or why that is not known.

        Raises:
            OrapoError: The judge is not there, or refuses the key or the model.
        """
        # openai's calls need an event loop; in a thread of its own it works in notebooks too
        from anyio.from_thread import start_blocking_portal

        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal("asyncio"))
            run = portal.call(_Run, self)
            stack.callback(portal.call, run.close)
            ahead = AHEAD * self.settings.concurrency
            pending: deque[Future[ReportFacts | JudgeFailure]] = deque()
            try:
                for text in texts:
                    pending.append(portal.start_task_soon(run.judge, text))
                    if len(pending) >= ahead:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()


class _Run:
    """The calls of one `LlmEngine.judge_many`; lives in the thread of its event loop."""

    def __init__(self, engine: LlmEngine) -> None:
        import asyncio

        self.engine = engine
        self.settings = engine.settings
        self.client = _client(engine.settings)
        self.slots = asyncio.Semaphore(engine.settings.concurrency)
        self.under_way: dict[str, asyncio.Future[str | JudgeFailure]] = {}
        self.loop = asyncio.get_running_loop()
        self.answered = False
        self.unanswered = 0

    async def close(self) -> None:
        await self.client.close()

    async def judge(self, text: str) -> ReportFacts | JudgeFailure:
        """Judge one report; equal ones are asked once."""
        spans = list(reported_sentences(text, *self.engine._sections))
        if not spans:
            return _report(text, spans, [], self.engine.label_set)
        chat = prompt.messages([text[s.start : s.end] for s in spans], self.engine.label_set)
        key = self._key(chat)
        verdict: str | JudgeFailure | None = self._kept(key)
        if verdict is None and key in self.under_way:
            verdict = await self.under_way[key]
        if verdict is None:
            waiting = self.under_way[key] = self.loop.create_future()
            try:
                async with self.slots:
                    verdict = await self._asked(chat, spans)
                if isinstance(verdict, str):
                    self.engine._cache.put(key, verdict)
                waiting.set_result(verdict)
            finally:
                waiting.cancel()  # if the call itself ended in an error; else nothing happens
                del self.under_way[key]
        if isinstance(verdict, JudgeFailure):
            self.engine.failed += 1
            return verdict
        return _report(text, spans, json.loads(verdict), self.engine.label_set)

    def _key(self, chat: list[dict[str, str]]) -> str:
        asked = [
            prompt.PROMPT_VERSION,
            self.settings.base_url,
            self.settings.model,
            self.engine.label_set.labels,
            [message["content"] for message in chat],
        ]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    def _kept(self, key: str) -> str | None:
        kept = self.engine._cache.get(key)
        self.engine.spending.cached += kept is not None
        return kept

    async def _asked(self, chat: list[dict[str, str]], spans: list[Span]) -> str | JudgeFailure:
        """Ask until the answer is readable or the attempts are used up."""
        import openai

        reason = ""
        for _ in range(self.settings.retries + 1):
            try:
                answer = await self._call(chat)
                facts = _checked(answer, spans, self.engine.label_set)
            except CostLimitError:
                return JudgeFailure("not asked: the cost limit is reached")
            except _UnreadableAnswerError as error:
                self.answered = True
                reason = str(error)
                continue
            except openai.APITimeoutError:
                return self._no_answer(f"no answer within {self.settings.timeout:g} s")
            except openai.APIConnectionError:
                return self._no_answer("no connection")
            except openai.APIStatusError as error:
                # 401, 403, 404: neither this report nor any other can be judged
                fatal = error.status_code in (401, 403, 404)
                return self._no_answer(f"HTTP {error.status_code}", fatal)
            except (openai.OpenAIError, ValueError) as error:
                reason = type(error).__name__  # an answer that the client itself can't read
                continue
            self.answered = True
            return json.dumps(facts)
        return JudgeFailure(reason)

    def _no_answer(self, reason: str, fatal: bool = False) -> JudgeFailure:
        self.unanswered += 1
        if not self.answered and (fatal or self.unanswered >= GIVE_UP_AFTER):
            raise OrapoError(
                f"{self.settings.base_url}: the judge {self.settings.model!r} answers nothing "
                f"({reason})"
            )
        return JudgeFailure(reason)

    async def _call(self, chat: list[dict[str, str]]) -> str:
        settings, spending = self.settings, self.engine.spending
        extra: dict[str, Any] = {}
        if settings.structured:
            extra["response_format"] = prompt.response_format(self.engine.label_set)
        # Two bytes a token is more than any tokenizer makes of English.
        most = sum(len(message["content"].encode()) for message in chat) // 2
        async with spending.reserved(most, settings.max_tokens):
            answer = await self.client.chat.completions.create(
                model=settings.model,
                messages=cast(Any, chat),
                temperature=0,
                max_completion_tokens=settings.max_tokens,
                **extra,
            )
            usage = getattr(answer, "usage", None)
            spending.add(
                getattr(usage, "prompt_tokens", None) or 0,
                getattr(usage, "completion_tokens", None) or 0,
            )
        choices = getattr(answer, "choices", None)
        if not choices or choices[0].message is None or not choices[0].message.content:
            raise _UnreadableAnswerError("empty answer")
        if choices[0].finish_reason == "length":
            raise _UnreadableAnswerError(f"answer longer than {settings.max_tokens} tokens")
        return str(choices[0].message.content)


def _client(settings: JudgeSettings) -> AsyncOpenAI:
    import os

    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    key = settings.api_key or os.environ.get("OPENAI_API_KEY") or ("none" * settings.is_local)
    if not key:
        raise OrapoError(f"{settings.base_url}: needs a key; set OPENAI_API_KEY")
    return AsyncOpenAI(
        api_key=key,
        base_url=settings.base_url,
        timeout=settings.timeout,
        # The client waits longer after each failure, or as long as Retry-After says (up to two minutes).
        max_retries=settings.retries,
        # Neither a redirection nor a proxy of the environment may carry a report elsewhere.
        http_client=DefaultAsyncHttpxClient(
            follow_redirects=False, trust_env=not settings.is_local, timeout=settings.timeout
        ),
    )


def _checked(answer: str, spans: list[Span], label_set: LabelSet) -> list[dict[str, Any]]:
    """Read an answer and hold it against the schema and the report.

    Returns:
        Its facts with their sentence's number, as plain values.

    Raises:
        _UnreadableAnswerError: It is no JSON, breaks the schema or names a sentence that is not
            there.
    """
    try:
        facts = prompt.answer_model(label_set).model_validate_json(answer).facts
    except ValidationError as error:
        broken = error.errors()[0]["type"] == "json_invalid"
        raise _UnreadableAnswerError("no JSON" if broken else "JSON of another shape") from None
    if any(not 0 <= fact.sentence < len(spans) for fact in facts):
        raise _UnreadableAnswerError("a sentence that the report does not have")
    return [fact.model_dump(mode="json") for fact in facts]


def _report(
    text: str, spans: list[Span], judged: list[dict[str, Any]], label_set: LabelSet
) -> ReportFacts:
    sentences = tuple(Sentence(text[s.start : s.end], s.start, s.end) for s in spans)
    facts = []
    for item in sorted(judged, key=lambda item: item["sentence"]):
        sentence = sentences[item["sentence"]]
        polarity = Polarity(item["polarity"])
        values: dict[str, LabelValue] = dict.fromkeys(item["labels"], VALUE_OF[polarity])
        abnormal = item["abnormal"] and polarity is not Polarity.ABSENT
        if not values and abnormal and label_set.no_finding is not None:
            values[label_set.no_finding] = NEGATIVE
        # what is not there word for word is read from the whole sentence
        at = sentence.text.lower().find(item["quote"].lower()) if item["quote"] else -1
        exact = at >= 0 and len(sentence.text) == len(sentence.text.lower())
        start = sentence.start + at if exact else sentence.start
        end = start + len(item["quote"]) if exact else sentence.end
        facts.append(
            Fact(
                finding=item["finding"],
                polarity=polarity,
                labels=values,
                start=start,
                end=end,
                sentence=item["sentence"],
                location=item["location"],
                laterality=item["laterality"],
                severity=item["severity"],
            )
        )
    labels, evidence = merge_labels(facts, label_set, {})
    details = Details(sentences, tuple(facts), evidence)
    return ReportFacts(text, labels, label_set, bool(facts), details)
