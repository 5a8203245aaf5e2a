"""What a run would not learn rightly is refused before it, by `--dry-run` with the same sentence."""

import json
import re

import pytest

from checkpoints import CORPUS
from commands import invoke
from orapo.cli import generate
from orapo.preferences import Preference, write_preferences
from small_runs import LORA, call, recipe, refusal, with_template, write_studies


@pytest.mark.parametrize("method", ["orapo", "grpo", "sft", "dpo"])
def test_a_template_that_drops_the_answer_is_refused_by_run_and_dry_run(
    method, checkpoints, manifest, tmp_path
):
    old = "{% if line['type'] == 'text' %}"
    new = "{% if line['type'] == 'text' and message['role'] == 'user' %}"
    folder = with_template(checkpoints("smolvlm"), tmp_path / "smolvlm", old, new)
    said = refusal(recipe(folder, manifest, tmp_path, method=method))
    assert re.search(r"of a report of 9 words.*something else \(0 words\)", said)


FIRST_FILM = {
    "smolvlm": ("line['type'] == 'image'", "line['type'] == 'image' and loop.first"),
    "qwen2.5-vl": ("content['type'] == 'image'", "loop.first and content['type'] == 'image'"),
    "gemma3": ("item['type'] == 'image'", "item['type'] == 'image' and loop.first"),
}


@pytest.mark.parametrize("method", ["orapo", "sft", "dpo"])
@pytest.mark.parametrize("kind", list(FIRST_FILM))
def test_a_template_that_shows_the_first_film_alone_is_refused_where_studies_have_more(
    kind, method, checkpoints, manifest, tmp_path
):
    folder = with_template(checkpoints(kind), tmp_path / kind, *FIRST_FILM[kind])
    said = refusal(recipe(folder, manifest, tmp_path, method=method))
    assert said.startswith(f"{folder}: its chat template puts 1 of the 3 films of a study into")
    assert "views: frontal" in said
    file = recipe(folder, manifest, tmp_path, method=method, views="frontal")
    assert "It should fit" in call("train", "--config", file, "--dry-run")


def test_the_films_of_held_out_studies_are_counted_too(checkpoints, tmp_path):
    """A probe would ask of them before the first step."""
    manifest = write_studies(tmp_path)
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    for row in rows[:-1]:
        row["images"] = row["images"][:1]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder = with_template(checkpoints("smolvlm"), tmp_path / "smolvlm", *FIRST_FILM["smolvlm"])
    fields = {"probe_split": "test", "probe_every": 1}
    assert "1 of the 3 films" in refusal(recipe(folder, manifest, tmp_path, **fields))


def test_reports_about_more_films_than_the_template_shows_say_what_was_wrong(
    checkpoints, manifest, tmp_path
):
    folder = with_template(checkpoints("smolvlm"), tmp_path / "smolvlm", *FIRST_FILM["smolvlm"])
    out = tmp_path / "predictions.jsonl"
    words = ("generate", "--model", folder, "--data", manifest, "--split", "", "--out", out)
    words += ("--views", "all", "--max-new-tokens", 2)
    result = invoke([generate], words, code=1)
    rows = {row["study_id"]: row["error"] for row in map(json.loads, out.open())}
    assert [name for name, error in rows.items() if error] == ["s1", "s3", "t3"]
    last = result.stderr.splitlines()[-1]
    assert last.startswith("orapo: 1 of 5 studies without a report:")
    assert "puts 1 of the 2 films of a study into the prompt; show one" in last
    assert "2 of 5 studies without a report" in result.stderr
    assert "could not be read" not in result.stderr


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({**LORA, "lora_target_modules": ["q_proj", "embed_tokens"]}, "share their weights"),
        ({**LORA, "lora_target_modules": ["q_prog"]}, "the model has no layer that q_prog names"),
        (
            {
                **LORA,
                "lora_target_modules": ".*language_model.*q_proj",
                "vision_learning_rate": 1e-6,
            },
            "no weight of the vision tower is trained",
        ),
        ({"oracle_reward": "fact"}, "oracle_reward 'fact' is none of the reward functions facts"),
        ({"engine": "llm"}, "engine llm needs judge_model"),
        ({"method": "rlhf", "max_f1_loss": 0, "reward_model": "none"}, "no reward model here"),
        ({"report_to": "none_such"}, "report_to 'none_such' can't be used"),
        ({"gradient_accumulation_steps": 8}, "4 studies to train on, fewer than the 16 of one"),
    ],
    ids=["tied", "layers", "tower", "oracle", "judge", "reward-model", "reporter", "generation"],
)
def test_what_a_run_is_refused_for_its_dry_run_is_refused_for(
    fields, told, checkpoints, manifest, tmp_path
):
    assert told in refusal(recipe(checkpoints("qwen2.5-vl"), manifest, tmp_path, **fields))


def test_an_adapter_is_no_model_to_begin_from_in_a_dry_run_either(checkpoints, manifest, tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    said = refusal(recipe(folder, manifest, tmp_path))
    assert "holds an adapter, training begins from a whole model" in said


@pytest.mark.parametrize(
    ("study_id", "better", "told"),
    [
        ("s0", "No pneumothorax.<image>", "1 reports hold special tokens of the model"),
        ("elsewhere", "No pneumothorax.", "no decided judgement of a training study"),
    ],
)
def test_experts_pairs_are_looked_at_in_a_dry_run_too(
    study_id, better, told, checkpoints, manifest, tmp_path
):
    judged = Preference("p", study_id, "p", (), better, CORPUS[1], "left", "r", "a", "b")
    write_preferences(tmp_path / "judged.jsonl", [judged])
    fields = {"method": "dpo", "preferences": str(tmp_path / "judged.jsonl")}
    assert told in refusal(recipe(checkpoints("smolvlm"), manifest, tmp_path, **fields))
