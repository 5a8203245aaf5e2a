"""The tiny base model of the demo."""
