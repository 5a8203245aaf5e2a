"""The two halves of a recipe."""

from orapo.training import OraPOConfig
from orapo.training.recipe import RunConfig


def recipe(run_settings, **changes):
    """Return a recipe's fields, changed, as `train` takes them."""
    names = set(RunConfig.__dataclass_fields__)
    settings = {**run_settings, **changes}
    run = RunConfig(**{name: value for name, value in settings.items() if name in names})
    return run, OraPOConfig(**{n: value for n, value in settings.items() if n not in names})
