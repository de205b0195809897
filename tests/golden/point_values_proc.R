# AUROC, partial areas, ROC points and thresholds of pROC: Rscript tests/golden/point_values_proc.R > tests/golden/point_values_proc.json
suppressMessages(library(pROC))
set.seed(4)
sets <- list(example_1 = list(labels = c(0, 0, 0, 0, 1, 1, 1), scores = c(1, 2, 2, 3, 2, 3, 4)))
draw <- function(n_nominal, n_anomalous, shift, digits) {
  labels <- sample(rep(c(0, 1), c(n_nominal, n_anomalous)))
  list(labels = labels, scores = round(rnorm(length(labels), shift * labels), digits))
}
sets$continuous <- draw(60, 40, 1.2, 12)
sets$one_decimal <- draw(90, 70, 1, 1)
sets$whole_numbers <- draw(150, 50, 1.5, 0)
sets$few_anomalous <- draw(300, 7, 2, 2)
sets$few_nominal <- draw(8, 90, 0.8, 1)
sets$inverted <- draw(40, 40, -1, 1)
sets$separated <- draw(30, 20, 9, 2)
number <- function(x) {
  text <- sprintf("%.17g", x)
  text[x == Inf] <- "Infinity"
  text[x == -Inf] <- "-Infinity"
  paste0("[", paste(text, collapse = ", "), "]")
}
weights <- list(c(1, 0.5), c(10, 0.02), c(10, 0.5), c(3, 0.2), c(0.5, 0.55))
ends <- c(0.05, 0.1, 0.3, 0.5, 0.9)
one <- function(name) {
  s <- sets[[name]]
  curve <- roc(s$labels, s$scores, direction = "<", quiet = TRUE)
  part <- function(correct) sapply(ends, function(m) {
    as.numeric(auc(curve, partial.auc = c(1, 1 - m), partial.auc.correct = correct, allow.invalid.partial.auc.correct = TRUE))
  })
  best <- function(method, w) coords(curve, "best", best.method = method, best.weights = w, ret = "threshold", transpose = FALSE)$threshold
  youden <- sapply(weights, function(w) number(best("youden", w)))
  paste0('    "', name, '": {"labels": ', number(s$labels), ',\n      "scores": ', number(s$scores),
         ',\n      "auroc": ', number(auc(curve)),
         ',\n      "partial": ', number(part(FALSE)), ',\n      "partial_standardised": ', number(part(TRUE)),
         ',\n      "sensitivities": ', number(curve$sensitivities), ',\n      "specificities": ', number(curve$specificities),
         ',\n      "youden": [', paste(youden, collapse = ", "), ']',
         ',\n      "topleft": ', number(best("closest.topleft", c(1, 0.5))), "}")
}
cat(paste0('{"programs": ', sprintf('"%s, pROC %s"', R.version.string, packageVersion("pROC")),
           ',\n  "ends": ', number(ends),
           ',\n  "weights": [', paste(sapply(weights, number), collapse = ", "), ']',
           ',\n  "sets": {\n', paste(sapply(names(sets), one), collapse = ",\n"), "}}\n"))
