"""OraPOTrainer: TRL's GRPOTrainer, and the oracle's lesson where exploration fails.

From rollouts to loss: `_generate_and_score_completions` lets TRL sample and score, updates the smoothed
zero-reward rates, picks the rejected rollouts and adds a weight for each rollout to the batch: tensors
with the batch first, which TRL shuffles and splits for us. `_compute_loss` multiplies each rollout's GRPO
loss by its weight (TRL's float ``tool_mask``, exact for ``loss_type="dr_grpo"``), brings it from TRL's
``max_completion_length`` to one stated length in the same way, and adds the DPO term;
the radiologists' reports ride along in the rollouts' forward pass. A reward that is unknown (NaN) is
never a zero: the rollout leaves the loss.

The equations are in `orapo.losses`, the memory in `oracle`, the answers of a pair in `answers`. The
private methods that are overridden here, in `scoring` and in `surviving.resumable`, and the attributes
behind `orapo.training.trl_contract`, are all the contact with TRL's private side.
"""

from __future__ import annotations

import copy
import logging
from functools import partial
from typing import Any, ClassVar

import torch
from accelerate.utils import gather_object, is_peft_model
from torch import Tensor
from transformers import PreTrainedModel
from transformers.integrations import is_deepspeed_zero3_enabled

from orapo.facts import FactSReward
from orapo.losses import (
    ln_dpo,
    ln_margin,
    ln_nll,
    mixing_weight,
    pair_weights,
    rejected_rollouts,
    sample_weights,
    zero_reward_rate,
)
from orapo.training import trl_contract
from orapo.training.config import OraPOConfig
from orapo.training.method.answers import (
    ChosenAnswers,
    JointReports,
    ReferenceRewards,
    first_rows,
    spread,
)
from orapo.training.method.experts import (
    WEIGHT,
    ExpertPairs,
    add_pairs,
    expert_answers,
    expert_term,
    join_pairs,
)
from orapo.training.method.oracle import OracleState
from orapo.training.method.pace import OwnPace
from orapo.training.method.scoring import ScoringTrainer
from orapo.training.method.set_up import check_pairs, loss_length, oracle_column, require_columns
from orapo.training.surviving.checked import checked, refuse_infinite
from orapo.training.surviving.films import FILM_ERROR, SetAside
from orapo.training.watching.gradients import GradientNorms
from orapo.training.watching.watch import PhaseClock, Watch, identical_share

logger = logging.getLogger(__name__)


class OraPOTrainer(OwnPace, ScoringTrainer):
    """Trains with OraPO (paper section 3, docs/method.md) or, by configuration, with plain GRPO.

    Args:
        model: As in ``trl.GRPOTrainer``: a model, a PEFT model or a checkpoint's name.
        reward_funcs: As in TRL; by default FactS alone. The one that ``args.oracle_reward`` names
            (by default ``facts``) drives the zero-reward rate. Where it gives no reward, the
            rollout is left out of the loss, whatever the others say.
        args: The configuration.
        set_aside: Takes the studies whose film turns out unreadable during training and stops the
            run when they are too many; without it they are only left out of the loss.
        experts: Their pairs, for method ``orapo+rlhf``.
        **kwargs: Anything else of ``trl.GRPOTrainer``. For method ``orapo`` the ``train_dataset``
            needs the columns ``args.study_column`` and ``args.report_column``.

    Raises:
        OrapoError: A column is missing, or no reward function bears the name asked for.
    """

    _tag_names: ClassVar = ["trl", "orapo"]
    _name = "OraPO"
    _paper: ClassVar = {
        "title": "OraPO: Oracle-educated Reinforcement Learning for Data-efficient and Factual "
        "Radiology Report Generation",
        "id": "2509.18600",
    }
    args: OraPOConfig
    oracle: OracleState

    def __init__(
        self,
        model: str | PreTrainedModel | Any,
        reward_funcs: Any = None,
        args: OraPOConfig | None = None,
        *,
        set_aside: SetAside | None = None,
        experts: ExpertPairs | None = None,
        **kwargs: Any,
    ) -> None:
        args = args if args is not None else OraPOConfig("orapo-run")
        if reward_funcs is None:
            reward_funcs = FactSReward(facts_beta=args.facts_beta, uncertain=args.uncertain)
        reward_funcs = checked(reward_funcs, args.study_column)
        if args.has_oracle:
            require_columns(kwargs.get("train_dataset"), (args.study_column, args.report_column))
        adapter = kwargs.get("peft_config") is not None or is_peft_model(model)
        needed = args.has_oracle or args.beta != 0
        # Under ZeRO-3 a process holds a part of each weight, which can't be copied: TRL reads the
        # reference from the policy's folder there.
        whole = isinstance(model, PreTrainedModel) and not is_deepspeed_zero3_enabled()
        in_memory = whole and not adapter
        # Copied before TRL patches its forward function: a patched one stays bound to the policy.
        reference = copy.deepcopy(model) if needed and in_memory else None
        with trl_contract.reference_model(args, needed, reference):
            super().__init__(model, reward_funcs, args=args, **kwargs)
        self.beta = args.beta
        trl_contract.silence_report_text()
        self._prepare_scoring()

        self._clock = PhaseClock()
        self.watch = Watch(args)
        self.add_callback(self.watch)
        self.keep_pace(args)
        self._set_aside = set_aside or SetAside(total=1)
        self.oracle = OracleState()
        self.experts = experts if args.method == "orapo+rlhf" else None
        self._oracle_column = oracle_column(self.reward_func_names, args.oracle_reward)
        self.watch.reward = self.reward_func_names[self._oracle_column]
        self._rewards = torch.empty(0)  # of the last generation, over all processes
        self._chosen = ChosenAnswers(
            self.processing_class,
            trl_contract.tokenizer(self),
            trl_contract.end_tokens(self),
            trl_contract.template_options(self),
        )
        if self.experts is not None:  # reports are checked when they are first learned from
            check_pairs(self.experts, self.train_dataset, self._chosen)
        self._reference_rewards = ReferenceRewards(
            self.reward_funcs[self._oracle_column], args.study_column, args.report_column
        )
        self.loss_length = loss_length(args, self.train_dataset, self._chosen)
        sharded = self.is_deepspeed_enabled or self.is_fsdp_enabled
        self._gradient_norms = GradientNorms(0 if sharded else args.grad_every)

    # ---------------------------------------------------------------- rewards

    def _calculate_rewards(
        self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any
    ) -> Tensor:
        """Keep the gathered rewards that drive the ZRR; an unknown one empties its whole row.

        TRL adds up what the reward functions gave and takes a missing part as 0. A rollout that
        FactS could not judge would then compete in its group on its length alone.
        """
        with self._clock.phase("reward"):
            rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        models = [isinstance(reward, torch.nn.Module) for reward in self.reward_funcs]
        column = self.args.study_column
        ids = [str(row[column]) for row in inputs] if column in inputs[0] else []
        refuse_infinite(rewards, self.reward_func_names, models, gather_object(ids))
        oracle = rewards[:, self._oracle_column]
        rewards[oracle.isnan()] = torch.nan
        if FILM_ERROR in inputs[0]:
            # What was written about a blank film earns nothing, and loses nothing.
            errors = gather_object([row[FILM_ERROR] for row in inputs])
            study_ids = gather_object([str(row.get(self.args.study_column)) for row in inputs])
            rewards[[bool(error) for error in errors]] = torch.nan
            for study_id, error in zip(study_ids, errors, strict=True):
                if error:
                    self._set_aside.add(study_id, error)
            self._set_aside.check()
        self._rewards = oracle
        return rewards

    # ---------------------------------------------------------------- generation

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Let TRL sample and score, then update the oracle and weigh rollouts and pairs.

        Adds to TRL's batch (N rollouts of this process): ``sample_weight`` (N,), and for method
        ``orapo`` ``pair_weight`` (N,), ``study_index`` (N,), ``chosen_ids`` and ``chosen_mask``
        (N, L), ``ref_chosen_logps`` and ``ref_rejected_logps`` (N,). All have the batch first, so
        that TRL's shuffling and splitting carries them along.
        """
        with self._clock.phase("generate"):
            batch = super()._generate_and_score_completions(inputs)
            if not self.model.training:
                return batch
            self.budget.rollouts += len(self._rewards)
        with self._clock.phase("oracle"):
            self._ask_oracle(inputs, batch)
        return batch

    def _ask_oracle(self, inputs: list[dict[str, Any]], batch: dict[str, Any]) -> None:
        # (B, K), all processes; in float64, since weights are cheap and their errors would show
        rewards = self._rewards.double().view(-1, self.num_generations)
        local = slice(
            self.accelerator.process_index * len(inputs),
            (self.accelerator.process_index + 1) * len(inputs),
        )
        zrr = zero_reward_rate(rewards)
        self._log("oracle/zero_reward_share", zrr.nanmean())
        self._log("oracle/all_zero_groups", (zrr == 1).float().mean())
        self._log("oracle/unknown_rewards", rewards.isnan().float().mean())
        weight = torch.zeros_like(zrr)
        if self.args.has_oracle:
            study_ids = gather_object([str(row[self.args.study_column]) for row in inputs])
            smoothed = self.oracle.update(
                *(study_ids[:: self.num_generations], zrr, self.args.zrr_alpha),
                self.args.zrr_first,
            )
            self._log("oracle/smoothed_zrr", smoothed.nanmean())
            chosen = self._chosen.tokens(
                [row["prompt"] for row in inputs], [row[self.args.report_column] for row in inputs]
            )
            rejected = self._choose_rejected(inputs, batch, chosen, rewards)
            weight = mixing_weight(smoothed, self.args.w_min, self.args.w_max, self.args.zrr_gamma)
            weight = torch.where(rejected.any(dim=1), weight, torch.zeros_like(weight))
            self._log("oracle/weight", weight.mean())
            self._log("oracle/pairs", rejected.sum(dim=1).to(weight.dtype).mean())
            batch["pair_weight"] = pair_weights(rejected, weight).flatten()[local]
            groups = torch.arange(rewards.numel(), device=rewards.device) // self.num_generations
            batch["study_index"] = groups[local]
            batch["chosen_ids"], batch["chosen_mask"] = self._chosen.pad(
                chosen, self.accelerator.device
            )
            self._add_reference_logps(batch, [str(row[self.args.study_column]) for row in inputs])
            self._ask_experts(inputs, batch)
        if self.args.has_oracle or bool(rewards.isnan().any()):
            batch["sample_weight"] = sample_weights(rewards, weight).flatten()[local]
        reports = identical_share(batch["completion_ids"], batch["completion_mask"])
        self._log("completions/identical", torch.tensor(reports))
        trl_contract.log_metric(self, "rollouts", self.budget.rollouts)

    def _ask_experts(self, inputs: list[dict[str, Any]], batch: dict[str, Any]) -> None:
        """Add an expert's pair of each study that has one, at the first of its rows."""
        if self.experts is None:
            return
        start = self.accelerator.process_index * len(inputs)
        pairs = [
            None
            if (start + place) % self.num_generations
            else self.experts.turn(str(row[self.args.study_column]), self.state.global_step)
            for place, row in enumerate(inputs)
        ]
        weight = self.args.expert_weight * self.num_generations
        with torch.no_grad(), trl_contract.as_reference(self._policy(), self.ref_model) as model:
            reference = partial(self._summed_logps, model, batch)
            add_pairs(batch, inputs, pairs, self._chosen, weight, reference, self._pad_id)

    def _choose_rejected(
        self,
        inputs: list[dict[str, Any]],
        batch: dict[str, Any],
        chosen: list[list[int]],
        rewards: Tensor,
    ) -> Tensor:
        """(B, K) bool, all processes: which rollouts are rejected answers."""
        worst_too = self.args.rejected == "worst"
        start = self.accelerator.process_index * len(inputs)
        # What can't be rejected needs no reward of the report that would be chosen.
        asked = (rewards == 0).any(dim=1) | (worst_too & ~rewards.isnan().all(dim=1))
        values = [
            self._reference_rewards(row, chosen[i], self.state, trl_contract.environments(self))
            if asked[(start + i) // self.num_generations]
            else float("nan")
            for i, row in enumerate(inputs)
        ]
        gathered = self.accelerator.gather(
            torch.tensor(values, dtype=rewards.dtype, device=rewards.device)
        )
        reference = gathered.view_as(rewards)[:, 0]
        known = reference[~reference.isnan()]
        self._log("oracle/reference_zero", (known == 0).double().mean())  # NaN: none is known
        filled = self.accelerator.gather(batch["completion_mask"].sum(dim=1) > 0)
        # `mask_truncated_completions` can leave nothing of a rollout to compare
        return rejected_rollouts(rewards, reference, worst_too) & filled.view_as(rewards)

    @torch.no_grad()
    def _add_reference_logps(self, batch: dict[str, Any], study_ids: list[str]) -> None:
        """Add both answers' summed log-probabilities under the reference model to the batch.

        A report's is computed at the study's first visit and kept: the reference does not move.
        """
        pairs = batch["pair_weight"] > 0
        index = batch["study_index"]
        kept = {} if self.args.sync_ref_model else self.oracle.reference_logps
        chosen_rows = first_rows(index, pairs)
        new_rows = [row for row in chosen_rows if study_ids[row] not in kept]
        known = "ref_per_token_logps" in batch and self.temperature == 1.0
        rejected_rows = [] if known else pairs.nonzero().flatten().tolist()
        with trl_contract.as_reference(self._policy(), self.ref_model) as model:
            new, rejected = self._answer_logps(model, batch, new_rows, rejected_rows)
        new_values = zip((study_ids[row] for row in new_rows), new.tolist(), strict=True)
        for found in gather_object([dict(new_values)]):
            kept.update(found)
        chosen = new.new_tensor([kept[study_ids[row]] for row in chosen_rows])
        batch["ref_chosen_logps"] = spread(chosen, chosen_rows, index, pairs)
        if known:
            batch["ref_rejected_logps"] = (
                batch["ref_per_token_logps"] * batch["completion_mask"]
            ).sum(dim=1)
        else:
            zeros = torch.zeros(len(index), dtype=new.dtype, device=new.device)
            zeros[rejected_rows] = rejected
            batch["ref_rejected_logps"] = zeros

    # ---------------------------------------------------------------- loss

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any) -> Tensor:
        """TRL's, with the seconds of its phases logged."""
        with self._clock.phase("loss"):
            loss = super().training_step(model, inputs, num_items_in_batch)
        for name, seconds in self._clock.taken().items():
            trl_contract.log_metric(self, f"seconds/{name}", seconds)
        return loss

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        """TRL's GRPO loss with each rollout weighted, plus the weighted DPO loss of the pairs.

        In evaluation it is TRL's loss alone, so that ``eval_loss`` stays comparable.
        """
        scale = self.max_completion_length / self.loss_length
        if not self.model.training or ("sample_weight" not in inputs and scale == 1):
            return super()._compute_loss(model, inputs)
        # With loss_type "dr_grpo" the mask multiplies a token's whole loss, its KL part too, and
        # does not enter the divisor: a fractional mask is a weight (1-w_i).
        precision = torch.promote_types(torch.float32, self.model.dtype)
        ones = torch.ones(len(inputs["completion_ids"]), device=inputs["completion_ids"].device)
        weight = scale * inputs.get("sample_weight", ones).to(precision)[:, None]
        inputs = {**inputs, "tool_mask": weight * inputs.get("tool_mask", 1)}
        if "pair_weight" not in inputs:
            return super()._compute_loss(model, inputs)
        pairs = inputs["pair_weight"] > 0
        index = inputs["study_index"]
        chosen_rows = first_rows(index, pairs)
        experts = WEIGHT in inputs
        if self.temperature == 1.0:
            # One forward pass for all losses: cheaper, and DDP allows no second one.
            joint = JointReports(
                chosen_rows, inputs["chosen_ids"][chosen_rows], inputs["chosen_mask"][chosen_rows]
            )
            if experts:
                joint = join_pairs(inputs, joint, self._pad_id)
            self._joint = joint
            loss = super()._compute_loss(model, inputs)
            reports = (joint.report_logps * joint.mask).sum(dim=1)
            chosen, judged = reports[: len(chosen_rows)], reports[len(chosen_rows) :]
            rejected = (joint.rollout_logps * inputs["completion_mask"]).sum(dim=1)[pairs]
        else:
            loss = super()._compute_loss(model, inputs)
            rejected_rows = pairs.nonzero().flatten().tolist()
            chosen, rejected = self._answer_logps(model, inputs, chosen_rows, rejected_rows)
            if experts:
                judged = self._summed_logps(model, inputs, *expert_answers(inputs, self._pad_id))
        margin = ln_margin(
            spread(chosen, chosen_rows, index, pairs)[pairs],
            rejected,
            inputs["ref_chosen_logps"][pairs],
            inputs["ref_rejected_logps"][pairs],
            inputs["chosen_mask"].sum(dim=1)[pairs],
            inputs["completion_mask"].sum(dim=1)[pairs],
        )
        dpo = torch.zeros_like(margin)
        if self.args.lesson in ("dpo", "both"):
            dpo = dpo + ln_dpo(margin, self.args.dpo_tau)
        if self.args.lesson in ("sft", "both"):
            supervised = spread(chosen, chosen_rows, index, pairs)[pairs]
            dpo = dpo + ln_nll(supervised, inputs["chosen_mask"].sum(dim=1)[pairs])
        # The mean over all rollouts: pair_weight holds K/n_i, see `losses.pair_weights`.
        dpo = (inputs["pair_weight"][pairs].to(precision) * dpo).sum() / len(pairs)
        self._log("loss/dpo", dpo.detach())
        self._log("dpo/margin", margin.detach().mean())  # NaN without a pair, and then left out
        self._log("dpo/accuracy", (margin.detach() > 0).float().mean())
        if experts:
            term, their_margin = expert_term(inputs, judged, self.args.dpo_tau, precision)
            self._log("loss/expert_dpo", term.detach())
            self._log("dpo/expert_accuracy", (their_margin > 0).float().mean())
            dpo = dpo + term
        if self._gradient_norms.due(self.state.global_step):
            parts = loss * trl_contract.accumulation_steps(self), dpo
            for name, norm in zip(
                ("grpo", "dpo"), self._gradient_norms.of(parts, self.model), strict=True
            ):
                self._log(f"grad/{name}", norm)
        return loss + dpo / trl_contract.accumulation_steps(self)

    # ---------------------------------------------------------------- logs

    def announce(self, figures: dict[str, float]) -> None:
        """Hand figures to everything that logs, TRL's own of this step apart."""
        # transformers takes the step for logged after this: its own log would be lost, and under a
        # launcher of several processes the others would wait in it for this one.
        wanted = self.control.should_log
        self.callback_handler.on_log(self.args, self.state, self.control, figures)
        self.control.should_log = wanted

    def _log(self, name: str, value: Tensor) -> None:
        mean = self.accelerator.gather(value.to(self.accelerator.device)).nanmean()
        trl_contract.log_metric(self, name, mean.item())
