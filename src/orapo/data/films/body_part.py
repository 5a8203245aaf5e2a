"""Which films are of another part of the body than the chest, by what a header or a table says."""

from __future__ import annotations

import re
from typing import Final, Literal

BodyPart = Literal["chest", "any"]
"""Whose films are taken."""

_OTHERS: Final = frozenset(
    (
        *(
            "HEAD",
            "SKULL",
            "BRAIN",
            "FACE",
            "JAW",
            "MANDIBLE",
            "SINUS",
            "SINUSES",
            "NECK",
            "BREAST",
        ),
        *("PELVIS", "HIP", "HIPS", "LEG", "FEMUR", "TIBIA", "FIBULA", "TIBIAFIBULA", "TIBFIB"),
        *("KNEE", "KNEES", "PATELLA", "ANKLE", "FOOT", "FEET", "TOE", "TOES", "CALCANEUS", "HEEL"),
        *("ARM", "HUMERUS", "ELBOW", "FOREARM", "WRIST", "HAND", "HANDS", "FINGER", "FINGERS"),
        *("THUMB", "EXTREMITY", "UPPEREXTREMITY", "LOWEREXTREMITY", "SHOULDER", "CLAVICLE"),
        *("SCAPULA", "SPINE", "CSPINE", "TSPINE", "LSPINE", "SSPINE", "CERVICALSPINE", "SACRUM"),
        *("THORACICSPINE", "LUMBARSPINE", "COCCYX", "ABDOMEN", "ABDOMENPELVIS", "KUB", "WHOLEBODY"),
    )
)
_SIDES: Final = frozenset(("LEFT", "RIGHT", "L", "R", "LT", "RT", "BILATERAL", "BOTH"))


def other_part(named: str) -> str:
    """Return the other part of the body that a text names; empty if it may be the chest.

    Only parts of a fixed list are returned, never what else may stand there: a header's free text
    may say anything. A text that is not known names no other part.

    Args:
        named: DICOM's BodyPartExamined, or what a table says; sides ("RIGHT KNEE") don't matter.
    """
    words = re.findall(r"[A-Z]+", named.upper())
    # "L SPINE" is the lumbar one, and no spine on the left
    for plain in ("".join(words), "".join(word for word in words if word not in _SIDES)):
        if plain in _OTHERS:
            return plain
    return ""
