/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points of kind = link side by side: a row for each message size, a column for
 * each point, for the terminal and for Markdown.
 */
#include <stdlib.h>
#include <string.h>

#include "report/links.h"

const struct lsb_link_curve lsb_link_curves[LSB_LINK_CURVES] = {
	{ "latency", "s", "Latency, one way", "\xc2\xb5s", 1e6 },
	{ "bandwidth", "bps", "Bandwidth, windows of 64 messages", "MB/s", 1e-6 },
	{ "messages", "per_s", "Messages, windows of 64", "1000/s", 1e-3 },
};

const json_t *lsb_link_metric(const json_t *point, const struct lsb_link_curve *curve, uint64_t bytes)
{
	char name[80];

	(void)snprintf(name, sizeof(name), "%s_%llu_%s", curve->name, (unsigned long long)bytes, curve->unit);
	return lsb_metric(point, name);
}

static int compare(const void *a, const void *b)
{
	const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static void add_sizes(const json_t *point, struct lsb_link_group *g)
{
	const json_t *pair = json_array_get(json_object_get(point, "links"), 0), *row;
	size_t k;

	json_array_foreach(json_object_get(pair, "sizes"), k, row)
	{
		const double bytes = lsb_number(row, "bytes");
		size_t at = 0;

		if (!(bytes >= 1) || !(bytes <= 1e12))
			continue;
		while (at < g->n_sizes && g->sizes[at] != (uint64_t)bytes)
			at++;
		if (at == g->n_sizes && g->n_sizes < LSB_LINK_SIZES)
			g->sizes[g->n_sizes++] = (uint64_t)bytes;
	}
}

/* Name of the case that first occurs as number `which`; NULL. */
static const char *case_name(const json_t *summary, size_t which)
{
	const json_t *points = json_object_get(summary, "points"), *point;
	size_t i, k;

	json_array_foreach(points, i, point)
	{
		const char *name = lsb_text_of(point, "case");

		if (!lsb_is_kind(point, "link") || !lsb_has_launches(point))
			continue;
		for (k = 0; k < i; k++) {
			const json_t *other = json_array_get(points, k);

			if (lsb_is_kind(other, "link") && lsb_has_launches(other) &&
			    strcmp(lsb_text_of(other, "case"), name) == 0)
				break;
		}
		if (k == i && which-- == 0)
			return name;
	}
	return NULL;
}

int lsb_link_group(const json_t *summary, size_t which, struct lsb_link_group *out)
{
	const json_t *point;
	size_t i;

	*out = (struct lsb_link_group){ .name = case_name(summary, which) };
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (!out->name || !lsb_is_kind(point, "link") || !lsb_has_launches(point) ||
		    strcmp(lsb_text_of(point, "case"), out->name) != 0 || out->n_points == LSB_LINK_POINTS)
			continue;
		out->points[out->n_points++] = point;
		add_sizes(point, out);
	}
	qsort(out->sizes, out->n_sizes, sizeof(*out->sizes), compare);
	return out->name != NULL;
}

int lsb_link_has(const struct lsb_link_group *g, const struct lsb_link_curve *curve)
{
	for (size_t k = 0; k < g->n_points; k++)
		for (size_t i = 0; i < g->n_sizes; i++)
			if (lsb_link_metric(g->points[k], curve, g->sizes[i]))
				return 1;
	return 0;
}

const char *lsb_link_size(uint64_t bytes, char out[LSB_SHOWN])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB" };
	size_t unit = 0;

	while (bytes >= 1024 && bytes % 1024 == 0 && unit + 1 < LSB_COUNT(units)) {
		bytes /= 1024;
		unit++;
	}
	(void)snprintf(out, LSB_SHOWN, "%llu %s", (unsigned long long)bytes, units[unit]);
	return out;
}

const char *lsb_link_estimate(const json_t *metric, double factor, char out[LSB_SHOWN])
{
	const json_t *ci = json_object_get(metric, "ci95");
	char middle[LSB_SHOWN], lo[LSB_SHOWN], hi[LSB_SHOWN];

	if (!metric)
		return "-";
	lsb_show_short(lsb_number(metric, "median") * factor, middle);
	if (json_array_size(ci) == 2)
		(void)snprintf(out, LSB_SHOWN, "%.10s [%.10s, %.10s]", middle,
			       lsb_show_short(json_number_value(json_array_get(ci, 0)) * factor, lo),
			       lsb_show_short(json_number_value(json_array_get(ci, 1)) * factor, hi));
	else
		(void)snprintf(out, LSB_SHOWN, "%.10s", middle);
	return out;
}

/* What sets a point apart, for a narrow column: its label without the case's name where one is swept. */
static const char *short_label(const json_t *point)
{
	const char *label = lsb_text_of(point, "label"), *space = strchr(label, ' ');

	return space ? space + 1 : label;
}

/* Points [from, to) of one curve. */
static struct lsb_table curve_table(const struct lsb_link_group *g, size_t from, size_t to,
				    const struct lsb_link_curve *curve)
{
	struct lsb_table t = lsb_table_open(&curve->shown_unit, 1);
	char shown[LSB_SHOWN];

	for (size_t k = from; k < to; k++) {
		(void)snprintf(shown, sizeof(shown), "%.28s", short_label(g->points[k]));
		lsb_table_column(&t, shown);
	}
	for (size_t i = 0; i < g->n_sizes; i++) {
		lsb_table_cell(&t, "%s", lsb_link_size(g->sizes[i], shown));
		for (size_t k = from; k < to; k++)
			lsb_table_cell(&t, "%s",
				       lsb_link_estimate(lsb_link_metric(g->points[k], curve, g->sizes[i]),
							 curve->factor, shown));
	}
	return t;
}

static void add_loggp(const struct lsb_link_group *g, int is_markdown, struct lsb_text *to)
{
	static const char *const heads[] = {
		"", "start L+2o \xc2\xb5s", "send o \xc2\xb5s", "gap g \xc2\xb5s", "G ns/KiB", "residual %"
	};
	static const struct {
		const char *key;
		double factor;
	} columns[] = { { "start_s", 1e6 },
			{ "overhead_s", 1e6 },
			{ "gap_s", 1e6 },
			{ "gap_per_byte_s", 1e9 * 1024 },
			{ "residual", 100 } };
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	char shown[LSB_SHOWN];

	for (size_t i = 0; i < g->n_points; i++) {
		const json_t *fit =
			json_object_get(json_array_get(json_object_get(g->points[i], "links"), 0), "loggp");

		lsb_table_cell(&t, "%.40s", short_label(g->points[i]));
		for (size_t k = 0; k < LSB_COUNT(columns) && json_is_object(fit); k++)
			lsb_table_cell(
				&t, "%s",
				lsb_show_short(lsb_number(fit, columns[k].key) * columns[k].factor, shown));
		lsb_table_fill(&t);
	}
	lsb_text_add(to,
		     "%sLogGP: k bytes take L + 2o + (k - 1) G; residual: root mean square of the fit\n\n",
		     is_markdown ? "### " : "");
	lsb_table_show(&t, is_markdown, to);
	lsb_text_add(to, "\n");
}

/* One curve of a group, in tables of a few points each. */
static void add_curve(const struct lsb_link_group *g, const struct lsb_link_curve *curve, int is_markdown,
		      struct lsb_text *to)
{
	for (size_t from = 0; from < g->n_points; from += LSB_LINK_COLUMNS) {
		const size_t end =
			from + LSB_LINK_COLUMNS < g->n_points ? from + LSB_LINK_COLUMNS : g->n_points;
		struct lsb_table t = curve_table(g, from, end, curve);

		lsb_text_add(to, "%s%s: %s (%s)\n\n", is_markdown ? "### " : "", g->name, curve->title,
			     curve->shown_unit);
		lsb_table_show(&t, is_markdown, to);
		lsb_text_add(to, "\n");
	}
}

void lsb_links_show(const json_t *summary, int is_markdown, struct lsb_text *to)
{
	struct lsb_link_group g;

	for (size_t which = 0; lsb_link_group(summary, which, &g); which++) {
		for (size_t c = 0; c < LSB_LINK_CURVES; c++)
			if (lsb_link_has(&g, &lsb_link_curves[c]))
				add_curve(&g, &lsb_link_curves[c], is_markdown, to);
		add_loggp(&g, is_markdown, to);
	}
}
