/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of a sweep: `1, 2, 4`, `1..8`, `2^0..22`, and mixtures. Pure.
 */
#ifndef LSB_LIST_H
#define LSB_LIST_H

#include <stddef.h>

#include "lsbench/types.h"

enum { LSB_LIST_MAX = 4096 };

struct lsb_list {
	char **items; /* owned */
	size_t n;
};

/*
 * Split `text` at commas and count ranges out; no item twice. 0 or LSB_ESUITE. The caller frees on success.
 */
int lsb_list_parse(const char *text, struct lsb_list *out, struct lsb_error *err);
void lsb_list_free(struct lsb_list *list);

#endif
