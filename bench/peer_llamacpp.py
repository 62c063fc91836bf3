#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""backend-cpu beside llama.cpp: the same files, threads and CPUs, taking turns; prints one markdown table.

    peer_llamacpp.py MODEL [--quick] [--pairs 10] [--out DIR] [--budget SECONDS]
                     [--isa avx2 --library DIR]

MODEL is the default model, SmolLM2-135M-Instruct.Q4_1.gguf; llama.cpp is the Python package llama_cpp of the Python that
runs this (and gguf, to write the files of the other types). A pair is one workload on both sides, one right after
the other; its ratio is ours over theirs, and the table has medians of ratios with their exact 95 % intervals (order
statistics; 6 pairs at least). Ours includes greedy sampling, llama.cpp's does not. Q4_1 has no fast path in
llama.cpp, so the same model requantised to Q4_0, its fastest format, stands beside it.

    ppN      tokens/s of a prompt of N tokens in one step; pp8x32: eight prompts of 32 in one step
    tgN      tokens/s of N sequences, 32 steps behind prompts of 64
    load     seconds to open the model and a context, the file in the page cache
    MBU      steps/s x bytes of weights / read bandwidth, both of the same round, in tg1

With --out, what was measured is kept in DIR/pairs.jsonl and a later call goes on from there; --budget ends a call after
so many seconds (twice the last pair's length at most late). --quick: 3 pairs of the default model alone. --isa and
--library compare another instruction set of ours with another build of llama.cpp.
"""
import argparse
import collections
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(__file__).resolve().parent.parent / "build"
QUICK = ("pp64", "pp512", "tg1", "tg8", "load")
DEFAULT = ("pp64", "pp512", "pp8x32", "tg1", "tg2", "tg4", "tg8", "tg16", "load")
TYPES = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q4_k", "q5_k", "q6_k", "f16", "bf16", "f32")
OF_TYPES = ("pp256", "tg1")

# One setting of the table: our model, the peer's, and what both run.
Setting = collections.namedtuple("Setting", "title model peer threads workloads")


class Ours:
    """bench_backend_cpu, waiting for names of workloads."""

    def __init__(self, bench, model, threads, cpus, isa):
        command = [bench, model, f"threads={threads}", f"cpus={','.join(map(str, cpus))}", f"isa={isa}", "-"]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.title = self.child.stdout.readline().strip("# \n")

    def run(self, name):
        self.child.stdin.write(name + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline().split()
        if not line or line[0] != name:
            raise SystemExit("bench_backend_cpu ended early")
        return float(line[1])

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def interval(values):
    """Exact 95 % interval of the median from order statistics, None below 6 values."""
    n, below, k = len(values), 0.0, 0
    while below + math.comb(n, k) / 2 ** n <= 0.025:
        below += math.comb(n, k) / 2 ** n
        k += 1
    ordered = sorted(values)
    return (ordered[k - 1], ordered[n - k]) if k else None


class Journal:
    """Pairs that were measured, in memory and, with a folder, in its pairs.jsonl."""

    def __init__(self, folder):
        self.path = folder and pathlib.Path(folder, "pairs.jsonl")
        self.lines = []
        if self.path and self.path.exists():
            self.lines = [json.loads(line) for line in self.path.read_text().splitlines()]

    def add(self, line):
        self.lines.append(line)
        if self.path:
            with open(self.path, "a") as file:
                file.write(json.dumps(line) + "\n")

    def pairs(self, setting, workload):
        return [line for line in self.lines if line["setting"] == setting.title and line["threads"] == setting.threads
                and line["workload"] == workload]


class Files:
    """Model files, made when first asked for."""

    def __init__(self, folder, default):
        self.folder, self.default = pathlib.Path(folder), default

    def path(self, name):
        import llamacpp
        path = self.folder / f"{name}.gguf"
        if name == "default":
            return self.default
        if path.exists():
            return path
        if name == "random-f16":
            llamacpp.write_random(path.with_suffix(".part"))
        elif name == "default-q4_0":
            llamacpp.quantize(self.default, path.with_suffix(".part"), "q4_0", False)
        else:
            llamacpp.quantize(self.path("random-f16"), path.with_suffix(".part"), name.removeprefix("random-"), True)
        path.with_suffix(".part").rename(path)
        return path


def settings(arguments):
    found, default = [], QUICK if arguments.quick else DEFAULT
    for threads in arguments.threads:
        found.append(Setting("the default model", "default", "default", threads, default))
        found.append(Setting("llama.cpp on Q4_0", "default", "default-q4_0", threads, default))
    for threads in arguments.threads:
        for kind in () if arguments.quick else TYPES:
            found.append(Setting(kind, f"random-{kind}", f"random-{kind}", threads, OF_TYPES))
    return [s for s in found if s.title in arguments.only] if arguments.only else found


def measure(setting, files, journal, arguments, deadline):
    """Pairs of one setting until there are enough or time is up; says whether there are enough."""
    missing = [w for w in setting.workloads if len(journal.pairs(setting, w)) < arguments.pairs]
    if not missing:
        return True
    if time.monotonic() > deadline:
        return False
    import llamacpp
    paths = files.path(setting.model), files.path(setting.peer)
    cpus = arguments.cpus[:setting.threads]
    os.sched_setaffinity(0, cpus)
    ours = Ours(arguments.bench, paths[0], setting.threads, cpus, arguments.isa)
    peer = llamacpp.Llama(paths[1], setting.threads)
    for workload in missing:  # pages, graphs, prompts: untimed
        ours.run(workload)
        peer.run(workload)
    while missing and time.monotonic() < deadline:
        limit = ours.run("read")
        for workload in missing:
            line = {"setting": setting.title, "threads": setting.threads, "workload": workload,
                    "ours": ours.run(workload), "peer": peer.run(workload), "read": limit}
            journal.add(line)
            time.sleep(0.03)  # their threads stop spinning
        missing = [w for w in missing if len(journal.pairs(setting, w)) < arguments.pairs]
    ours.close()
    peer.close()
    return not missing


def show_ratio(pairs):
    ratios = [pair["ours"] / pair["peer"] for pair in pairs]
    if not ratios:
        return "-"
    bounds = interval(ratios)
    return f"{statistics.median(ratios):.2f}" + (f" [{bounds[0]:.2f}, {bounds[1]:.2f}]" if bounds else "")


def show_rate(pairs, side, workload):
    if not pairs:
        return "-"
    rate = statistics.median(pair[side] for pair in pairs)
    return f"{1 / rate:.3f} s" if workload == "load" else f"{rate:.0f}"


def print_table(found, journal, threads):
    """One row a workload and setting, columns by threads."""
    print("| |" + "".join(f" {t} thread{'s' * (t > 1)}: ours | llama.cpp | ratio | MBU |" for t in threads))
    print("|---|" + "---|---|---|---|" * len(threads))
    rows = dict.fromkeys((s.title, w) for s in found for w in s.workloads)
    for title, workload in rows:
        row = f"| {title}, {workload} |"
        for t in threads:
            pairs = journal.pairs(Setting(title, None, None, t, None), workload)
            mbu = statistics.median(p["ours"] / p["read"] for p in pairs) if pairs and workload == "tg1" else None
            row += (f" {show_rate(pairs, 'ours', workload)} | {show_rate(pairs, 'peer', workload)} "
                    f"| {show_ratio(pairs)} | {f'{mbu:.0%}' if mbu else ''} |")
        print(row)
    counts = [len(journal.pairs(s, w)) for s in found for w in s.workloads]
    print(f"\n{min(counts)} to {max(counts)} pairs a row." if min(counts) < max(counts) else f"\n{min(counts)} pairs a row.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--bench", default=BUILD / "tests/backend-cpu/bench_backend_cpu")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", type=lambda text: text.split(","), help="titles of settings, as 'q4_0,f16'")
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--threads", type=lambda text: [int(t) for t in text.split(",")], default=[1, 2])
    parser.add_argument("--cpus", type=lambda text: [int(c) for c in text.split(",")],
                        default=sorted(os.sched_getaffinity(0)))
    parser.add_argument("--isa", default="auto", choices=("auto", "plain", "avx2", "avx512"))
    parser.add_argument("--library", help="folder of another build of llama.cpp's libraries")
    parser.add_argument("--out", help="folder for pairs.jsonl and model files (default: a temporary one)")
    parser.add_argument("--budget", type=float, default=math.inf)
    arguments = parser.parse_args()
    arguments.pairs = arguments.pairs or (3 if arguments.quick else 10)
    arguments.threads = [t for t in arguments.threads if t <= len(arguments.cpus)]
    if arguments.library:
        os.environ["LLAMA_CPP_LIB_PATH"] = arguments.library
    deadline = time.monotonic() + arguments.budget
    temporary = None if arguments.out else tempfile.TemporaryDirectory(prefix="lsbench-peer-")
    folder = arguments.out or temporary.name
    os.makedirs(folder, exist_ok=True)
    journal, files, found = Journal(arguments.out), Files(folder, arguments.model), settings(arguments)
    complete = all([measure(setting, files, journal, arguments, deadline) for setting in found])
    print_table(found, journal, arguments.threads)
    if not complete:
        print("The time is up; call again to go on." if arguments.out else "The time is up.", file=sys.stderr)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
