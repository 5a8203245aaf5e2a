"""The names of figures for people: the field's terms. JSON and CSV keep their keys."""

from __future__ import annotations

import re
from typing import Final

_TITLES: Final = {
    "macro_f1": "Macro F1",
    "macro_precision": "Macro precision",
    "macro_recall": "Macro recall",
    "micro_f1": "Micro F1",
    "r2gen_macro": "R2Gen macro F1",
    "r2gen_macro_f1": "R2Gen macro F1",
    "facts_reward": "FactS reward",
    "graded_score": "Graded score",
    "hallucinated": "Labels falsely claimed",
    "missed": "Labels missed",
    "contradicted": "Labels contradicted",
    "unreadable": "No readable fact",
    "repetition": "Repeated facts",
    "words": "Words",
    "normal_false_alarm": "False alarms in normal studies",
    "side_agreement": "Same side, where both name one",
    "severity_agreement": "Same severity, where both name one",
    "earlier_films": "Compare with an earlier film",
    "invented_comparisons": "Compare with a film never seen",
    "distinct_share": "Different reports",
    "most_common_share": "Commonest report",
    "chrf": "chrF",
    "rouge_l": "ROUGE-L",
    "cider": "CIDEr",
}
_AVERAGES: Final = {
    "macro": "Macro F1",
    "micro": "Micro F1",
    "weighted": "Weighted F1",
    "example": "Example-based F1",
}
_CONVENTION: Final = re.compile(
    r"(?P<five>five_)?(?P<average>macro|micro|example)_uncertain_(?P<uncertain>\w+)"
)
_CHEXBERT: Final = re.compile(r"chexbert_(?P<labels>\d+)_(?P<average>\w+)")
_SPELLED: Final = {
    **{
        name.lower(): name for name in ("RadGraph", "BERTScore", "RaTEScore", "RadCliQ", "CheXbert")
    },
    **{name.lower(): name for name in ("GREEN", "BLEU", "ROUGE", "METEOR", "SRR", "CRIMSON", "F1")},
}


def figure_title(name: str, *, uncertain: str = "") -> str:
    """Return the name of a figure for people.

    Args:
        name: Its key in ``metrics.json`` or ``comparison.json``; an unknown one is spelt with spaces.
        uncertain: What uncertain counts as, where that is said beside: it is not said again.
    """
    if name in _TITLES:
        return _TITLES[name]
    if found := _CONVENTION.fullmatch(name):
        said = [_AVERAGES[found["average"]]]
        said += ["5 labels"] if found["five"] else []
        said += [] if found["uncertain"] == uncertain else [f"uncertain {found['uncertain']}"]
        return said[0] if len(said) == 1 else f"{said[0]} ({', '.join(said[1:])})"
    if found := _CHEXBERT.fullmatch(name):
        average = _AVERAGES.get(found["average"], found["average"])
        return f"CheXbert-{found['labels']}: {average[0].lower()}{average[1:]}"
    if name.startswith("graded_"):
        return f"Errors: {name.removeprefix('graded_').replace('_', ' ')}"
    if found := re.fullmatch(r"bleu(\d)", name):
        return f"BLEU-{found[1]}"
    return " ".join(_SPELLED.get(word, word) for word in name.split("_"))
