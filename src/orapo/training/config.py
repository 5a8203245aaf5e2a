"""The configuration of a training run: TRL's GRPOConfig and the few fields that OraPO adds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

from trl import GRPOConfig

from orapo.errors import OrapoError
from orapo.labels import UncertainPolicy
from orapo.removed import refuse_removed

METHODS: Final = ("orapo", "grpo", "sft", "dpo", "rlhf", "orapo+rlhf")
_ORACLE: Final = ("orapo", "orapo+rlhf")
_LEARNED: Final = ("rlhf", "orapo+rlhf")
REJECTED: Final = ("worst", "zero")
LESSONS: Final = ("dpo", "sft", "both")
FIRST_VISITS: Final = ("running", "own")
# The loss types in which a weight on the token mask multiplies the whole loss of a rollout, its KL
# part too: they divide by a constant, not by the mask itself (TRL 1.16, `_compute_loss`).
EXACT_LOSS_TYPES: Final = ("dr_grpo",)


@dataclass
class OraPOConfig(GRPOConfig):
    """Arguments of :class:`orapo.OraPOTrainer`; all of ``trl.GRPOConfig`` keep their meaning.

    Fields whose default differs from TRL's: ``beta`` (the KL weight, lambda_KL in the paper) 0.04,
    ``loss_type`` ``dr_grpo`` and ``scale_rewards`` ``none`` (the Dr. GRPO form), and
    ``use_bias_correction_kl`` False: TRL 1.16 multiplies the KL part by the importance ratio, the
    paper's equation does not.

    Attributes:
        method: ``orapo``; ``grpo`` for the plain baseline, the same trainer without the DPO term; ``sft``
            for supervision by the reports alone (`orapo.training.method.baselines`); ``dpo`` for pairs alone
            (`orapo.training.preparing.pairs`); ``rlhf`` for GRPO with a learned reward beside FactS;
            ``orapo+rlhf`` for OraPO with that reward, and experts' pairs in its DPO term.
        zrr_alpha: The paper's a: weight of the past in the smoothed zero-reward rate of a study.
        zrr_first: What a study's first visit is smoothed with: ``running``, the run's rate of late, so
            that the smoothing acts where each study is visited once; ``own``, nothing: its own rate of
            that visit, as in the paper.
        w_min: Smallest weight of the DPO term.
        w_max: Largest weight of the DPO term.
        zrr_gamma: The paper's g: exponent of the zero-reward rate in the weight.
        dpo_tau: tau, temperature of the preference. Not known from the paper; 2 is ours.
        loss_length: Tokens that L_GRPO of a rollout is divided by (``loss_type: dr_grpo``), where TRL takes
            ``max_completion_length``; None: the mean length of the reports trained on, as DPO's |y| is on
            average. The mix of the two then does not move with a limit of the sampling.
        grad_every: The norms of the gradients of both terms are measured (``grad/grpo``, ``grad/dpo``)
            once every so many steps, at the price of two more backward passes of one micro-batch and the
            memory of one more gradient; not under DeepSpeed and FSDP. 0: never.
        rejected: What is rejected where a group has no zero reward: ``worst`` its lowest rollout if
            that is worse than the radiologist's own report, ``zero`` nothing.
        lesson: What the oracle teaches: ``dpo``, the report before the rejected rollouts; ``sft``, the
            report's likelihood alone (the paper's ablation), with the same weights; ``both``, the sum
            (RPO, Pang et al. 2024; beyond the paper).
        oracle_reward: Name of the reward function whose zeros count; by default ``facts`` if it is
            there, else the first one.
        facts_beta: Weight of recall in FactS (F-beta); above 1 missing is worse than inventing.
        vision_learning_rate: Peak of the vision tower's learning rate; None: as the others, 0: it is
            frozen. A trained vision tower forgets at the learning rate of the text model.
        learned_weight: Weight of the learned reward (in standard deviations) beside FactS.
        expert_weight: Weight of the experts' pairs beside the other terms, in ``orapo+rlhf``.
        max_f1_loss: With a learned reward, held-out macro-F1 that may be lost for it: beyond, the run
            goes back to its best weights and on with half of ``learned_weight``, at last it ends
            (`orapo.training.watching.guard`); 0: no guard.
        max_kl: The run ends when the mean KL divergence from the reference, in nats a token, is above
            it; needs ``beta`` above 0. 0: no budget.
        max_rollouts: The run ends when so many reports are sampled; 0: when its steps are done.
        max_minutes: The run ends after so many minutes of training; 0: when its steps are done.
        uncertain: What an uncertain label counts as in FactS: ``positive``, ``negative``,
            ``ignore``.
        max_unknown: Share of unknown rewards, over the last steps, above which the run stops with a
            checkpoint.
        log_samples: Whether rollouts go to the screen and to ``report_to`` (TRL's ``log_completions``);
            they hold what a report holds.
        share_films: Whether a film that several rollouts of a batch look at is encoded once for all
            of them (`orapo.models.shared_films`); the same loss, in less time.
        study_column: Column of the data set that identifies the study.
        report_column: Column of the data set that holds the radiologist's report y+.
    """

    method: str = field(
        default="orapo", metadata={"help": "orapo, grpo, sft, dpo, rlhf or orapo+rlhf"}
    )
    zrr_alpha: float = field(default=0.5, metadata={"help": "weight of the past in the EMA (a)"})
    w_min: float = field(default=0.05, metadata={"help": "smallest weight of the DPO term"})
    w_max: float = field(default=0.15, metadata={"help": "largest weight of the DPO term"})
    zrr_gamma: float = field(default=2.0, metadata={"help": "exponent of the smoothed ZRR (g)"})
    zrr_first: str = field(
        default="running", metadata={"help": "a first visit is smoothed with: running or own"}
    )
    dpo_tau: float = field(default=2.0, metadata={"help": "temperature of the preference (tau)"})
    loss_length: float | None = field(
        default=None, metadata={"help": "tokens that L_GRPO is divided by; by default a report's"}
    )
    grad_every: int = field(
        default=50, metadata={"help": "steps between measured gradient norms; 0: never"}
    )
    rejected: str = field(default="worst", metadata={"help": "worst or zero"})
    lesson: str = field(default="dpo", metadata={"help": "the oracle's: dpo, sft or both"})
    oracle_reward: str | None = field(
        default=None, metadata={"help": "reward whose zeros count; by default facts"}
    )
    facts_beta: float = field(default=1.0, metadata={"help": "beta of FactS' F-beta"})
    vision_learning_rate: float | None = field(
        default=None, metadata={"help": "of the vision tower; 0 freezes it"}
    )
    learned_weight: float = field(default=0.5, metadata={"help": "of the learned reward"})
    expert_weight: float = field(default=0.1, metadata={"help": "of the experts' pairs"})
    max_f1_loss: float = field(
        default=0.02, metadata={"help": "guard of a learned reward: F1 that may be lost; 0: none"}
    )
    max_kl: float = field(default=0.0, metadata={"help": "KL budget, nats a token; 0: none"})
    max_rollouts: int = field(default=0, metadata={"help": "end after so many rollouts; 0: never"})
    max_minutes: float = field(default=0.0, metadata={"help": "end after so long; 0: never"})
    uncertain: str = field(default="positive", metadata={"help": "positive, negative or ignore"})
    max_unknown: float = field(
        default=0.2, metadata={"help": "share of unknown rewards that stops the run"}
    )
    log_samples: bool = field(
        default=False, metadata={"help": "show rollouts on the screen and to report_to"}
    )
    share_films: bool = field(
        default=True, metadata={"help": "encode a film once for all rollouts that look at it"}
    )
    study_column: str = field(default="study_id", metadata={"help": "column of the study's id"})
    report_column: str = field(default="report", metadata={"help": "column of the report"})

    beta: float = field(default=0.04, metadata={"help": "KL weight (lambda_KL)"})
    loss_type: str = field(default="dr_grpo", metadata={"help": "see trl.GRPOConfig"})
    use_bias_correction_kl: bool = field(default=False, metadata={"help": "see trl.GRPOConfig"})
    scale_rewards: str = field(default="none", metadata={"help": "see trl.GRPOConfig"})

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Make an instance, unless a setting is gone.

        Raises:
            OrapoError: It is; the message names what to use instead.
        """
        refuse_removed(settings)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        """Check the fields of OraPO, then let TRL check its own.

        Raises:
            OrapoError: A field is out of its range; the message names it.
        """
        for each in fields(self):  # YAML has .nan and .inf, which pass most comparisons
            value = getattr(self, each.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise OrapoError(f"{each.name} must be a finite number, not {value}")
        for weight in self.reward_weights or ():
            if not math.isfinite(float(weight)):
                raise OrapoError(f"reward_weights must be finite numbers, not {weight}")
        self._one_of("method", METHODS)
        self._one_of("rejected", REJECTED)
        self._one_of("lesson", LESSONS)
        self._one_of("zrr_first", FIRST_VISITS)
        self._one_of("uncertain", tuple(policy.value for policy in UncertainPolicy))
        self._within("zrr_alpha", 0, 1)
        self._within("w_min", 0, 1)
        self._within("max_unknown", 0, 1)
        self._within("w_max", self.w_min, 1)
        for name in ("zrr_gamma", "dpo_tau", "facts_beta"):
            if not getattr(self, name) > 0:
                raise OrapoError(f"{name} must be above 0, not {getattr(self, name)}")
        if self.loss_length is not None and not self.loss_length > 0:
            raise OrapoError(f"loss_length must be above 0, not {self.loss_length}")
        for name in (
            *("max_rollouts", "max_minutes", "grad_every"),
            *("vision_learning_rate", "learned_weight", "expert_weight", "max_f1_loss", "max_kl"),
        ):
            if (getattr(self, name) or 0) < 0:
                raise OrapoError(f"{name} must not be below 0, but is {getattr(self, name)}")
        if self.max_kl and not self.beta > 0:
            raise OrapoError("max_kl needs beta above 0: without it TRL computes no KL divergence")
        if self.has_oracle and self.loss_type not in EXACT_LOSS_TYPES:
            raise OrapoError(
                f"method {self.method} needs loss_type {' or '.join(EXACT_LOSS_TYPES)}, not "
                f"{self.loss_type}: others divide the weights of the mix out again"
            )
        if self.top_entropy_quantile < 1:
            raise OrapoError(
                "top_entropy_quantile must be 1: TRL would choose tokens by their entropy times the weight of their "
                "rollout, which is 1 - w, and loss_length's"
            )
        if self.log_samples:
            self.log_completions: bool = True
        super().__post_init__()

    @property
    def has_oracle(self) -> bool:
        """Whether failed rollouts become rejected answers."""
        return self.method in _ORACLE

    @property
    def has_learned_reward(self) -> bool:
        """Whether a learned reward stands beside FactS."""
        return self.method in _LEARNED

    def _one_of(self, name: str, allowed: tuple[str, ...]) -> None:
        if getattr(self, name) not in allowed:
            raise OrapoError(
                f"{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}"
            )

    def _within(self, name: str, low: float, high: float) -> None:
        if not low <= getattr(self, name) <= high:
            raise OrapoError(f"{name} must lie in [{low}, {high}], not {getattr(self, name)}")
