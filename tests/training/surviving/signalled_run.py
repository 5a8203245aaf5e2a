"""`orapo train` in which one process sends itself SIGTERM within a step.

python tests/training/signalled_run.py RANK STEP ARGUMENTS...
"""

import os
import signal
import sys

from orapo import cli
from orapo.training import OraPOTrainer


def main() -> None:
    rank, at = int(sys.argv[1]), int(sys.argv[2])
    step = OraPOTrainer.training_step

    def signalled(self, *args, **kwargs):
        result = step(self, *args, **kwargs)
        if (self.args.process_index, self.state.global_step + 1) == (rank, at):
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    OraPOTrainer.training_step = signalled
    sys.argv = ["orapo", "train", *sys.argv[3:]]
    cli.main()


if __name__ == "__main__":
    main()
