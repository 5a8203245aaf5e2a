"""The two answers of a preference pair: the radiologist's report (chosen), a rollout (rejected).

What is here decides which tokens and which rewards are compared; the log-probabilities of both are
the trainer's business.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import ProcessorMixin
from trl import apply_chat_template, is_conversational, prepare_multimodal_messages

from orapo.errors import OrapoError
from orapo.models.placeholders import no_words
from orapo.training import trl_contract


class ChosenAnswers:
    """Turns the radiologist's reports into token ids, ended as the chat template would end them.

    Args:
        processing_class: Processor or tokenizer with the chat template.
        tokenizer: Its tokenizer.
        end_tokens: Tokens that end an answer.
        template_options: Further arguments of the chat template.
    """

    def __init__(
        self,
        processing_class: Any,
        tokenizer: Any,
        end_tokens: Collection[int],
        template_options: Mapping[str, Any],
    ) -> None:
        self._processing_class = processing_class
        self._tokenizer = tokenizer
        self._end_tokens = frozenset(end_tokens)
        self._template_options = dict(template_options)
        self._checked = False

    def check(self, prompt: Any, texts: Iterable[str]) -> None:
        """Check that tokens say what texts say, and end as a rollout can.

        Args:
            prompt: One of the data set's; says whether the data is conversational.
            texts: Each to be learned.

        Raises:
            OrapoError: They don't.
        """
        for text in dict.fromkeys(texts):
            self._check(self._encode(prompt, text), text)

    def tokens(self, prompts: Sequence[Any], reports: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each report, the end token last.

        Args:
            prompts: One for each report; says whether the data is conversational.
            reports: Texts; those that stand several times (once a rollout) are encoded once.

        Raises:
            OrapoError: At the first call: tokens that do not say what a report says.
        """
        known: dict[str, list[int]] = {}
        for prompt, text in zip(prompts, reports, strict=True):
            if text not in known:
                known[text] = self._encode(prompt, text)
        if not self._checked:
            for text, ids in known.items():
                self._check(ids, text)
            self._checked = bool(known)
        return [known[text] for text in reports]

    def _check(self, ids: Sequence[int], text: str) -> None:
        check_answer(self._tokenizer, ids, text)
        check_end(self._tokenizer, ids, self._end_tokens)

    def _encode(self, prompt: Any, text: str) -> list[int]:
        answer = text
        if is_conversational({"prompt": prompt}):
            completion: list[dict[str, Any]] = [{"role": "assistant", "content": text}]
            if isinstance(self._processing_class, ProcessorMixin):
                # Templates of vision-language models look through a list of parts. Of a plain string
                # some of them make nothing at all (SmolVLM, Idefics3), without an error.
                prompt = prepare_multimodal_messages(prompt)
                completion = prepare_multimodal_messages(completion)
            example = {"prompt": prompt, "completion": completion}
            answer = apply_chat_template(example, self._processing_class, **self._template_options)[
                "completion"
            ]
        ids: list[int] = self._tokenizer(answer, add_special_tokens=False)["input_ids"]
        ends = [i for i, token in enumerate(ids) if token in self._end_tokens]
        # A rollout ends with its first end token; so does the report (|y| counts it).
        return ids[: ends[0] + 1] if ends else [*ids, self._tokenizer.eos_token_id]

    def pad(self, answers: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
        """Pad N answers on the right to (N, L) ids and their (N, L) mask."""
        ids = [torch.tensor(answer) for answer in answers]
        mask = [torch.ones_like(answer) for answer in ids]
        return (
            trl_contract.pad(ids, padding_value=self._tokenizer.pad_token_id).to(device),
            trl_contract.pad(mask, padding_value=0).to(device),
        )


def check_answer(tokenizer: Any, ids: Sequence[int], text: str) -> None:
    """Check that the tokens that are learned from say what a report says.

    A chat template that drops the answer raises nothing: the loss falls, and what is learned is to write
    nothing.

    Args:
        tokenizer: The model's.
        ids: Token ids of the answer.
        text: The report.

    Raises:
        OrapoError: They say something else.
    """
    written = tokenizer.decode(
        list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    if _plain(written) != _plain(text):
        words = len(_plain(written).split())
        raise OrapoError(
            f"the chat template and the tokenizer make {len(ids)} tokens of a report of "
            f"{len(text.split())} words, and those say something else ({words} words): nothing could be "
            "learned from that; does the template render the assistant's message whole?"
        )


def check_end(tokenizer: Any, ids: Sequence[int], ends: Collection[int]) -> None:
    """Check that an answer ends as a rollout can end.

    Args:
        tokenizer: The model's.
        ids: Token ids of the answer, as the template lays it out.
        ends: Tokens that end a rollout.

    Raises:
        OrapoError: It ends by a token that ends no rollout, and that none may have; or it does not end.
    """
    end = next((place for place, token in enumerate(ids) if token in ends), None)
    between = no_words(tokenizer) & set(ids[:end])
    if between:
        names = ", ".join(tokenizer.convert_ids_to_tokens(sorted(between)))
        raise OrapoError(
            f"the chat template ends an answer by {names}, which is no end of the model's own: no rollout could "
            "end as a report does; put its id into eos_token_id of the checkpoint's generation_config.json"
        )
    if end is None:
        raise OrapoError(
            "the chat template ends no answer, so that a model would learn to write on behind a report; let it put "
            f"{tokenizer.eos_token} behind the assistant's message (chat_template.jinja), or train by method orapo "
            "or grpo, which put it there"
        )


def _plain(text: str) -> str:
    # white space and compatible forms of a letter are the tokenizer's own affair
    return " ".join(unicodedata.normalize("NFKC", text).split())


class ReferenceRewards:
    """Rewards of the radiologists' own reports, asked for once a study.

    Args:
        reward_func: The reward function that drives the zero-reward rate.
        study_column: Column of the study's id.
        report_column: Column of the report.
    """

    def __init__(self, reward_func: Any, study_column: str, report_column: str) -> None:
        self._reward_func: Callable[..., Sequence[float | None]] = reward_func
        # Without a figure for the reference no "worst" rollout is rejected.
        self._can_be_asked = not (
            isinstance(reward_func, torch.nn.Module) or trl_contract.is_async_callable(reward_func)
        )
        self._study_column = study_column
        self._report_column = report_column
        self._known: dict[tuple[str, Any], float] = {}

    def __call__(
        self,
        row: Mapping[str, Any],
        answer_ids: Sequence[int],
        state: Any,
        environments: Sequence[Any] | None = None,
    ) -> float:
        """Return the reward of one row's report; NaN where it can't be had.

        A reward that is a model or a coroutine is not asked, and none is where rollouts act in
        environments: a report has acted in none, so that its reward is not known.

        Args:
            row: The row of the data set.
            answer_ids: Token ids of its report.
            state: The trainer's state, which TRL hands to reward functions.
            environments: What the trainer holds of them.
        """
        if not self._can_be_asked or environments is not None:
            return float("nan")
        # a schedule may move FactS' b, and the report's own reward with it
        key = (str(row[self._study_column]), getattr(self._reward_func, "facts_beta", None))
        if key not in self._known:
            text = row[self._report_column]
            chat = is_conversational({"prompt": row["prompt"]})
            columns = {
                name: [value]
                for name, value in row.items()
                if name not in ("prompt", "completion", "completion_ids")
            }
            reward = self._reward_func(
                prompts=[row["prompt"]],
                completions=[[{"role": "assistant", "content": text}] if chat else text],
                completion_ids=[list(answer_ids)],
                trainer_state=state,
                **trl_contract.silent_reward_log(),
                **columns,
            )[0]
            if reward is None:  # unknown now; it may be known at the next visit
                return float("nan")
            # TRL holds the rollouts' rewards in float32; unrounded, an equal one would not be equal
            self._known[key] = float(torch.tensor(reward, dtype=torch.float32))
        return self._known[key]


@dataclass
class JointReports:
    """Reports that ride along in the forward pass of the rollouts, and what came of it."""

    rows: list[int]
    """Rollouts whose prompts precede the reports."""
    ids: Tensor
    """(R, L) token ids of the reports, right-padded."""
    mask: Tensor
    """(R, L) 1 for a token, 0 for padding."""
    rollout_logps: Tensor = field(init=False)
    report_logps: Tensor = field(init=False)

    def join(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        kept: int,
        batch: dict[str, Any],
        pad_id: int,
    ) -> tuple[Tensor, Tensor, int, dict[str, Any]]:
        """Append prompts and reports to the rollouts.

        Args:
            input_ids: (N, P + kept) prompts and rollouts.
            attention_mask: (N, P + kept).
            kept: Tokens of the rollouts.
            batch: What holds the images of the N rows.
            pad_id: Token id of the padding.

        Returns:
            Both tensors for N + R rows, the width of the answers in them, and the images.
        """
        count, total = input_ids.shape
        prompt = total - kept
        width = max(kept, self.ids.shape[1])
        reports = torch.cat([input_ids[self.rows, :prompt], fit(self.ids, width, pad_id)], dim=1)
        mask = torch.cat([attention_mask[self.rows, :prompt], fit(self.mask, width, 0)], dim=1)
        fields = trl_contract.select_vision(
            trl_contract.vision_fields(batch), [*range(count), *self.rows], prompt, width
        )
        return (
            torch.cat([fit(input_ids, prompt + width, pad_id), reports]),
            torch.cat([fit(attention_mask, prompt + width, 0), mask]),
            width,
            fields,
        )

    def part(self, logps: Tensor, kept: int) -> Tensor:
        """Keep the log-probabilities of both apart; return the rollouts', (N, kept)."""
        count = len(logps) - len(self.rows)
        self.rollout_logps = logps[:count, :kept]
        self.report_logps = logps[count:, : self.ids.shape[1]]
        return self.rollout_logps


def first_rows(study_index: Tensor, wanted: Tensor) -> list[int]:
    """Return the first row of each study that has a wanted row, in order."""
    first: dict[int, int] = {}
    for row in wanted.nonzero().flatten().tolist():
        first.setdefault(int(study_index[row]), row)
    return list(first.values())


def spread(values: Tensor, rows: list[int], study_index: Tensor, wanted: Tensor) -> Tensor:
    """Give every wanted row the value that was computed for its study; the others 0."""
    position = {int(study_index[row]): i for i, row in enumerate(rows)}
    picks = [position[int(study_index[row])] for row in wanted.nonzero().flatten().tolist()]
    everywhere = torch.zeros(len(study_index), dtype=values.dtype, device=values.device)
    everywhere[wanted] = values[picks]
    return everywhere


def fit(tensor: Tensor, width: int, value: int) -> Tensor:
    """Pad (N, L) on the right with ``value`` to (N, width)."""
    return torch.nn.functional.pad(tensor, (0, width - tensor.shape[1]), value=value)
