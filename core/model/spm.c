/* SPDX-License-Identifier: Apache-2.0 */
#include "spm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "lsbench/host.h"

enum { SPACE_BYTES = sizeof(LSB_SPM_SPACE) - 1 };

/* What a pair of pieces is looked up in. */
struct context {
	const struct lsb_vocabulary *v;
	const char *text;
};

static int is_space(const char *text, size_t bytes)
{
	return bytes >= SPACE_BYTES && memcmp(text, LSB_SPM_SPACE, SPACE_BYTES) == 0;
}

/* Tokens that text may become; control and byte tokens have no text of their own. */
static int32_t find_piece(const struct lsb_vocabulary *v, const char *text, size_t bytes)
{
	const int32_t id = lsb_vocabulary_find(v, text, bytes);
	const int ordinary = id >= 0 && (v->type[id] == LSB_TOKEN_NORMAL || v->type[id] == LSB_TOKEN_UNUSED ||
					 v->type[id] == LSB_TOKEN_USER_DEFINED);

	return ordinary ? id : -1;
}

/* Best score first: floats as integers that order alike, turned round. */
static uint32_t priority_of(float score)
{
	uint32_t bits;

	score += 0.0f; /* -0 is 0 */
	memcpy(&bits, &score, sizeof(bits));
	return bits & UINT32_C(1) << 31 ? bits : ~(bits | UINT32_C(1) << 31);
}

static int32_t pair_by_score(const void *context, const struct lsb_piece *left, const struct lsb_piece *right,
			     uint32_t *priority)
{
	const struct context *c = context;
	const int32_t id = find_piece(c->v, c->text + left->start, (size_t)left->bytes + right->bytes);

	if (id >= 0)
		*priority = priority_of(c->v->score[id]);
	return id;
}

/* Whether some token has a space behind something that is none. */
static int crosses_words(const struct lsb_vocabulary *v, int32_t id)
{
	const char *text = lsb_token_text(v, id);
	const size_t bytes = lsb_token_bytes(v, id);

	for (size_t i = 1; i + SPACE_BYTES <= bytes; i++)
		if (is_space(text + i, bytes - i) &&
		    !(i >= SPACE_BYTES && is_space(text + i - SPACE_BYTES, SPACE_BYTES)))
			return 1;
	return 0;
}

int lsb_spm_open(struct lsb_spm *s, const struct lsb_vocabulary *v, const struct lsb_model *m,
		 int32_t unknown, struct lsb_error *err)
{
	int64_t prefix = 1;

	if (!v->score)
		return lsb_fail(
			err, LSB_EMODEL, 0,
			"model: a SentencePiece vocabulary needs tokenizer.ggml.scores, and there are none");
	*s = (struct lsb_spm){ .unknown = unknown, .words = 1 };
	(void)lsb_model_int(m, "tokenizer.ggml.add_space_prefix", &prefix);
	s->space_prefix = prefix != 0;
	for (unsigned byte = 0; byte < 256; byte++) {
		char name[8];
		const int n = snprintf(name, sizeof(name), "<0x%02X>", byte);
		const int32_t id = lsb_vocabulary_find(v, name, (size_t)n);

		s->byte_id[byte] = id >= 0 && v->type[id] == LSB_TOKEN_BYTE ? id : -1;
	}
	for (uint32_t i = 0; s->words && i < v->n; i++)
		s->words = !crosses_words(v, (int32_t)i);
	return LSB_OK;
}

void lsb_spm_close(struct lsb_spm *s)
{
	free(s->escaped);
	*s = (struct lsb_spm){ 0 };
}

/* `text` with a prefix and without plain spaces into s->escaped; its length, or 0 for lack of memory. */
static size_t escape(struct lsb_spm *s, const char *text, size_t bytes)
{
	const size_t most = SPACE_BYTES * (bytes + 1);
	size_t n = 0;

	if (most > s->room) {
		char *grown = realloc(s->escaped, most);

		if (!grown)
			return 0;
		s->escaped = grown;
		s->room = most;
	}
	for (size_t i = s->space_prefix ? 0 : 1; i <= bytes; i++) {
		if (i == 0 || text[i - 1] == ' ') {
			memcpy(s->escaped + n, LSB_SPM_SPACE, SPACE_BYTES);
			n += SPACE_BYTES;
		} else {
			s->escaped[n++] = text[i - 1];
		}
	}
	return n;
}

static void put_unknown(const struct lsb_spm *s, const char *text, size_t bytes, struct lsb_ids *out)
{
	for (size_t i = 0; i < bytes; i++) {
		const int32_t id = s->byte_id[(uint8_t)text[i]];

		if (id >= 0)
			lsb_ids_put(out, id);
		else if (i == 0 && s->unknown >= 0)
			lsb_ids_put(out, s->unknown);
	}
}

/* The characters from *at on that can only merge among themselves, as pieces; their number. */
static uint32_t next_word(const struct lsb_spm *s, const struct lsb_vocabulary *v, struct lsb_merger *merger,
			  const char *text, size_t bytes, size_t *at)
{
	uint32_t n = 0;
	int inside = 0; /* something other than a space has been seen */

	while (*at < bytes) {
		const int space = is_space(text + *at, bytes - *at);
		utf8proc_int32_t c;
		utf8proc_ssize_t used = 1;

		if (s->words && inside && space)
			break;
		inside |= !space;
		if ((unsigned char)text[*at] >= 0x80)
			used = utf8proc_iterate((const utf8proc_uint8_t *)text + *at,
						(utf8proc_ssize_t)(bytes - *at), &c);
		if (used <= 0)
			used = 1;
		if (lsb_merger_reserve(merger, (size_t)n + 1))
			return 0;
		merger->pieces[n++] = (struct lsb_piece){ .id = find_piece(v, text + *at, (size_t)used),
							  .start = (uint32_t)*at,
							  .bytes = (uint32_t)used };
		*at += (size_t)used;
	}
	return n;
}

int lsb_spm_encode(struct lsb_spm *s, const struct lsb_vocabulary *v, struct lsb_merger *merger,
		   const char *text, size_t bytes, struct lsb_ids *out, struct lsb_error *err)
{
	const size_t n = bytes ? escape(s, text, bytes) : 0;
	const struct context context = { v, s->escaped };
	size_t at = 0;

	if (bytes && n == 0)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to encode a text of %zu bytes", bytes);
	while (at < n) {
		const uint32_t pieces = next_word(s, v, merger, s->escaped, n, &at);

		if (pieces == 0)
			return lsb_fail(err, LSB_ENOMEM, 0, "no memory to encode a text of %zu bytes", bytes);
		lsb_merge(merger, pieces, pair_by_score, &context);
		for (uint32_t i = 0; i != LSB_PIECE_END; i = merger->pieces[i].next) {
			const struct lsb_piece *p = &merger->pieces[i];

			if (p->id >= 0)
				lsb_ids_put(out, p->id);
			else
				put_unknown(s, s->escaped + p->start, p->bytes, out);
		}
	}
	return LSB_OK;
}
