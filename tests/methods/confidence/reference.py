#!/usr/bin/env python3
"""Writes reference.json: made-up evidence with the scores that the formulas give, and calibrations of made-up scores, by
numpy, scipy and scikit-learn. Nothing of ken is used.

    tests/methods/confidence/reference.py > tests/methods/confidence/reference.json
"""
import itertools
import json

import numpy as np
from scipy import optimize, stats
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, log_loss

rng = np.random.default_rng(7)
TEXTS = ["alpha beta", "alpha gamma", "delta", "epsilon zeta eta", "theta iota kappa lambda", "delta delta"]
K = 10


def generated(text, extra):
    n = len(text.split()) + extra  # the answer, and the token that ended it
    return {"text": text, "tokens": [int(t) for t in rng.integers(3, 99, n)],
            "logprobs": [-float(x) for x in rng.exponential(0.7, n)], "entropies": [float(x) for x in rng.exponential(1, n)],
            "margins": [float(x) for x in rng.random(n)], "certainties": [float(x) for x in rng.exponential(3, n)],
            "finish": "stop", "answer_tokens": n - 1}


def likeness(n):
    a = rng.random((n, n))
    a = (a + a.T) / 2
    np.fill_diagonal(a, 1)
    return a


def question(i):
    samples = [generated(TEXTS[int(rng.integers(0, 2 + i))], 1) for _ in range(K)]
    greedy = generated(TEXTS[int(rng.integers(0, 2 + i))], 1)
    t = greedy["answer_tokens"]
    reading = lambda: {"logprobs": [-float(x) for x in rng.exponential(1, t)],
                       "entropies": [float(x) for x in rng.exponential(1, t)]}
    return {"prompt": "Q: ?", "question": f"question {i}", "greedy": greedy, "samples": samples,
            "aliases": ["delta", "alpha gamma"],
            "readings": {"without context": reading(), "without prompt": reading()},
            "similarity": {"embedding": likeness(K + 1).ravel().tolist(), "entailment": likeness(K + 1).ravel().tolist()},
            "relevance": [rng.random(s["answer_tokens"]).tolist() for s in samples],
            "replies": {"p-true claim": {"logprobs": (-rng.exponential(2, 2)).tolist(), "text": ""},
                        "p-true": {"logprobs": (-rng.exponential(2, 2)).tolist(), "text": ""},
                        "p-true swapped": {"logprobs": (-rng.exponential(2, 2)).tolist(), "text": ""},
                        "restart": {"logprobs": (-rng.exponential(2, 2)).tolist(), "text": ""},
                        "verbalised": {"logprobs": [], "text": ["0.85", "about 70 %", "I cannot say", "1.0", ".25 ?"][i]}}}


def words(text):
    return text.split()


def jaccard(a, b):
    a, b = set(words(a)), set(words(b))
    return len(a & b) / len(a | b)


def rules(a, b):  # of these texts: equal sets of words ("delta delta" repeats a word of "delta", and adds nothing)
    return float(set(words(a)) == set(words(b)))


def aliases(e):
    return lambda a, b: 1.0 if a in e["aliases"] and b in e["aliases"] else rules(a, b)


def rouge(a, b):
    a, b = words(a), words(b)
    best = max(n for n in range(min(len(a), len(b)) + 1)
               for x in itertools.combinations(a, n) for y in [list(x)]
               if n == 0 or any(list(z) == y for z in itertools.combinations(b, n)))
    return 2 * best / (len(a) + len(b))


def matrix(e, judge, greedy):
    if judge in e["similarity"]:
        w = np.array(e["similarity"][judge]).reshape(K + 1, K + 1)
        return w if greedy else w[1:, 1:]
    texts = ([e["greedy"]["text"]] if greedy else []) + [s["text"] for s in e["samples"]]
    f = {"jaccard": jaccard, "rules": rules, "aliases": aliases(e)}[judge]
    return np.array([[f(a, b) for b in texts] for a in texts])


def clusters(e, judge, greedy):
    w = matrix(e, judge, greedy) >= (0.95 if judge == "embedding" else 0.5)
    label = list(range(len(w)))
    for i, j in itertools.product(range(len(w)), repeat=2):
        if w[i, j]:
            old, new = max(label[i], label[j]), min(label[i], label[j])
            label = [new if x == old else x for x in label]
    return label


def lp(g):
    return np.array(g["logprobs"][:g["answer_tokens"]])


def laplacian(w):
    d = np.diag(w.sum(1) ** -0.5)
    return np.linalg.eigh(np.eye(len(w)) - d @ w @ d)


def eccentricity(w):
    values, vectors = laplacian(w)
    v = vectors[:, values < 0.9]
    return float(np.linalg.norm(v - v.mean(0)))


def sar(e, kind, judge="jaccard", t=0.001):
    energy = np.array([-lp(s).sum() for s in e["samples"]])
    if kind != "sentence":
        energy = np.array([-(lp(s) * (np.array(r) / np.sum(r))).sum() for s, r in zip(e["samples"], e["relevance"])])
    if kind == "token":
        return float(energy.mean())
    g = matrix(e, judge, False).copy()
    np.fill_diagonal(g, 0)
    p = np.exp(-energy)
    return float(np.mean(-np.log(p + g @ p / t)))


def semantic_entropy(e, judge, likelihood):
    label = clusters(e, judge, False)
    weight = np.exp([lp(s).mean() for s in e["samples"]]) if likelihood else np.ones(K)
    mass = [weight[[x == c for x in label]].sum() / weight.sum() for c in set(label)]
    return float(stats.entropy(mass))


def consistency(e, judge, of):
    label = clusters(e, judge, True)
    return (label[1:].count(label[0]) if of == "greedy" else max(label[1:].count(c) for c in label[1:])) / K


def softmax_first(reply):
    a, b = np.exp(reply["logprobs"])
    return float(a / (a + b))


def conditional(e):
    g, alone = e["greedy"], e["readings"]["without prompt"]["logprobs"]
    h = np.array(g["entropies"][:g["answer_tokens"]])
    return float((lp(g) - 3.599 * np.array(alone) * (h >= 0.0656)).mean())


def scores(e):
    g = e["greedy"]
    n, own = g["answer_tokens"], lp(g)
    without = {k: (np.array(v["logprobs"]), np.array(v["entropies"])) for k, v in e["readings"].items()}
    h = np.array(g["entropies"][:n])
    apart = {j: float((1 - matrix(e, j, True)[0, 1:]).mean()) for j in ("rules", "embedding")}
    out = {"sequence-probability": np.exp(own.sum()), "sequence-probability:normalize=true": np.exp(own.mean()),
           "token-entropy": h.mean(), "token-entropy:over=max": h.max(), "perplexity": np.exp(-own.mean()),
           "margin": g["margins"][0], "margin:over=mean": np.mean(g["margins"][:n]), "margin:over=min": min(g["margins"][:n]),
           "self-certainty": np.mean(g["certainties"][:n]),
           "pointwise-mi": (own - without["without prompt"][0]).mean(), "pointwise-mi:kind=conditional": conditional(e),
           "context-gain": (own - without["without context"][0]).mean(),
           "context-gain:of=entropy": (without["without context"][1] - h).mean(), "span-snr": np.exp(own).mean(),
           "lexical-similarity": np.mean([rouge(a["text"], b["text"]) for a, b in itertools.combinations(e["samples"], 2)]),
           "monte-carlo-entropy": -np.mean([lp(s).sum() for s in e["samples"]]),
           "monte-carlo-entropy:normalize=true": -np.mean([lp(s).mean() for s in e["samples"]]),
           "cocoa": -own.sum() * apart["rules"], "cocoa:doubt=perplexity": -own.mean() * apart["rules"],
           "cocoa:doubt=entropy,judge=embedding": h.mean() * apart["embedding"],
           "p-true": softmax_first(e["replies"]["p-true claim"]),
           "p-true:form=letters": (softmax_first(e["replies"]["p-true"]) + softmax_first(e["replies"]["p-true swapped"])) / 2,
           "restart": softmax_first(e["replies"]["restart"]),
           "verbalised": {"0.85": 0.85, "about 70 %": 0.7, "I cannot say": 0.5, "1.0": 1.0, ".25 ?": 0.25}[e["replies"]["verbalised"]["text"]]}
    for judge in ("rules", "aliases", "jaccard", "embedding", "entailment"):
        w = matrix(e, judge, False)
        out |= {f"semantic-entropy:judge={judge}": semantic_entropy(e, judge, False),
                f"semantic-entropy:kind=likelihood,judge={judge}": semantic_entropy(e, judge, True),
                f"self-consistency:judge={judge}": consistency(e, judge, "greedy"),
                f"self-consistency:of=majority,judge={judge}": consistency(e, judge, "majority"),
                f"num-sem-sets:judge={judge}": len(set(clusters(e, judge, False))),
                f"eigval-laplacian:judge={judge}": np.maximum(0, 1 - laplacian(w)[0]).sum(),
                f"deg-mat:judge={judge}": (K * K - w.sum()) / K**2, f"eccentricity:judge={judge}": eccentricity(w)}
    for kind in ("token", "sentence", "both"):
        out[f"sar:kind={kind}"] = sar(e, kind)
    out["sar:kind=both,judge=entailment"] = sar(e, "both", "entailment")
    return {k: float(v) for k, v in out.items()}


def equal_mass(p, z, bins):
    order = np.argsort(p, kind="stable")
    runs, begin, n = [], 0, len(p)
    while begin < n:
        end = max(begin + 1, n * (len(runs) + 1) // bins)
        while end < n and p[order[end]] == p[order[end - 1]]:
            end += 1
        runs.append(order[begin:end])
        begin = end
    return runs


def calibration():
    s = np.round(rng.normal(0, 1, 200), 2)
    z = (rng.random(200) < 1 / (1 + np.exp(-1.5 * s + 0.4))).astype(int)
    up, n = z.sum(), len(z)
    target = np.where(z == 1, (up + 1) / (up + 2), 1 / (n - up + 2))
    platt = optimize.minimize(lambda w: np.logaddexp(0, w[0] * s + w[1]).sum() - (target * (w[0] * s + w[1])).sum(), [1, 0],
                              tol=1e-14).x
    at = [-3.0, -1.003, -0.2, 0.0, 0.415, 1.2, 4.0]
    p = 1 / (1 + np.exp(-s))
    runs = equal_mass(p, z, 15)
    base = z.mean()
    t = optimize.minimize_scalar(lambda a: log_loss(z, 1 / (1 + np.exp(-s / np.exp(a)))), bounds=(np.log(0.05), np.log(20)),
                                 method="bounded", options={"xatol": 1e-10}).x
    tests = []
    for step in range(1, 101):
        place = n * step // 100
        threshold = np.sort(p)[n - place]
        taken = p >= threshold
        if place >= np.ceil(np.log(0.1) / np.log(1 - 0.25)) and (not tests or tests[-1][0] != threshold):
            tests.append((threshold, stats.binom.cdf((z[taken] == 0).sum(), taken.sum(), 0.25)))
    promised = None
    for threshold, value in tests:
        if value > 0.1:
            break
        promised = threshold
    return {"scores": s.tolist(), "probabilities": p.tolist(), "right": z.tolist(), "at": at,
            "platt": (1 / (1 + np.exp(-(platt[0] * np.array(at) + platt[1])))).tolist(),
            "isotonic": IsotonicRegression(out_of_bounds="clip").fit(s, z).predict(at).tolist(),
            "temperature": float(np.exp(t)),
            "ece_equal_mass": float(sum(abs((z[r] - p[r]).sum()) for r in runs) / n),
            "brier": brier_score_loss(z, p), "nll": log_loss(z, p),
            "reliability": float(sum(len(r) / n * (p[r].mean() - z[r].mean()) ** 2 for r in runs)),
            "resolution": float(sum(len(r) / n * (z[r].mean() - base) ** 2 for r in runs)),
            "uncertainty": float(base * (1 - base)), "promised_risk_0.25_delta_0.1_one_start": promised}


questions = [question(i) for i in range(5)]
print(json.dumps({"questions": [{"evidence": e, "scores": scores(e)} for e in questions], "calibration": calibration()}))
