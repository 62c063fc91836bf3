# SPDX-License-Identifier: Apache-2.0
"""Compare measure/statistics with scipy on random samples. Usage: statistics_peer.py PROGRAM. Exit 77 without scipy."""
import math
import random
import subprocess
import sys

try:
    import numpy
    from scipy import stats
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


def near(x, y, relative=1e-9):
    return (math.isnan(x) and math.isnan(y)) or math.isclose(x, y, rel_tol=relative, abs_tol=1e-9)


def expected_interval(values):
    """Narrowest symmetric order-statistic interval with binomial coverage of at least 0.95."""
    ordered, best = sorted(values), (math.nan, math.nan)
    for k in range(len(values) // 2):
        if 1 - 2 * stats.binom.cdf(k, len(values), 0.5) >= 0.95:
            best = (ordered[k], ordered[-1 - k])
    return best


def expected_holm(p):
    """By definition: walk up the ordered p, each times the number of those not yet walked, never falling."""
    adjusted, worst = [0.0] * len(p), 0.0
    for walked, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        worst = max(worst, min(1.0, (len(p) - walked) * p[i]))
        adjusted[i] = worst
    return adjusted


def exact_p(a, b):
    return stats.mannwhitneyu(a, b, method="exact").pvalue


def check_location(a, b, u, p, median, lo, hi):
    exact = len(set(a + b)) == len(a + b) and len(a) * len(b) <= 10000
    with numpy.errstate(all="ignore"):
        want = stats.mannwhitneyu(a, b, method="exact" if exact else "asymptotic")
    want_p = 1.0 if numpy.isnan(want.pvalue) else want.pvalue  # all values equal
    assert near(u, want.statistic), (a, b, u, want)
    assert near(p, want_p, 1e-6), (a, b, p, want)
    assert near(median, numpy.median(a)), (a, median)
    want = expected_interval(a)
    assert near(lo, want[0]) and near(hi, want[1]), (a, lo, hi, want)


def check_samples(a, b, ratio, lo, hi, coverage):
    """The interval must be what inverting scipy's exact test gives: 5 % is crossed at its very ends."""
    logs = numpy.log(numpy.divide.outer(a, b)).ravel()
    assert near(ratio, math.exp(numpy.median(logs))), (a, b, ratio)
    if len(a) * len(b) > 10000 or len(set(logs)) < len(logs):
        return
    if math.isnan(lo):
        assert 2 / math.comb(len(a) + len(b), len(a)) > 0.05, (a, b)
        return
    inside, outside = 1 + 1e-9, 1 - 1e-9
    assert near(1 - coverage, exact_p([x / (lo * outside) for x in a], b), 1e-6), (a, b, lo)
    assert near(1 - coverage, exact_p([x / (hi * inside) for x in a], b), 1e-6), (a, b, hi)
    assert coverage >= 0.95
    assert exact_p([x / (lo * inside) for x in a], b) > 0.05, (a, b, lo)
    assert exact_p([x / (hi * outside) for x in a], b) > 0.05, (a, b, hi)


def check_pairs(a, b, p, ratio, lo, hi):
    pairs = list(zip(a, b))
    above, below = sum(x > y for x, y in pairs), sum(x < y for x, y in pairs)
    want_p = stats.binomtest(above, above + below).pvalue if above + below else 1.0
    assert near(p, want_p), (pairs, p, want_p)
    logs = [math.log(x / y) for x, y in pairs]
    want = expected_interval(logs)
    assert near(ratio, math.exp(numpy.median(logs))), (pairs, ratio)
    assert near(lo, math.exp(want[0])) and near(hi, math.exp(want[1])), (pairs, lo, hi, want)


def random_samples(rng):
    for _ in range(300):
        n, m = rng.randint(1, 40), rng.randint(1, 40)
        shift, ties = rng.choice([0, 0.2, 1]), rng.random() < 0.3
        draw = (lambda s: float(rng.randint(1, 8)) + s) if ties else (lambda s: round(rng.gauss(10, 1), 9) + s)
        yield [draw(0) for _ in range(n)], [draw(0 if ties else shift) for _ in range(m)]
    yield [rng.random() for _ in range(150)], [rng.random() + 0.1 for _ in range(120)]


def main():
    rng = random.Random(20261122)
    samples = list(random_samples(rng))
    families = [[rng.choice([rng.random(), rng.random() / 50, 0.01, 1.0]) for _ in range(rng.randint(1, 30))]
                for _ in range(100)]
    text = "".join(f"sample {len(a)} {len(b)} {' '.join(map(repr, a + b))}\n" for a, b in samples)
    text += "".join(f"holm {len(p)} {' '.join(map(repr, p))}\n" for p in families)
    answers = subprocess.run([sys.argv[1]], input=text, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(answers) == len(samples) + len(families), f"{len(answers)} answers"
    for (a, b), line in zip(samples, answers):
        values = list(map(float, line.split()))
        check_location(a, b, *values[:5])
        check_samples(a, b, *values[5:9])
        check_pairs(a, b, *values[9:])
    for p, line in zip(families, answers[len(samples):]):
        assert all(map(near, expected_holm(p), map(float, line.split()))), (p, line)
    print(f"{len(samples)} random samples and {len(families)} families agree with scipy")


if __name__ == "__main__":
    main()
