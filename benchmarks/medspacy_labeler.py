"""The 14 CheXpert labels by medspaCy: a second labeler beside FactS, made without its rules.

    python -m venv other && other/bin/pip install medspacy      # its pins would hold back ours
    orapo ablate ... --labeler "other/bin/python benchmarks/medspacy_labeler.py"
    other/bin/python benchmarks/medspacy_labeler.py REPORTS.jsonl LABELS.csv

REPORTS has the columns ``study_id`` and ``report`` (JSONL or CSV). Mentions are those of the CheXpert labeler's
lists (Irvin et al. 2019), written from memory and not from orapo's lexicon; whether one is
denied or doubted is ConText's word (Harkema et al. 2009), as medspaCy brings it, with the few rules below for how
hearts and contours are called normal. Positive beats uncertain beats negative; No Finding is 1 where nothing but
Support Devices is positive or uncertain. It was not tuned on the phantom's reports.
"""

import csv
import json
import sys
from pathlib import Path

try:
    import medspacy
    from medspacy.context import ConTextRule
    from medspacy.target_matcher import TargetRule
except ModuleNotFoundError:
    sys.exit("medspacy_labeler.py: medspaCy is not installed here: pip install medspacy")

MENTIONS = {
    "Enlarged Cardiomediastinum": r"cardiomediastinal (silhouettes?|contours?)|cardiomediastinum|"
    r"mediastinal (contours?|silhouettes?|configuration|widening)|mediastinum|pericardial silhouette",
    "Cardiomegaly": r"cardiomegaly|cardiac (enlargement|size|shadow|contours?|silhouettes?)|"
    r"heart size|enlarged heart|the heart|heart",
    "Lung Lesion": r"mass(es)?|nodules?|nodular (density|densities|opacity|opacities|opacification)|lump|"
    r"cavitary lesions?|lesions?|carcinoma|neoplasm|tumou?r",
    "Lung Opacity": r"\w*opacit(y|ies)|opacification|infiltrates?|infiltration|air[- ]?space disease|"
    r"increased density|decreased translucency|interstitial (markings?|pattern|disease|lung disease)|"
    r"reticular (markings?|pattern|opacities)|reticulation|parenchymal scarring|scar(ring)?|"
    r"peribronchial thickening",
    "Edema": r"(o)?edema|(congestive )?heart failure|chf|(pulmonary )?vascular (congestion|prominence)|"
    r"pulmonary congestion|indistinctness",
    "Consolidation": r"consolidations?|consolidative",
    "Pneumonia": r"pneumonia|infection|infectious process",
    "Atelectasis": r"atelecta\w+|collapse",
    "Pneumothorax": r"pneumothora(x|ces)|hydropneumothorax",
    "Pleural Effusion": r"(pleural )?effusions?|pleural fluid|hydropneumothorax|hemothorax",
    "Pleural Other": r"pleural (thickening|scar(ring)?|plaques?)|fibrothorax|"
    r"pleuro-?parenchymal scar(ring)?",
    "Fracture": r"fractures?",
    "Support Devices": r"pacemakers?|pacer|picc|(central |jugular |subclavian |venous )*(lines?|catheters?)|"
    r"(endotracheal|nasogastric|enteric|chest|feeding|tracheostomy|orogastric) tubes?|tubes?|leads?|"
    r"(chest )?ports?|mediport|port-?a-?cath|drains?|hardware|arthroplasty|valve|defibrillator|icd|"
    r"device|stimulator|screws?|plates?|coil|cannula",
}
SIZE = {"Cardiomegaly", "Enlarged Cardiomediastinum"}
NORMAL = (
    *("normal", "within normal limits", "unremarkable", "not enlarged", "upper limits of normal"),
    *("top normal", "not widened", "midline", "normal limits"),
)
GONE = ("resolved", "removed", "cleared", "has resolved", "has been removed", "no longer")
DOUBTED = ("may represent", "may be", "possibly", "probable", "questionable", "cannot exclude",
           "cannot be excluded", "versus", "could represent", "concerning for", "borderline")  # fmt: skip


def pipeline():
    nlp = medspacy.load()
    matcher = nlp.get_pipe("medspacy_target_matcher")
    matcher.add(
        [TargetRule(label, label, pattern=rf"\b({words})\b") for label, words in MENTIONS.items()]
    )
    context = nlp.get_pipe("medspacy_context")
    rules = [
        ConTextRule(word, "NEGATED_EXISTENCE", direction="BIDIRECTIONAL", allowed_types=SIZE)
        for word in NORMAL
    ]
    rules += [ConTextRule(word, "NEGATED_EXISTENCE", direction="BACKWARD") for word in GONE]
    rules += [
        ConTextRule(word, "POSSIBLE_EXISTENCE", direction="BIDIRECTIONAL") for word in DOUBTED
    ]
    rules += [
        ConTextRule(word, "POSSIBLE_EXISTENCE", direction="BIDIRECTIONAL", allowed_types=SIZE)
        for word in ("stable", "unchanged")
    ]
    context.add(rules)
    return nlp


def labels_of(doc):
    found = {}
    for mention in doc.ents:
        if mention._.is_historical or mention._.is_hypothetical or mention._.is_family:
            continue
        value = 0 if mention._.is_negated else -1 if mention._.is_uncertain else 1
        found.setdefault(mention.label_, set()).add(value)
    labels = {
        name: next(value for value in (1, -1, 0) if value in values)
        for name, values in found.items()
    }
    if not any(value for name, value in labels.items() if name != "Support Devices"):
        labels["No Finding"] = 1
    return labels


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            yield from csv.DictReader(file)
        else:
            yield from map(json.loads, file)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.splitlines()[0] + "\nusage: medspacy_labeler.py REPORTS LABELS.csv")
    source, out = map(Path, sys.argv[1:])
    reports = {str(row["study_id"]): row["report"] or "" for row in rows_of(source)}
    texts = sorted(set(reports.values()))
    from loguru import logger

    logger.remove()  # PyRuSH writes a line a sentence at level DEBUG
    nlp = pipeline()
    read = {text: labels_of(doc) for text, doc in zip(texts, nlp.pipe(texts), strict=True)}
    names = ["No Finding", *MENTIONS]
    part = out.with_name(f".{out.name}.part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["study_id", *names])
        for study_id, text in reports.items():
            writer.writerow([study_id, *(read[text].get(name, "") for name in names)])
    part.replace(out)


if __name__ == "__main__":
    main()
