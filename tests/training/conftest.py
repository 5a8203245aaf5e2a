"""A run of `orapo train` that takes a second: six studies, a model of a few thousand weights."""

import pytest

from orapo.data.phantom import PhantomConfig, write_phantom


@pytest.fixture
def run_settings(tiny_model, tiny_processor, tmp_path):
    """The fields of a recipe; the run's folder is ``run``."""
    base = tmp_path / "base"
    tiny_model.save_pretrained(base)
    tiny_processor.save_pretrained(base)
    splits = {"train": 6, "validate": 2}
    return {
        "model": str(base),
        "data": str(write_phantom(tmp_path / "phantom", splits, 0, PhantomConfig(size=32))),
        "output_dir": str(tmp_path / "run"),
        "probe_split": "validate",
        "probe_every": 3,
        "reward_terms": ["repetition=0.5"],
        "num_generations": 2,
        "per_device_train_batch_size": 4,
        "max_completion_length": 8,
        "max_steps": 4,
        "save_steps": 2,
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "report_to": "none",
        "disable_tqdm": True,
    }


@pytest.fixture(scope="session")
def manifest(tmp_path_factory):
    """Four studies of one to three films."""
    from small_runs import write_studies

    return write_studies(tmp_path_factory.mktemp("studies"))
