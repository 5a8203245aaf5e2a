"""What a recipe puts beside FactS: length, format, repetition, anyone's function."""

import pytest

from orapo import OrapoError
from orapo.training.rewards.terms import (
    FalseAlarmPenalty,
    FormatPenalty,
    LengthPenalty,
    main_reward,
    reward_terms,
)


def constant(completions, **columns):
    return [0.25] * len(completions)


def test_a_length_within_the_tolerance_costs_nothing():
    reference = "one two three four five six seven eight"
    texts = [reference, reference + " nine ten", "one two three four five six", "one", "x " * 40]
    assert LengthPenalty()(texts, report=[reference] * 5) == [0.0, 0.0, 0.0, -0.625, -1.0]


def test_a_length_without_a_reference_is_unknown():
    assert LengthPenalty()(["one", "two"], report=[None, ""]) == [None, None]
    assert LengthPenalty()(["one"]) == [None]


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("The lungs are clear.", 0.0),
        ("IMPRESSION:\n1. No effusion.\n2. Normal heart size.", 0.0),
        ('Reported as "stable."', 0.0),
        ("Findings < 5 mm in size.", 0.0),
        ("The lungs are", -1.0),
        ("", -1.0),
        ("**Findings** The lungs are clear.", -1.0),
        ("# Report\nThe lungs are clear.", -1.0),
        ("<answer>Clear.</answer>", -1.0),
    ],
)
def test_a_report_is_finished_prose(text, cost):
    assert FormatPenalty()([text, [{"role": "assistant", "content": text}]]) == [cost, cost]


def test_a_false_alarm_of_a_rare_label_costs_most():
    seen = [{"Cardiomegaly": 1}, {"Cardiomegaly": -1}, {"Pneumothorax": 1}, {}]
    penalty = FalseAlarmPenalty(seen)
    truth = [{"Pleural Effusion": 1}] * 4
    texts = ["Pleural effusion.", "Cardiomegaly.", "Pneumothorax.", "Effusion. Pneumothorax."]
    # half of the studies have a large heart, a quarter air where none should be
    assert penalty(texts, labels=truth) == [0.0, -0.5, -0.75, -0.375]
    assert penalty(["Cardiomegaly."], labels=[{}]) == [None]


def test_false_alarms_are_read_by_the_run_s_engine_and_policy(tmp_path):
    from orapo.training import OraPOConfig
    from orapo.training.recipe import RunConfig
    from orapo.training.run import _rewards

    lexicon = tmp_path / "own.toml"
    lexicon.write_text('[[finding]]\nname = "pneumothorax"\nphrases = ["wind beside the lung"]\n')
    text, truth = "There is wind beside the lung.", [{"Pleural Effusion": 1, "Edema": -1}]
    found = {}
    for words in ("", str(lexicon)):
        run = RunConfig(model="m", data="d", reward_terms=["false_alarm=1"], lexicon=words)
        config = OraPOConfig("x", use_cpu=True, bf16=False, uncertain="negative")
        (_, penalty), _ = _rewards(run, config, [])
        found[words] = penalty([text], labels=truth)
    assert found == {"": [0.0], str(lexicon): [-1.0]}
    assert penalty(["Pulmonary edema."], labels=truth) == [-1.0]


def test_the_main_reward_goes_by_its_name():
    from orapo.training import OraPOConfig

    config = OraPOConfig("x", use_cpu=True, bf16=False, facts_beta=0.5)
    assert main_reward("facts", config)[0].facts_beta == 0.5
    for name in ("facts", "graded", "accuracy", "bleu"):
        reward, weight = main_reward(name, config)
        assert (reward.__name__, weight) == (name, 1.0)
    rare, _ = main_reward("facts_rare", config, labels=[{"Fracture": 1}, {}, {}, {}])
    assert rare.weights["Fracture"] == 2
    assert main_reward(f"{__name__}:constant", config)[0](["a"]) == [0.25]
    assert main_reward("radgraph", config)[1] == 1.0
    assert main_reward("radcliq", config)[1] == -1.0  # an error rate
    with pytest.raises(OrapoError, match=r"radcliq, radeval/METRIC or package\.module:function"):
        main_reward("rouge", config)


def test_terms_are_named_with_their_weights():
    rewards, weights = reward_terms(["repetition=0.5", "length=1", f"{__name__}:constant=-2"])
    assert [reward.__name__ for reward in rewards] == ["repetition", "length", "constant"]
    assert weights == [0.5, 1.0, -2.0]


def test_the_graded_score_is_a_term_that_silence_does_not_pay():
    (reward,), weights = reward_terms(["graded=0.5"])
    assert weights == [0.5]
    assert reward(["Left effusion.", "the the"], report=["Left effusion."] * 2) == [1.0, -1.0]


def test_facts_alone_is_read_for_zero_rewards_where_the_graded_score_is_rewarded():
    from orapo.training import OraPOConfig
    from orapo.training.recipe import RunConfig
    from orapo.training.run import _rewards

    config = OraPOConfig("x", use_cpu=True, bf16=False)
    rewards, weights = _rewards(RunConfig(model="m", data="d", reward="graded"), config, [])
    assert [reward.__name__ for reward in rewards] == ["graded", "facts"]
    assert weights == [1.0, 0.0]


@pytest.mark.parametrize(
    ("term", "said"),
    [
        ("repetition", "expected name=weight"),
        ("length=much", "expected name=weight"),
        ("lenght=1", "package.module:function"),
        ("no_such_module:f=1", "can't be found"),
        (f"{__name__}:nothing=1", "can't be found"),
        (f"{__name__}:__name__=1", "is no function"),
    ],
)
def test_a_term_that_cannot_be_used_is_named(term, said):
    with pytest.raises(OrapoError, match=said):
        reward_terms([term])
