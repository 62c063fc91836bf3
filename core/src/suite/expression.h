/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions in suite values: text in, text out. No shell, no floating point.
 *
 *	${KEY}			another key of the same case, itself expanded
 *	${env:NAME}		an environment variable; an error when it is not set
 *	${env:NAME:-TEXT}	... or TEXT, when it is not set or empty
 *	${= nodes * 5}		whole numbers, + - * / % and parentheses; a bare name is a key.
 *				/ and % truncate towards zero as in C
 *	$$			a dollar
 *
 * Expressions nest. Loops, depth and the size of the result are bounded, so no
 * suite makes this run long.
 */
#ifndef LSB_EXPRESSION_H
#define LSB_EXPRESSION_H

#include <stdint.h>

#include "lsbench/types.h"

struct lsb_scope {
	/*
	 * The text of `key`, to be expanded unless *literal is set to 1; borrowed
	 * until the expansion ends. NULL, with `err` filled, when there is none.
	 */
	const char *(*find)(void *user, const char *key, int *literal, struct lsb_error *err);
	/* The value of an environment variable, or NULL. */
	const char *(*environment)(void *user, const char *name);
	void *user;
};

/*
 * Expand `text` into *out (malloc'ed). `key` is what is being expanded, for loops; may be NULL. 0 or
 * LSB_ESUITE.
 */
int lsb_expand(const char *text, const char *key, const struct lsb_scope *scope, char **out,
	       struct lsb_error *err);

/* The number that an arithmetic text without `${` gives. 0 or LSB_ESUITE. */
int lsb_arithmetic(const char *text, const struct lsb_scope *scope, int64_t *out, struct lsb_error *err);

#endif
