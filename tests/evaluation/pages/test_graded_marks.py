"""Facts of a report marked one by one, so that no green mark hides a wrong side."""

import pytest

from orapo.evaluation.pages.graded_marks import (
    IN_REFERENCE,
    IN_REPORT,
    FactVerdict,
    graded_view,
    marked_by_facts,
)
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


def in_report(text, reference):
    """Each sentence of a report with its mark, as a page shows it."""
    pieces = generated_pieces(label_report(text), label_report(reference).labels)
    marked = marked_by_facts(pieces, graded_view(text, reference).placed, IN_REPORT)
    return {piece.text: piece.verdict for piece in marked if piece.text.strip()}


def in_reference(text, reference):
    pieces = reference_pieces(label_report(reference), label_report(text).labels)
    marked = marked_by_facts(pieces, graded_view(text, reference).reference_placed, IN_REFERENCE)
    return {piece.text: piece.verdict for piece in marked if piece.text.strip()}


def test_a_sentence_has_the_mark_of_its_worst_fact_and_labels_mark_only_the_rest():
    text = "Heart is normal. Large right effusion. Left basilar atelectasis and a hiatal hernia."
    assert in_report(text, "Small left effusion. Left basilar atelectasis.") == {
        "Heart is normal.": Verdict.AGREED_ABSENT,  # no fact of the graded score
        "Large right effusion.": FactVerdict.PARTLY,  # green by its label
        "Left basilar atelectasis and a hiatal hernia.": Verdict.FALSE_ALARM,
    }


def test_what_an_impression_says_again_has_the_same_mark():
    text = "Large right effusion. There is emphysema. Impression: Right effusion. Emphysema."
    marks = in_report(text, "Small left effusion. Impression: Left effusion.")
    assert list(marks.values()) == [
        *(FactVerdict.PARTLY, Verdict.FALSE_ALARM),
        *(FactVerdict.PARTLY, Verdict.FALSE_ALARM),
    ]
    (mark,) = (
        one for one in graded_view(text, "Left effusion.").marks if one.finding == "emphysema"
    )
    assert mark.quotes == ("There is emphysema.", "Emphysema.")


def test_the_reference_is_marked_by_what_became_of_its_facts():
    text = "Large right effusion. Cardiomegaly. No pneumothorax."
    reference = "Small left effusion. Cardiomegaly. Hiatal hernia. Tiny pneumothorax."
    assert in_reference(text, reference) == {
        "Small left effusion.": FactVerdict.PARTLY,
        "Cardiomegaly.": ReferenceVerdict.FOUND,
        "Hiatal hernia.": ReferenceVerdict.MISSED,  # no label stands for it
        "Tiny pneumothorax.": ReferenceVerdict.MISSED,
    }


def test_what_is_missed_is_quoted_from_the_reference():
    view = graded_view("Cardiomegaly.", "Cardiomegaly. Left effusion.")
    assert view.marks[-1].quotes == ("Left effusion.",)


def test_texts_without_facts_have_no_marks():
    assert graded_view("", "Left effusion.") is None
    assert graded_view("Left effusion.", "") is None


def test_silence_misses_what_is_there_where_it_is_told_to():
    view = graded_view("", "Left effusion.", silence=True)
    assert (view.score, [mark.verdict for mark in view.marks]) == (0.0, [FactVerdict.MISSED])
    assert graded_view("", "", silence=True) is None
