/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata of a model for the tokenizer and chat templates. A random model has none.
 */
#include <string.h>

#include "model_parts.h"

static const struct lsb_gguf_value *find(const struct lsb_model *m, const char *key)
{
	return m->file ? lsb_gguf_find(m->file, key) : NULL;
}

static const struct lsb_gguf_value *find_array(const struct lsb_model *m, const char *key)
{
	const struct lsb_gguf_value *v = find(m, key);

	return v && v->type == LSB_GGUF_ARRAY ? v : NULL;
}

const char *lsb_model_string(const struct lsb_model *m, const char *key, uint64_t *bytes)
{
	const struct lsb_gguf_value *v = find(m, key);

	if (!v || v->type != LSB_GGUF_STRING)
		return NULL;
	if (bytes)
		*bytes = v->count;
	return (const char *)v->data;
}

int lsb_model_int(const struct lsb_model *m, const char *key, int64_t *value)
{
	const struct lsb_gguf_value *v = find(m, key);

	return v ? lsb_gguf_integer(v->type, v->data, value) : -1;
}

int lsb_model_float(const struct lsb_model *m, const char *key, double *value)
{
	const struct lsb_gguf_value *v = find(m, key);

	return v ? lsb_gguf_number(v->type, v->data, value) : -1;
}

uint64_t lsb_model_array(const struct lsb_model *m, const char *key)
{
	const struct lsb_gguf_value *v = find_array(m, key);

	return v ? v->count : 0;
}

struct lsb_span lsb_model_array_string(const struct lsb_model *m, const char *key, uint64_t i)
{
	const struct lsb_gguf_value *v = find_array(m, key);
	struct lsb_span span = { 0 };
	const uint8_t *at;

	if (!v || v->item != LSB_GGUF_STRING || i >= v->count)
		return span;
	at = m->file->header + v->starts[i];
	memcpy(&span.bytes, at, sizeof(span.bytes));
	span.ptr = at + sizeof(span.bytes);
	return span;
}

int lsb_model_array_number(const struct lsb_model *m, const char *key, uint64_t i, double *value)
{
	const struct lsb_gguf_value *v = find_array(m, key);

	if (!v || v->item == LSB_GGUF_STRING || i >= v->count)
		return -1;
	return lsb_gguf_number(v->item, v->data + i * lsb_gguf_size(v->item), value);
}
