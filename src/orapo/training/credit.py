"""Credit by the sentence, beyond the paper: a sentence's tokens carry that sentence's own verdict.

A report's one reward trains every token alike, also those of a right sentence beside a false one.
With ``credit: sentence`` a sentence that claims what the study has earns +1, one that claims what it
has not, or denies what it has, -1, and every other one 0; the group's mean is taken off, and that is
added to the tokens' advantage with the weight ``credit_weight``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor

from orapo.errors import OrapoError
from orapo.facts import FactSReward, Verdict
from orapo.training import trl_contract

_WORTH: Final = {Verdict.ENTAILED: 1.0, Verdict.FALSE_ALARM: -1.0, Verdict.CONTRADICTION: -1.0}


def give_sentence_credit(
    trainer: Any, reward: Any, inputs: Sequence[dict[str, Any]], batch: dict[str, Any]
) -> None:
    """Put advantages of shape (N, T) in the place of (N,) in a batch of TRL's.

    Args:
        trainer: Knows processes, group size and the weight of the credit.
        reward: FactS.
        inputs: The N rows of this process.
        batch: What TRL made of them; changed in place.

    Raises:
        OrapoError: The reward is another one.
    """
    if not isinstance(reward, FactSReward):
        raise OrapoError("credit sentence needs FactS as the reward that drives the oracle")
    mask = batch["completion_mask"]
    values = sentence_values(
        reward, trl_contract.tokenizer(trainer), inputs, batch["completion_ids"], mask
    )
    gather = trainer.accelerator.gather
    means = group_means(
        gather((values * mask).sum(dim=1)), gather(mask.sum(dim=1)), trainer.num_generations
    )
    start = trainer.accelerator.process_index * len(inputs)
    batch["advantages"] = with_sentence_credit(
        batch["advantages"],
        values,
        mask,
        means[start : start + len(inputs)],
        trainer.args.credit_weight,
    )


def sentence_values(
    reward: FactSReward,
    tokenizer: Any,
    rows: Sequence[dict[str, Any]],
    ids: Tensor,
    mask: Tensor,
) -> Tensor:
    """Say what each token's sentence is worth.

    Args:
        reward: FactS, with the run's policies.
        tokenizer: Of the rollouts.
        rows: N rows of the data set, with ``labels`` or ``report``.
        ids: (N, T) rollouts.
        mask: (N, T) 1 for a token of the rollout.

    Returns:
        (N, T) float: 1, -1 or 0; 0 also where nothing is known of a rollout.
    """
    values = torch.zeros(ids.shape, dtype=torch.float32, device=ids.device)
    kept = [row[keep].tolist() for row, keep in zip(ids, mask.bool(), strict=True)]
    pieces = [_pieces(tokenizer, row) for row in kept]
    texts = ["".join(row) for row in pieces]
    scores = reward.explain(
        texts, [row.get("labels") for row in rows], [row.get("report") for row in rows]
    )
    for index, (score, row) in enumerate(zip(scores, pieces, strict=True)):
        if score is None or score.explanation is None:
            continue
        lengths = torch.tensor([len(piece) for piece in row])
        ends = lengths.cumsum(0)
        for sentence in score.explanation.sentences:
            worth = _WORTH.get(sentence.verdict, 0.0)
            if worth:
                # A token belongs to the sentence in which its last character lies; one without
                # text, as the end token, to none.
                inside = (ends > sentence.sentence.start) & (ends <= sentence.sentence.end)
                inside &= lengths > 0
                values[index, : len(row)][inside.to(values.device)] = worth
    return values


def _pieces(tokenizer: Any, ids: list[int]) -> list[str]:
    """Return what each token adds to the text."""
    pieces: list[str] = tokenizer.batch_decode(
        [[token] for token in ids],
        skip_special_tokens=True,
        clean_up_tokenization_spaces=False,
    )
    whole: str = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    if "".join(pieces) == whole:
        return pieces
    # Of some tokenizers a token alone reads otherwise than within a text.
    so_far = [""] + [
        tokenizer.decode(
            ids[: end + 1], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        for end in range(len(ids))
    ]
    return [after[len(before) :] for before, after in itertools.pairwise(so_far)]


def with_sentence_credit(
    advantages: Tensor, values: Tensor, mask: Tensor, baseline: Tensor, weight: float
) -> Tensor:
    """Add the sentences' credit to the report's advantage.

    Args:
        advantages: (N,) of the reports, relative to their groups.
        values: (N, T) as `sentence_values` gives them.
        mask: (N, T).
        baseline: (N,) mean value of a token in each rollout's group.
        weight: Of the credit.

    Returns:
        (N, T).
    """
    return advantages[:, None] + weight * (values - baseline[:, None]) * mask


def group_means(sums: Tensor, counts: Tensor, size: int) -> Tensor:
    """Return the mean of each group, spread over its rollouts.

    Args:
        sums: (N,) sum of values of each rollout.
        counts: (N,) tokens of each.
        size: K.
    """
    means = sums.view(-1, size).sum(dim=1) / counts.view(-1, size).sum(dim=1).clamp(min=1)
    return means.repeat_interleave(size)
