"""Laws of FactS that hold for any text."""

import os
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orapo.data.phantom import PhantomConfig
from orapo.data.phantom.findings import sample_findings
from orapo.data.phantom.reports import write_report
from orapo.facts import RulesEngine, label_report, score_report
from orapo.facts.labelling import merge_labels
from orapo.facts.language.compiler import load_vocabulary
from orapo.labels import NO_FINDING, POSITIVE

STATEMENTS = {
    "Cardiomegaly": ("Cardiomegaly.", "Heart size is normal.", "The heart may be enlarged."),
    "Pleural Effusion": ("Small effusion.", "No effusion.", "Effusion cannot be excluded."),
    "Pneumothorax": ("Left pneumothorax.", "No pneumothorax is seen."),
    "Edema": ("Mild edema.", "There is no edema.", "Possible edema."),
    "Fracture": ("Rib fractures.", "No acute fracture."),
    "Support Devices": ("PICC in place.",),
    "Atelectasis": ("Bibasilar atelectasis.", "Probable atelectasis."),
}
WORDS = [
    *("no", "effusion", "pneumothorax", "heart", "normal", "enlarged", "is", "not", "seen", "or"),
    *("cannot", "be", "excluded", "and", ",", ";", "?", ":", ".", "1.", "FINDINGS:", "HISTORY:"),
    *("possible", "but", "the", "lungs", "clear", "XXXX", "without", "edema", "\n", "\n\n"),
    *("|", "|---|---|", "[ ]", "[x]", "{", "}", '"edema": 0', '"', "'", "- ", "* ", "**", "##", "<br>"),
    *("<td>", "</edema>", "<think>", "</think>", "&amp;", "=", "->", "yes", "Absent:", "one", "kein"),
    *("(no)", "e\u0301", "N\u043e", "n\u200bo", "\u2713", "\u2022", "\ufffd", "\t", "   ", "pneumo-\n"),
]  # fmt: skip

one_statement_each = st.lists(
    st.sampled_from(sorted(STATEMENTS)), unique=True, min_size=1, max_size=5
).flatmap(lambda names: st.tuples(*(st.sampled_from(STATEMENTS[name]) for name in names)))
any_text = st.one_of(
    st.text(max_size=120),
    st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join),
    st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=3)), max_size=30).map("".join),
)


def written_reports(count):
    rng, config = np.random.default_rng(0), PhantomConfig()
    return [
        write_report(rng, sample_findings(rng, config.uncertain_share), config).text
        for _ in range(count)
    ]


WRITTEN = written_reports(50)
MUTATIONS = (
    lambda text, at, char: text[:at] + char + text[at:],  # one too many
    lambda text, at, char: text[:at] + text[at + 1 :],  # one missing
    lambda text, at, char: text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :],
    lambda text, at, char: text[at:] + char + text[:at],
    lambda text, at, char: text[:at].upper() + text[at:],
    lambda text, at, char: text[:at],
    lambda text, at, char: text + char * (at % 7) + text[:at],
    lambda text, at, char: text.replace(" ", char, at % 5),
)


@st.composite
def mutated_reports(draw):
    """A written report with up to six faults of typing, transport or de-identification."""
    text = draw(st.sampled_from(WRITTEN))
    for _ in range(draw(st.integers(1, 6))):
        mutate = draw(st.sampled_from(MUTATIONS))
        odd = st.sampled_from(
            ["\x00", "\ufeff", "\u202e", "İ", "ß", "\r", "___", "XXXX", ". ", "<"]
        )
        char = draw(odd | st.characters())
        text = mutate(text, draw(st.integers(0, max(len(text), 1))), char)
    return text


EXAMPLES = int(os.environ.get("ORAPO_FACTS_EXAMPLES", "400"))
"""RESULTS.md was made with 100,000."""


@settings(max_examples=EXAMPLES, deadline=None)
@given(any_text | mutated_reports())
def test_any_text_is_read_and_every_span_lies_where_it_says(text):
    report = label_report(text)
    for sentence in report.sentences:
        assert text[sentence.start : sentence.end] == sentence.text
    for fact in report.facts:
        sentence = report.sentences[fact.sentence]
        assert sentence.start <= fact.start < fact.end <= sentence.end
    for label, facts in report.evidence.items():
        assert facts
        assert report.labels[label] is not None
    if not report.facts:
        assert set(report.labels.values()) == {None}
    assert report.readable == bool(report.facts)
    assert report.denied == {
        name
        for fact in report.facts
        for name, value in fact.labels.items()
        if value == 0 and name != NO_FINDING
    }
    weak = {name: finding.weak for name, finding in load_vocabulary().findings.items()}
    # the labels are merged from sentences; from the facts they must come out the same
    unread = bool(report.unread)
    merged, _ = merge_labels(report.facts, report.label_set, weak, unread=unread)
    assert merged == report.labels


@settings(deadline=None)
@given(one_statement_each, st.randoms())
def test_the_order_of_sentences_makes_no_difference(statements, random):
    shuffled = list(statements)
    random.shuffle(shuffled)
    assert label_report(" ".join(shuffled)).labels == label_report(" ".join(statements)).labels


@settings(deadline=None)
@given(one_statement_each)
def test_a_sentence_about_another_finding_changes_no_other_label(statements):
    before = label_report(" ".join(statements)).labels
    after = label_report(" ".join((*statements, "Pleural thickening."))).labels
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"Pleural Other", NO_FINDING}


@settings(deadline=None)
@given(one_statement_each, one_statement_each, st.sampled_from(sorted(STATEMENTS)))
def test_denying_a_finding_never_raises_recall(report, reference, label):
    truth = label_report(" ".join(reference)).labels
    nouns = {"Cardiomegaly": "cardiomegaly", "Support Devices": "support devices"}
    text = " ".join(report)
    denied = f"{text} No {nouns.get(label, label.lower())}."
    assert score_report(denied, truth).recall <= score_report(text, truth).recall


def test_the_exception_an_explicit_size_settles_what_stable_leaves_open():
    normal = {NO_FINDING: POSITIVE}
    assert score_report("Heart size is stable.", normal).recall == 0
    assert score_report("Heart size is stable. No cardiomegaly.", normal).recall == 1


@settings(deadline=None)
@given(one_statement_each)
def test_the_reference_itself_earns_full_reward(statements):
    text = " ".join(statements)
    assert score_report(text, label_report(text).labels).reward == 1.0


UNITS = [
    *("effusion or ", "no ", "heart is normal, ", "effusion cannot be excluded ", "a. ", ".", "? "),
    *("\n", "1. ", "_", "a:", "heart ", "small ", "(", "[ ] ", "| a ", "{", '"a": ', "<", "- no\n", "a: no, "),
    *("x\n", "  a:\n", "*", "\u00e9", "\u200b", "effusion - no; ", "(no) ", "one ", "<p>", "&amp;", "[1,"),
    *("Impression: ", "pneumo-\n", "absent:\n- ", "= ", "a\n\n"),
]  # fmt: skip


def calls_to_read(text):
    """Count the calls, a measure of work that is the same on every machine."""
    engine = RulesEngine()
    count = 0

    def counted(frame, event, arg):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        engine.read(text)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("unit", UNITS)
def test_work_grows_with_the_length_of_the_text_and_no_faster(unit):
    short, long = (calls_to_read(unit * repeats + "x") for repeats in (200, 1600))
    assert long <= 10 * short  # 8 would be exact; quadratic work would be 64


BLOCKS = [
    ("heart, ", "is ", "normal, "),
    ("heart ", "", "is mildly enlarged "),
    ("heart, mediastinum, lung, ", "are ", "normal, enlarged, stable, "),
    ("effusion, ", "no ", "pneumothorax or "),
    ("no ", "", "effusion, "),
]


@pytest.mark.parametrize("blocks", BLOCKS)
def test_work_grows_no_faster_in_texts_of_two_blocks(blocks):
    first, middle, last = blocks
    short, long = (
        calls_to_read(first * repeats + middle + last * repeats) for repeats in (150, 1200)
    )
    assert long <= 10 * short


@pytest.mark.parametrize("unit", UNITS)
def test_a_huge_report_is_read(unit):
    # A second at most; a regular expression that backtracks would take days.
    RulesEngine().read(unit * (400_000 // len(unit)) + "x")


@pytest.mark.parametrize(
    ("text", "reference", "reward"),
    [
        ("The cardiac silhouette is mildly enlarged.", "Mild cardiomegaly.", 1),
        ("Pleural effusion.", "No pleural effusion.", 0),
        (
            "New right lower lobe consolidation.",
            "Stable bibasilar atelectasis without consolidation.",
            0,
        ),
    ],
)
def test_cases_in_which_published_metrics_diverge(text, reference, reward):
    assert score_report(text, label_report(reference).labels).reward == reward


def test_reading_twice_gives_the_same():
    text = "Left effusion. No pneumothorax. Left effusion."
    assert label_report(text) == label_report(text) == RulesEngine().read(text)
    assert label_report(text).labels["Pleural Effusion"] == POSITIVE
