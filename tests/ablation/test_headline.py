"""The headline table's command: as many settings for each method, the best of each compared, and it goes on."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from orapo.ablation.plan import read_settings

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def headline(monkeypatch, tmp_path):
    """The module, with ablations that end at once; their options are kept in order."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import phantom_headline as module

    module.calls, module.code = [], 0

    def write_recipe(recipe, plan, **fields):
        recipe.parent.mkdir(parents=True)
        recipe.write_text(yaml.safe_dump({"seed": plan.seed, "sight": plan.base.sight, **fields}))

    def run_ablation(recipe, out, *options):
        settings = read_settings(
            Path(options[options.index("--settings") + 1]), tuple(module.SETTINGS)
        )
        fields = yaml.safe_load(recipe.read_text())
        module.calls.append((fields, out, options, settings))
        # the second setting is the best of GRPO, the fourth of OraPO, the first of all others
        best = {"grpo_facts": "1", "orapo": "3"}
        methods = options[options.index("--methods") + 1].split(",")
        rows = {
            name: {"macro_f1": 0.5 if out.name == best.get(name, "0") else 0.25} for name in methods
        }
        if not module.code:
            (out / "ablation.json").write_text(json.dumps({"rows": rows}))
        return module.code

    module.kept = module.KEPT
    monkeypatch.setattr(module, "KEPT", tmp_path / "nothing kept")
    monkeypatch.setattr(module, "write_recipe", write_recipe)
    monkeypatch.setattr(module, "run_ablation", run_ablation)

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["phantom_headline.py", "--out", str(tmp_path), *options])
        return module.main()

    module.run = run
    return module


def test_the_best_setting_of_each_method_on_another_phantom_is_compared(headline, tmp_path):
    assert headline.run("--labeler", "other") == 0
    *search, few, many = headline.calls
    assert len(search) == 4
    for fields, _, options, settings in search:
        assert (fields["seed"], fields["train_studies"], fields["sight"]) == (5, 100, 0.3)
        assert options[options.index("--split") + 1] == "validate"
        assert set(settings) == set(headline.SETTINGS)
    for (fields, _, options, settings), studies in ((few, 100), (many, 400)):
        assert (fields["seed"], fields["train_studies"]) == (7, studies)
        assert options[options.index("--seeds") + 1] == "5"
        assert options[-2:] == ("--labeler", "other")
        assert settings["grpo_facts"] == headline.SETTINGS["grpo_facts"][1]
        assert settings["orapo"] == headline.SETTINGS["orapo"][3]
        assert settings["sft"] == headline.SETTINGS["sft"][0]
        assert settings["orapo"]["zrr_first"] == "own"  # the paper's form
    chosen = (tmp_path / "chosen.yaml").read_text()
    assert "# grpo_facts: 0.250 with" in chosen


def test_fewer_settings_are_fewer_for_every_method(headline):
    assert headline.run("--tries", "2") == 0
    *search, few, _ = headline.calls
    assert len(search) == 2
    assert few[3]["grpo_facts"] == headline.SETTINGS["grpo_facts"][1]
    assert few[3]["orapo"] == headline.SETTINGS["orapo"][0]  # its best is the fourth, not tried


def test_called_again_it_searches_no_more_and_a_failure_ends_it(headline):
    headline.code = 1
    assert headline.run() == 1
    assert len(headline.calls) == 1
    headline.code = 0
    assert headline.run() == 0
    headline.calls.clear()
    assert headline.run() == 0
    assert [fields["train_studies"] for fields, *_ in headline.calls] == [100, 400]


def test_every_method_has_as_many_tries(headline):
    assert {len(settings) for settings in headline.SETTINGS.values()} == {4}


def test_what_the_repository_keeps_of_the_search_is_not_made_again(headline, monkeypatch, tmp_path):
    monkeypatch.setattr(headline, "KEPT", headline.kept)
    kept = {
        (int(path.stem[-1]), name): row["macro_f1"]
        for path in headline.kept.glob("search-*.json")
        for name, row in json.loads(path.read_text())["rows"].items()
    }
    assert headline.run() == 0
    *search, few, _ = headline.calls
    made = {(int(out.name), name) for _, out, _, settings in search for name in settings}
    assert made.isdisjoint(kept)
    assert made | kept.keys() == {(n, name) for n in range(4) for name in headline.SETTINGS}
    grpo = max(range(4), key=lambda number: kept[number, "grpo_facts"])
    assert few[3]["grpo_facts"] == headline.SETTINGS["grpo_facts"][grpo]


def test_what_other_settings_gave_is_not_taken_over(headline, monkeypatch):
    monkeypatch.setattr(headline, "KEPT", headline.kept)
    assert headline.run("--steps", "100") == 0
    assert len(headline.calls) == 6


def test_a_setting_that_has_changed_since_is_made_again(headline, monkeypatch):
    monkeypatch.setattr(headline, "KEPT", headline.kept)
    monkeypatch.setitem(
        headline.SETTINGS, "sft", ({"learning_rate": 2.0}, *headline.SETTINGS["sft"][1:])
    )
    assert headline.run() == 0
    _, out, _, settings = headline.calls[0]
    assert (out.name, list(settings)) == ("0", ["sft"])
