# SPDX-License-Identifier: Apache-2.0
"""Hold Poisson arrivals against scipy. Usage: arrivals_peer.py PROGRAM. Exit 77 without scipy.

Seeds are fixed, so the outcome is the same every time.
"""
import subprocess
import sys

try:
    import numpy
    from scipy import stats
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

N, RATE = 20000, 5.0


def times(seed):
    out = subprocess.run([sys.argv[1], f"poisson:{RATE}/s", str(seed), str(N)], check=True, capture_output=True)
    return numpy.array(out.stdout.split(), dtype=float) * 1e-9


def main():
    worst = 1.0
    for seed in (0, 1, 2, 3, 2**63, 2**64 - 1):
        gaps = numpy.diff(times(seed), prepend=0.0)
        # the gaps are exponential, do not depend on each other, and are not those of another seed
        worst = min(worst, stats.kstest(gaps, "expon", args=(0, 1 / RATE)).pvalue,
                    stats.pearsonr(gaps[1:], gaps[:-1]).pvalue,
                    stats.pearsonr(gaps, numpy.diff(times(seed ^ 1 << 40), prepend=0.0)).pvalue)
        # as many in every second as a Poisson distribution says
        counts = numpy.bincount(numpy.cumsum(gaps).astype(int))[:-1]
        cells = numpy.bincount(numpy.minimum(counts, 12), minlength=13)
        expected = stats.poisson.pmf(numpy.arange(13), RATE)
        expected[12] += stats.poisson.sf(12, RATE)
        worst = min(worst, stats.chisquare(cells, expected * len(counts)).pvalue)
        assert abs(gaps.mean() * RATE - 1) < 4 / N**0.5, (seed, gaps.mean())
    # 24 tests at 5 % in all
    print(f"least p of 24 tests: {worst:.4f}")
    return 0 if worst > 0.05 / 24 else 1


sys.exit(main())
