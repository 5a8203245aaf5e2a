"""Each recipe's whole line, as its own comment writes it, on phantom studies and a tiny model.

What only a machine with GPUs can show stays out: the engine (DeepSpeed, FSDP, vLLM, 4 bits) and more
than one process. All else is the recipe's own.
"""

import importlib
import re
import shlex
from pathlib import Path

import pytest
import yaml
from accelerate.commands.config import config_args
from typer.testing import CliRunner

from orapo.cli import COMMANDS, app
from orapo.data.manifest import read_manifest
from orapo.data.phantom import PhantomConfig
from orapo.data.phantom.layouts import write_layout
from orapo.training.recipe import read_recipe

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
ACCELERATE = sorted((ROOT / "recipes" / "accelerate").glob("*.yaml"))
# What the commands of the comments call the data sets.
PLACES = {"chexpert-plus": "CheXpertPlus", "mimic-cxr": "mimic-cxr-jpg", "iu-xray": "iu_xray"}
# Of the paper (DESIGN 1.3 and 1.4).
PAPER = {
    "model": "Qwen/Qwen2.5-VL-3B-Instruct",
    "num_generations": 8,
    "zrr_alpha": 0.5,
    "w_min": 0.05,
    "w_max": 0.15,
    "zrr_gamma": 2.0,
}
# Of models other than the paper's (tests/test_recipe_models.py): each whole line runs on a tiny one of its class.
OTHERS = {
    "medgemma": "gemma3",
    "qwen3-vl": "qwen3-vl",
    "smolvlm2": "smolvlm-tiles",
    "warm-start": "qwen2.5-vl",
}
TINY = {
    "max_steps": 2,
    "max_completion_length": 4,
    "max_pixels": 256,
    "probe_every": 2,
    "probe_studies": 2,
    "use_cpu": "true",
    "disable_tqdm": "true",
    "use_vllm": "false",
    "load_in_4bit": "false",
}


def of_paper(recipe, name):
    """Whether a value is the paper's; the model is another one in some recipes."""
    return name in PAPER and not (name == "model" and recipe.stem in OTHERS)


by_name = pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)


@by_name
def test_every_field_is_known_and_the_papers_values_are_the_papers(recipe):
    run, config = read_recipe(["--config", str(recipe), "--use_cpu", "true"])
    values = {**vars(config), **vars(run)}
    assert {name: values[name] for name in PAPER if of_paper(recipe, name)} == {
        name: value for name, value in PAPER.items() if of_paper(recipe, name)
    }
    assert config.method == "orapo"


@by_name
def test_every_value_of_the_method_says_whose_it_is(recipe):
    text = recipe.read_text(encoding="utf-8")
    names = (*PAPER, "facts_beta", "dpo_tau", "beta", "learning_rate", "max_pixels")
    for name in names[:-1] if recipe.stem == "medgemma" else names:  # which takes no film size
        (line,) = re.findall(rf"^{name}: .*", text, re.MULTILINE)
        assert re.search(r"# (paper|ours)", line), line
        assert ("# paper" in line) == of_paper(recipe, name), line


def commands(recipe):
    """The commands of a recipe's comment that call orapo, as lists of words after its name."""
    comment = [line[1:].strip() for line in recipe.read_text().splitlines() if line[:2] == "# "]
    found = []
    for line in "\n".join(comment).replace("\\\n", " ").splitlines():
        words = shlex.split(line) if re.match(r"(orapo|accelerate|CUDA)", line) else []
        if "orapo" in words:
            found.append(words[words.index("orapo") + 1 :])
    return found


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layouts")
    counts = {"train": 44, "validate": 3, "test": 3}
    for layout, place in PLACES.items():
        write_layout(layout, folder / place, counts, 0, PhantomConfig(size=32))
    return folder


def call(*words):
    if not app.registered_commands:
        for name in COMMANDS:
            importlib.import_module(f"orapo.cli.{name}").add_to(app)
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, f"{' '.join(words)}\n{result.output}"


@by_name
def test_the_whole_line_of_a_recipe_runs(recipe, layouts, checkpoints, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in PLACES.values():
        Path(place).symlink_to(layouts / place)
    Path("recipes").symlink_to(ROOT / "recipes")
    tiny = {**TINY, "model": checkpoints(OTHERS.get(recipe.stem, "qwen2.5-vl"))}
    if recipe.stem == "medgemma":
        del tiny["max_pixels"]
    overrides = [word for name, value in tiny.items() for word in (f"--{name}", str(value))]
    line = commands(recipe)
    assert [words[0] for words in line] == ["data", "data", "data", "train", "generate", "evaluate"]
    for words in line:
        if words[:2] == ["data", "sample"]:
            words[words.index("--size") + 1] = "40"
        if words[0] == "train":
            assert Path(words[words.index("--config") + 1]).resolve() == recipe
            words += overrides
        if words[0] == "generate":
            words += ["--max-new-tokens", "4"]
        if words[0] == "evaluate":
            words += ["--resamples", "10"]
        call(*words)
    run, _ = read_recipe(["--config", str(recipe), "--use_cpu", "true"])
    assert sum(study.split == "train" for study in read_manifest(Path(run.data))) == 40
    out = Path(read_recipe(["--config", str(recipe), "--use_cpu", "true"])[1].output_dir)
    steps = [
        yaml.safe_load(line)["step"] for line in (out / "metrics.jsonl").read_text().splitlines()
    ]
    assert max(steps) == 2
    assert (out / "probe.jsonl").is_file()
    assert (out / "evaluation" / "metrics.json").is_file()


@pytest.mark.parametrize("file", ACCELERATE, ids=lambda path: path.stem)
def test_accelerate_reads_its_files(file):
    config = config_args.load_config_from_file(str(file))
    assert config.num_processes > 1
    assert config.mixed_precision == "bf16"


@by_name
def test_a_recipe_names_only_files_that_are_there(recipe):
    for name in re.findall(r"recipes/[\w/.-]+", recipe.read_text(encoding="utf-8")):
        assert (ROOT / name).is_file(), name


def test_the_slurm_script_names_files_that_are_there_and_is_valid_bash():
    import subprocess

    script = ROOT / "recipes" / "slurm.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    for name in re.findall(r"recipes/[\w/.-]+\.(?:yaml|sh)", script.read_text(encoding="utf-8")):
        assert (ROOT / name).is_file(), name


def test_the_versions_for_vllm_are_in_the_ranges_of_the_package():
    import tomllib

    from packaging.requirements import Requirement

    text = (ROOT / "recipes" / "constraints-vllm.txt").read_text(encoding="utf-8")
    pinned = dict(line.split("==") for line in text.splitlines() if "==" in line and line[0] != "#")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = extras["optional-dependencies"]
    for wanted in map(Requirement, [*extras["train"], *extras["vllm"]]):
        if wanted.name in pinned:
            assert wanted.specifier.contains(pinned[wanted.name]), wanted
    assert {"vllm", "torch", "transformers", "trl"} <= pinned.keys()
    assert "http" not in text
