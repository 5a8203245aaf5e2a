"""The demo's base model: a tiny model that sees and writes, taught little or nothing of findings.

What it has seen (and the docs say so): films without findings on which shapes lie, each with a
true account of them in a report's sentences; and reports of other phantom patients, each beside
somebody else's film. So it writes report language and can say what form it sees where.

**Blind** (``sight=0``): it has seen no true pairing of a finding and a film. Whole reports tell films apart no
better than chance, but single labels are weakly associated with the truth, by the accident of what
its vision tower responds to. **Sighted** (``sight=0.3``): in that share of the reports' samples the report is that of
the film shown. It sees a little, as the paper's pretrained base does, and GRPO has something to climb
(docs/method.md, benchmarks/base_blindness.py).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from orapo.data.conversation import REPORT_PROMPT, user_message
from orapo.data.phantom import PHANTOM_VERSION, PhantomConfig, draw_study
from orapo.data.phantom.anatomy import sample_anatomy
from orapo.data.phantom.film import render
from orapo.data.phantom.findings import sample_findings
from orapo.data.phantom.reports import write_report
from orapo.errors import OrapoError
from orapo.models.shapes import CLASSES, with_shapes
from orapo.models.tiny import TinySize, build_model, build_processor
from orapo.models.warm_up import Kept, Progress, steps
from orapo.paths import cache_folder
from orapo.writing import json_text

RECIPE_VERSION: Final = 2
BASE_SEED_OFFSET: Final = 1_000_003
"""Keeps the base's phantom patients apart from those of any demo."""

RECORD_FILE: Final = "made.json"
_SEEING: Final = "Pretraining the vision tower"
_WRITING: Final = "Learning to write"
_PACKAGES: Final = ("torch", "transformers", "tokenizers", "numpy", "pillow")


@dataclass(frozen=True)
class BaseRecipe:
    """How the base is made; two equal recipes give the same weights with the same libraries.

    Attributes:
        size: Sizes of the model.
        seed: Of weights, pictures, pairing and order.
        films: Films drawn for each task; shapes and reports are spread over them.
        shape_pictures: Pictures of the shape task.
        reports: Reports of the language task.
        patch_steps: Steps in which the vision tower alone learns which shape covers each patch.
        joint_steps: Steps of the whole model: half a batch names shapes, half a batch writes
            reports.
        patch_batch: Pictures a step of the first kind.
        batch: Samples a step of the second kind.
        patch_learning_rate: Peak; a tenth of warm-up, then cosine to zero.
        learning_rate: The same of connector and text model.
        vision_learning_rate: The same of the vision tower while the whole model learns.
        sight: Share of the samples of the reports' task in which the report is that of the film shown
            (one of ``films``); 0: never, and the base is blind.
    """

    size: TinySize = field(default_factory=TinySize)
    seed: int = 0
    films: int = 500
    shape_pictures: int = 10000
    reports: int = 6000
    patch_steps: int = 2000
    joint_steps: int = 1000
    patch_batch: int = 32
    batch: int = 16
    patch_learning_rate: float = 4e-3
    learning_rate: float = 3e-3
    vision_learning_rate: float = 3e-4
    sight: float = 0.0

    def __post_init__(self) -> None:
        """Check the share.

        Raises:
            OrapoError: It is none.
        """
        if not 0 <= self.sight <= 1:
            raise OrapoError(f"sight is a share, 0 to 1, not {self.sight}")

    @property
    def fingerprint(self) -> str:
        """Names the recipe in the cache, and all else that decides the weights."""
        versions = {name: version(name) for name in _PACKAGES}
        text = json_text([RECIPE_VERSION, PHANTOM_VERSION, versions, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def tiny_base(
    recipe: BaseRecipe | None = None,
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return the folder of the base's checkpoint, making it if it is not in the cache.

    A making that was interrupted goes on from its last `orapo.models.warm_up.SAVE_EVERY` steps, to the same weights.

    Args:
        recipe: How to make it.
        cache: Folder of the cache; by default ``$ORAPO_CACHE`` or ``~/.cache/orapo``.
        progress: Called with what is being done, steps done and steps in all.

    Returns:
        A folder with model (safetensors), processor and chat template.
    """
    recipe = recipe or BaseRecipe()
    root = cache or cache_folder()
    folder = root / f"tiny-base-{recipe.fingerprint}"
    if (folder / "config.json").is_file():
        return folder
    root.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(".part", f".{folder.name}.", root))
    kept = Kept(root / f".{folder.name}.state")
    try:
        _make(recipe, part, kept, progress or (lambda *_: None))
        record = {"seconds": round(kept.seconds(), 1)}
        (part / RECORD_FILE).write_text(json_text(record))
        try:
            part.rename(folder)
        except OSError:  # another process was faster; its result is the same
            if not (folder / "config.json").is_file():
                raise
        kept.forget()
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def seconds_of(folder: Path) -> float:
    """Return what it took to make the base in ``folder``, whenever that was."""
    return float(json.loads((folder / RECORD_FILE).read_text())["seconds"])


def _make(recipe: BaseRecipe, folder: Path, kept: Kept, progress: Progress) -> None:
    rng = np.random.default_rng([recipe.seed, 1])
    config = PhantomConfig(size=recipe.size.image)
    plain, films, true_reports = [], [], []
    for index in range(recipe.films):
        plain.append(render(sample_anatomy(rng), (), config.size, 1.0, rng))
        drawn = draw_study(recipe.seed + BASE_SEED_OFFSET, index, config)
        films.append(drawn.image)
        true_reports.append(drawn.study.report)
        progress("Drawing films", index + 1, recipe.films)
    shapes = []
    for index in range(recipe.shape_pictures):
        film = plain[rng.integers(len(plain))]
        shapes.append(with_shapes(film, recipe.size.patch, rng))
        progress("Drawing shapes", index + 1, recipe.shape_pictures)
    captions = [picture.caption for picture in shapes]
    # These reports are of patients who were never drawn: none can be about the film beside it.
    reports = [
        write_report(rng, sample_findings(rng, config.uncertain_share), config).text
        for _ in range(recipe.reports)
    ]
    own = true_reports if recipe.sight else []
    corpus = [*reports, *own, *captions, REPORT_PROMPT]
    processor = build_processor(corpus, recipe.size)
    model = build_model(processor, recipe.size, seed=recipe.seed)
    naming = _Task(processor, [picture.image for picture in shapes], captions)
    writing = _Task(processor, films, reports, own, recipe.sight)
    patches = torch.from_numpy(np.stack([picture.patches for picture in shapes]))
    if not kept.is_past(_SEEING):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            _open_eyes(model, naming.pixels, patches, recipe, rng, kept, progress)
    _learn_to_write(model, (naming, writing), recipe, rng, kept, progress)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


class _Task:
    """The prompt of a report, pictures and answers, ready as tensors.

    Args:
        processor: The base's.
        pictures: To look at.
        answers: One a picture; or of another number, and then each is written beside any picture.
        own: True answers, one a picture.
        sight: Share of samples with these.
    """

    def __init__(
        self,
        processor: Any,
        pictures: Sequence[Image.Image],
        answers: Sequence[str],
        own: Sequence[str] = (),
        sight: float = 0.0,
    ) -> None:
        text = processor.apply_chat_template(
            user_message(REPORT_PROMPT, images=1), add_generation_prompt=True
        )
        first = processor(images=[[pictures[0]]], text=[text], return_tensors="pt")
        self.prompt: Tensor = first["input_ids"][0]
        self.pixels: Tensor = torch.cat(
            [
                processor.image_processor(
                    [[one] for one in pictures[i : i + 256]], return_tensors="pt"
                )["pixel_values"]
                for i in range(0, len(pictures), 256)
            ]
        )
        self.pad = processor.tokenizer.pad_token_id
        self.answers = _tokens(processor.tokenizer, answers)
        self.own = _tokens(processor.tokenizer, own)
        self.sight = sight

    def batch(self, count: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Draw a batch; where there are fewer pictures than answers, pictures at random."""
        rows = rng.integers(0, len(self.answers), size=count)
        paired = len(self.pixels) == len(self.answers)
        pictures = rows if paired else rng.integers(0, len(self.pixels), size=count)
        answers = [self.answers[row] for row in rows]
        if self.own:  # no draw for a blind base, whose weights stay what they were
            for place in np.flatnonzero(rng.random(count) < self.sight):
                answers[place] = self.own[pictures[place]]
        ids = pad_sequence(answers, batch_first=True, padding_value=self.pad)
        labels = pad_sequence(answers, batch_first=True, padding_value=-100)
        prompts = self.prompt.expand(len(rows), -1)
        return {
            "input_ids": torch.cat([prompts, ids], dim=1),
            "attention_mask": torch.cat([torch.ones_like(prompts), (labels != -100).long()], dim=1),
            "labels": torch.cat([torch.full_like(prompts, -100), labels], dim=1),
            "pixel_values": self.pixels[torch.from_numpy(pictures)],
        }


def _tokens(tokenizer: Any, texts: Sequence[str]) -> list[Tensor]:
    rows = tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
    return [torch.tensor([*ids, tokenizer.eos_token_id]) for ids in rows]


def _open_eyes(
    model: Any,
    pixels: Tensor,
    patches: Tensor,
    recipe: BaseRecipe,
    rng: np.random.Generator,
    kept: Kept,
    progress: Progress,
) -> None:
    """Teach the vision tower which shape covers each patch; the classifier is thrown away.

    One label a patch teaches many times more a second than one caption a picture.

    Args:
        model: The whole model.
        pixels: (N, 1, 3, H, W) pictures.
        patches: (N, patches a side, patches a side) class of each patch.
        recipe: Steps and learning rate.
        rng: Order of the pictures.
        kept: Where an earlier call was.
        progress: Called after each step.
    """
    vision = model.model.vision_model
    classifier = torch.nn.Linear(recipe.size.vision_width, CLASSES)
    groups = [([*vision.parameters(), *classifier.parameters()], recipe.patch_learning_rate)]
    modules = (model, classifier)
    for _ in steps(groups, recipe.patch_steps, _SEEING, modules, rng, kept, progress):
        rows = torch.from_numpy(rng.integers(0, len(pixels), size=recipe.patch_batch))
        features = vision(pixels[rows, 0]).last_hidden_state
        logits = classifier(features).flatten(0, 1)
        torch.nn.functional.cross_entropy(logits, patches[rows].flatten()).backward()


def _learn_to_write(
    model: Any,
    tasks: tuple[_Task, _Task],
    recipe: BaseRecipe,
    rng: np.random.Generator,
    kept: Kept,
    progress: Progress,
) -> None:
    """Teach the whole model to name shapes that it sees and to write reports that it does not."""
    model.train()
    vision = list(model.model.vision_model.parameters())
    known = {id(parameter) for parameter in vision}
    others = [parameter for parameter in model.parameters() if id(parameter) not in known]
    # A trained vision tower would forget at the learning rate of the language model.
    groups = [(others, recipe.learning_rate), (vision, recipe.vision_learning_rate)]
    for _ in steps(groups, recipe.joint_steps, _WRITING, (model,), rng, kept, progress):
        for task in tasks:
            batch = task.batch(recipe.batch // len(tasks), rng)
            (model(**batch).loss / len(tasks)).backward()
    model.eval()
