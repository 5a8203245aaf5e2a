"""The pairs of ``method: dpo``: experts' judgements, or the oracle's pairs, gathered once.

Without judgements the radiologist's report of a study is chosen, and what the model itself wrote before
training is rejected where FactS gives it nothing: OraPO's pairs, before the first step. As there, a
report that itself earns nothing is no chosen answer.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from datasets import Dataset

from orapo.data.conversation import (
    check_views,
    previous_studies,
    shown_films,
    study_prompt,
    user_message,
)
from orapo.data.films.images import read_image
from orapo.data.study import Study
from orapo.data.target import check_target, study_labels, target_text
from orapo.errors import OrapoError
from orapo.facts import FactSReward
from orapo.generation.reports import Decoding, sample_reports
from orapo.preferences import read_preferences
from orapo.training.config import OraPOConfig
from orapo.training.method.experts import ExpertPairs, check_pairs
from orapo.training.preparing.dataset import with_films
from orapo.training.recipe import RunConfig
from orapo.training.rewards.terms import reward_engine

logger = logging.getLogger(__name__)


def offline_pairs(
    run: RunConfig, config: OraPOConfig, studies: Sequence[Study], model: Any, processor: Any
) -> Dataset:
    """Return the pairs of a run, with their films read when a row is taken.

    Args:
        run: Its ``preferences``, or none.
        config: K, the sampling's temperature, b.
        studies: To train on; one that stands twice has its pairs twice.
        model: The policy before training.
        processor: Its processor.

    Raises:
        OrapoError: There is no pair.
    """
    each = list({study.study_id: study for study in studies}.values())
    prompts = _prompts(run, each)
    if run.preferences:
        experts = ExpertPairs(read_preferences(Path(run.preferences)))
        check_pairs(experts, studies, run.preferences)
        pairs = {study.study_id: experts.of(study.study_id) for study in studies}
    else:
        pairs = oracle_pairs(run, config, each, prompts, model, processor)
    views = check_views(run.views)
    rows = [
        {
            "prompt": user_message(prompts[study.study_id]),
            "chosen": [{"role": "assistant", "content": better}],
            "rejected": [{"role": "assistant", "content": worse}],
            "image_paths": [str(path) for path in shown_films(study, views)],
        }
        for study in studies
        for better, worse in pairs.get(study.study_id, ())
    ]
    if not rows:
        raise OrapoError(f"{run.data}: there is no pair to learn from")
    dataset = Dataset.from_list(rows)
    dataset.set_transform(partial(with_films, endure=False))
    return dataset


def _prompts(run: RunConfig, studies: Sequence[Study]) -> dict[str, str]:
    """Return the prompts of studies by id, as the other methods' rows have them."""
    before = previous_studies(studies) if "previous" in run.prompt_fields else {}
    return {
        study.study_id: study_prompt(study, run.prompt_fields, previous=before.get(study.study_id))
        for study in studies
    }


def oracle_pairs(
    run: RunConfig,
    config: OraPOConfig,
    studies: Sequence[Study],
    prompts: Mapping[str, str],
    model: Any,
    processor: Any,
) -> dict[str, list[tuple[str, str]]]:
    """Let the model write K reports of each study; those without any reward are rejected.

    Args:
        run: What reads reports, which films are shown, what is to be written.
        config: K, the sampling's temperature, b.
        studies: Each once. One whose own report earns nothing gets no pair, and is counted in the log.
        prompts: By study id.
        model: The policy before training.
        processor: Its processor.

    Returns:
        By study id: (report, what was written).
    """
    views, target = check_views(run.views), check_target(run.target)
    reward = FactSReward(config.facts_beta, config.uncertain, engine=reward_engine(run))
    decoding = Decoding(
        max_new_tokens=config.max_completion_length or 256,
        temperature=config.temperature,
        samples=config.num_generations,
        seed=config.seed,
    )
    count = max(1, config.per_device_train_batch_size // config.num_generations) * 4
    pairs: dict[str, list[tuple[str, str]]] = {}
    left_out = 0
    model.to(config.device).eval()
    for start in range(0, len(studies), count):
        part = studies[start : start + count]
        written = sample_reports(
            model,
            processor,
            [[read_image(path) for path in shown_films(study, views)] for study in part],
            [prompts[study.study_id] for study in part],
            [study.study_id for study in part],
            decoding,
        )
        for study, samples in zip(part, written, strict=True):
            report = target_text(study, target)
            texts = [report, *(sample.text for sample in samples)]
            own, *rewards = reward(texts, [study_labels(study, target)] * len(texts))
            left_out += own == 0
            pairs[study.study_id] = [
                (report, text)
                for text, value in zip(texts[1:], rewards, strict=True)
                if value == 0 and text and own != 0
            ]
    model.train()
    if left_out:
        logger.warning(
            "%d of %d reports earn 0 against their own labels: no pairs of those studies",
            *(left_out, len(studies)),
        )
    return pairs
