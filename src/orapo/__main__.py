"""``python -m orapo`` is ``orapo``; ``accelerate launch -m orapo train ...`` needs it."""

from orapo.cli import main

if __name__ == "__main__":
    main()
