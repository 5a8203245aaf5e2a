"""Figures have the field's names on screen: no key of a file is shown as it stands."""

import pytest

from orapo.evaluation.counts import CONVENTIONS
from orapo.evaluation.figures.graded import GRADED_FIGURES
from orapo.evaluation.figures.language import MEANING
from orapo.evaluation.report_figures import FIGURES
from orapo.evaluation.titles import figure_title


@pytest.mark.parametrize(
    "name", [*(one.name for one in CONVENTIONS), *FIGURES, *GRADED_FIGURES, *MEANING]
)
def test_every_figure_of_an_evaluation_has_a_name_of_its_own(name):
    title = figure_title(name)
    assert "_" not in title
    assert title != name.replace("_", " ")
    others = [figure_title(one.name) for one in CONVENTIONS if one.name != name]
    assert title not in others


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("r2gen_macro", "R2Gen macro F1"),
        ("five_micro_uncertain_positive", "Micro F1 (5 labels, uncertain positive)"),
        ("chexbert_14_weighted", "CheXbert-14: weighted F1"),
        ("graded_wrong_location", "Errors: wrong location"),
        ("bleu4", "BLEU-4"),
        ("radgraph_simple", "RadGraph simple"),  # RadEval's
    ],
)
def test_names_are_those_of_the_field(name, title):
    assert figure_title(name) == title


def test_what_stands_beside_is_not_said_again():
    name = "macro_uncertain_positive"
    assert figure_title(name) == "Macro F1 (uncertain positive)"
    assert figure_title(name, uncertain="positive") == "Macro F1"
    assert figure_title(name, uncertain="negative") == "Macro F1 (uncertain positive)"
