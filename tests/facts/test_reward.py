"""The FactS reward: the worked examples of DESIGN 1.2, its policies and its laws."""

import json
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orapo.facts import (
    ContradictionRule,
    FactSReward,
    RepetitionPenalty,
    RulesEngine,
    Verdict,
    fact_verdicts,
    label_report,
    score_report,
    score_reports,
)
from orapo.labels import LABELS, NO_FINDING, UncertainPolicy

NORMAL = {NO_FINDING: 1}
NORMAL_WITH_DEVICE = {NO_FINDING: 1, "Support Devices": 1}
HEART_AND_EFFUSION = {"Cardiomegaly": 1, "Pleural Effusion": 1}


@pytest.mark.parametrize(
    ("reference", "text", "reward"),
    [
        (NORMAL, "The lungs are clear.", 1.0),
        (NORMAL, "Effusion.", 0.0),
        (NORMAL, "the the the", 0.0),
        (NORMAL, "", 0.0),
        (NORMAL_WITH_DEVICE, "The lungs are clear.", 2 / 3),
        (NORMAL_WITH_DEVICE, "PICC in place.", 1.0),
        (NORMAL_WITH_DEVICE, "Effusion. PICC in place.", 0.5),
        (HEART_AND_EFFUSION, "Cardiomegaly.", 2 / 3),
        (HEART_AND_EFFUSION, "Cardiomegaly. No effusion.", 0.5),
        (HEART_AND_EFFUSION, "Cardiomegaly. No effusion. No effusion. No effusion.", 0.5),
        (HEART_AND_EFFUSION, "Cardiomegaly. The lungs are clear.", 2 / 3),
    ],
)
def test_worked_examples(reference, text, reward):
    assert score_report(text, reference).reward == pytest.approx(reward)


def test_a_contradiction_is_counted_apart_and_within_fp():
    score = score_report("Cardiomegaly. No effusion.", HEART_AND_EFFUSION)
    assert (score.tp, score.fp, score.fn, score.contradictions) == (1, 1, 1, 1)
    assert (score.precision, score.recall) == (0.5, 0.5)


def test_beta_above_one_favours_recall():
    missed, invented = "Cardiomegaly.", "Cardiomegaly. Pleural effusion. Pneumothorax."
    for beta, better in ((0.5, missed), (2.0, invented)):
        scores = {
            text: score_report(text, HEART_AND_EFFUSION, facts_beta=beta).reward
            for text in (missed, invented)
        }
        assert max(scores, key=scores.get) == better


def test_policies_for_uncertain():
    reference = {"Edema": -1, "Cardiomegaly": 1}
    text = "Cardiomegaly."
    positive = score_report(text, reference, uncertain=UncertainPolicy.POSITIVE)
    negative = score_report(text, reference, uncertain=UncertainPolicy.NEGATIVE)
    ignore = score_report(text, reference, uncertain=UncertainPolicy.IGNORE)
    assert (positive.fn, negative.fn, ignore.fn) == (1, 0, 0)


def test_hedging_is_no_way_out_under_ignore():
    score = score_report(
        "Possible pneumothorax.", {"Cardiomegaly": 1}, uncertain=UncertainPolicy.IGNORE
    )
    assert (score.tp, score.fp) == (0, 1)


def test_a_study_with_only_uncertain_labels_has_nothing_to_score_under_ignore():
    assert score_report("Edema.", {"Edema": -1}, uncertain=UncertainPolicy.IGNORE) is None
    reward = FactSReward(uncertain="ignore")
    assert reward(["Edema."], labels=[{"Edema": -1}]) == [None]


def test_the_given_no_finding_is_not_read_but_derived():
    assert score_report("The lungs are clear.", {NO_FINDING: 1, "Edema": 1}).reward == 0.0


def test_published_cases_of_divergence():
    same = label_report("Mild cardiomegaly.").labels
    assert score_report("The cardiac silhouette is mildly enlarged.", same).reward == 1.0
    assert (
        score_report("Pleural effusion.", label_report("No pleural effusion.").labels).reward == 0
    )
    reference = label_report("Stable bibasilar atelectasis without consolidation.").labels
    assert score_report("New right lower lobe consolidation.", reference).reward == 0.0


values = st.sampled_from([1, 0, -1, None])


@given(
    st.dictionaries(st.sampled_from(LABELS), values),
    st.lists(
        st.sampled_from(
            ["Cardiomegaly.", "No effusion.", "Possible edema.", "PICC in place.", "xyz", "Normal."]
        )
    ),
    st.floats(0.1, 4),
    st.sampled_from(list(UncertainPolicy)),
)
def test_the_reward_is_f_beta_and_zero_exactly_without_a_hit(labels, sentences, beta, policy):
    score = score_report(" ".join(sentences), labels, facts_beta=beta, uncertain=policy)
    if score is None:
        # nothing is left to score, or all that is not normal has no label
        assert policy is UncertainPolicy.IGNORE or labels[NO_FINDING] == 0
        return
    assert (score.reward == 0) == (score.tp == 0)
    assert 0 <= score.reward <= 1
    if score.tp:
        p, r = score.precision, score.recall
        assert score.reward == pytest.approx((1 + beta**2) * p * r / (beta**2 * p + r))


def test_the_trl_reward_reads_every_form_of_completion_and_reference():
    reward = FactSReward()
    labels = {"Cardiomegaly": 1}
    forms = [
        "Cardiomegaly.",
        [{"role": "assistant", "content": "Cardiomegaly."}],
        [{"role": "assistant", "content": [{"type": "text", "text": "Cardiomegaly."}]}],
    ]
    assert reward(forms, labels=[labels, json.dumps(labels), {"Cardiomegaly": 1.0}]) == [1.0] * 3
    assert reward(["Cardiomegaly."], report=["The heart is enlarged."]) == [1.0]
    assert reward.__name__ == "facts"
    assert pickle.loads(pickle.dumps(reward))(["Cardiomegaly."], labels=[labels]) == [1.0]


@pytest.mark.parametrize("lexicon", [None, "nih14"])
def test_a_reward_with_rules_of_its_own_travels_to_other_processes(lexicon):
    engine = RulesEngine(lexicon, cached_sentences=7)
    reward = FactSReward(facts_beta=2.0, engine=engine)
    texts = {"completions": ["Small left effusion."], "report": ["Left effusion. Cardiomegaly."]}
    expected = reward(**texts)
    pickled = pickle.dumps(reward)
    assert pickle.loads(pickled)(**texts) == expected
    assert pickle.loads(pickled).engine.label_set.labels == engine.label_set.labels
    assert len(pickled) < 1000  # and not what it has read so far


def test_a_cache_that_another_thread_empties_is_no_error():
    engine = RulesEngine()
    read = engine.read("Left effusion. No edema.").labels

    class Emptied(dict):
        """As if another thread came in between a look and the next."""

        def __contains__(self, key):
            there = super().__contains__(key)
            self.clear()
            return there

    engine._read = Emptied(engine._read)
    assert engine.read("Left effusion. No edema.").labels == read


def test_a_missing_reference_is_unknown_and_not_a_zero():
    assert FactSReward()(["Cardiomegaly.", "Edema."], labels=[None, {"Edema": 1}]) == [None, 1.0]
    assert FactSReward()(["Cardiomegaly."]) == [None]


def test_columns_that_do_not_fit_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="2 completions, but 1 report"):
        FactSReward()(["Edema.", "Edema."], report=["Edema."])
    with pytest.raises(ValueError, match="a list of texts, not one text"):
        FactSReward()("Edema.", report="Edema.")


@pytest.mark.parametrize("cell", [None, float("nan"), 3])
def test_a_missing_cell_is_no_report(cell):
    with pytest.raises(TypeError, match=f"must be a text, not {type(cell).__name__}"):
        label_report(cell)


def test_a_reference_whose_labels_are_all_blank_is_read_from_its_report():
    blank = [dict.fromkeys(LABELS)]
    reward = FactSReward()
    assert reward(["Edema."], labels=blank, report=["Edema."]) == [1.0]
    assert reward(["The lungs are clear."], labels=blank, report=["Edema."]) == [0.0]


def test_a_reference_that_says_nothing_is_unknown_and_not_normal():
    reward = FactSReward()
    assert reward(["The lungs are clear."], labels=[{}]) == [None]
    assert reward(["The lungs are clear."], report=["see prior"]) == [None]
    assert reward(["The lungs are clear."], labels=[{}], report=[""]) == [None]


def test_a_device_that_was_taken_out_denies_it_in_verdict_and_score():
    report = label_report("Interval extubation.")
    score = score_report(report, {"Support Devices": 1}, explain=True)
    assert (score.contradictions, score.explanation.contradicted) == (1, ("Support Devices",))
    assert score.explanation.sentences[0].verdict is Verdict.CONTRADICTION


def test_contradictions_can_cost_nothing_extra_and_are_counted_all_the_same():
    text = "Cardiomegaly. No effusion."
    score = score_report(
        text, HEART_AND_EFFUSION, contradictions=ContradictionRule.NONE, explain=True
    )
    assert (score.fp, score.contradictions) == (0, 1)
    assert score.reward == pytest.approx(2 / 3)
    assert score.explanation.contradicted == ("Pleural Effusion",)
    reward = FactSReward(contradictions="none")
    assert reward([text], labels=[HEART_AND_EFFUSION]) == [score.reward]


def test_explain_gives_each_sentence_its_verdict_and_names_what_is_missed():
    text = "Cardiomegaly. No effusion. Left pneumothorax. Comparison is made."
    (score,) = FactSReward().explain([text], labels=[HEART_AND_EFFUSION])
    why = score.explanation
    assert [(s.sentence.text, s.verdict.value) for s in why.sentences] == [
        ("Cardiomegaly.", "entailed"),
        ("No effusion.", "contradiction"),
        ("Left pneumothorax.", "false_alarm"),
        ("Comparison is made.", "unscored"),
    ]
    assert why.entailed == ("Cardiomegaly",)
    assert why.missed == ("Pleural Effusion",)
    assert why.false_alarms == ("Pneumothorax",)


@given(
    st.lists(st.sampled_from(["Edema.", "No effusion.", "Cardiomegaly. PICC.", ""]), max_size=8),
    st.dictionaries(st.sampled_from(LABELS), st.sampled_from([1, 0, -1, None])),
    st.sampled_from(list(UncertainPolicy)),
)
def test_a_group_is_scored_as_its_reports_are_one_by_one(texts, labels, policy):
    reports = [label_report(text) for text in texts]
    together = score_reports(reports, labels, uncertain=policy, explain=True)
    assert together == [score_report(r, labels, uncertain=policy, explain=True) for r in reports]


def test_an_unknown_report_in_a_group_has_no_score():
    assert score_reports([None], {"Edema": 1}) == [None]
    first, second = score_reports([None, label_report("Edema.")], [{}, {"Edema": 1}])
    assert (first, second.reward) == (None, 1.0)
    with pytest.raises(ValueError, match="1 references for 2 reports"):
        score_reports([label_report(""), None], [{}])


def test_what_the_scores_of_a_generation_are_made_of_is_logged():
    seen = {}
    texts = ["the the", "Edema.", "No edema.", "Normal chest."]
    FactSReward()(texts, labels=[{"Edema": 1}] * 4, log_metric=seen.__setitem__)
    assert seen == {
        "facts/unknown": 0,
        "facts/not_english": 0,
        "facts/disguised": 0,
        "facts/unreadable": 0.25,
        "facts/no_finding": 0.5,  # what denies edema alone finds nothing either
        "facts/precision": 0.25,
        "facts/recall": 0.25,
        "facts/contradictions": 0.25,
    }


def test_verdicts_say_why():
    report = label_report("The heart is enlarged. No effusion. Pneumothorax. No edema.")
    verdicts = dict(
        zip(
            [f.finding for f in report.facts],
            fact_verdicts(report, HEART_AND_EFFUSION),
            strict=True,
        )
    )
    assert list(verdicts.values()) == [
        Verdict.ENTAILED,
        Verdict.CONTRADICTION,
        Verdict.FALSE_ALARM,
        Verdict.AGREED_ABSENT,
    ]


@pytest.mark.parametrize(
    ("text", "reference", "verdict"),
    [
        ("Cardiomegaly with edema.", {"Cardiomegaly": 1}, Verdict.FALSE_ALARM),
        ("Cardiomegaly without edema.", {"Cardiomegaly": 1, "Edema": 1}, Verdict.CONTRADICTION),
        ("Cardiomegaly without edema.", {"Cardiomegaly": 1}, Verdict.ENTAILED),
        ("Edema.", {"Edema": 1}, Verdict.ENTAILED),  # the only label, and claimed
        ("Normal chest.", NORMAL, Verdict.UNSCORED),  # No Finding is derived, not claimed
        ("Normal chest.", {"Edema": 1}, Verdict.UNSCORED),
    ],
)
def test_a_sentence_has_the_gravest_verdict_of_its_facts(text, reference, verdict):
    (sentence,) = score_report(text, reference, explain=True).explanation.sentences
    assert sentence.verdict is verdict


@pytest.mark.parametrize(
    ("policy", "reference", "verdict"),
    [
        (UncertainPolicy.POSITIVE, {"Edema": 1}, Verdict.ENTAILED),
        (UncertainPolicy.POSITIVE, {"Edema": 0}, Verdict.FALSE_ALARM),
        (UncertainPolicy.NEGATIVE, {"Edema": 1}, Verdict.UNSCORED),
        (UncertainPolicy.NEGATIVE, {"Edema": 0}, Verdict.UNSCORED),
        (UncertainPolicy.IGNORE, {"Edema": 0}, Verdict.FALSE_ALARM),
        (UncertainPolicy.IGNORE, {"Edema": -1, "Fracture": 1}, Verdict.UNSCORED),
    ],
)
def test_verdicts_follow_the_policy_for_uncertain(policy, reference, verdict):
    report = label_report("Possible edema.")
    assert fact_verdicts(report, reference, uncertain=policy) == (verdict,)
    score = score_report(report, reference, uncertain=policy, explain=True)
    assert score.explanation.sentences[0].verdict is verdict


def test_reasons_are_given_only_to_who_asks():
    assert score_report("Edema.", {"Edema": 1}).explanation is None
    assert score_reports([label_report("Edema.")], {"Edema": 1})[0].explanation is None


@pytest.mark.parametrize(
    ("text", "penalty"),
    [
        ("Left effusion. No pneumothorax.", 0.0),
        ("No pneumothorax. No pneumothorax.", -0.5),
        ("Pneumothorax. No pneumothorax.", -0.5),
        ("", 0.0),
    ],
)
def test_repetition_counts_facts_that_say_nothing_new(text, penalty):
    assert RepetitionPenalty()([text]) == [pytest.approx(penalty)]


def test_b_is_1_where_nothing_is_said():
    once = label_report("Cardiomegaly. No effusion.")
    for score in (
        *score_reports([once], HEART_AND_EFFUSION),
        score_report("Cardiomegaly. No effusion. Edema.", HEART_AND_EFFUSION),
    ):
        precision, recall = score.precision, score.recall
        assert score.reward == pytest.approx(2 * precision * recall / (precision + recall))
    missed = score_report("Cardiomegaly.", HEART_AND_EFFUSION)
    assert missed == score_report("Cardiomegaly.", HEART_AND_EFFUSION, facts_beta=1)
    assert missed == score_reports([label_report("Cardiomegaly.")], HEART_AND_EFFUSION)[0]


def test_beta_must_be_positive():
    with pytest.raises(ValueError, match="facts_beta"):
        score_reports([label_report("Edema.")], {"Edema": 1}, facts_beta=0)
    with pytest.raises(ValueError, match="facts_beta"):
        FactSReward(facts_beta=0)
    assert not math.isnan(score_report("", NORMAL).reward)
