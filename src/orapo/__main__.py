"""The command ``orapo``, as its script and ``python -m orapo`` start it.

``accelerate launch -m orapo train ...`` and the workers of a command import this module, too: what
acts stands in `main`.
"""

from orapo import signals


def main() -> None:
    """Run the command line in a process of its own, signals included."""
    signals.end_at_once()
    signals.end_with_parent()
    try:
        from orapo.cli import main as run

        run()
    except KeyboardInterrupt:  # one that came between two others
        raise SystemExit(130) from None
    finally:
        signals.finish()


if __name__ == "__main__":
    main()
