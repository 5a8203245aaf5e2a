"""Going on from a checkpoint: the weights are the checkpoint's, or the run is refused."""

import copy
import json

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from transformers import (
    LlavaConfig,
    LlavaForConditionalGeneration,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)

from orapo import OrapoError
from orapo.models.tiny import build_model
from orapo.training import OraPOConfig, OraPOTrainer
from orapo.training.recipe import RunConfig
from orapo.training.run import train
from orapo.training.surviving.weights import restore_weights

TEXT = {
    "vocab_size": 330,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "bos_token_id": None,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
VISION = {"hidden_size": 16, "intermediate_size": 32, "patch_size": 4}


def qwen(image):
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config={**TEXT, "rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2]}},
            vision_config={**VISION, "depth": 1, "num_heads": 2, "out_hidden_size": 16},
            image_token_id=image,
            video_token_id=image,
        )
    )


def llava(image):
    clip = {"num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 16}
    return LlavaForConditionalGeneration(
        LlavaConfig(
            text_config={**TEXT, "model_type": "llama"},
            vision_config={**VISION, "model_type": "clip_vision_model", **clip},
            image_token_index=image,
        )
    )


@pytest.fixture(params=["idefics3", "qwen2.5-vl", "llava"])
def model(request, tiny_processor, tiny_size):
    image = tiny_processor.tokenizer.convert_tokens_to_ids("<image>")
    if request.param == "idefics3":
        return build_model(tiny_processor, tiny_size, seed=1)
    return {"qwen2.5-vl": qwen, "llava": llava}[request.param](image)


def make_trainer(model, processor, dataset, folder, **kwargs):
    settings = {
        "num_generations": 4,
        "per_device_train_batch_size": 4,
        "max_completion_length": 4,
        "max_steps": 1,
        "save_strategy": "no",
    }
    config = OraPOConfig(
        str(folder),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        disable_tqdm=True,
        **{**settings, **kwargs.pop("settings", {})},
    )
    reward = kwargs.pop("reward", lambda completions, **_: [0.0] * len(completions))
    return OraPOTrainer(
        model, reward, config, train_dataset=dataset, processing_class=processor, **kwargs
    )


def disturb(model):
    """Give every parameter other values, in place."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)


def assert_same(got, expected):
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, rtol=0, atol=0, msg=name)


def test_a_resumed_trainer_has_every_weight_of_the_checkpoint(
    model, tiny_processor, tiny_dataset, tmp_path
):
    trainer = make_trainer(model, tiny_processor, tiny_dataset, tmp_path)
    trainer.save_model(str(tmp_path / "checkpoint-1"))
    expected = {name: value.clone() for name, value in model.state_dict().items()}
    disturb(model)
    trainer._load_from_checkpoint(str(tmp_path / "checkpoint-1"))
    assert_same(model.state_dict(), expected)


def test_the_best_model_at_the_end_has_every_weight_of_its_checkpoint(
    model, tiny_processor, tiny_dataset, tmp_path
):
    trainer = make_trainer(model, tiny_processor, tiny_dataset, tmp_path)
    trainer.save_model(str(tmp_path / "checkpoint-1"))
    expected = {name: value.clone() for name, value in model.state_dict().items()}
    disturb(model)
    trainer.state.best_model_checkpoint = str(tmp_path / "checkpoint-1")
    trainer._load_best_model()
    assert_same(model.state_dict(), expected)


@pytest.fixture
def adapted(model, tiny_processor, tiny_dataset, tmp_path):
    lora = LoraConfig(r=2, target_modules=["q_proj", "v_proj"])
    return make_trainer(model, tiny_processor, tiny_dataset, tmp_path, peft_config=lora)


def test_a_resumed_adapter_has_every_weight_of_the_checkpoint(adapted, tmp_path):
    trainer = adapted
    adapter = {n: p for n, p in trainer.model.named_parameters() if "lora_" in n}
    assert adapter
    with torch.no_grad():
        for parameter in adapter.values():
            parameter.normal_()
    expected = {name: parameter.detach().clone() for name, parameter in adapter.items()}
    trainer.save_model(str(tmp_path / "checkpoint-1"))
    with torch.no_grad():
        for parameter in adapter.values():
            parameter.zero_()
    trainer._load_from_checkpoint(str(tmp_path / "checkpoint-1"))
    assert_same({name: parameter.detach() for name, parameter in adapter.items()}, expected)


def test_an_adapter_of_which_a_weight_was_not_loaded_is_refused(adapted, tmp_path):
    """PEFT leaves as it was what it finds no weight for."""
    folder = tmp_path / "checkpoint-1"
    adapted.save_model(str(folder))
    saved = load_file(folder / "adapter_model.safetensors")
    name = min(saved)
    saved["x." + name] = saved.pop(name)
    save_file(saved, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    with pytest.raises(OrapoError, match=r"not that of this model \(2 weights differ"):
        adapted._load_from_checkpoint(str(folder))


def test_a_run_that_is_resumed_ends_like_one_that_never_stopped(
    tiny_model, tiny_processor, tiny_dataset, tmp_path
):
    settings = {"max_steps": 4, "learning_rate": 1e-3, "save_strategy": "steps", "save_steps": 2}
    through, again = copy.deepcopy(tiny_model), copy.deepcopy(tiny_model)
    make_trainer(through, tiny_processor, tiny_dataset, tmp_path, settings=settings).train()
    trainer = make_trainer(again, tiny_processor, tiny_dataset, tmp_path, settings=settings)
    disturb(again)  # the reference model is a copy from before
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert_same(again.state_dict(), through.state_dict())
    with pytest.raises(AssertionError):  # and there was something to learn
        assert_same(through.state_dict(), tiny_model.state_dict())


def test_a_checkpoint_that_lacks_a_weight_is_refused_and_changes_nothing(model, tmp_path):
    weights = model.state_dict()
    name = next(name for name in weights if "norm" in name and name.endswith("weight"))
    rest = {key: value.clone() for key, value in weights.items() if key != name}
    model.save_pretrained(tmp_path, state_dict=rest)
    disturb(model)
    disturbed = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(OrapoError, match=r"not those of this model \(1 differ"):
        restore_weights(model, tmp_path)
    assert_same(model.state_dict(), disturbed)


def test_a_checkpoint_of_another_size_is_refused(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] = 1
    other = type(tiny_model)(type(tiny_model.config)(**config))
    with pytest.raises(OrapoError, match="not those of this model"):
        restore_weights(other, tmp_path)


def test_a_folder_without_weights_is_refused(tiny_model, tmp_path):
    tiny_model.config.save_pretrained(tmp_path)
    with pytest.raises(OrapoError, match="can't be loaded"):
        restore_weights(tiny_model, tmp_path)


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_resuming_from_nothing_is_refused_before_anything_is_loaded(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    config = OraPOConfig(str(tmp_path / folder), use_cpu=True, bf16=False)
    with pytest.raises(OrapoError, match="no checkpoint to resume from"):
        train(RunConfig(model="no/model", data=str(tmp_path / "no.jsonl")), config, resume=True)
    assert not (tmp_path / "missing").exists()
