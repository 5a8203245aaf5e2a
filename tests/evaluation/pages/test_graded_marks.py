"""Facts of a report marked one by one, so that no green mark hides a wrong side."""

import pytest

from orapo.evaluation.pages.graded_marks import FactVerdict, graded_view, with_partly
from orapo.evaluation.pages.verdicts import ReferenceVerdict, generated_pieces, reference_pieces
from orapo.facts import Verdict, label_report


@pytest.mark.parametrize(
    ("report", "reference", "marks"),
    [
        ("Left effusion.", "Left effusion.", {("pleural effusion", "fact_right", "")}),
        ("Right effusion.", "Left effusion.", {("pleural effusion", "partly_right", "wrong location: right for left")}),
        ("Effusion. Pneumonia.", "Effusion.", {("pleural effusion", "fact_right", ""), ("pneumonia", "fact_false", "not in the reference")}),
        ("No effusion.", "Effusion. Pneumonia.", {("pleural effusion", "fact_contradicted", "denied"), ("pneumonia", "fact_missed", "not mentioned")}),
    ],
)  # fmt: skip
def test_each_fact_has_its_own_mark(report, reference, marks):
    view = graded_view(report, reference)
    assert {(mark.finding, mark.verdict.value, mark.words) for mark in view.marks} == marks
    assert sum(count for _, count in view.counts) == len(marks)


def test_a_sentence_with_a_wrong_side_is_not_green():
    text, reference = "Heart is normal. Large right effusion.", "Small left effusion."
    labels = label_report(reference).labels
    pieces = generated_pieces(label_report(text), labels)
    assert pieces[-1].verdict is Verdict.ENTAILED
    assert (
        with_partly(pieces, graded_view(text, reference).partly)[-1].verdict is FactVerdict.PARTLY
    )


def test_nor_is_the_sentence_of_the_reference_that_it_was_matched_with():
    text, reference = "Large right effusion. Cardiomegaly.", "Small left effusion. Cardiomegaly."
    pieces = reference_pieces(label_report(reference), label_report(text).labels)
    marked = with_partly(pieces, graded_view(text, reference).reference_partly)
    assert [piece.verdict for piece in marked if piece.verdict] == [
        FactVerdict.PARTLY,
        ReferenceVerdict.FOUND,
    ]


def test_what_is_missed_is_quoted_from_the_reference():
    view = graded_view("Cardiomegaly.", "Cardiomegaly. Left effusion.")
    assert view.marks[-1].quote == "Left effusion."


def test_texts_without_facts_have_no_marks():
    assert graded_view("", "Left effusion.") is None
    assert graded_view("Left effusion.", "") is None
