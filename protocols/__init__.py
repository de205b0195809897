"""How to judge scores: metrics, thresholds, intervals, tests, splits and protocols.

NumPy, SciPy and pandas only. Arrays are one-dimensional and of equal length; labels first, scores second; an image
is called anomalous if and only if ``score >= threshold``.
"""

from .aggregate import aggregate_by_object
from .comparisons.class_resolved import class_resolved_rho
from .comparisons.corrected_t import corrected_resampled_ttest
from .comparisons.multiplicity import adjust_p_values
from .confusion import at_prevalence, confusion, decision_metrics
from .errors import (
    DetectorError,
    InputError,
    Lab2FactoryError,
    LeakageError,
    MissingExtraError,
    NotFittedError,
    SplitError,
    UndefinedError,
    WeightsError,
)
from .intervals.bootstrap import bootstrap_interval
from .intervals.clustered_delong import clustered_delong_interval, design_effect
from .intervals.delong import delong_interval
from .intervals.hanley_mcneil import hanley_mcneil_interval
from .intervals.proportions import clopper_pearson_interval, clustered_proportion_interval, wilson_interval
from .intervals.protocol_bootstrap import protocol_bootstrap
from .metrics import METRICS, auroc, average_precision
from .naive import Naive
from .partition import Split
from .pixel import aupro, pixel_auroc
from .results import Estimate, ResultRow, TestResult, Threshold
from .roc import auroc_bounds, fpr_at_tpr, partial_auroc, roc_curve, tpr_at_fpr
from .samples import SampleTable
from .scores import ScoreTable
from .splits import grouped_three_way
from .three_way import ThreeWay
from .thresholds import RULES, select_threshold

__all__ = [
    "METRICS",
    "RULES",
    "DetectorError",
    "Estimate",
    "InputError",
    "Lab2FactoryError",
    "LeakageError",
    "MissingExtraError",
    "Naive",
    "NotFittedError",
    "ResultRow",
    "SampleTable",
    "ScoreTable",
    "Split",
    "SplitError",
    "TestResult",
    "ThreeWay",
    "Threshold",
    "UndefinedError",
    "WeightsError",
    "adjust_p_values",
    "aggregate_by_object",
    "at_prevalence",
    "auroc",
    "auroc_bounds",
    "aupro",
    "average_precision",
    "bootstrap_interval",
    "class_resolved_rho",
    "clopper_pearson_interval",
    "clustered_delong_interval",
    "clustered_proportion_interval",
    "confusion",
    "corrected_resampled_ttest",
    "decision_metrics",
    "delong_interval",
    "design_effect",
    "fpr_at_tpr",
    "grouped_three_way",
    "hanley_mcneil_interval",
    "partial_auroc",
    "pixel_auroc",
    "protocol_bootstrap",
    "roc_curve",
    "select_threshold",
    "tpr_at_fpr",
    "wilson_interval",
]
