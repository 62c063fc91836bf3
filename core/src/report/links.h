/* SPDX-License-Identifier: Apache-2.0 */
/* Curves of kind = link, for every kind of report. */
#ifndef LSB_REPORT_LINKS_H
#define LSB_REPORT_LINKS_H

#include <jansson.h>
#include <stdint.h>

#include "report/parts.h"

enum { LSB_LINK_SIZES = 256, LSB_LINK_POINTS = 64, LSB_LINK_COLUMNS = 4, LSB_LINK_CURVES = 3 };

/* A metric of every size: NAME_BYTES_UNIT. */
struct lsb_link_curve {
	const char *name, *unit;
	const char *title, *shown_unit;
	double factor; /* from the metric's unit to the one that is shown */
};
extern const struct lsb_link_curve lsb_link_curves[LSB_LINK_CURVES];

const json_t *lsb_link_metric(const json_t *point, const struct lsb_link_curve *curve, uint64_t bytes);

/* The points of one case: they share their sizes, and are shown side by side. */
struct lsb_link_group {
	const char *name;		       /* of the case, borrowed */
	const json_t *points[LSB_LINK_POINTS]; /* that have launches, borrowed */
	size_t n_points;
	uint64_t sizes[LSB_LINK_SIZES]; /* bytes, ascending */
	size_t n_sizes;
};
/* Group number `which`; 0 when there are no more. */
int lsb_link_group(const json_t *summary, size_t which, struct lsb_link_group *out);
/* Whether any point of the group has values of this curve (bandwidth is not measured with a gap). */
int lsb_link_has(const struct lsb_link_group *group, const struct lsb_link_curve *curve);
const char *lsb_link_size(uint64_t bytes, char out[LSB_SHOWN]); /* "64 KiB" */
/* Median and interval times `factor`. */
const char *lsb_link_estimate(const json_t *metric, double factor, char out[LSB_SHOWN]);

/* All curves as tables, four points wide, and the fits. */
void lsb_links_show(const json_t *summary, int is_markdown, struct lsb_text *to);

#endif
