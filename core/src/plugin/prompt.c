/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/prompt.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum { WORD_BYTES = 48 }; /* a longer one is cut within */

/* What the backend is to encode. */
struct asked {
	const struct lsb_loaded *backend;
	struct lsb_backend *handle;
	struct lsb_turn *turns; /* [n], owned; their strings are the workload's, or the shortened one */
	size_t n;
	uint32_t flags;
};

static int count(const struct asked *a, size_t *n, struct lsb_error *err)
{
	int32_t id;

	*n = 0;
	*err = (struct lsb_error){ 0 };
	return lsb_plugin_result(
		a->backend, "encode",
		a->backend->ops.backend.encode(a->handle, a->turns, a->n, a->flags, &id, 0, n, err), err);
}

static int is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* At most `bytes` of a text, not within a character of UTF-8, and between words where one begins nearby. */
static size_t whole_words(const char *text, size_t bytes)
{
	while (bytes && ((unsigned char)text[bytes] & 0xc0) == 0x80)
		bytes--;
	for (size_t at = bytes; bytes - at < WORD_BYTES; at--)
		if (at == 0 || is_space(text[at]))
			return at;
	return bytes;
}

/* `whole` into `shorter`, with `keep` bytes of what may be cut. */
static void shorten(const char *whole, const struct lsb_request *r, size_t keep, char *shorter)
{
	const char *body = whole + r->cut_from;
	const size_t left = r->cut_from + (keep < r->cut_bytes ? whole_words(body, keep) : keep);

	memcpy(shorter, whole, left);
	memcpy(shorter + left, body + r->cut_bytes, strlen(body + r->cut_bytes) + 1);
}

/* The last turn's text with as much of what may be cut as the limit allows; `shorter` has its room. */
static int fit(struct asked *a, const struct lsb_request *r, char *shorter, struct lsb_error *err)
{
	struct lsb_turn *last = &a->turns[a->n - 1];
	const char *whole = last->text;
	size_t fits = 0, over = r->cut_bytes, n;

	last->text = shorter;
	while (over - fits > 1) {
		const size_t middle = fits + (over - fits) / 2;
		int rc;

		shorten(whole, r, middle, shorter);
		rc = count(a, &n, err);
		if (rc)
			return rc;
		*(n <= r->max_prompt ? &fits : &over) = middle;
	}
	shorten(whole, r, fits, shorter);
	return LSB_OK;
}

static int encode(const struct asked *a, int counts, struct lsb_prompt *out, struct lsb_error *err)
{
	return counts ? count(a, &out->n, err)
		      : lsb_loaded_encode(a->backend, a->handle, a->turns, a->n, a->flags, &out->ids, &out->n,
					  err);
}

/* Whether what may be cut lies in the text. */
static int check_cut(const struct asked *a, const struct lsb_request *r, struct lsb_error *err)
{
	const size_t bytes = strlen(a->turns[a->n - 1].text);

	if (r->cut_from <= bytes && r->cut_bytes <= bytes - r->cut_from)
		return LSB_OK;
	return lsb_fail(
		err, LSB_EPLUGIN, 0,
		"request '%s' of a workload says that bytes %llu to %llu of its text may be cut, which "
		"has %zu",
		r->id, (unsigned long long)r->cut_from, (unsigned long long)(r->cut_from + r->cut_bytes),
		bytes);
}

int lsb_prompt_encode(const struct lsb_loaded *backend, struct lsb_backend *handle,
		      const struct lsb_request *request, int counts, struct lsb_prompt *out,
		      struct lsb_error *err)
{
	struct asked a = { .backend = backend,
			   .handle = handle,
			   .n = request->n_turns ? request->n_turns : 1,
			   .flags =
				   request->n_turns ? LSB_ENCODE_CHAT : LSB_ENCODE_SPECIAL | LSB_ENCODE_BOS };
	char *shorter = NULL;
	int rc = LSB_OK;

	*out = (struct lsb_prompt){ .is_cut = request->was_cut != 0 };
	a.turns = calloc(a.n, sizeof(*a.turns));
	if (!a.turns)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a prompt");
	if (request->n_turns)
		memcpy(a.turns, request->turns, a.n * sizeof(*a.turns));
	else
		a.turns[0] = (struct lsb_turn){ .role = "user", .text = request->text };
	if (request->max_prompt)
		rc = check_cut(&a, request, err);
	if (rc == LSB_OK)
		rc = encode(&a, counts, out, err);
	if (rc == LSB_OK && request->max_prompt && request->cut_bytes && out->n > request->max_prompt) {
		free(out->ids);
		out->ids = NULL;
		out->is_cut = 1;
		shorter = malloc(strlen(a.turns[a.n - 1].text) + 1);
		rc = shorter ? fit(&a, request, shorter, err)
			     : lsb_fail(err, LSB_ENOMEM, 0, "no memory to cut a prompt");
		if (rc == LSB_OK)
			rc = encode(&a, counts, out, err);
	}
	free(shorter);
	free(a.turns);
	return rc;
}
