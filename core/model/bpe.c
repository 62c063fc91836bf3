/* SPDX-License-Identifier: Apache-2.0 */
#include "bpe.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "lsbench/host.h"

#define KEY_MERGES "tokenizer.ggml.merges"
#define KEY_PRE "tokenizer.ggml.pre"

static uint32_t hash_pair(int32_t left, int32_t right)
{
	const uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;

	return (uint32_t)(h >> 32) ^ (uint32_t)(h >> 15);
}

static int32_t find_merge(const struct lsb_bpe *b, int32_t left, int32_t right, uint32_t *rank)
{
	const uint32_t hash = hash_pair(left, right);

	/* Most pairs do not merge: the hash in the slot says so without a look at the merge. */
	for (uint32_t at = hash & b->mask; b->slots[at].rank1; at = (at + 1) & b->mask) {
		const struct lsb_bpe_slot *slot = &b->slots[at];
		const struct lsb_bpe_merge *m = &b->merges[slot->rank1 - 1];

		if (slot->hash == hash && m->left == left && m->right == right) {
			*rank = slot->rank1 - 1;
			return m->merged;
		}
	}
	return -1;
}

/* The first of equal merges counts. */
static int index_merge(struct lsb_bpe *b, uint32_t rank, struct lsb_error *err)
{
	const struct lsb_bpe_merge *new = &b->merges[rank];
	const uint32_t hash = hash_pair(new->left, new->right);
	uint32_t at = hash & b->mask;

	for (int probes = 0; b->slots[at].rank1; at = (at + 1) & b->mask) {
		const struct lsb_bpe_merge *m = &b->merges[b->slots[at].rank1 - 1];

		if (m->left == new->left && m->right == new->right)
			return LSB_OK;
		if (++probes > LSB_PROBES_MAX)
			return lsb_fail(err, LSB_EMODEL, 0,
					"model: the merges around %u all hash alike, which no real ones do",
					rank);
	}
	b->slots[at] = (struct lsb_bpe_slot){ hash, rank + 1 };
	return LSB_OK;
}

/* "left right", both tokens, and so is what they make. */
static int resolve_merge(struct lsb_bpe *b, const struct lsb_vocabulary *v, struct lsb_span s, uint32_t rank,
			 struct lsb_error *err)
{
	const char *text = s.ptr, *space = s.ptr && s.bytes > 2 ? memchr(text + 1, ' ', s.bytes - 2) : NULL;
	char joined[256], *whole = joined;
	size_t left, right;
	struct lsb_bpe_merge *m = &b->merges[rank];

	if (!space || memchr(space + 1, ' ', s.bytes - (size_t)(space + 1 - text)))
		return lsb_fail(err, LSB_EMODEL, 0,
				"model: merge %u in " KEY_MERGES
				" is not two tokens with a space between: '%.*s'",
				rank, (int)(s.bytes < 64 ? s.bytes : 64), s.ptr ? text : "");
	left = (size_t)(space - text);
	right = s.bytes - left - 1;
	if (left + right > sizeof(joined)) {
		whole = malloc(left + right);
		if (!whole)
			return lsb_fail(err, LSB_ENOMEM, 0, "no memory for merge %u", rank);
	}
	memcpy(whole, text, left);
	memcpy(whole + left, space + 1, right);
	m->left = lsb_vocabulary_find(v, text, left);
	m->right = lsb_vocabulary_find(v, space + 1, right);
	m->merged = lsb_vocabulary_find(v, whole, left + right);
	if (whole != joined)
		free(whole);
	if (m->left < 0 || m->right < 0 || m->merged < 0)
		return lsb_fail(err, LSB_EMODEL, 0,
				"model: merge %u in " KEY_MERGES " names or makes a text that is no token: "
				"'%.*s'",
				rank, (int)(s.bytes < 64 ? s.bytes : 64), text);
	return index_merge(b, rank, err);
}

static int open_merges(struct lsb_bpe *b, const struct lsb_vocabulary *v, const struct lsb_model *m,
		       struct lsb_error *err)
{
	const uint64_t n = lsb_model_array(m, KEY_MERGES);
	int rc = LSB_OK;

	if (n == 0 || n > INT32_MAX / 2)
		return lsb_fail(err, LSB_EMODEL, 0, "model: a gpt2 vocabulary needs " KEY_MERGES ", and %s",
				n ? "these are too many" : "there are none");
	b->mask = lsb_slots_for((uint32_t)n) - 1;
	b->merges = malloc(n * sizeof(*b->merges));
	b->slots = calloc((size_t)b->mask + 1, sizeof(*b->slots));
	if (!b->merges || !b->slots)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %llu merges", (unsigned long long)n);
	for (uint32_t i = 0; !rc && i < n; i++)
		rc = resolve_merge(b, v, lsb_model_array_string(m, KEY_MERGES, i), i, err);
	return rc;
}

int lsb_bpe_open(struct lsb_bpe *b, struct lsb_vocabulary *v, const struct lsb_model *m,
		 struct lsb_error *err)
{
	uint64_t bytes;
	int rc;

	*b = (struct lsb_bpe){ 0 };
	rc = lsb_pretokenizer_open(lsb_model_string(m, KEY_PRE, &bytes), &b->words, &b->traits, err);
	if (!rc)
		rc = open_merges(b, v, m, err);
	for (unsigned byte = 0; !rc && byte < 256; byte++) {
		char text[2];
		const size_t n = lsb_byte_text((uint8_t)byte, text);

		b->byte_id[byte] = lsb_vocabulary_find(v, text, n);
	}
	if (!rc)
		rc = lsb_vocabulary_to_bytes(v, err);
	if (rc)
		lsb_bpe_close(b);
	return rc;
}

void lsb_bpe_close(struct lsb_bpe *b)
{
	lsb_pretokenizer_close(b->words);
	free(b->merges);
	free(b->slots);
	*b = (struct lsb_bpe){ 0 };
}

static int32_t pair_by_rank(const void *context, const struct lsb_piece *left, const struct lsb_piece *right,
			    uint32_t *priority)
{
	return find_merge(context, left->id, right->id, priority);
}

static int encode_word(const struct lsb_bpe *b, const struct lsb_vocabulary *v, struct lsb_merger *merger,
		       const char *word, size_t bytes, struct lsb_ids *out)
{
	int32_t whole;

	if (b->traits.whole_words && (whole = lsb_vocabulary_find(v, word, bytes)) >= 0) {
		lsb_ids_put(out, whole);
		return 0;
	}
	if (lsb_merger_reserve(merger, bytes))
		return -1;
	for (uint32_t i = 0; i < bytes; i++)
		merger->pieces[i] = (struct lsb_piece){ .id = b->byte_id[(uint8_t)word[i]], .bytes = 1 };
	lsb_merge(merger, (uint32_t)bytes, pair_by_rank, b);
	for (uint32_t i = 0; i != LSB_PIECE_END; i = merger->pieces[i].next)
		if (merger->pieces[i].id >= 0)
			lsb_ids_put(out, merger->pieces[i].id);
	return 0;
}

/* Bytes at the front of the text that are valid UTF-8. */
static size_t valid_utf8(const char *text, size_t bytes)
{
	size_t at = 0;

	while (at < bytes) {
		utf8proc_int32_t c;
		utf8proc_ssize_t used = 1;

		if ((unsigned char)text[at] >= 0x80)
			used = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
						(utf8proc_ssize_t)(bytes - at), &c);
		if (used <= 0)
			break;
		at += (size_t)used;
	}
	return at;
}

int lsb_bpe_encode(const struct lsb_bpe *b, const struct lsb_vocabulary *v, struct lsb_merger *merger,
		   const char *text, size_t bytes, struct lsb_ids *out, struct lsb_error *err)
{
	while (bytes) {
		const size_t valid = valid_utf8(text, bytes);
		const size_t used = valid ? valid : 1;

		for (size_t at = 0, end; at < used; at = end) {
			end = valid ? lsb_pretoken_end(b->words, text, valid, at) : 1;
			if (encode_word(b, v, merger, text + at, end - at, out))
				return lsb_fail(err, LSB_ENOMEM, 0, "no memory to encode a word of %zu bytes",
						end - at);
		}
		text += used;
		bytes -= used;
	}
	return LSB_OK;
}
