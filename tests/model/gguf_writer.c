/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

enum { U32 = 4, F32 = 6, BOOL = 7, STRING = 8, ARRAY = 9, I64 = 11 };

static const uint64_t truth = UINT64_MAX;

struct bytes {
	uint8_t *data;
	size_t n, room;
};

static void put(struct bytes *b, const void *data, size_t n)
{
	if (b->n + n > b->room) {
		b->room = 2 * (b->n + n);
		b->data = realloc(b->data, b->room);
		if (!b->data)
			abort();
	}
	if (n)
		memcpy(b->data + b->n, data, n);
	b->n += n;
}

static void put_u32(struct bytes *b, uint32_t v)
{
	put(b, &v, sizeof(v));
}

static void put_u64(struct bytes *b, uint64_t v)
{
	put(b, &v, sizeof(v));
}

static void put_string(struct bytes *b, const char *s)
{
	put_u64(b, strlen(s));
	put(b, s, strlen(s));
}

static void put_zeros_to(struct bytes *b, size_t multiple)
{
	while (b->n % multiple)
		put(b, "", 1);
}

/* --- keys ------------------------------------------------------------------------------ */

static struct gguf_writer_key *find(struct gguf_writer *w, const char *key)
{
	for (uint32_t i = 0; i < w->n_keys; i++)
		if (!strcmp(w->keys[i].name, key))
			return &w->keys[i];
	return NULL;
}

/* Takes over value->data. */
static void set(struct gguf_writer *w, const char *key, struct bytes *value)
{
	struct gguf_writer_key *k = find(w, key);

	if (!k) {
		if (w->n_keys == GGUF_WRITER_KEYS)
			abort();
		k = &w->keys[w->n_keys++];
		snprintf(k->name, sizeof(k->name), "%s", key);
		k->value = NULL;
	}
	free(k->value);
	k->value = value->data;
	k->bytes = value->n;
}

void gguf_writer_raw(struct gguf_writer *w, const char *key, const void *bytes, size_t n)
{
	struct bytes b = { 0 };

	put(&b, bytes, n);
	set(w, key, &b);
}

static void set_scalar(struct gguf_writer *w, const char *key, uint32_t type, const void *value, size_t n)
{
	struct bytes b = { 0 };

	put_u32(&b, type);
	put(&b, value, n);
	set(w, key, &b);
}

void gguf_writer_u32(struct gguf_writer *w, const char *key, uint32_t value)
{
	set_scalar(w, key, U32, &value, sizeof(value));
}

void gguf_writer_i64(struct gguf_writer *w, const char *key, int64_t value)
{
	set_scalar(w, key, I64, &value, sizeof(value));
}

void gguf_writer_f32(struct gguf_writer *w, const char *key, float value)
{
	set_scalar(w, key, F32, &value, sizeof(value));
}

void gguf_writer_bool(struct gguf_writer *w, const char *key, uint8_t value)
{
	set_scalar(w, key, BOOL, &value, sizeof(value));
}

void gguf_writer_string(struct gguf_writer *w, const char *key, const char *value)
{
	struct bytes b = { 0 };

	put_u32(&b, STRING);
	put_string(&b, value);
	set(w, key, &b);
}

void gguf_writer_array(struct gguf_writer *w, const char *key, uint32_t item, uint64_t says, const void *data,
		       size_t bytes)
{
	struct bytes b = { 0 };

	put_u32(&b, ARRAY);
	put_u32(&b, item);
	put_u64(&b, says);
	put(&b, data, bytes);
	set(w, key, &b);
}

void gguf_writer_strings(struct gguf_writer *w, const char *key, const char *const *values, uint64_t n)
{
	struct bytes b = { 0 };

	for (uint64_t i = 0; i < n; i++)
		put_string(&b, values[i]);
	gguf_writer_array(w, key, STRING, n, b.data, b.n);
	free(b.data);
}

void gguf_writer_repeat(struct gguf_writer *w, const char *key)
{
	const struct gguf_writer_key *k = find(w, key);

	if (!k || w->n_keys == GGUF_WRITER_KEYS)
		abort();
	w->keys[w->n_keys] = *k;
	w->keys[w->n_keys].value = malloc(k->bytes);
	memcpy(w->keys[w->n_keys++].value, k->value, k->bytes);
}

void gguf_writer_remove(struct gguf_writer *w, const char *key)
{
	struct gguf_writer_key *k = find(w, key);

	if (!k)
		abort();
	free(k->value);
	memmove(k, k + 1, (size_t)(&w->keys[w->n_keys] - (k + 1)) * sizeof(*k));
	w->n_keys--;
}

/* --- tensors --------------------------------------------------------------------------- */

struct gguf_writer_tensor *gguf_writer_tensor(struct gguf_writer *w, const char *name)
{
	for (uint32_t i = 0; i < w->n_tensors; i++)
		if (!strcmp(w->tensors[i].name, name))
			return &w->tensors[i];
	abort();
}

struct gguf_writer_tensor *gguf_writer_add(struct gguf_writer *w, const char *name, uint64_t rows,
					   uint64_t cols, uint32_t type)
{
	struct gguf_writer_tensor *t = &w->tensors[w->n_tensors++];

	if (w->n_tensors > GGUF_WRITER_TENSORS)
		abort();
	*t = (struct gguf_writer_tensor){ .n_dims = rows ? 2 : 1, .type = type, .offset = truth };
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->dims[0] = cols;
	t->dims[1] = rows ? rows : 1;
	for (int i = 2; i < GGUF_WRITER_DIMS; i++)
		t->dims[i] = 1;
	return t;
}

void gguf_writer_drop(struct gguf_writer *w, const char *name)
{
	struct gguf_writer_tensor *t = gguf_writer_tensor(w, name);

	memmove(t, t + 1, (size_t)(&w->tensors[w->n_tensors] - (t + 1)) * sizeof(*t));
	w->n_tensors--;
}

/* --- the model ------------------------------------------------------------------------- */

static void add_layer(struct gguf_writer *w, int layer, uint32_t type)
{
	static const struct {
		const char *name;
		uint64_t rows, cols;
	} parts[] = { { "attn_norm", 0, 64 }, { "attn_q", 64, 64 },	 { "attn_k", 32, 64 },
		      { "attn_v", 32, 64 },   { "attn_output", 64, 64 }, { "ffn_norm", 0, 64 },
		      { "ffn_gate", 96, 64 }, { "ffn_up", 96, 64 },	 { "ffn_down", 64, 96 } };
	char name[96];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(name, sizeof(name), "blk.%d.%s.weight", layer, parts[i].name);
		gguf_writer_add(w, name, parts[i].rows, parts[i].cols, parts[i].rows ? type : LSB_TYPE_F32);
	}
}

void gguf_writer_llama(struct gguf_writer *w, uint32_t type)
{
	const char *tokens[40];
	char text[40][8];

	memset(w, 0, sizeof(*w));
	memcpy(w->magic, "GGUF", 4);
	w->version = 3;
	w->alignment = 32;
	w->says_keys = w->says_tensors = truth;
	for (int i = 0; i < 40; i++) {
		snprintf(text[i], sizeof(text[i]), "t%d", i);
		tokens[i] = text[i];
	}
	gguf_writer_string(w, "general.architecture", "llama");
	gguf_writer_string(w, "general.name", "Test model");
	gguf_writer_u32(w, "llama.block_count", 2);
	gguf_writer_u32(w, "llama.embedding_length", 64);
	gguf_writer_u32(w, "llama.feed_forward_length", 96);
	gguf_writer_u32(w, "llama.context_length", 256);
	gguf_writer_u32(w, "llama.attention.head_count", 4);
	gguf_writer_u32(w, "llama.attention.head_count_kv", 2);
	gguf_writer_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
	gguf_writer_strings(w, "tokenizer.ggml.tokens", tokens, 40);
	gguf_writer_add(w, "token_embd.weight", 40, 64, type);
	for (int layer = 0; layer < 2; layer++)
		add_layer(w, layer, type);
	gguf_writer_add(w, "output_norm.weight", 0, 64, LSB_TYPE_F32);
}

void gguf_writer_free(struct gguf_writer *w)
{
	for (uint32_t i = 0; i < w->n_keys; i++)
		free(w->keys[i].value);
	w->n_keys = 0;
}

/* --- the file -------------------------------------------------------------------------- */

/* Bytes of a tensor's data; 0 when there is no sense in it. */
static size_t data_bytes(const struct gguf_writer_tensor *t)
{
	const uint64_t most = 1 << 24;
	uint64_t elements = 1;

	for (uint32_t d = 0; d < t->n_dims && d < GGUF_WRITER_DIMS; d++) {
		if (t->dims[d] > most || elements > most)
			return 0;
		elements *= t->dims[d];
	}
	if (!lsb_type_name(t->type) || elements > most || elements % lsb_type_block(t->type))
		return 0;
	return (size_t)(elements / lsb_type_block(t->type) * lsb_type_bytes(t->type));
}

static void put_data(struct bytes *b, const struct gguf_writer_tensor *t, uint32_t seed)
{
	const size_t bytes = data_bytes(t), n = bytes ? bytes / lsb_type_bytes(t->type) : 0;
	const size_t elements = n * lsb_type_block(t->type);
	float *values = malloc((elements + 1) * sizeof(*values));
	uint8_t *coded = malloc(bytes + 1);

	for (size_t i = 0; i < elements; i++) {
		seed = seed * 1664525u + 1013904223u;
		values[i] = t->n_dims == 1 ? 1.0f : (float)(int32_t)seed * 0x1p-33f;
	}
	lsb_quantize(t->type, values, coded, elements);
	put(b, coded, bytes);
	free(values);
	free(coded);
}

uint8_t *gguf_writer_build(const struct gguf_writer *w, size_t *bytes, size_t *header)
{
	struct bytes b = { 0 };
	uint64_t offset = 0;

	put(&b, w->magic, 4);
	put_u32(&b, w->version);
	put_u64(&b, w->says_tensors == truth ? w->n_tensors : w->says_tensors);
	put_u64(&b, w->says_keys == truth ? w->n_keys : w->says_keys);
	for (uint32_t i = 0; i < w->n_keys; i++) {
		put_string(&b, w->keys[i].name);
		put(&b, w->keys[i].value, w->keys[i].bytes);
	}
	for (uint32_t i = 0; i < w->n_tensors; i++) {
		const struct gguf_writer_tensor *t = &w->tensors[i];

		put_string(&b, t->name);
		put_u32(&b, t->n_dims);
		for (uint32_t d = 0; d < t->n_dims && d < GGUF_WRITER_DIMS; d++)
			put_u64(&b, t->dims[d]);
		put_u32(&b, t->type);
		put_u64(&b, t->offset == truth ? offset : t->offset);
		offset += (data_bytes(t) + w->alignment - 1) / w->alignment * w->alignment;
	}
	*header = b.n;
	for (uint32_t i = 0; i < w->n_tensors; i++) {
		put_zeros_to(&b, w->alignment);
		put_data(&b, &w->tensors[i], i);
	}
	*bytes = b.n;
	return b.data;
}

void gguf_writer_save(const char *path, const void *data, size_t bytes)
{
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(data, 1, bytes, f) != bytes || fclose(f))
		abort();
}
