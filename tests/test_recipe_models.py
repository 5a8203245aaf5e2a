"""The recipes of models other than the paper's: what `--dry-run` says of each in its published size."""

import re
from pathlib import Path

import pytest

from orapo.data.phantom import PhantomConfig, write_phantom
from orapo.training.preparing.dry_run import Hardware, dry_run
from orapo.training.preparing.estimate import GIB, meta_model, model_shape
from orapo.training.recipe import read_recipe
from orapo.training.run import studies_of
from published_shapes import PUBLISHED, published_config, write_published

RECIPES = Path(__file__).parents[1] / "recipes"
# as the checkpoints' own lists of weights have them
PARAMETERS = {
    "medgemma": 4_300_079_472,
    "qwen3-vl": 4_437_815_808,
    "smolvlm2": 2_246_784_880,
    "warm-start": 3_754_622_976,
}
IMAGE_TOKENS = {"medgemma": 256, "qwen3-vl": 256, "smolvlm2": 405, "warm-start": 324}

by_recipe = pytest.mark.parametrize("name", list(PUBLISHED))


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom") / "data"
    return write_phantom(folder, {"train": 8}, 0, PhantomConfig(size=512))


@by_recipe
def test_the_model_of_a_recipe_has_its_published_number_of_parameters(name):
    assert model_shape(meta_model(published_config(name))).parameters == PARAMETERS[name]


@by_recipe
def test_a_recipe_fits_the_gpu_that_its_head_names(name, phantom, tmp_path):
    file = RECIPES / f"{name}.yaml"
    model = write_published(name, tmp_path / "model")
    words = ["--model", str(model), "--data", str(phantom), "--output_dir", str(tmp_path / "run")]
    words += ["--use_cpu", "true", "--disable_tqdm", "true"]
    run, config = read_recipe(["--config", str(file), *words])
    (sold,) = re.findall(r"one GPU of (\d+) GB", file.read_text(encoding="utf-8"))
    left = {"16": 14.5, "24": 22.0}[sold]  # GiB that a card of so many GB leaves
    found = dry_run(run, config, studies_of(phantom, "train"), Hardware(left * GIB, sold))
    assert found.parameters == PARAMETERS[name]
    assert found.image_tokens == IMAGE_TOKENS[name]
    assert 0 < found.trainable < 0.02 * found.parameters  # LoRA on the text model
    assert found.schedule.studies_per_step == 4
    print(f"{name}: {found.peak / GIB:.1f} GiB, prompt {found.prompt_tokens}, {found.notes}")
    assert found.fits, f"{found.peak / GIB:.1f} GiB"


def test_the_terms_of_a_models_weights_stand_in_its_recipe():
    terms = {
        "medgemma": "Health AI Developer Foundations terms of use",
        "qwen3-vl": "Apache-2.0",
        "smolvlm2": "Apache-2.0",
        "warm-start": "cc-by-nc-4.0",
    }
    for name, term in terms.items():
        assert term in (RECIPES / f"{name}.yaml").read_text(encoding="utf-8"), name
