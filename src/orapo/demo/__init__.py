"""The whole main job on a CPU: phantom, base, GRPO, SFT and OraPO side by side, an honest table."""

from orapo.demo.plan import OURS, DemoPlan
from orapo.demo.run import TOO_SHORT, run_demo

__all__ = ["OURS", "TOO_SHORT", "DemoPlan", "run_demo"]
