/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam: picks the kind of vocabulary, finds special tokens, and leaves the
 * text between them to bpe.c, spm.c or, without a vocabulary, to bytes.
 */
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "bpe.h"
#include "lsbench/backend.h"
#include "lsbench/host.h"
#include "special.h"
#include "spm.h"

/* Three bytes of each, with U+2581, still have 32-bit positions. */
#define TEXT_BYTES_MAX (UINT32_C(1) << 30)

enum kind { KIND_BYTES, KIND_BPE, KIND_SPM };

/* Ids of KIND_BYTES. */
enum { BYTES_BOS = 1, BYTES_EOS = 2, BYTES_FIRST = 3 };

struct lsb_tokenizer {
	enum kind kind;
	struct lsb_vocabulary v;
	struct lsb_specials specials;
	struct lsb_bpe bpe;
	struct lsb_spm spm;
	struct lsb_merger merger; /* scratch of encode */
	int32_t bos, eos, unknown;
	int adds_bos;
	int32_t stop[LSB_STOP_IDS_MAX];
	uint32_t n_stop;
	char *template;
};

/* An id that the metadata names; `otherwise` (if it is a token) when it names none. */
static int read_id(const struct lsb_tokenizer *t, const struct lsb_model *m, const char *key,
		   int32_t otherwise, int32_t *id, struct lsb_error *err)
{
	int64_t value;

	*id = otherwise < (int64_t)t->v.n ? otherwise : -1;
	if (lsb_model_int(m, key, &value))
		return LSB_OK;
	if (value < 0 || value >= (int64_t)t->v.n)
		return lsb_fail(err, LSB_EMODEL, 0, "model: %s is %lld, but the vocabulary has %u tokens",
				key, (long long)value, t->v.n);
	*id = (int32_t)value;
	return LSB_OK;
}

static void add_stop(struct lsb_tokenizer *t, int32_t id)
{
	if (id < 0 || t->n_stop == LSB_STOP_IDS_MAX)
		return;
	for (uint32_t i = 0; i < t->n_stop; i++)
		if (t->stop[i] == id)
			return;
	t->stop[t->n_stop++] = id;
}

/* Special tokens whose text says that they end a turn or a text, whether the file names them or not. */
static void add_known_stops(struct lsb_tokenizer *t)
{
	static const char *const texts[] = { "<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "</s>",
					     "<|endoftext|>" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const size_t bytes = strlen(texts[i]);
		const int32_t id = lsb_special_match(&t->specials, &t->v, texts[i], bytes, bytes);

		if (id >= 0 && lsb_token_bytes(&t->v, id) == bytes && t->v.type[id] != LSB_TOKEN_UNKNOWN)
			add_stop(t, id);
	}
}

static int read_special_ids(struct lsb_tokenizer *t, const struct lsb_model *m, struct lsb_error *err)
{
	/* SentencePiece's own numbering where the file has none. */
	const int spm = t->kind == KIND_SPM;
	int32_t eot, eom;
	int64_t adds_bos;
	int rc = read_id(t, m, "tokenizer.ggml.unknown_token_id", spm ? 0 : -1, &t->unknown, err);

	if (!rc)
		rc = read_id(t, m, "tokenizer.ggml.bos_token_id", spm ? 1 : -1, &t->bos, err);
	if (!rc)
		rc = read_id(t, m, "tokenizer.ggml.eos_token_id", spm ? 2 : -1, &t->eos, err);
	if (!rc)
		rc = read_id(t, m, "tokenizer.ggml.eot_token_id", -1, &eot, err);
	if (!rc)
		rc = read_id(t, m, "tokenizer.ggml.eom_token_id", -1, &eom, err);
	if (rc)
		return rc;
	add_stop(t, t->eos);
	add_stop(t, eot);
	add_stop(t, eom);
	add_known_stops(t);
	t->adds_bos = spm || t->bpe.traits.adds_bos;
	if (lsb_model_int(m, "tokenizer.ggml.add_bos_token", &adds_bos) == 0)
		t->adds_bos = adds_bos != 0;
	return LSB_OK;
}

static int open_vocabulary(struct lsb_tokenizer *t, const struct lsb_model *m, struct lsb_error *err)
{
	uint64_t bytes;
	const char *kind = lsb_model_string(m, "tokenizer.ggml.model", &bytes);
	int rc;

	if (!kind)
		return lsb_fail(err, LSB_EMODEL, 0,
				"model: no vocabulary in the file (tokenizer.ggml.model is missing)");
	if (strcmp(kind, "gpt2") != 0 && strcmp(kind, "llama") != 0)
		return lsb_fail(
			err, LSB_EMODEL, 0,
			"model: vocabularies of kind '%.64s' (tokenizer.ggml.model) are not supported; "
			"supported are gpt2 and llama",
			kind);
	t->kind = *kind == 'g' ? KIND_BPE : KIND_SPM;
	rc = lsb_vocabulary_open(&t->v, m, err);
	if (!rc && t->kind == KIND_BPE)
		rc = lsb_bpe_open(&t->bpe, &t->v, m, err);
	if (!rc)
		rc = lsb_specials_open(&t->specials, &t->v, err);
	if (!rc)
		rc = read_special_ids(t, m, err);
	if (!rc && t->kind == KIND_SPM)
		rc = lsb_spm_open(&t->spm, &t->v, m, t->unknown, err);
	return rc;
}

int lsb_tokenizer_open(const struct lsb_model *m, struct lsb_tokenizer **out, struct lsb_error *err)
{
	struct lsb_tokenizer *t = calloc(1, sizeof(*t));
	uint64_t bytes;
	const char *template = lsb_model_string(m, "tokenizer.chat_template", &bytes);
	int rc = LSB_OK;

	if (t)
		t->template = strdup(template ? template : "");
	if (!t || !t->template) {
		free(t);
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a tokenizer");
	}
	if (lsb_model_is_random(m)) {
		if (lsb_model_hparams(m)->vocab < BYTES_FIRST + 256)
			rc = lsb_fail(err, LSB_EMODEL, 0,
				      "model: %u embedding rows are too few for a vocabulary of bytes",
				      lsb_model_hparams(m)->vocab);
		t->bos = BYTES_BOS;
		t->eos = BYTES_EOS;
		t->adds_bos = 1;
		add_stop(t, t->eos);
	} else {
		rc = open_vocabulary(t, m, err);
	}
	if (rc)
		lsb_tokenizer_close(t);
	else
		*out = t;
	return rc;
}

void lsb_tokenizer_close(struct lsb_tokenizer *t)
{
	if (!t)
		return;
	lsb_spm_close(&t->spm);
	lsb_specials_close(&t->specials);
	lsb_bpe_close(&t->bpe);
	lsb_vocabulary_close(&t->v);
	lsb_merger_free(&t->merger);
	free(t->template);
	free(t);
}

/* Text without special tokens. */
static int encode_text(struct lsb_tokenizer *t, const char *text, size_t bytes, struct lsb_ids *out,
		       struct lsb_error *err)
{
	if (t->kind == KIND_BPE)
		return lsb_bpe_encode(&t->bpe, &t->v, &t->merger, text, bytes, out, err);
	if (t->kind == KIND_SPM)
		return lsb_spm_encode(&t->spm, &t->v, &t->merger, text, bytes, out, err);
	for (size_t i = 0; i < bytes; i++)
		lsb_ids_put(out, (uint8_t)text[i] + BYTES_FIRST);
	return LSB_OK;
}

int lsb_tokenizer_encode_marked(struct lsb_tokenizer *t, const char *text, size_t bytes,
				const struct lsb_marker *markers, size_t n_markers, uint32_t flags,
				int32_t *ids, size_t capacity, size_t *n, struct lsb_error *err)
{
	struct lsb_ids out = { ids, capacity, 0 };
	size_t from = 0, at = 0, m = 0; /* text[from..at) waits to be encoded */
	int rc;

	if (bytes > TEXT_BYTES_MAX)
		return lsb_fail(err, LSB_EINVAL, 0,
				"a text of %zu bytes is more than the %u that can be encoded", bytes,
				TEXT_BYTES_MAX);
	if (flags & LSB_ENCODE_BOS && t->adds_bos && t->bos >= 0)
		lsb_ids_put(&out, t->bos);
	while (at < bytes) {
		size_t trusted = 0;
		int32_t id;

		while (m < n_markers && markers[m].end <= at)
			m++;
		if (m < n_markers && markers[m].start <= at)
			trusted = markers[m].end - at;
		if (!trusted && !t->specials.user) {
			at = m < n_markers ? markers[m].start : bytes;
			continue;
		}
		id = t->specials.ids ? lsb_special_match(&t->specials, &t->v, text + at, bytes - at, trusted)
				     : -1;
		if (id < 0) {
			at++;
			continue;
		}
		rc = encode_text(t, text + from, at - from, &out, err);
		if (rc)
			return rc;
		lsb_ids_put(&out, id);
		at += lsb_token_bytes(&t->v, id);
		from = at;
	}
	rc = encode_text(t, text + from, bytes - from, &out, err);
	*n = out.n;
	return rc;
}

int lsb_tokenizer_encode(struct lsb_tokenizer *t, const char *text, size_t bytes, uint32_t flags,
			 int32_t *ids, size_t capacity, size_t *n, struct lsb_error *err)
{
	const struct lsb_marker all = { 0, bytes };

	return lsb_tokenizer_encode_marked(t, text, bytes, &all, flags & LSB_ENCODE_SPECIAL ? 1 : 0, flags,
					   ids, capacity, n, err);
}

struct out_text {
	char *text; /* [capacity] */
	size_t capacity, n;
};

static void put_text(struct out_text *out, const char *text, size_t bytes)
{
	if (out->n < out->capacity) {
		const size_t room = out->capacity - out->n;

		memcpy(out->text + out->n, text, bytes < room ? bytes : room);
	}
	out->n += bytes;
}

/* An ordinary piece, or one for a byte; `first`: the prefix that encode put in is taken off. */
static void put_spm(const struct lsb_tokenizer *t, int32_t id, int first, struct out_text *out)
{
	static const size_t space_bytes = sizeof(LSB_SPM_SPACE) - 1;
	const char *text = lsb_token_text(&t->v, id), *const end = text + lsb_token_bytes(&t->v, id);

	if (t->v.type[id] == LSB_TOKEN_BYTE) {
		const uint8_t byte = end - text == 6 ? (uint8_t)strtoul(text + 1, NULL, 16) : 0; /* <0xNN> */

		if (t->spm.byte_id[byte] == id)
			put_text(out, (const char *)&byte, 1);
		return;
	}
	while (text < end) {
		const int space =
			(size_t)(end - text) >= space_bytes && memcmp(text, LSB_SPM_SPACE, space_bytes) == 0;

		if (!space)
			put_text(out, text, 1);
		else if (!first || !t->spm.space_prefix)
			put_text(out, " ", 1);
		text += space ? space_bytes : 1;
		first = 0;
	}
}

int lsb_tokenizer_decode(struct lsb_tokenizer *t, const int32_t *ids, size_t n, char *text, size_t capacity,
			 size_t *bytes, struct lsb_error *err)
{
	struct out_text out = { text, capacity, 0 };
	int first = 1;

	for (size_t i = 0; i < n; i++) {
		const int32_t id = ids[i];

		if (id < 0)
			return lsb_fail(err, LSB_EINVAL, 0, "id %d at position %zu is no token", (int)id, i);
		if (t->kind == KIND_BYTES) {
			if (id >= BYTES_FIRST && id < BYTES_FIRST + 256)
				put_text(&out, (const char[]){ (char)(id - BYTES_FIRST) }, 1);
			continue;
		}
		if ((uint32_t)id >= t->v.n || t->v.type[id] == LSB_TOKEN_CONTROL ||
		    t->v.type[id] == LSB_TOKEN_UNKNOWN)
			continue;
		if (t->kind == KIND_SPM && t->v.type[id] != LSB_TOKEN_USER_DEFINED)
			put_spm(t, id, first, &out);
		else
			put_text(&out, lsb_token_text(&t->v, id), lsb_token_bytes(&t->v, id));
		first = 0;
	}
	*bytes = out.n;
	return LSB_OK;
}

int32_t lsb_tokenizer_bos(const struct lsb_tokenizer *t)
{
	return t->bos;
}

int32_t lsb_tokenizer_eos(const struct lsb_tokenizer *t)
{
	return t->eos;
}

int lsb_tokenizer_adds_bos(const struct lsb_tokenizer *t)
{
	return t->adds_bos;
}

uint32_t lsb_tokenizer_stop_ids(const struct lsb_tokenizer *t, int32_t *ids, uint32_t capacity)
{
	const uint32_t n = t->n_stop < capacity ? t->n_stop : capacity;

	memcpy(ids, t->stop, n * sizeof(*ids));
	return n;
}

struct lsb_span lsb_tokenizer_text(const struct lsb_tokenizer *t, int32_t id)
{
	if (id < 0 || (uint32_t)id >= t->v.n)
		return (struct lsb_span){ 0 };
	return (struct lsb_span){ lsb_token_text(&t->v, id), lsb_token_bytes(&t->v, id) };
}

const char *lsb_tokenizer_template(const struct lsb_tokenizer *t)
{
	return t->template;
}

int lsb_tokenizer_is_random(const struct lsb_tokenizer *t)
{
	return t->kind == KIND_BYTES;
}
