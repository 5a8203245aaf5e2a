"""Runs of two steps on four studies, with the tiny checkpoints of `checkpoints.py`."""

import importlib
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from checkpoints import CORPUS
from commands import invoke
from orapo import OrapoError
from orapo.data.manifest import read_manifest
from orapo.training import OraPOTrainer
from orapo.training.method.baselines import OfflineTrainer, SupervisedTrainer
from orapo.training.preparing.dataset import supervised_rows, training_dataset
from orapo.training.preparing.pairs import offline_pairs
from orapo.training.preparing.policy import load_policy
from orapo.training.recipe import read_recipe

LORA = {"use_peft": True, "lora_r": 2, "lora_dropout": 0.0}
FILMS = [1, 2, 1, 3]  # views of the four studies
SIZES = [(20, 18), (44, 18), (24, 61)]


def write_studies(folder: Path, uneven: bool = False, one_patient: bool = False) -> Path:
    """Write four studies of one to three films; film and age tell which study it is.

    Args:
        folder: Where to.
        uneven: Whether films after the first of a study have other sizes.
        one_patient: Whether all four are of one patient, each a year after the one before.
    """
    rows = []
    for i, report in enumerate(CORPUS):
        names = [f"s{i}-{view}.png" for view in range(FILMS[i])]
        for view, name in enumerate(names):
            film = Image.linear_gradient("L").resize(SIZES[view] if uneven else SIZES[0])
            film.point(lambda v, i=i, view=view: v // 4 + 40 * i + 10 * view).save(folder / name)
        rows.append({"study_id": f"s{i}", "images": names, "report": report, "age": 40 + i})
    patient = {"patient_id": "p"} if one_patient else {}
    rows = [{**row, **patient, "split": "train"} for row in rows]
    test = {**rows[3], "study_id": "t3", "patient_id": "t", "split": "test"}
    file = folder / "manifest.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, test]))
    return file


def recipe(checkpoint, manifest, folder, **fields):
    """Write a recipe's YAML and return it."""
    import yaml

    file = folder / "recipe.yaml"
    settings = {
        "model": str(checkpoint),
        "data": str(manifest),
        "output_dir": str(folder / "run"),
        "num_generations": 2,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "max_completion_length": 6,
        "max_steps": 2,
        "learning_rate": 1e-2,
        "views": "all",
        "prompt_fields": ["age"],
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        "seed": 3,
        **fields,
    }
    file.write_text(yaml.safe_dump(settings))
    return file


def make_trainer(file, reward=None, **options):
    """Make the trainer of a recipe's method, as `orapo.training.run` does.

    Args:
        file: The recipe.
        reward: For methods with rollouts.
        **options: Of `OraPOTrainer`.
    """
    run, config = read_recipe(["--config", str(file)])
    model, processor, adapter = load_policy(run, config)
    studies = [study for study in read_manifest(Path(run.data)) if study.split == "train"]
    dataset = training_dataset(studies, views=run.views, prompt_fields=run.prompt_fields)
    shared = {"processing_class": processor, "peft_config": adapter}
    if config.method == "sft":
        return SupervisedTrainer(model, config, supervised_rows(dataset), **shared)
    if config.method == "dpo":
        pairs = offline_pairs(run, config, studies, model, processor)
        return OfflineTrainer(model, config, pairs, **shared)
    trainer = OraPOTrainer(model, reward, config, train_dataset=dataset, **shared, **options)
    generate = trainer._generate_and_score_completions

    def keep(inputs):
        trainer.generation = generate(inputs)
        return trainer.generation

    trainer._generate_and_score_completions = keep
    return trainer


def mixed(completions, **_):
    """A reward that differs within every group, with a zero in it; 1 for a report alone, y+."""
    if len(completions) == 1:
        return [1.0]
    return [float(i % 2) for i in range(len(completions))]


mixed.__name__ = "facts"


def call(*arguments):
    module = importlib.import_module(f"orapo.cli.{arguments[0]}")
    return invoke([module], arguments).output


def refusal(file):
    """What a run and its --dry-run are refused with: one sentence, the same."""
    said = []
    for more in ([], ["--dry-run"]):
        with pytest.raises(OrapoError) as refused:
            call("train", "--config", file, *more)
        said.append(str(refused.value))
    assert said[0] == said[1]
    return said[0]


def with_template(checkpoint, folder, old, new):
    """Copy a checkpoint and change its chat template."""
    shutil.copytree(checkpoint, folder)
    file = folder / "chat_template.jinja"
    template = file.read_text()
    assert old in template
    file.write_text(template.replace(old, new))
    return folder
