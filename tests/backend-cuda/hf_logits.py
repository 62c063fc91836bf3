#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""backend-cuda beside HF transformers on the GPU machine: whole models with the same random weights.

    hf_logits.py LSBENCH [MODEL:TYPE...]        default: small:f32 small:bf16 llama-3.1-8b:bf16

A prompt of 67 ids is continued greedily by 64 with `lsbench generate`; transformers then computes the logits of the
same ids at once, in fp32 arithmetic (the reference) and in bf16, from weights rounded to TYPE. Printed are KL divergence
from the reference and how often the most probable id is the same. fp32 weights must come within a mean KL of 1e-6 (the
KV cache is fp16), bf16 ones at least as near as transformers' own bf16. Without torch, transformers or a GPU it says so
and exits with 77.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import random_llama  # noqa: E402

PROMPT, NEW = 67, 64


def ours(lsbench, model, ids):
    """All ids, and logits of the last prompt position and each new one."""
    with tempfile.NamedTemporaryFile() as file:
        run = subprocess.run([lsbench, "generate", "--backend", "cuda", "--model", "random:" + model, "--ids",
                              " ".join(map(str, ids)), "--max-new", str(NEW), "--json", "--logits", file.name],
                             capture_output=True, text=True)
        if run.returncode:
            print(run.stderr.strip())
            sys.exit(77 if "no CUDA device" in run.stderr else 1)
        new = json.loads(run.stdout)["ids"]
        return ids + new, numpy.fromfile(file.name, dtype=numpy.float32).reshape(len(new) + 1, -1)


def theirs(torch, name, ids, dtype, weights):
    model = random_llama.hf_model(name, dtype, weights)
    with torch.inference_mode():
        out = model(torch.tensor([ids], device="cuda")).logits[0, PROMPT - 1:].double()
    del model
    torch.cuda.empty_cache()
    return out


def compare(torch, reference, logits):
    """Mean and largest KL(reference || logits), and the share of equal most probable ids."""
    p, q = (torch.log_softmax(x, -1) for x in (reference, logits))
    kl = (p.exp() * (p - q)).sum(-1)
    return float(kl.mean()), float(kl.max()), float((reference.argmax(-1) == logits.argmax(-1)).double().mean())


def main():
    try:
        import torch
        import transformers
    except ImportError as why:
        print(f"waived: {why}")
        sys.exit(77)
    if not torch.cuda.is_available():
        print("waived: torch sees no GPU")
        sys.exit(77)
    torch.backends.cuda.matmul.allow_tf32 = False
    print(f"transformers {transformers.__version__}, torch {torch.__version__}, {torch.cuda.get_device_name()}")
    wrong = 0
    for model in sys.argv[2:] or ["small:f32", "small:bf16", "llama-3.1-8b:bf16"]:
        name, _, kind = model.partition(":")
        vocabulary = random_llama.shape(name)["vocabulary"]
        weights = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[kind]
        ids, logits = ours(sys.argv[1], model, [(i * 7919 + 3) % vocabulary for i in range(PROMPT)])
        reference = theirs(torch, name, ids, torch.float32, weights)
        rows = {"lsbench": torch.from_numpy(logits).to("cuda").double()}
        if kind == "bf16":
            rows["transformers bf16"] = theirs(torch, name, ids, torch.bfloat16, weights)
        found = {who: compare(torch, reference, x) for who, x in rows.items()}
        for who, (mean, most, same) in found.items():
            print(f"{model}: {who} against transformers fp32: KL mean {mean:.2e}, largest {most:.2e}; most probable id "
                  f"the same in {same:.1%} of {len(reference)} steps")
        bound = found["transformers bf16"][0] if kind == "bf16" else 1e-6
        wrong |= not found["lsbench"][0] <= bound
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
