#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What lsbench itself costs: runs of backend-null, whose steps take no time.

    harness.py [--lsbench FILE] [--model FILE.gguf] [--steps N] [--launches N] [--wait block|poll|hybrid]
               [--without FILE]

For 1, 2 and 4 stages over TCP on this machine, one group in flight, median and least over launches:

    wall   time of the run / its steps: what a token pays on its way through all stages and back, so the stages' own
           work in a row, the links, and waking up. Needs a core for each rank; fewer make it a measure of the scheduler.
    own    of the busiest rank, its ledger's overhead + unattributed / its steps: scheduling, plans, sends, records

and both as shares of a step of one token: of the model given (backend cpu, one thread, measured here), else of 4 ms.

What recording costs: records a step x the cost of one, as each rank measured it in the same run. And with --without, an
lsbench built without records (-DCMAKE_C_FLAGS=-DLSB_NO_RECORDS, in a folder of its own) is launched in turn with the other;
the median of the differences of such pairs, and the difference of the two least times, are what a step gains without.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

SUITE = """[suite]
name = harness
[defaults]
kind = infer
prompts = 1
stop = length
warmup = 0
in_flight = 1
reps = {launches}
[case null]
model = random:null
backend = null
max_new = {steps}
transport.wait = {wait}
sweep.nodes = 1, 2, 4
"""
MODEL = """[case model]
model = {model}
threads = 1
nodes = 1
max_new = 64
"""


def run(arguments, lsbench, **changed):
    text = SUITE + (MODEL if arguments.model and not changed else "")
    with tempfile.TemporaryDirectory(prefix="lsbench-harness-") as folder:
        suite, out = pathlib.Path(folder, "harness.ini"), pathlib.Path(folder, "out")
        suite.write_text(text.format(**{**vars(arguments), **changed}))
        subprocess.run([lsbench, suite, "--out", out, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        return [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]


def walls(arguments, lsbench):
    """One launch of each number of stages: time of a step in seconds."""
    head, *launches = run(arguments, lsbench, launches=1)
    stages = {point["id"]: point["nodes"] for point in head["points"]}
    return {stages[launch["point"]]: launch["ranks"][0]["run_s"] / launch["ranks"][0]["steps"] for launch in launches}


def compare_without(arguments, step_s):
    """What a step gains without records, from launches of both programs in turn."""
    pairs = [(walls(arguments, arguments.lsbench), walls(arguments, arguments.without))
             for _ in range(arguments.launches)]
    print("stages      with us/step    without    gain, median (of the least)    share of a step")
    for stages in sorted(pairs[0][0]):
        on, off = [pair[0][stages] for pair in pairs], [pair[1][stages] for pair in pairs]
        gain = statistics.median(a - b for a, b in zip(on, off))
        print(f"{stages:6}{statistics.median(on) * 1e6:18.2f}{statistics.median(off) * 1e6:11.2f}{gain * 1e6:18.3f}"
              f"{'(%.3f)' % ((min(on) - min(off)) * 1e6):>14}{gain / step_s:19.3%}")


def main():
    build = pathlib.Path(__file__).resolve().parent.parent / "build"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lsbench", default=build / "lsbench")
    parser.add_argument("--model", type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--launches", type=int, default=9)
    parser.add_argument("--wait", choices=("block", "poll", "hybrid"), default="hybrid")
    parser.add_argument("--without", help="an lsbench built with LSB_NO_RECORDS")
    arguments = parser.parse_args()
    head, *launches = run(arguments, arguments.lsbench)
    step_s = 4e-3
    points = {point["id"]: point for point in head["points"]}
    found = {}
    for launch in launches:
        point = points[launch["point"]]
        if launch["status"] != "ok":
            raise SystemExit(f"{point['label']}: {launch['status']}: {launch['reason']}")
        if point["case"] == "model":
            answer = launch["ranks"][0]["requests"][0]["token_ns"]
            found.setdefault("model", []).append((answer[-1] - answer[0]) * 1e-9 / (len(answer) - 1))
            continue
        steps = launch["ranks"][0]["steps"]
        found.setdefault(point["nodes"], []).append((
            launch["ranks"][0]["run_s"] / steps,
            max(rank["overhead_s"] + rank["unattributed_s"] for rank in launch["ledger"]) / steps,
            max(rank["records"] * rank["record_ns"] * 1e-9 for rank in launch["ranks"]) / steps))
    if "model" in found:
        step_s = statistics.median(found.pop("model"))
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; a step of one token: {step_s * 1e3:.2f} ms"
          + ("" if arguments.model else " (assumed)"))
    print("stages      wall us/step (least)   share      own us/step (least)   share   records us/step (least)   share")
    for stages, values in sorted(found.items()):
        wall, own, records = ([value[i] for value in values] for i in (0, 1, 2))
        print(f"{stages:6}" + "".join(
            f"{statistics.median(values) * 1e6:12.1f} {'(%.1f)' % (min(values) * 1e6):>9}"
            f"{statistics.median(values) / step_s:8.2%}   " for values in (wall, own, records)))
    if arguments.without:
        compare_without(arguments, step_s)


if __name__ == "__main__":
    main()
