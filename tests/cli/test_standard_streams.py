"""``-`` in the place of a file: standard input and output in every command that can take them."""

import csv
import io
import json

import pytest
from tests.commands import invoke

from orapo.cli import data, demo, evaluate, export, preferences
from orapo.data.phantom import PhantomConfig, write_phantom
from orapo.errors import OrapoError

CHEST = ("Mild edema.", "No acute disease.", "Left effusion.")


@pytest.fixture
def phantom(tmp_path, monkeypatch):
    """A phantom in the working folder, whose manifest names its films by relative paths."""
    write_phantom(tmp_path, {"train": 6, "test": 3}, 0, PhantomConfig(size=32))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_piped_manifest_is_converted_and_its_films_start_at_the_working_folder(phantom):
    manifest = (phantom / "manifest.jsonl").read_text()
    words = ("data", "convert", "-", "--out", "copy", "--workers", 1, "--json")
    done = invoke((data,), words, stdin=manifest)
    assert json.loads(done.stdout)["images_copied"] == 9
    again = json.loads(invoke((data,), words, stdin=manifest).stdout)
    assert (again["images_copied"], again["images_there"]) == (0, 9)
    with pytest.raises(OrapoError, match="holds a conversion of other data"):
        invoke((data,), words, stdin=manifest.splitlines()[0])


def test_a_piped_table_is_checked_and_its_faults_name_standard_input(phantom):
    rows = "study_id,image_path,report\n1,images/phantom-000000.png,Edema.\n2,gone.png,Edema.\n"
    words = ("data", "check", "-", "--dataset", "table", "--workers", 1, "--json")
    done = invoke((data,), words, 2, stdin=rows)
    assert json.loads(done.stdout)["image_files"]["read"] == 1
    assert "error: standard input, line 3 (row 2): image gone.png: no such file" in done.stderr
    assert {one["file"] for one in json.loads(done.stdout)["problem_list"]} == {"standard input"}
    with pytest.raises(OrapoError, match="mimic-cxr is a folder"):
        invoke((data,), ("data", "check", "-", "--dataset", "mimic-cxr"), stdin=rows)


def test_a_sample_goes_from_pipe_to_pipe(phantom):
    manifest = (phantom / "manifest.jsonl").read_text()
    words = ("data", "sample", "-", "--out", "-", "--size", 4)
    drawn = invoke((data,), words, stdin=manifest).stdout.splitlines()
    studies = [json.loads(line) for line in drawn]
    assert len(studies) == 4
    assert all((phantom / one["images"][0]).is_file() for one in studies)
    assert "Studies with the label" in invoke((data,), words, stdin=manifest).stderr


@pytest.mark.parametrize("piped", ["--train", "--reference-labels", "--prediction-labels"])
def test_each_table_of_an_evaluation_can_be_the_piped_one(tmp_path, monkeypatch, piped):
    from orapo.labels import LABELS

    monkeypatch.chdir(tmp_path)
    rows = "".join(f"s{n},{text}\n" for n, text in enumerate(CHEST))
    (tmp_path / "t.csv").write_text(f"study_id,report\n{rows}")
    labels = io.StringIO()
    table = csv.DictWriter(labels, ["study_id", *LABELS], restval="")
    table.writeheader()
    table.writerows({"study_id": f"s{n}", "Fracture": 1} for n in range(3))
    words = ("evaluate", "t.csv", "--references", "t.csv", "--out", "out", "--resamples", 5)
    given = (tmp_path / "t.csv").read_text() if piped == "--train" else labels.getvalue()
    done = invoke((evaluate,), (*words, "--no-language", piped, "-", "--json"), stdin=given)
    metrics = json.loads(done.stdout)
    if piped == "--train":
        assert "most_frequent" in metrics
    elif piped == "--reference-labels":
        assert metrics["model"]["macro_labels"] == ["Fracture"]
    else:
        assert metrics["model"]["macro_f1"] == 0
    assert list(tmp_path.glob("*standard*")) == []


def test_a_draft_table_goes_to_standard_output(tmp_path):
    rows = "study_id,report\n1,Mild edema.\n"
    done = invoke((export,), ("export", "-", "--out", "-", "--format", "csv"), stdin=rows)
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert row["study_id"] == "1"
    assert "1 reports" in done.stderr


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (data, ("data", "phantom", "--train", 2)),
        (data, ("data", "convert", "manifest.jsonl")),
        (data, ("data", "check", "manifest.jsonl")),
        (evaluate, ("evaluate", "p.csv", "--references", "r.csv")),
        (export, ("export", "p.csv", "--format", "text")),
        (preferences, ("preferences", "make", "--systems", "a=p.csv", "--references", "r.csv")),
        (demo, ("demo",)),
    ],
)
def test_a_folder_is_not_written_to_standard_output(phantom, module, words):
    (phantom / "p.csv").write_text("study_id,report\n1,Edema.\n")
    with pytest.raises(OrapoError, match="--out -: this can't go to standard output"):
        invoke((module,), (*words, "--out", "-"))
    assert not (phantom / "-").exists()
