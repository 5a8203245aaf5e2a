"""Studies with rare findings shown more often: repeat factor sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from orapo.data.study import Study
from orapo.data.target import Target, study_labels
from orapo.errors import OrapoError
from orapo.labels import CHEXPERT, POSITIVE, UNCERTAIN, LabelValue


def shown_rows(studies: Sequence[Study], target: Target, threshold: float, seed: int) -> list[int]:
    """Return the studies' places, each as often as an epoch shows it.

    The part of a factor behind its point is the chance of one more, drawn once for the run, so that
    every epoch has the same length.

    Args:
        studies: N studies.
        target: What a model is to write, from which labels are read where a study has none.
        threshold: t of `repeat_factors`; 0: each is shown once.
        seed: Of the draw.
    """
    if not threshold:
        return list(range(len(studies)))
    factors = repeat_factors([study_labels(study, target) for study in studies], threshold)
    drawn = np.random.default_rng(seed).random(len(factors))
    rows: list[int] = np.repeat(
        np.arange(len(factors)), np.floor(factors + drawn).astype(int)
    ).tolist()
    return rows


def check_generation(shown: int, together: int) -> None:
    """Check that the studies of an epoch fill one generation.

    Raises:
        OrapoError: They don't.
    """
    if shown < together:
        raise OrapoError(
            f"{shown} studies to train on, fewer than the {together} of one generation; lower "
            "per_device_train_batch_size or gradient_accumulation_steps"
        )


def repeat_factors(labels: Sequence[Mapping[str, LabelValue]], threshold: float) -> np.ndarray:
    """Say how often each study is shown where one without a rare label is shown once.

    Repeat factor sampling of Gupta et al. (LVIS, 2019): a finding that a share f of the studies has,
    surely or as uncertain, has the factor max(1, sqrt(t / f)), and a study the largest of its
    findings. No Finding is none.

    Args:
        labels: Of N studies.
        threshold: t. A finding with f >= t is not repeated.

    Returns:
        (N,) float64, at least 1.
    """
    there = np.array(
        [[one.get(name) in (POSITIVE, UNCERTAIN) for name in CHEXPERT.findings] for one in labels]
    )
    share = np.maximum(there.mean(axis=0), 1 / len(labels))  # one that nobody has counts nowhere
    factor = np.maximum(1.0, np.sqrt(threshold / share))
    factors: np.ndarray = np.where(there, factor, 1.0).max(axis=1)
    return factors
