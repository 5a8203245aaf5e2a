"""The equations of DESIGN 1.3, against an independent float64 computation and as properties."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from orapo.losses import (
    ema,
    ln_dpo,
    ln_margin,
    ln_nll,
    mix,
    mixing_weight,
    pair_weights,
    rejected_rollouts,
    sample_weights,
    zero_reward_rate,
)

NAN = math.nan
rewards_with_unknown = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.one_of(st.just(0.0), st.just(NAN), st.floats(0, 1)),
)
unit = st.floats(0, 1)


def floats(shape, low=-50.0, high=50.0):
    return arrays(np.float64, shape, elements=st.floats(low, high))


@given(rewards_with_unknown)
def test_zrr_counts_zeros_among_the_known(rewards):
    got = zero_reward_rate(torch.from_numpy(rewards)).numpy()
    for row, value in zip(rewards, got, strict=True):
        known = [r for r in row if not math.isnan(r)]
        if not known:
            assert math.isnan(value)
        else:
            assert value == pytest.approx(sum(r == 0 for r in known) / len(known), abs=1e-15)


def test_an_unknown_reward_is_not_a_zero():
    rewards = torch.tensor([[NAN, NAN, 1.0, 0.5], [NAN, 0.0, 0.0, NAN]])
    assert zero_reward_rate(rewards).tolist() == [0.0, 1.0]


def test_ema_starts_with_the_first_visit_and_skips_unknown_ones():
    previous = torch.tensor([NAN, 0.5, 0.5, NAN])
    current = torch.tensor([1.0, 1.0, NAN, NAN])
    smoothed = ema(previous, current, alpha=0.5)
    assert smoothed[:3].tolist() == [1.0, 0.75, 0.5]
    assert math.isnan(smoothed[3])


@given(unit, unit, unit)
def test_ema_stays_between_past_and_present(previous, current, alpha):
    got = float(ema(torch.tensor(previous).double(), torch.tensor(current).double(), alpha))
    low, high = sorted((float(torch.tensor(previous)), float(torch.tensor(current))))
    assert low - 1e-9 <= got <= high + 1e-9


@given(arrays(np.float64, st.integers(1, 9), elements=unit), unit, unit, st.floats(0.1, 8))
def test_weights_stay_within_their_bounds_and_rise_with_the_rate(zrr, a, b, gamma):
    w_min, w_max = sorted((a, b))
    weight = mixing_weight(torch.from_numpy(zrr), w_min, w_max, gamma)
    assert bool((weight >= w_min).all())
    assert bool((weight <= w_max).all())
    order = np.argsort(zrr)
    assert (np.diff(weight.numpy()[order]) >= -1e-12).all()


def test_weights_of_the_paper():
    zrr = torch.tensor([0.0, 0.5, 1.0, NAN])
    expected = [0.05, 0.05 + 0.1 * 0.25, 0.15, 0.0]
    assert mixing_weight(zrr, 0.05, 0.15, 2.0).tolist() == pytest.approx(expected)


def test_no_rounding_lifts_a_weight_above_its_bound():
    assert 0.03 + (0.29 - 0.03) > 0.29  # what would come out without the bound
    assert mixing_weight(torch.ones(1).double(), 0.03, 0.29, 2.0).item() == 0.29


@given(st.data(), st.integers(1, 6), st.floats(0.01, 20))
def test_ln_dpo_is_the_equation(data, count, tau):
    pc, pr, rc, rr = (data.draw(floats(count)) for _ in range(4))
    lengths = arrays(np.float64, count, elements=st.integers(1, 80).map(float))
    lc, lr = data.draw(lengths), data.draw(lengths)
    got = ln_dpo(ln_margin(*(torch.from_numpy(x) for x in (pc, pr, rc, rr, lc, lr))), tau)
    for n in range(count):
        margin = tau * ((pc[n] - rc[n]) / lc[n] - (pr[n] - rr[n]) / lr[n])
        # log1p(exp(-m)), written so that no large exponent is taken
        expected = max(-margin, 0.0) + math.log1p(math.exp(-abs(margin)))
        assert float(got[n]) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_supervision_pays_for_each_token_alike():
    nats, tokens = torch.tensor([-6.0, -10.0]), torch.tensor([3.0, 20.0])
    assert ln_nll(nats, tokens).tolist() == [2.0, 0.5]


@given(st.data(), st.integers(1, 5))
def test_gradient_of_the_mix_is_the_mix_of_gradients(data, studies):
    weight = torch.from_numpy(data.draw(arrays(np.float64, studies, elements=unit)))
    theta = torch.from_numpy(data.draw(floats(studies, -2, 2))).requires_grad_()
    grpo, dpo = theta**2 + theta, (3 * theta).sin()
    (mixed,) = torch.autograd.grad(mix(grpo, dpo, weight), theta, retain_graph=True)
    (of_grpo,) = torch.autograd.grad(grpo.sum(), theta, retain_graph=True)
    (of_dpo,) = torch.autograd.grad(dpo.sum(), theta)
    torch.testing.assert_close(mixed, ((1 - weight) * of_grpo + weight * of_dpo) / studies)


@given(rewards_with_unknown, st.data())
def test_means_over_rollouts_give_the_mix_over_studies(rewards, data):
    """What the trainer does: weights on single rollouts, a plain mean over any split of them."""
    rewards = torch.from_numpy(rewards)
    studies, rollouts = rewards.shape
    losses = torch.from_numpy(data.draw(floats((studies, rollouts), -3, 3)))
    pairs = torch.from_numpy(data.draw(floats((studies, rollouts), -3, 3)))
    rejected = rejected_rollouts(rewards)
    weight = mixing_weight(zero_reward_rate(rewards), 0.05, 0.15, 2.0)
    weight = torch.where(rejected.any(1), weight, torch.zeros_like(weight))
    got = (sample_weights(rewards, weight) * losses).mean()
    got = got + (pair_weights(rejected, weight) * pairs).mean()
    known = ~rewards.isnan()
    grpo = torch.stack(
        [row[k].mean() if k.any() else row.sum() * 0 for row, k in zip(losses, known, strict=True)]
    )
    dpo = torch.stack(
        [
            row[r].mean() if r.any() else row.sum() * 0
            for row, r in zip(pairs, rejected, strict=True)
        ]
    )
    torch.testing.assert_close(got, mix(grpo, dpo, weight), rtol=1e-9, atol=1e-9)


def test_rejected_are_all_zeros_or_the_worst_if_worse_than_the_reference():
    rewards = torch.tensor(
        [
            [0.0, 0.5, 0.0, NAN],  # both zeros
            [0.5, 0.25, 0.25, 1.0],  # the first of the worst
            [0.5, 0.75, 0.8, 1.0],  # none is worse than the reference
            [NAN, NAN, NAN, NAN],
            [NAN, 0.25, 0.5, NAN],  # the reference's own reward is unknown
        ]
    )
    reference = torch.tensor([1.0, 0.75, 0.5, 1.0, NAN])
    worst = rejected_rollouts(rewards, reference)
    assert worst.int().tolist() == [
        [1, 0, 1, 0],
        [0, 1, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ]
    assert rejected_rollouts(rewards).int().sum(1).tolist() == [2, 0, 0, 0, 0]
    zeros = rejected_rollouts(rewards, reference, worst_too=False)
    assert zeros.int().sum(1).tolist() == [2, 0, 0, 0, 0]


def test_a_report_that_earns_nothing_is_preferred_to_nothing():
    rewards = torch.tensor([[0.0, 0.5], [0.0, 0.5], [0.25, 0.5]])
    for worst_too in (True, False):
        rejected = rejected_rollouts(rewards, torch.tensor([0.0, NAN, 0.0]), worst_too)
        assert rejected.int().tolist() == [[0, 0], [1, 0], [0, 0]]
