/* SPDX-License-Identifier: Apache-2.0 */
/* What `lsbench compare` reads and prints (docs/compare.md). */
#ifndef LSB_REPORT_COMPARE_H
#define LSB_REPORT_COMPARE_H

#include <jansson.h>

#include "base/base.h"
#include "measure/compare.h"

enum lsb_compare_format { LSB_COMPARE_TEXT, LSB_COMPARE_MARKDOWN, LSB_COMPARE_JSON };

/* By its name; 0, or -1 when there is none of this name. */
int lsb_compare_format(const char *name, enum lsb_compare_format *out);

/* Metrics that are compared when none are named, and their number. */
extern const char *const lsb_compare_headline[];
extern const size_t lsb_n_compare_headline;

/*
 * Compare the results folders `a` and `b`, or within `a` when `b` is NULL: *out is
 * a new COMPARISON. LSB_EIO for a folder that cannot be read, LSB_ESUITE for
 * options that name nothing.
 */
int lsb_compare_folders(const char *a, const char *b, const struct lsb_compare_options *options, json_t **out,
			struct lsb_error *err);

void lsb_compare_render(const json_t *comparison, enum lsb_compare_format format, struct lsb_text *to);

#endif
