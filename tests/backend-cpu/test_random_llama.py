#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench/random_llama.py makes the weights of random: models that lsbench makes: a Llama of HF's shape in numpy, on its
tensors, gives the logits of `lsbench generate`.

    test_random_llama.py LSBENCH
"""
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy
except ImportError as why:
    print(f"waived: {why}")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import random_llama  # noqa: E402


def norm(x, weight, epsilon):
    return x / numpy.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * weight


def rotate(x, base):
    """x [tokens][heads][head size]: the halves of a head turn, as in HF's Llama."""
    half = x.shape[-1] // 2
    angle = numpy.arange(len(x))[:, None] * base ** (-numpy.arange(half) / half)
    cos, sin = numpy.cos(angle)[:, None], numpy.sin(angle)[:, None]
    a, b = x[..., :half], x[..., half:]
    return numpy.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def logits(name, ids):
    s = random_llama.shape(name)
    make = lambda role, layer, rows, cols: random_llama.tensor(role, layer, rows, cols, tied=s["tied"]).astype(float)
    w = dict(random_llama.hf_tensors(name, make))
    x = w["model.embed_tokens.weight"][ids]
    n, d = len(ids), s["head_size"]
    ahead = numpy.triu(numpy.full((n, n), -numpy.inf), 1)
    for i in range(s["layers"]):
        at = lambda key: w[f"model.layers.{i}.{key}.weight"]
        h = norm(x, at("input_layernorm"), s["epsilon"])
        q, k, v = (h @ at(f"self_attn.{p}_proj").T for p in "qkv")
        q = rotate(q.reshape(n, s["heads"], d), s["rope_base"])
        k = numpy.repeat(rotate(k.reshape(n, s["kv_heads"], d), s["rope_base"]), s["heads"] // s["kv_heads"], 1)
        v = numpy.repeat(v.reshape(n, s["kv_heads"], d), s["heads"] // s["kv_heads"], 1)
        score = numpy.einsum("qhd,khd->hqk", q, k) / numpy.sqrt(d) + ahead
        score = numpy.exp(score - score.max(-1, keepdims=True))
        score /= score.sum(-1, keepdims=True)
        x = x + numpy.einsum("hqk,khd->qhd", score, v).reshape(n, -1) @ at("self_attn.o_proj").T
        h = norm(x, at("post_attention_layernorm"), s["epsilon"])
        gate, up = h @ at("mlp.gate_proj").T, h @ at("mlp.up_proj").T
        x = x + (gate / (1 + numpy.exp(-gate)) * up) @ at("mlp.down_proj").T
    return norm(x, w["model.norm.weight"], s["epsilon"]) @ w["model.embed_tokens.weight"].T


def main():
    for name in ("tiny", "small"):
        with tempfile.NamedTemporaryFile() as file:
            run = subprocess.run([sys.argv[1], "generate", "--backend", "cpu", "--model", f"random:{name}:f32", "--ids",
                                  "1 2 3 400 5", "--max-new", "4", "--json", "--logits", file.name], check=True,
                                 capture_output=True, text=True)
            ours = numpy.fromfile(file.name, dtype=numpy.float32)
        ids = [1, 2, 3, 400, 5, *json.loads(run.stdout)["ids"]]
        theirs = logits(name, ids)[4:]
        ours = ours.reshape(theirs.shape)
        error = numpy.linalg.norm(ours - theirs) / numpy.linalg.norm(theirs)
        print(f"{name}: error {error:.1e} of the logits' norm")
        if not error < 2e-3:  # an fp16 KV cache is the only rounding worth naming
            sys.exit(1)


if __name__ == "__main__":
    main()
