"""The demo's plan: the methods differ in what is said of them alone, and the recipes are valid."""

from dataclasses import asdict

import pytest
import yaml

from orapo.demo.plan import METHODS, DemoPlan
from orapo.training.recipe import RunConfig, read_recipe


@pytest.mark.parametrize("plan", [DemoPlan(seed=3), DemoPlan.quick(seed=3)])
def test_the_methods_have_equal_settings_and_rollouts(plan, tmp_path):
    settings = {name: plan.training_settings(output="out", **METHODS[name]) for name in METHODS}
    for name, values in settings.items():
        changes = dict(METHODS[name])
        factor = changes.pop("learning_rate", 1.0)
        assert values.pop("learning_rate") == factor * plan.learning_rate
        assert {key: values.pop(key) for key in changes} == changes
    first, *others = settings.values()
    assert all(other == first for other in others)
    assert plan.rollouts == first["max_steps"] * first["per_device_train_batch_size"]


@pytest.mark.parametrize("name", METHODS)
def test_a_recipe_is_read_back_as_it_was_meant(name, tmp_path):
    plan = DemoPlan(seed=3)
    path = tmp_path / "recipe.yaml"
    run = RunConfig("model", "data", probe_every=50, reward_terms=["repetition=0.5"])
    settings = plan.training_settings(output=str(tmp_path / "out"), **METHODS[name])
    path.write_text(yaml.safe_dump({**asdict(run), **settings}))
    read, config = read_recipe(["--config", str(path)])
    assert read == run
    assert (config.method, config.seed) == (METHODS[name]["method"], 3)
    assert config.num_generations == plan.rollouts_per_study
    assert (config.beta, config.facts_beta) == (plan.kl, plan.facts_beta)


def test_the_short_demo_is_the_same_but_for_its_sizes_and_its_pace():
    full, quick = DemoPlan(), DemoPlan.quick()
    sizes = {"test_studies", "probe_studies", "probe_every", "steps", "decay_steps"}
    sizes |= {"rollouts_per_study", "base", "learning_rate", "vision_learning_rate"}
    differing = {name for name in vars(full) if getattr(full, name) != getattr(quick, name)}
    assert differing <= sizes
