# SPDX-License-Identifier: Apache-2.0
"""Compare measure/statistics with scipy on random samples. Usage: statistics_peer.py PROGRAM. Exit 77 without scipy."""
import random
import subprocess
import sys

try:
    import numpy
    from scipy import stats
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


def expected_interval(values):
    """Narrowest symmetric order-statistic interval with binomial coverage of at least 0.95."""
    ordered, best = sorted(values), None
    for k in range(len(values) // 2):
        if 1 - 2 * stats.binom.cdf(k, len(values), 0.5) >= 0.95:
            best = (ordered[k], ordered[-1 - k])
    return best


def main():
    rng = random.Random(20261122)
    cases = []
    for _ in range(300):
        n, m = rng.randint(1, 40), rng.randint(1, 40)
        shift, ties = rng.choice([0, 0.2, 1]), rng.random() < 0.3
        draw = (lambda s: float(rng.randint(1, 8)) + s) if ties else (lambda s: round(rng.gauss(10, 1), 9) + s)
        cases.append(([draw(0) for _ in range(n)], [draw(0 if ties else shift) for _ in range(m)]))
    cases.append(([rng.random() for _ in range(150)], [rng.random() + 0.1 for _ in range(120)]))
    text = "".join(f"{len(a)} {len(b)} {' '.join(map(repr, a + b))}\n" for a, b in cases)
    answers = subprocess.run([sys.argv[1]], input=text, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(answers) == len(cases), f"{len(answers)} answers to {len(cases)} cases"
    for (a, b), line in zip(cases, answers):
        u, p, median, lo, hi = map(float, line.split())
        exact = len(set(a + b)) == len(a + b) and len(a) * len(b) <= 10000
        with numpy.errstate(all="ignore"):
            want = stats.mannwhitneyu(a, b, method="exact" if exact else "asymptotic")
        want_p = 1.0 if numpy.isnan(want.pvalue) else want.pvalue  # all values equal
        assert abs(u - want.statistic) < 1e-9, (a, b, u, want)
        assert abs(p - want_p) <= 1e-9 + 1e-6 * want_p, (a, b, p, want)
        assert abs(median - numpy.median(a)) < 1e-12, (a, median)
        interval = expected_interval(a)
        assert (interval is None) == (lo != lo), (a, lo, hi)
        assert interval is None or interval == (lo, hi), (a, lo, hi, interval)
    print(f"{len(cases)} random samples agree with scipy")


if __name__ == "__main__":
    main()
