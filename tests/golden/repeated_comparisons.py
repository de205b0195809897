"""Comparisons over repeats and over data sets, by the programs others use.

python tests/golden/repeated_comparisons.py > tests/golden/repeated_comparisons.json

Needs baycomp, mlxtend, autorank, scikit-posthocs, statsmodels and SciPy; the inputs are stored with the outputs.
baycomp's right is the second argument, so that its left is ours.
"""

import json
import sys
from contextlib import redirect_stdout
from importlib.metadata import version

import baycomp
import numpy as np
import pandas as pd
import scikit_posthocs
from autorank import autorank
from baycomp.multiple import SignedRankTest
from mlxtend.evaluate import paired_ttest_kfold_cv, paired_ttest_resampled
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests

RNG = np.random.default_rng(20250204)
# Demsar (2006), table 6: AUC of C4.5 with m and cf tuned or not, 14 data sets; ties, and decimals that tie but for
# rounding. The columns are C4.5, C4.5+m, C4.5+cf, C4.5+m+cf.
DEMSAR = [
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.975, 0.975], [0.957, 0.978, 0.946, 0.970],
]  # fmt: skip


def normal(*shape, scale=0.05, shift=0.0):
    """Seeded draws with few digits, so that they are stored exactly."""
    return np.round(RNG.normal(shift, scale, shape), 9)


class Told:
    """An estimator whose scores are given: mlxtend's tests then work on numbers."""

    _estimator_type = "classifier"

    def __init__(self, scores):
        self.scores = iter(scores)

    def fit(self, X, y):  # noqa: N803 - scikit-learn's name
        return self


def told(estimator, X, y):  # noqa: N803 - scikit-learn's name
    return next(estimator.scores)


def repeats():
    rows = []
    for j, runs in ((5, 1), (10, 1), (20, 2), (100, 10)):
        a, b = 0.9 + normal(j, shift=0.01), 0.9 + normal(j)
        folds, rope = j // runs, 0.01
        left, middle, right = baycomp.CorrelatedTTest.probs(a, b, rope=rope, runs=runs)
        mean, variance, df = baycomp.CorrelatedTTest.compute_statistics(a, b, runs=runs)
        x, y = np.zeros((200, 1)), np.arange(200) % 2
        resampled = paired_ttest_resampled(Told(a), Told(b), x, y, num_rounds=j, scoring=told, random_seed=1)
        kfold = paired_ttest_kfold_cv(Told(a), Told(b), x, y, cv=j, scoring=told, shuffle=True, random_seed=1)
        plain = stats.ttest_1samp(a - b, 0).confidence_interval(0.95)
        rows.append({
            "a": a.tolist(), "b": b.tolist(), "runs": runs, "rho": 1 / folds, "rope": rope,
            "baycomp": {"a_better": left, "equivalent": middle, "b_better": right, "mean": -mean,
                        "scale": float(np.sqrt(variance)), "df": df},
            "mlxtend_resampled": resampled, "mlxtend_kfold": kfold,
            "scipy_interval": [plain.low, plain.high],
            "scipy_ranksum": list(stats.mannwhitneyu(a, b, method="exact" if j <= 25 else "asymptotic",
                                                     use_continuity=False)),
        })  # fmt: skip
    return rows


def pairs():
    rows = []
    demsar = np.array(DEMSAR)
    eighths = RNG.integers(-4, 5, 40) / 8  # exact in binary: ties and zeros without rounding
    cases = {
        "6": (normal(6), normal(6)), "12": (normal(12, shift=0.03), normal(12)), "25": (normal(25), normal(25)),
        "30": (normal(30), normal(30)), "60": (normal(60, shift=0.02), normal(60)),
        "40 with ties and zeros": (eighths, np.zeros(40)), "12 with ties and zeros": (eighths[:12], np.zeros(12)),
        "demsar": (np.round(1000 * demsar[:, 0]), np.round(1000 * demsar[:, 1])),
    }  # fmt: skip
    for name, (a, b) in cases.items():
        d = a - b
        plain = len(np.unique(np.abs(d))) == len(d) and (d != 0).all()
        tests = []
        for zero_method in ("pratt", "wilcox", "zsplit"):
            for alternative in ("two-sided", "greater", "less"):
                options = {"zero_method": zero_method, "alternative": alternative}
                normal_ = stats.wilcoxon(a, b, method="asymptotic", correction=False, **options)
                row = {**options, "statistic": normal_.statistic, "normal": normal_.pvalue}
                if plain and len(d) <= 25:
                    row["exact"] = stats.wilcoxon(a, b, method="exact", **options).pvalue
                elif len(d) <= 13:
                    every = stats.PermutationMethod(n_resamples=np.inf)
                    row["exact"] = stats.wilcoxon(a, b, method=every, **options).pvalue
                tests.append(row)
        signs = {
            alternative: stats.binomtest(int((d > 0).sum()), int((d != 0).sum()), alternative=alternative).pvalue
            for alternative in ("two-sided", "greater", "less")
        }
        rows.append({"name": name, "a": a.tolist(), "b": b.tolist(), "scipy_wilcoxon": tests,
                     "scipy_binomtest_without_zeros": signs})  # fmt: skip
    return rows


def tables():
    rows = []
    rounded = RNG.integers(0, 6, (15, 5)) / 8
    for values in (0.9 + normal(14, 4), 0.9 + normal(30, 3) + [0, 0.02, 0.04], 0.9 + normal(10, 6), rounded,
                   np.round(1000 * np.array(DEMSAR))):  # fmt: skip
        n, k = values.shape
        chi2 = stats.friedmanchisquare(*values.T)
        ranks = stats.rankdata(-values, axis=1)
        data, who = np.repeat(np.arange(n), k), np.tile(np.arange(k), n)
        long = pd.DataFrame({"rank": ranks.ravel(), "data": data, "who": who})
        # Iman & Davenport's F is the analysis of variance of the ranks with data sets as blocks (Conover 1980).
        f = anova_lm(ols("rank ~ C(data) + C(who)", long).fit()).loc["C(who)"]
        with redirect_stdout(sys.stderr):
            found = autorank(pd.DataFrame(values), alpha=0.05, verbose=False, force_mode="nonparametric")
        row = {
            "values": values.tolist(), "average_ranks": ranks.mean(axis=0).tolist(),
            "scipy_friedman": [chi2.statistic, chi2.pvalue], "anova_of_ranks": [f["F"], f["PR(>F)"]],
            "scikit_posthocs_nemenyi": scikit_posthocs.posthoc_nemenyi_friedman(values).to_numpy().tolist(),
            "autorank_cd": found.cd, "autorank_p": found.pvalue,
        }  # fmt: skip
        differences = values[:, :, None] - values[:, None, :]
        if (np.abs(differences[:, *np.triu_indices(k, 1)]) > 0).all() and n <= 25:
            row["scikit_posthocs_wilcoxon_holm"] = (
                scikit_posthocs.posthoc_wilcoxon(values.T.tolist(), p_adjust="holm").to_numpy().tolist()
            )
        rows.append(row)
    return rows


def signed_ranks():
    rows = []
    for n, rope, prior in ((2, 0.01, 0.5), (12, 0.01, 0.5), (12, 0, 0.5), (25, 0.02, 1.0), (14, 0.01, 0.5)):
        a, b = 0.9 + normal(n, shift=0.02), 0.9 + normal(n)
        if n == 14:
            a, b = np.array(DEMSAR)[:, 1], np.array(DEMSAR)[:, 0]
        sample = SignedRankTest.sample(a, b, rope=rope, prior=prior, nsamples=200_000, random_state=1)
        winners = np.bincount(sample.argmax(axis=1), minlength=3) / len(sample)
        rows.append({
            "a": a.tolist(), "b": b.tolist(), "rope": rope, "prior_weight": prior, "n_draws": len(sample),
            "probabilities": winners.tolist(), "means": sample.mean(axis=0).tolist(),
            "standard_errors": (sample.std(axis=0) / np.sqrt(len(sample))).tolist(),
        })  # fmt: skip
    return rows


def families():
    rows = []
    drawn = [np.round(RNG.random(m) ** 2, 6).tolist() for m in (7, 20)]
    for p in ([0.01, 0.04, 0.03, 0.005], [0.5, 0.5, 0.01], *drawn):
        adjusted = {name: multipletests(p, method=theirs)[1] for name, theirs in (("holm", "holm"), ("bh", "fdr_bh"))}
        rows.append({"p": p, **{name: values.tolist() for name, values in adjusted.items()}})
    return rows


programs = ("baycomp", "mlxtend", "autorank", "scikit-posthocs", "statsmodels", "scipy", "numpy")
print(json.dumps({
    "programs": ", ".join(f"{name} {version(name)}" for name in programs), "repeats": repeats(), "pairs": pairs(),
    "tables": tables(), "signed_ranks": signed_ranks(), "families": families(),
}, indent=1))  # fmt: skip
