"""Reference of stats::mutual_information: python3 tests/stats/mutual_information.py > tests/stats/mutual_information.json
(scikit-learn 1.2.1)"""
import json

import numpy
from sklearn.feature_selection import mutual_info_classif

random = numpy.random.default_rng(3)
n = 60
classes = random.integers(0, 2, n)
three = random.integers(0, 3, n)
values = {
    "apart": (random.normal(size=n) + 2.0 * classes, classes),
    "noise": (random.normal(size=n), classes),
    "three": (random.normal(size=n) * (1 + three) + three, three),
    "sparse": (numpy.where(random.random(n) < 0.5, 0, random.exponential(size=n) + classes), classes),
}
cases = []
for name, (x, y) in values.items():
    for k in (1, 3, 7):
        x = numpy.round(x, 6)
        found = [mutual_info_classif(x[:, None], y, n_neighbors=k, random_state=s)[0] for s in range(200)]
        cases.append({
            "name": name, "neighbours": k, "values": x.tolist(), "classes": y.tolist(),
            "mean": float(numpy.mean(found)), "sd": float(numpy.std(found)),
        })
print(json.dumps({"cases": cases}))
