"""Studies whose films can't be read: left out, counted, and never too many of them."""

import contextlib
import json
import logging
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from orapo.data.study import Study
from orapo.errors import OrapoError, RunFailedError
from orapo.training import OraPOConfig, OraPOTrainer
from orapo.training.preparing.dataset import training_dataset
from orapo.training.recipe import RunConfig
from orapo.training.surviving import films
from orapo.training.surviving.films import FILM_ERROR, LIST_FILE, SetAside, readable_studies


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ORAPO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "films.txt"


def film(path, seed=0):
    values = np.random.default_rng(seed).integers(0, 255, (24, 24), dtype=np.uint8)
    Image.fromarray(values).save(path)
    return path


@pytest.fixture
def studies(tmp_path):
    """Four studies with a frontal and a lateral film each."""
    return [
        Study(
            study_id=f"s{i}",
            patient_id="p",
            images=(film(tmp_path / f"secret{i}l.png", i), film(tmp_path / f"secret{i}f.png", i)),
            views=("lateral", "frontal"),
            report=f"The lungs are clear. Film {i}.",
            findings="The lungs are clear.",
            history="Cough.",
        )
        for i in range(4)
    ]


def damage(study, view="frontal"):
    path = study.images[study.views.index(view)]
    path.write_bytes(path.read_bytes()[:200])
    return path


def ids(studies):
    return [study.study_id for study in studies]


# ---------------------------------------------------------------- before a run


def test_an_unreadable_study_is_set_aside_and_named_by_its_id_alone(studies, tmp_path, caplog):
    path = damage(studies[1])
    aside = SetAside(4, 0.25, tmp_path)
    assert ids(readable_studies(studies, "frontal", aside, quiet=True)) == ["s0", "s2", "s3"]
    assert "study s1: set aside" in caplog.text
    assert "secret" not in caplog.text
    (line,) = (tmp_path / LIST_FILE).read_text().splitlines()
    assert json.loads(line)["study_id"] == "s1"
    assert str(path) in json.loads(line)["error"]


def test_too_many_stop_the_run_with_the_whole_list(studies, tmp_path):
    for study in studies[:3]:
        damage(study)
    with pytest.raises(RunFailedError, match=r"3 of 4 studies .* 0\.5 allows; .*unreadable\.jsonl"):
        readable_studies(studies, "frontal", SetAside(4, 0.5, tmp_path), quiet=True)
    assert len((tmp_path / LIST_FILE).read_text().splitlines()) == 3


def test_only_the_films_that_are_shown_have_to_be_readable(studies):
    damage(studies[0], "lateral")
    assert len(readable_studies(studies, "frontal", SetAside(4), quiet=True)) == 4
    assert len(readable_studies(studies, "all", SetAside(4), quiet=True)) == 3


def test_a_film_is_read_once_until_it_changes(studies, monkeypatch, cache):
    read = []
    original = films.read_image
    monkeypatch.setattr(films, "read_image", lambda path: read.append(path) or original(path))
    readable_studies(studies, "all", SetAside(4), quiet=True)
    readable_studies(studies, "all", SetAside(4), quiet=True)
    assert len(read) == 8
    assert "secret" not in cache.read_text()
    damage(studies[2])
    assert ids(readable_studies(studies, "all", SetAside(4), quiet=True)) == ["s0", "s1", "s3"]
    assert len(read) == 9


def test_several_processes_find_the_same(studies, monkeypatch):
    monkeypatch.setattr(films, "_WORTH_A_PROCESS", -1.0)
    damage(studies[3])
    assert ids(readable_studies(studies, "all", SetAside(4), quiet=True)) == ["s0", "s1", "s2"]


HANGS = """
import multiprocessing, os, sys, threading, time
from pathlib import Path
from orapo.training.surviving import films

def tell():
    while len(children := multiprocessing.active_children()) < 2:
        time.sleep(0.05)
    print(*(child.pid for child in children), flush=True)

if __name__ == "__main__":
    films._WORTH_A_PROCESS = -1.0
    os.sched_getaffinity = lambda pid: {0, 1}
    threading.Thread(target=tell, daemon=True).start()
    films._faults([Path(name) for name in sys.argv[1:]], quiet=True)
"""


@pytest.fixture
def hanging(studies, tmp_path):
    """A run whose other processes wait for films that never come, and those processes."""
    script = tmp_path / "hangs.py"
    script.write_text(HANGS)
    paths = [studies[0].images[0]]
    for i in range(40):
        paths.append(tmp_path / f"{i}.png")
        os.mkfifo(paths[-1])
    process = subprocess.Popen(
        [sys.executable, script, *paths], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    children = [int(pid) for pid in process.stdout.readline().split()]
    yield process, children
    for pid in (process.pid, *children):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate()


def alive(pid):
    """Whether a process runs; one that nobody has asked about its end does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into /proc")


@linux
def test_a_killed_process_is_said_in_a_sentence(hanging):
    process, children = hanging
    os.kill(children[0], signal.SIGKILL)
    for child in children[1:]:  # the pool ends it, unless it waits where it can't be
        os.kill(child, signal.SIGTERM)
    error = process.communicate(timeout=60)[1]
    assert "RunFailedError: a process that reads films was killed" in error
    assert "BrokenProcessPool" not in error


@linux
def test_the_other_processes_end_with_the_run(hanging):
    process, children = hanging
    time.sleep(1)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while any(map(alive, children)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(alive, children))


def test_a_cache_that_is_broken_or_cannot_be_written_is_no_obstacle(studies, cache, monkeypatch):
    cache.parent.mkdir()
    cache.write_bytes(b"\xff\x00 nonsense")
    assert len(readable_studies(studies, "all", SetAside(4), quiet=True)) == 4
    monkeypatch.setenv("ORAPO_CACHE", str(cache))  # a file where a folder should be
    assert len(readable_studies(studies, "all", SetAside(4), quiet=True)) == 4


# ---------------------------------------------------------------- during a run


def test_a_film_that_breaks_later_is_blank_and_marked(studies):
    dataset = training_dataset(studies, views="all")
    path = damage(studies[1])
    rows = dataset[[0, 1, 1]]
    assert [len(images) for images in rows["images"]] == [2, 2, 2]
    assert rows[FILM_ERROR][0] == ""
    assert str(path) in rows[FILM_ERROR][1]
    assert rows[FILM_ERROR][1] == rows[FILM_ERROR][2]


class Fixed:
    """A reward of 1 for every other rollout."""

    __name__ = "facts"

    def __call__(self, completions, **columns):
        return [float(i % 2) for i in range(len(completions))]


def trained(model, processor, dataset, folder, set_aside, **settings):
    config = OraPOConfig(
        str(folder),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
        shuffle_dataset=False,
        num_generations=2,
        per_device_train_batch_size=8,
        max_completion_length=6,
        **{"max_steps": 1, **settings},
    )
    seen = []

    class Watching(OraPOTrainer):
        def _calculate_rewards(self, *args, **kwargs):
            rewards = super()._calculate_rewards(*args, **kwargs)
            seen.append(self._rewards.clone())
            return rewards

    trainer = Watching(
        model,
        Fixed(),
        config,
        train_dataset=dataset,
        processing_class=processor,
        set_aside=set_aside,
    )
    trainer.train()
    return trainer, torch.cat(seen)


def test_its_rollouts_leave_the_loss_and_the_study_is_set_aside(
    tiny_model, tiny_processor, studies, tmp_path, caplog
):
    dataset = training_dataset(studies)
    damage(studies[1])
    aside = SetAside(4, 0.25, tmp_path)
    trainer, rewards = trained(tiny_model, tiny_processor, dataset, tmp_path / "run", aside)
    assert rewards.isnan().tolist() == [False, False, True, True, False, False, False, False]
    assert aside.studies == {"s1"}
    assert "study s1: set aside" in caplog.text
    assert "secret" not in caplog.text
    assert math.isfinite(trainer.state.log_history[-1]["train_loss"])


def test_too_many_that_break_later_stop_the_run(tiny_model, tiny_processor, studies, tmp_path):
    dataset = training_dataset(studies)
    for study in studies[:2]:
        damage(study)
    aside = SetAside(4, 0.25, tmp_path)
    with pytest.raises(RunFailedError, match=r"2 of 4 studies .*unreadable\.jsonl"):
        trained(tiny_model, tiny_processor, dataset, tmp_path / "run", aside)


# ---------------------------------------------------------------- views and prompts


@pytest.mark.parametrize(
    ("views", "films_shown"), [("frontal", [1, 1, 1, 1]), ("all", [2, 1, 2, 2])]
)
def test_there_are_as_many_placeholders_as_films_with_mixed_studies(
    tiny_model, tiny_processor, studies, tmp_path, views, films_shown
):
    alone = studies[1].images[1:]
    studies[1] = studies[1].model_copy(update={"images": alone, "views": ("frontal",)})
    dataset = training_dataset(studies, views=views, prompt_fields=["history"])
    assert [len(row) for row in dataset[:]["images"]] == films_shown
    image = tiny_processor.tokenizer.convert_tokens_to_ids("<image>")
    counts = []

    def spy(module, args, kwargs):
        counts.append((kwargs["input_ids"] == image).sum(dim=1))

    tiny_model.register_forward_pre_hook(spy, with_kwargs=True)
    trainer, _ = trained(tiny_model, tiny_processor, dataset, tmp_path / "run", None)
    assert math.isfinite(trainer.state.log_history[-1]["train_loss"])
    per_film = tiny_processor.image_seq_len
    prompts = next(count for count in counts if len(count) == 8)
    assert prompts.tolist() == [n * per_film for n in films_shown for _ in range(2)]


def test_the_frontal_film_comes_first(studies):
    row = training_dataset(studies, views="all")[0]
    with Image.open(studies[0].images[1]) as frontal:
        assert np.array_equal(np.asarray(row["images"][0]), np.asarray(frontal.convert("RGB")))


def test_prompts_tell_what_was_asked_for_and_the_study_before(studies):
    (first, second, *_) = training_dataset(studies, prompt_fields=["history", "previous"])["prompt"]
    assert first[0]["content"].endswith("History: Cough.")
    assert second[0]["content"].endswith("History: Cough.")  # the same report: kept out
    other = [studies[0].model_copy(update={"findings": "Small effusion."}), studies[1]]
    (_, second) = training_dataset(other, prompt_fields=["history", "previous"])["prompt"]
    assert second[0]["content"].endswith("Previous: Small effusion.")


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"views": "both"}, "views must be one of frontal, all"),
        ({"prompt_fields": ["impression"]}, "'impression' is the answer"),
        ({"prompt_fields": "history,findings"}, "'findings' is the answer"),
        ({"max_unreadable_share": 1.5}, "from 0 to 1"),
    ],
)
def test_a_wrong_field_of_a_recipe_is_one_sentence(field, message):
    with pytest.raises(OrapoError, match=message):
        RunConfig(model="m", data="d.jsonl", **field)


def test_warnings_are_shown_at_the_default_level():
    assert logging.getLogger("orapo.training.surviving.films").isEnabledFor(logging.WARNING)
