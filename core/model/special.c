/* SPDX-License-Identifier: Apache-2.0 */
#include "special.h"

#include <stdlib.h>
#include <string.h>

#include "lsbench/host.h"

/* Keeps a match's cost bounded; the longest in use are runs of 31 spaces or newlines. */
enum { SPECIAL_BYTES_MAX = 1024 };

static int is_special(const struct lsb_vocabulary *v, int32_t id)
{
	return (v->type[id] == LSB_TOKEN_CONTROL || v->type[id] == LSB_TOKEN_USER_DEFINED ||
		v->type[id] == LSB_TOKEN_UNKNOWN) &&
	       lsb_token_bytes(v, id) > 0;
}

static int by_text(const void *left, const void *right, void *vocabulary)
{
	const struct lsb_vocabulary *v = vocabulary;
	const int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
	const size_t na = lsb_token_bytes(v, a), nb = lsb_token_bytes(v, b);
	const int order = memcmp(lsb_token_text(v, a), lsb_token_text(v, b), na < nb ? na : nb);

	return order ? order : (na > nb) - (na < nb);
}

int lsb_specials_open(struct lsb_specials *s, const struct lsb_vocabulary *v, struct lsb_error *err)
{
	uint32_t n = 0;

	*s = (struct lsb_specials){ 0 };
	for (uint32_t i = 0; i < v->n; i++)
		n += (uint32_t)is_special(v, (int32_t)i);
	s->ids = malloc((n ? n : 1) * sizeof(*s->ids));
	if (!s->ids)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %u special tokens", n);
	n = 0;
	for (uint32_t i = 0; i < v->n; i++) {
		if (!is_special(v, (int32_t)i))
			continue;
		if (lsb_token_bytes(v, (int32_t)i) > SPECIAL_BYTES_MAX) {
			lsb_specials_close(s);
			return lsb_fail(err, LSB_EMODEL, 0, "model: special token %u is longer than %d bytes",
					i, SPECIAL_BYTES_MAX);
		}
		s->ids[n++] = (int32_t)i;
		s->user += v->type[i] == LSB_TOKEN_USER_DEFINED;
	}
	qsort_r(s->ids, n, sizeof(*s->ids), by_text, (void *)v);
	for (uint32_t i = 0; i < n; i++)
		s->first[(uint8_t)*lsb_token_text(v, s->ids[i]) + 1] = i + 1;
	for (unsigned c = 1; c <= 256; c++)
		if (s->first[c] < s->first[c - 1])
			s->first[c] = s->first[c - 1];
	return LSB_OK;
}

void lsb_specials_close(struct lsb_specials *s)
{
	free(s->ids);
	*s = (struct lsb_specials){ 0 };
}

/* First of ids[from..to), which agree in `depth` bytes and are longer, whose next byte is at least `byte`. */
static uint32_t lower_bound(const struct lsb_specials *s, const struct lsb_vocabulary *v, uint32_t from,
			    uint32_t to, size_t depth, unsigned byte)
{
	while (from < to) {
		const uint32_t middle = from + (to - from) / 2;

		if ((uint8_t)lsb_token_text(v, s->ids[middle])[depth] < byte)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

int32_t lsb_special_match(const struct lsb_specials *s, const struct lsb_vocabulary *v, const char *text,
			  size_t bytes, size_t trusted)
{
	uint32_t from = s->first[(uint8_t)text[0]], to = s->first[(uint8_t)text[0] + 1];
	int32_t best = -1;

	/* ids[from..to) are those that agree with the text in its first `depth` bytes. */
	for (size_t depth = 1; from < to; depth++) {
		const int32_t id = s->ids[from];

		if (lsb_token_bytes(v, id) == depth) {
			if (depth <= trusted || v->type[id] == LSB_TOKEN_USER_DEFINED)
				best = id;
			from++; /* sorted: the shortest comes first, and no text is there twice */
		}
		if (depth == bytes)
			break;
		from = lower_bound(s, v, from, to, depth, (uint8_t)text[depth]);
		to = lower_bound(s, v, from, to, depth, (uint8_t)text[depth] + 1u);
	}
	return best;
}
