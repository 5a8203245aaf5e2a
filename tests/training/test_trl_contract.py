"""What orapo takes for granted of TRL's private side; a failure here means: read TRL's changes."""

import inspect

import pytest
import trl
from packaging.version import Version
from trl import GRPOTrainer
from trl.trainer import grpo_trainer

from orapo.training import trl_contract


def source(name):
    return inspect.getsource(getattr(GRPOTrainer, name))


def test_the_installed_trl_is_of_the_tested_range():
    assert Version("1.16") <= Version(trl.__version__) < Version("1.17")


@pytest.mark.parametrize(
    "name",
    [
        "_calculate_rewards",
        "_generate_and_score_completions",
        "_compute_loss",
        "_get_per_token_logps_and_entropies",
        "_save_checkpoint",
        "_load_optimizer_and_scheduler",
        "_get_output_dir",
    ],
)
def test_every_method_that_is_overridden_or_called_is_there(name):
    assert callable(getattr(GRPOTrainer, name, None))


def test_rewards_come_gathered_one_row_a_rollout():
    parameters = list(inspect.signature(GRPOTrainer._calculate_rewards).parameters)
    assert parameters == ["self", "inputs", "prompts", "completions", "completion_ids_list"]
    assert "gather(rewards_per_func)" in source("_calculate_rewards")


def test_the_tool_mask_multiplies_the_loss_and_not_the_divisor_of_dr_grpo():
    text = source("_compute_loss")
    assert 'mask = completion_mask if "tool_mask" not in inputs' in text
    start = text.index('self.loss_type == "dr_grpo"')
    branch = text[start : text.index("elif", start)]
    assert "per_token_loss * mask" in branch
    assert "max_completion_length" in branch
    assert "mask.sum()" not in branch


def test_the_log_probabilities_are_asked_for_with_these_arguments():
    parameters = list(inspect.signature(GRPOTrainer._get_per_token_logps_and_entropies).parameters)
    assert parameters[:5] == ["self", "model", "input_ids", "attention_mask", "logits_to_keep"]
    assert set(trl_contract.VISION_FIELDS) <= set(parameters)


def test_the_reference_model_is_loaded_through_one_function():
    assert "create_model_from_path" in inspect.getsource(GRPOTrainer.__init__)
    assert callable(grpo_trainer.create_model_from_path)


def test_the_warning_that_holds_report_text_is_the_one_that_is_silenced():
    text = source("_calculate_rewards")
    assert "All reward functions returned None for the following kwargs" in text
