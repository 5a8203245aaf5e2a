"""Merging an adapter for vLLM and taking it out again leaves the base bit for bit as it was."""

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model

from orapo import OrapoError
from orapo.models.clean_base import clean_after


@pytest.fixture
def policy():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 8))
    adapted = get_peft_model(model.to(torch.bfloat16), LoraConfig(r=4, target_modules=["0", "2"]))
    return adapted.to(torch.bfloat16)


def base(model):
    return {name: p.clone() for name, p in model.named_parameters() if "lora" not in name}


def step(model):
    """What an optimiser does to the adapter."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora" in name:
                parameter.add_(0.02 * torch.randn_like(parameter))


def merged_and_back(model):
    """As TRL 1.16 hands weights to vLLM, `VLLMGeneration`."""

    def sync():
        model.merge_adapter()
        sums = copy.deepcopy(base(model))
        model.unmerge_adapter()
        return sums

    return sync


def changed(model, before):
    values = base(model)
    moved = sum(int((values[name] != value).sum()) for name, value in before.items())
    return moved / sum(value.numel() for value in before.values())


def test_merging_alone_wears_the_base_away(policy):
    before, sync = base(policy), merged_and_back(policy)
    for _ in range(50):
        step(policy)
        sync()
    assert changed(policy, before) > 0.2


def test_the_base_stays_bit_for_bit_and_vllm_is_given_the_sum(policy):
    before = base(policy)
    sync = clean_after(merged_and_back(policy), policy, sharded=False)
    for _ in range(50):
        step(policy)
        given = sync()
    assert changed(policy, before) == 0
    assert any(not given[name].equal(value) for name, value in before.items())


def test_the_base_comes_back_also_if_vllm_fails(policy):
    before = base(policy)

    def fail():
        policy.merge_adapter()
        raise ConnectionError

    step(policy)
    with pytest.raises(ConnectionError):
        clean_after(fail, policy, sharded=False)()
    assert changed(policy, before) == 0


def test_shards_of_weights_are_refused(policy):
    with pytest.raises(OrapoError, match="under ZeRO-3 or FSDP"):
        clean_after(lambda: None, policy, sharded=True)
