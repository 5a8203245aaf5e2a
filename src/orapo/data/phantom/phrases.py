"""The phantom's radiology English: how each finding, denial and normal statement is worded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np

from orapo.data.phantom.findings import DrawnFinding
from orapo.labels import NEGATIVE, POSITIVE, UNCERTAIN, LabelValue

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence and what it states.

    Attributes:
        text: The sentence with its full stop.
        labels: The labels that it gives, with their values.
        optional: It may be left out of a report that grows too long.
        abnormal: It names an abnormality outside the 14 labels, which rules out No Finding.
    """

    text: str
    labels: Mapping[str, LabelValue] = field(default_factory=dict)
    optional: bool = True
    abnormal: bool = False


def choose(rng: np.random.Generator, options: Sequence[_T]) -> _T:
    """Return one of ``options``."""
    return options[int(rng.integers(len(options)))]


def sentence(text: str) -> str:
    """Return ``text`` with single spaces, a capital letter and a full stop."""
    text = " ".join(text.split())
    return f"{text[0].upper()}{text[1:]}."


# Frames for one finding, by the grammar of its name: countable, uncountable, plural.
_CERTAIN: Final = {
    "one": (
        "there is {a} {it}",
        "{a} {it} is seen",
        "{a} {it} is present",
        "{a} {it} is noted",
        "{it}",
    ),
    "mass": ("there is {it}", "{it} is seen", "{it} is present", "{it} is noted", "{it}"),
    "many": ("there are {it}", "{it} are seen", "{it} are present", "{it} are noted", "{it}"),
}
_UNCERTAIN: Final = {
    "one": (
        "possible {it}",
        "there is a possible {it}",
        "there may be {a} {it}",
        "{a} {it} cannot be excluded",
        "questionable {it}",
        "findings may represent {a} {it}",
    ),
    "mass": (
        "possible {it}",
        "there is possible {it}",
        "there may be {it}",
        "{it} cannot be excluded",
        "questionable {it}",
        "findings may represent {it}",
    ),
    "many": (
        "possible {it}",
        "there may be {it}",
        "{it} cannot be excluded",
        "findings may represent {it}",
    ),
}

# {s} severity, {d} side, {z} zone or lobe or rib.
_NAMES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "Cardiomegaly": ("mass", ("{s} cardiomegaly", "{s} enlargement of the heart")),
    "Pleural Effusion": ("one", ("{s} {d} pleural effusion", "{s} pleural effusion on the {d}")),
    "Lung Opacity": (
        "one",
        (
            "{s} hazy opacity in the {d} {z}",
            "{s} patchy opacity in the {d} {z}",
            "{s} ill defined opacity in the {d} {z}",
            "{s} hazy airspace opacity in the {d} {z}",
        ),
    ),
    "Consolidation": (
        "mass",
        (
            "dense consolidation in the {d} {z}",
            "consolidation of the {d} {z}",
            "{d} {z} consolidation",
            "focal consolidation in the {d} {z}",
        ),
    ),
    "Atelectasis": (
        "mass",
        (
            "{s} atelectasis at the {d} base",
            "{s} linear atelectasis at the {d} base",
            "{s} platelike atelectasis at the {d} base",
            "{s} {d} basilar atelectasis",
        ),
    ),
    "Edema": (
        "mass",
        ("{s} pulmonary edema", "{s} perihilar edema", "{s} bilateral perihilar edema"),
    ),
    "Pneumothorax": ("one", ("{s} {d} apical pneumothorax", "{s} pneumothorax at the {d} apex")),
    "Fracture": (
        "one",
        (
            "displaced fracture of the {d} {z}",
            "displaced {d} {z} fracture",
            "fracture of the {d} {z} with a step",
        ),
    ),
}
_BOTH_EFFUSIONS: Final = ("{s} bilateral pleural effusions", "{s} effusions on both sides")
_BOTH_BASES: Final = (
    "{s} bibasilar atelectasis",
    "{s} linear atelectasis at both bases",
    "{s} atelectasis at the bases",
)
_LESIONS: Final = {
    "small": ("small nodule in the {d} {z}", "round nodule in the {d} {z}", "{d} {z} nodule"),
    "large": ("large mass in the {d} {z}", "round mass in the {d} {z}", "{d} {z} mass"),
}
_HEART_ENLARGED: Final = (
    "the heart is {s}ly enlarged",
    "the cardiac silhouette is {s}ly enlarged",
    "heart size is {s}ly enlarged",
)
_HEART_MAYBE: Final = ("the heart may be {s}ly enlarged", "heart size is borderline")
_DEVICES: Final[Mapping[str, tuple[str, ...]]] = {
    "pacemaker": (
        "a {d} pacemaker is present with leads in the right atrium and right ventricle",
        "there is a {d} chest pacemaker with intact leads",
        "{d} pacemaker with leads in place",
    ),
    "picc": (
        "a {d} PICC ends in the superior vena cava",
        "{d} PICC with tip in the superior vena cava",
        "the {d} PICC tip is in the superior vena cava",
    ),
    "central line": (
        "a {d} jugular central line ends in the superior vena cava",
        "{d} central venous catheter with tip in the superior vena cava",
        "a {d} jugular catheter is in place",
    ),
    "endotracheal tube": (
        "an endotracheal tube ends above the carina",
        "the endotracheal tube tip is above the carina",
        "endotracheal tube in place",
    ),
}


def noun_phrase(rng: np.random.Generator, finding: DrawnFinding) -> tuple[str, str]:
    """Return a name of a finding with severity, side and place, and its grammar."""
    names: tuple[str, ...]
    if finding.label == "Lung Lesion":
        grammar, names = "one", _LESIONS[finding.severity or "small"]
    else:
        grammar, names = _NAMES[finding.label]
    if finding.side == "bilateral" and finding.label == "Pleural Effusion":
        grammar, names = "many", _BOTH_EFFUSIONS
    elif finding.side == "bilateral" and finding.label == "Atelectasis":
        names = _BOTH_BASES
    name = choose(rng, names).format(s=finding.severity, d=finding.side, z=finding.place)
    return name, grammar


def finding_statement(rng: np.random.Generator, finding: DrawnFinding) -> Statement:
    """Return a sentence that reports a finding as certain or uncertain."""
    labels = {finding.label: UNCERTAIN if finding.uncertain else POSITIVE}
    if finding.label == "Support Devices":
        text = choose(rng, _DEVICES[finding.place or "picc"]).format(d=finding.side)
    elif finding.label == "Cardiomegaly" and rng.random() < 0.5:
        frames = _HEART_MAYBE if finding.uncertain else _HEART_ENLARGED
        text = choose(rng, frames).format(s=finding.severity)
    else:
        name, grammar = noun_phrase(rng, finding)
        frame = choose(rng, (_UNCERTAIN if finding.uncertain else _CERTAIN)[grammar])
        text = frame.format(it=name, a="an" if name[0] in "aeiou" else "a")
    return Statement(sentence(text), labels, optional=False)


def present(rng: np.random.Generator, name: str) -> str:
    """Return a sentence that affirms a countable thing."""
    article = "an" if name[0] in "aeiou" else "a"
    return sentence(choose(rng, _CERTAIN["one"]).format(it=name, a=article))


def denials(rng: np.random.Generator, names: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return sentences and which of ``names`` each denies, up to three, in the order given."""
    texts = []
    rest = list(names)
    while rest:
        count = min(len(rest), int(rng.choice((1, 2, 3), p=(0.25, 0.45, 0.3))))
        group, rest = rest[:count], rest[count:]
        *most, last = group
        them = f"{', '.join(most)} or {last}" if most else last
        texts.append((sentence(choose(rng, DENIALS).format(them=them)), group))
    return texts


def _stating(labels: Mapping[str, LabelValue], *texts: str) -> tuple[Statement, ...]:
    return tuple(Statement(text, labels) for text in texts)


NORMAL_HEART: Final = (
    *_stating(
        {"Cardiomegaly": NEGATIVE},
        "Heart size is normal.",
        "The heart is normal in size.",
        "Normal heart size.",
        "The heart size is within normal limits.",
        "The cardiac silhouette is normal in size.",
        "The heart is not enlarged.",
        "No cardiomegaly.",
    ),
    *_stating(
        {"Enlarged Cardiomediastinum": NEGATIVE},
        "The cardiomediastinal silhouette is normal.",
        "Cardiomediastinal silhouette is within normal limits.",
    ),
    *_stating(
        {"Cardiomegaly": NEGATIVE, "Enlarged Cardiomediastinum": NEGATIVE},
        "The heart and mediastinum are normal.",
    ),
)
NORMAL_MEDIASTINUM: Final = _stating(
    {"Enlarged Cardiomediastinum": NEGATIVE},
    "Mediastinal contours are normal.",
    "The mediastinum is normal.",
    "The mediastinum is not widened.",
)
CLEAR_LUNGS: Final = _stating(
    {},
    "The lungs are clear.",
    "Lungs are clear.",
    "Both lungs are clear.",
    "The lungs are well expanded and clear.",
    "Lungs are clear bilaterally.",
)
NORMAL_BONES: Final = (
    *_stating({}, "The bones are intact.", "Osseous structures are intact.", "Bones are normal."),
    *_stating({"Fracture": NEGATIVE}, "No rib fracture is seen.", "No displaced fracture."),
)
NORMAL_VESSELS: Final = _stating(
    {}, "Pulmonary vascularity is normal.", "The pulmonary vessels are normal."
)
NORMAL_DIAPHRAGM: Final = _stating({}, "The diaphragm is normal.", "The diaphragm is well defined.")
NORMAL_HILA: Final = _stating({}, "The hila are normal.", "Normal hilar contours.")


def clear_lung(rng: np.random.Generator, side: str) -> Statement:
    """Return a sentence that calls one lung clear; it denies no label."""
    return Statement(choose(rng, (f"The {side} lung is clear.", f"Clear {side} lung.")))


DENIED: Final[Mapping[str, tuple[float, tuple[str, ...]]]] = {
    "Pleural Effusion": (0.7, ("pleural effusion", "effusion")),
    "Pneumothorax": (0.7, ("pneumothorax",)),
    "Consolidation": (0.45, ("focal consolidation", "consolidation")),
    "Edema": (0.22, ("pulmonary edema", "edema")),
    "Pneumonia": (0.12, ("pneumonia",)),
    "Lung Opacity": (0.12, ("focal opacity", "airspace opacity")),
    "Lung Lesion": (0.12, ("pulmonary nodule", "nodule", "lung mass")),
    "Atelectasis": (0.04, ("atelectasis",)),
}
"""How often a label is denied where it can be, and the words."""

DENIED_ONLY_WITHOUT: Final[Mapping[str, frozenset[str]]] = {
    "Pneumonia": frozenset({"Lung Opacity", "Consolidation", "Atelectasis"}),
    "Lung Opacity": frozenset(
        {"Consolidation", "Atelectasis", "Edema", "Lung Lesion", "Pleural Effusion"}
    ),
}
"""Labels that can't be sensibly denied beside certain others."""

DENIALS: Final = (
    "no {them}",
    "there is no {them}",
    "no evidence of {them}",
    "no {them} is seen",
    "no {them} is identified",
)

STYLE_OPENING: Final = (
    _stating(
        {},
        "Single frontal view of the chest.",
        "Frontal view of the chest.",
        "Portable frontal film.",
        "Upright film of the chest.",
    ),
    _stating({}, "No prior study is available.", "No prior film for comparison."),
)
STYLE_CLOSING: Final = (
    _stating(
        {},
        "The patient is slightly rotated.",
        "Low lung volumes.",
        "The film is slightly dark.",
        "Good inspiration.",
    ),
    (
        *_stating(
            {},
            "The aorta is tortuous.",
            "Soft tissues are unremarkable.",
            "The upper abdomen is unremarkable.",
            "Surgical clips in the upper abdomen.",
        ),
        Statement("Mild degenerative changes of the spine.", abnormal=True),
    ),
)
"""Sentences that bear on no label, one kind a group: technique, comparison, quality, incidental."""

NORMAL_IMPRESSION: Final = (
    "No acute cardiopulmonary abnormality.",
    "No acute cardiopulmonary disease.",
    "Normal chest.",
)
"""Only the first two where something outside the 14 labels is abnormal."""
