"""What looks at a run and leaves its weights alone but where it steps in: log, probe, warnings, guard, card."""
