"""`orapo generate` and `orapo train` as a user calls them, with a model of a few thousand weights."""

import json
import os
from pathlib import Path

import pytest
import yaml
from PIL import Image

import orapo.generation as orapo_generation
from commands import invoke
from fake_judge import FakeJudge
from orapo.cli import generate, train
from orapo.data.conversation import EARLIER_FILM, REPORT_PROMPT
from orapo.data.manifest import write_manifest
from orapo.data.phantom import PhantomConfig, write_phantom
from orapo.data.study import Study
from orapo.data.tables.reading import read_rows
from orapo.errors import MissingExtraError, OrapoError, RunFailedError
from orapo.evaluation.inputs import read_labels
from orapo.export.draft import read_drafts
from orapo.facts import label_report
from orapo.generation import Sample, checkpoint_revision
from orapo.labels import LABELS

BENCH = os.environ.get("ORAPO_BENCH")


@pytest.fixture
def orapo():
    def run(*words, code=0):
        return invoke((generate, train), words, code).output

    return run


@pytest.fixture
def checkpoint(tiny_model, tiny_processor, tmp_path):
    folder = tmp_path / "model"
    tiny_model.save_pretrained(folder)
    tiny_processor.save_pretrained(folder)
    return folder


@pytest.fixture
def films(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    for index, mode in enumerate(("L", "RGB", "RGBA")):
        film = Image.linear_gradient("L").resize((40, 30)).rotate(90 * index)
        film.convert(mode).save(folder / f"film{index}.png")
    return folder


def rows(path):
    return {row.values["study_id"]: row.values for row in read_rows(path)}


def test_a_folder_of_films_gives_a_report_each(orapo, checkpoint, films, tmp_path):
    out = tmp_path / "out.jsonl"
    orapo("generate", films, "--model", checkpoint, "--out", out, "--max-new-tokens", 6)
    assert list(rows(out)) == ["film0", "film1", "film2"]
    assert not any(row["error"] for row in rows(out).values())


def test_an_unreadable_film_is_an_error_row_and_the_others_are_kept(
    orapo, checkpoint, films, tmp_path
):
    (films / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    out = tmp_path / "out.csv"
    orapo("generate", films, "--model", checkpoint, "--out", out, "--max-new-tokens", 6, code=1)
    written = rows(out)
    assert "broken.png" in written["broken"]["error"]
    assert len(written) == 4
    assert not written["film0"]["error"]


@pytest.fixture
def dicom_studies(tmp_path):
    """Two films of one study and one of another, in folders and under names as archives have them."""
    pytest.importorskip("pydicom")
    from orapo.data.films.dicom import write_dicom

    folder = tmp_path / "dicom"
    for name, study, view in (
        ("IM1", "a", "lateral"),
        ("IM2", "a", "frontal"),
        ("IM3", "b", "frontal"),
    ):
        (folder / study).mkdir(parents=True, exist_ok=True)
        write_dicom(
            Image.linear_gradient("L").rotate(0 if view == "frontal" else 90),
            folder / study / name,
            view=view,
            patient_id=study,
            study_uid=study,
            series_uid=study,
            instance_uid=name,
        )
    return folder


def test_dicom_files_of_one_study_get_one_report(orapo, checkpoint, dicom_studies, tmp_path):
    from orapo.data.films.dicom import dicom_uid, study_name

    Image.linear_gradient("L").save(dicom_studies / "film.png")
    (dicom_studies / "broken.dcm").write_bytes(bytes(128) + b"DICM")
    out = tmp_path / "out.jsonl"
    orapo("generate", dicom_studies, "--model", checkpoint, "--out", out, code=1)
    written = rows(out)
    assert set(written) == {*(study_name(dicom_uid(s)) for s in "ab"), "film", "broken"}
    assert [study for study, row in written.items() if row["error"]] == ["broken"]
    assert "broken.dcm" in written["broken"]["error"]


def test_the_model_is_shown_one_view_or_all_and_told_what_was_asked_for(
    orapo, checkpoint, films, tmp_path, monkeypatch
):
    studies = [
        Study(
            study_id=f"s{i}",
            images=tuple(films / f"film{n}.png" for n in range(count)),
            views=("lateral", "frontal")[:count],
            history="Cough.",
            findings="The lungs are clear.",
            split="test",
        )
        for i, count in enumerate((2, 1))
    ]
    write_manifest(tmp_path / "studies.jsonl", studies)
    calls = []
    real = orapo_generation.sample_reports

    def watched(model, processor, films, prompts, study_ids, decoding):
        calls.append(([len(row) for row in films], films[0][0].getpixel((0, 0)), prompts))
        return real(model, processor, films, prompts, study_ids, decoding)

    monkeypatch.setattr(orapo_generation, "sample_reports", watched)
    common = ("generate", "--data", tmp_path / "studies.jsonl", "--model", checkpoint)
    orapo(*common, "--out", tmp_path / "one.jsonl")
    fields = ("--views", "all", "--prompt-fields", "history,age")
    orapo(*common, "--out", tmp_path / "all.jsonl", *fields)
    (one, frontal_first, plain), (every, first_of_all, told) = calls
    assert (one, every) == ([1, 1], [2, 1])
    with Image.open(films / "film1.png") as frontal:
        assert frontal_first == first_of_all == frontal.convert("L").getpixel((0, 0))
    assert plain == [REPORT_PROMPT] * 2
    assert told == [f"{REPORT_PROMPT}\nHistory: Cough."] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--prompt-fields", "age,findings"), "'findings' is the answer"),
        (("--prompt-fields", "name"), "unknown prompt field 'name'"),
        (("--views", "both"), "views must be one of frontal, all"),
    ],
)
def test_what_a_model_must_not_or_cannot_be_told_or_shown_is_refused(
    orapo, films, tmp_path, options, message
):
    with pytest.raises(OrapoError, match=message):
        orapo("generate", films, "--model", "x/y", "--out", tmp_path / "out.jsonl", *options)


def test_every_row_says_where_its_report_comes_from(orapo, checkpoint, films, tmp_path):
    out = tmp_path / "out.jsonl"
    options = ("--samples", 4, "--max-new-tokens", 12, "--seed", 7, "--top-p", 0.9)
    orapo("generate", films, "--model", checkpoint, "--out", out, *options)
    for name, row in rows(out).items():
        assert row["model"] == str(checkpoint)
        assert row["revision"] == checkpoint_revision(checkpoint)
        assert row["revision"].startswith("sha256:")
        assert row["prompt"] == REPORT_PROMPT
        assert row["films"] == [str(films / f"{name}.png")]
        wanted = {"seed": 7, "samples": 4, "temperature": 1.0, "top_p": 0.9, "select": "consensus"}
        assert row["decoding"].items() >= wanted.items()
        assert "transformers" in row["decoding"]["engine"]
        assert {label: row[label] for label in LABELS} == label_report(row["report"]).labels
        assert row["samples"] == 4
        assert set(row["votes"]) == set(LABELS)
        assert 0 <= row["chosen"] < 4
        assert row["log_likelihood"] < 0
        assert row["cut"] in (True, False)


def test_other_weights_are_another_revision(checkpoint, tiny_model):
    before = checkpoint_revision(checkpoint)
    tiny_model.lm_head.weight.data += 1
    tiny_model.save_pretrained(checkpoint)
    assert checkpoint_revision(checkpoint) != before


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_tables_without_nesting_hold_the_same_as_jsonl(
    orapo, checkpoint, films, tmp_path, monkeypatch, ending
):
    text = "Small left pleural effusion. No pneumothorax."

    def said(model, processor, films, prompts, study_ids, decoding):
        return [[Sample(text)] for _ in films]

    monkeypatch.setattr(orapo_generation, "sample_reports", said)
    (films / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    flat, nested = tmp_path / f"out.{ending}", tmp_path / "out.jsonl"
    for out in (flat, nested):
        orapo("generate", films, "--model", checkpoint, "--out", out, code=1)
    drafts = [list(read_drafts(out)) for out in (flat, nested)]
    assert [d if isinstance(d, str) else (d.text, d.labels, d.films) for d in drafts[0]] == [
        d if isinstance(d, str) else (d.text, d.labels, d.films) for d in drafts[1]
    ]
    assert drafts[0][0] == "broken"
    first = drafts[0][1]
    assert (first.labels["Pleural Effusion"], first.labels["Pneumothorax"]) == (1, 0)
    assert first.record["facts"][0]["finding"] == "pleural effusion"
    assert first.record["facts"][0]["laterality"] == "left"
    assert first.record["decoding"]["temperature"] == 0
    assert list(read_labels(flat)["film0"].values()) == list(first.labels.values())


@pytest.mark.parametrize(
    ("select", "chosen"), [("first", 0), ("consensus", 1), ("best-likelihood", 2)]
)
def test_one_of_several_samples_is_chosen_and_votes_are_counted(
    orapo, checkpoint, films, tmp_path, monkeypatch, select, chosen
):
    texts = ("The lungs are clear.", "Left pleural effusion.", "Pleural effusion. Cardiomegaly.")

    def said(model, processor, films, prompts, study_ids, decoding):
        samples = [Sample(text, -3.0 + n) for n, text in enumerate((*texts, texts[1]))]
        samples[2] = Sample(texts[2], 0.5)
        return [samples for _ in films]

    monkeypatch.setattr(orapo_generation, "sample_reports", said)
    out = tmp_path / "out.jsonl"
    options = ("--samples", 4, "--select", select)
    orapo("generate", films, "--model", checkpoint, "--out", out, *options)
    row = rows(out)["film0"]
    assert row["report"] == texts[chosen]
    assert (row["votes"]["Pleural Effusion"], row["votes"]["Cardiomegaly"]) == (3, 1)
    assert row["decoding"]["operating_point"] == 1
    assert row["sample_reports"] == [*texts, texts[1]]


def test_the_operating_point_decides_and_stands_in_the_row(
    orapo, checkpoint, films, tmp_path, monkeypatch
):
    one, two = "Left pleural effusion.", "Left pleural effusion. Cardiomegaly. Pneumothorax."
    texts = (one, two, "Left pleural effusion. Pneumothorax.", "Pleural effusion. Cardiomegaly.")

    def said(model, processor, films, prompts, study_ids, decoding):
        return [[Sample(text, None) for text in texts] for _ in films]

    monkeypatch.setattr(orapo_generation, "sample_reports", said)
    found = {}
    for point in ("precision", "recall"):
        out = tmp_path / f"{point}.jsonl"
        options = ("--samples", 4, "--operating-point", point)
        orapo("generate", films, "--model", checkpoint, "--out", out, *options)
        found[point] = rows(out)["film0"]
    assert found["precision"]["report"] == one
    assert found["recall"]["report"] == two
    assert found["precision"]["decoding"]["operating_point"] == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--samples", 2, "--temperature", 0), "needs a --temperature above 0"),
        (("--top-p", 0), "top-p must be above 0"),
        (("--previous-image", "old.png"), "are for one study, not 3"),
        (("--operating-point", "precise"), "precision, balanced, recall or a number above 0"),
        (("--samples", 2, "--operating-point", 0), "or a number above 0"),
        (("--operating-point", "recall"), "chooses among several samples"),
        (("--samples", 2, "--select", "first", "--operating-point", 2), "--select consensus"),
    ],
)
def test_impossible_decoding_is_refused(orapo, films, tmp_path, options, message):
    with pytest.raises(OrapoError, match=message):
        orapo("generate", films, "--model", "x/y", "--out", tmp_path / "out.jsonl", *options)


def test_vllm_that_is_not_installed_is_named_by_its_extra(orapo, checkpoint, films, tmp_path):
    options = ("--backend", "vllm", "--out", tmp_path / "out.jsonl")
    with pytest.raises(MissingExtraError, match=r"\[vllm\]"):
        orapo("generate", films, "--model", checkpoint, *options)


def test_memory_that_does_not_suffice_is_one_sentence_and_rows_are_kept(
    orapo, checkpoint, films, tmp_path, monkeypatch
):
    def full(model, processor, films, prompts, study_ids, decoding):
        if study_ids == ["film0"]:
            return [[Sample("Clear.")]]
        raise RuntimeError("CUDA out of memory. Tried to allocate ...")

    monkeypatch.setattr(orapo_generation, "sample_reports", full)
    out = tmp_path / "out.jsonl"
    with pytest.raises(RunFailedError, match="a smaller --batch-size helps"):
        orapo("generate", films, "--model", checkpoint, "--out", out, "--batch-size", 1)
    assert (tmp_path / ".out.jsonl.rows").read_text().count("film0") == 2  # its id and its film


# ---------------------------------------------------------------- an earlier study


@pytest.fixture
def asked(monkeypatch):
    """What the model is given, study by study; it says that all is stable."""
    calls = []

    def said(model, processor, films, prompts, study_ids, decoding):
        calls.extend(zip(study_ids, films, prompts, strict=True))
        return [[Sample("Stable cardiomegaly.")] for _ in films]

    monkeypatch.setattr(orapo_generation, "sample_reports", said)
    return calls


def test_an_earlier_film_and_report_are_shown_and_allow_comparisons(
    orapo, checkpoint, films, tmp_path, asked
):
    (tmp_path / "old.txt").write_text("Mild cardiomegaly <image>.\n")
    out = tmp_path / "out.jsonl"
    alone = ("generate", films / "film0.png", "--model", checkpoint, "--out", out)
    given = ("--previous-image", films / "film1.png", "--previous-report", tmp_path / "old.txt")
    said = orapo(*alone)
    assert "1 of 1 reports compare with an earlier film" in said
    assert rows(out)["film0"]["invented_comparisons"] == ["Stable"]
    said = orapo(*alone, *given)
    assert "compare with" not in said
    row = rows(out)["film0"]
    assert row["invented_comparisons"] == []
    assert row["earlier_study"] == "report and film"
    (_, before, _), (_, shown, prompt) = asked
    assert (len(before), len(shown)) == (1, 2)
    with Image.open(films / "film1.png") as old:
        assert shown[1].tobytes() == old.convert("L").tobytes()
    lines = prompt.splitlines()
    assert lines == [REPORT_PROMPT, EARLIER_FILM, "Previous: Mild cardiomegaly ."]
    orapo(*alone, "--previous-image", films / "film1.png")
    assert asked[-1][2] == f"{REPORT_PROMPT}\n{EARLIER_FILM}"
    assert rows(out)["film0"]["earlier_study"] == "film"


def test_the_study_before_comes_from_the_manifest(orapo, checkpoint, films, tmp_path, asked):
    studies = [
        Study(
            study_id=f"s{i}",
            patient_id=patient,
            images=(films / f"film{i}.png",),
            report=f"Report of study {i}.",
            split=split,
        )
        for i, (patient, split) in enumerate((("a", "train"), ("a", "test"), ("b", "test")))
    ]
    write_manifest(tmp_path / "studies.jsonl", studies)
    out = tmp_path / "out.jsonl"
    common = ("generate", "--data", tmp_path / "studies.jsonl", "--model", checkpoint, "--out", out)
    orapo(*common, "--previous-films", "--prompt-fields", "previous")
    given = {name: (len(shown), prompt) for name, shown, prompt in asked}
    assert given == {
        "s1": (2, f"{REPORT_PROMPT}\n{EARLIER_FILM}\nPrevious: Report of study 0."),
        "s2": (1, REPORT_PROMPT),
    }
    written = rows(out)
    assert (written["s1"]["earlier_study"], written["s2"]["earlier_study"]) == (
        "report and film",
        "",
    )
    assert (written["s1"]["invented_comparisons"], written["s2"]["invented_comparisons"]) == (
        [],
        ["Stable"],
    )


def test_the_study_before_of_dicom_files_is_the_patients_earlier_one_by_date(
    orapo, checkpoint, tmp_path, asked
):
    pydicom = pytest.importorskip("pydicom")
    from orapo.data.films.dicom import dicom_uid, study_name, write_dicom

    folder = tmp_path / "dicom"
    folder.mkdir()
    dates = {"1new": ("p", "20240101"), "2old": ("p", "20200101"), "3undated": ("p", "")}
    dates |= {"4other": ("q", "20210101")}
    for number, (name, (patient, date)) in enumerate(dates.items()):
        write_dicom(
            Image.linear_gradient("L").rotate(90 * number),
            folder / f"{name}.dcm",
            patient_id=patient,
            study_uid=name,
            series_uid=name,
            instance_uid=name,
        )
        header = pydicom.dcmread(folder / f"{name}.dcm")
        header.StudyDate = date
        header.save_as(folder / f"{name}.dcm")
    out = tmp_path / "out.jsonl"
    orapo("generate", folder, "--model", checkpoint, "--out", out, "--previous-films")
    shown = {name: films for name, films, _ in asked}
    counts = {name: len(shown[study_name(dicom_uid(name))]) for name in dates}
    assert counts == {"1new": 2, "2old": 1, "3undated": 1, "4other": 1}
    new, old = (shown[study_name(dicom_uid(name))] for name in ("1new", "2old"))
    assert new[1].tobytes() == old[0].tobytes()


def test_the_same_seed_samples_the_same_reports(orapo, checkpoint, films, tmp_path):
    def sampled(name, seed):
        out = tmp_path / name
        options = ("--max-new-tokens", 12, "--temperature", 1, "--seed", seed)
        orapo("generate", films, "--model", checkpoint, "--out", out, *options)
        return rows(out)

    assert sampled("a.jsonl", 1) == sampled("b.jsonl", 1) != sampled("c.jsonl", 2)


def test_batches_draw_different_random_numbers(orapo, checkpoint, films, tmp_path):
    for name in ("film1.png", "film2.png"):
        (films / name).write_bytes((films / "film0.png").read_bytes())
    out = tmp_path / "out.jsonl"
    options = ("--temperature", 1, "--batch-size", 1, "--max-new-tokens", 12)
    orapo("generate", films, "--model", checkpoint, "--out", out, *options)
    assert len({row["report"] for row in rows(out).values()}) > 1


def test_an_interrupted_run_goes_on_and_ends_with_the_same_reports(
    orapo, checkpoint, films, tmp_path, monkeypatch
):
    options = ("--temperature", 1, "--batch-size", 1, "--max-new-tokens", 12)
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    orapo("generate", films, "--model", checkpoint, "--out", whole, *options)
    real = orapo_generation.sample_reports

    def interrupted(model, processor, films, prompts, study_ids, decoding):
        if study_ids == ["film2"]:
            raise KeyboardInterrupt
        return real(model, processor, films, prompts, study_ids, decoding)

    monkeypatch.setattr(orapo_generation, "sample_reports", interrupted)
    orapo("generate", films, "--model", checkpoint, "--out", cut, *options, code=130)
    assert not cut.exists()
    seen = []

    def watched(model, processor, films, prompts, study_ids, decoding):
        seen.append(study_ids)
        return real(model, processor, films, prompts, study_ids, decoding)

    monkeypatch.setattr(orapo_generation, "sample_reports", watched)
    orapo("generate", films, "--model", checkpoint, "--out", cut, *options)
    assert seen == [["film2"]]
    assert cut.read_text() == whole.read_text()


def test_a_manifest_is_not_overwritten(orapo, checkpoint, tmp_path):
    manifest = write_phantom(tmp_path / "phantom", {"test": 1}, 0, PhantomConfig(size=32))
    with pytest.raises(OrapoError, match="is the input too"):
        orapo("generate", "--data", manifest, "--model", checkpoint, "--out", manifest)


def test_broken_weights_are_named(orapo, checkpoint, films, tmp_path):
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(OrapoError, match="can't be loaded"):
        orapo("generate", films, "--model", checkpoint, "--out", tmp_path / "out.jsonl")


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_loaded(orapo, films, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OrapoError, match=r"file/out\.jsonl: can't be written"):
        orapo("generate", films, "--model", "x/y", "--out", tmp_path / "file" / "out.jsonl")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nowhere/at/all", "FILMS"], "no such folder"),
        (["--model", "EMPTY", "FILMS"], "no checkpoint here"),
        (["--model", "MODEL"], "give images or --data"),
        (["--model", "MODEL", "missing.png"], "missing.png"),
    ],
)
def test_wrong_use_is_one_sentence(orapo, checkpoint, films, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    names = {"FILMS": films, "EMPTY": tmp_path / "empty", "MODEL": checkpoint}
    with pytest.raises(OrapoError, match=message):
        orapo("generate", *(names.get(word, word) for word in arguments))


@pytest.fixture
def recipe(checkpoint, tmp_path):
    manifest = write_phantom(
        tmp_path / "phantom", {"train": 6, "validate": 2}, 0, PhantomConfig(size=32)
    )
    settings = {
        "model": str(checkpoint),
        "data": str(manifest),
        "probe_split": "validate",
        "probe_every": 2,
        "output_dir": str(tmp_path / "run"),
        "max_steps": 2,
        "per_device_train_batch_size": 4,
        "num_generations": 2,
        "max_completion_length": 8,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "report_to": "none",
        "logging_steps": 1,
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_a_recipe_trains_to_a_checkpoint_that_writes_reports(orapo, recipe, films, tmp_path):
    orapo("train", "--quiet", "--config", recipe)
    run = tmp_path / "run"
    log = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if "loss/dpo" in line] == [1, 2]
    assert all(0 <= line["oracle/zero_reward_share"] <= 1 for line in log[:2])
    probes = [json.loads(line) for line in (run / "probe.jsonl").read_text().splitlines()]
    assert [probe["step"] for probe in probes] == [0, 2]
    page = (run / "samples.html").read_text()
    assert "Held-out studies at step 2" in page
    assert page.count('"study_id": ') == 2
    assert page.count("data:image/jpeg") == 2
    out = tmp_path / "out.jsonl"
    orapo("generate", films, "--model", run, "--out", out, "--max-new-tokens", 6)
    assert len(rows(out)) == 3


def test_unreadable_films_stop_a_run_only_when_they_are_too_many(orapo, recipe, tmp_path):
    manifest = Path(yaml.safe_load(recipe.read_text())["data"])
    film = next(iter(rows(manifest).values()))["images"][0]
    (manifest.parent / film).write_bytes(b"")
    with pytest.raises(RunFailedError, match=r"1 of 6 studies .*unreadable\.jsonl"):
        orapo("train", "--quiet", "--config", recipe)
    options = ("--max_unreadable_share", 0.2, "--prompt_fields", "age", "sex", "--views", "all")
    orapo("train", "--quiet", "--config", recipe, *options)
    assert len((tmp_path / "run" / "unreadable.jsonl").read_text().splitlines()) == 1


def test_a_field_on_the_command_line_wins(orapo, recipe, tmp_path):
    orapo("train", "--quiet", "--config", recipe, "--method", "grpo", "--max_steps", 1)
    log = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert "oracle/zero_reward_share" in log
    assert "loss/dpo" not in log


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no_such_field: 1\n", "no_such_field"),
        ("method: magic\n", "method must be one of"),
        ("data: nowhere.jsonl\n", "nowhere.jsonl"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(orapo, recipe, text, message):
    name = text.partition(":")[0]
    settings = {**yaml.safe_load(recipe.read_text()), name: yaml.safe_load(text)[name]}
    recipe.write_text(yaml.safe_dump(settings))
    with pytest.raises(OrapoError, match=message):
        orapo("train", "--quiet", "--config", recipe)


def test_a_judge_can_give_the_reward_and_its_failures_are_unknown(
    orapo, recipe, tmp_path, monkeypatch
):
    monkeypatch.setenv("ORAPO_CACHE", str(tmp_path / "cache"))
    judge = FakeJudge(lambda text, attempt: "wrong schema" if len(text) % 2 else None)
    with judge.serving() as url:
        options = ("--engine", "llm", "--judge_model", "judge", "--judge_url", url)
        orapo(
            "train", "--quiet", "--config", recipe, *options, "--max_steps", 1, "--max_unknown", 1
        )
        assert judge.calls
    log = [
        json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    ]
    assert log[0]["oracle/unknown_rewards"] == log[0]["facts/unknown"]


def test_a_judge_that_fails_too_often_stops_the_run_with_a_checkpoint(
    orapo, recipe, tmp_path, monkeypatch
):
    monkeypatch.setenv("ORAPO_CACHE", str(tmp_path / "cache"))
    judge = FakeJudge(lambda text, attempt: "wrong schema")
    with judge.serving() as url:
        options = ("--engine", "llm", "--judge_model", "judge", "--judge_url", url)
        with pytest.raises(
            RunFailedError, match=r"100% of the last values of reward .facts. are unknown"
        ):
            orapo("train", "--quiet", "--config", recipe, *options, "--judge_retries", 0)
    (checkpoint,) = (tmp_path / "run").glob("checkpoint-*")
    assert (checkpoint / "oracle_state.json").is_file()
    (warning,) = (tmp_path / "run" / "warnings.jsonl").read_text().splitlines()
    assert json.loads(warning)["kind"] == "unknown"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--engine", "llm"), "needs judge_model"),
        (("--engine", "magic"), "rules or llm"),
        (("--lexicon", "nih14"), "brings another label set"),
        (
            ("--engine", "llm", "--judge_model", "m", "--judge_url", "https://example.org"),
            "allow-remote",
        ),
    ],
)
def test_a_wrong_judge_is_said_before_anything_is_sent(orapo, recipe, options, message):
    with pytest.raises(OrapoError, match=message):
        orapo("train", "--quiet", "--config", recipe, *options)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected fields and their values"),
        (b"- a\n- b\n", "expected fields and their values"),
        (b"a: [1\nb: 2", r"recipe\.yaml, line 2: broken YAML"),
        (b"\xb2\xff", r"recipe\.yaml: not UTF-8"),
        (b"modell: x", r"unknown field 'modell' \(perhaps model\)"),
    ],
)
def test_a_broken_recipe_is_named(orapo, tmp_path, content, message):
    file = tmp_path / "recipe.yaml"
    file.write_bytes(content)
    with pytest.raises(OrapoError, match=message):
        orapo("train", "--config", file)


def test_a_recipe_that_is_a_folder_or_a_field_that_is_none_is_named(orapo, recipe, tmp_path):
    with pytest.raises(OrapoError, match="Is a directory"):
        orapo("train", "--config", tmp_path)
    with pytest.raises(OrapoError, match=r"--num_generatoins \(perhaps num_generations\)"):
        orapo("train", "--config", recipe, "--num_generatoins", 3)
    (tmp_path / "file").write_text("")
    with pytest.raises(OrapoError, match="can't be made the output folder"):
        orapo("train", "--config", recipe, "--output_dir", tmp_path / "file" / "x")


@pytest.mark.bench
@pytest.mark.skipif(not BENCH, reason="ORAPO_BENCH is not set")
def test_real_pictures_of_many_modes_get_a_report_each(orapo, checkpoint, tmp_path):
    folder = Path(BENCH) / "xray_dev"
    out = tmp_path / "out.csv"
    orapo("generate", folder, "--model", checkpoint, "--out", out, "--max-new-tokens", 6)
    pictures = [path for path in folder.iterdir() if path.suffix in (".png", ".jpg")]
    assert len(rows(out)) == len(pictures)
    assert not any(row["error"] for row in rows(out).values())
