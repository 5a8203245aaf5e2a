"""From films to reports, batch by batch, with transformers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from PIL import Image

from orapo.data.conversation import REPORT_PROMPT, user_message
from orapo.data.films.images import shown

if TYPE_CHECKING:  # it needs torch
    from orapo.generation.streaming import Watch


class Selection(StrEnum):
    """How one of N samples is chosen."""

    FIRST = "first"
    CONSENSUS = "consensus"
    LIKELIHOOD = "best-likelihood"


@dataclass(frozen=True)
class Decoding:
    """How reports are decoded.

    Attributes:
        max_new_tokens: Longest report, in tokens.
        temperature: 0 is greedy decoding; above 0 samples.
        batch_size: Studies at a time.
        prompt: What the model is asked.
        seed: Of sampling; a study's reports depend on it and on the study's id, not on the batch.
        samples: Reports of each study.
        operating_point: b of the FactS by which the consensus of several samples is found: below 1 for
            precision, above 1 for recall.
        top_p: The smallest set of tokens with this mass is sampled from; 1 for all.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    batch_size: int = 16
    prompt: str = REPORT_PROMPT
    seed: int = 0
    samples: int = 1
    top_p: float = 1.0
    operating_point: float = 1.0


@dataclass(frozen=True)
class Sample:
    """One report as a model wrote it.

    Attributes:
        text: The report.
        log_likelihood: Mean log-probability of its tokens, its end among them, at temperature 1;
            None with greedy decoding.
        cut: Whether it was cut off at ``max_new_tokens``.
    """

    text: str
    log_likelihood: float | None = None
    cut: bool = False


def generate_reports(
    model: Any,
    processor: Any,
    studies: Sequence[Sequence[Image.Image]],
    decoding: Decoding,
    prompts: Sequence[str] | None = None,
) -> Iterator[str]:
    """Write a report for each study.

    Args:
        model: As ``load_checkpoint`` gives it.
        processor: Its processor.
        studies: The films of each study.
        decoding: How; one sample a study. Studies are named by their place when they are sampled.
        prompts: What the model is asked about each study; by default the same, ``decoding.prompt``.

    Yields:
        The reports, in order, as their batches are done.
    """
    asked = [decoding.prompt] * len(studies) if prompts is None else list(prompts)
    for start in range(0, len(studies), decoding.batch_size):
        films = [list(study) for study in studies[start : start + decoding.batch_size]]
        part = slice(start, start + len(films))
        names = [str(place) for place in range(len(studies))[part]]
        for samples in sample_reports(model, processor, films, asked[part], names, decoding):
            yield samples[0].text


def sample_reports(
    model: Any,
    processor: Any,
    films: Sequence[Sequence[Image.Image]],
    prompts: Sequence[str],
    study_ids: Sequence[str],
    decoding: Decoding,
    watch: Watch | None = None,
) -> list[list[Sample]]:
    """Write ``decoding.samples`` reports for each study of one batch.

    Args:
        model: As ``load_checkpoint`` gives it.
        processor: Its processor.
        films: The films of each study.
        prompts: What the model is asked about each.
        study_ids: Their names, which seed the sampling.
        decoding: How; ``batch_size`` is not looked at.
        watch: Called after each token; where it returns True, writing ends, and the reports are cut.

    Returns:
        The samples of each study.

    Raises:
        FilmsLeftOutError: The chat template shows fewer films than a study has.
    """
    import torch

    from orapo.models.chat_templates import check_films
    from orapo.models.placeholders import rows_of

    if not films:
        return []
    for count in {len(study) for study in films if len(study) > 1}:
        check_films(processor, model.config.name_or_path or "the model", count)
    tokenizer, ends = processor.tokenizer, model.generation_config.eos_token_id
    padding_side, tokenizer.padding_side = tokenizer.padding_side, "left"
    settings: dict[str, Any] = {"do_sample": False}
    draws = None
    if decoding.temperature > 0:
        from orapo.generation.draws import StudyDraws, study_seed

        seeds = [
            study_seed(decoding.seed, name, sample)
            for name in study_ids
            for sample in range(decoding.samples)
        ]
        draws = StudyDraws(seeds, decoding.max_new_tokens, decoding.temperature, decoding.top_p)
        settings["logits_processor"] = [draws]  # it leaves one token, which greedy decoding takes
        if decoding.samples > 1:
            # transformers repeats a study in sampling alone; all but the one token stay impossible
            settings |= {"do_sample": True, "num_return_sequences": decoding.samples}
            settings |= {"temperature": 1.0, "top_k": 0, "top_p": 1.0}
    if watch is not None:
        from orapo.generation.streaming import WatchedReport

        settings["stopping_criteria"] = [WatchedReport(watch, tokenizer)]
    try:
        texts = [
            processor.apply_chat_template(
                user_message(prompt, len(study)), add_generation_prompt=True
            )
            for prompt, study in zip(prompts, films, strict=True)
        ]
        shown_films = [[shown(film) for film in study] for study in films]
        inputs = processor(images=shown_films, text=texts, return_tensors="pt", padding=True)
        inputs = inputs.to(model.device)
        # not inference_mode: FSDP 2 keeps what it gathers here, and can't train on tensors made in that
        with torch.no_grad():
            output = model.generate(
                **inputs,
                max_new_tokens=decoding.max_new_tokens,
                suppress_tokens=placeholder_tokens(ends, tokenizer, rows_of(model)),
                **settings,
            )
    finally:
        tokenizer.padding_side = padding_side
    answers = output[:, inputs["input_ids"].shape[1] :]
    last = torch.tensor(sorted(end_tokens(ends)), device=answers.device)
    lengths = [
        int(ended.int().argmax()) + 1 if ended.any() else 0 for ended in torch.isin(answers, last)
    ]
    likelihood = None if draws is None else torch.stack(draws.log_likelihood, dim=1)
    written = []
    for row, text in enumerate(processor.batch_decode(answers, skip_special_tokens=True)):
        length = lengths[row] or answers.shape[1]
        mean = None if likelihood is None else float(likelihood[row, :length].mean())
        written.append(Sample(text.strip(), mean, cut=not lengths[row]))
    each = decoding.samples if draws is not None else 1
    return [written[start : start + each] for start in range(0, len(written), each)]


def end_tokens(ends: int | Sequence[int] | None) -> set[int]:
    """Return the tokens that end a report, of a generation config's ``eos_token_id``."""
    return {ends} if isinstance(ends, int) else set(ends or ())


def placeholder_tokens(
    ends: int | Sequence[int] | None, tokenizer: Any, rows: int = 0
) -> list[int]:
    """Return tokens that have no place in a report: all that are no words but those that end it.

    Args:
        ends: A generation config's ``eos_token_id``.
        tokenizer: Knows which tokens there are.
        rows: Of the model's head, `orapo.models.placeholders.rows_of`.
    """
    from orapo.models.placeholders import no_words

    return sorted(no_words(tokenizer, rows) - end_tokens(ends) - {tokenizer.eos_token_id})
