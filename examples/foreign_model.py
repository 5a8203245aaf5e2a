"""Score the reports of any model: no training, no torch, no checkpoint.

    python examples/foreign_model.py

The same, with intervals, tables, plots and a page: ``orapo evaluate predictions.csv --references
references.csv --out results``.
"""

from orapo import FactSReward, evaluate_reports, label_report
from orapo.evaluation import trivial_scores

REFERENCES = {
    "s1": "Small left pleural effusion. The heart is enlarged.",
    "s2": "The lungs are clear.",
    "s3": "Right apical pneumothorax. Chest tube in place.",
    "s4": "No acute abnormality.",
}
PREDICTIONS = {
    "s1": "There is a left pleural effusion. Heart size is normal.",
    "s2": "The lungs are clear. No effusion.",
    "s3": "No pneumothorax. A chest tube is seen.",
    "s4": "Mild edema.",
}

scores = evaluate_reports(PREDICTIONS, REFERENCES)
print(f"macro-F1 {scores.macro_f1:.3f}, micro-F1 {scores.micro_f1:.3f}: {scores.convention}")
truth = [label_report(text).labels for text in REFERENCES.values()]
for name, row in trivial_scores(truth).items():
    print(f"  beside it, {name}: {row.macro_f1:.3f}")

reward = FactSReward()
for study, score in zip(
    PREDICTIONS,
    reward.explain(list(PREDICTIONS.values()), report=list(REFERENCES.values())),
    strict=True,
):
    why = score.explanation
    print(f"{study}: FactS {score.reward:.2f}")
    for sentence in why.sentences:
        print(f"    {sentence.verdict.value}: {sentence.sentence.text}")
    if why.missed:
        print(f"    missed: {', '.join(why.missed)}")
