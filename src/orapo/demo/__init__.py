"""The whole main job on a CPU: phantom, base, GRPO, SFT and OraPO side by side, an honest table."""

from orapo.demo.output import TOO_SHORT
from orapo.demo.plan import OURS, DemoPlan
from orapo.demo.run import run_demo

__all__ = ["OURS", "TOO_SHORT", "DemoPlan", "run_demo"]
