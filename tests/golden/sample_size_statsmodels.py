"""Sample sizes of statsmodels.

python tests/golden/sample_size_statsmodels.py > tests/golden/sample_size_statsmodels.json
"""

import json

import statsmodels
from statsmodels.stats.proportion import samplesize_confint_proportion

rows = [
    {"value": p, "half_width": h, "level": level, "n": samplesize_confint_proportion(p, h, alpha=1 - level)}
    for p in (0.5, 0.8, 0.9, 0.95, 0.99)
    for h in (0.01, 0.03, 0.05, 0.1)
    for level in (0.9, 0.95, 0.99)
]
print(json.dumps({"programs": f"statsmodels {statsmodels.__version__}", "rows": rows}, indent=1))
