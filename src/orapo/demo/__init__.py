"""The whole main job on a CPU: phantom, base, GRPO and OraPO side by side, an honest table."""

from orapo.demo.run import DemoPlan, run_demo

__all__ = ["DemoPlan", "run_demo"]
