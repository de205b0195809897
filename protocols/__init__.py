"""How to judge scores: metrics, thresholds, intervals, tests, splits and protocols.

NumPy, SciPy and pandas only. Arrays are one-dimensional and of equal length; labels first, scores second; an image
is called anomalous if and only if ``score >= threshold``.


Names are imported when they are first used: ``import protocols`` alone costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .aggregate import aggregate_by_object
    from .clustering import icc_from_design_effect, planning_design_effect
    from .comparisons.bayesian_ranks import bayesian_signed_rank, signed_rank_moments
    from .comparisons.calibrated_df import calibrate_df
    from .comparisons.class_resolved import class_resolved_rho
    from .comparisons.corrected_t import corrected_resampled_ttest
    from .comparisons.correlated_bayes import correlated_bayes_ttest
    from .comparisons.equivalence import equivalence_test, non_inferiority_test
    from .comparisons.friedman import FriedmanResult, friedman_from_ranks, friedman_test
    from .comparisons.mcnemar import discordant_objects, mcnemar_exact
    from .comparisons.multiplicity import adjust_p_values
    from .comparisons.paired_bootstrap import bootstrap_test
    from .comparisons.paired_delong import delong_test
    from .comparisons.permutation import permutation_test
    from .comparisons.posteriors import Posterior
    from .comparisons.rank_post_hoc import (
        control_tests,
        indistinguishable_groups,
        nemenyi_critical_difference,
        nemenyi_p_values,
    )
    from .comparisons.repeated_kfold import repeated_kfold_ttest
    from .comparisons.replication import Replicability, p_value_replicability, replicability
    from .comparisons.run_by_fold import run_by_fold_test
    from .comparisons.sign_flip import sign_flip_test
    from .comparisons.signs import sign_test_over_datasets
    from .comparisons.two_sample import object_ks_test, paired_object_ks_test
    from .comparisons.wilcoxon import pairwise_wilcoxon, wilcoxon_over_datasets
    from .decisions import at_prevalence, confusion, decision_metrics, trivial_costs
    from .enough_objects import objects_for_half_width, objects_for_power
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
    from .order_statistics import conformal_p_value
    from .partition import Split
    from .per_image_overlap import aupimo
    from .pixel import aupro, pixel_auroc
    from .pixel_stream import aupro_streamed, pixel_auroc_streamed
    from .power import (
        HalfWidthSimulation,
        PowerSimulation,
        simulate_half_width,
        simulate_power,
    )
    from .precision_recall import aupr_trapezoid, precision_recall_curve
    from .prevalence import decision_metrics_at_prevalence, prevalence_curve
    from .results import Estimate, ResultRow, TestResult, Threshold
    from .roc import auroc_bounds, fpr_at_tpr, partial_auroc, roc_curve, tpr_at_fpr
    from .rotation import rotations
    from .sample_size import (
        SampleSize,
        achieved_half_width,
        sample_size_auroc,
        sample_size_proportion,
        zero_failure_size,
    )
    from .sample_size_of_difference import achieved_power, sample_size_difference
    from .samples import SampleTable
    from .scores import ScoreTable
    from .simulation import StudyDesign
    from .splits import grouped_three_way
    from .three_way import ThreeWay
    from .thresholds import RULES, select_threshold

_HOME = {
    "aggregate_by_object": "aggregate",
    "icc_from_design_effect": "clustering",
    "planning_design_effect": "clustering",
    "bayesian_signed_rank": "comparisons.bayesian_ranks",
    "signed_rank_moments": "comparisons.bayesian_ranks",
    "calibrate_df": "comparisons.calibrated_df",
    "class_resolved_rho": "comparisons.class_resolved",
    "corrected_resampled_ttest": "comparisons.corrected_t",
    "correlated_bayes_ttest": "comparisons.correlated_bayes",
    "FriedmanResult": "comparisons.friedman",
    "friedman_from_ranks": "comparisons.friedman",
    "friedman_test": "comparisons.friedman",
    "adjust_p_values": "comparisons.multiplicity",
    "Posterior": "comparisons.posteriors",
    "control_tests": "comparisons.rank_post_hoc",
    "indistinguishable_groups": "comparisons.rank_post_hoc",
    "nemenyi_critical_difference": "comparisons.rank_post_hoc",
    "nemenyi_p_values": "comparisons.rank_post_hoc",
    "repeated_kfold_ttest": "comparisons.repeated_kfold",
    "Replicability": "comparisons.replication",
    "p_value_replicability": "comparisons.replication",
    "replicability": "comparisons.replication",
    "run_by_fold_test": "comparisons.run_by_fold",
    "sign_test_over_datasets": "comparisons.signs",
    "equivalence_test": "comparisons.equivalence",
    "non_inferiority_test": "comparisons.equivalence",
    "discordant_objects": "comparisons.mcnemar",
    "mcnemar_exact": "comparisons.mcnemar",
    "bootstrap_test": "comparisons.paired_bootstrap",
    "delong_test": "comparisons.paired_delong",
    "permutation_test": "comparisons.permutation",
    "sign_flip_test": "comparisons.sign_flip",
    "object_ks_test": "comparisons.two_sample",
    "paired_object_ks_test": "comparisons.two_sample",
    "pairwise_wilcoxon": "comparisons.wilcoxon",
    "wilcoxon_over_datasets": "comparisons.wilcoxon",
    "at_prevalence": "decisions",
    "confusion": "decisions",
    "decision_metrics": "decisions",
    "trivial_costs": "decisions",
    "DetectorError": "errors",
    "InputError": "errors",
    "Lab2FactoryError": "errors",
    "LeakageError": "errors",
    "MissingExtraError": "errors",
    "NotFittedError": "errors",
    "SplitError": "errors",
    "UndefinedError": "errors",
    "WeightsError": "errors",
    "bootstrap_interval": "intervals.bootstrap",
    "clustered_delong_interval": "intervals.clustered_delong",
    "design_effect": "intervals.clustered_delong",
    "delong_interval": "intervals.delong",
    "hanley_mcneil_interval": "intervals.hanley_mcneil",
    "clopper_pearson_interval": "intervals.proportions",
    "clustered_proportion_interval": "intervals.proportions",
    "wilson_interval": "intervals.proportions",
    "protocol_bootstrap": "intervals.protocol_bootstrap",
    "METRICS": "metrics",
    "auroc": "metrics",
    "average_precision": "metrics",
    "Naive": "naive",
    "conformal_p_value": "order_statistics",
    "Split": "partition",
    "aupimo": "per_image_overlap",
    "aupro": "pixel",
    "pixel_auroc": "pixel",
    "aupro_streamed": "pixel_stream",
    "pixel_auroc_streamed": "pixel_stream",
    "precision_recall_curve": "precision_recall",
    "aupr_trapezoid": "precision_recall",
    "prevalence_curve": "prevalence",
    "decision_metrics_at_prevalence": "prevalence",
    "Estimate": "results",
    "ResultRow": "results",
    "TestResult": "results",
    "Threshold": "results",
    "auroc_bounds": "roc",
    "fpr_at_tpr": "roc",
    "partial_auroc": "roc",
    "roc_curve": "roc",
    "tpr_at_fpr": "roc",
    "rotations": "rotation",
    "SampleSize": "sample_size",
    "achieved_half_width": "sample_size",
    "sample_size_auroc": "sample_size",
    "sample_size_proportion": "sample_size",
    "zero_failure_size": "sample_size",
    "achieved_power": "sample_size_of_difference",
    "sample_size_difference": "sample_size_of_difference",
    "SampleTable": "samples",
    "ScoreTable": "scores",
    "grouped_three_way": "splits",
    "ThreeWay": "three_way",
    "RULES": "thresholds",
    "select_threshold": "thresholds",
    "HalfWidthSimulation": "power",
    "PowerSimulation": "power",
    "objects_for_half_width": "enough_objects",
    "objects_for_power": "enough_objects",
    "simulate_half_width": "power",
    "simulate_power": "power",
    "StudyDesign": "simulation",
}

__all__ = [
    "METRICS",
    "RULES",
    "DetectorError",
    "Estimate",
    "FriedmanResult",
    "HalfWidthSimulation",
    "InputError",
    "Lab2FactoryError",
    "LeakageError",
    "MissingExtraError",
    "Naive",
    "NotFittedError",
    "Posterior",
    "PowerSimulation",
    "Replicability",
    "ResultRow",
    "SampleSize",
    "SampleTable",
    "ScoreTable",
    "Split",
    "SplitError",
    "StudyDesign",
    "TestResult",
    "ThreeWay",
    "Threshold",
    "UndefinedError",
    "WeightsError",
    "achieved_half_width",
    "achieved_power",
    "adjust_p_values",
    "aggregate_by_object",
    "at_prevalence",
    "aupr_trapezoid",
    "aupimo",
    "aupro",
    "aupro_streamed",
    "auroc",
    "auroc_bounds",
    "average_precision",
    "bayesian_signed_rank",
    "bootstrap_interval",
    "bootstrap_test",
    "calibrate_df",
    "class_resolved_rho",
    "clopper_pearson_interval",
    "clustered_delong_interval",
    "clustered_proportion_interval",
    "conformal_p_value",
    "confusion",
    "control_tests",
    "corrected_resampled_ttest",
    "correlated_bayes_ttest",
    "decision_metrics",
    "decision_metrics_at_prevalence",
    "delong_interval",
    "delong_test",
    "design_effect",
    "discordant_objects",
    "equivalence_test",
    "fpr_at_tpr",
    "friedman_from_ranks",
    "friedman_test",
    "grouped_three_way",
    "hanley_mcneil_interval",
    "icc_from_design_effect",
    "indistinguishable_groups",
    "mcnemar_exact",
    "nemenyi_critical_difference",
    "nemenyi_p_values",
    "non_inferiority_test",
    "object_ks_test",
    "objects_for_half_width",
    "objects_for_power",
    "p_value_replicability",
    "paired_object_ks_test",
    "pairwise_wilcoxon",
    "partial_auroc",
    "permutation_test",
    "pixel_auroc",
    "pixel_auroc_streamed",
    "planning_design_effect",
    "precision_recall_curve",
    "prevalence_curve",
    "protocol_bootstrap",
    "repeated_kfold_ttest",
    "replicability",
    "roc_curve",
    "rotations",
    "run_by_fold_test",
    "sample_size_auroc",
    "sample_size_difference",
    "sample_size_proportion",
    "select_threshold",
    "sign_flip_test",
    "sign_test_over_datasets",
    "signed_rank_moments",
    "simulate_half_width",
    "simulate_power",
    "tpr_at_fpr",
    "trivial_costs",
    "wilcoxon_over_datasets",
    "wilson_interval",
    "zero_failure_size",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
