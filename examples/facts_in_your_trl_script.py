"""FactS as a reward in a TRL script of your own: no other part of orapo is needed.

    python examples/facts_in_your_trl_script.py

The model is a tiny one with random weights, made on the spot, so that the script runs anywhere; put the
name of yours in its place. TRL hands every column of the data set to the reward: FactS reads ``labels``, or
the ``report`` where there are none.
"""

import tempfile
from pathlib import Path

from datasets import Dataset
from PIL import Image
from trl import GRPOConfig, GRPOTrainer

from orapo import FactSReward
from orapo.models.tiny import build_model, build_processor

REPORTS = [
    "There is a small left pleural effusion. The heart is normal in size.",
    "The lungs are clear. No pneumothorax.",
    "The heart is enlarged. Mild edema.",
    "Right apical pneumothorax. No effusion.",
]

processor = build_processor(REPORTS * 20)
model = build_model(processor)  # AutoModelForImageTextToText.from_pretrained("your/model")

dataset = Dataset.from_list(
    [
        {
            "prompt": [{"role": "user", "content": "Write the report of this chest film."}],
            "images": [Image.new("L", (64, 64), 60 + 40 * number)],
            "report": report,
        }
        for number, report in enumerate(REPORTS)
    ]
)

trainer = GRPOTrainer(
    model,
    reward_funcs=FactSReward(facts_beta=1.0),
    args=GRPOConfig(
        tempfile.mkdtemp(),
        num_generations=2,
        per_device_train_batch_size=4,
        max_completion_length=16,
        max_steps=2,
        logging_steps=1,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
    ),
    train_dataset=dataset,
    processing_class=processor,
)
trainer.train()
print(f"rewards/facts/mean: {trainer.state.log_history[0]['rewards/facts/mean']:.2f}")
print(f"saved: {Path(trainer.args.output_dir).is_dir()}")
