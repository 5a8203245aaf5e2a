"""Every finding in every common frame of a sentence, and every layout of such sentences.

The frames are made of what radiologists write; what holds of one finding holds of all.
"""

import json
import random

import pytest

from orapo.facts import label_report
from short_labels import AT, CM, CO, ED, EF, FX, LL, LO, PN, PT

FINDINGS = [
    "pleural effusion",
    "left pleural effusion",
    "small bilateral pleural effusions",
    "pneumothorax",
    "right apical pneumothorax",
    "pneumonia",
    "consolidation",
    "left lower lobe consolidation",
    "pulmonary edema",
    "interstitial edema",
    "atelectasis",
    "bibasilar atelectasis",
    "cardiomegaly",
    "rib fracture",
    "acute displaced rib fracture",
    "lung nodule",
    "right upper lobe mass",
    "pleural thickening",
    "airspace opacity",
    "endotracheal tube",
    "enlarged cardiomediastinal silhouette",
    "central venous catheter",
    "infiltrate",
    "cavitary lesion",
    "hydropneumothorax",
    "lobar collapse",
    "compression fracture",
]
DENIED = [
    "No {p}.",
    "There is no {p}.",
    "There is no evidence of {p}.",
    "No evidence for {p} is seen.",
    "{P} is not seen.",
    "No {p} is identified.",
    "Without {p}.",
    "The film shows no {p}.",
    "I do not see any {p}.",
    "We see no sign of {p}.",
    "There are no findings to suggest {p}.",
    "{P} has resolved.",
    "Interval resolution of {p}.",
    "{P} is no longer seen.",
    "{P} is absent.",
    "Negative for {p}.",
    "{P} has been excluded.",
    "{P} can be ruled out.",
    "There is neither {p} nor free air.",
    "Previously seen {p} has completely resolved.",
    "The chest is free of {p}.",
    "No radiographic evidence of {p} at this time.",
    "The patient has no {p} today.",
    "{P} cannot be identified on this film.",
    "No new or residual {p}.",
    "There is no convincing {p}.",
    "Absence of {p}.",
    "No acute {p}.",
    "No definite {p}.",
    "{P}: none.",
    "{P} - no.",
    "{P}? No.",
    "Clear lungs, no {p}.",
    "Lungs clear with no {p} or free air.",
    "Heart normal. No {p}.",
    "No free air or {p}.",
    "No free air, {p}, or other acute abnormality.",
    "Free of {p}, free air and other acute disease.",
    "{P} not demonstrated.",
    "{P} is not appreciated on the current exam.",
    "No signs of {p} are present.",
    "Nothing to suggest {p}.",
    "The previously described {p} is gone.",
    "No {p}, as before.",
    "Again, no {p}.",
    "No obvious {p} on this portable film.",
    "There is no gross {p}.",
    "It does not show {p}.",
    "The exam is negative for {p}.",
    "Has no {p}.",
]
STATED = [
    "{P}.",
    "There is {p}.",
    "There is a {p}.",
    "{P} is seen.",
    "{P} is present.",
    "The film shows {p}.",
    "Evidence of {p}.",
    "Findings consistent with {p}.",
    "{P} is again seen.",
    "{P} is unchanged.",
    "Stable {p}.",
    "New {p}.",
    "{P} has increased.",
    "{P} has developed.",
    "Interval development of {p}.",
    "Persistent {p}.",
    "{P} persists.",
    "{P} remains.",
    "{P}, as before.",
    "Known {p} is again noted.",
    "Worsening {p}.",
    "{P} has slightly improved.",
    "Decreasing {p}.",
    "There has been no change in {p}.",
    "No change in the {p}.",
    "{P} is not significantly changed.",
    "{P} without change.",
    "No interval change in {p}.",
    "Redemonstration of {p}.",
    "Re-demonstrated {p}.",
    "{P} is noted.",
    "Demonstrates {p}.",
    "Residual {p}.",
    "{P}: yes.",
    "{P}? Yes.",
    "Mild {p}.",
    "Cannot overlook the {p}.",
    "Also, {p} is seen.",
    "In addition there is {p}.",
    "{P} is larger than before.",
    "There is no longer a doubt about the {p}.",
    "Not only {p} but also free air is seen.",
    "{P} is not new.",
    "Moderate {p}, not seen previously.",
    "{P} which was not present before.",
    "{P} is still visible.",
    "{P} is not as large as before.",
    "{P} has not resolved.",
    "{P} has not changed.",
    "{P} did not improve.",
]
DOUBTED = [
    "Possible {p}.",
    "Probable {p}.",
    "Cannot exclude {p}.",
    "{P} cannot be excluded.",
    "{P} is not excluded.",
    "Question of {p}.",
    "Questionable {p}.",
    "May represent {p}.",
    "Suspicious for {p}.",
    "Concerning for {p}.",
    "Could reflect {p}.",
    "{P} is suspected.",
    "{P} is possible.",
    "There may be {p}.",
    "Suggestion of {p}.",
    "Equivocal {p}.",
    "{P} versus overlapping structures.",
    "Differential includes {p}.",
    "Difficult to exclude {p}.",
    "{P} would be difficult to exclude.",
    "Findings may be due to {p}.",
    "{P} is questioned.",
    "Uncertain {p}.",
    "Perhaps {p}.",
    "Maybe {p}.",
    "Potential {p}.",
]
ONE_EACH = {
    EF: "left pleural effusion",
    PT: "right apical pneumothorax",
    PN: "pneumonia",
    CO: "left lower lobe consolidation",
    ED: "interstitial edema",
    AT: "bibasilar atelectasis",
    CM: "cardiomegaly",
    FX: "rib fracture",
    LL: "right upper lobe mass",
    "Pleural Other": "pleural thickening",
    LO: "airspace opacity",
}
LAYOUTS = {
    "a paragraph": " ".join,
    "lines": "\n".join,
    "paragraphs": "\n\n".join,
    "bullets": lambda s: "\n".join(f"- {one}" for one in s),
    "numbers": lambda s: "\n".join(f"{number}. {one}" for number, one in enumerate(s, 1)),
    "numbers in a line": lambda s: " ".join(f"{number}. {one}" for number, one in enumerate(s, 1)),
    "capitals": lambda s: " ".join(s).upper(),
    "sections": lambda s: f"FINDINGS: {' '.join(s[:3])}\n\nIMPRESSION: {' '.join(s[3:])}",
    "sections in a line": lambda s: f"FINDINGS: {' '.join(s[:3])} IMPRESSION: {' '.join(s[3:])}",
    "behind a head": lambda s: (
        f"INDICATION: Chest pain.\nTECHNIQUE: PA and lateral.\nCOMPARISON: None.\n{' '.join(s)}"
    ),
    "html": lambda s: "".join(f"<p>{one}</p>" for one in s),
    "breaks": "<br/>".join,
    "json": lambda s: json.dumps({"findings": " ".join(s[:3]), "impression": " ".join(s[3:])}),
    "json lists": lambda s: json.dumps({"findings": s[:3], "impression": s[3:]}),
    "markdown": lambda s: "**Findings:**\n" + "\n".join(f"* {one}" for one in s),
    "tabs": "\t".join,
    "glued": "".join,
}
NOT_IN_A_LIST = ("{P}? No.", "{P}? Yes.", "{P} versus overlapping structures.")


def written(frame, finding):
    return frame.format(p=finding, P=finding[0].upper() + finding[1:])


@pytest.mark.parametrize(
    ("said", "frames"),
    [(0, DENIED), (1, STATED), (-1, DOUBTED)],
    ids=["denied", "stated", "doubted"],
)
@pytest.mark.parametrize("finding", FINDINGS)
def test_a_frame_says_the_same_of_every_finding(finding, said, frames):
    stated = label_report(f"There is {finding}.").labels
    of = [label for label, value in stated.items() if value == 1 and label != "No Finding"]
    assert of
    read = {frame: label_report(written(frame, finding)).labels for frame in frames}
    assert [frame for frame in frames if any(read[frame][label] != said for label in of)] == []


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_sentences_say_the_same_in_every_layout(layout):
    rng = random.Random(5)
    frames = [
        (said, frame)
        for said, each in ((0, DENIED), (1, STATED), (-1, DOUBTED))
        for frame in each
        if frame not in NOT_IN_A_LIST and "free air" not in frame and "Heart" not in frame
    ]
    for _ in range(60):
        labels = rng.sample(list(ONE_EACH), 6)
        drawn = [rng.choice(frames) for _ in labels]
        sentences = [
            written(frame, ONE_EACH[label]) for label, (_, frame) in zip(labels, drawn, strict=True)
        ]
        read = label_report(LAYOUTS[layout](sentences)).labels
        wanted = {label: said for label, (said, _) in zip(labels, drawn, strict=True)}
        assert {label: read[label] for label in wanted} == wanted, sentences
