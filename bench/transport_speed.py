#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What transports cost beside the bare socket and the bare MPI under them: the figures of docs/transports.md.

    transport_speed.py [BUILD] [--only tcp|shm|mpi] [--wait block|poll|hybrid] [--launches 10] [--rounds 21] [--csv FILE]

Each launch is a fresh pair of processes (bench_tcp, bench_shm, or bench_mpi under mpirun) in which rounds of the bare side and of the
plugin take turns; it gives the median over rounds of plugin / bare. Launches of all combinations are interleaved. Printed
are median over launches and its exact 95 % order-statistic interval, with the limit that is promised:

    tcp   latency <= 1.10 x bare, 1 B to 64 KiB, same wait mode      bandwidth >= 0.95 x bare from 64 KiB
    shm   latency <= 1.00 x the bare socket                          bandwidth >= 0.95 x the bare socket
    mpi   latency <= 1.05 x bare, or bare + 0.1 us                   bandwidth >= 0.95 x bare

"holds" and "missed" only where the interval lies on one side of the limit, else "open". Needs a core for each of the two
processes and nothing else running: the load average is printed with the figures. Exit status 1 when a limit is missed.
"""
import argparse
import csv
import math
import os
import pathlib
import re
import shutil
import statistics
import subprocess

LINE = re.compile(r"(latency|bandwidth) +(\d+) B +bare +([\d.]+) \S+ +\S+ +([\d.]+) \S+ +ratio ([\d.]+)")
LATENCY = {"tcp": 1.10, "shm": 1.0, "mpi": 1.05}
BANDWIDTH, SLACK_US = 0.95, 0.1
WAITS = {"tcp": ("block", "poll", "hybrid"), "shm": ("block", "poll", "hybrid"), "mpi": ("poll",)}  # bare MPI looks all the time


def interval(values):
    """Exact 95 % order-statistic interval of the median, or None below 6 values."""
    n, values = len(values), sorted(values)
    best = None
    for k in range(n // 2):
        if 1 - 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2 ** n >= 0.95:
            best = values[k], values[n - 1 - k]
    return best


def command(build, transport, wait, rounds):
    program = build / "tests" / "transport" / f"bench_{transport}"
    words = [program, "--wait", wait, "--rounds", str(rounds)]
    if transport == "mpi":
        words = [launcher(build), "-n", "2", *words]
    return list(map(str, words))


def launcher(build):
    """The mpirun of the MPI that the build folder was configured with."""
    cache = (build / "CMakeCache.txt").read_text()
    found = re.search(r"^MPIEXEC_EXECUTABLE:\w+=(.+)$", cache, re.M)
    return found[1] if found else shutil.which("mpirun")


def launch(build, transport, wait, rounds):
    env = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    result = subprocess.run(command(build, transport, wait, rounds), env=env, capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"{transport} {wait}: {result.stderr or result.stdout}")
    for kind, size, bare, plugin, ratio in LINE.findall(result.stdout):
        yield (transport, wait, kind, int(size)), (float(bare), float(plugin), float(ratio))


def verdict(key, launches):
    """(ratio text, limit text, verdict) of one line."""
    transport, _, kind, _ = key
    ratios = [ratio for _, _, ratio in launches]
    ci = interval(ratios)
    text = f"{statistics.median(ratios):.3f} " + (f"[{ci[0]:.3f}, {ci[1]:.3f}]" if ci else "[no interval]")
    if kind == "bandwidth":
        word = "open" if not ci else "holds" if ci[0] >= BANDWIDTH else "missed" if ci[1] < BANDWIDTH else "open"
        return text, f">= {BANDWIDTH:.2f}", word
    limit = LATENCY[transport]
    word = "open" if not ci else "holds" if ci[1] <= limit else "missed" if ci[0] > limit else "open"
    if transport != "mpi":
        return text, f"<= {limit:.2f}", word
    more = [plugin - bare for bare, plugin, _ in launches]
    ci = interval(more)
    text += f", {statistics.median(more):+.3f} us"
    if word != "holds" and ci:
        word = "holds" if ci[1] <= SLACK_US else word if ci[0] > SLACK_US else "open"
    return text, f"<= {limit:.2f} or +{SLACK_US} us", word


def main():
    here = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", type=pathlib.Path, default=here / "build")
    parser.add_argument("--only", choices=WAITS)
    parser.add_argument("--wait", choices=WAITS["tcp"])
    parser.add_argument("--launches", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--csv", help="write every launch here")
    args = parser.parse_args()
    combinations = [(t, w) for t in WAITS for w in WAITS[t] if args.only in (None, t) and args.wait in (None, w)]
    combinations = [(t, w) for t, w in combinations if pathlib.Path(command(args.build, t, w, 1)[-5]).exists()]
    if not combinations:
        raise SystemExit(f"no bench_tcp or bench_mpi in {args.build}/tests/transport: build them, with an MPI for the latter")
    found = {}
    print(f"{args.launches} launches of {', '.join(' '.join(c) for c in combinations)}; "
          f"{os.cpu_count()} processors, load average {os.getloadavg()[0]:.2f}", flush=True)
    for i in range(args.launches):
        for transport, wait in combinations[i % len(combinations):] + combinations[:i % len(combinations)]:
            for key, values in launch(args.build, transport, wait, args.rounds):
                found.setdefault(key, []).append(values)
    missed = 0
    for key in sorted(found, key=lambda k: (k[0], k[1], k[2] != "latency", k[3])):
        unit = "us" if key[2] == "latency" else "GB/s"
        bare, plugin = (statistics.median(v[i] for v in found[key]) for i in (0, 1))
        text, limit, word = verdict(key, found[key])
        missed += word == "missed"
        print(f"{key[0]:4}{key[1]:7}{key[2]:10}{key[3]:8} B  bare {bare:9.3f} plugin {plugin:9.3f} {unit:4}  "
              f"ratio {text}  limit {limit}: {word}")
    print(f"load average {os.getloadavg()[0]:.2f} afterwards; {missed} limits missed")
    if args.csv:
        with open(args.csv, "w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["transport", "wait", "kind", "bytes", "launch", "bare", "plugin", "ratio"])
            for key, launches in found.items():
                rows.writerows([*key, i, *values] for i, values in enumerate(launches))
    raise SystemExit(missed > 0)


if __name__ == "__main__":
    main()
