"""McNemar's exact test and equivalence tests of statsmodels, permutation tests of SciPy.

python tests/golden/paired_tests.py > tests/golden/paired_tests.json
"""

import json

import numpy as np
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.weightstats import DescrStatsW


def mcnemar_rows():
    pairs = [(8, 1), (1, 8), (0, 0), (5, 5), (0, 6), (13, 4), (120, 87), (700, 760), (3000, 2800)]
    tables = [(b, c, mcnemar([[50, b], [c, 40]], exact=True)) for b, c in pairs]
    return [{"b": b, "c": c, "statistic": float(r.statistic), "p": float(r.pvalue)} for b, c, r in tables]


def equivalence_rows(rng):
    rows = []
    for n, mean, margin in [(8, 0.01, 0.05), (12, 0.03, 0.02), (30, -0.004, 0.01), (200, 0.0, 0.005), (5, -0.2, 0.1)]:
        d = DescrStatsW(rng.normal(mean, 0.03, n))
        p, (t1, p1, df), (t2, p2, _) = d.ttost_mean(-margin, margin)
        low, high = d.tconfint_mean(alpha=0.1)
        rows.append({"difference": d.mean, "se": d.std_mean, "df": df, "margin": margin, "p": p, "p_lower": p1,
                     "p_upper": p2, "t_lower": t1, "t_upper": t2, "low": low, "high": high})  # fmt: skip
    return rows


def sign_flip_rows(rng):
    rows = []
    for n, digits in [(3, 1), (7, 1), (9, 12), (12, 2), (14, 12)]:
        d = np.round(rng.normal(0.4, 1, n), digits)
        r = stats.permutation_test((d,), np.sum, permutation_type="samples", n_resamples=np.inf)
        rows.append({"differences": d.tolist(), "p": float(r.pvalue)})
    return rows


def ks_rows(rng):
    rows = []
    for n, m in [(3, 4), (6, 6), (5, 9), (8, 7)]:
        x, y = rng.normal(size=n), rng.normal(0.8, 1, m)
        r = stats.ks_2samp(x, y, method="exact")
        rows.append({"x": x.tolist(), "y": y.tolist(), "statistic": float(r.statistic), "p": float(r.pvalue)})
    return rows


rng = np.random.default_rng(4)
made = {
    "programs": f"statsmodels {statsmodels.__version__}, scipy {scipy.__version__}, numpy {np.__version__}",
    "mcnemar": mcnemar_rows(),
    "equivalence": equivalence_rows(rng),
    "sign_flip": sign_flip_rows(rng),
    "ks": ks_rows(rng),
}
print(json.dumps(made, indent=1))
