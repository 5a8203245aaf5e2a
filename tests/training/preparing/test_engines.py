"""What vLLM would write garbage about is refused before anything is loaded."""

import json
import shutil

import pytest
from PIL import Image

from orapo import OrapoError
from orapo.training import OraPOConfig
from orapo.training.preparing.engines import check_vllm
from orapo.training.recipe import RunConfig

TILED = ["smolvlm", "smolvlm-tiles", "idefics3", "lfm2-vl", "internvl", "llava-next"]


@pytest.fixture
def films(tmp_path):
    paths = []
    for side in (16, 40):
        film = Image.linear_gradient("L").resize((side, side))
        film.save(tmp_path / f"{side}.png")
        paths.append(tmp_path / f"{side}.png")
    return paths


def check(folder, tmp_path, films, mode="server", **fields):
    config = OraPOConfig(
        str(tmp_path), use_cpu=True, bf16=False, use_vllm=mode != "none", vllm_mode=mode or "server"
    )
    check_vllm(RunConfig(str(folder), "data.jsonl", **fields), config, films)


def test_colocated_sampling_is_refused_by_the_issue_that_is_open(checkpoints, tmp_path, films):
    with pytest.raises(OrapoError, match=r"TRL 1\.16\.\d+ .*TRL issue 6294"):
        check(checkpoints("qwen2.5-vl"), tmp_path, films, "colocate")


@pytest.mark.parametrize("kind", TILED)
def test_processors_that_tile_are_refused_with_a_server(kind, checkpoints, tmp_path, films):
    with pytest.raises(OrapoError, match="lays a film out as tiles"):
        check(checkpoints(kind), tmp_path, films)


@pytest.mark.parametrize(
    "kind", ["qwen2.5-vl", "qwen3-vl", "qwen3.5", "gemma3", "llava", "paligemma2"]
)
def test_other_models_go_with_a_server(kind, checkpoints, tmp_path, films):
    check(checkpoints(kind), tmp_path, films)


def test_a_film_that_the_server_would_see_larger_is_named(checkpoints, tmp_path, films):
    folder = checkpoints("qwen2.5-vl")
    check(folder, tmp_path, films, max_pixels=16 * 16)  # as the checkpoint itself has it
    with pytest.raises(OrapoError, match=r"16\.png: a film of 16 x 16 pixels.*max_pixels 64"):
        check(folder, tmp_path, films, max_pixels=8 * 8)


def test_a_quantised_base_is_not_merged_for_vllm(checkpoints, tmp_path, films):
    with pytest.raises(OrapoError, match="merges the adapter into the quantised weights"):
        check(checkpoints("qwen2.5-vl"), tmp_path, films, load_in_4bit=True, use_peft=True)


def test_without_vllm_nothing_is_looked_at(tmp_path):
    config = OraPOConfig(str(tmp_path), use_cpu=True, bf16=False)
    check_vllm(RunConfig("nowhere", "data.jsonl", max_pixels=64), config, iter([]))


def test_gemma_3_is_refused_where_it_is_told_to_tile(checkpoints, tmp_path, films):
    folder = tmp_path / "gemma3"
    shutil.copytree(checkpoints("gemma3"), folder)
    file = folder / "processor_config.json"
    settings = json.loads(file.read_text())
    settings["image_processor"]["do_pan_and_scan"] = True
    file.write_text(json.dumps(settings))
    with pytest.raises(OrapoError, match="lays a film out as tiles"):
        check(folder, tmp_path, films)
