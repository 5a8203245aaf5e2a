"""Every class of model by every method that learns from reports, of studies of one to three films with a prior report.

A covering design: each class goes through `orapo`, `sft` and `dpo`, with an adapter and in full. The four
studies are of one patient, and a prompt tells the report of the study before (the first has none).
"""

import math
import shutil

import pytest

from checkpoints import BUILDERS, CORPUS
from orapo.preferences import Preference
from orapo.training.method.experts import BETTER, WORSE, ExpertPairs
from small_runs import FILMS, LORA, make_trainer, mixed, recipe, write_studies

KINDS = list(BUILDERS)
METHODS = ["orapo", "sft", "dpo"]
# LLaVA reads its tower up to the last layer but one, Gemma 3 without the head.
UNREAD = {
    "llava": ("vision_tower.encoder.layers.1.", "vision_tower.post_layernorm."),
    "llava-next": ("vision_tower.encoder.layers.1.", "vision_tower.post_layernorm."),
    "gemma3": ("vision_tower.head.",),
}


def design():
    for number, kind in enumerate(KINDS):
        # sft and dpo refuse PaliGemma, test_model_classes.py
        methods = ["orapo", "orapo"] if kind == "paligemma2" else METHODS
        for place, method in enumerate(methods):
            lora = (number + place) % 2 == 1
            yield pytest.param(
                kind, method, lora, id=f"{kind}-{method}-{'lora' if lora else 'full'}"
            )


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    return write_studies(tmp_path_factory.mktemp("patient"), uneven=True, one_patient=True)


@pytest.fixture
def checkpoint(checkpoints, tmp_path):
    """Give the folder of a class; LLaVA's with the end behind an answer that docs/recipes.md asks for."""

    def get(kind):
        if kind != "llava":
            return checkpoints(kind)
        folder = tmp_path / kind
        shutil.copytree(checkpoints(kind), folder)
        file = folder / "chat_template.jinja"
        end = "{% if message['role'] == 'assistant' %}</s>{% endif %}"
        file.write_text(
            file.read_text().replace("{% endfor %}{% if add", end + "{% endfor %}{% if add")
        )
        return folder

    return get


def texts_seen(trainer):
    """Record, as text, each row with a prompt that the model is given."""
    seen = []

    def record(module, args, kwargs):
        ids = args[0] if args else kwargs.get("input_ids")
        if ids is not None:
            texts = trainer.processing_class.tokenizer.batch_decode(ids)
            seen.extend(text for text in texts if "Age: " in text)

    trainer.model.register_forward_pre_hook(record, with_kwargs=True)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "method", "adapter"), design())
def test_it_learns_of_a_prior_report(kind, method, adapter, checkpoint, patient, tmp_path):
    fields = {"prompt_fields": ["age", "previous"], "method": method, "logging_steps": 1}
    fields |= {"dpo_tau": 1.0, **(LORA if adapter else {})}
    trainer = make_trainer(recipe(checkpoint(kind), patient, tmp_path, **fields), mixed)
    before = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    trainable = {name for name, value in trainer.model.named_parameters() if value.requires_grad}
    assert bool(set(before) - trainable) == adapter
    seen = texts_seen(trainer)
    trainer.train()
    losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    assert len(losses) == 2
    assert all(map(math.isfinite, losses))
    moved = {n for n, value in trainer.model.named_parameters() if not value.equal(before[n])}
    unread = {name for name in trainable if any(part in name for part in UNREAD.get(kind, ()))}
    assert moved == trainable - unread
    assert len(moved) >= 40
    learned = set()
    for text in seen:
        study = int(text.split("Age: ")[1][:2]) - 40
        assert (f"Previous: {CORPUS[study - 1]}" in text) if study else ("Previous:" not in text)
        if CORPUS[study] in text:
            learned.add(study)
    assert learned == set(range(len(FILMS)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["smolvlm-tiles", "idefics3"])
def test_experts_pairs_are_learned_as_they_are_written(kind, checkpoints, patient, tmp_path):
    """Their templates made nothing of a plain string."""
    pairs = [(CORPUS[(i + 1) % 4], f"{CORPUS[(i + 2) % 4]} Old fracture.") for i in range(4)]
    experts = ExpertPairs(
        [
            Preference("p", f"s{i}", "p", (), *pair, "left", "r", "a", "b")
            for i, pair in enumerate(pairs)
        ]
    )
    file = recipe(checkpoints(kind), patient, tmp_path, method="orapo+rlhf", **LORA)
    trainer = make_trainer(file, mixed, experts=experts)
    trainer.train()
    given, decode = trainer.generation, trainer.processing_class.tokenizer.decode
    written = set()
    for row in given["expert_weight"].nonzero().flatten():
        answers = [
            given[f"{side}_ids"][row][given[f"{side}_mask"][row] == 1] for side in (BETTER, WORSE)
        ]
        assert all(int(answer[-1]) in trainer.eos_token_ids for answer in answers)
        written.add(tuple(decode(answer, skip_special_tokens=True).strip() for answer in answers))
    assert written == set(pairs)
