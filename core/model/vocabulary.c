/* SPDX-License-Identifier: Apache-2.0 */
#include "vocabulary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "lsbench/host.h"

#define KEY_TOKENS "tokenizer.ggml.tokens"
#define KEY_TYPES "tokenizer.ggml.token_type"
#define KEY_SCORES "tokenizer.ggml.scores"

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15u;
	return h ^ (h >> 32);
}

static uint32_t hash_text(const char *text, size_t bytes)
{
	uint64_t h = bytes, word;

	for (; bytes >= sizeof(word); bytes -= sizeof(word), text += sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		h = mix(h, word);
	}
	word = 0;
	memcpy(&word, text, bytes);
	return (uint32_t)mix(mix(h, word), 0);
}

uint32_t lsb_slots_for(uint32_t n)
{
	uint32_t slots = 4;

	while (slots < UINT32_C(1) << 31 && slots / 2 < n)
		slots *= 2;
	return slots;
}

int32_t lsb_vocabulary_find(const struct lsb_vocabulary *v, const char *text, size_t bytes)
{
	if (bytes > v->longest)
		return -1;
	for (uint32_t at = hash_text(text, bytes) & v->mask; v->slots[at]; at = (at + 1) & v->mask) {
		const int32_t id = (int32_t)(v->slots[at] - 1);

		if (lsb_token_bytes(v, id) == bytes && memcmp(lsb_token_text(v, id), text, bytes) == 0)
			return id;
	}
	return -1;
}

static int index_token(struct lsb_vocabulary *v, int32_t id, struct lsb_error *err)
{
	const char *text = lsb_token_text(v, id);
	const size_t bytes = lsb_token_bytes(v, id);
	uint32_t at = hash_text(text, bytes) & v->mask;

	for (int probes = 0; v->slots[at]; at = (at + 1) & v->mask) {
		const int32_t other = (int32_t)(v->slots[at] - 1);

		if (lsb_token_bytes(v, other) == bytes && memcmp(lsb_token_text(v, other), text, bytes) == 0)
			return lsb_fail(err, LSB_EMODEL, 0,
					"model: tokens %d and %d have the same text '%.*s'", (int)other,
					(int)id, (int)(bytes < 64 ? bytes : 64), text);
		if (++probes > LSB_PROBES_MAX)
			return lsb_fail(err, LSB_EMODEL, 0,
					"model: the texts of the tokens around id %d all hash alike, "
					"which no real vocabulary does",
					(int)id);
	}
	v->slots[at] = (uint32_t)id + 1;
	v->longest = bytes > v->longest ? (uint32_t)bytes : v->longest;
	return LSB_OK;
}

/* Sizes of the arrays against each other and the embedding. */
static int check_lengths(const struct lsb_model *m, uint64_t *n, struct lsb_error *err)
{
	const uint64_t types = lsb_model_array(m, KEY_TYPES), scores = lsb_model_array(m, KEY_SCORES);
	const uint32_t rows = lsb_model_hparams(m)->vocab;

	*n = lsb_model_array(m, KEY_TOKENS);
	if (*n == 0)
		return lsb_fail(err, LSB_EMODEL, 0,
				"model: the vocabulary is empty (" KEY_TOKENS
				" is missing or has no strings)");
	if (*n > rows || *n > INT32_MAX)
		return lsb_fail(err, LSB_EMODEL, 0,
				"model: the vocabulary has %llu tokens, but the embedding only %u rows",
				(unsigned long long)*n, rows);
	if (types != 0 && types != *n)
		return lsb_fail(err, LSB_EMODEL, 0, "model: " KEY_TYPES " has %llu entries for %llu tokens",
				(unsigned long long)types, (unsigned long long)*n);
	if (scores != 0 && scores != *n)
		return lsb_fail(err, LSB_EMODEL, 0, "model: " KEY_SCORES " has %llu entries for %llu tokens",
				(unsigned long long)scores, (unsigned long long)*n);
	return LSB_OK;
}

static int copy_text(struct lsb_vocabulary *v, const struct lsb_model *m, struct lsb_error *err)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < v->n; i++) {
		const struct lsb_span s = lsb_model_array_string(m, KEY_TOKENS, i);

		if (!s.ptr && s.bytes == 0 && i == 0 && !lsb_model_array_string(m, KEY_TOKENS, v->n - 1).ptr)
			return lsb_fail(err, LSB_EMODEL, 0,
					"model: " KEY_TOKENS " is not an array of strings");
		if (s.bytes > UINT32_MAX - total)
			return lsb_fail(err, LSB_EMODEL, 0, "model: the tokens' text is larger than 4 GiB");
		total += s.bytes;
	}
	v->text = malloc(total ? total : 1);
	if (!v->text)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %llu bytes of tokens",
				(unsigned long long)total);
	for (uint32_t i = 0, at = 0; i < v->n; i++) {
		const struct lsb_span s = lsb_model_array_string(m, KEY_TOKENS, i);

		if (s.bytes)
			memcpy(v->text + at, s.ptr, s.bytes);
		at += (uint32_t)s.bytes;
		v->start[i + 1] = at;
	}
	return LSB_OK;
}

static int copy_numbers(struct lsb_vocabulary *v, const struct lsb_model *m, struct lsb_error *err)
{
	const int typed = lsb_model_array(m, KEY_TYPES) != 0;

	for (uint32_t i = 0; i < v->n; i++) {
		double type = LSB_TOKEN_NORMAL, score = 0;

		if (typed && (lsb_model_array_number(m, KEY_TYPES, i, &type) || type < LSB_TOKEN_NORMAL ||
			      type > LSB_TOKEN_BYTE || type != floor(type)))
			return lsb_fail(err, LSB_EMODEL, 0, "model: token %u has no known type in " KEY_TYPES,
					i);
		v->type[i] = (uint8_t)type;
		if (!v->score)
			continue;
		if (lsb_model_array_number(m, KEY_SCORES, i, &score) || !isfinite((float)score))
			return lsb_fail(err, LSB_EMODEL, 0,
					"model: token %u has no finite score in " KEY_SCORES, i);
		v->score[i] = (float)score;
	}
	return LSB_OK;
}

int lsb_vocabulary_open(struct lsb_vocabulary *v, const struct lsb_model *m, struct lsb_error *err)
{
	uint64_t n;
	int rc;

	*v = (struct lsb_vocabulary){ 0 };
	rc = check_lengths(m, &n, err);
	if (rc)
		return rc;
	v->n = (uint32_t)n;
	v->mask = lsb_slots_for(v->n) - 1;
	v->start = calloc((size_t)v->n + 1, sizeof(*v->start));
	v->type = malloc(v->n);
	v->slots = calloc((size_t)v->mask + 1, sizeof(*v->slots));
	if (lsb_model_array(m, KEY_SCORES))
		v->score = malloc(v->n * sizeof(*v->score));
	if (!v->start || !v->type || !v->slots || (lsb_model_array(m, KEY_SCORES) && !v->score))
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for a vocabulary of %u tokens", v->n);
	if (!rc)
		rc = copy_text(v, m, err);
	if (!rc)
		rc = copy_numbers(v, m, err);
	for (uint32_t i = 0; !rc && i < v->n; i++)
		if (lsb_token_bytes(v, (int32_t)i))
			rc = index_token(v, (int32_t)i, err);
	if (rc)
		lsb_vocabulary_close(v);
	return rc;
}

void lsb_vocabulary_close(struct lsb_vocabulary *v)
{
	free(v->text);
	free(v->start);
	free(v->type);
	free(v->score);
	free(v->slots);
	*v = (struct lsb_vocabulary){ 0 };
}

/*
 * GPT-2 writes each byte as one printable character: those of Latin-1 that are
 * printable as themselves, the 68 others as U+0100 onwards in their order.
 */
static int is_printable(unsigned byte)
{
	return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

static uint32_t code_point_of(uint8_t byte)
{
	uint32_t others = 0;

	if (is_printable(byte))
		return byte;
	for (unsigned b = 0; b < byte; b++)
		others += !is_printable(b);
	return 0x100 + others;
}

size_t lsb_byte_text(uint8_t byte, char to[2])
{
	const uint32_t c = code_point_of(byte);

	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	to[0] = (char)(0xc0 | c >> 6);
	to[1] = (char)(0x80 | (c & 0x3f));
	return 2;
}

/* The bytes that text[0..bytes) stands for, written over it; their number, or -1 outside the alphabet. */
static ptrdiff_t to_bytes(const int16_t byte_of[0x144], const char *text, size_t bytes, char *to)
{
	ptrdiff_t n = 0;

	for (size_t i = 0; i < bytes;) {
		utf8proc_int32_t c;
		const utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)text + i,
							       (utf8proc_ssize_t)(bytes - i), &c);

		if (used <= 0 || c >= 0x144 || byte_of[c] < 0)
			return -1;
		to[n++] = (char)byte_of[c];
		i += (size_t)used;
	}
	return n;
}

int lsb_vocabulary_to_bytes(struct lsb_vocabulary *v, struct lsb_error *err)
{
	int16_t byte_of[0x144]; /* by code point; -1: not of the alphabet */
	uint32_t from = 0, at = 0;
	char *const old = v->text;
	int rc = LSB_OK;

	v->text = malloc(v->start[v->n] ? v->start[v->n] : 1);
	if (!v->text) {
		v->text = old;
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %u bytes of tokens", v->start[v->n]);
	}
	memset(byte_of, -1, sizeof(byte_of));
	for (unsigned b = 0; b < 256; b++)
		byte_of[code_point_of((uint8_t)b)] = (int16_t)b;
	v->longest = 0;
	memset(v->slots, 0, ((size_t)v->mask + 1) * sizeof(*v->slots));
	for (uint32_t i = 0; !rc && i < v->n; i++) {
		const uint32_t end = v->start[i + 1];
		const int ordinary = v->type[i] == LSB_TOKEN_NORMAL || v->type[i] == LSB_TOKEN_UNUSED;
		const ptrdiff_t n = ordinary ? to_bytes(byte_of, old + from, end - from, v->text + at) : -1;

		if (n < 0)
			memcpy(v->text + at, old + from, end - from);
		at += n < 0 ? end - from : (uint32_t)n;
		v->start[i + 1] = at;
		from = end;
		if (n > 0)
			rc = index_token(v, (int32_t)i, err);
	}
	free(old);
	return rc;
}
