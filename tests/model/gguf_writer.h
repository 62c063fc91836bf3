/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes small GGUF files for tests, right ones and wrong ones: begin with the
 * valid model of gguf_writer_llama(), change what the test is about, build.
 * Numbers that the format repeats (counts, lengths, offsets) are right unless a
 * test sets them otherwise.
 */
#ifndef GGUF_WRITER_H
#define GGUF_WRITER_H

#include <stddef.h>
#include <stdint.h>

enum { GGUF_WRITER_KEYS = 48, GGUF_WRITER_TENSORS = 48, GGUF_WRITER_DIMS = 6 };

struct gguf_writer_key {
	char name[96];
	uint8_t *value; /* type, then value; owned */
	size_t bytes;
};

struct gguf_writer_tensor {
	char name[96];
	uint32_t n_dims, type;
	uint64_t dims[GGUF_WRITER_DIMS]; /* contiguous one first */
	uint64_t offset;		 /* UINT64_MAX: behind the one before */
};

struct gguf_writer {
	char magic[4];
	uint32_t version;
	uint32_t alignment;		  /* that data really has; the key is separate */
	uint64_t says_keys, says_tensors; /* counts in the header; UINT64_MAX: the truth */
	uint32_t n_keys, n_tensors;
	struct gguf_writer_key keys[GGUF_WRITER_KEYS];
	struct gguf_writer_tensor tensors[GGUF_WRITER_TENSORS];
};

/*
 * A valid model: 2 layers, hidden 64, 4 heads, 2 KV heads, ffn 96, vocabulary 40, tied, matrices of `type`.
 */
void gguf_writer_llama(struct gguf_writer *w, uint32_t type);
void gguf_writer_free(struct gguf_writer *w);

/* Add a key or replace it. */
void gguf_writer_u32(struct gguf_writer *w, const char *key, uint32_t value);
void gguf_writer_i64(struct gguf_writer *w, const char *key, int64_t value);
void gguf_writer_f32(struct gguf_writer *w, const char *key, float value);
void gguf_writer_bool(struct gguf_writer *w, const char *key, uint8_t value);
void gguf_writer_string(struct gguf_writer *w, const char *key, const char *value);
void gguf_writer_strings(struct gguf_writer *w, const char *key, const char *const *values, uint64_t n);
/* An array of `n` elements of value type `item`, `bytes` long in all; `says` is the count written. */
void gguf_writer_array(struct gguf_writer *w, const char *key, uint32_t item, uint64_t says, const void *data,
		       size_t bytes);
/* Any bytes: type and value as the test wants them. */
void gguf_writer_raw(struct gguf_writer *w, const char *key, const void *bytes, size_t n);
/* A second key of the same name. */
void gguf_writer_repeat(struct gguf_writer *w, const char *key);
void gguf_writer_remove(struct gguf_writer *w, const char *key);

/*
 * A tensor to change, or a new one of rows x cols (rows 0: a vector). Aborts when there is none, or no room.
 */
struct gguf_writer_tensor *gguf_writer_tensor(struct gguf_writer *w, const char *name);
struct gguf_writer_tensor *gguf_writer_add(struct gguf_writer *w, const char *name, uint64_t rows,
					   uint64_t cols, uint32_t type);
void gguf_writer_drop(struct gguf_writer *w, const char *name);

/*
 * The file's bytes, malloc'ed; *header gets the length before the data's
 * padding. Matrices hold small seeded values, vectors ones; data of tensors
 * whose size or type makes no sense is left out.
 */
uint8_t *gguf_writer_build(const struct gguf_writer *w, size_t *bytes, size_t *header);
/* Write `bytes` bytes to `path`; aborts on failure. */
void gguf_writer_save(const char *path, const void *data, size_t bytes);

#endif
