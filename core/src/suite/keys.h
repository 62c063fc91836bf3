/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that a suite may set: one table a section, which checks values, fills
 * structs and prints the reference in docs/suites.md.
 */
#ifndef LSB_KEYS_H
#define LSB_KEYS_H

#include <stddef.h>
#include <stdio.h>

#include "lsbench/types.h"

/* The member that each type fills. */
enum lsb_key_type {
	LSB_KEY_COUNT,	  /* uint32_t */
	LSB_KEY_SEED,	  /* uint64_t */
	LSB_KEY_REAL,	  /* double */
	LSB_KEY_TIME,	  /* uint64_t, ns */
	LSB_KEY_TEXT,	  /* char *, owned */
	LSB_KEY_FILE,	  /* char *, owned; the id holds only what follows the last '/' */
	LSB_KEY_NAME,	  /* char *, owned; of a plugin, a set, or a case: letters, digits, '-', '_', ':' */
	LSB_KEY_CHOICE,	  /* uint32_t (any enum), index into `choices` */
	LSB_KEY_WORD,	  /* char *, owned, one of `choices` */
	LSB_KEY_SIZES,	  /* uint32_t *, owned, bytes, with its uint32_t length at `length_offset` */
	LSB_KEY_ARRIVALS, /* char *, owned, as schedule/arrivals.h spells it; of a file's path only the name
			     is in the id */
	LSB_KEY_LAYERS,	  /* uint32_t *, owned, with its uint32_t length at `length_offset` */
};

struct lsb_suite_key {
	const char *name;
	enum lsb_key_type type;
	int is_factor;	 /* part of a point's id, and may be swept */
	int is_added;	 /* came later: at its default it is left out of the id, which so stays what it was */
	int is_for_link; /* means something for kind = link alone: elsewhere no part of a point */
	const char *def; /* in a suite's words, may be an expression; NULL: derived, or must be set */
	const char *choices; /* words separated by '|' */
	double min, max;     /* inclusive; both 0: unbounded */
	size_t offset, length_offset;
	const char *unit; /* for people */
	const char *help;
};

struct lsb_key_table {
	const char *section; /* "case" */
	const struct lsb_suite_key *keys;
	size_t n;
};

extern const struct lsb_key_table lsb_case_keys, lsb_suite_keys, lsb_gate_keys, lsb_report_keys,
	lsb_hosts_keys;

/* The key of that name, or NULL. */
const struct lsb_suite_key *lsb_key_find(const struct lsb_key_table *table, const char *name);

/* The nearest name of the table, or NULL. */
const char *lsb_key_nearest(const struct lsb_key_table *table, const char *name);

/*
 * Parse `text` by `key` into the member of `object`; `canonical` (malloc'ed) is
 * the value in one spelling, for ids. 0, LSB_ESUITE or LSB_ENOMEM.
 */
int lsb_key_fill(const struct lsb_suite_key *key, const char *text, void *object, char **canonical,
		 struct lsb_error *err);

/* All tables in Markdown: the reference part of docs/suites.md. */
void lsb_suite_print_keys(FILE *out);

#endif
