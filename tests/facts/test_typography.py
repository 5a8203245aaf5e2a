"""One clean text: letters, marks and tags of all kinds, and the way back to the text as given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orapo.facts import FactSReward, RulesEngine, label_report
from orapo.facts.clean_text.rewriting import Rewriter
from orapo.facts.clean_text.typography import clean
from orapo.facts.graded import GradedFactSReward

KNOWN = RulesEngine()._vocabulary.words


def cleaned(text):
    typed, disguised = clean(text, KNOWN)
    return typed.text, disguised


@pytest.mark.parametrize(
    ("given_text", "read"),
    [
        ("Pleural eﬀusion, ﬁbrosis", "Pleural effusion, fibrosis"),
        ("No\u00a0pneumothorax", "No pneumothorax"),
        ("isn’t seen", "isn't seen"),
        ("pneumo\u00adthorax", "pneumothorax"),
        ("pneumo-\nthorax", "pneumothorax"),
        ("left-\nsided", "left-sided"),
        ("\ufeffNo edema", "No edema"),
        ("𝐍𝐨 edema", "No edema"),
        ("No&nbsp;edema &amp; no effusion", "No edema & no effusion"),
        ("<b>No</b> edema<br/>Small effusion", "No edema\nSmall effusion"),
        ("<think>Edema?</think>Clear.", "Clear."),
        ("Edema, I think.</think>Clear.", "Clear."),
        ("<think>Edema, and then", ""),
        ("<unused94>thought\nEdema?\n<unused95>Clear.", "Clear."),  # MedGemma's
        ("<unused94>thought\nEdema, and then", ""),
        ("Edema, I think.<unused95>Clear.", "Clear."),
        ("No edema. <unused94>thought: effusion?<unused95>Clear.", "No edema. Clear."),
        ("Clear.<!-- edema -->", "Clear."),
        ("Clear.\r\nNo edema.", "Clear.\nNo edema."),
        ("• No edema\n• Clear", "-  No edema\n-  Clear"),
        ("No edema · Clear", "No edema \n-  Clear"),
        ("3·5 cm", "3·5 cm"),
        ("✓ edema ✗ effusion", "[x]  edema [ ]  effusion"),
        ("size < 5 mm", "size < 5 mm"),
    ],
)
def test_typography_is_read_as_what_was_typed(given_text, read):
    text, disguised = cleaned(given_text)
    assert text == read
    assert not disguised


@pytest.mark.parametrize(
    "given_text",
    [
        "Large right effusion.&lt;br&gt;No pneumothorax.",
        "Large right effusion.&amp;lt;br/&amp;gt;No pneumothorax.",
        "&lt;p class='a'&gt;Large right effusion.&lt;/p&gt;&lt;p&gt;No pneumothorax.&lt;/p&gt;",
        "Large right effusion.&amp;nbsp;No pneumothorax.",
        "&lt;think&gt;Edema?&lt;/think&gt;Large right effusion. No pneumothorax.",
        "&lt;unused94&gt;thought Edema?&lt;unused95&gt;Large right effusion. No pneumothorax.",
    ],
)
def test_what_was_escaped_once_too_often_is_read_as_if_it_had_not_been(given_text):
    plain = "Large right effusion. No pneumothorax."
    reference = "Small right effusion. No pneumothorax."
    assert label_report(given_text).labels == label_report(plain).labels
    scores = GradedFactSReward()([given_text, plain], [reference] * 2)
    assert scores[0] == scores[1]
    for fact in label_report(given_text).facts:  # spans point into the text as given
        assert given_text[fact.start : fact.end] in (
            "right effusion",
            "effusion",
            "No pneumothorax",
            "pneumothorax",
            "Large right effusion",
        )


def test_smaller_than_stays_smaller_than_and_is_no_left():
    (score,) = GradedFactSReward()(["A right nodule &lt;5 mm."], ["A right nodule <5 mm."])
    assert score == 1
    report = label_report("A nodule &lt;5 mm and a second one &gt;6 mm in the right lung.")
    assert report.labels["Lung Lesion"] == 1


@pytest.mark.parametrize("no", ["N\u200bo", "N\u043e", "\u039d\u03bf", "N\u2060o"])
def test_disguised_letters_are_read_and_said(no):
    text = f"{no} pneumothorax."
    assert cleaned(text) == ("No pneumothorax.", True)
    report = label_report(text)
    assert (report.labels["Pneumothorax"], report.disguised) == (0, True)
    seen = {}
    FactSReward()([text, "Edema."], labels=[{"Edema": 1}] * 2, log_metric=seen.__setitem__)
    assert seen["facts/disguised"] == 0.5


def test_words_of_another_alphabet_are_left_alone():
    assert cleaned("Пневмоторакс") == ("Пневмоторакс", False)


def test_a_fact_points_into_the_text_as_given():
    text = "<p>Small left pleural eﬀusion.</p>\r\n<p>N\u043e pneumo\u00adthorax.</p>"
    report = label_report(text)
    assert [text[fact.start : fact.end] for fact in report.facts] == [
        "left pleural eﬀusion",
        "pneumo\u00adthorax",
    ]
    assert [sentence.text for sentence in report.sentences] == [
        "Small left pleural eﬀusion.",
        "N\u043e pneumo\u00adthorax.",
    ]


@given(st.lists(st.tuples(st.sampled_from("kdp"), st.text("abc", max_size=4)), max_size=12))
def test_kept_stretches_stand_where_they_stood(steps):
    source = "".join(piece for _, piece in steps)
    writer, at = Rewriter(source), 0
    for what, piece in steps:
        at += len(piece)
        if what == "k":
            writer.keep_to(at)
        elif what == "d":
            writer.drop_to(at)
        else:
            writer.put("XY", at)
    rewritten = writer.finish()
    for index, char in enumerate(rewritten.text):
        start, end = rewritten.origin(index, index + 1)
        assert 0 <= start <= end <= len(source)
        if char not in "XY":
            assert source[start:end] == char


@pytest.mark.parametrize(
    "written",
    [
        "<s> {} </s><pad><pad>",
        "<s>{}</s>",
        "</s><s>{}</s><pad>",
        "<s>{}",
        "{}</s>",
        "{}<|im_end|>",
        "<bos>{}<eos>",
        "[CLS] {} [SEP] [PAD] [PAD]",
        "<|begin_of_text|>{}<|eot_id|>",
    ],
)
def test_marks_of_a_tokenizer_around_a_report_are_not_read(written):
    text = "The heart is enlarged. Small left pleural effusion. No pneumothorax."
    assert label_report(written.format(text)).labels == label_report(text).labels


def test_what_is_struck_out_within_a_report_is_not_said():
    assert label_report("<s>The heart is enlarged.</s> No edema.").labels["Cardiomegaly"] is None
