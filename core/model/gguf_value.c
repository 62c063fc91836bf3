/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking up keys of a parsed GGUF header, and reading numbers of any type.
 */
#include <stdlib.h>
#include <string.h>

#include "gguf.h"

static int by_key(const void *a, const void *b)
{
	const struct lsb_gguf_value *x = a, *y = b;

	if (x->key_bytes != y->key_bytes)
		return x->key_bytes < y->key_bytes ? -1 : 1;
	return memcmp(x->key, y->key, x->key_bytes);
}

const struct lsb_gguf_value *lsb_gguf_sort(struct lsb_gguf *g)
{
	qsort(g->values, g->n_values, sizeof(*g->values), by_key);
	for (uint32_t i = 1; i < g->n_values; i++)
		if (!by_key(&g->values[i - 1], &g->values[i]))
			return &g->values[i];
	return NULL;
}

const struct lsb_gguf_value *lsb_gguf_find(const struct lsb_gguf *g, const char *key)
{
	const struct lsb_gguf_value wanted = { .key = key, .key_bytes = (uint32_t)strlen(key) };

	return bsearch(&wanted, g->values, g->n_values, sizeof(*g->values), by_key);
}

int lsb_gguf_integer(uint32_t type, const uint8_t *at, int64_t *value)
{
	union {
		uint8_t u8;
		int8_t i8;
		uint16_t u16;
		int16_t i16;
		uint32_t u32;
		int32_t i32;
		uint64_t u64;
		int64_t i64;
	} v = { 0 };

	memcpy(&v, at, lsb_gguf_size(type));
	switch (type) {
	case LSB_GGUF_U8:
	case LSB_GGUF_BOOL:
		*value = v.u8;
		return 0;
	case LSB_GGUF_I8:
		*value = v.i8;
		return 0;
	case LSB_GGUF_U16:
		*value = v.u16;
		return 0;
	case LSB_GGUF_I16:
		*value = v.i16;
		return 0;
	case LSB_GGUF_U32:
		*value = v.u32;
		return 0;
	case LSB_GGUF_I32:
		*value = v.i32;
		return 0;
	case LSB_GGUF_U64:
		if (v.u64 > INT64_MAX)
			return -1;
		*value = v.i64;
		return 0;
	case LSB_GGUF_I64:
		*value = v.i64;
		return 0;
	default:
		return -1;
	}
}

int lsb_gguf_number(uint32_t type, const uint8_t *at, double *value)
{
	int64_t whole;
	float f;

	switch (type) {
	case LSB_GGUF_F32:
		memcpy(&f, at, sizeof(f));
		*value = (double)f;
		return 0;
	case LSB_GGUF_F64:
		memcpy(value, at, sizeof(*value));
		return 0;
	default:
		if (lsb_gguf_integer(type, at, &whole) < 0)
			return -1;
		*value = (double)whole;
		return 0;
	}
}
