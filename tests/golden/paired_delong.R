# The paired DeLong test of pROC, with and without ties: Rscript tests/golden/paired_delong.R > tests/golden/paired_delong.json
suppressMessages(library(pROC))
set.seed(20)
sets <- list(
  example_5_1 = list(labels = c(0, 0, 0, 0, 1, 1, 1), a = c(1, 2, 2, 3, 2, 3, 4), b = c(1, 1, 3, 2, 3, 2, 5)))
draw <- function(n_nominal, n_anomalous, shift, keep, digits) {
  labels <- sample(rep(c(0, 1), c(n_nominal, n_anomalous)))
  shared <- rnorm(length(labels))
  scores <- lapply(1:2, function(k) round(shift[k] * labels + keep * shared + rnorm(length(labels)), digits))
  list(labels = labels, a = scores[[1]], b = scores[[2]])
}
sets$continuous <- draw(40, 30, c(1, 1.4), 0.7, 12)
sets$uncorrelated <- draw(25, 60, c(0.2, 0.1), 0, 12)
sets$one_decimal <- draw(50, 35, c(1.5, 0.9), 1, 1)
sets$whole_numbers <- draw(120, 45, c(1, 1.2), 0.5, 0)
sets$inverted <- draw(30, 30, c(-0.8, 0.8), 0.3, 2)
sets$few_anomalous <- draw(200, 6, c(2, 1.5), 1.5, 12)
number <- function(x) paste0("[", paste(sprintf("%.17g", x), collapse = ", "), "]")
one <- function(name) {
  s <- sets[[name]]
  a <- roc(s$labels, s$a, direction = "<", quiet = TRUE)
  b <- roc(s$labels, s$b, direction = "<", quiet = TRUE)
  test <- function(...) roc.test(a, b, paired = TRUE, method = "delong", ...)
  both <- test()
  p <- c(both$p.value, test(alternative = "greater")$p.value, test(alternative = "less")$p.value)
  variances <- c(var(a), var(b), cov(a, b))
  paste0('    "', name, '": {"labels": ', number(s$labels), ',\n      "a": ', number(s$a), ',\n      "b": ', number(s$b),
         ',\n      "auroc": ', number(c(auc(a), auc(b))), ', "variances": ', number(variances),
         ',\n      "z": ', sprintf("%.17g", both$statistic), ', "p": ', number(p),
         ',\n      "interval": ', number(both$conf.int), "}")
}
programs <- sprintf('"%s, pROC %s"', R.version.string, packageVersion("pROC"))
text <- paste0('{"programs": ', programs, ',\n  "p": "two-sided, greater, less",\n  "sets": {\n', paste(sapply(names(sets), one), collapse = ",\n"), "}}\n")
cat(text)
