"""The methods that an ablation compares, each as what it changes in a recipe.

A method differs from the recipe in the fields that stand here and in nothing else, so that studies,
films, prompts and evaluation are the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from orapo.errors import OrapoError
from orapo.removed import refuse_removed

Changes = Mapping[str, Any]


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
        title: What the table calls it.
        group: ``paper`` (the six rows of its Table 4), ``baseline``, ``beyond`` or ``experts``.
        changes: Fields of the recipe; None: it is not trained (the base).
        studies_share: Share of the training studies that it may use.
        stages: Trainings one after the other, each with its changes and its share of the steps, in
            place of ``changes``.
        tuned_from: Candidates of which the best on the validation split is taken, in place of
            ``changes``.
        of: The method whose model it uses; it differs in decoding alone.
        decoding: Options of ``orapo generate``; greedy if there are none.
        needs: What must be installed for it: a module's name.
        wants: Fields that the recipe must give for it; other methods do without them.
    """

    title: str
    group: str
    changes: Changes | None = field(default_factory=dict)
    studies_share: float = 1.0
    stages: tuple[tuple[Changes, float], ...] = ()
    tuned_from: tuple[Changes, ...] = ()
    of: str | None = None
    decoding: tuple[str, ...] = ()
    needs: str | None = None
    wants: tuple[str, ...] = ()


GRPO: Final[Changes] = MappingProxyType({"method": "grpo"})
_DIVIDED: Final[Changes] = MappingProxyType({"method": "grpo", "scale_rewards": "group"})
# DAPO (arXiv 2503.14476) as TRL has it: a mean over tokens, clip-higher, the group's standard deviation,
# no KL part; without its dynamic sampling and its reward for length.
_DAPO: Final[Changes] = MappingProxyType(
    {**_DIVIDED, "loss_type": "dapo", "epsilon_high": 0.28, "beta": 0.0}
)
# The learning rate is a factor of the recipe's.
TUNING: Final[tuple[Changes, ...]] = (
    {**_DIVIDED, "learning_rate": 1.0},
    {**_DIVIDED, "learning_rate": 0.3},
    {**_DIVIDED, "learning_rate": 0.3, "beta": 0.02, "temperature": 1.2},
    {**_DIVIDED, "learning_rate": 1.0, "entropy_coef": 0.01},
    {**GRPO, "learning_rate": 1.0, "entropy_coef": 0.01},
    {**GRPO, "learning_rate": 2.0, "beta": 0.02},
)
_CONSENSUS: Final = ("--samples", "8", "--temperature", "1", "--select", "consensus")
_COOLER_CONSENSUS: Final = ("--samples", "16", "--temperature", "0.7", "--select", "consensus")

METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {
        "base": Method("Base model", "paper", None),
        "grpo_accuracy": Method("GRPO, accuracy reward", "paper", {**GRPO, "reward": "accuracy"}),
        "grpo_facts": Method("GRPO + FactS", "paper", GRPO),
        "orapo_40": Method("OraPO, 40 % of the studies", "paper", studies_share=0.4),
        "grpo_sft": Method("GRPO + SFT + FactS", "paper", {"lesson": "sft"}),
        "orapo": Method("OraPO", "paper"),
        "grpo_dapo": Method("GRPO + FactS, DAPO's loss", "baseline", _DAPO),
        "grpo_tuned": Method("GRPO + FactS, tuned", "baseline", tuned_from=TUNING),
        "sft": Method("SFT alone", "baseline", {"method": "sft"}),
        "sft_grpo": Method(
            "SFT, then GRPO + FactS", "baseline", stages=(({"method": "sft"}, 0.5), (GRPO, 0.5))
        ),
        "sft_grpo_slow": Method(
            "SFT, then slower GRPO + FactS",
            "baseline",
            stages=(({"method": "sft"}, 0.5), ({**GRPO, "learning_rate": 0.3, "beta": 0.02}, 0.5)),
        ),
        "oracle_dpo": Method("Oracle DPO alone", "baseline", {"w_min": 1.0, "w_max": 1.0}),
        "offline_dpo": Method("Offline DPO", "baseline", {"method": "dpo"}),
        "grpo_bleu": Method(
            "GRPO + BLEU", "baseline", {**GRPO, "reward": "bleu"}, needs="sacrebleu"
        ),
        "grpo_radgraph": Method(
            "GRPO + RadGraph", "baseline", {**GRPO, "reward": "radgraph"}, needs="radeval"
        ),
        "grpo_radcliq": Method(
            "GRPO + RadCliQ", "baseline", {**GRPO, "reward": "radcliq"}, needs="radeval"
        ),
        "orapo_false_alarm": Method(
            "OraPO, false alarms cost", "beyond", {"reward_terms": ["+false_alarm=0.5"]}
        ),
        "orapo_both": Method("OraPO, DPO and likelihood", "beyond", {"lesson": "both"}),
        "orapo_heavy": Method("OraPO, w from 0.15 to 0.5", "beyond", {"w_min": 0.15, "w_max": 0.5}),
        "orapo_rare": Method("OraPO, rare findings more often", "beyond", {"repeat_rare": 0.5}),
        "orapo_consensus": Method(
            "OraPO, consensus of 8", "beyond", None, of="orapo", decoding=_CONSENSUS
        ),
        "orapo_precise": Method(
            "OraPO, consensus for precision",
            *("beyond", None),
            of="orapo",
            decoding=(*_CONSENSUS, "--operating-point", "precision"),
        ),
        "orapo_both_consensus": Method(
            "OraPO, DPO and likelihood, consensus of 16",
            *("beyond", None),
            of="orapo_both",
            decoding=_COOLER_CONSENSUS,
        ),
        "orapo_both_precise": Method(
            "OraPO, DPO and likelihood, consensus for precision",
            *("beyond", None),
            of="orapo_both",
            decoding=(*_COOLER_CONSENSUS, "--operating-point", "precision"),
        ),
        "expert_dpo": Method(
            "DPO, experts' pairs", "experts", {"method": "dpo"}, wants=("preferences",)
        ),
        "rlhf": Method(
            "GRPO + FactS + learned reward",
            *("experts", {"method": "rlhf"}),
            wants=("reward_model",),
        ),
        "orapo_rlhf": Method(
            "OraPO + learned reward + experts' pairs",
            *("experts", {"method": "orapo+rlhf"}),
            wants=("reward_model", "preferences"),
        ),
    }
)
GROUPS: Final = ("paper", "baseline", "beyond", "experts")
ON_CURVE: Final = ("grpo_facts", "grpo_sft", "orapo", "sft")
"""What the curve of data efficiency compares: exploration, supervision, and both together."""
EXPERTS: Final = ("reward_model", "preferences")
"""Fields of a recipe that some methods want and others must not have."""


def methods_named(names: Sequence[str]) -> list[str]:
    """Return methods by name or by group, each once, in the order of the table.

    What a method uses of another one comes along.

    Raises:
        OrapoError: There is none of a name.
    """
    wanted: set[str] = set()
    for name in names:
        if name in GROUPS or name == "all":
            wanted |= {key for key, one in METHODS.items() if name in (one.group, "all")}
        elif name in METHODS:
            wanted.add(name)
        else:
            refuse_removed([name])
            known = ", ".join([*GROUPS, "all", *METHODS])
            raise OrapoError(f"unknown method {name!r}; there are {known}")
    wanted |= {source for name in wanted if (source := METHODS[name].of) is not None}
    return [name for name in METHODS if name in wanted]
