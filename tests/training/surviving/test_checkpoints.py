"""A checkpoint is whole or it is not taken; the one before stays until the next one is whole."""

import json
import logging
import re
import resource
import shutil
from pathlib import Path

import pytest
import yaml
from safetensors import SafetensorError
from transformers import Trainer

from orapo import OrapoError
from orapo.errors import RunFailedError
from orapo.models import whole
from orapo.models.whole import (
    MARK_FILE,
    all_checkpoints,
    fault,
    mark_whole,
    whole_checkpoints,
)
from orapo.training.recipe import read_recipe
from orapo.training.run import train
from orapo.training.surviving import resumable
from orapo.training.surviving.checkpoints import last_checkpoint, rotate


@pytest.fixture
def run(tmp_path):
    """A run's folder with whole checkpoints of the steps 2, 9 and 10."""
    for step in (2, 9, 10):
        folder = tmp_path / f"checkpoint-{step}"
        (folder / "ref").mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(bytes(100))
        (folder / "ref" / "adapter.safetensors").write_bytes(bytes(50))
        mark_whole(folder)
    (tmp_path / "checkpoint-best").mkdir()
    return tmp_path


def names(folders):
    return [folder.name for folder in folders]


def test_the_last_checkpoint_is_that_of_the_most_steps(run, caplog):
    assert last_checkpoint(run) == run / "checkpoint-10"
    assert caplog.text == ""


def unmark(folder):
    (folder / MARK_FILE).unlink()


def break_the_mark(folder):
    (folder / MARK_FILE).write_text('{"version": 1, "sizes": {"model.saf')


def cut_the_weights(folder):
    (folder / "model.safetensors").write_bytes(bytes(99))


def flip_a_bit_of_the_weights(folder):
    (folder / "model.safetensors").write_bytes(bytes(99) + b"\x01")


def put_another_run_s_weights_there(folder):
    (folder / "ref" / "adapter.safetensors").write_bytes(b"\x02" * 50)


def leave_out_a_digest(folder):
    mark = json.loads((folder / MARK_FILE).read_text())
    del mark["digests"]["model.safetensors"]
    (folder / MARK_FILE).write_text(json.dumps(mark))


def lose_a_file_of_a_subfolder(folder):
    (folder / "ref" / "adapter.safetensors").unlink()


@pytest.mark.parametrize(
    ("tear", "reason"),
    [
        (unmark, "no whole.json"),
        (break_the_mark, "whole.json is broken"),
        (cut_the_weights, "model.safetensors has 99 bytes instead of 100"),
        (lose_a_file_of_a_subfolder, "ref/adapter.safetensors is missing"),
        (flip_a_bit_of_the_weights, "model.safetensors is not what was written"),
        (put_another_run_s_weights_there, "ref/adapter.safetensors is not what was written"),
        (leave_out_a_digest, "whole.json is broken"),
    ],
)
def test_a_torn_checkpoint_is_named_and_the_one_before_is_taken(run, caplog, tear, reason):
    tear(run / "checkpoint-10")
    with caplog.at_level(logging.WARNING):
        assert last_checkpoint(run) == run / "checkpoint-9"
    assert f"{run / 'checkpoint-10'}: not whole ({reason}" in caplog.text


def test_a_mark_of_an_earlier_version_holds_sizes_alone(run):
    folder = run / "checkpoint-10"
    mark = json.loads((folder / MARK_FILE).read_text())
    (folder / MARK_FILE).write_text(json.dumps({"version": 1, "sizes": mark["sizes"]}))
    assert last_checkpoint(run) == folder
    cut_the_weights(folder)
    assert last_checkpoint(run) == run / "checkpoint-9"


def test_with_torn_checkpoints_alone_there_is_nothing_to_resume_from(run):
    for step in (2, 9, 10):
        unmark(run / f"checkpoint-{step}")
    with pytest.raises(OrapoError, match=r"no checkpoint to resume from, .*checkpoint-2 not being"):
        last_checkpoint(run)


def test_a_mark_covers_what_is_added_before_it_and_can_be_written_again(run):
    folder = run / "checkpoint-2"
    (folder / "model.safetensors").write_bytes(bytes(7))
    assert fault(folder) is not None
    mark_whole(folder)
    assert fault(folder) is None


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (None, ["checkpoint-2", "checkpoint-9", "checkpoint-10"]),
        (0, ["checkpoint-2", "checkpoint-9", "checkpoint-10"]),
        (2, ["checkpoint-9", "checkpoint-10"]),
        (1, ["checkpoint-10"]),
    ],
)
def test_the_oldest_go_beyond_the_limit(run, limit, kept):
    rotate(run, limit)
    assert names(whole_checkpoints(run)) == kept


def test_the_best_stays_and_counts(run):
    rotate(run, 2, keep=[run / "checkpoint-2"])
    assert names(whole_checkpoints(run)) == ["checkpoint-2", "checkpoint-10"]


def test_a_torn_one_does_not_count_and_goes_once_a_later_one_is_whole(run):
    unmark(run / "checkpoint-9")
    shutil.copytree(run / "checkpoint-9", run / "checkpoint-12")  # newer than any whole one
    rotate(run, 2)
    assert names(all_checkpoints(run)) == [
        "checkpoint-2",
        "checkpoint-10",
        "checkpoint-12",
    ]


# ---------------------------------------------------------------- in a run


@pytest.fixture
def recipe(run_settings, tmp_path):
    def read(**changes):
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump({**run_settings, **changes}))
        return read_recipe(["--config", str(path)])

    return read


def test_the_checkpoint_before_goes_only_when_the_new_one_is_whole(recipe, tmp_path, monkeypatch):
    before = []
    mark = whole.mark_whole

    def spy(folder, files=None):
        if files is None:  # not the end of the run
            before.append(names(whole_checkpoints(folder.parent)))
        mark(folder, files)

    monkeypatch.setattr(whole, "mark_whole", spy)
    train(*recipe(max_steps=6, save_total_limit=1))
    assert before == [[], ["checkpoint-2"], ["checkpoint-4"]]
    assert names(whole_checkpoints(tmp_path / "run")) == ["checkpoint-6"]


@pytest.mark.parametrize(
    ("limit", "reason"),  # of the tokenizer, of the weights, and of the optimiser
    [(8_000, "File too large"), (60_000, "File ?[tT]oo ?[lL]arge"), (100_000, "torch could not")],
)
def test_a_full_disk_is_one_sentence_and_the_checkpoint_before_goes_on(
    recipe, tmp_path, monkeypatch, limit, reason
):
    """The system refuses to let a file grow, as it would on a full disk."""
    save = Trainer._save_checkpoint
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def save_on_a_full_disk(self, model, trial):
        if self.state.global_step == 4:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            save(self, model, trial)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save_checkpoint", save_on_a_full_disk)
        with pytest.raises(RunFailedError) as failure:
            train(*recipe(max_steps=4, save_total_limit=1))
    message = str(failure.value)
    assert str(run / "checkpoint-4") in message
    assert re.search(rf"can't be written \(.*{reason}", message)
    assert f"kept: {run / 'checkpoint-2'}, --resume goes on from it" in message
    assert names(all_checkpoints(run)) == ["checkpoint-2"]
    train(*recipe(max_steps=4, save_total_limit=1), resume=True)
    assert names(all_checkpoints(run)) == ["checkpoint-4"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        Exception("No space left on device (os error 28)"),  # tokenizers
        SafetensorError('I/O error: Os { code: 28, kind: StorageFull, message: "..." }'),
    ],
)
def test_every_library_s_way_to_say_that_the_disk_is_full_is_understood(
    recipe, tmp_path, monkeypatch, error
):
    def full(*args):
        raise error

    monkeypatch.setattr(resumable, "save_loop", full)
    with pytest.raises(
        RunFailedError, match=r"checkpoint-2: .*No space left on device.*no checkpoint is there"
    ):
        train(*recipe())
    assert not (tmp_path / "run" / "checkpoint-2").exists()


def test_any_other_error_while_saving_is_left_as_it_is(recipe, tmp_path, monkeypatch):
    def fails(*args):
        raise RuntimeError("CUDA error")

    monkeypatch.setattr(resumable, "save_loop", fails)
    with pytest.raises(RuntimeError, match="CUDA error"):
        train(*recipe())


def test_other_studies_than_those_of_the_checkpoint_are_said(recipe, run_settings, caplog):
    """A film that has become unreadable, a manifest that was changed: another order of everything."""
    train(*recipe(max_steps=2))
    train(*recipe(max_steps=3), resume=True)
    assert "other studies" not in caplog.text
    manifest = Path(run_settings["data"])
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join([lines[1], lines[0], *lines[2:]]) + "\n")
    train(*recipe(max_steps=4), resume=True)
    assert "checkpoint-3: trained on other studies, or in another order" in caplog.text


def test_an_earlier_run_s_checkpoints_are_not_trained_over(recipe):
    train(*recipe())
    with pytest.raises(OrapoError, match=r"holds checkpoint-4 of an earlier run; .*--resume"):
        train(*recipe())


def test_a_run_that_lost_only_its_last_moments_is_finished_without_a_step(recipe, tmp_path):
    run = train(*recipe(max_steps=4, num_iterations=3))
    log, weights = (run / "metrics.jsonl").read_text(), (run / "model.safetensors").read_bytes()
    (run / "model.safetensors").unlink()
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')
    train(*recipe(max_steps=4, num_iterations=3), resume=True)
    assert (run / "model.safetensors").read_bytes() == weights

    def figures(text):
        clocks = ("elapsed", "seconds", "step_time", "train_runtime", "_per_second")
        lines = [json.loads(line) for line in text.splitlines()]
        return [
            {k: v for k, v in line.items() if not any(clock in k for clock in clocks)}
            for line in lines
        ]

    assert figures((run / "metrics.jsonl").read_text()) == figures(log)
