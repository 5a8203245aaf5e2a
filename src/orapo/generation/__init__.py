"""From a checkpoint and images to reports."""
