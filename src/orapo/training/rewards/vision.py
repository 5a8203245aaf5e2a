"""A reward model over film and report: a vision-language model that estimates FactS' counts.

A linear reward model (`linear`) counts a report's true and false findings with a study's labels. This one
estimates the same features from the film, so that it can judge reports of studies without labels. It
learns that from FactS on any labelled studies (`fit`), and the taste from the experts, whose few judgements
would not teach it to see. TRL's RewardTrainer (1.16) takes no images.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from accelerate.utils import is_peft_model
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from orapo.data.conversation import REPORT_PROMPT, user_message
from orapo.errors import OrapoError
from orapo.generation import load_checkpoint
from orapo.models.finite import is_finite
from orapo.training.rewards.linear import FEATURES

HEAD_FILE: Final = "reward_head.safetensors"
Films = Sequence[Image.Image]


class VisionRewardModel(nn.Module):
    """Estimates features of (films, report), read at the report's last token, and weighs them.

    Args:
        model: A vision-language model as ``load_checkpoint`` gives it; its language head is not used.
        processor: Its processor.

    Attributes:
        head: From the last hidden state to `FEATURES`, these standardised by ``centre`` and ``scale``.
        taste: (D,) float32 weights of the features.
        log_tie: log nu of Davidson's ties, () float; minus infinity without ties.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, model: Any, processor: Any) -> None:
        super().__init__()
        self.model = model
        self.processor = processor
        width, count = model.config.get_text_config().hidden_size, len(FEATURES)
        self.head = nn.Linear(width, count, dtype=torch.float32)
        nn.init.zeros_(self.head.weight)  # all reports alike, until it has learned otherwise
        nn.init.zeros_(self.head.bias)
        self.register_buffer("centre", torch.zeros(count))
        self.register_buffer("scale", torch.ones(count))
        self.taste = nn.Parameter(torch.ones(count) / count)
        self.log_tie = nn.Parameter(torch.zeros(()))
        self.to(model.device)

    def encode(self, films: Sequence[Films], reports: Sequence[str]) -> dict[str, Tensor]:
        """Return the model's inputs for N reports, each with its study's films."""
        conversations = [
            [
                *user_message(REPORT_PROMPT, len(shown)),
                {"role": "assistant", "content": [{"type": "text", "text": text}]},
            ]
            for shown, text in zip(films, reports, strict=True)
        ]
        texts = [self.processor.apply_chat_template(one) for one in conversations]
        encoded = self.processor(
            images=[list(shown) for shown in films],
            text=texts,
            padding=True,
            padding_side="right",
            return_tensors="pt",
        )
        return dict(encoded)

    def forward(self, **inputs: Tensor) -> Tensor:
        """Return (N, D) float32 standardised features of what `encode` gave."""
        whole = self.model.get_base_model() if is_peft_model(self.model) else self.model
        hidden = whole.model(**inputs).last_hidden_state
        last = inputs["attention_mask"].sum(dim=1) - 1
        ends = hidden[torch.arange(len(last), device=last.device), last]
        features: Tensor = self.head(ends.float())
        return features

    def weigh(self, features: Tensor) -> Tensor:
        """Return (N,) scores of (N, D) standardised features."""
        return (features * self.scale + self.centre) @ self.taste

    def choice_loss(self, difference: Tensor, choice: Tensor) -> Tensor:
        """Return minus the mean log-probability of choices (`choices`).

        Args:
            difference: (N,) d, scores of the left reports less those of the right ones.
            choice: (N,) 0 left, 1 right, 2 tie.
        """
        tie = self.log_tie.expand_as(difference)
        logits = torch.stack([difference / 2, -difference / 2, tie], dim=1)
        return nn.functional.cross_entropy(logits, choice)

    @torch.no_grad()
    def features(
        self, films: Sequence[Films], reports: Sequence[str], batch_size: int = 32
    ) -> Tensor:
        """Return the estimated `FEATURES` of N reports, each with its study's films; (N, D)."""
        training = self.training
        self.eval()
        found = []
        for start in range(0, len(reports), batch_size):
            part = slice(start, start + batch_size)
            inputs = self.encode(films[part], reports[part])
            moved = {name: value.to(self.head.weight.device) for name, value in inputs.items()}
            found.append(self(**moved) * self.scale + self.centre)
        self.train(training)
        return torch.cat(found) if found else torch.zeros(0, len(FEATURES))

    @torch.no_grad()
    def score(
        self, films: Sequence[Films], reports: Sequence[str], batch_size: int = 32
    ) -> list[float]:
        """Return the scores of N reports, each with its study's films."""
        scores: list[float] = (self.features(films, reports, batch_size) @ self.taste).tolist()
        return scores

    def save(self, folder: Path) -> None:
        """Write weights (an adapter merged into them), processor and head into a folder."""
        if is_peft_model(self.model):
            self.model = self.model.merge_and_unload()
        self.model.save_pretrained(folder)
        self.processor.save_pretrained(folder)
        save_file(self._own(), folder / HEAD_FILE)

    def _own(self) -> dict[str, Tensor]:
        """Return all that is not the vision-language model's."""
        return {
            name: value.detach().cpu().contiguous()
            for name, value in self.state_dict().items()
            if not name.startswith("model.")
        }

    @classmethod
    def load(cls, folder: Path, device: str | None = None) -> VisionRewardModel:
        """Load what `save` wrote.

        Raises:
            OrapoError: The folder does not hold it.
        """
        if not (folder / HEAD_FILE).is_file():
            raise OrapoError(f"{folder}: no reward model here ({HEAD_FILE} is missing)")
        try:
            own = load_file(folder / HEAD_FILE)
        except SafetensorError as error:
            reason = str(error).strip().splitlines()[0]
            raise OrapoError(f"{folder / HEAD_FILE}: can't be loaded ({reason})") from None
        found = cls(*load_checkpoint(folder, device=device))
        expected = {name: value.shape for name, value in found._own().items()}
        if {name: value.shape for name, value in own.items()} != expected:
            raise OrapoError(f"{folder / HEAD_FILE}: does not fit this version's reward model")
        # log_tie is minus infinity where nobody chose a tie
        broken = [name for name, value in own.items() if name != "log_tie" and not is_finite(value)]
        if broken:
            raise OrapoError(f"{folder / HEAD_FILE}: {broken[0]} is not of finite numbers")
        found.load_state_dict(own, strict=False)
        return found.eval()
