/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_model.h"

#include <stdio.h>
#include <string.h>

#include "vocabulary.h"

int32_t fake_token(struct lsb_model *m, const char *text, int type, double score)
{
	const uint64_t id = m->n_tokens++;

	m->tokens[id] = (struct lsb_span){ text, strlen(text) };
	m->types[id] = type;
	m->scores[id] = score;
	m->n_types = m->n_tokens;
	m->hparams.vocab = (uint32_t)m->n_tokens;
	return (int32_t)id;
}

void fake_merge(struct lsb_model *m, const char *merge)
{
	m->merges[m->n_merges++] = (struct lsb_span){ merge, strlen(merge) };
}

void fake_int(struct lsb_model *m, const char *key, int64_t value)
{
	m->ints[m->n_ints].key = key;
	m->ints[m->n_ints++].value = value;
}

void fake_gpt2(struct lsb_model *m)
{
	static char texts[256][3];

	*m = (struct lsb_model){ .kind = "gpt2" };
	for (int b = 0; b < 256; b++) {
		texts[b][lsb_byte_text((uint8_t)b, texts[b])] = '\0';
		fake_token(m, texts[b], LSB_TOKEN_NORMAL, 0);
	}
}

void fake_spm(struct lsb_model *m)
{
	static char texts[256][7];

	*m = (struct lsb_model){ .kind = "llama" };
	for (unsigned b = 0; b < 256; b++) {
		snprintf(texts[b], sizeof(texts[b]), "<0x%02X>", b);
		fake_token(m, texts[b], LSB_TOKEN_BYTE, 0);
	}
}

const struct lsb_hparams *lsb_model_hparams(const struct lsb_model *m)
{
	return &m->hparams;
}

int lsb_model_is_random(const struct lsb_model *m)
{
	return m->random;
}

const char *lsb_model_string(const struct lsb_model *m, const char *key, uint64_t *bytes)
{
	const char *value = strcmp(key, "tokenizer.ggml.model") == 0	  ? m->kind
			    : strcmp(key, "tokenizer.ggml.pre") == 0	  ? m->pre
			    : strcmp(key, "tokenizer.chat_template") == 0 ? m->chat_template
									  : NULL;

	*bytes = value ? strlen(value) : 0;
	return value;
}

int lsb_model_int(const struct lsb_model *m, const char *key, int64_t *value)
{
	for (uint32_t i = 0; i < m->n_ints; i++) {
		if (strcmp(m->ints[i].key, key) == 0) {
			*value = m->ints[i].value;
			return 0;
		}
	}
	return -1;
}

static int is(const char *key, const char *name)
{
	return strcmp(key + strlen("tokenizer.ggml."), name) == 0;
}

uint64_t lsb_model_array(const struct lsb_model *m, const char *key)
{
	return is(key, "tokens")       ? m->n_tokens
	       : is(key, "merges")     ? m->n_merges
	       : is(key, "token_type") ? m->n_types
				       : m->n_scores;
}

struct lsb_span lsb_model_array_string(const struct lsb_model *m, const char *key, uint64_t i)
{
	return is(key, "tokens") ? m->tokens[i] : m->merges[i];
}

int lsb_model_array_number(const struct lsb_model *m, const char *key, uint64_t i, double *value)
{
	*value = is(key, "token_type") ? m->types[i] : m->scores[i];
	return 0;
}
