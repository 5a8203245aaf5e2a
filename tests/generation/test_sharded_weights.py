"""Reports of a model whose weights FSDP 2 spreads: as a probe writes them, between steps of a training."""

import pytest
import torch
from PIL import Image
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from checkpoints import CORPUS, qwen2_5_vl
from orapo.generation import Decoding, generate_reports


@pytest.fixture
def alone(tmp_path):
    """This process as the only one of a distributed run."""
    where = f"file://{tmp_path / 'store'}"
    torch.distributed.init_process_group("gloo", init_method=where, rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    torch.distributed.destroy_process_group()


def test_a_model_trains_after_it_has_written_reports(alone):
    model, processor = qwen2_5_vl(CORPUS * 20)
    for layer in model.model.language_model.layers:
        fully_shard(layer, mesh=alone)
    fully_shard(model, mesh=alone)
    register_fsdp_forward_method(model, "generate")  # as transformers' trainer does
    (report,) = generate_reports(
        model, processor, [[Image.new("L", (16, 16))]], Decoding(max_new_tokens=3), ["Say."]
    )
    assert isinstance(report, str)
    ids = torch.full((1, 4), 20)
    model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.sum().backward()
    assert all(
        weight.grad is None or weight.grad.full_tensor().isfinite().all()
        for weight in model.parameters()
    )
