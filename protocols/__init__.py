"""How to judge scores: metrics, thresholds, intervals, tests, splits and protocols. NumPy, SciPy and pandas only."""
