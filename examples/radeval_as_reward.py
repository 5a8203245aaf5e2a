"""A metric of RadEval as a reward beside FactS.

    python examples/radeval_as_reward.py [INTERPRETER]

RadEval lives in a process of its own, so it can be installed in another environment: give its
interpreter, ``python -m venv radeval && radeval/bin/pip install 'radeval>=2.2'``. In a recipe:

    reward_terms: [radeval/bleu=0.5]      # or radeval/radgraph/radgraph_partial, radeval/bertscore ...
    radeval_python: radeval/bin/python
"""

import subprocess
import sys

from orapo.training.rewards import reward_terms

python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
found = subprocess.run([python, "-c", "import radeval"], capture_output=True, check=False)
if found.returncode:
    print(
        f"RadEval is not installed for {python}: pip install 'orapo[radeval]', or give another one"
    )
    sys.exit()
(reward,), weights = reward_terms(["radeval/bleu=0.5"], radeval_python=python)
scores = reward(
    ["There is a left pleural effusion.", "The lungs are clear."],
    report=["There is a small left pleural effusion."] * 2,
)
print(f"weight {weights[0]}, BLEU of each report: {[round(score, 2) for score in scores]}")
