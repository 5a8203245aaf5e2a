"""The pairs of ``method: dpo`` are told, and read, what the other methods are."""

import logging
from types import SimpleNamespace

import pytest
from run_recipe import recipe

from orapo.data.study import Study
from orapo.training.preparing import pairs as module
from orapo.training.preparing.dataset import training_dataset
from orapo.training.preparing.pairs import offline_pairs
from orapo.training.run import training_studies


@pytest.fixture
def written(monkeypatch):
    """What a model wrote, in place of a model; the prompts that it got are kept."""
    prompts = {}

    def write(model, processor, films, texts, names, decoding):
        prompts.update(zip(names, texts, strict=True))
        return [[SimpleNamespace(text=text) for text in write.texts]] * len(names)

    write.texts = ["Nothing of this kind."]
    write.prompts = prompts
    monkeypatch.setattr(module, "sample_reports", write)
    return write


@pytest.fixture
def made(run_settings, tiny_model, tiny_processor):
    def make(studies, **changes):
        run, config = recipe(run_settings, method="dpo", **changes)
        rows = offline_pairs(run, config, studies, tiny_model, tiny_processor)
        return rows.with_format(None).to_list()

    return make


def patient(films, *reports):
    """One patient's studies, in the order of time."""
    return [
        Study(study_id=f"s{n}", patient_id="p", images=films, findings=text, report=text)
        for n, text in enumerate(reports)
    ]


@pytest.fixture
def films(run_settings):
    run, _ = recipe(run_settings)
    return training_studies(run)[0].images


def test_the_prior_report_is_in_the_prompt_as_in_that_of_the_other_methods(made, written, films):
    studies = patient(films, "There is a left pleural effusion.", "The lungs are clear.")
    fields = ["previous"]
    rows = made([*studies, studies[1]], prompt_fields=fields)  # one is shown twice
    others = training_dataset(studies, prompt_fields=fields).with_format(None).to_list()
    by_report = {row["report"]: row["prompt"][-1]["content"] for row in others}
    assert "left pleural effusion" in by_report["The lungs are clear."]
    for row in rows:
        assert row["prompt"][-1]["content"] == by_report[row["chosen"][0]["content"]]
    assert written.prompts == {
        "s0": rows[0]["prompt"][-1]["content"],
        "s1": by_report["The lungs are clear."],
    }


def test_the_run_s_lexicon_reads_what_was_written(made, written, films, tmp_path):
    lexicon = tmp_path / "own.toml"
    lexicon.write_text('[[finding]]\nname = "pleural effusion"\nphrases = ["water on the lung"]\n')
    written.texts = ["There is water on the lung.", "Pneumothorax."]
    (study,) = patient(films, "There is a left pleural effusion.")
    assert len(made([study])) == 2
    (pair,) = made([study], lexicon=str(lexicon))
    assert pair["rejected"][0]["content"] == "Pneumothorax."


def test_a_report_that_earns_nothing_is_no_chosen_answer(made, written, films, caplog):
    good, bad = patient(films, "There is a left pleural effusion.", "The lungs are clear.")
    bad.labels["Pneumothorax"] = 1
    written.texts = ["Large heart."]
    with caplog.at_level(logging.WARNING):
        (pair,) = made([good, bad])
    assert pair["chosen"][0]["content"] == good.report
    assert "1 of 2 reports earn 0 against their own labels" in caplog.text
