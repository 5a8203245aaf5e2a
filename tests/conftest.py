"""What several test files share: a tiny model and a data set of random films."""

import os
import tempfile

# Before torch is imported anywhere: two cores, and small matrices gain nothing from threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# What tests leave for later runs is no business of the user's own.
os.environ.setdefault("ORAPO_CACHE", tempfile.mkdtemp(prefix="orapo-tests-"))

import hypothesis
import numpy as np
import pytest
from PIL import Image

# How long an example takes says more about the machine than about the code. A check says the same of
# the same code each time; for new examples: `pytest --hypothesis-profile=search`.
hypothesis.settings.register_profile("search", deadline=None, print_blob=True)
hypothesis.settings.register_profile("orapo", deadline=None, derandomize=True)
hypothesis.settings.load_profile("orapo")

# What `make test` leaves to `make test-all`: kills, faults, browsers, long trainings, hostile files.
SLOW = (
    "tests/ablation/test_trainings.py::test_an_interrupted_training",
    "tests/cli/test_ablate_cli.py",
    "tests/cli/test_evaluate_cli.py::test_order_and_workers_make_no_difference",
    "tests/cli/test_faults.py",
    "tests/cli/test_start.py",
    "tests/data/test_hostile.py",
    "tests/demo/test_run.py",
    "tests/docs/test_guides.py::test_the_code_of_a_guide_runs[docs/gpus.md]",
    "tests/docs/test_guides.py::test_the_code_of_a_guide_runs[docs/own-data.md]",
    "tests/docs/test_guides.py::test_the_code_of_a_guide_runs[docs/reading.md]",
    "tests/evaluation/pages/test_html_report_browser.py",
    "tests/facts/test_llm_engine.py::test_with_faults",
    "tests/generation/test_interrupted.py",
    "tests/preferences/test_simulated.py",
    "tests/serve/test_connections.py",
    "tests/serve/test_description.py::test_schemathesis",
    "tests/serve/test_edits_page.py",
    "tests/serve/test_film_page.py",
    "tests/serve/test_intake_page.py",
    "tests/serve/test_judging_page.py",
    "tests/serve/test_store_page.py",
    "tests/serve/test_studies_page.py",
    "tests/serve/test_workbench.py",
    "tests/test_examples.py::test_it_runs_and_says_so[archive_on_a_cluster.py]",
    "tests/test_network.py",
    "tests/test_recipes.py",
    "tests/training/method/test_cut_step.py::test_a_cut_changes_no_gradient[2-",
    "tests/training/method/test_cut_step.py::test_all_processes",
    "tests/training/method/test_vllm_server.py",
    "tests/training/surviving/test_interruption.py::test_two_processes",
    "tests/training/surviving/test_killed.py",
)


def pytest_collection_modifyitems(items):
    for item in items:
        name = item.path.name
        if item.nodeid.startswith(SLOW) or name == "test_real_checkpoints.py":
            item.add_marker(pytest.mark.slow)


CORPUS = [
    "The lungs are clear. No pleural effusion or pneumothorax.",
    "Small left pleural effusion. The heart is mildly enlarged.",
    "Right lower lobe consolidation. No pneumothorax.",
    "Heart size is normal. There is a right apical pneumothorax.",
]
PROMPTS = ["Report.", "Write the report.", "Describe this chest film, please.", "Findings?"]


@pytest.fixture(scope="session")
def tiny_size():
    from orapo.models.tiny import TinySize

    return TinySize(
        image=16,
        patch=4,
        vision_width=16,
        vision_layers=1,
        text_width=16,
        text_layers=2,
        vocabulary=330,
        initial_spread=0.02,  # small numbers, so that single-precision norms do not show
    )


@pytest.fixture(scope="session")
def tiny_processor(tiny_size):
    from orapo.models.tiny import build_processor

    return build_processor(CORPUS * 20, tiny_size)


@pytest.fixture
def tiny_model(tiny_processor, tiny_size):
    from orapo.models.tiny import build_model

    return build_model(tiny_processor, tiny_size, seed=1)


@pytest.fixture(scope="session")
def tiny_dataset():
    """Four studies with a film each, prompts of different length, reports of different length."""
    from datasets import Dataset

    rng = np.random.default_rng(0)
    rows = [
        {
            "study_id": f"s{i}",
            "prompt": [{"role": "user", "content": PROMPTS[i]}],
            "images": [Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8))],
            "report": CORPUS[i],
        }
        for i in range(4)
    ]
    return Dataset.from_list(rows)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Give the folder of a tiny checkpoint of a class that `checkpoints.BUILDERS` names."""
    folder, made = tmp_path_factory.mktemp("checkpoints"), {}

    def get(kind):
        from checkpoints import write_checkpoint

        if kind not in made:
            made[kind] = write_checkpoint(kind, folder / kind)
        return made[kind]

    return get
