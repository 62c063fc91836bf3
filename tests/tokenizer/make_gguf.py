#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turn a vocabulary file of a PyPI wheel into a GGUF that lsbench can open.

    make_gguf.py tiktoken tokenizer.model OUT.gguf    Llama 3's (wheel llama-models)
    make_gguf.py spm      tokenizer.model OUT.gguf    SentencePiece (wheel mistral-common)

The model around it is a single layer of zeros: valid, and of no other use.
Needs gguf and numpy, and for spm sentencepiece; exits 77 (skipped) without.
"""
import base64
import sys

try:
    import gguf
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

HIDDEN = 32
LLAMA3_SPECIAL = [
    "<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>",
    "<|finetune_right_pad_id|>", "<|step_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>",
    "<|eot_id|>", "<|python_tag|>", "<|image|>",
]


def byte_alphabet():
    """GPT-2's printable character for each byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    other = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(other)}}


def last_merge(token, ranks):
    """The two tokens that `token` is made of when only lower ranks may merge."""
    parts = [token[i:i + 1] for i in range(len(token))]
    while len(parts) > 2:
        rank, at = min((ranks.get(parts[i] + parts[i + 1], len(ranks)), i) for i in range(len(parts) - 1))
        if rank >= ranks[token]:
            return None
        parts[at:at + 2] = [parts[at] + parts[at + 1]]
    return parts


def add_tiktoken(writer, path):
    with open(path, "rb") as file:
        ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in file if line.strip())}
    alphabet = byte_alphabet()
    spell = lambda token: "".join(alphabet[b] for b in token)
    ordered = sorted(ranks, key=ranks.get)
    pairs = [last_merge(token, ranks) for token in ordered if len(token) > 1]
    special = LLAMA3_SPECIAL + [f"<|reserved_special_token_{2 + i}|>" for i in range(256 - len(LLAMA3_SPECIAL))]
    n = len(ordered)

    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list([spell(token) for token in ordered] + special)
    writer.add_token_types([gguf.TokenType.NORMAL] * n + [gguf.TokenType.CONTROL] * len(special))
    writer.add_token_merges([" ".join(map(spell, pair)) for pair in pairs if pair])
    writer.add_bos_token_id(n + special.index("<|begin_of_text|>"))
    writer.add_eos_token_id(n + special.index("<|eot_id|>"))
    return n + len(special)


def add_spm(writer, path):
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError as missing:
        print(f"skipped: {missing}")
        sys.exit(77)
    spm = SentencePieceProcessor(model_file=path)
    n = spm.vocab_size()

    def kind(i):
        return (gguf.TokenType.UNKNOWN if spm.is_unknown(i) else gguf.TokenType.CONTROL if spm.is_control(i) else
                gguf.TokenType.UNUSED if spm.is_unused(i) else gguf.TokenType.BYTE if spm.is_byte(i) else
                gguf.TokenType.NORMAL)

    writer.add_tokenizer_model("llama")
    writer.add_token_list([spm.id_to_piece(i) for i in range(n)])
    writer.add_token_scores([spm.get_score(i) for i in range(n)])
    writer.add_token_types([kind(i) for i in range(n)])
    writer.add_bos_token_id(spm.bos_id())
    writer.add_eos_token_id(spm.eos_id())
    writer.add_unk_token_id(spm.unk_id())
    return n


def add_model(writer, vocabulary):
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN)
    writer.add_vocab_size(vocabulary)
    writer.add_tensor("token_embd.weight", np.zeros((vocabulary, HIDDEN), np.float16))
    writer.add_tensor("output_norm.weight", np.zeros(HIDDEN, np.float32))
    for name in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros(HIDDEN, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros((HIDDEN, HIDDEN), np.float16))


def main():
    add = {"tiktoken": add_tiktoken, "spm": add_spm}.get(sys.argv[1]) if len(sys.argv) == 4 else None
    if not add:
        print(__doc__)
        return 2
    writer = gguf.GGUFWriter(sys.argv[3], "llama")
    add_model(writer, add(writer, sys.argv[2]))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
