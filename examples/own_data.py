"""Your own films and reports in thirty lines: from a table to a trained model.

    python examples/own_data.py --out run   # without --out the model goes to a folder of its own

Here the films are drawn and the model is a tiny one with random weights; give your own in their place.
"""

import argparse
import csv
import tempfile
from pathlib import Path

from orapo import OraPOConfig, OraPOTrainer
from orapo.data.datasets import load_dataset
from orapo.data.loaded import LoadOptions
from orapo.data.phantom import PhantomConfig, draw_study
from orapo.models.tiny import build_model, build_processor
from orapo.training import training_dataset

options = argparse.ArgumentParser()
options.add_argument("--out", type=Path, help="where the model is kept")
folder = Path(tempfile.mkdtemp())
out = options.parse_args().out or folder / "run"
with (folder / "mine.csv").open("w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["exam", "film", "text", "part"])
    for number in range(8):
        study = draw_study(0, number, PhantomConfig())
        study.image.save(folder / f"{number}.png")
        table.writerow([f"exam{number}", f"{number}.png", study.study.report, "train"])

columns = {"study_id": "exam", "images": "film", "report": "text", "split": "part"}
loaded = load_dataset("table", folder / "mine.csv", LoadOptions(columns=columns))
print(f"{len(loaded.studies)} studies, {len(loaded.problems)} problems")

processor = build_processor([study.report for study in loaded.studies] * 5)
trainer = OraPOTrainer(
    build_model(processor),  # or the name of a checkpoint
    args=OraPOConfig(
        str(out),
        num_generations=2,
        per_device_train_batch_size=4,
        max_completion_length=16,
        max_steps=2,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
    ),
    train_dataset=training_dataset(loaded.studies),
    processing_class=processor,
)
trainer.train()
trainer.save_model(str(out))
print(f"trained: {(out / 'model.safetensors').is_file()}, in {out}")
