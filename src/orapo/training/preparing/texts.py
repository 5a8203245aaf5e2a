"""What a run is to learn from, as the model's own tokenizer and chat template take it.

All of it is known before a step is made, and, but for the weights' values, before a weight is loaded: the
training and `--dry-run` call the one function `check_learnable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from datasets import Dataset

from orapo.data.conversation import check_views, shown_films
from orapo.data.study import Study
from orapo.data.target import check_target, target_text
from orapo.errors import OrapoError
from orapo.generation.reports import end_tokens
from orapo.models.chat_templates import check_films, special_texts
from orapo.preferences import read_preferences
from orapo.training.config import EXACT_LOSS_TYPES, OraPOConfig
from orapo.training.method.answers import ChosenAnswers
from orapo.training.method.baselines import check_pair, check_supervised
from orapo.training.method.experts import ExpertPairs, check_pairs
from orapo.training.recipe import RunConfig

_NAMED: Final = 10
_MOST: Final = 2000
"""Of more texts so many, spread evenly, are turned into tokens."""


def check_learnable(
    run: RunConfig,
    config: OraPOConfig,
    model: Any,
    processor: Any,
    studies: Sequence[Study],
    rows: Dataset,
    held_out: Sequence[Study] = (),
) -> None:
    """Refuse a run that would not learn what its studies say, or not from all that they show.

    Args:
        run: What is trained on what.
        config: How.
        model: The policy, or one without weights (`orapo.training.preparing.policy.empty_policy`).
        processor: Its processor.
        studies: That are trained on.
        rows: Of `orapo.training.preparing.dataset.training_dataset`, one a study.
        held_out: That the run is probed on.

    Raises:
        OrapoError: The chat template leaves out films, or drops or alters an answer or its end; a report holds a
            special token; TRL can't prepare answers of this model; or there is no judgement to learn from.
    """
    experts = ExpertPairs(read_preferences(Path(run.preferences)) if run.preferences else ())
    target, views = check_target(run.target), check_views(run.views)
    reports = [target_text(study, target) for study in studies]
    texts = {
        study.study_id: [report, *_texts(experts, study)]
        for study, report in zip(studies, reports, strict=True)
    }
    check_texts(config, processor, texts)
    films = [len(shown_films(study, views)) for study in [*studies, *held_out]]
    check_films(processor, run.model, max(films))
    from_experts = config.method == "orapo+rlhf" or (config.method == "dpo" and run.preferences)
    if from_experts:
        check_pairs(experts, studies, run.preferences)
    if config.method in ("sft", "dpo"):
        place = 0
        if from_experts:
            place = next(place for place, study in enumerate(studies) if _texts(experts, study))
        row = rows[place]
        if config.method == "sft":
            check_supervised({**row, "completion": _said(row["report"])}, model, processor)
        else:
            # what the model itself writes is not known yet: the report stands for it
            pair = (*experts.of(studies[place].study_id), (row["report"], row["report"]))[0]
            sides = dict(zip(("chosen", "rejected"), map(_said, pair), strict=True))
            check_pair({**row, **sides}, model, processor)
        return
    learned: list[str] = []
    if config.has_oracle or (config.loss_type in EXACT_LOSS_TYPES and config.loss_length is None):
        learned += reports[:: max(1, -(-len(reports) // _MOST))]
    if from_experts:
        learned += [text for study in studies for text in _texts(experts, study)][:_MOST]
    tokenizer = processor.tokenizer
    ends = end_tokens(model.generation_config.eos_token_id) | {tokenizer.eos_token_id}
    prompt = rows.with_format(None)[0]["prompt"]
    ChosenAnswers(processor, tokenizer, ends, config.chat_template_kwargs or {}).check(
        prompt, learned
    )


def _texts(experts: ExpertPairs, study: Study) -> list[str]:
    return [text for pair in experts.of(study.study_id) for text in pair]


def _said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def check_texts(config: OraPOConfig, processor: Any, texts: Mapping[str, Sequence[str]]) -> None:
    """Refuse what would be learned otherwise than it is written, or asked otherwise than later.

    A special token in a report's text is read as what it marks: an image that is not there, or the end of the
    answer, behind which nothing is learned.

    Args:
        config: The run's.
        processor: The model's.
        texts: What is to be written, by study: reports, and experts' pairs.

    Raises:
        OrapoError: A report holds a special token of the model, or the template gets arguments that no later
            command would give it.
    """
    if config.chat_template_kwargs:
        raise OrapoError(
            "chat_template_kwargs: a checkpoint does not hold them, so that orapo generate would ask otherwise than "
            "was trained; set them in the checkpoint's chat_template.jinja, for example {%- set enable_thinking = "
            "false %} before its first line"
        )
    marks = special_texts(processor)
    holding = {
        study_id: mark
        for study_id, written in texts.items()
        for mark in marks
        if any(mark in text for text in written)
    }
    if holding:
        first = ", ".join(list(holding)[:_NAMED])
        raise OrapoError(
            f"{len(holding)} reports hold special tokens of the model, for example {next(iter(holding.values()))!r}, "
            f"which would not be read as text; take them out of the manifest, first of: {first}"
        )
