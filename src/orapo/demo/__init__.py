"""The whole main job on a CPU: phantom, base, GRPO and OraPO side by side, an honest table."""

from orapo.demo.run import TOO_SHORT, DemoPlan, run_demo

__all__ = ["TOO_SHORT", "DemoPlan", "run_demo"]
