/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SentencePiece BPE (`llama` vocabularies): spaces become U+2581, characters
 * are merged by the score of what they make, and characters that are no token
 * fall back to byte tokens. No other normalisation.
 */
#ifndef LSB_SPM_H
#define LSB_SPM_H

#include "ids.h"
#include "merge.h"
#include "vocabulary.h"

#define LSB_SPM_SPACE "\xe2\x96\x81" /* U+2581 */

struct lsb_spm {
	int32_t byte_id[256]; /* of <0xNN>; -1: none */
	int32_t unknown;      /* for what has neither token nor bytes; -1: left out */
	int space_prefix;     /* a space goes before text */
	int words;	      /* no token has a space after something else: words are independent */
	char *escaped;	      /* text with its spaces replaced; kept between calls */
	size_t room;
};

/* `unknown` is an id of the vocabulary, or -1. LSB_EMODEL when scores are missing. */
int lsb_spm_open(struct lsb_spm *s, const struct lsb_vocabulary *v, const struct lsb_model *m,
		 int32_t unknown, struct lsb_error *err);
void lsb_spm_close(struct lsb_spm *s);

/* Any bytes; those that are not UTF-8 become byte tokens. LSB_ENOMEM. */
int lsb_spm_encode(struct lsb_spm *s, const struct lsb_vocabulary *v, struct lsb_merger *merger,
		   const char *text, size_t bytes, struct lsb_ids *out, struct lsb_error *err);

#endif
