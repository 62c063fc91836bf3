#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""suites/pipeline_overlap.ini: what a second node brings, beside what it could, where the rest went, and llama.cpp.

    pipeline_overlap.py LSBENCH MODEL [--rounds 6] [--out DIR] [--no-peer]

Each round runs every point of the suite once (16 prompts, 64 new tokens each, one thread a rank, in turn), then llama.cpp
on one node: the same prompt lengths in groups of 8, one thread on CPU 0, through llama_decode of the llama_cpp package of
the Python that runs this. A round takes about half a minute on two cores. All figures are medians over rounds of what was
measured within one. Speedups of two nodes over one stand beside two bounds:

    schedule  one node's time / that of the two nodes' own schedule, replayed with their step times and free messages
    machine   one node's time / (half of it + the pipeline's bubble + what reading memory together costs by the measured
              bandwidths): even stages, nothing slower than on one node, nothing lost to links

and the ledger says what the run time of two nodes is made of, mean over ranks (docs/method.md, "Where the time went").
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

BATCH, NEW = 8, 64
SUITE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "suites", "pipeline_overlap.ini")


def run_suite(lsbench, model, out):
    """One launch of each point: {label: point of the summary}, and the prompt lengths."""
    subprocess.run([lsbench, SUITE, "--reps", "1", "--quiet", "--no-html", "--out", out], check=True,
                   stdout=subprocess.DEVNULL, env={**os.environ, "LSBENCH_MODEL": model})
    with open(os.path.join(out, "summary.json")) as file:
        points = json.load(file)["points"]
    for point in points:
        if point["status"] != "ok":
            raise SystemExit(f"{point['label']}: {point['status']}: {point['reason']}")
    with open(os.path.join(out, "journal.jsonl")) as file:
        launch = [json.loads(line) for line in file][1]
    prompts = [request["prompt_tokens"] for request in launch["ranks"][0]["requests"]]
    return {point["label"]: point for point in points}, prompts


def run_llama(llama, prompts, chunk):
    """New tokens per second of all prompts, group by group, in steps of up to `chunk` tokens."""
    context = llama.context(BATCH)
    began = time.monotonic()
    for first in range(0, len(prompts), BATCH):
        group = list(enumerate(prompts[first:first + BATCH]))
        llama.lib.llama_memory_clear(llama.lib.llama_get_memory(context), True)
        tokens = [(s, p, p + 1 == n) for s, n in group for p in range(n)]
        for at in range(0, len(tokens), chunk):
            llama.step(context, tokens[at:at + chunk])
        for i in range(NEW - 1):  # the prompt has given the first
            llama.step(context, [(s, n + i, True) for s, n in group])
    return len(prompts) * NEW / (time.monotonic() - began)


def metric(point, name):
    return point["metrics"][name]["median"]


def machine_bound(one, two):
    """Of the speedup; see above."""
    run_s = metric(one, "run_s")
    shared = (two["bounds"]["shared"] or {"more_s": 0})["more_s"]
    return run_s / (run_s / 2 + metric(two, "bubble_s") + shared)


def show(values):
    values = sorted(values)
    return f"{statistics.median(values):.3f} [{values[0]:.3f}, {values[-1]:.3f}]"


def print_speedup(rounds, title, one, two):
    """A row: two nodes over one, beside its bounds and the shares of them that were reached."""
    pairs = [(r[one], r[two]) for r in rounds]
    speedup = [metric(a, "run_s") / metric(b, "run_s") for a, b in pairs]
    print(f"{title:<26}{show(speedup):<24}", end="")
    for bounds in ([metric(a, "run_s") / metric(b, "replay_s") for a, b in pairs],
                   [machine_bound(a, b) for a, b in pairs]):
        print(f"{statistics.median(bounds):>9.3f}{statistics.median(s / b for s, b in zip(speedup, bounds)):>9.3f}", end="")
    print()


def print_ledger(rounds, title, two):
    """Shares of the run time of two nodes."""
    names = ("compute_s", "bubble_s", "imbalance_s", "transfer_s", "overhead_s", "late_s")
    shares = [statistics.median(metric(r[two], name) / metric(r[two], "run_s") for r in rounds) for name in names]
    splits = sorted({"+".join(map(str, r[two]["layers"])) for r in rounds})
    print(f"{title:<26}" + "".join(f"{share:>11.1%}" for share in shares) + f"   {', '.join(splits)}")


def print_tables(rounds, prompts):
    print(f"\n{len(prompts)} prompts of {min(prompts)} to {max(prompts)} tokens (mean {statistics.mean(prompts):.0f}), "
          f"{NEW} new tokens each; medians [least, most] of {len(rounds)} rounds\n")
    print(f"{'two nodes / one node':<26}{'speedup':<24}{'schedule':>9}{'reached':>9}{'machine':>9}{'reached':>9}")
    print_speedup(rounds, "batch 8, 2 groups", "pipeline nodes=1", "pipeline nodes=2")
    print_speedup(rounds, "batch 1, 2 groups", "single nodes=1", "single nodes=2")
    print(f"\n{'of the time of two nodes':<26}" + "".join(f"{name:>11}" for name in (
        "compute", "bubble", "imbalance", "transfer", "overhead", "late")) + "   layers")
    print_ledger(rounds, "batch 8, 2 groups", "pipeline nodes=2")
    print_ledger(rounds, "batch 1, 2 groups", "single nodes=2")
    print()
    two = [r["pipeline nodes=2"] for r in rounds]
    for title, label in (("one node at batch 16", "equal_concurrency"), ("one node with two threads", "equal_cores")):
        print(f"two nodes, 2 groups of 8 / {title:<28}"
              + show(metric(r[label], "run_s") / metric(b, "run_s") for r, b in zip(rounds, two)))
    if "llama.cpp" in rounds[0]:
        print(f"{'one node at batch 8 / llama.cpp at batch 8':<55}"
              + show(metric(r["pipeline nodes=1"], "tokens_per_s") / r["llama.cpp"] for r in rounds))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("lsbench")
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--out", help="folder for the results (default: a temporary one)")
    parser.add_argument("--no-peer", action="store_true", help="without llama.cpp")
    args = parser.parse_args()
    out = args.out or tempfile.mkdtemp(prefix="lsbench-overlap-")
    cpus, began = os.sched_getaffinity(0), time.monotonic()
    os.sched_setaffinity(0, [min(cpus)])
    llama = None
    if not args.no_peer:
        import llamacpp as peer  # loads the package, which not everybody has
        llama = peer.Llama(args.model, 1)
    rounds = []
    for i in range(args.rounds):
        os.sched_setaffinity(0, cpus)
        points, prompts = run_suite(args.lsbench, os.path.abspath(args.model), os.path.join(out, f"round{i}"))
        os.sched_setaffinity(0, [min(cpus)])
        rate = {label: metric(point, "tokens_per_s") for label, point in points.items()}
        if llama:
            rate["llama.cpp"] = points["llama.cpp"] = run_llama(llama, prompts, peer.CHUNK)
        rounds.append(points)
        print(f"round {i + 1}: " + ", ".join(f"{label} {value:.0f}" for label, value in rate.items()), flush=True)
    print_tables(rounds, prompts)
    print(f"{time.monotonic() - began:.0f} s in all; results of each round in {out}")


if __name__ == "__main__":
    main()
