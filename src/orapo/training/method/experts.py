"""Experts' pairs in training: what a rater preferred of two reports, beside the oracle's own pairs.

`OraPOTrainer` with method ``orapo+rlhf`` takes a pair of each study that has some, a turn each, into the
DPO term: the preferred report is chosen, the other rejected, the margin is that of the oracle's pairs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from orapo.data.study import Study
from orapo.errors import OrapoError
from orapo.losses import ln_dpo, ln_margin
from orapo.preferences import Preference
from orapo.training.method.answers import ChosenAnswers, JointReports, fit

BETTER, WORSE = "expert_better", "expert_worse"
"""Prefixes of the fields of a batch: ``_ids`` and ``_mask`` (N, L), ``_ref`` (N,)."""
WEIGHT = "expert_weight"
"""(N,) factor of each row's pair, so that a plain mean over rollouts is the term; 0 without a pair."""


class ExpertPairs:
    """Decided judgements by study, each as (preferred report, other report).

    Args:
        preferences: Ties teach no order and are left out.
    """

    def __init__(self, preferences: Sequence[Preference]) -> None:
        self._pairs: dict[str, list[tuple[str, str]]] = {}
        for one in preferences:
            if one.choice != "tie":
                pair = (one.left, one.right) if one.choice == "left" else (one.right, one.left)
                self._pairs.setdefault(one.study_id, []).append(pair)

    def __len__(self) -> int:
        return sum(len(pairs) for pairs in self._pairs.values())

    def studies(self) -> set[str]:
        """Return the studies that have pairs."""
        return set(self._pairs)

    def only(self, studies: Collection[str]) -> ExpertPairs:
        """Return the pairs of some studies."""
        kept = ExpertPairs([])
        kept._pairs = {name: pairs for name, pairs in self._pairs.items() if name in studies}
        return kept

    def texts(self) -> list[str]:
        """Return the texts of all pairs."""
        return [text for pairs in self._pairs.values() for pair in pairs for text in pair]

    def of(self, study_id: str) -> list[tuple[str, str]]:
        """Return all pairs of a study."""
        return list(self._pairs.get(study_id, ()))

    def turn(self, study_id: str, step: int) -> tuple[str, str] | None:
        """Return a study's pair for a step; all have their turn, the same after a resume."""
        pairs = self._pairs.get(study_id)
        return pairs[step % len(pairs)] if pairs else None


def check_pairs(pairs: ExpertPairs, studies: Sequence[Study], source: str) -> None:
    """Check that experts' pairs are of studies that are trained on.

    Raises:
        OrapoError: None of them is.
    """
    if not pairs.studies() & {study.study_id for study in studies}:
        raise OrapoError(
            f"{source}: no decided judgement of a training study; {len(pairs)} are of other studies"
        )


class Scores(Protocol):
    """Summed log-probabilities, at temperature 1, of answers to the prompts of rows."""

    def __call__(self, rows: list[int], ids: Tensor, mask: Tensor) -> Tensor:
        """Return (R,) for (R, L) ids and mask."""


def add_pairs(
    batch: dict[str, Any],
    inputs: Sequence[dict[str, Any]],
    pairs: Sequence[tuple[str, str] | None],
    answers: ChosenAnswers,
    weight: float,
    reference: Scores,
    pad_id: int,
) -> None:
    """Add experts' pairs to a batch of TRL.

    Args:
        batch: Gets the fields that are named above.
        inputs: N rows of the data set.
        pairs: N: the pair of a study at one of its rows, else None.
        answers: Turns reports into tokens.
        weight: Of a pair: K times the term's weight, as it stands at one of K rows.
        reference: Of the reference model.
        pad_id: Token id of the padding.
    """
    device = batch["completion_ids"].device
    rows = [place for place, pair in enumerate(pairs) if pair is not None]
    found = [pair for pair in pairs if pair is not None]
    prompts = [inputs[row]["prompt"] for row in rows]
    weights = torch.zeros(len(pairs), dtype=torch.float64, device=device)
    weights[rows] = weight
    batch[WEIGHT] = weights
    tokens = []
    for side, prefix in enumerate((BETTER, WORSE)):
        texts = answers.tokens(prompts, [pair[side] for pair in found])
        width = max((len(text) for text in texts), default=1)
        ids = torch.full((len(pairs), width), pad_id, device=device)
        mask = torch.zeros_like(ids)
        for row, text in zip(rows, texts, strict=True):
            ids[row, : len(text)] = torch.tensor(text, device=device)
            mask[row, : len(text)] = 1
        batch[f"{prefix}_ids"], batch[f"{prefix}_mask"] = ids, mask
        tokens.append((ids[rows], mask[rows]))
    logps = reference(*_stacked(rows, tokens, pad_id))
    for prefix, values in zip(
        (BETTER, WORSE), logps.chunk(2) if rows else (logps, logps), strict=True
    ):
        spread = torch.zeros(len(pairs), dtype=logps.dtype, device=device)
        spread[rows] = values
        batch[f"{prefix}_ref"] = spread


def join_pairs(batch: dict[str, Any], reports: JointReports, pad_id: int) -> JointReports:
    """Let experts' pairs ride along in the pass of the rollouts, behind the reports.

    Args:
        batch: With the fields that are named above.
        reports: What rides along already.
        pad_id: Token id of the padding.
    """
    rows, ids, mask = expert_answers(batch, pad_id)
    width = max(reports.ids.shape[1], ids.shape[1])
    return JointReports(
        [*reports.rows, *rows],
        torch.cat([fit(reports.ids, width, pad_id), fit(ids, width, pad_id)]),
        torch.cat([fit(reports.mask, width, 0), fit(mask, width, 0)]),
    )


def expert_answers(batch: dict[str, Any], pad_id: int) -> tuple[list[int], Tensor, Tensor]:
    """Return rows, ids and mask of the preferred reports of a batch, and then of the others."""
    rows = batch[WEIGHT].nonzero().flatten().tolist()
    tokens = [(batch[f"{p}_ids"][rows], batch[f"{p}_mask"][rows]) for p in (BETTER, WORSE)]
    return _stacked(rows, tokens, pad_id)


def expert_term(
    batch: dict[str, Any], logps: Tensor, tau: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return the weighted DPO loss of experts' pairs, a mean over all rollouts, and their margins.

    Args:
        batch: With the fields that are named above.
        logps: (2R,) of the policy, in the order of `expert_answers`.
        tau: Temperature of the preference.
        dtype: Of the loss.
    """
    weight = batch[WEIGHT]
    rows = weight > 0
    better, worse = logps.chunk(2)
    margin = ln_margin(
        better,
        worse,
        batch[f"{BETTER}_ref"][rows],
        batch[f"{WORSE}_ref"][rows],
        batch[f"{BETTER}_mask"][rows].sum(dim=1),
        batch[f"{WORSE}_mask"][rows].sum(dim=1),
    )
    loss = (weight[rows].to(dtype) * ln_dpo(margin, tau)).sum() / len(weight)
    return loss, margin.detach()


def _stacked(
    rows: list[int], tokens: Sequence[tuple[Tensor, Tensor]], pad_id: int
) -> tuple[list[int], Tensor, Tensor]:
    width = max(ids.shape[1] for ids, _ in tokens)
    ids = torch.cat([fit(each, width, pad_id) for each, _ in tokens])
    mask = torch.cat([fit(each, width, 0) for _, each in tokens])
    return rows * len(tokens), ids, mask
