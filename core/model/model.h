/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Llama model as backends see it: hyper-parameters, tensors and where their
 * bytes are, from a GGUF file or made from a seed.
 *
 * Nothing here computes a layer. No globals, no threads; a model is const after
 * open and may be read from any number of threads (lsb_model_read included).
 *
 * Tensors are [rows][cols] with `cols` contiguous (GGUF's ne[0]); a matrix maps
 * cols inputs to rows outputs. Vectors have rows == 1.
 */
#ifndef LSB_MODEL_H
#define LSB_MODEL_H

#include <stdint.h>

#include "lsbench/types.h"

/* GGML type numbers, as files have them. */
enum lsb_type {
	LSB_TYPE_F32 = 0,
	LSB_TYPE_F16 = 1,
	LSB_TYPE_Q4_0 = 2,
	LSB_TYPE_Q4_1 = 3,
	LSB_TYPE_Q5_0 = 6,
	LSB_TYPE_Q5_1 = 7,
	LSB_TYPE_Q8_0 = 8,
	LSB_TYPE_Q4_K = 12,
	LSB_TYPE_Q5_K = 13,
	LSB_TYPE_Q6_K = 14,
	LSB_TYPE_BF16 = 30,
};

/* Tensors of a layer, and those outside layers. */
enum lsb_role {
	LSB_ROLE_ATTN_NORM, /* [1][hidden] */
	LSB_ROLE_Q,	    /* [heads * head_dim][hidden] */
	LSB_ROLE_K,	    /* [kv_heads * head_dim][hidden] */
	LSB_ROLE_V,	    /* [kv_heads * head_dim][hidden] */
	LSB_ROLE_O,	    /* [hidden][heads * head_dim] */
	LSB_ROLE_FFN_NORM,  /* [1][hidden] */
	LSB_ROLE_GATE,	    /* [ffn][hidden] */
	LSB_ROLE_UP,	    /* [ffn][hidden] */
	LSB_ROLE_DOWN,	    /* [hidden][ffn] */
	LSB_LAYER_ROLES,
	LSB_ROLE_EMBED = LSB_LAYER_ROLES, /* [vocab][hidden] */
	LSB_ROLE_OUT_NORM,		  /* [1][hidden] */
	LSB_ROLE_HEAD,			  /* [vocab][hidden]; the embedding itself when tied */
	LSB_ROLE_ROPE_FREQS, /* [1][head_dim / 2] factors that divide frequencies; rows == 0 if absent */
};

struct lsb_tensor {
	uint32_t type; /* enum lsb_type */
	uint32_t role; /* enum lsb_role */
	int32_t layer; /* -1 outside layers */
	uint32_t reserved;
	uint64_t rows, cols;
	uint64_t row_bytes;   /* of one row in the file's format */
	uint64_t bytes;	      /* rows * row_bytes */
	uint64_t file_offset; /* absolute; for random models the tensor's stream number */
};

struct lsb_hparams {
	uint32_t layers, hidden, heads, kv_heads, head_dim, ffn, vocab, context;
	uint32_t rope_dim; /* rotated dimensions of each head, adjacent pairs (x[2i], x[2i+1]) */
	uint32_t tied;	   /* head is the embedding */
	float rope_base;
	float rope_scale; /* positions are multiplied by this (linear scaling: 1/factor); 1: none */
	float norm_eps;
	uint32_t reserved;
};

struct lsb_model;

/*
 * Open `spec`: a path, or random:NAME[:TYPE[:SEED]] (docs/models.md). Reads and
 * checks the header only; memory stays proportional to it. LSB_EMODEL when the
 * file is wrong (the message starts with "model: "), LSB_EIO when it cannot be read.
 */
int lsb_model_open(const char *spec, struct lsb_model **out, struct lsb_error *err);
/*
 * Likewise for a tokenizer's use: a GGUF with a vocabulary and no layers is fine
 * too. Its hyper-parameters are 0 but for `vocab`, and it has no tensors to ask for.
 */
int lsb_model_open_vocabulary(const char *spec, struct lsb_model **out, struct lsb_error *err);
void lsb_model_close(struct lsb_model *m);

const struct lsb_hparams *lsb_model_hparams(const struct lsb_model *m);
const char *lsb_model_name(const struct lsb_model *m); /* general.name, or NAME of random: */
int lsb_model_is_random(const struct lsb_model *m);

/* Tensor of `role` in `layer` (-1 outside layers); never NULL for a role that must exist. */
const struct lsb_tensor *lsb_model_tensor(const struct lsb_model *m, enum lsb_role role, int32_t layer);

/*
 * Bytes [offset, offset + bytes) of tensor `t`, in the file's format, into `to`.
 * pread()s the file, or generates them (offset and bytes then start and end at
 * rows). Thread-safe. LSB_EMODEL when the file has become shorter or was replaced.
 */
int lsb_model_read(const struct lsb_model *m, const struct lsb_tensor *t, uint64_t offset, uint64_t bytes,
		   void *to, struct lsb_error *err);

/*
 * Of a random model: the keys of rows [first, first + n) of `t`, from which a device can make a matrix's
 * elements itself (random.c tells how); returns their standard deviation.
 */
float lsb_model_random_keys(const struct lsb_model *m, const struct lsb_tensor *t, uint64_t first, uint64_t n,
			    uint64_t *keys);

/* Name ("q4_1", "f32"), elements and bytes of a block; NULL or 0 for an unknown type. */
const char *lsb_type_name(uint32_t type);
uint32_t lsb_type_block(uint32_t type);
uint32_t lsb_type_bytes(uint32_t type);

/* Dequantise `n` elements (a multiple of the block) of `type` from `from` to `to`. The plain-C truth. */
void lsb_dequantize(uint32_t type, const void *from, float *to, uint64_t n);
/*
 * Quantise likewise finite values (for random: models and tests); round to nearest, each type's own scheme.
 */
void lsb_quantize(uint32_t type, const float *from, void *to, uint64_t n);

float lsb_f16_to_f32(uint16_t h);
uint16_t lsb_f32_to_f16(float f); /* round to nearest even */

/* --- metadata, for the tokenizer and chat templates ---------------------------------- */

/*
 * A string value, a NUL behind it; NULL if the key is absent or of another type. It may hold NULs of its
 * own: *bytes tells (bytes may be NULL). Lives as long as the model, as all views here do.
 */
const char *lsb_model_string(const struct lsb_model *m, const char *key, uint64_t *bytes);
/* An integer or bool value widened; returns 0, or -1 when absent or of another type. */
int lsb_model_int(const struct lsb_model *m, const char *key, int64_t *value);
int lsb_model_float(const struct lsb_model *m, const char *key, double *value);
/* Length of an array value; 0 when absent. */
uint64_t lsb_model_array(const struct lsb_model *m, const char *key);
/* Element i of a string array as a view; .ptr NULL when there is none. */
struct lsb_span lsb_model_array_string(const struct lsb_model *m, const char *key, uint64_t i);
/* Element i of a numeric array, widened; returns 0 or -1. */
int lsb_model_array_number(const struct lsb_model *m, const char *key, uint64_t i, double *value);

#endif
