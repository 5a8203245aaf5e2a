"""From a checkpoint and images to reports."""

from orapo.generation.model import checkpoint_revision, load_checkpoint
from orapo.generation.reports import Decoding, Sample, generate_reports, sample_reports

__all__ = [
    "Decoding",
    "Sample",
    "checkpoint_revision",
    "generate_reports",
    "load_checkpoint",
    "sample_reports",
]
