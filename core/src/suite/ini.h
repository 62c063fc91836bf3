/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A suite's text as sections and pairs, each with its line.
 *
 * Knows the layout of an INI file and no key of it. inih splits the pairs; what
 * it lacks is here: line numbers, headers without keys, NUL bytes, lines longer
 * than its buffer, a second use of a name.
 */
#ifndef LSB_INI_H
#define LSB_INI_H

#include "suite/diagnostics.h"

struct lsb_ini_pair {
	char *key, *value; /* owned; outer blanks removed */
	unsigned line;
};

struct lsb_ini_section {
	char *name; /* owned; "" for pairs before the first header, runs of blanks are one */
	unsigned line;
	struct lsb_ini_pair *pairs;
	size_t n_pairs;
};

struct lsb_ini {
	struct lsb_ini_section *sections;
	size_t n_sections;
};

/*
 * Parse `bytes` of `text`; `file` is its name in findings. Whatever is wrong
 * goes to `d` and is left out of `out`, so that the rest can still be judged.
 * Returns 0, or LSB_ENOMEM. The caller frees `out` in either case.
 */
int lsb_ini_parse(const char *file, const char *text, size_t bytes, struct lsb_ini *out,
		  struct lsb_diagnostics *d);
void lsb_ini_free(struct lsb_ini *ini);

#endif
