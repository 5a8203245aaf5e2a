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

from orapo.errors import MissingExtraError, OrapoError, RunFailedError
from orapo.facts.engine import RulesEngine
from orapo.facts.fact import Details, Fact, Polarity, ReportFacts, Sentence
from orapo.facts.labelling import merge_labels
from orapo.facts.language.schema import VALUE_OF
from orapo.facts.llm import prompt
from orapo.facts.llm.cache import VerdictCache
from orapo.facts.llm.checks import checked
from orapo.facts.llm.connection import (
    Completion,
    UnreadableAnswerError,
    client_of,
    completion,
)
from orapo.facts.llm.settings import JudgeSettings
from orapo.facts.llm.spending import CostLimitError, Spending
from orapo.labels import CHEXPERT, NEGATIVE, LabelSet, LabelValue
from orapo.writing import json_text

if TYPE_CHECKING:
    pass

GIVE_UP_AFTER: Final = 20
"""If so many reports in a row get no answer at all, the judge is not there."""
REFUSALS: Final = 3
"""So many 403 or 404 in a row mean that the model is refused, and not one report."""
AHEAD: Final = 4
"""Reports under way for each call that may run, so that one slow call does not stop the rest."""


@dataclass(frozen=True)
class JudgeFailure:
    """A report that the judge failed on: its reward is unknown, not 0.

    Attributes:
        reason: Why, in a few words, without anything of the report.
    """

    reason: str


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
        self._sentences = RulesEngine().sentences
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
        self.client = client_of(engine.settings)
        self.slots = asyncio.Semaphore(engine.settings.concurrency)
        self.under_way: dict[str, asyncio.Future[str | JudgeFailure]] = {}
        self.loop = asyncio.get_running_loop()
        engine.spending.begin_run()
        self.answered = False
        self.unanswered = 0  # reports in a row
        self.refused = 0

    async def close(self) -> None:
        await self.client.close()

    async def judge(self, text: str) -> ReportFacts | JudgeFailure:
        """Judge one report; equal ones are asked once."""
        spans = self.engine._sentences(text)
        if not spans:
            return _report(text, spans, [], self.engine.label_set)
        chat = prompt.messages([text[s.start : s.end] for s in spans], self.engine.label_set)
        key = self._key(chat)
        if (known := self._kept(key, text, spans)) is not None:
            return known
        verdict: str | JudgeFailure | None = None
        if key in self.under_way:
            verdict = await self.under_way[key]
        if verdict is None:
            waiting = self.under_way[key] = self.loop.create_future()
            try:
                async with self.slots:
                    verdict = await self._asked(text, chat, spans)
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
        return hashlib.sha256(json_text(asked).encode()).hexdigest()

    def _kept(self, key: str, text: str, spans: list[Sentence]) -> ReportFacts | None:
        kept = self.engine._cache.get(key)
        if kept is None:
            return None
        try:
            known = _report(text, spans, json.loads(kept), self.engine.label_set)
        except (ValueError, TypeError, LookupError, RecursionError):
            return None  # a broken line of the file is asked for again
        self.engine.spending.cached += 1
        return known

    async def _asked(
        self, text: str, chat: list[dict[str, str]], spans: list[Sentence]
    ) -> str | JudgeFailure:
        """Ask until the answer is readable or the attempts are used up."""
        import openai

        left = self.settings.retries
        while True:
            try:
                answer, retried = await self._call(chat, left)
                self.answered, self.unanswered, self.refused = True, 0, 0
                left -= retried + 1
                if isinstance(answer, UnreadableAnswerError):
                    raise answer
                return json_text(checked(answer, text, spans, self.engine.label_set))
            except CostLimitError:
                return JudgeFailure("not asked: the cost limit is reached")
            except UnreadableAnswerError as error:
                if left < 0 or error.final:
                    return JudgeFailure(str(error))
            except openai.APITimeoutError:
                return self._no_answer(f"no answer within {self.settings.timeout:g} s")
            except openai.APIConnectionError:
                return self._no_answer("no connection")
            except openai.APIStatusError as error:
                return self._no_answer(f"HTTP {error.status_code}", error.status_code)
            except (openai.OpenAIError, ValueError) as error:
                left -= 1  # an answer that the client itself can't read
                if left < 0:
                    return JudgeFailure(type(error).__name__)

    def _no_answer(self, reason: str, status: int = 0) -> JudgeFailure:
        """Count a report that got no answer.

        Raises:
            OrapoError: The key or the model is refused, or the judge has never answered.
            RunFailedError: The judge has stopped to answer.
        """
        self.unanswered += 1
        self.refused = self.refused + 1 if status in (403, 404) else 0
        refused = status == 401 or self.refused >= REFUSALS
        if refused or self.unanswered >= GIVE_UP_AFTER:
            what = f"{self.settings.base_url}: the judge {self.settings.model!r} answers nothing"
            kind = RunFailedError if self.answered else OrapoError
            raise kind(f"{what} ({reason})")
        return JudgeFailure(reason)

    async def _call(
        self, chat: list[dict[str, str]], retries: int
    ) -> tuple[str | UnreadableAnswerError, int]:
        """Call the judge; the client itself tries again after failures in transport.

        Returns:
            The answer or why it can't be used, and how often the client tried again.
        """
        settings, spending = self.settings, self.engine.spending
        extra: dict[str, Any] = {}
        if settings.structured:
            extra["response_format"] = prompt.response_format(self.engine.label_set)
        client = self.client.with_options(max_retries=max(0, retries))
        # Two bytes a token is more than any tokenizer makes of English.
        most = sum(len(message["content"].encode()) for message in chat) // 2
        async with spending.reserved(most, settings.max_tokens):
            raw = await client.chat.completions.with_raw_response.create(
                model=settings.model,
                messages=cast(Any, chat),
                temperature=0,
                max_completion_tokens=settings.max_tokens,
                **extra,
            )
            answer: Completion | UnreadableAnswerError
            try:
                answer = completion(raw.http_response)
            except UnreadableAnswerError as error:
                answer = error
            usage = None if isinstance(answer, UnreadableAnswerError) else answer.usage
            if usage is not None:
                spending.add(usage.prompt_tokens, usage.completion_tokens)
            else:  # it does not say: under a limit, the most that it can have been
                limited = spending.limit is not None
                spending.add(most * limited, settings.max_tokens * limited)
        return _content(answer, settings.max_tokens), raw.retries_taken


def _content(answer: Completion | UnreadableAnswerError, most: int) -> str | UnreadableAnswerError:
    if isinstance(answer, UnreadableAnswerError):
        return answer
    choice = answer.choices[0] if answer.choices else None
    if choice is not None and choice.finish_reason == "length":
        # at temperature 0 it would be as long again, and be paid for again
        return UnreadableAnswerError(f"answer longer than {most} tokens", final=True)
    return "" if choice is None or choice.message is None else choice.message.content or ""


def _report(
    text: str, spans: list[Sentence], judged: list[dict[str, Any]], label_set: LabelSet
) -> ReportFacts:
    sentences = tuple(Sentence(text[s.start : s.end], s.start, s.end) for s in spans)
    facts = []
    for item in sorted(judged, key=lambda item: (item["sentence"], item["start"])):
        polarity = Polarity(item["polarity"])
        values: dict[str, LabelValue] = dict.fromkeys(item["labels"], VALUE_OF[polarity])
        abnormal = item["abnormal"] and polarity is not Polarity.ABSENT
        if not values and abnormal and label_set.no_finding is not None:
            values[label_set.no_finding] = NEGATIVE
        facts.append(
            Fact(
                finding=item["finding"],
                polarity=polarity,
                labels=values,
                start=item["start"],
                end=item["end"],
                sentence=item["sentence"],
                location=item["location"],
                laterality=item["laterality"],
                severity=item["severity"],
            )
        )
    labels, evidence = merge_labels(facts, label_set, {})
    details = Details(sentences, tuple(facts), evidence)
    denied = frozenset(
        name
        for fact in facts
        for name, value in fact.labels.items()
        if value == NEGATIVE and name != label_set.no_finding
    )
    return ReportFacts(text, labels, label_set, bool(facts), denied, details)
