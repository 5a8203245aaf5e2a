"""DAPO's resampling: groups that teach nothing get another try, and every rollout is counted."""

import torch
from tests.training.test_trainer import K, TableReward, make_trainer

from orapo.training.resampling import groups_alike

ALIKE = {"s0": [0.0] * K, "s1": [1.0] * K, "s2": [0.0, 1.0, 0.5, 0.5], "s3": [0.5] * K}
SPREAD = {name: [0.0, 1.0, 0.25, 0.75] for name in ALIKE}


def test_a_group_is_alike_if_no_rollout_is_better_than_another():
    advantages = torch.tensor([0.0, 0.0, 0.5, -0.5, 0.0, 0.0])
    assert groups_alike(advantages, 2) == [0, 2]


def run(model, processor, dataset, tmp_path, tables, rounds):
    trainer = make_trainer(
        model,
        processor,
        dataset,
        tmp_path,
        rewards=TableReward(tables),
        method="grpo",
        resample_rounds=rounds,
        beta=0.0,
    )
    trainer.train()
    return trainer


def test_groups_that_are_alike_are_sampled_again_and_the_others_kept(
    tiny_model, tiny_processor, tiny_dataset, tmp_path
):
    trainer = run(tiny_model, tiny_processor, tiny_dataset, tmp_path, [ALIKE, SPREAD], rounds=1)
    (reward,) = trainer.reward_funcs
    asked, again = reward.visits
    assert sorted(again) == ["s0", "s1", "s3"]
    assert sorted(asked) == ["s0", "s1", "s2", "s3"]
    names = [row["study_id"] for row in trainer.generation_inputs]
    advantages = trainer.generation["advantages"].tolist()
    found = {name: advantages[i : i + K] for i, name in list(enumerate(names))[::K]}
    assert found["s2"] == [-0.5, 0.5, 0.0, 0.0]  # as it was
    for name in ("s0", "s1", "s3"):
        assert found[name] == [-0.5, 0.5, -0.25, 0.25]  # of the second try
    assert trainer.budget.rollouts == 16 + 12


def test_it_gives_up_after_its_rounds(tiny_model, tiny_processor, tiny_dataset, tmp_path):
    trainer = run(tiny_model, tiny_processor, tiny_dataset, tmp_path, ALIKE, rounds=2)
    assert trainer.budget.rollouts == 16 + 12 + 12


def test_the_zero_share_in_the_log_is_that_of_the_first_try(
    tiny_model, tiny_processor, tiny_dataset, tmp_path
):
    trainer = run(tiny_model, tiny_processor, tiny_dataset, tmp_path, [ALIKE, SPREAD], rounds=1)
    log = trainer.state.log_history[0]
    assert log["oracle/zero_reward_share"] == (4 + 1) / 16
    assert log["oracle/all_zero_groups"] == 1 / 4


def test_longer_rollouts_of_a_second_try_fit_into_the_batch(
    tiny_model, tiny_processor, tiny_dataset, tmp_path
):
    trainer = run(tiny_model, tiny_processor, tiny_dataset, tmp_path, [ALIKE, SPREAD], rounds=1)
    ids, mask = (trainer.generation[name] for name in ("completion_ids", "completion_mask"))
    assert ids.shape == mask.shape == (16, ids.shape[1])
    pad = tiny_processor.tokenizer.pad_token_id
    assert (ids[mask == 0] == pad).all()
