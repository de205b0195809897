"""The corrected t test of repeated k-fold cross-validation."""

from __future__ import annotations

from dataclasses import replace

from numpy.typing import ArrayLike

from protocols.errors import UndefinedError
from protocols.results import TestResult

from .corrected_t import corrected_resampled_ttest
from .paired_values import fold_differences


def repeated_kfold_ttest(differences: ArrayLike, *, level: float = 0.95) -> TestResult:
    r"""Test the mean of all folds of r runs of k-fold cross-validation, allowing for their overlap [1]_.

    :math:`t = \bar x / \sqrt{S^2 (1/(rk) + 1/(k-1))}` with rk - 1 degrees of freedom: a fold is judged on one part
    in k and trained on the k - 1 others. For 10 runs of 10 folds the factor is 1/100 + 1/9 = 0.121111.

    Parameters
    ----------
    differences
        a - b of each fold, shape (runs, folds), folds >= 2.
    level
        Confidence level of the interval of the mean difference.

    Returns
    -------
    TestResult
        As of :func:`~protocols.comparisons.corrected_t.corrected_resampled_ttest`.

    Raises
    ------
    InputError
        The differences are not a finite array of runs and folds.
    UndefinedError
        Code ``CorrectionUndefined``: one fold a run leaves nothing to train on.

    References
    ----------
    .. [1] Bouckaert & Frank (2004), Evaluating the replicability of significance tests for comparing learning
       algorithms.

    Examples
    --------
    >>> r = repeated_kfold_ttest([[0.03, -0.01, 0.02], [0, 0.04, 0.01]])
    >>> round(r.statistic, 6), r.df, round(r.p_value, 6)
    (0.981981, 5.0, 0.371206)
    """
    x = fold_differences(differences)
    folds = x.shape[1]
    if folds < 2:
        raise UndefinedError("the correction 1 / (k - 1) is infinite with k = 1 fold", code="CorrectionUndefined")
    result = corrected_resampled_ttest(x.ravel(), test_train_ratio=1 / (folds - 1), level=level)
    return replace(result, method="corrected repeated k-fold t")
