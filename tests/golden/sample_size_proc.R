# Sample sizes of pROC: Rscript tests/golden/sample_size_proc.R > tests/golden/sample_size_proc.json
suppressMessages(library(pROC))

number <- function(x) formatC(x, digits = 17, format = "g")

rows <- c()
for (a in c(0.6, 0.75, 0.8, 0.9, 0.95, 0.99)) {
  for (k in c(0.5, 1, 3)) {
    v <- pROC:::var.theta.obuchowski(a, k)
    one <- power.roc.test(auc = a, kappa = k, power = 0.9, sig.level = 0.05)
    rows <- c(rows, sprintf('    {"auroc": %s, "ratio": %s, "variance": %s, "n_cases_against_one_half": %s}',
                            number(a), number(k), number(v), number(one$ncases)))
  }
}

# Two curves from binormal parameters with equal variances (B = 1); theta = pnorm(A / sqrt(2)).
pairs <- c()
for (theta in list(c(0.9, 0.95), c(0.8, 0.85), c(0.7, 0.8), c(0.92, 0.9))) {
  for (r in c(0, 0.3, 0.6)) {
    for (k in c(1, 2)) {
      A <- qnorm(theta) * sqrt(2)
      pars <- list(A1 = A[1], B1 = 1, A2 = A[2], B2 = 1, rn = r, ra = r, delta = theta[1] - theta[2])
      v1 <- pROC:::var.params.obuchowski(A[1], 1, k)
      v2 <- pROC:::var.params.obuchowski(A[2], 1, k)
      co <- pROC:::cov.params.obuchowski(A[1], 1, A[2], 1, r, r, k)
      n <- power.roc.test(pars, power = 0.8, kappa = k, sig.level = 0.05)$ncases
      p <- power.roc.test(pars, ncases = 200, kappa = k, sig.level = 0.05)$power
      pairs <- c(pairs, sprintf('    {"first": %s, "second": %s, "ratio": %s, "var_first": %s, "var_second": %s, "correlation": %s, "n_cases": %s, "power_of_200": %s}',
                                number(theta[1]), number(theta[2]), number(k), number(v1), number(v2),
                                number(co / sqrt(v1 * v2)), number(n), number(p)))
    }
  }
}
cat('{\n  "programs": "', R.version.string, ", pROC ", as.character(packageVersion("pROC")), '",\n', sep = "")
cat('  "one_curve": [\n', paste(rows, collapse = ",\n"), '\n  ],\n', sep = "")
cat('  "two_curves": [\n', paste(pairs, collapse = ",\n"), '\n  ]\n}\n', sep = "")
