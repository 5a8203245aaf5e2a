"""What orapo takes for granted of TRL's private side; a failure here means: read TRL's changes."""

import inspect
import re

import pytest
import torch
import trl
from packaging.version import Version
from transformers import GenerationConfig, PreTrainedTokenizerBase
from trl import GRPOConfig, GRPOTrainer
from trl.generation import vllm_generation
from trl.trainer import grpo_trainer
from trl.trainer.utils import RepeatSampler

from orapo.models.tiny import build_model
from orapo.training import OraPOTrainer, trl_contract
from orapo.training.method.pace import OwnPace
from orapo.training.method.scoring import ScoringTrainer
from orapo.training.surviving.resumable import ResumableTrainer, WholeCheckpoints


def source(name):
    return inspect.getsource(getattr(GRPOTrainer, name))


def test_the_installed_trl_is_of_the_tested_range():
    assert Version("1.16") <= Version(trl.__version__) < Version("1.17")


# Every method that OraPOTrainer overrides, with the arguments it counts on.
OVERRIDDEN = {
    "_calculate_rewards": "inputs, prompts, completions, completion_ids_list",
    "training_step": "model, inputs, num_items_in_batch",
    "_generate_and_score_completions": "inputs",
    "_compute_loss": "model, inputs",
    "_get_per_token_logps_and_entropies": (
        "model, input_ids, attention_mask, logits_to_keep, batch_size, compute_entropy, "
        "compute_aux_loss, pixel_values, image_grid_thw, num_images, pixel_attention_mask, "
        "spatial_shapes, num_tiles, image_sizes, token_type_ids, mm_token_type_ids, "
        "image_position_ids"
    ),
    "_tokenize_prompts": "prompts",
    "save_model": "output_dir, _internal_call",
    "_save_checkpoint": "model, trial",
    "_load_from_checkpoint": "resume_from_checkpoint, model",
    "_load_optimizer_and_scheduler": "checkpoint",
    "_load_best_model": "",
    "_get_train_sampler": "dataset",
    "_run_epoch": (
        "model, epoch, train_dataloader, steps_in_epoch, num_update_steps_per_epoch, trial, "
        "ignore_keys_for_eval, start_time, resume_from_checkpoint, epochs_trained, "
        "steps_trained_in_current_epoch"
    ),
    "train": "resume_from_checkpoint, trial, ignore_keys_for_eval",
    "log": "logs, start_time",
    "create_optimizer": "model",
    "create_scheduler": "num_training_steps, optimizer",
}
OURS = (OraPOTrainer, OwnPace, ScoringTrainer, ResumableTrainer, WholeCheckpoints)
CALLED = {"_get_output_dir": "trial"}
# Attributes that no documentation of TRL promises, and their types.
ATTRIBUTES = {
    "_buffered_inputs": list,
    "_globalstep_last_logged": int,
    "_metrics": dict,
    "_step": int,
    "_tokenizer": PreTrainedTokenizerBase,
    "_total_loss_scalar": float,
    "_tr_loss": torch.Tensor,
    "chat_template_kwargs": dict,
    "current_gradient_accumulation_steps": int,
    "environments": type(None),
    "eos_token_ids": list,
    "generation_config": GenerationConfig,
    "generation_kwargs": dict,
    "is_deepspeed_enabled": bool,
    "is_fsdp_enabled": bool,
    "num_generations": int,
    "num_iterations": int,
    "ref_model": type(None),
    "reward_func_names": list,
    "reward_funcs": list,
    "temperature": float,
    "use_vllm": bool,
}


def arguments(function):
    return ", ".join(list(inspect.signature(function).parameters)[1:])


@pytest.mark.parametrize(("name", "expected"), [*OVERRIDDEN.items(), *CALLED.items()])
def test_a_method_that_is_overridden_or_called_takes_these_arguments(name, expected):
    assert arguments(getattr(GRPOTrainer, name)) == expected


def test_the_trainer_overrides_these_methods_and_no_others():
    own = {name for ours in OURS for name in vars(ours)}
    assert {name for name in own if callable(getattr(GRPOTrainer, name, None))} - {
        "__init__"
    } == set(OVERRIDDEN)


@pytest.mark.parametrize("ours", OURS)
def test_the_trainer_reaches_private_attributes_through_the_contract_alone(ours):
    own = {name for each in ours.__mro__ if each in OURS for name in vars(each)}
    own |= set(re.findall(r"self\.(_\w+)(?:: [\w |]+)? =", inspect.getsource(ours.__init__)))
    used = set(re.findall(r"(?:self|super\(\))\.(_\w+)", inspect.getsource(ours)))
    assert used - own <= set(CALLED)


def test_the_sampler_draws_each_epoch_from_where_the_one_before_left_off():
    def epochs(sampler, count):
        return [list(sampler) for _ in range(count)]

    def sampler():
        return RepeatSampler(range(7), 2, batch_size=3, seed=5)

    unbroken, resumed = epochs(sampler(), 3), sampler()
    assert unbroken[0] != unbroken[2]
    trl_contract.skip_epochs(resumed, 2)
    assert epochs(resumed, 1) == unbroken[2:]


@pytest.fixture(scope="module")
def trl_trainer(tiny_processor, tiny_size, tiny_dataset, tmp_path_factory):
    """TRL's own trainer after one step, without anything of ours in it."""
    args = GRPOConfig(
        str(tmp_path_factory.mktemp("trl")),
        per_device_train_batch_size=2,
        num_generations=2,
        max_completion_length=4,
        max_steps=1,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = GRPOTrainer(
        build_model(tiny_processor, tiny_size),
        lambda completions, **columns: [float(len(c)) for c in completions],
        args,
        train_dataset=tiny_dataset,
        processing_class=tiny_processor,
    )
    trainer.train()
    return trainer


@pytest.mark.parametrize(("name", "kind"), ATTRIBUTES.items())
def test_an_attribute_that_is_used_is_there_and_of_this_kind(trl_trainer, name, kind):
    assert isinstance(getattr(trl_trainer, name), kind)


def test_the_accessors_say_what_trl_does(trl_trainer, tiny_processor):
    tokenizer = tiny_processor.tokenizer
    assert trl_contract.tokenizer(trl_trainer) is tokenizer
    assert tokenizer.eos_token_id in trl_contract.end_tokens(trl_trainer)
    assert trl_contract.image_tokens(trl_trainer) == {tokenizer.convert_tokens_to_ids("<image>")}
    assert trl_contract.accumulation_steps(trl_trainer) == 1
    trl_contract.log_metric(trl_trainer, "oracle/x", 2.0)
    assert trl_trainer._metrics["train"].pop("oracle/x") == [2.0]


def test_a_generation_s_place_is_counted_in_micro_batches():
    assert "self._step += 1" in source("training_step")
    text = source("_prepare_inputs")
    assert "generate_every = self.args.steps_per_generation * self.num_iterations" in text
    assert "self._step % generate_every == 0 or self._buffered_inputs is None" in text
    assert "self._buffered_inputs[self._step % self.args.steps_per_generation]" in text


def test_a_reward_function_gets_these_arguments_beside_the_columns():
    given = set(re.findall(r'\breward_kwargs\["(\w+)"\]', source("_calculate_rewards")))
    assert given == {"trainer_state", "environments", *trl_contract.silent_reward_log()}


def test_vllm_gets_its_settings_with_every_request():
    text = inspect.getsource(vllm_generation.VLLMGeneration)
    assert '"generation_kwargs": self.generation_kwargs' in text  # server
    assert "generation_kwargs.update(self.generation_kwargs)" in text  # in the same process
    assert "self.vllm_generation = VLLMGeneration(" in inspect.getsource(GRPOTrainer.__init__)


def test_weights_are_handed_to_vllm_by_one_method():
    text = source("_generate_single_turn")
    assert text.count("self.vllm_generation.sync_weights()") == 1
    merged = inspect.getsource(vllm_generation.VLLMGeneration)
    assert "model.merge_adapter()" in merged
    assert "model.unmerge_adapter()" in merged


def test_prompts_go_to_a_colocated_vllm_with_their_image_tokens():
    """Once TRL hands over others, `refuse_colocate` has nothing to refuse (TRL issue 6294)."""
    assert "prompts=prompt_ids" in source("_generate_single_turn")
    text = inspect.getsource(vllm_generation.VLLMGeneration.generate)
    assert 'row["multi_modal_data"]' in text


def test_an_answers_tokens_get_the_type_of_a_prompts_text():
    """PaliGemma takes them for a part of the prefix then; see `causal_answers`."""
    text = source("_generate_and_score_completions")
    assert "token_type_ids.new_zeros(completion_ids.shape)" in text


def test_rewards_come_gathered_one_row_a_rollout():
    assert "gather(rewards_per_func)" in source("_calculate_rewards")


def test_the_tool_mask_multiplies_the_loss_and_not_the_divisor_of_dr_grpo():
    text = source("_compute_loss")
    assert 'mask = completion_mask if "tool_mask" not in inputs' in text
    start = text.index('self.loss_type == "dr_grpo"')
    branch = text[start : text.index("elif", start)]
    assert "per_token_loss * mask" in branch
    assert "max_completion_length" in branch
    assert "mask.sum()" not in branch


def test_the_images_of_a_batch_go_by_these_names():
    asked = OVERRIDDEN["_get_per_token_logps_and_entropies"].split(", ")
    assert set(trl_contract.VISION_FIELDS) <= set(asked)


def test_the_reference_model_is_loaded_through_one_function():
    assert "create_model_from_path" in inspect.getsource(GRPOTrainer.__init__)
    assert callable(grpo_trainer.create_model_from_path)


def test_the_warning_that_holds_report_text_is_the_one_that_is_silenced():
    text = source("_calculate_rewards")
    assert "All reward functions returned None for the following kwargs" in text
