"""Ranking metrics and curves of scikit-learn, on the data sets that pROC drew, with and without weights.

Run: python tests/golden/point_values_sklearn.py > tests/golden/point_values_sklearn.json
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn import metrics as sk

drawn = json.loads((Path(__file__).parent / "point_values_proc.json").read_text())
rng = np.random.default_rng(4)


def values(labels, scores, weights):
    fpr, tpr, thresholds = sk.roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    precision, recall, _ = sk.precision_recall_curve(labels, scores, sample_weight=weights)
    best = sk.precision_recall_curve(labels, scores)[:2]
    return {
        "auroc": sk.roc_auc_score(labels, scores, sample_weight=weights),
        "average_precision": sk.average_precision_score(labels, scores, sample_weight=weights),
        "aupr_trapezoid": sk.auc(recall, precision),
        "partial_standardised": [sk.roc_auc_score(labels, scores, max_fpr=m, sample_weight=weights)
                                 for m in drawn["ends"]],
        "roc": [fpr.tolist(), tpr.tolist(), thresholds.tolist()],
        "largest_f1": max(2 * p * r / (p + r) for p, r in zip(*best, strict=True) if p + r > 0),
    }  # fmt: skip


sets = {}
for name, s in drawn["sets"].items():
    labels, scores = np.array(s["labels"], int), np.array(s["scores"])
    weights = rng.integers(1, 5, len(labels)) / 2
    sets[name] = {
        "plain": values(labels, scores, None),
        "weights": weights.tolist(),
        "weighted": values(labels, scores, weights),
    }
programs = f"scikit-learn {sklearn.__version__}, numpy {np.__version__}"
lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(found)}" for name, found in sets.items())
print(f'{{"programs": "{programs}", "sets": {{\n{lines}}}}}')
