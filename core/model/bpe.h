/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte-level BPE (`gpt2` vocabularies): words by the pre-tokenizer, bytes of a
 * word merged by the rank of the merges.
 */
#ifndef LSB_BPE_H
#define LSB_BPE_H

#include "ids.h"
#include "merge.h"
#include "pretokenize.h"
#include "vocabulary.h"

struct lsb_bpe {
	struct lsb_pretokenizer *words;
	struct lsb_pretokenizer_traits traits;
	struct lsb_bpe_merge {
		int32_t left, right, merged;
	} * merges; /* [n_merges] by rank */
	struct lsb_bpe_slot {
		uint32_t hash, rank1; /* of (left, right); rank + 1, 0: free */
	} * slots;		      /* [mask + 1] */
	uint32_t mask;
	int32_t byte_id[256]; /* -1: the vocabulary has no token for this byte */
};

/* Resolves the merges, and turns the texts of `v` into bytes. */
int lsb_bpe_open(struct lsb_bpe *b, struct lsb_vocabulary *v, const struct lsb_model *m,
		 struct lsb_error *err);
void lsb_bpe_close(struct lsb_bpe *b);

/*
 * Any bytes; those that are not UTF-8 are words of one byte. A byte that the
 * vocabulary has no token for gives none, as in other implementations (SmolLM2
 * lacks 21 bytes, none of which text uses). LSB_ENOMEM.
 */
int lsb_bpe_encode(const struct lsb_bpe *b, const struct lsb_vocabulary *v, struct lsb_merger *merger,
		   const char *text, size_t bytes, struct lsb_ids *out, struct lsb_error *err);

#endif
