# SPDX-License-Identifier: Apache-2.0
"""The random: models of core/model/random.c once more, for HF transformers: the same shapes, the same weights.

Element c of row r of a tensor is a hash of (seed, the tensor's stream number, r, c), so tensors are made straight where
they are needed: on the GPU by torch, or by numpy where there is no torch. tests/backend-cpu/test_random_llama.py holds both
implementations against each other by their models' logits, on any machine; tests/backend-cuda/hf_logits.py uses this one.
"""
import numpy

# name: layers, hidden, heads, kv heads, head size, ffn, vocabulary, context, RoPE base, norm epsilon, tied
SHAPES = {
    "tiny": (4, 64, 4, 2, 16, 160, 512, 2048, 10000.0, 1e-5, True),
    "small": (6, 512, 8, 4, 64, 1024, 4096, 4096, 10000.0, 1e-5, True),
    "openllama-3b": (26, 3200, 32, 32, 100, 8640, 32000, 2048, 10000.0, 1e-6, False),
    "llama-3.2-1b": (16, 2048, 32, 8, 64, 8192, 128256, 131072, 500000.0, 1e-5, True),
    "llama-3.1-8b": (32, 4096, 32, 8, 128, 14336, 128256, 131072, 500000.0, 1e-5, False),
}
NAMES = ("layers", "hidden", "heads", "kv_heads", "head_size", "ffn", "vocabulary", "context", "rope_base", "epsilon", "tied")
ROLES = {"attn_norm": 0, "q": 1, "k": 2, "v": 3, "o": 4, "ffn_norm": 5, "gate": 6, "up": 7, "down": 8, "embed": 9,
         "out_norm": 10, "head": 11}
CHUNK = 1 << 25  # elements made at a time
MASK = (1 << 32) - 1


def shape(name):
    return dict(zip(NAMES, SHAPES[name]))


def mix64(x):
    x = (x ^ x >> numpy.uint64(30)) * numpy.uint64(0xbf58476d1ce4e5b9)
    x = (x ^ x >> numpy.uint64(27)) * numpy.uint64(0x94d049bb133111eb)
    return x ^ x >> numpy.uint64(31)


def row_keys(seed, stream, rows):
    """The key of each row, as 64 bits (numpy)."""
    one = lambda value: numpy.array([value % 2**64], dtype=numpy.uint64)
    start = mix64(mix64(one(seed + 0x9e3779b97f4a7c15)) ^ one(stream))
    return mix64(start ^ numpy.arange(rows, dtype=numpy.uint64))


def mix32(x):
    """Of 32-bit values held in 64-bit signed ones, as numpy and torch both have them."""
    x = (x ^ x >> 16) * 0x7feb352d & MASK
    x = (x ^ x >> 15) * 0x846ca68b & MASK
    return x ^ x >> 16


def bells(low, high, columns):
    """Sums of a hash's four bytes, centred: low, high [rows][1], columns [1][n]."""
    h = mix32(mix32(low + columns & MASK) ^ high)
    return (h & 255) + (h >> 8 & 255) + (h >> 16 & 255) + (h >> 24) - 510


def tensor(role, layer, rows, cols, seed=0, tied=False, torch=None, device=None, dtype=None):
    """One tensor: numpy float32, or with `torch` one of its tensors of `dtype` on `device`."""
    vector = role.endswith("norm")
    stream = (layer + 1) * 32 + ROLES["embed" if role == "head" and tied else role]
    spread = numpy.float32(0.1) if vector else numpy.float32(1) / numpy.sqrt(numpy.float32(cols))
    scale = float(spread / numpy.sqrt(numpy.float32(4.0 * 65535.0 / 12.0)))
    keys = row_keys(seed, stream, rows)
    low = (keys & numpy.uint64(MASK)).astype(numpy.int64)[:, None]
    high = (keys >> numpy.uint64(32)).astype(numpy.int64)[:, None]
    step = max(1, CHUNK // cols)
    base = 1.0 if vector else 0.0
    if torch is None:
        columns = numpy.arange(cols, dtype=numpy.int64)[None]
        parts = [bells(low[r:r + step], high[r:r + step], columns) for r in range(0, rows, step)]
        return numpy.float32(base) + numpy.float32(scale) * numpy.concatenate(parts).astype(numpy.float32)
    low, high = (torch.from_numpy(x).to(device) for x in (low, high))
    columns = torch.arange(cols, device=device, dtype=torch.int64)[None]
    out = torch.empty(rows, cols, device=device, dtype=dtype)
    for r in range(0, rows, step):
        out[r:r + step] = bells(low[r:r + step], high[r:r + step], columns).float().mul_(scale).add_(base).to(dtype)
    return out


def halves(weight, heads):
    """Rows of q or k from GGUF's order (a rotation turns neighbours) to HF's (it turns the halves of a head)."""
    n = weight.shape[0] // heads
    if isinstance(weight, numpy.ndarray):
        return weight.reshape(heads, n // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)
    return weight.view(heads, n // 2, 2, -1).transpose(1, 2).reshape(weight.shape)


def hf_tensors(name, make):
    """(HF's parameter name, tensor) of a shape; make(role, layer, rows, cols) gives a tensor."""
    s = shape(name)
    q, kv = s["heads"] * s["head_size"], s["kv_heads"] * s["head_size"]
    yield "model.embed_tokens.weight", make("embed", -1, s["vocabulary"], s["hidden"])
    yield "model.norm.weight", make("out_norm", -1, 1, s["hidden"])[0]
    if not s["tied"]:
        yield "lm_head.weight", make("head", -1, s["vocabulary"], s["hidden"])
    for i in range(s["layers"]):
        at = f"model.layers.{i}."
        yield at + "input_layernorm.weight", make("attn_norm", i, 1, s["hidden"])[0]
        yield at + "post_attention_layernorm.weight", make("ffn_norm", i, 1, s["hidden"])[0]
        yield at + "self_attn.q_proj.weight", halves(make("q", i, q, s["hidden"]), s["heads"])
        yield at + "self_attn.k_proj.weight", halves(make("k", i, kv, s["hidden"]), s["kv_heads"])
        yield at + "self_attn.v_proj.weight", make("v", i, kv, s["hidden"])
        yield at + "self_attn.o_proj.weight", make("o", i, s["hidden"], q)
        yield at + "mlp.gate_proj.weight", make("gate", i, s["ffn"], s["hidden"])
        yield at + "mlp.up_proj.weight", make("up", i, s["ffn"], s["hidden"])
        yield at + "mlp.down_proj.weight", make("down", i, s["hidden"], s["ffn"])


def hf_model(name, dtype, weights=None, attention="sdpa"):
    """transformers' LlamaForCausalLM on the GPU, with the weights of random:NAME rounded to `weights` (default: dtype)."""
    import torch
    import transformers

    s = shape(name)
    config = transformers.LlamaConfig(
        vocab_size=s["vocabulary"], hidden_size=s["hidden"], intermediate_size=s["ffn"], num_hidden_layers=s["layers"],
        num_attention_heads=s["heads"], num_key_value_heads=s["kv_heads"], head_dim=s["head_size"],
        max_position_embeddings=s["context"], rms_norm_eps=s["epsilon"], tie_word_embeddings=s["tied"],
        rope_parameters={"rope_type": "default", "rope_theta": s["rope_base"]})
    config.rope_theta = s["rope_base"]  # what transformers 4 reads
    config._attn_implementation = attention
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device("meta"):
            model = transformers.LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    make = lambda role, layer, rows, cols: tensor(
        role, layer, rows, cols, tied=s["tied"], torch=torch, device="cuda",
        dtype=torch.float32 if role.endswith("norm") else weights or dtype)
    state = {key: value.to(dtype).contiguous() for key, value in hf_tensors(name, make)}
    missing = model.load_state_dict(state, strict=False, assign=True)
    if missing.unexpected_keys or set(missing.missing_keys) - {"lm_head.weight"}:
        raise SystemExit(f"transformers has other parameters than Llama's: {missing}")
    if s["tied"]:
        model.lm_head.weight = model.model.embed_tokens.weight
    # What is no parameter was made on no device: the rotations' frequencies.
    model.model.rotary_emb = type(model.model.rotary_emb)(config=config).to("cuda")
    return model.eval()
