#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""suites/pipeline_overlap.ini beside llama.cpp: 16 prompts in groups of 8, one thread a rank, taking turns.

    pipeline_overlap.py LSBENCH MODEL [--rounds 6] [--out DIR]

Each round runs every point of the suite once, and then llama.cpp on one node: the same prompt lengths in groups of 8,
64 new tokens each, one thread on CPU 0, through llama_decode of the llama_cpp package of the Python that runs this.
Prints tokens per second, and medians over rounds of the ratios within a round: two nodes over one, the share of the
bound of the replayed schedule that was reached, and one node over llama.cpp.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

from llamacpp import CHUNK, Llama

BATCH, NEW = 8, 64
SUITE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "suites", "pipeline_overlap.ini")


def run_suite(lsbench, model, out):
    """One launch of each point: {label: metrics}, and the prompt lengths."""
    subprocess.run([lsbench, SUITE, "--reps", "1", "--quiet", "--out", out], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "LSBENCH_MODEL": model})
    with open(os.path.join(out, "journal.jsonl")) as file:
        header, *launches = map(json.loads, file)
    labels = {point["id"]: point["label"] for point in header["points"]}
    bad = [launch for launch in launches if launch["status"] != "ok"]
    if bad or len(launches) != len(labels):
        raise SystemExit(f"a launch failed: {bad[0].get('reason') if bad else 'see ' + out}")
    prompts = [request["prompt_tokens"] for request in launches[0]["ranks"][0]["requests"]]
    return {labels[launch["point"]]: launch["metrics"] for launch in launches}, prompts


def run_llama(llama, prompts):
    """New tokens per second of all prompts, group by group."""
    context = llama.context(BATCH)
    began = time.monotonic()
    for first in range(0, len(prompts), BATCH):
        group = list(enumerate(prompts[first:first + BATCH]))
        llama.lib.llama_memory_clear(llama.lib.llama_get_memory(context), True)
        tokens = [(s, p, p + 1 == n) for s, n in group for p in range(n)]
        for at in range(0, len(tokens), CHUNK):
            llama.step(context, tokens[at:at + CHUNK])
        for i in range(NEW - 1):  # the prompt has given the first
            llama.step(context, [(s, n + i, True) for s, n in group])
    return len(prompts) * NEW / (time.monotonic() - began)


def ratio(rounds, top, bottom):
    values = sorted(top(r) / bottom(r) for r in rounds)
    return f"{statistics.median(values):.3f} [{values[0]:.3f}, {values[-1]:.3f}]"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("lsbench")
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--out", help="folder for the results (default: a temporary one)")
    args = parser.parse_args()
    out = args.out or tempfile.mkdtemp(prefix="lsbench-overlap-")
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, [min(cpus)])
    llama = Llama(args.model, 1)
    rounds = []
    for i in range(args.rounds):
        os.sched_setaffinity(0, cpus)
        metrics, prompts = run_suite(args.lsbench, os.path.abspath(args.model), os.path.join(out, f"round{i}"))
        os.sched_setaffinity(0, [min(cpus)])
        rate = {label: m["tokens_per_s"] for label, m in metrics.items()}
        rate["llama.cpp"] = run_llama(llama, prompts)
        rate["bound"] = metrics["pipeline nodes=2"]["replay_tokens_per_s"]
        rounds.append(rate)
        print(f"round {i + 1}: " + ", ".join(f"{label} {value:.0f}" for label, value in rate.items()), flush=True)
    one, two = (lambda r: r["pipeline nodes=1"]), (lambda r: r["pipeline nodes=2"])
    print(f"\n{len(prompts)} prompts of {min(prompts)} to {max(prompts)} tokens (mean {statistics.mean(prompts):.0f}), "
          f"{NEW} new tokens each; medians of ratios within a round [least, most] of {len(rounds)} rounds")
    print(f"two nodes, 2 groups of 8 / one node at batch 8        {ratio(rounds, two, one)}")
    print(f"two nodes, 2 groups of 8 / one node at batch 16       {ratio(rounds, two, lambda r: r['equal_concurrency'])}")
    print(f"two nodes, 2 groups of 8 / one node with two threads  {ratio(rounds, two, lambda r: r['equal_cores'])}")
    print(f"two nodes at batch 1 / one node at batch 1            "
          f"{ratio(rounds, lambda r: r['single nodes=2'], lambda r: r['single nodes=1'])}")
    print(f"two nodes / bound of their replayed schedule          {ratio(rounds, two, lambda r: r['bound'])}")
    print(f"one node at batch 8 / llama.cpp at batch 8            {ratio(rounds, one, lambda r: r['llama.cpp'])}")


if __name__ == "__main__":
    main()
