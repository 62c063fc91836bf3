/* SPDX-License-Identifier: Apache-2.0 */
/* summary.csv: a row per point and metric, then its scaling, RFC 4180. */
#include <math.h>
#include <string.h>

#include "report/parts.h"

static const char *const factors[] = { "kind",	    "nodes",	   "stages",  "replicas", "batch",
				       "in_flight", "concurrency", "prompts", "max_new",  "threads" };

static void add_field(struct lsb_text *to, const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		lsb_text_add(to, "%s", text);
		return;
	}
	lsb_text_add(to, "\"");
	for (; *text; text++) {
		if (*text == '"')
			lsb_text_add(to, "\"");
		lsb_text_bytes(to, text, 1);
	}
	lsb_text_add(to, "\"");
}

/* The columns that say which point it is. */
static void add_point(struct lsb_text *to, const json_t *point)
{
	static const char *const names[] = { "id", "case", "label", "status" };

	for (size_t i = 0; i < LSB_COUNT(names); i++) {
		add_field(to, lsb_text_of(point, names[i]));
		lsb_text_add(to, ",");
	}
	for (size_t i = 0; i < LSB_COUNT(factors); i++) {
		const json_t *value = json_object_get(point, factors[i]);

		if (json_is_string(value))
			add_field(to, json_string_value(value));
		else if (json_is_integer(value))
			lsb_text_add(to, "%lld", (long long)json_integer_value(value));
		lsb_text_add(to, ",");
	}
}

/* An estimate {key, "ci95", "n" or "pairs"} or a plain number; nothing for what is neither. */
static void add_row(struct lsb_text *to, const json_t *point, const char *name, const char *unit,
		    const json_t *estimate, const char *key, const char *baseline)
{
	const json_t *value = json_is_object(estimate) ? json_object_get(estimate, key) : estimate;
	const json_t *ci = json_object_get(estimate, "ci95"), *n = json_object_get(estimate, "n");

	if (!json_is_number(value))
		return;
	add_point(to, point);
	add_field(to, name);
	lsb_text_add(to, ",%s,%.9g,", unit, json_number_value(value));
	if (json_array_size(ci) == 2)
		lsb_text_add(to, "%.9g,%.9g,", json_number_value(json_array_get(ci, 0)),
			     json_number_value(json_array_get(ci, 1)));
	else
		lsb_text_add(to, ",,");
	n = n ? n : json_object_get(estimate, "pairs");
	if (n)
		lsb_text_add(to, "%lld", (long long)json_integer_value(n));
	lsb_text_add(to, ",%s\r\n", baseline);
}

static void add_scaling(struct lsb_text *to, const json_t *point)
{
	const char *baseline = lsb_text_of(json_object_get(point, "scaling"), "baseline"), *name;
	json_t *value;

	json_object_foreach(json_object_get(point, "scaling"), name, value)
	{
		const char *its = lsb_text_of(value, "baseline");

		add_row(to, point, name, "1", value, "value", *its ? its : baseline);
	}
}

int lsb_report_csv(const char *dir, const json_t *summary, struct lsb_error *err)
{
	struct lsb_text text = { 0 };
	const json_t *point;
	json_t *metric;
	const char *name;
	size_t i;

	lsb_text_add(&text, "id,case,label,status");
	for (i = 0; i < LSB_COUNT(factors); i++)
		lsb_text_add(&text, ",%s", factors[i]);
	lsb_text_add(&text, ",metric,unit,median,ci_lo,ci_hi,n,baseline\r\n");
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		json_object_foreach(json_object_get(point, "metrics"), name, metric)
		{
			add_row(&text, point, name, lsb_text_of(metric, "unit"), metric, "median", "");
		}
		if (!lsb_has_launches(point)) {
			add_point(&text, point);
			lsb_text_add(&text, ",,,,,0,\r\n");
		}
		add_scaling(&text, point);
	}
	return lsb_report_file(dir, "summary.csv", &text, err);
}
