/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Articles and reference summaries: from the plugin's own collection, a JSONL
 * file, or a JSON array as CNN/DailyMail sets come.
 *
 * An item needs an article ("article", "document", "text" or "input"); a
 * reference ("reference", "highlights", "summary" or "output"), an "id" and a limit
 * of its answer's tokens ("max_new") are optional. For scoring alone, articles may be
 * missing. Every line and item is bounded, and only one is held as JSON at a time.
 */
#ifndef LSB_DATASET_H
#define LSB_DATASET_H

#include <stddef.h>
#include <stdio.h>

#include "lsbench/types.h"

struct lsb_item {
	char *id;
	char *article;	  /* NULL: none given */
	char *reference;  /* NULL: none given */
	uint32_t max_new; /* tokens of its answer at most; 0: not said */
	uint32_t is_cut;  /* 1: the article was shortened */
};

struct lsb_dataset {
	struct lsb_item *items; /* [n], owned */
	size_t n, room;
};

/* Read `path`; "" is the built-in collection. LSB_EINVAL with path:line, or LSB_EIO. */
int lsb_dataset_open(struct lsb_dataset *set, const char *path, struct lsb_error *err);
/* The same from an open file; `name` is for messages. */
int lsb_dataset_read(struct lsb_dataset *set, FILE *file, const char *name, struct lsb_error *err);
/*
 * Of articles with more than `max_words` words, keep so many words, or leave the
 * item out. Returns how many items that were. Words are separated by white space, so
 * the text that is left is the same whatever the model's tokens are.
 */
size_t lsb_dataset_shorten(struct lsb_dataset *set, size_t max_words, int leave_out);
void lsb_dataset_close(struct lsb_dataset *set);

extern const char lsb_articles[];
extern const size_t lsb_articles_bytes;

#endif
