"""Pages, BBCode, CDA and dumps in which not the words but their frame says what is there; glued lists."""

import time

import pytest

from orapo.facts import label_report
from short_labels import AT, CM, ED, EF, FX, LO, NF, PT

FRAMES = [
    ("<ul><li class='{0}'>Edema</li><li class='{1}'>Fracture</li></ul>", "negative", "positive"),
    ('<ul class="{0}"><li>Edema</li></ul><ul class="{1}"><li>Fracture</li></ul>', "absent", "present"),
    ('<p class="{0}">Edema</p><p class="{1}">Fracture</p>', "finding-absent", "finding-present"),
    ('<span class="{0}">Edema</span>, <span class="{1}">Fracture</span>', "neg", "pos"),
    ('<div data-status="{0}">Edema</div><div data-status="{1}">Fracture</div>', "absent", "present"),
    ("<table><tr class='{0}'><td>Edema</td></tr><tr class='{1}'><td>Fracture</td></tr></table>", "negative", "positive"),
    ("<table><tr><td class='{0}'>Edema</td></tr><tr><td class='{1}'>Fracture</td></tr></table>", "negative", "positive"),
    ('<observation negationInd="{0}"><code code="ASSERTION"/><statusCode code="completed"/><value displayName="Edema"/></observation>\n'
     '<observation negationInd="{1}"><code code="ASSERTION"/><value displayName="Fracture"/></observation>', "true", "false"),
    ('<observation negationInd="{0}">\n  <code displayName="Finding"/>\n  <value displayName="Edema">Edema</value>\n</observation>'
     '<observation negationInd="{1}"><value>Fracture</value></observation>', "true", "false"),
    ("<label>Edema</label><select><option>Yes</option>{0}</select><label>Fracture:</label><select>{1}</select>",
     "<option selected>No</option>", '<option selected="selected">Yes</option><option>No</option>'),
    ("[b]Edema[/b]: {0} [b]Fracture[/b]: {1}", "no", "yes"),
    ("[list][*]Edema: {0}[*][b]Fracture[/b]: {1}[/list]", "no", "yes"),
    ("[table][tr][td]Edema[/td][td]{0}[/td][/tr][tr][td]Fracture[/td][td]{1}[/td][/tr][/table]", "no", "yes"),
    ("E1: Finding = Edema\nE1: Presence = {0}\nE2: Finding = Fracture\nE2: Presence = {1}", "No", "Yes"),
    ("CODE: Finding := Edema\nCODE: Presence := {0}\nCODE: Finding := Fracture\nCODE: Presence := {1}", "No", "Yes"),
    ("CODE: Finding = Edema / CODE: Presence = {0}\nCODE: Finding = Fracture / CODE: Presence = {1}", "No", "Yes"),
    ('CODE: (121071, DCM, "Finding") = Edema\nCODE: (111, DCM, "Presence") = {0}\n'
     'CODE: (121071, DCM, "Finding") = Fracture\nCODE: (111, DCM, "Presence") = {1}', "No", "Yes"),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "no", "yes"), FRAMES)
def test_the_frame_answers(frame, no, yes):
    labels = label_report(frame.format(no, yes)).labels
    assert (labels[ED], labels[FX]) == (0, 1)


UNANSWERED = [
    "<p>Edema <select><option>Yes</option><option>No</option></select></p>",
    "<label>Edema</label><select></select>",
]


@pytest.mark.parametrize("text", UNANSWERED)
def test_a_list_from_which_nothing_is_chosen_says_nothing(text):
    assert label_report(text).labels[ED] is None


WORDS_BESIDE_A_MARK = [
    ("Edema: <span class='negative'>absent</span>", {ED: 0}),
    ("There is no <span class='negative'>effusion</span>.", {EF: 0}),
    ("<p class='positive'>No fracture</p>", {FX: 0}),
    ("<tr class='negative'><td>Edema</td><td>No</td></tr>", {ED: 0}),
    ("<div class='report present'><p>Edema.</p><p>No fracture.</p></div>", {ED: 1, FX: 0}),
]


@pytest.mark.parametrize(("text", "labels"), WORDS_BESIDE_A_MARK)
def test_words_that_answer_themselves_outweigh_their_frame(text, labels):
    assert {label: label_report(text).labels[label] for label in labels} == labels


GLUED = [
    ("*Atelectasis left base*No pneumothorax", {AT: 1, PT: 0}),
    ("*No effusion*Patchy right opacity*No pneumothorax", {EF: 0, LO: 1, PT: 0}),
    ("The heart is *Enlarged*.", {CM: 1}),
    ("-No effusion-Patchy right opacity", {EF: 0, LO: 1}),
    ("-No pneumothorax-X-Ray shows post-Op changes-Small effusion", {PT: 0, EF: 1}),
    ("The right pleural space is free of fluid, the left is not.", {EF: 1, NF: None}),
    ("The right pleural space is free of fluid; the left is not.", {EF: 1, NF: None}),
    ("The right lung is free of edema, the left is not.", {ED: 1}),
    ("No effusion on the right, the left is not imaged.", {EF: 0}),
]


@pytest.mark.parametrize(("text", "labels"), GLUED)
def test_entries_and_clauses_without_their_space_or_word_are_parted(text, labels):
    assert {label: label_report(text).labels[label] for label in labels} == labels


@pytest.mark.parametrize(
    "piece", [" fracture  of the left rib ", "<select> ", "[b] ", "-No effusion", "E1: Finding = ", "WHERE "]
)  # fmt: skip
def test_texts_that_nearly_fit_are_read_in_linear_time(piece):
    def seconds(count: int) -> float:
        begin = time.process_time()
        label_report(piece * count + "#")
        return time.process_time() - begin

    seconds(10)
    assert seconds(2000) < 8 * seconds(500) + 0.2
