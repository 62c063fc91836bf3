/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model that is only its metadata, in place of core/model/model.c: lets tests
 * write a vocabulary down, and damage it, without a file.
 */
#ifndef FAKE_MODEL_H
#define FAKE_MODEL_H

#include "model.h"

enum { FAKE_TOKENS_MAX = 512, FAKE_MERGES_MAX = 512, FAKE_INTS_MAX = 8 };

struct lsb_model {
	const char *kind, *pre, *chat_template; /* NULL: absent */
	struct lsb_span tokens[FAKE_TOKENS_MAX];
	struct lsb_span merges[FAKE_MERGES_MAX];
	double types[FAKE_TOKENS_MAX], scores[FAKE_TOKENS_MAX];
	uint64_t n_tokens, n_merges, n_types, n_scores; /* 0: absent */
	struct {
		const char *key;
		int64_t value;
	} ints[FAKE_INTS_MAX];
	uint32_t n_ints;
	int random;
	struct lsb_hparams hparams;
};

/* Add one token; returns its id. `text` lives as long as the model. */
int32_t fake_token(struct lsb_model *m, const char *text, int type, double score);
void fake_merge(struct lsb_model *m, const char *merge);
void fake_int(struct lsb_model *m, const char *key, int64_t value);

/* The 256 bytes as ids 0..255, in GPT-2's alphabet or as <0xNN>; kind set accordingly. */
void fake_gpt2(struct lsb_model *m);
void fake_spm(struct lsb_model *m);

#endif
