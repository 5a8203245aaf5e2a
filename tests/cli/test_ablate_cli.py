"""`orapo ablate` as a user calls it: trained, compared, written, and gone on with."""

import csv
import json
import subprocess
import sys

import pytest
import yaml

from orapo.data.phantom import PhantomConfig, write_phantom
from orapo.locking import locked


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, tiny_processor, tiny_size):
    from orapo.models.tiny import build_model

    folder = tmp_path_factory.mktemp("ablate")
    build_model(tiny_processor, tiny_size).save_pretrained(folder / "base")
    tiny_processor.save_pretrained(folder / "base")
    data = write_phantom(
        folder / "phantom", {"train": 8, "validate": 2, "test": 6}, 0, PhantomConfig(size=32)
    )
    path = folder / "recipe.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "model": str(folder / "base"),
                "data": str(data),
                "output_dir": str(folder / "unused"),
                "probe_split": "validate",
                "probe_every": 2,
                "num_generations": 2,
                "per_device_train_batch_size": 4,
                "max_completion_length": 8,
                "max_steps": 2,
                "learning_rate": 1e-3,
                "logging_steps": 1,
                "gradient_checkpointing": False,
                "report_to": "none",
            }
        )
    )
    return path


def ablate(recipe, *options):
    return subprocess.run(
        [sys.executable, "-m", "orapo", "ablate", "--config", str(recipe), *options],
        capture_output=True,
        text=True,
        check=False,
    )


LABELER = """
import csv, json, sys
from orapo.labels import LABELS

rows = [json.loads(line) for line in open(sys.argv[1])]
with open(sys.argv[2], "w", newline="") as file:
    write = csv.writer(file)
    write.writerow(["study_id", *LABELS])
    for row in rows:
        write.writerow([row["study_id"], 1.0, *[""] * 13])
"""


@pytest.fixture(scope="module")
def done(recipe):
    labeler = recipe.with_name("labeler.py")
    labeler.write_text(LABELER)
    out = recipe.parent / "out"
    options = ["--out", str(out), "--seeds", "1", "--other-seeds", "1", "--resamples", "100"]
    options += ["--methods", "base,grpo_facts,sft_grpo"]
    options += ["--labeler", f"{sys.executable} {labeler}"]
    return out, options, ablate(recipe, *options)


def test_every_method_and_every_trivial_row_stands_in_every_table(done):
    out, _, ended = done
    assert ended.returncode == 0, ended.stderr
    found = json.loads((out / "ablation.json").read_text())
    assert list(found["rows"]) == ["base", "grpo_facts", "sft_grpo"]
    assert found["rows"]["grpo_facts"]["rollouts"] == 8
    assert found["rows"]["sft_grpo"]["rollouts"] == 4  # the second half of its steps
    assert set(found["trivial"]) >= {"all_positive", "all_negative", "most_frequent"}
    with (out / "ablation.csv").open() as file:
        names = [row["method"] for row in csv.DictReader(file)]
    assert names[:3] == list(found["rows"])
    assert "all_positive" in names
    markdown = (out / "ablation.md").read_text()
    for title in ("Base model", "SFT, then GRPO + FactS", "All positive", "All negative"):
        assert title in markdown
        assert title in (out / "report.html").read_text()


def test_differences_are_paired_and_the_other_labeler_is_heard(done):
    out, _, _ = done
    rows = json.loads((out / "ablation.json").read_text())["rows"]
    assert rows["sft_grpo"]["against"]["grpo_facts"]["seeds"] == 1
    assert {row["second_labeler_macro_f1"] for row in rows.values()} == {
        rows["base"]["second_labeler_macro_f1"]
    }  # it says the same of every report


def test_the_page_makes_no_request_and_holds_its_plots(done):
    out, _, _ = done
    page = (out / "report.html").read_text()
    assert "default-src 'none'" in page
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("data:image/png;base64,") == 2
    assert "Research use only" in page


def test_called_again_it_trains_and_writes_nothing_anew(recipe, done):
    out, options, _ = done
    weights = sorted(out.rglob("model.safetensors"))
    assert len(weights) == 3
    before = [path.stat().st_mtime_ns for path in [*weights, *sorted(out.rglob("predictions.*"))]]
    first = json.loads((out / "ablation.json").read_text())
    ended = ablate(recipe, *options)
    assert ended.returncode == 0, ended.stderr
    after = [path.stat().st_mtime_ns for path in [*weights, *sorted(out.rglob("predictions.*"))]]
    assert before == after
    again = json.loads((out / "ablation.json").read_text())
    assert again["rows"] == first["rows"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--methods", "ppo"], "unknown method 'ppo'"),
        (["--budget", "money"], "--budget must be rollouts, samples or minutes"),
        (["--split", "gold"], "no study of split 'gold'"),
        (["--curve", "9"], "there are 8 training studies"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_2(recipe, tmp_path, options, said):
    ended = ablate(recipe, "--out", str(tmp_path / "out"), *options)
    assert ended.returncode == 2
    assert said in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()


def test_a_second_call_in_the_same_folder_at_the_same_time_is_refused(recipe, tmp_path):
    with locked(tmp_path / "out"):
        ended = ablate(recipe, "--out", str(tmp_path / "out"), "--methods", "grpo_facts")
    assert ended.returncode == 2
    assert "another orapo ablate is at work there" in " ".join(ended.stderr.split())
    assert not (tmp_path / "out").exists()


def test_a_training_that_fails_is_named_and_the_others_are_compared(recipe, tmp_path):
    # more studies a step than 40 % of them are
    fields = yaml.safe_load(recipe.read_text()) | {"per_device_train_batch_size": 8}
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(fields))
    options = ["--out", str(tmp_path / "out"), "--seeds", "1", "--resamples", "100"]
    ended = ablate(path, *options, "--methods", "grpo_facts,orapo_40")
    assert ended.returncode == 1
    failures = json.loads((tmp_path / "out" / "failures.json").read_text())
    assert list(failures) == ["orapo_40/seed0-3"]
    assert "grpo_facts" in json.loads((tmp_path / "out" / "ablation.json").read_text())["rows"]


def test_a_method_alone_has_nothing_to_differ_from(recipe, tmp_path):
    out = tmp_path / "out"
    ended = ablate(recipe, "--out", str(out), "--methods", "base", "--resamples", "100")
    assert ended.returncode == 0, ended.stderr
    assert "Base model" in ended.stdout
    assert "Differences" not in ended.stdout
    assert f"{out / 'report.html'} holds all" in " ".join(ended.stdout.split())
