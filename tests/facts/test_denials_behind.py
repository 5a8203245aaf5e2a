"""Denials and doubts that stand behind what they are about, and those that are about something else."""

import itertools

import pytest

from orapo.facts import label_report

FINDINGS = {
    "Pneumothorax": "Pneumothorax",
    "A pleural effusion": "Pleural Effusion",
    "Edema": "Edema",
}
DENIES = [
    *("is not", "was not", "isn't", "has not been", "hasn't been", "have not been", "had not been"),
    *("is no longer", "can no longer be", "could not be", "cannot be", "is not currently"),
    *(
        "is not clearly",
        "is not convincingly",
        "is not at all",
        "is never",
        "is nowhere",
        "will not be",
    ),
    *("does not appear to be", "does not seem to be", "is not now", "is not to be"),
]
SEEN = [
    *("seen", "identified", "noted", "detected", "visualised", "found", "appreciated", "observed"),
    *("recognised", "discerned", "delineated", "perceived", "shown", "depicted"),
]
WHERE = [
    *(
        "",
        " in the left apex",
        " seen on the prior study",
        " which was present on the earlier film",
    ),
    *(
        " following the procedure",
        " adjacent to the heart",
        " overlying the heart",
        " behind the heart",
    ),
    *(" as the cause of the pain", " within the limits of the technique", " in both lungs"),
    *(", left or right,", " and its complications", " (not seen on the prior film)"),
    *(" seen on CT (not seen on prior chest x-ray)", " with the usual features"),
]
ANOTHER = [
    *(
        "the diaphragm",
        "the left heart border",
        "the aortic knob",
        "the fissure",
        "its tip",
        "the carina",
    ),
    *("the right lung base", "the cause", "the stomach bubble", "the tip of the catheter"),
]
LINKS = [
    *(
        " and {} {}",
        ", and {} {}",
        "; {} {}",
        " so that {} {}",
        " such that {} {}",
        " with {} that {}",
    ),
    *(
        ", therefore {} {}",
        " because {} {}",
        " obscuring {}, which {}",
        ", but {} {}",
        " while {} {}",
    ),
]
THERE = {
    "There is a large pleural effusion": "Pleural Effusion",
    "Left lower lobe consolidation is present": "Consolidation",
    "A right PICC is noted": "Support Devices",
    "Pulmonary edema has increased": "Edema",
}


def wrong(texts, label, value):
    return [text for text in texts if label_report(text).labels[label] != value]


@pytest.mark.parametrize(("finding", "label"), FINDINGS.items())
def test_what_is_not_seen_is_absent_however_that_is_put(finding, label):
    texts = [
        f"{finding} {denies} {seen}{end}"
        for denies, seen, end in itertools.product(DENIES, SEEN, (".", "", " on this film."))
    ]
    assert not wrong(texts, label, 0)


@pytest.mark.parametrize(("finding", "label"), FINDINGS.items())
def test_a_denial_reaches_back_over_where_the_finding_is_looked_for(finding, label):
    said = ("is not seen", "has not been identified", "is absent", "has resolved", "is not evident")
    texts = [f"{finding}{where} {denied}." for where, denied in itertools.product(WHERE, said)]
    assert not wrong(texts, label, 0)


@pytest.mark.parametrize(("finding", "label"), THERE.items())
def test_what_is_there_stays_there_where_something_else_is_not_seen(finding, label):
    said = ("is not seen", "cannot be seen", "has not been identified", "is obscured and not seen")
    texts = [
        f"{finding}{link.format(another, denied)}."
        for link, another, denied in itertools.product(LINKS, ANOTHER, said)
    ]
    assert not wrong(texts, label, 1)


@pytest.mark.parametrize(("finding", "label"), THERE.items())
def test_what_is_there_stays_there_where_something_about_it_is_in_doubt(finding, label):
    about = (
        "the cause",
        "its etiology",
        "the exact size",
        "its extent",
        "the tip position",
        "its age",
    )
    said = (
        "is uncertain",
        "is indeterminate",
        "cannot be assessed",
        "is questionable",
        "is equivocal",
    )
    texts = [
        f"{finding}{link.format(part, doubted)}."
        for link, part, doubted in itertools.product(LINKS[:5], about, said)
    ]
    assert not wrong(texts, label, 1)


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("The age of the rib fracture is indeterminate.", "Fracture", 1),
        ("The cause of the effusion is uncertain.", "Pleural Effusion", 1),
        ("The presence of an effusion is uncertain.", "Pleural Effusion", -1),
        ("Pneumothorax cannot be confirmed.", "Pneumothorax", -1),
        ("An effusion, if present, is small.", "Pleural Effusion", -1),
        ("Pneumonia is doubtful.", "Pneumonia", -1),
        ("Pneumonia is unlikely to be present.", "Pneumonia", -1),
        ("Nothing points to pneumonia.", "Pneumonia", 0),
        ("Atelectasis is seen. Pneumothorax is not.", "Pneumothorax", 0),
        ("Left effusion is larger, the right is not.", "Pleural Effusion", 1),
        ("There is edema, and the left heart border and the right are not seen.", "Edema", 1),
        ("Edema with the fissure not seen.", "Edema", 1),
    ],
)
def test_other_ways_to_deny_and_to_doubt(text, label, value):
    assert label_report(text).labels[label] == value


@pytest.mark.parametrize(
    "text",
    [
        "We have not seen edema.",
        "The radiograph has not shown edema.",
        "There is an effusion and we have not seen edema.",
    ],
)
def test_what_somebody_has_not_seen_stands_behind(text):
    assert label_report(text).labels["Edema"] == 0


@pytest.mark.parametrize(
    "text",
    [
        "An opacity which was not seen on the outside film.",
        "The opacity was not present on the initial film.",
        "An opacity that has not been seen before.",
        "Opacity, not previously seen.",
        "The opacity is not fully seen.",
        "The opacity is not as obvious.",
        "The opacity has no appreciable growth.",
        "The opacity has not changed.",
        "The opacity hasn't resolved.",
    ],
)
def test_what_was_unseen_elsewhere_or_is_seen_less_is_there(text):
    assert label_report(text).labels["Lung Opacity"] == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # one verb, one subject: the clause before it has said its own
        (
            "There is a small pleural effusion and pneumothorax is not seen.",
            {"Pleural Effusion": 1, "Pneumothorax": 0},
        ),
        (
            "There is a pleural effusion, and pneumothorax is possible.",
            {"Pleural Effusion": 1, "Pneumothorax": -1},
        ),
        (
            "No pleural effusion, and pneumothorax has developed.",
            {"Pleural Effusion": 0, "Pneumothorax": 1},
        ),
        (
            "No pleural effusion, pneumothorax is possible.",
            {"Pleural Effusion": 0, "Pneumothorax": -1},
        ),
        # and many of one verb
        (
            "Pleural effusion and pneumothorax are absent.",
            {"Pleural Effusion": 0, "Pneumothorax": 0},
        ),
        ("Edema, effusion, pneumothorax have not been seen.", {"Edema": 0, "Pleural Effusion": 0}),
        ("No pleural effusion/pneumothorax is seen.", {"Pleural Effusion": 0, "Pneumothorax": 0}),
        ("No pleural effusion, edema or fracture is suspected.", {"Edema": 0, "Fracture": 0}),
    ],
)
def test_a_predicate_belongs_to_its_own_subjects(text, expected):
    labels = label_report(text).labels
    assert {label: labels[label] for label in expected} == expected


HEARTS = ["The heart", "Heart size", "The cardiac silhouette", "The size of the heart"]
VERBS = ["is", "appears", "remains", "is again", "continues to be", "has remained"]


@pytest.mark.parametrize(
    ("states", "value"),
    [
        (("within normal limits", "not enlarged", "not increased in size", "normal for age"), 0),
        (("above the upper limit of normal", "outside normal limits", "increased in size"), 1),
        (("borderline", "borderline in size"), -1),
    ],
)
def test_the_size_of_the_heart_is_read_with_any_verb(states, value):
    texts = [f"{heart} {verb} {state}." for heart in HEARTS for verb in VERBS for state in states]
    assert not wrong(texts, "Cardiomegaly", value)
