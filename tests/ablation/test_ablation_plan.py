"""From a recipe to trainings that differ in their method and in nothing else."""

from pathlib import Path

import pytest
import yaml

from orapo import OrapoError
from orapo.ablation.methods import METHODS, methods_named
from orapo.ablation.plan import Budget, read_plan
from orapo.data.phantom import PhantomConfig, write_phantom


@pytest.fixture
def plan_of(tmp_path):
    """Make a plan; keyword arguments change the command's options, ``recipe`` the recipe."""
    data = write_phantom(
        tmp_path / "phantom", {"train": 10, "validate": 2, "test": 3}, 0, PhantomConfig(size=32)
    )

    def make(recipe=None, **options):
        fields = {
            "model": "some-model",
            "data": str(data),
            "output_dir": "unused",
            "probe_split": "validate",
            "probe_every": 5,
            "reward_terms": ["repetition=0.5"],
            "max_steps": 10,
            "per_device_train_batch_size": 8,
            "num_generations": 4,
            "learning_rate": 1e-3,
            "lr_scheduler_type": "warmup_stable_decay",
            "lr_scheduler_kwargs": {"num_decay_steps": 4},
            "warmup_steps": 2,
            **(recipe or {}),
        }
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in fields.items() if v is not None}))
        defaults = {
            "methods": methods_named(["all"]),
            "seeds": 2,
            "other_seeds": 1,
            "budget": Budget.ROLLOUTS,
            "minutes": 0.0,
            "curve": (),
            "split": "test",
        }
        return read_plan(path, tmp_path / "out", **{**defaults, **options})

    return make


def jobs_of(plan, method):
    return [job for job in plan.jobs() if job.method == method]


def test_the_paper_s_rows_have_all_seeds_and_the_others_theirs(plan_of):
    plan = plan_of()
    assert [job.seed for job in jobs_of(plan, "orapo")] == [0, 1]
    assert [job.seed for job in jobs_of(plan, "sft")] == [0]
    assert jobs_of(plan, "base") == []  # there is nothing to train


def test_two_methods_differ_in_what_their_definition_says_and_nothing_else(plan_of):
    plan = plan_of()
    (baseline, _), (own, _) = jobs_of(plan, "grpo_facts"), jobs_of(plan, "orapo")
    a, b = dict(baseline.recipes[0]), dict(own.recipes[0])
    a.pop("output_dir"), b.pop("output_dir")
    assert a.pop("method") == "grpo"
    assert a == b


def test_rows_with_experts_need_what_the_recipe_says_of_them(plan_of):
    assert plan_of().missing["orapo_rlhf"] == "preferences in the recipe"
    assert plan_of().missing["rlhf"] == "reward_model in the recipe"
    plan = plan_of({"reward_model": "reward", "preferences": "preferences.jsonl"})
    assert not set(plan.missing) & {"rlhf", "orapo_rlhf", "expert_dpo"}
    given = {
        name: {key for key in ("reward_model", "preferences") if key in job.recipes[0]}
        for name in ("orapo", "grpo_facts", "offline_dpo", "expert_dpo", "rlhf", "orapo_rlhf")
        for job in jobs_of(plan, name)
    }
    both = {"reward_model", "preferences"}
    assert given == {
        **{name: set() for name in ("orapo", "grpo_facts", "offline_dpo")},
        "expert_dpo": {"preferences"},
        "rlhf": {"reward_model"},
        "orapo_rlhf": both,
    }


def test_a_method_of_two_stages_is_left_out_where_the_first_would_leave_an_adapter(plan_of):
    """A second stage can't begin from one; it would be found out when the first is trained."""
    plan = plan_of({"use_peft": True})
    two = {name for name, method in METHODS.items() if method.stages}
    assert two == {"sft_grpo", "sft_grpo_slow"}
    assert not two & set(plan.methods)
    assert all("use_peft: false in the recipe" in plan.missing[name] for name in two)
    assert "orapo" in plan.methods
    with pytest.raises(OrapoError, match="none of the methods can run: SFT, then GRPO"):
        plan_of({"use_peft": True}, methods=["sft_grpo"])


def test_all_seeds_train_on_the_same_studies(plan_of):
    plan = plan_of(recipe={"studies_seed": 3, "data_seed": 5})
    recipes = [job.recipes[0] for job in plan.jobs()]
    assert {recipe["studies_seed"] for recipe in recipes} == {3}
    assert {recipe["seed"] for recipe in recipes} == {0, 1}


def test_each_seed_orders_the_studies_anew(plan_of):
    plan = plan_of(recipe={"data_seed": 5})  # which would order all alike
    assert not [job for job in plan.jobs() if "data_seed" in job.recipes[0]]


def test_forty_per_cent_of_the_studies_at_as_many_rollouts(plan_of):
    plan = plan_of()
    (few, _), (all_of_them, _) = jobs_of(plan, "orapo_40"), jobs_of(plan, "orapo")
    assert (few.studies, all_of_them.studies) == (4, 10)
    assert few.recipes[0]["train_studies"] == 4
    assert few.recipes[0]["max_steps"] == all_of_them.recipes[0]["max_steps"]


def test_a_method_of_two_stages_shares_the_steps_and_hands_its_model_on(plan_of):
    (job,) = jobs_of(plan_of(), "sft_grpo")
    first, second = job.recipes
    assert (first["method"], second["method"]) == ("sft", "grpo")
    assert (first["max_steps"], second["max_steps"]) == (5, 5)
    assert second["lr_scheduler_kwargs"] == {"num_decay_steps": 2}
    assert second["model"] == first["output_dir"] != second["output_dir"]


def test_dapo_is_trl_s_own(plan_of):
    (job,) = jobs_of(plan_of(), "grpo_dapo")
    wanted = {"method": "grpo", "loss_type": "dapo", "epsilon_high": 0.28, "beta": 0.0}
    assert wanted.items() <= job.recipes[0].items()


def test_with_minutes_the_steps_and_the_schedule_leave_room(plan_of):
    plan = plan_of(budget=Budget.MINUTES, minutes=30.0)
    recipe = jobs_of(plan, "orapo")[0].recipes[0]
    assert recipe["max_minutes"] == 30
    assert recipe["max_steps"] == 200
    assert recipe["lr_scheduler_kwargs"] == {"num_decay_steps": 80}
    stages = jobs_of(plan, "sft_grpo")[0].recipes
    assert [stage["max_minutes"] for stage in stages] == [15, 15]


def test_settings_chosen_elsewhere_are_each_method_s_own(plan_of, tmp_path):
    chosen = {
        "orapo": {"dpo_tau": 0.5, "learning_rate": 0.3},
        "sft": {"steps": 0.5, "learning_rate": 2},
    }
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump(chosen))
    plan = plan_of(settings=path)
    orapo, sft, other = (jobs_of(plan, name)[0].recipes[0] for name in ("orapo", "sft", "grpo_sft"))
    assert (orapo["dpo_tau"], orapo["learning_rate"]) == (0.5, pytest.approx(3e-4))
    assert (sft["method"], sft["learning_rate"]) == ("sft", pytest.approx(2e-3))
    assert (sft["max_steps"], sft["lr_scheduler_kwargs"]) == (5, {"num_decay_steps": 2})
    assert (other["max_steps"], other["learning_rate"], "dpo_tau" in other) == (10, 1e-3, False)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("orapo: {dpo_tua: 1}", "orapo: no field 'dpo_tua'"),
        ("oropa: {dpo_tau: 1}", "oropa is none of the methods"),
        ("sft_grpo: {beta: 0.1}", "sft_grpo is no single training"),
        ("orapo: {steps: 2}", "steps is a share"),
        ("[orapo]", "expected methods, each with its fields"),
        ("orapo: [", "is no YAML"),
    ],
)
def test_settings_that_cannot_be_used_are_named(plan_of, tmp_path, content, said):
    path = tmp_path / "settings.yaml"
    path.write_text(content)
    with pytest.raises(OrapoError, match=said):
        plan_of(settings=path)
    with pytest.raises(OrapoError, match=r"missing\.yaml: can't be read"):
        plan_of(settings=tmp_path / "missing.yaml")


def test_a_search_s_learning_rates_are_factors_of_the_recipe_s(plan_of):
    jobs = jobs_of(plan_of(), "grpo_tuned")
    assert len(jobs) == len(METHODS["grpo_tuned"].tuned_from)
    assert jobs[1].recipes[0]["learning_rate"] == pytest.approx(3e-4)
    assert len({job.name for job in jobs}) == len(jobs)


def test_a_term_of_the_reward_comes_beside_those_of_the_recipe(plan_of):
    (job,) = jobs_of(plan_of(), "orapo_false_alarm")
    assert job.recipes[0]["reward_terms"] == ["repetition=0.5", "false_alarm=0.5"]


def test_the_curve_has_its_methods_at_each_number_and_does_not_repeat_the_table_s(plan_of):
    plan = plan_of(methods=methods_named(["paper", "sft"]), curve=(2, 5, 10))
    extra = [(job.method, job.studies) for job in plan.jobs() if job.curve]
    methods = ("grpo_facts", "grpo_sft", "orapo", "sft")
    assert set(extra) == {(name, count) for name in methods for count in (2, 5)}
    seeds = {name: len(plan.seeds_of(name)) for name in methods}
    assert len(extra) == 2 * sum(seeds.values())


def test_the_curve_leaves_out_what_was_not_asked_for(plan_of):
    plan = plan_of(methods=methods_named(["orapo"]), curve=(5,))
    assert {job.method for job in plan.jobs() if job.curve} == {"orapo"}


def test_folders_of_jobs_are_all_different(plan_of):
    folders = [recipe["output_dir"] for job in plan_of(curve=(5,)).jobs() for recipe in job.recipes]
    assert len(set(folders)) == len(folders)
    assert all(Path(folder).is_absolute() for folder in folders)


def test_a_group_a_name_and_what_a_method_builds_on():
    assert methods_named(["paper"]) == [
        *("base", "grpo_accuracy", "grpo_facts", "orapo_40", "grpo_sft", "orapo"),
    ]
    assert methods_named(["orapo_consensus", "sft"]) == ["orapo", "sft", "orapo_consensus"]
    with pytest.raises(OrapoError, match="unknown method 'ppo'"):
        methods_named(["ppo"])


@pytest.mark.parametrize(
    ("gone", "instead"),
    [
        ("orapo_sentence", "row orapo_both"),
        ("orapo_schedule", "row orapo"),
        ("rival", "this group of rows is called baseline"),
    ],
)
def test_a_row_that_is_gone_is_refused_by_name_with_what_to_take_instead(gone, instead):
    with pytest.raises(OrapoError, match=rf"^{gone} was removed: .*{instead}$"):
        methods_named(["paper", gone])


@pytest.mark.parametrize(
    ("recipe", "options", "said"),
    [
        ({"method": "grpo"}, {}, "expected the recipe of OraPO"),
        ({"max_steps": None}, {}, "max_steps is needed"),
        ({"learning_rate": None}, {}, "learning_rate is needed"),
        ({"probe_split": None}, {}, "a search takes the best on validation studies"),
        ({"train_split": "dev"}, {}, "no study of split 'dev'"),
        ({}, {"split": "gold"}, "no study of split 'gold'; it has test, train, validate"),
        ({}, {"curve": (11,)}, "there are 10 training studies"),
        ({}, {"curve": (5,), "methods": ("base", "grpo_bleu")}, "--methods names none of them"),
        ({}, {"budget": Budget.MINUTES}, "--minutes"),
        ({}, {"minutes": 5.0}, "--minutes"),
        ({"surprise": 1}, {}, "unknown field 'surprise'"),
    ],
)
def test_what_cannot_be_compared_is_said_before_anything_is_trained(plan_of, recipe, options, said):
    with pytest.raises(OrapoError, match=said):
        plan_of(recipe, **options)
