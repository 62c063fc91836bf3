#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""backend-cuda against a float32 reference by other hands, on the default model, through `lsbench generate`.

    golden.py LSBENCH MODEL GOLDEN_FOLDER

Each golden case's prompt is continued greedily by 64 ids. As long as they are the reference's, every step's logits
are set beside the reference's: KL divergence over its 256 most probable ids where the golden file has them, and the
id itself. A step whose reference margin is above 0.1 must agree: fp16 activations and KV cache move logits by less.
Without a device it says so and exits with 77.
"""
import json
import math
import subprocess
import sys
import tempfile

import numpy

MEAN_KL, MARGIN = 1e-3, 0.1


def generate(lsbench, model, ids, n):
    """Ids and logits [step][vocabulary] of n greedy steps."""
    with tempfile.NamedTemporaryFile() as logits:
        run = subprocess.run([lsbench, "generate", "--backend", "cuda", "--model", model, "--ids", " ".join(map(str, ids)),
                              "--max-new", str(n), "--json", "--logits", logits.name], capture_output=True, text=True)
        if run.returncode:
            print(run.stderr.strip())
            sys.exit(77 if "no CUDA device" in run.stderr else 1)
        out = json.loads(run.stdout)["ids"]
        rows = numpy.fromfile(logits.name, dtype=numpy.float32)
    return out, rows.reshape(-1, 49152)


def divergence(top, logits):
    """KL(reference || ours) over the reference's ids, with one bin for all the rest."""
    logits = logits.astype(numpy.float64)
    norm = logits.max() + math.log(numpy.exp(logits - logits.max()).sum())
    kl, rest_p, rest_q = 0.0, 1.0, 1.0
    for token, log_p in top:
        log_q = logits[token] - norm
        kl += math.exp(log_p) * (log_p - log_q)
        rest_p -= math.exp(log_p)
        rest_q -= math.exp(log_q)
    return kl + (rest_p * math.log(rest_p / rest_q) if rest_p > 1e-9 and rest_q > 1e-9 else 0.0)


def main():
    lsbench, model, golden = sys.argv[1:]
    with open(golden + "/greedy_smollm2.json", encoding="utf-8") as f:
        cases = json.load(f)["cases"]
    with open(golden + "/kl_smollm2.json", encoding="utf-8") as f:
        prefixes = {tuple(c["ids"]): c["top256"] for c in json.load(f)["cases"]}
    kls, steps, agreed, wrong = [], 0, 0, 0
    for case in cases:
        ids, rows = generate(lsbench, model, case["ids"], len(case["steps"]))
        for i, step in enumerate(case["steps"]):
            prefix = tuple(case["ids"]) + tuple(s["token"] for s in case["steps"][:i])
            if prefix in prefixes:
                kls.append(divergence(prefixes[prefix], rows[i]))
            steps += 1
            if i < len(ids) and ids[i] == step["token"]:
                agreed += 1
                continue
            wrong += step["margin"] > MARGIN
            print(f"step {i} behind {len(case['ids'])} tokens: {ids[i:i + 1]}, not {step['token']} (margin {step['margin']})")
            break  # beyond a different id the prefixes differ
    mean = sum(kls) / max(1, len(kls))
    print(f"mean KL {mean:.2e}, largest {max(kls, default=0):.2e} over {len(kls)} prefixes; {agreed} of {steps} greedy "
          f"steps agree")
    sys.exit(1 if wrong or not kls or mean > MEAN_KL else 0)


if __name__ == "__main__":
    main()
