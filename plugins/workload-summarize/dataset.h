/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Articles and reference summaries: from the plugin's own collection, a JSONL
 * file, or a JSON array as CNN/DailyMail sets come.
 *
 * An item needs an article ("article", "document", "text" or "input"); a
 * reference ("reference", "highlights", "summary" or "output") and an "id" are
 * optional. For scoring alone, articles may be missing.
 */
#ifndef LSB_DATASET_H
#define LSB_DATASET_H

#include <stddef.h>

#include "lsbench/types.h"

struct lsb_item {
	char *id;
	char *article;	 /* NULL: none given */
	char *reference; /* NULL: none given */
};

struct lsb_dataset {
	struct lsb_item *items; /* [n], owned */
	size_t n, room;
};

/* Read `path`; "" is the built-in collection. LSB_EINVAL with path:line, or LSB_EIO. */
int lsb_dataset_open(struct lsb_dataset *set, const char *path, struct lsb_error *err);
void lsb_dataset_close(struct lsb_dataset *set);

extern const char lsb_articles[];
extern const size_t lsb_articles_bytes;

#endif
