"""How right reports are: clinical metrics, trivial baselines, plots and the HTML report."""

from orapo.evaluation.clinical import ClinicalScores, clinical_scores, evaluate_reports
from orapo.evaluation.trivial import trivial_scores

__all__ = ["ClinicalScores", "clinical_scores", "evaluate_reports", "trivial_scores"]
