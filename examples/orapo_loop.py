"""OraPO in one file, from top to bottom, without a trainer.

    python examples/orapo_loop.py [--steps 100] [--model DIR]

Trains the tiny base of the short demo on synthetic films, on two CPU cores, and prints how the reward grows. About half
of the time makes the base, at the first call (`base_folder`); it is kept in ~/.cache/orapo. Any checkpoint of a
vision-language model in a folder can stand in its place. `orapo_loss` is the method, `main` the loop around it;
docs/method.md has the equations and says where each value is from. The loss is that of `OraPOTrainer` on the same
batch, to 1e-8 (tests/test_orapo_loop.py).

Where it departs from the paper (arXiv 2509.18600), as `OraPOTrainer` does:

- FactS by local rules in place of GPT-4.1; b of its F-beta is 0.5, since claiming everything pays otherwise;
- L_GRPO in the Dr. GRPO form: divided neither by the group's standard deviation nor by an answer's length;
- every zero-reward rollout is a rejected answer, unless the report earns 0 too; in a group without one it is the
  worst, if that earns less than the report, else w_i = 0;
- tokens that are no words have no probability; tau and the weight of the KL term are ours; K is 4, not 8.

Where it departs from `OraPOTrainer`:

- one process, one optimiser step a generation (so the ratio is 1 and is never clipped), temperature 1;
- one film a study and one prompt for all, so that no prompt needs padding;
- the reference is a second model, no pass is shared, no log-probability kept: right, and slower;
- zt_i of a first visit is z_i, as in the paper (`zrr_first: own`);
- one constant learning rate; no repetition term, checkpoints, logs or held-out studies.
"""

import argparse
import copy
import time
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor

from orapo import losses
from orapo.data.conversation import user_message
from orapo.data.phantom import PhantomConfig, draw_study
from orapo.facts import FactSReward

TRAINING = 256  # studies, met in turn
STUDIES, ROLLOUTS = 8, 4  # B, K: studies a step, rollouts a study
ALPHA = 0.5  # a: weight of the past in the smoothed zero-reward rate
W_MIN, W_MAX = 0.05, 0.15  # bounds of w_i, the weight of the DPO term
GAMMA = 2.0  # g: above 1 the weight rises late
TAU = 2.0  # temperature of the preference
KL_WEIGHT = 0.04  # lambda_KL
CLIP = 0.2  # epsilon of the clipped ratio
MAX_TOKENS = 64  # of a report
LENGTH = 32.0  # tokens that L_GRPO is divided by: about a report's mean length, as |y| in L_DPO
FACTS_BETA = 0.5  # b of FactS
LEARNING_RATE = 5e-4


def base_folder() -> str:
    """Make the tiny base: the only place that uses more of orapo than data, FactS and losses."""
    from orapo.models.base import BaseRecipe, tiny_base

    shown = {"films": 250, "shape_pictures": 6000, "reports": 3000}  # as `orapo demo --quick`
    return str(tiny_base(BaseRecipe(**shown, patch_steps=1200, joint_steps=550)))


def sample(
    policy: Any, prompt: Tensor, films: dict[str, Tensor], never: list[int], ends: list[int]
) -> tuple[Tensor, Tensor]:
    """Sample K reports of each study: (B*K, T) token ids, and 1 for tokens, the end's included."""
    written = policy.generate(
        input_ids=prompt, attention_mask=torch.ones_like(prompt), **films, do_sample=True,
        temperature=1.0, top_k=0, num_return_sequences=ROLLOUTS, max_new_tokens=MAX_TOKENS,
        suppress_tokens=never,
    )  # fmt: skip
    answers = written[:, prompt.shape[1] :]
    end = torch.isin(answers, torch.tensor(ends)).long()
    return answers, (end.cumsum(dim=1) - end == 0).long()  # no end before it


def encode(tokenizer: Any, reports: list[str]) -> tuple[Tensor, Tensor]:
    """Token ids of the radiologist's reports y+ and of their ends, (B, L), and 1 for tokens."""
    rows = tokenizer(reports, add_special_tokens=False)["input_ids"]
    ended = [torch.tensor([*row, tokenizer.eos_token_id]) for row in rows]
    chosen = torch.nn.utils.rnn.pad_sequence(ended, batch_first=True)
    return chosen, torch.nn.utils.rnn.pad_sequence([torch.ones_like(e) for e in ended], True)


def token_logps(
    model: Any,
    prompt: Tensor,
    films: dict[str, Tensor],
    answers: Tensor,
    mask: Tensor,
    never: list[int],
) -> Tensor:
    """Each token's log pi(y_t | x, p, y_<t), of N answers.

    Args:
        model: pi_theta or pi_ref.
        prompt: (N, P) token ids.
        films: What the processor makes of N films.
        answers: (N, T) token ids, padded at their ends.
        mask: (N, T), 1 for the tokens of an answer.
        never: Ids without a probability.

    Returns:
        (N, T), 0 where an answer has ended.
    """
    seen = torch.cat([torch.ones_like(prompt), mask], dim=1)  # (N, P+T)
    ids = torch.cat([prompt, answers], dim=1)  # (N, P+T)
    logits = model(input_ids=ids, attention_mask=seen, **films).logits  # (N, P+T, vocabulary)
    logits = logits[:, prompt.shape[1] - 1 : -1]  # (N, T, vocabulary): each place tells the next
    logits = logits.index_fill(-1, torch.tensor(never), -torch.inf)
    logps = logits.log_softmax(-1).gather(-1, answers[..., None])[..., 0]  # (N, T)
    return torch.where(mask.bool(), logps, 0.0)


def orapo_loss(
    policy: Any, reference: Any, never: list[int], prompt: Tensor, films: dict[str, Tensor],
    rollouts: tuple[Tensor, Tensor], reports: tuple[Tensor, Tensor],
    rewards: Tensor, own: Tensor, smoothed: Tensor,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """L_OraPO = (1/B) sum_i [(1-w_i) L_GRPO(i) + w_i L_DPO(i)] of a batch.

    Args:
        policy: pi_theta.
        reference: pi_ref, the policy as it was at first.
        never: Ids without a probability.
        prompt: (B, P) token ids of p_i.
        films: x_i, B rows.
        rollouts: y_i1..y_iK, study by study: (B*K, T) token ids, and 1 for tokens.
        reports: y_i+, the radiologist's: (B, L) token ids, and 1 for tokens.
        rewards: (B, K) r_ij; NaN is unknown, not zero.
        own: (B,) reward of the radiologist's report itself.
        smoothed: (B,) zt_i, the smoothed zero-reward rate; NaN if none is known.

    Returns:
        The loss, a scalar, and w_i, (B,).
    """
    (answers, mask), (chosen, chosen_mask) = rollouts, reports
    many = rewards.shape[1]  # K
    prompts = prompt.repeat_interleave(many, dim=0)  # (B*K, P)
    shown = {name: film.repeat_interleave(many, dim=0) for name, film in films.items()}
    logps = token_logps(policy, prompts, shown, answers, mask, never)  # (B*K, T)
    chosen_logps = token_logps(policy, prompt, films, chosen, chosen_mask, never)  # (B, L)
    with torch.no_grad():
        ref_logps = token_logps(reference, prompts, shown, answers, mask, never)
        ref_chosen_logps = token_logps(reference, prompt, films, chosen, chosen_mask, never)

    # L_GRPO(i): clipped ratio times group-relative advantage, and the KL term, token by token.
    known = ~rewards.isnan()  # (B, K): what is unknown is no rollout of the group
    advantage = (rewards - rewards.nanmean(dim=1, keepdim=True)).nan_to_num()  # A_ij, (B, K)
    advantage = advantage.flatten()[:, None]  # (B*K, 1): one for all tokens of a rollout
    ratio = torch.exp(logps - logps.detach())  # pi_theta / pi_old, (B*K, T)
    gain = torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage)
    away = torch.exp(ref_logps - logps) - (ref_logps - logps) - 1  # estimates the KL divergence
    loss = ((KL_WEIGHT * away - gain) * mask).sum(dim=1) / LENGTH  # (B*K,)
    grpo = (loss.view_as(rewards) * known).sum(dim=1) / known.sum(dim=1).clamp(min=1)  # (B,)

    # L_DPO(i): the report y+ against each rejected rollout y-, length-normalised.
    rejected = losses.rejected_rollouts(rewards, own)  # (B, K) bool
    margin = losses.ln_margin(  # D+ - D-, (B*K,), nats a token
        chosen_logps.sum(dim=1).repeat_interleave(many),  # log pi_theta(y+), (B*K,)
        logps.sum(dim=1),  # log pi_theta(y-)
        ref_chosen_logps.sum(dim=1).repeat_interleave(many),
        ref_logps.sum(dim=1),
        chosen_mask.sum(dim=1).repeat_interleave(many),  # |y+|
        mask.sum(dim=1),  # |y-|
    )
    pairs = losses.ln_dpo(margin, TAU).view_as(rewards) * rejected  # (B, K)
    dpo = pairs.sum(dim=1) / rejected.sum(dim=1).clamp(min=1)  # (B,)

    weight = losses.mixing_weight(smoothed, W_MIN, W_MAX, GAMMA)  # w_i, (B,)
    weight = torch.where(rejected.any(dim=1), weight, 0.0)  # without a pair GRPO alone
    return losses.mix(grpo, dpo, weight), weight


def scores(facts: FactSReward, texts: list[str], labels: list[Any]) -> Tensor:
    """FactS of N texts against N studies' labels, (N,); NaN where it is unknown."""
    return torch.tensor([torch.nan if r is None else r for r in facts(texts, labels=labels)])


def main() -> None:
    """Train, and say every ten steps what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="folder of a checkpoint; without it the tiny base is made")
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    torch.manual_seed(0)
    folder = options.model or base_folder()
    policy = AutoModelForImageTextToText.from_pretrained(folder)  # in evaluation mode: no dropout
    reference = copy.deepcopy(policy).requires_grad_(False)
    processor = AutoProcessor.from_pretrained(folder)
    tokenizer, ends = processor.tokenizer, policy.generation_config.eos_token_id
    ends = [ends] if isinstance(ends, int) else ends
    marked = {one for one, token in tokenizer.added_tokens_decoder.items() if token.special}
    never = sorted(marked - {*ends})  # no words: images, roles, padding
    question = processor.apply_chat_template(user_message(images=1), add_generation_prompt=True)
    facts, memory = FactSReward(facts_beta=FACTS_BETA), {}  # zt_i by study
    optimizer = torch.optim.AdamW(policy.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    start, seen = time.monotonic(), []
    for step in range(1, options.steps + 1):
        numbers = range((step - 1) * STUDIES, step * STUDIES)
        drawn = [draw_study(0, number % TRAINING, PhantomConfig()) for number in numbers]
        studies = [one.study for one in drawn]
        images = [[one.image] for one in drawn]
        films = dict(processor(images=images, text=[question] * STUDIES, return_tensors="pt"))
        prompt = films.pop("input_ids")  # (B, P)
        del films["attention_mask"]  # all ones

        answers, mask = sample(policy, prompt, films, never, ends)  # (B*K, T)
        texts = tokenizer.batch_decode(answers, skip_special_tokens=True)
        labels = [study.labels for study in studies]  # L_i
        rewards = scores(facts, texts, [one for one in labels for _ in range(ROLLOUTS)])
        rewards = rewards.view(STUDIES, ROLLOUTS)  # r_ij
        own = scores(facts, [study.report for study in studies], labels)  # (B,)

        zrr = losses.zero_reward_rate(rewards)  # z_i, (B,)
        before = torch.tensor([memory.get(study.study_id, torch.nan) for study in studies])
        smoothed = losses.ema(before, zrr, ALPHA)  # zt_i, (B,)
        memory |= {study.study_id: z for study, z in zip(studies, smoothed.tolist(), strict=True)}

        reports = encode(tokenizer, [study.report for study in studies])
        loss, weight = orapo_loss(
            policy, reference, never, prompt, films, (answers, mask), reports,
            rewards, own, smoothed,
        )  # fmt: skip
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        seen.append([rewards.nanmean(), (zrr == 1).float().mean(), weight.mean()])
        if step % 10 == 0 or step == options.steps:
            reward, failed, mixed = torch.tensor(seen[-10:]).nanmean(dim=0).tolist()
            print(
                f"step {step}: mean reward {reward:.3f}, all-zero groups {failed:.2f}, "
                f"mean weight {mixed:.3f}, {time.monotonic() - start:.0f} s"
            )


if __name__ == "__main__":
    main()
