"""ScoringTrainer: what the policy and its reference say of rollouts and reports, in few passes.

Between TRL's scoring and the method: rollouts and the radiologists' reports in one forward pass, a film
encoded once for all rows that show it, at the sampling temperature or at 1, without the tokens that are
no words.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from accelerate.utils import is_peft_model
from torch import Tensor
from transformers import ProcessorMixin
from transformers.integrations import is_deepspeed_zero3_enabled

from orapo.models.chat_templates import prepare_processor
from orapo.models.clean_base import clean_after
from orapo.models.placeholders import no_words, rows_of, take_out
from orapo.models.plain_decoding import decode_plainly
from orapo.models.shared_films import encode_films_once
from orapo.training import trl_contract
from orapo.training.method.answers import JointReports, fit
from orapo.training.surviving.resumable import ResumableTrainer

logger = logging.getLogger(__name__)


class ScoringTrainer(ResumableTrainer):
    """A GRPOTrainer that scores reports beside rollouts; `OraPOTrainer` adds the method."""

    _pad_id: int = 0
    _joint: JointReports | None = None
    _switches: Sequence[trl_contract.TemperatureSwitch] = ()

    def _prepare_scoring(self) -> None:
        """Set up what the methods below need; call it when TRL is set up."""
        if isinstance(self.processing_class, ProcessorMixin):
            prepare_processor(self.processing_class, self.model.config.name_or_path or "the model")
            if trl_contract.samples_with_vllm(self) and self.args.vllm_mode == "colocate":
                trl_contract.refuse_colocate()
        tokenizer, end_tokens = trl_contract.tokenizer(self), trl_contract.end_tokens(self)
        policy = self.model.get_base_model() if is_peft_model(self.model) else self.model
        decode_plainly(self.accelerator.unwrap_model(policy), tokenizer)
        # TRL suppresses the image token alone, and not even that under vLLM; any placeholder (image,
        # video, role marks) in a rollout would break the match of image tokens and image features,
        # or end up in the text.
        placeholders = trl_contract.image_tokens(self) | no_words(tokenizer, rows_of(policy))
        trl_contract.suppress_tokens(self, placeholders - end_tokens)
        for each in (self.model, self.ref_model):
            if each is not None:
                model = self.accelerator.unwrap_model(each)
                if not take_out(model, placeholders - end_tokens) and each is self.model:
                    logger.warning(
                        "special tokens are not sampled, but keep their probability where rollouts are scored: "
                        "this head, or this engine, has no place to take it"
                    )
                if self.args.share_films:
                    encode_films_once(each)
        if trl_contract.samples_with_vllm(self) and is_peft_model(self.model):
            whole = not (self.is_fsdp_enabled or is_deepspeed_zero3_enabled())
            adapted = self.accelerator.unwrap_model(self.model)
            trl_contract.wrap_sync(self, lambda sync: clean_after(sync, adapted, sharded=not whole))
        self._pad_id = tokenizer.pad_token_id
        head = ("log_probs", "entropy")
        switches = [trl_contract.TemperatureSwitch(policy, self.temperature, head)]
        if self.ref_model is not None:
            unwrapped = self.accelerator.unwrap_model(self.ref_model)
            switches.append(trl_contract.TemperatureSwitch(unwrapped, self.temperature, head[:1]))
        self._switches = switches

    def _answer_logps(
        self,
        model: Any,
        batch: dict[str, Any],
        chosen_rows: list[int],
        rejected_rows: list[int],
    ) -> tuple[Tensor, Tensor]:
        """Summed log-probabilities, at temperature 1, of reports and of rollouts.

        Args:
            model: Policy or reference.
            batch: A batch of TRL with our fields.
            chosen_rows: Rows whose reference report to score.
            rejected_rows: Rows whose rollout to score.

        Returns:
            Tensors of the lengths of ``chosen_rows`` and of ``rejected_rows``.
        """
        answers = [batch["chosen_ids"][chosen_rows], batch["completion_ids"][rejected_rows]]
        masks = [batch["chosen_mask"][chosen_rows], batch["completion_mask"][rejected_rows]]
        width = max(ids.shape[1] for ids in answers)
        sums = self._summed_logps(
            model,
            batch,
            [*chosen_rows, *rejected_rows],
            torch.cat([fit(item, width, self._pad_id) for item in answers]),
            torch.cat([fit(item, width, 0) for item in masks]),
        )
        return sums[: len(chosen_rows)], sums[len(chosen_rows) :]

    def _summed_logps(
        self, model: Any, batch: dict[str, Any], rows: list[int], ids: Tensor, mask: Tensor
    ) -> Tensor:
        """Summed log-probabilities, at temperature 1, of answers to the prompts of rows.

        Args:
            model: Policy or reference.
            batch: A batch of TRL.
            rows: R rows whose prompts precede the answers; repeats allowed.
            ids: (R, L) answers.
            mask: (R, L) 1 for a token of an answer.

        Returns:
            (R,).
        """
        # As many forward passes as in every other process, and never none: a process that leaves one
        # out would hang the others under FSDP and ZeRO-3.
        count, size = len(rows), self.args.per_device_train_batch_size
        own = torch.tensor([max(1, -(-count // size))], device=self.accelerator.device)
        passes = int(self.accelerator.gather(own).max())
        fillers = [0] * ((passes - 1) * size + 1 - count)  # no row if the number is negative
        if fillers:
            width = max(ids.shape[1], batch["completion_ids"].shape[1])
            more, their_mask = batch["completion_ids"][fillers], batch["completion_mask"][fillers]
            ids = torch.cat([fit(item, width, self._pad_id) for item in (ids, more)])
            mask = torch.cat([fit(item, width, 0) for item in (mask, their_mask)])
        rows = [*rows, *fillers]
        width = ids.shape[1]
        prompt_ids, prompt_mask = batch["prompt_ids"][rows], batch["prompt_mask"][rows]
        fields = trl_contract.select_vision(
            trl_contract.vision_fields(batch), rows, prompt_ids.shape[1], width
        )
        with self._temperature_off():
            logps, _, _ = self._get_per_token_logps_and_entropies(
                model,
                torch.cat([prompt_ids, ids], dim=1),
                torch.cat([prompt_mask, mask], dim=1),
                width,
                batch_size=size,
                **fields,
            )
        return (logps * mask).sum(dim=1)[:count]

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[Any, Any, dict[str, Any]]:
        """As TRL's; prompts of PaliGemma one by one, and without its processor's ``labels``.

        The processor makes labels of every prompt, which fails for several of different lengths.
        """
        tokenize = super()._tokenize_prompts
        if not trl_contract.reads_prefix(self):
            return tokenize(prompts)
        ids: list[Any] = []
        images: list[Any] = []
        fields: dict[str, Any] = {}
        for prompt in prompts:
            own_ids, own_images, own_fields = tokenize([prompt])
            ids.extend(own_ids)
            images.extend(own_images or [None])
            for name, value in own_fields.items():
                if name != "labels":
                    fields.setdefault(name, []).extend(value)
        stacked = {
            name: torch.stack(value) if isinstance(value[0], Tensor) else value
            for name, value in fields.items()
        }
        return ids, images if any(images) else None, stacked

    def _temperature_off(self) -> ExitStack:
        stack = ExitStack()
        for switch in self._switches:
            stack.enter_context(switch.off())
        return stack

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """As TRL's; inside `_compute_loss` the reference reports join the rollouts' pass."""
        scoring = super()._get_per_token_logps_and_entropies
        kwargs.pop("labels", None)  # of PaliGemma's processor, which TRL hands on
        joint, self._joint = self._joint, None
        count, kept = len(input_ids), logits_to_keep
        if joint is not None:
            input_ids, attention_mask, kept, fields = joint.join(
                input_ids, attention_mask, kept, kwargs, self._pad_id
            )
            kwargs = {**kwargs, **fields}
        if trl_contract.reads_prefix(self):
            kwargs["token_type_ids"] = trl_contract.causal_answers(kwargs["token_type_ids"], kept)
        logps, entropies, aux_loss = scoring(
            model, input_ids, attention_mask, kept, *args, **kwargs
        )
        # Padding has no probability (`placeholders`); the KL part is computed for all tokens, and infinity
        # times a mask of 0 is no number.
        logps = logps.masked_fill(attention_mask[:, -kept:] == 0, 0)
        if joint is not None:
            logps = joint.part(logps, logits_to_keep)
            if entropies is not None:
                entropies = entropies[:count, :logits_to_keep]
        return logps, entropies, aux_loss
