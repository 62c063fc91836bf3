/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a suite: every finding with its place, told all at once.
 *
 * Reading a suite goes on after a finding, so that a user mends a file in one
 * round. Nothing is run unless the list is empty.
 */
#ifndef LSB_DIAGNOSTICS_H
#define LSB_DIAGNOSTICS_H

#include <stddef.h>
#include <stdio.h>

/* Where something was written. Strings are borrowed. */
struct lsb_place_in_suite {
	const char *file; /* path as given, "--set NAME=VALUE", or "default" */
	unsigned line;	  /* 1, 2, ...; 0: the place has no lines */
};

struct lsb_diagnostic {
	char *file, *message; /* owned */
	unsigned line;
};

/* Zero-initialise. */
struct lsb_diagnostics {
	struct lsb_diagnostic *items;
	size_t n;
	int failed; /* no memory to note something */
};

/* Note one finding; the same one at the same place is noted once. */
void lsb_diagnose(struct lsb_diagnostics *d, struct lsb_place_in_suite at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* By line; what has no line comes last, in the order it was found. */
void lsb_diagnostics_sort(struct lsb_diagnostics *d);

/* `file:line: message`, one a line. */
void lsb_diagnostics_print(const struct lsb_diagnostics *d, FILE *out);

void lsb_diagnostics_free(struct lsb_diagnostics *d);

#endif
