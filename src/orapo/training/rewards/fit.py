"""Fitting a reward model over films and reports: it learns to look from FactS, its taste from experts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import PrinterCallback, Trainer, TrainingArguments

from orapo.data.films.images import read_image
from orapo.models.shared_films import encode_films_once
from orapo.preferences import Preference
from orapo.training.rewards.choices import Floats, choice_numbers
from orapo.training.rewards.linear import fit_weights
from orapo.training.rewards.vision import VisionRewardModel


@dataclass(frozen=True)
class VisionFit:
    """How it is fitted.

    Attributes:
        look_epochs: Passes over the reports that FactS has counted.
        choice_epochs: Passes over the judgements, all weights with them; 0 fits the taste alone.
        learning_rate: Peak; it falls to zero along a cosine. The head's is ten times as high.
        batch_size: Reports, or pairs, a step.
        lora_r: Rank of an adapter; 0 trains all weights.
        seed: Of the order, and of an adapter.
        quiet: No progress bar.
        on_cpu: Whether a GPU is left alone.
    """

    look_epochs: float = 3.0
    choice_epochs: float = 0.0
    learning_rate: float = 1e-5
    batch_size: int = 16
    lora_r: int = 0
    seed: int = 0
    quiet: bool = False
    on_cpu: bool = False


class CountedReport(NamedTuple):
    """A report of a study, and its `FEATURES` as FactS counts them; (D,)."""

    images: tuple[Path, ...]
    text: str
    features: Floats


class JudgedPair(NamedTuple):
    """Two reports of one study, and a judgement: 0 left, 1 right, 2 tie."""

    images: tuple[Path, ...]
    left: str
    right: str
    choice: int


class _RewardTrainer(Trainer):
    """What both stages share."""

    def __init__(
        self, model: VisionRewardModel, rows: Sequence[Any], settings: VisionFit, epochs: float
    ) -> None:
        encode_films_once(model.model)
        self._reward_model = model
        arguments = TrainingArguments(
            output_dir="unused",  # nothing is saved on the way
            per_device_train_batch_size=settings.batch_size,
            num_train_epochs=epochs,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=0.05,
            weight_decay=0.01,
            seed=settings.seed,
            save_strategy="no",
            report_to="none",
            logging_steps=50,
            use_cpu=settings.on_cpu,
            disable_tqdm=settings.quiet,
            remove_unused_columns=False,
        )
        super().__init__(
            model,
            arguments,
            train_dataset=list(rows),
            data_collator=self.collate,
        )
        self.remove_callback(PrinterCallback)

    def collate(self, rows: Sequence[Any]) -> dict[str, Tensor]:
        """Return the inputs of a batch."""
        raise NotImplementedError

    def create_optimizer(self, model: Any = None) -> Any:
        """AdamW, the new head at ten times the pace."""
        own = [p for name, p in self.model.named_parameters() if not name.startswith("model.")]
        theirs = [p for p in self._reward_model.model.parameters() if p.requires_grad]
        rate = self.args.learning_rate
        groups = [{"params": theirs, "lr": rate}, {"params": own, "lr": 10 * rate}]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=self.args.weight_decay)
        return self.optimizer


class LookTrainer(_RewardTrainer):
    """Teaches the head FactS' counts, by the mean squared error of the standardised features."""

    def collate(self, rows: Sequence[CountedReport]) -> dict[str, Tensor]:
        """Return the inputs of reports, and ``target`` (N, D)."""
        films = [[read_image(path) for path in row.images] for row in rows]
        target = torch.stack([torch.as_tensor(row.features).float() for row in rows])
        return {
            **self._reward_model.encode(films, [row.text for row in rows]),
            "target": target,
        }

    def compute_loss(self, model: Any, inputs: dict[str, Tensor], *args: Any, **kwargs: Any) -> Any:
        """Return the loss of a batch."""
        inputs = dict(inputs)
        target = inputs.pop("target")
        own = self._reward_model
        return nn.functional.mse_loss(model(**inputs), (target - own.centre) / own.scale)


class ChoiceTrainer(_RewardTrainer):
    """Fits all weights to judgements, by the log-probability of the choices."""

    def collate(self, rows: Sequence[JudgedPair]) -> dict[str, Tensor]:
        """Return the inputs of the left and then of the right reports, and ``choice`` (N,)."""
        films = [[read_image(path) for path in row.images] for row in rows]
        reports = [*(row.left for row in rows), *(row.right for row in rows)]
        choices = torch.tensor([row.choice for row in rows])
        return {**self._reward_model.encode([*films, *films], reports), "choice": choices}

    def compute_loss(self, model: Any, inputs: dict[str, Tensor], *args: Any, **kwargs: Any) -> Any:
        """Return the loss of a batch."""
        inputs = dict(inputs)
        choice = inputs.pop("choice")
        left, right = self._reward_model.weigh(model(**inputs)).chunk(2)
        return self._reward_model.choice_loss(left - right, choice)


def fit_vision_model(
    model: VisionRewardModel,
    preferences: Sequence[Preference],
    counted: Sequence[CountedReport],
    settings: VisionFit,
) -> float:
    """Fit a model in place.

    Args:
        model: To fit.
        preferences: The experts' judgements; their films are there.
        counted: Reports that FactS has counted, of studies that nobody judged.
        settings: How.

    Returns:
        The penalty on the taste's weights, as cross-validation chose it.
    """
    if settings.lora_r:
        adapter = LoraConfig(r=settings.lora_r, target_modules="all-linear")
        model.model = get_peft_model(model.model, adapter)
    features = torch.stack([torch.as_tensor(row.features).float() for row in counted])
    device = model.head.weight.device
    model.centre.copy_(features.mean(dim=0).to(device))
    model.scale.copy_(features.std(dim=0).clamp(min=1e-3).to(device))
    LookTrainer(model, counted, settings, settings.look_epochs).train()
    films = [[read_image(path) for path in one.images] for one in preferences]
    left = model.features(films, [one.left for one in preferences])
    right = model.features(films, [one.right for one in preferences])
    choices = choice_numbers(preferences)
    groups = [one.patient_id or one.study_id for one in preferences]
    weights, log_tie, strength = fit_weights((left - right).double().cpu().numpy(), choices, groups)
    with torch.no_grad():
        model.taste.copy_(torch.from_numpy(weights).to(device))
        model.log_tie.fill_(max(log_tie, -20.0))
    if settings.choice_epochs:
        rows = [
            JudgedPair(one.images, one.left, one.right, int(choice))
            for one, choice in zip(preferences, choices, strict=True)
        ]
        pairs = replace(settings, batch_size=max(1, settings.batch_size // 2))
        ChoiceTrainer(model, rows, pairs, settings.choice_epochs).train()
    model.eval()
    return strength
