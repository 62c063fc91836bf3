/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts text into the words that byte-level BPE works on, by the rule that
 * tokenizer.ggml.pre names.
 */
#ifndef LSB_PRETOKENIZE_H
#define LSB_PRETOKENIZE_H

#include <stddef.h>

#include "lsbench/types.h"

struct lsb_pretokenizer;

/* What a pre-tokenizer's name says beyond its pattern. */
struct lsb_pretokenizer_traits {
	int adds_bos;	 /* unless the file says otherwise */
	int whole_words; /* a word that is a token is that token, whatever the merges give */
};

/* `name` NULL, "" or "default": as GPT-2. LSB_EMODEL for a name that is not known. */
int lsb_pretokenizer_open(const char *name, struct lsb_pretokenizer **out,
			  struct lsb_pretokenizer_traits *traits, struct lsb_error *err);
void lsb_pretokenizer_close(struct lsb_pretokenizer *p);

/* End of the word that begins at `at` < bytes. The text is valid UTF-8. */
size_t lsb_pretoken_end(const struct lsb_pretokenizer *p, const char *text, size_t bytes, size_t at);

#endif
