"""From a checkpoint and images to reports."""

from orapo.generation.model import load_checkpoint
from orapo.generation.reports import Decoding, generate_reports

__all__ = ["Decoding", "generate_reports", "load_checkpoint"]
