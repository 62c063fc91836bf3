/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens whose text is looked for in the input as it stands, before any other
 * rule: control tokens (where the caller trusts the text) and user-defined
 * ones (everywhere).
 */
#ifndef LSB_SPECIAL_H
#define LSB_SPECIAL_H

#include "vocabulary.h"

struct lsb_specials {
	int32_t *ids;	     /* sorted by text, bytewise; owned */
	uint32_t first[257]; /* first[c]..first[c + 1] of ids begin with byte c */
	uint32_t user;	     /* how many are user-defined */
};

/* LSB_EMODEL when one is too long to be looked for. */
int lsb_specials_open(struct lsb_specials *s, const struct lsb_vocabulary *v, struct lsb_error *err);
void lsb_specials_close(struct lsb_specials *s);

/*
 * The longest special token that text[0..bytes) begins with; -1 when there is
 * none. `trusted` bytes of it may be a control token; beyond, and with 0, only
 * user-defined tokens count.
 */
int32_t lsb_special_match(const struct lsb_specials *s, const struct lsb_vocabulary *v, const char *text,
			  size_t bytes, size_t trusted);

#endif
