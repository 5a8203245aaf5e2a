"""OraPO in one file, from top to bottom, without a trainer.

    python examples/orapo_loop.py [--steps 150] [--model DIR]

It trains the demo's tiny base on drawn films and prints how the reward grows: under three minutes on two CPU
cores, half of that for the base, which is made once and kept in ~/.cache/orapo. Any checkpoint of a
vision-language model in a folder can stand in its place (``--model``), such as a base that was made by

    python -c "from orapo.models.base import tiny_base; print(tiny_base())"

The loss is that of `OraPOTrainer` on the same batch (tests/test_orapo_loop.py: to 1e-8). Read `orapo_loss`
for the method, `main` for the loop around it; docs/method.md has the equations and where each value is from.

Shapes: B studies a step, K rollouts a study, P tokens of prompt, T of the longest answer.

Where it departs from the paper (arXiv 2509.18600), as `OraPOTrainer` does:

- FactS by local rules in place of GPT-4.1; its F-beta has b = 0.5, since claiming everything pays otherwise;
- L_GRPO in the Dr. GRPO form: no division by the group's standard deviation, none by an answer's own length;
- every zero-reward rollout is a rejected answer; in a group without one, the worst is, if it earns less than the
  radiologist's own report;
- tau and the weight of the KL term are ours; K is 4 here and 8 in the paper; no Qwen2.5-VL, no real films.

Where it departs from `OraPOTrainer`:

- one process, one optimiser step a generation (so the ratio is 1 and nothing is ever clipped), temperature 1;
- one film a study and one prompt for all, so that no prompt needs padding;
- policy and reference are two whole models; nothing is shared between passes, and nothing is kept of a report's
  log-probability under the reference: right, but about twice the time;
- a constant learning rate for all weights; no checkpoints, no log, no held-out studies.
"""

import argparse
import copy
import time

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from orapo.data.conversation import user_message
from orapo.data.phantom import PhantomConfig, draw_study
from orapo.facts import FactSReward
from orapo.losses import (
    ema,
    ln_dpo,
    ln_margin,
    mix,
    mixing_weight,
    rejected_rollouts,
    zero_reward_rate,
)

ROLLOUTS = 4  # K
ALPHA = 0.5  # a: weight of the past in the smoothed zero-reward rate
W_MIN, W_MAX = 0.05, 0.15  # bounds of w_i, the weight of the DPO term
GAMMA = 2.0  # g: above 1 the weight rises late
TAU = 5.0  # temperature of the preference
KL_WEIGHT = 0.04  # lambda_KL
CLIP = 0.2  # epsilon of the clipped ratio
MAX_TOKENS = 64  # of a report; the constant that L_GRPO is divided by
FACTS_BETA = 0.5  # b of FactS


def base_folder():
    """Make the tiny base. The only place that uses orapo for more than data, FactS and losses.

    The recipe is that of `orapo demo --quick`: seconds of warm-up in place of a download.
    """
    from orapo.models.base import BaseRecipe, tiny_base

    recipe = BaseRecipe(
        films=250, shape_pictures=6000, reports=3000, patch_steps=1200, joint_steps=550
    )
    return tiny_base(recipe)


def never_said(processor, model):
    """Tokens that are no words (image, roles, padding): no part of the policy's distribution."""
    ends = model.generation_config.eos_token_id
    ends = {ends} if isinstance(ends, int) else set(ends)
    return sorted(set(processor.tokenizer.all_special_ids) - ends)


def answer_logps(model, prompt, films, answers, mask, never):
    """log pi(y_t | x, p, y_<t) of each token of N answers, 0 where there is none.

    Args:
        model: Policy or reference.
        prompt: (N, P) token ids.
        films: Tensors of the processor's images by name, N rows each.
        answers: (N, T) token ids, padded at the end.
        mask: (N, T), 1 for the tokens of an answer, its end token included.
        never: Ids that have no probability.

    Returns:
        (N, T) log-probabilities.
    """
    seen = torch.cat([torch.ones_like(prompt), mask], dim=1)  # (N, P+T)
    logits = model(
        input_ids=torch.cat([prompt, answers], dim=1), attention_mask=seen, **films
    ).logits  # (N, P+T, V)
    logits = logits[:, prompt.shape[1] - 1 : -1]  # (N, T, V): each position tells the next token
    logits = logits.index_fill(-1, torch.tensor(never), -torch.inf)
    logps = logits.log_softmax(-1).gather(-1, answers[..., None])[..., 0]  # (N, T)
    return torch.where(mask.bool(), logps, 0.0)


def orapo_loss(policy, reference, prompt, films, rollouts, reports, rewards, own, smoothed, never):
    """L_OraPO = (1/B) sum_i [(1-w_i) L_GRPO(i) + w_i L_DPO(i)] of one batch.

    Args:
        policy: pi_theta.
        reference: pi_ref, the policy as it was before.
        prompt: (B, P) token ids of the prompt p_i.
        films: The films x_i, tensors of B rows.
        rollouts: y_ij: (B*K, T) token ids and (B*K, T) mask.
        reports: y_i+, the radiologist's reports: (B, L) token ids and (B, L) mask.
        rewards: (B, K) FactS r_ij; NaN is unknown, not zero.
        own: (B,) FactS of the radiologist's report itself.
        smoothed: (B,) zt_i, the smoothed zero-reward rate; NaN if none is known.
        never: Ids that have no probability.

    Returns:
        The loss, a scalar, and w_i, (B,).
    """
    (answers, mask), (chosen, chosen_mask) = rollouts, reports
    studies, group = rewards.shape  # B, K
    # each study's prompt and films once a rollout, in the order of the rollouts: (B*K, ...)
    prompts = prompt.repeat_interleave(group, dim=0)
    shown = {name: film.repeat_interleave(group, dim=0) for name, film in films.items()}
    logps = answer_logps(policy, prompts, shown, answers, mask, never)  # (B*K, T)
    chosen_logps = answer_logps(policy, prompt, films, chosen, chosen_mask, never)  # (B, L)
    with torch.no_grad():
        ref_logps = answer_logps(reference, prompts, shown, answers, mask, never)
        ref_chosen_logps = answer_logps(reference, prompt, films, chosen, chosen_mask, never)

    # L_GRPO(i), Dr. GRPO form. The mean and K count rollouts with a known reward.
    known = ~rewards.isnan()  # (B, K)
    advantage = (rewards - rewards.nanmean(dim=1, keepdim=True)).nan_to_num()  # A_ij, (B, K)
    advantage = advantage.flatten()[:, None]  # (B*K, 1): one for all tokens of a rollout
    ratio = torch.exp(logps - logps.detach())  # (B*K, T), 1 in the first step after sampling
    surrogate = torch.minimum(
        ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage
    )  # (B*K, T)
    away = ref_logps - logps
    divergence = torch.exp(away) - away - 1  # an estimate of KL(pi_theta || pi_ref), (B*K, T)
    token_loss = (KL_WEIGHT * divergence - surrogate) * mask
    rollout_loss = token_loss.sum(dim=1).view(studies, group) / MAX_TOKENS  # (B, K)
    grpo = (rollout_loss * known).sum(dim=1) / known.sum(dim=1).clamp(min=1)  # (B,)

    # L_DPO(i): the radiologist's report y+ against each rejected rollout y-, length-normalised.
    rejected = rejected_rollouts(rewards, own)  # (B, K) bool
    margin = ln_margin(  # D+ - D-, (B*K,), nats a token
        chosen_logps.sum(dim=1).repeat_interleave(group),
        logps.sum(dim=1),
        ref_chosen_logps.sum(dim=1).repeat_interleave(group),
        ref_logps.sum(dim=1),
        chosen_mask.sum(dim=1).repeat_interleave(group),  # |y+|
        mask.sum(dim=1),  # |y-|
    )
    pair_loss = ln_dpo(margin, TAU).view(studies, group)  # (B, K)
    dpo = (pair_loss * rejected).sum(dim=1) / rejected.sum(dim=1).clamp(min=1)  # (B,)

    weight = mixing_weight(smoothed, W_MIN, W_MAX, GAMMA)  # w_i, (B,)
    weight = torch.where(rejected.any(dim=1), weight, 0.0)  # without a pair it is GRPO alone
    return mix(grpo, dpo, weight), weight


def sample(policy, prompt, films, never, pad):
    """Sample K reports a study: (B*K, T) token ids and their mask, the end token counted."""
    with torch.no_grad():
        written = policy.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            **films,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            num_return_sequences=ROLLOUTS,
            max_new_tokens=MAX_TOKENS,
            suppress_tokens=never,
        )
    answers = written[:, prompt.shape[1] :]  # (B*K, T); after its end a report is padded
    return answers, (answers != pad).long()


def encode(tokenizer, reports):
    """Token ids of the radiologist's reports y+, each with its end token: (B, L) and the mask."""
    rows = [torch.tensor([*ids, tokenizer.eos_token_id]) for ids in
            tokenizer(reports, add_special_tokens=False)["input_ids"]]  # fmt: skip
    padded = torch.nn.utils.rnn.pad_sequence(
        rows, batch_first=True, padding_value=tokenizer.pad_token_id
    )
    return padded, (padded != tokenizer.pad_token_id).long()


def main():
    """Train, and say every ten steps what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="folder of a checkpoint; without, the tiny base is made")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--studies", type=int, default=8, help="B, studies a step")
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    options = parser.parse_args()
    torch.manual_seed(0)

    folder = options.model or base_folder()
    policy = AutoModelForImageTextToText.from_pretrained(folder)
    reference = copy.deepcopy(policy).requires_grad_(False)  # pi_ref does not move
    processor = AutoProcessor.from_pretrained(folder)
    tokenizer = processor.tokenizer
    never = never_said(processor, policy)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=options.learning_rate, weight_decay=0.0)
    question = processor.apply_chat_template(user_message(images=1), add_generation_prompt=True)
    facts = FactSReward(facts_beta=FACTS_BETA)
    memory = {}  # zt_i by study, kept from visit to visit
    start, seen = time.monotonic(), []
    for step in range(options.steps):
        # B studies that nobody has seen yet; take `step % N` to visit N of them again and again
        first = step * options.studies
        drawn = [draw_study(1, first + n, PhantomConfig()) for n in range(options.studies)]
        studies = [one.study for one in drawn]
        inputs = processor(
            images=[[one.image] for one in drawn], text=[question] * len(drawn), return_tensors="pt"
        )
        prompt = inputs.pop("input_ids")  # (B, P)
        inputs.pop("attention_mask")  # all ones: one prompt, one size of film
        films = dict(inputs)

        answers, mask = sample(policy, prompt, films, never, tokenizer.pad_token_id)
        texts = tokenizer.batch_decode(answers, skip_special_tokens=True)
        labels = [study.labels for study in studies]
        rewards = facts(texts, labels=[one for one in labels for _ in range(ROLLOUTS)])
        rewards = torch.tensor([torch.nan if r is None else r for r in rewards])
        rewards = rewards.view(-1, ROLLOUTS)  # r_ij, (B, K)
        own = facts([study.report for study in studies], labels=labels)
        own = torch.tensor([torch.nan if r is None else r for r in own])  # (B,)

        zrr = zero_reward_rate(rewards)  # z_i, (B,)
        before = torch.tensor([memory.get(study.study_id, torch.nan) for study in studies])
        smoothed = ema(before, zrr, ALPHA)  # zt_i, (B,)
        memory |= {s.study_id: float(z) for s, z in zip(studies, smoothed, strict=True)}

        reports = encode(tokenizer, [study.report for study in studies])
        loss, weight = orapo_loss(
            *(policy, reference, prompt, films, (answers, mask), reports),
            *(rewards, own, smoothed, never),
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        seen.append((rewards.nanmean(), (zrr == 1).float().mean(), weight.mean()))
        if (step + 1) % 10 == 0 or step + 1 == options.steps:
            reward, all_zero, mixed = torch.tensor(seen[-10:]).nanmean(dim=0).tolist()
            print(
                f"step {step + 1}: mean reward {reward:.3f}, all-zero groups {all_zero:.2f}, "
                f"mean weight {mixed:.3f}, {time.monotonic() - start:.0f} s"
            )


if __name__ == "__main__":
    main()
