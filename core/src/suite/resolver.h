/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One point being resolved, for resolve.c and attach.c alone.
 */
#ifndef LSB_RESOLVER_H
#define LSB_RESOLVER_H

#include "suite/parts.h"

struct lsb_resolver {
	const struct lsb_source *source;
	const struct lsb_case *c;
	const struct lsb_choice *choices;
	size_t n_choices;
	struct lsb_given given;
	const char *refuse_swept; /* expanding this sweep's items: other swept keys have no value yet */
};

/* What the case says of `key`: its text, *literal when that is final. NULL: nothing. */
const struct lsb_binding *lsb_resolver_find(const struct lsb_resolver *r, const char *key, const char **value,
					    int *literal);

/* Expand unless `literal`; the result is malloc'ed. NULL: the failure is noted at `at`. */
char *lsb_resolver_expand(struct lsb_resolver *r, const char *key, const char *text, int literal,
			  struct lsb_place_in_suite at);

/* "suite.ini:12", malloc'ed. */
char *lsb_resolver_show_place(struct lsb_place_in_suite at);

/* Add a resolved value to the point's list; takes `value`. 0 or LSB_ENOMEM. */
int lsb_resolver_note(struct lsb_point *p, const char *key, char *value, struct lsb_place_in_suite at,
		      int is_factor);

/* Fill the point's plugins and hosts. 0 or LSB_ENOMEM. */
int lsb_resolver_attach(struct lsb_resolver *r, struct lsb_point *p);

#endif
