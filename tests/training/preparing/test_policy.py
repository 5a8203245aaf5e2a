"""The model of a run: a film size that a processor does not have, and the adapter's place."""

import json
import re
from pathlib import Path

import pytest
import yaml

from checkpoints import BUILDERS
from orapo import OrapoError
from orapo.generation import load_checkpoint
from orapo.training.preparing.policy import limit_pixels, load_config
from orapo.training.recipe import RunConfig

RECIPES = sorted((Path(__file__).parents[3] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize(
    ("kind", "instead"),
    [
        ("gemma3", r"every film becomes 16 x 16 pixels"),
        ("paligemma2", r"every film becomes 16 x 16 pixels"),
        ("llava", r"the middle of 16 x 16 pixels"),
        ("llava-next", r"set image_grid_pinpoints"),
        ("internvl", r"2 to 4 tiles of 16 x 16 pixels; set max_patches"),
        ("lfm2-vl", r"at most 3 tokens of a film.*set max_image_tokens"),
    ],
)
def test_a_processor_without_a_film_size_says_what_it_has_instead(kind, instead, checkpoints):
    _, processor = load_checkpoint(checkpoints(kind), device="cpu")
    with pytest.raises(OrapoError, match=f"takes no max_pixels: .*{instead}"):
        limit_pixels(processor, most=262144)


@pytest.mark.parametrize("kind", list(BUILDERS))
def test_the_recipes_adapter_is_in_the_text_model_of_every_class(kind, checkpoints):
    """SmolVLM and Idefics3 call it text_model; the vision tower is left as it is."""
    model, _ = load_checkpoint(checkpoints(kind), device="cpu")
    layers = [name for name, module in model.named_modules() if hasattr(module, "in_features")]
    for file in RECIPES:
        (pattern,) = yaml.safe_load(file.read_text()).get("lora_target_modules", [".*"])
        found = [name for name in layers if re.fullmatch(pattern, name)]
        if pattern != ".*":
            assert len(found) >= 3
            assert not [name for name in found if "vis" in name]


def test_code_that_comes_with_a_model_is_not_run_nor_asked_about(tmp_path, monkeypatch):
    """transformers asks on the terminal unless it was told; `yes |` in a script would answer."""
    ran = tmp_path / "ran"
    (tmp_path / "evil.py").write_text(
        f"open({str(ran)!r}, 'w')\nfrom transformers import PretrainedConfig as Evil\n"
    )
    config = {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("builtins.input", lambda *asked: "y")
    with pytest.raises(OrapoError, match="contains custom code"):
        load_config(RunConfig(str(tmp_path), "manifest.jsonl"))
    assert not ran.exists()
