"""Your own label set: a TOML file that names labels and what in a report bears on them.

    python examples/own_labels.py

The file can add to the package's vocabulary of the chest or bring its own (docs/facts.md);
``orapo label reports.csv --lexicon FILE`` takes it too.
"""

import tempfile
from pathlib import Path

from orapo.facts import RulesEngine

LABELS = """
[label_set]
name = "Emergency"
vocabulary = "chest"
no_finding = "Nothing urgent"
beside = ["Devices"]

[label_set.labels]
"Air leak" = { same_as = "Pneumothorax" }
"Fluid" = { same_as = "Pleural Effusion" }
"Devices" = { same_as = "Support Devices" }
"""

lexicon = Path(tempfile.mkdtemp()) / "emergency.toml"
lexicon.write_text(LABELS)
engine = RulesEngine(lexicon)
for text in (
    "Large right pneumothorax. Endotracheal tube in place.",
    "No pneumothorax. Trace left effusion cannot be excluded.",
    "The lungs are clear. Right PICC.",
):
    print(text)
    print(
        "   ",
        {name: value for name, value in engine.read(text).labels.items() if value is not None},
    )
