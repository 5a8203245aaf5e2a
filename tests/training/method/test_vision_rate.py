"""The vision tower at its own pace: slower than the text model, or frozen."""

import pytest
import torch
from test_trainer import REWARDS, make_trainer

from orapo import OrapoError
from orapo.training.method.pace import own_learning_rate, vision_parameters


def test_the_connector_is_not_part_of_the_tower(tiny_model):
    tower = {id(parameter) for parameter in vision_parameters(tiny_model)}
    names = {name for name, one in tiny_model.named_parameters() if id(one) in tower}
    assert names
    assert all(".vision_model." in name for name in names)
    assert not any("connector" in name for name in names)


def train(model, processor, dataset, tmp_path, rate):
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    trainer = make_trainer(
        model, processor, dataset, tmp_path, vision_learning_rate=rate, weight_decay=0.0,
        rewards=REWARDS,
    )  # fmt: skip
    trainer.train()
    moved = {
        name: (one.detach() - before[name]).abs().max().item()
        for name, one in model.named_parameters()
    }
    tower = [moved[name] for name in moved if ".vision_model." in name]
    others = [moved[name] for name in moved if ".vision_model." not in name]
    return max(tower), max(others)


def test_a_tower_of_its_own_rate_moves_at_that(tiny_model, tiny_processor, tiny_dataset, tmp_path):
    tower, others = train(tiny_model, tiny_processor, tiny_dataset, tmp_path, 1e-5)
    # Adam's first step is as long as the learning rate
    assert tower == pytest.approx(1e-5, rel=0.05)
    assert others == pytest.approx(1e-3, rel=0.05)


def test_a_rate_of_0_freezes_the_tower(tiny_model, tiny_processor, tiny_dataset, tmp_path):
    tower, others = train(tiny_model, tiny_processor, tiny_dataset, tmp_path, 0.0)
    assert tower == 0
    assert others > 1e-4


def test_every_parameter_stays_in_exactly_one_group():
    a, b, c = (torch.nn.Parameter(torch.zeros(2)) for _ in range(3))
    optimizer = torch.optim.AdamW([{"params": [a, b], "weight_decay": 0.1}, {"params": [c]}], lr=1)
    own_learning_rate(optimizer, [b, c], 0.5)
    groups = [([id(p) for p in g["params"]], g["lr"]) for g in optimizer.param_groups]
    assert ([id(a)], 1) in groups
    assert ([id(b)], 0.5) in groups
    assert ([id(c)], 0.5) in groups
    assert [g["weight_decay"] for g in optimizer.param_groups if id(b) in map(id, g["params"])] == [
        0.1
    ]


def test_a_model_without_a_tower_is_refused(tiny_processor, tiny_dataset, tmp_path, tiny_model):
    settings = {"vision_learning_rate": 1e-5}
    trainer = make_trainer(tiny_model, tiny_processor, tiny_dataset, tmp_path, **settings)
    trainer.model = torch.nn.Linear(2, 2)
    with pytest.raises(OrapoError, match="no vision tower"):
        trainer.create_optimizer()
