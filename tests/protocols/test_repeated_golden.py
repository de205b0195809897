"""Against the programs others use; the inputs and outputs are in tests/golden/repeated_comparisons.json."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from protocols import (
    adjust_p_values,
    bayesian_signed_rank,
    correlated_bayes_ttest,
    friedman_test,
    nemenyi_critical_difference,
    nemenyi_p_values,
    pairwise_wilcoxon,
    run_by_fold_test,
    sign_test_over_datasets,
    signed_rank_moments,
    wilcoxon_over_datasets,
)

GOLDEN = json.loads((Path(__file__).resolve().parents[1] / "golden" / "repeated_comparisons.json").read_text())


def same(*values):
    return pytest.approx(values, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("row", GOLDEN["repeats"], ids=lambda row: f"{len(row['a'])} repeats")
def test_the_correlated_posterior_is_baycomps(row):
    p, peer = correlated_bayes_ttest(row["a"], row["b"], rho=row["rho"], rope=row["rope"]), row["baycomp"]
    assert (p.p_a_better, p.p_equivalent, p.p_b_better) == same(peer["a_better"], peer["equivalent"], peer["b_better"])
    assert (p.mean, p.scale, p.df) == same(peer["mean"], peer["scale"], peer["df"])


@pytest.mark.parametrize("row", GOLDEN["repeats"], ids=lambda row: f"{len(row['a'])} repeats")
def test_uncorrected_t_tests_are_mlxtends_and_scipys(row):
    x = np.subtract(row["a"], row["b"])
    for scheme, peer in (("resampling", "mlxtend_resampled"), ("kfold", "mlxtend_kfold")):
        r = run_by_fold_test(x, scheme=scheme)
        assert (r.statistic, r.p_value) == same(*row[peer])
        assert (r.low, r.high) == same(*row["scipy_interval"])
    r = run_by_fold_test(row["a"], other=row["b"], scheme="kfold", test="ranksum")
    assert (r.statistic, r.p_value) == same(*row["scipy_ranksum"])


@pytest.mark.parametrize("row", GOLDEN["pairs"], ids=lambda row: row["name"])
def test_signed_ranks_are_scipys(row):
    for peer in row["scipy_wilcoxon"]:
        options = {"zero_method": peer["zero_method"], "alternative": peer["alternative"]}
        found = wilcoxon_over_datasets(row["a"], row["b"], distribution="normal", **options)
        assert (found.statistic, found.p_value) == same(peer["statistic"], peer["normal"]), options
        by_default = wilcoxon_over_datasets(row["a"], row["b"], **options).p_value
        if "exact" in peer:
            exact = wilcoxon_over_datasets(row["a"], row["b"], distribution="exact", **options).p_value
            assert exact == pytest.approx(peer["exact"], abs=1e-9), options
        assert by_default in (pytest.approx(peer["normal"]), pytest.approx(peer.get("exact", math.nan)))


def test_every_way_to_a_signed_rank_p_was_compared():
    rows = {row["name"]: row["scipy_wilcoxon"] for row in GOLDEN["pairs"]}
    assert all("exact" in peer for name in ("6", "12", "25", "12 with ties and zeros") for peer in rows[name])
    assert not any("exact" in peer for name in ("30", "60", "40 with ties and zeros") for peer in rows[name])


@pytest.mark.parametrize("row", GOLDEN["pairs"], ids=lambda row: row["name"])
def test_signs_are_scipys_binomial(row):
    for alternative, p in row["scipy_binomtest_without_zeros"].items():
        found = sign_test_over_datasets(row["a"], row["b"], zero_method="drop", alternative=alternative)
        assert found.p_value == pytest.approx(p, abs=1e-9)


@pytest.mark.parametrize("row", GOLDEN["tables"], ids=lambda row: "{} x {}".format(*np.shape(row["values"])))
def test_friedman_is_scipys_and_iman_davenport_is_the_analysis_of_variance_of_ranks(row):
    r = friedman_test(row["values"])
    assert (r.chi2, r.p_chi2) == same(*row["scipy_friedman"])
    assert (r.statistic, r.p_value) == same(*row["anova_of_ranks"])
    assert r.p_chi2 == pytest.approx(row["autorank_p"], abs=1e-9)
    assert r.average_ranks == pytest.approx(row["average_ranks"])


@pytest.mark.parametrize("row", GOLDEN["tables"], ids=lambda row: "{} x {}".format(*np.shape(row["values"])))
def test_nemenyi_is_that_of_scikit_posthocs_and_autorank(row):
    n, k = np.shape(row["values"])
    ranks = friedman_test(row["values"]).average_ranks
    assert nemenyi_p_values(ranks, n) == pytest.approx(np.array(row["scikit_posthocs_nemenyi"]), abs=1e-9)
    # autorank interpolates the studentised range to about three digits.
    assert nemenyi_critical_difference(k, n) == pytest.approx(row["autorank_cd"], rel=2e-3)


def test_pairwise_wilcoxon_is_that_of_scikit_posthocs():
    rows = [row for row in GOLDEN["tables"] if "scikit_posthocs_wilcoxon_holm" in row]
    assert len(rows) >= 2
    for row in rows:
        expected = np.array(row["scikit_posthocs_wilcoxon_holm"])
        assert pairwise_wilcoxon(row["values"]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("row", GOLDEN["signed_ranks"], ids=lambda row: f"{len(row['a'])} sets, rope {row['rope']}")
def test_the_bayesian_signed_rank_is_baycomps_within_monte_carlo_error(row):
    options = {"rope": row["rope"], "prior_weight": row["prior_weight"]}
    theirs_b, theirs_equal, theirs_a = row["probabilities"][2], row["probabilities"][1], row["probabilities"][0]
    p = bayesian_signed_rank(row["a"], row["b"], n_draws=row["n_draws"], **options)
    for ours, theirs in ((p.p_a_better, theirs_a), (p.p_equivalent, theirs_equal), (p.p_b_better, theirs_b)):
        se = math.sqrt(2 * max(theirs * (1 - theirs), 1e-5) / row["n_draws"])
        assert ours == pytest.approx(theirs, abs=4 * se)
    moments = signed_rank_moments(row["a"], row["b"], **options)
    for ours, theirs, se in zip(moments, row["means"], row["standard_errors"], strict=True):
        assert ours == pytest.approx(theirs, abs=4 * se + 1e-9)


@pytest.mark.parametrize("method", ["holm", "bh"])
def test_adjusted_p_values_are_those_of_statsmodels(method):
    for row in GOLDEN["families"]:
        assert adjust_p_values(row["p"], method) == pytest.approx(row[method], abs=1e-9)
