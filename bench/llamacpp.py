# SPDX-License-Identifier: Apache-2.0
"""llama.cpp for the benchmarks beside it: models through llama_decode of the Python package llama_cpp, and model files.

The package's library is the one in it, or another build where LLAMA_CPP_LIB_PATH says so before the import.
"""
import ctypes
import time

import llama_cpp

PROMPT, DECODE_STEPS, CONTEXT, CHUNK = 64, 32, 1024, 512  # as in bench/backend_cpu.c
WORKLOADS = {"pp64": (64, 1), "pp256": (256, 1), "pp512": (512, 1), "pp8x32": (32, 8), "tg1": (0, 1), "tg2": (0, 2),
             "tg4": (0, 4), "tg8": (0, 8), "tg16": (0, 16)}

_quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
llama_cpp.llama_log_set(_quiet, ctypes.c_void_p(0))
llama_cpp.llama_backend_init()


class Llama:
    """One model of llama.cpp, with a context for each number of sequences."""

    def __init__(self, path, threads):
        self.lib = llama_cpp
        self.path = str(path)
        self.threads = threads
        self.model = self.load()
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.contexts = {}
        self.batch = llama_cpp.llama_batch_init(CHUNK, 0, 1)

    def load(self):
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = 0
        model = llama_cpp.llama_model_load_from_file(self.path.encode(), params)
        if not model:
            raise SystemExit(f"llama.cpp cannot load {self.path}")
        return model

    def make_context(self, model, sequences):
        params = self.lib.llama_context_default_params()
        params.n_ctx = CONTEXT * sequences
        params.n_batch = params.n_ubatch = CHUNK
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = self.threads
        context = self.lib.llama_init_from_model(model, params)
        if not context:
            raise SystemExit(f"llama.cpp cannot make a context for {sequences} sequences")
        return context

    def context(self, sequences):
        if sequences not in self.contexts:
            self.contexts[sequences] = self.make_context(self.model, sequences)
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

    def prompt(self, context, sequences):
        """PROMPT tokens of each sequence, unless they are there already."""
        memory = self.lib.llama_get_memory(context)
        if all(self.lib.llama_memory_seq_pos_max(memory, s) >= PROMPT - 1 for s in range(sequences)):
            for s in range(sequences):
                self.lib.llama_memory_seq_rm(memory, s, PROMPT, -1)
            return
        self.lib.llama_memory_clear(memory, True)
        for s in range(sequences):
            self.step(context, [(s, p, p + 1 == PROMPT) for p in range(PROMPT)])

    def run(self, name):
        """Tokens per second of one workload; loads per second of "load"."""
        if name == "load":
            return self.run_load()
        prompt, sequences = WORKLOADS[name]
        context = self.context(sequences)
        if prompt:
            self.lib.llama_memory_clear(self.lib.llama_get_memory(context), True)
            steps = [[(s, p, p + 1 == prompt) for s in range(sequences) for p in range(prompt)]]
        else:
            self.prompt(context, sequences)
            steps = [[(s, PROMPT + i, True) for s in range(sequences)] for i in range(DECODE_STEPS)]
        began = time.monotonic()
        for tokens in steps:
            self.step(context, tokens)
        return sum(len(t) for t in steps) / (time.monotonic() - began)

    def run_load(self):
        began = time.monotonic()
        model = self.load()
        context = self.make_context(model, 1)
        rate = 1 / (time.monotonic() - began)
        self.lib.llama_free(context)
        self.lib.llama_model_free(model)
        return rate

    def close(self):
        for context in self.contexts.values():
            self.lib.llama_free(context)
        self.lib.llama_batch_free(self.batch)
        self.lib.llama_model_free(self.model)


def quantize(source, target, kind, pure):
    """`source` with its matrices as `kind` (q4_0, ...); all of them if `pure`, else as llama.cpp chooses."""
    params = llama_cpp.llama_model_quantize_default_params()
    names = {"f32": "ALL_F32", "q4_k": "MOSTLY_Q4_K_M", "q5_k": "MOSTLY_Q5_K_M"}
    params.ftype = getattr(llama_cpp, "LLAMA_FTYPE_" + names.get(kind, "MOSTLY_" + kind.upper()))
    params.allow_requantize = True
    params.pure = pure
    if llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params)):
        raise SystemExit(f"llama.cpp cannot write {target}")


def write_random(path, hidden=1024, ffn=2816, layers=8, heads=16, kv_heads=4, vocabulary=8192):
    """A Llama with random weights in fp16: every matrix's rows are multiples of 256, as k-quants want them."""
    import gguf
    import numpy
    rng = numpy.random.default_rng(1)
    kv = hidden // heads * kv_heads
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(hidden)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_dimension_count(hidden // heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(vocabulary)
    words = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    words += [f"w{i}" for i in range(vocabulary - len(words))]
    kinds = [gguf.TokenType.UNKNOWN] + [gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.BYTE] * 256
    writer.add_tokenizer_model("llama")
    writer.add_token_list(words)
    writer.add_token_scores([-float(i) for i in range(vocabulary)])
    writer.add_token_types(kinds + [gguf.TokenType.NORMAL] * (vocabulary - len(kinds)))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)

    def matrix(name, rows, columns):
        values = rng.standard_normal((rows, columns), dtype=numpy.float32) / numpy.float32(columns) ** 0.5
        writer.add_tensor(name, values.astype(numpy.float16))

    matrix("token_embd.weight", vocabulary, hidden)
    writer.add_tensor("output_norm.weight", numpy.ones(hidden, dtype=numpy.float32))
    for i in range(layers):
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{i}.{name}.weight", numpy.ones(hidden, dtype=numpy.float32))
        for name, rows, columns in (("attn_q", hidden, hidden), ("attn_k", kv, hidden), ("attn_v", kv, hidden),
                                    ("attn_output", hidden, hidden), ("ffn_gate", ffn, hidden),
                                    ("ffn_up", ffn, hidden), ("ffn_down", hidden, ffn)):
            matrix(f"blk.{i}.{name}.weight", rows, columns)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
