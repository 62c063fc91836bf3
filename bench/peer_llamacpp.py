#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""backend-cpu beside llama.cpp: the same GGUF file, threads and CPUs, taking turns.

    peer_llamacpp.py BENCH MODEL [--threads 1] [--cpus 0,1] [--rounds 7] [--same-as Q4_0.gguf]

BENCH is the built bench_backend_cpu; llama.cpp comes from the llama_cpp package
of the Python that runs this, through llama_decode. Each round runs every
workload once on both sides, one right after the other; a ratio is taken within
its round, and the medians over rounds are printed. Ours includes greedy
sampling, llama.cpp's does not. --same-as adds the same model in another
format for llama.cpp alone: Q4_1 is not its fastest one, and a fair page shows both.
"""
import argparse
import ctypes
import os
import statistics
import subprocess
import time

PROMPT, DECODE, CONTEXT, CHUNK = 64, 64, 1024, 512
WORKLOADS = {"pp64": (64, 1), "pp512": (512, 1), "tg1": (0, 1), "tg2": (0, 2), "tg4": (0, 4), "tg8": (0, 8),
             "tg16": (0, 16)}


class Llama:
    """One model of llama.cpp, with a context for each number of sequences."""

    def __init__(self, path, threads):
        import llama_cpp
        self.lib = llama_cpp
        self.threads = threads
        self.quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(self.quiet, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), params)
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load {path}")
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.contexts = {}
        self.batch = llama_cpp.llama_batch_init(CHUNK, 0, 1)

    def context(self, sequences):
        if sequences not in self.contexts:
            params = self.lib.llama_context_default_params()
            params.n_ctx = CONTEXT * sequences
            params.n_batch = params.n_ubatch = CHUNK
            params.n_seq_max = sequences
            params.n_threads = params.n_threads_batch = self.threads
            context = self.lib.llama_init_from_model(self.model, params)
            if not context:
                raise SystemExit(f"llama.cpp cannot make a context for {sequences} sequences")
            self.contexts[sequences] = context
        return self.contexts[sequences]

    def step(self, context, tokens):
        """tokens: (sequence, position, wants output)"""
        for i, (sequence, position, output) in enumerate(tokens):
            self.batch.token[i] = (position * 7919 + sequence * 131 + 3) % self.vocabulary
            self.batch.pos[i] = position
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = sequence
            self.batch.logits[i] = output
        self.batch.n_tokens = len(tokens)
        if self.lib.llama_decode(context, self.batch):
            raise SystemExit("llama_decode failed")
        self.lib.llama_synchronize(context)

    def run(self, name):
        """Tokens per second of one workload."""
        prompt, sequences = WORKLOADS[name]
        context = self.context(sequences)
        self.lib.llama_memory_clear(self.lib.llama_get_memory(context), True)
        if not prompt:
            for s in range(sequences):
                self.step(context, [(s, p, p + 1 == PROMPT) for p in range(PROMPT)])
            steps = [[(s, PROMPT + i, True) for s in range(sequences)] for i in range(DECODE)]
        else:
            steps = [[(0, p, p + 1 == prompt) for p in range(prompt)]]
        began = time.monotonic()
        for tokens in steps:
            self.step(context, tokens)
        return sum(len(t) for t in steps) / (time.monotonic() - began)


class Ours:
    """bench_backend_cpu, waiting for names of workloads."""

    def __init__(self, bench, model, threads, cpus):
        command = [bench, model, f"threads={threads}", f"cpus={','.join(map(str, cpus))}", "-"]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.title = self.child.stdout.readline().strip("# \n")

    def run(self, name):
        self.child.stdin.write(name + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline().split()
        if not line or line[0] != name:
            raise SystemExit("bench_backend_cpu ended early")
        return float(line[5])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bench")
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpus", default="0,1")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default=",".join(WORKLOADS))
    parser.add_argument("--same-as", help="the same model in the format that llama.cpp is fastest in")
    args = parser.parse_args()
    cpus = [int(c) for c in args.cpus.split(",")][:args.threads]
    os.sched_setaffinity(0, cpus)
    ours = Ours(args.bench, args.model, args.threads, cpus)
    peers = [Llama(path, args.threads) for path in (args.model, args.same_as) if path]
    names = [n for n in WORKLOADS if n in args.only.split(",")]
    rates = {n: [[] for _ in range(1 + len(peers))] for n in names}
    for peer in peers:  # graphs and pages, untimed
        for name in names:
            peer.run(name)
    for name in names:
        ours.run(name)
    for _ in range(args.rounds):
        for name in names:
            rates[name][0].append(ours.run(name))
            for i, peer in enumerate(peers):
                rates[name][i + 1].append(peer.run(name))
                time.sleep(0.05)  # its threads stop spinning
    import llama_cpp
    print(f"{ours.title}; llama-cpp-python {llama_cpp.__version__}; CPUs {cpus}; {args.rounds} rounds; medians, tokens/s")
    print(f"{'':8}{'lsbench':>10}{'llama.cpp':>12}{'ratio':>8}" +
          (f"{'llama.cpp on ' + os.path.basename(args.same_as):>40}{'ratio':>8}" if args.same_as else ""))
    for name in names:
        row = f"{name:8}{statistics.median(rates[name][0]):10.1f}"
        for i in range(len(peers)):
            ratio = statistics.median(a / b for a, b in zip(rates[name][0], rates[name][i + 1]))
            row += f"{statistics.median(rates[name][i + 1]):{12 if i == 0 else 40}.1f}{ratio:8.2f}"
        print(row)


if __name__ == "__main__":
    main()
