#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What it costs to analyse a large run: `lsbench report` over a journal of many launches.

    analyse.py [--lsbench FILE] [--launches N] [--points N] [--prompts N] [--max-new N] [--keep DIR]

Runs a suite of pipelines of 8 ranks once (backend null), then writes its launches again and again into a journal, each
with its own number, round, times and answers' times, until there are --launches; reads that with `lsbench report` and
prints size, wall time and the most memory that was resident.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

SUITE = """[suite]
name = analyse
[case eight]
kind = batch
model = random:tiny
backend = null
nodes = 8
stages = 8
prompts = {prompts}
max_new = {max_new}
stop = length
warmup = 0
reps = {reps}
sweep.batch = 1..{points}
"""


def changed(line, launch, round_, factor):
    """A launch like `line`, slower by `factor`."""
    def scale(values):
        return {key: value * factor if isinstance(value, float) else value for key, value in values.items()}

    line = {**line, "launch": launch, "round": round_, "ledger": [scale(row) for row in line["ledger"]],
            "metrics": scale(line["metrics"]), "ranks": [scale(rank) for rank in line["ranks"]]}
    line["metrics"]["tokens_per_s"] = line["metrics"]["generated_tokens"] / line["metrics"]["run_s"]
    for rank in line["ranks"]:
        if round_:  # ranks measure the machine's peaks in the first round alone
            rank.pop("link", None)
            for peak in [key for key in rank if key.startswith(("read_bandwidth_", "matmul_peak_"))]:
                del rank[peak]
        for request in rank.get("requests", []):
            request["token_ns"] = [int(at * factor) for at in request["token_ns"]]
    return line


def craft(arguments, folder):
    """Run once, and multiply the journal in place."""
    reps = -(-arguments.launches // arguments.points)
    suite = folder / "analyse.ini"
    suite.write_text(SUITE.format(**{**vars(arguments), "reps": 1}))
    subprocess.run([arguments.lsbench, suite, "--out", folder / "out", "--quiet"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = folder / "out" / "journal.jsonl"
    head, *lines = [json.loads(line) for line in journal.read_text().splitlines()]
    lines = [line for line in lines if line["status"] == "ok"]
    if len(lines) != arguments.points:
        raise SystemExit(f"{len(lines)} of {arguments.points} launches went well")
    for point in head["points"]:
        point["reps"] = point["max_reps"] = reps
    rng = random.Random(1)
    with open(journal, "w") as out:
        for line in [head, *(changed(lines[i % len(lines)], i, i // len(lines), rng.lognormvariate(0, 0.02))
                             for i in range(arguments.launches))]:
            out.write(json.dumps(line, separators=(",", ":")) + "\n")
    return journal


def main():
    build = pathlib.Path(__file__).resolve().parent.parent / "build"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lsbench", default=build / "lsbench")
    parser.add_argument("--launches", type=int, default=10000)
    parser.add_argument("--points", type=int, default=4)
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--max-new", type=int, default=64)
    parser.add_argument("--keep", type=pathlib.Path, help="a folder to leave the results in")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lsbench-analyse-") as scratch:
        folder = arguments.keep or pathlib.Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        journal = craft(arguments, folder)
        begun = time.monotonic()
        report = subprocess.Popen([arguments.lsbench, "report", journal.parent, "--no-html"],
                                  stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(report.pid, 0)
        wall_s = time.monotonic() - begun
        print(f"{arguments.launches} launches of 8 ranks, {arguments.points} points, "
              f"{journal.stat().st_size / 1e6:.1f} MB: {wall_s:.2f} s wall, {used.ru_utime + used.ru_stime:.2f} s "
              f"of a processor, {used.ru_maxrss / 1024:.0f} MiB resident at most")
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
