#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""backend-cuda beside HF transformers and PyTorch on one GPU, taking turns.

    peer_gpu.py BENCH [--model llama-3.1-8b] [--rounds 3] [--batches 1,8] [--attention BENCH_ATTENTION]

BENCH is the built bench_backend_cuda, whose process is started afresh each round; transformers holds the same random
weights in bf16 and decodes eagerly, one forward pass a token over a dynamic cache, prompts first. 67 ids in, 64 out.
Rates are medians over rounds: whole = 64 ids a sequence over the time of prompts and all steps, decode = the steps
alone. With --attention (bench_cuda_attention) the attention of prompts, by the own kernel and by cuDNN, is set beside
PyTorch's, by cuDNN and by its own flash kernels, on the model's shape. Without torch, transformers or a GPU it says so and exits with 77.
"""
import argparse
import re
import statistics
import subprocess
import sys
import time

import random_llama

PROMPT, NEW = 67, 64
LINE = re.compile(r"decode +(\d+): +[\d.]+ tokens/s +([\d.]+) ms a step .* first token after ([\d.]+) ms")


def ours(bench, model, batches):
    """{batch: (whole, decode) tokens/s} of one process."""
    out = subprocess.run([bench, f"random:{model}:bf16", "rounds=3", f"prompt={PROMPT}", f"new={NEW}", "prefill=0",
                          "batches=" + ",".join(map(str, batches)), "peaks=0"], check=True, capture_output=True, text=True).stdout
    found = {}
    for batch, step_ms, first_ms in LINE.findall(out):
        # The first id of each sequence comes with its prompt; prompts follow each other.
        n, decode_ms = int(batch), float(step_ms) * (NEW - 1)
        found[n] = (1e3 * n * NEW / (n * float(first_ms) + decode_ms), 1e3 * n * (NEW - 1) / decode_ms)
    return found


class Peer:
    def __init__(self, torch, model):
        self.torch = torch
        self.model = random_llama.hf_model(model, torch.bfloat16)
        self.vocabulary = random_llama.shape(model)["vocabulary"]

    def run(self, batch):
        """(whole, decode) tokens/s: prompts of all sequences in one pass, as transformers does."""
        torch = self.torch
        ids = torch.tensor([[(p * 7919 + s * 131 + 3) % self.vocabulary for p in range(PROMPT)] for s in range(batch)],
                           device="cuda")
        with torch.inference_mode():
            torch.cuda.synchronize()
            began = time.monotonic()
            out = self.model(ids, use_cache=True, logits_to_keep=1)
            ids = out.logits[:, -1].argmax(-1, keepdim=True)
            torch.cuda.synchronize()
            first = time.monotonic()
            for _ in range(NEW - 1):
                out = self.model(ids, past_key_values=out.past_key_values, use_cache=True, logits_to_keep=1)
                ids = out.logits[:, -1].argmax(-1, keepdim=True)
                ids.tolist()  # a server hands each id out
            end = time.monotonic()
        return batch * NEW / (end - began), batch * (NEW - 1) / (end - first)


def torch_attention(torch, shape, tokens):
    """Milliseconds of causal attention over a prompt, by cuDNN and by flash attention; NAN where refused."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    q = torch.randn(1, shape["heads"], tokens, shape["head_size"], device="cuda", dtype=torch.float16)
    k, v = (torch.randn(1, shape["kv_heads"], tokens, shape["head_size"], device="cuda", dtype=torch.float16)
            for _ in range(2))
    found = []
    for backend in (SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION):
        try:
            with sdpa_kernel(backend):
                run = lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
                for _ in range(3):
                    run()
                times = []
                for _ in range(15):
                    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                    start.record()
                    for _ in range(8):
                        run()
                    end.record()
                    end.synchronize()
                    times.append(start.elapsed_time(end) / 8)
            found.append(statistics.median(times))
        except RuntimeError:
            found.append(float("nan"))
    return found


def show_attention(torch, bench, model):
    shape = random_llama.shape(model)
    print(f"attention of one layer over a prompt, {shape['heads']} heads of {shape['head_size']}, {shape['kv_heads']} KV heads, "
          f"fp16, ms (causal TFLOP/s)")
    print(f"{'tokens':>8}{'own, with append':>22}{'cuDNN, with append':>22}{'cuDNN (PyTorch)':>22}{'flash (PyTorch)':>22}")
    for tokens in (512, 2048, 8192):
        line = subprocess.run([bench, f"tokens={tokens}", f"heads={shape['heads']}", f"kv_heads={shape['kv_heads']}",
                               f"head={shape['head_size']}"], check=True, capture_output=True, text=True).stdout
        ours_ = [float(ms) for ms in re.findall(r"([\d.]+) ms", line)] + [float("nan")]
        flop = 2.0 * tokens * tokens * shape["heads"] * shape["head_size"]
        print(f"{tokens:8}" + "".join(f"{ms:13.4f} ({flop / ms * 1e-9:5.0f})" + " " for ms in
                                      (*ours_[:2], *torch_attention(torch, shape, tokens))))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("--model", default="llama-3.1-8b", choices=random_llama.SHAPES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", default="1,8", type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--attention")
    arguments = parser.parse_args()
    try:
        import torch
        import transformers
    except ImportError as why:
        print(f"waived: {why}")
        sys.exit(77)
    if not torch.cuda.is_available():
        print("waived: torch sees no GPU")
        sys.exit(77)
    print(f"transformers {transformers.__version__}, torch {torch.__version__}, cuDNN "
          f"{torch.backends.cudnn.version()}, {torch.cuda.get_device_name()}; {arguments.model} bf16, {PROMPT} in, {NEW} out, "
          f"{arguments.rounds} rounds")
    if arguments.attention:
        show_attention(torch, arguments.attention, arguments.model)
    peer = Peer(torch, arguments.model)
    rates = {}
    for batch in arguments.batches:
        peer.run(batch)  # kernels are loaded
    for _ in range(arguments.rounds):
        for batch, pair in ours(arguments.bench, arguments.model, arguments.batches).items():
            rates.setdefault(("lsbench", batch), []).append(pair)
        for batch in arguments.batches:
            rates.setdefault(("transformers", batch), []).append(peer.run(batch))
    print(f"{'sequences':>10}{'lsbench whole':>16}{'decode':>10}{'HF whole':>12}{'decode':>10}{'ratio whole':>13}{'decode':>8}")
    for batch in arguments.batches:
        ours_, theirs = ([statistics.median(pair[i] for pair in rates[who, batch]) for i in (0, 1)]
                         for who in ("lsbench", "transformers"))
        print(f"{batch:10}{ours_[0]:16.1f}{ours_[1]:10.1f}{theirs[0]:12.1f}{theirs[1]:10.1f}{ours_[0] / theirs[0]:13.2f}"
              f"{ours_[1] / theirs[1]:8.2f}")


if __name__ == "__main__":
    main()
