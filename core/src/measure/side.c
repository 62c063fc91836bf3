/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/side.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/compare.h"
#include "measure/findings.h"
#include "measure/launch_measure.h"
#include "measure/look.h"
#include "measure/outputs.h"
#include "measure/summary.h"

/* What is compared of points that answer requests; of links: latency and bandwidth of every size. */
static const char *const of_answers[] = { "tokens_per_s", "ttft_p50_s", "tpot_p50_s" };
static const char *const of_links[] = { "latency_%.0f_s", "bandwidth_%.0f_bps" };

/* --- verdicts ----------------------------------------------------------------------------- */

static void add_name(json_t *names, const char *name)
{
	json_t *known;
	size_t i;

	json_array_foreach(names, i, known)
	{
		if (strcmp(json_string_value(known), name) == 0)
			return;
	}
	json_array_append_new(names, json_string(name));
}

/* Names of all metrics that are compared, in the order in which they are shown. New reference. */
static json_t *metric_names(const json_t *summary)
{
	json_t *names = json_array(), *point, *row;
	char name[64];
	size_t i, k;

	for (i = 0; i < LSB_COUNT(of_answers); i++)
		add_name(names, of_answers[i]);
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		const json_t *link = json_array_get(json_object_get(point, "links"), 0);

		json_array_foreach(json_object_get(link, "sizes"), k, row)
		{
			for (size_t m = 0; m < LSB_COUNT(of_links); m++) {
				(void)snprintf(name, sizeof(name), of_links[m],
					       lsb_look_number(row, "bytes"));
				add_name(names, name);
			}
		}
	}
	return names;
}

/* Metrics that neither point has do not concern the pair. */
static void drop_absent(json_t *pair)
{
	json_t *metrics = json_object_get(pair, "metrics"), *metric;
	const char *name;
	void *next;

	json_object_foreach_safe(metrics, next, name, metric)
	{
		if (json_is_null(json_object_get(metric, "a")) && json_is_null(json_object_get(metric, "b")))
			json_object_del(metrics, name);
	}
}

static json_t *compare(const json_t *header, const json_t *summary, const json_t *launches, const char *axis,
		       const json_t *names)
{
	const struct lsb_compare_run run = { "", header, summary, launches };
	const size_t n = json_array_size(names);
	const char **metrics = calloc(n + 1, sizeof(*metrics));
	const struct lsb_compare_options options = { .axis = axis, .metrics = metrics, .n_metrics = n };
	struct lsb_error err = { 0 };
	json_t *comparison = NULL, *pair, *out;
	size_t i;

	for (i = 0; metrics && i < n; i++)
		metrics[i] = json_string_value(json_array_get(names, i));
	if (!metrics || lsb_compare_runs(&run, NULL, &options, &comparison, &err)) {
		free(metrics);
		return json_pack("{s:s, s:s, s:[]}", "axis", axis, "reason",
				 *err.msg ? err.msg : "no memory to compare", "pairs");
	}
	json_array_foreach(json_object_get(comparison, "pairs"), i, pair) drop_absent(pair);
	out = json_pack("{s:s, s:n, s:O}", "axis", axis, "reason", "pairs",
			json_object_get(comparison, "pairs"));
	json_decref(comparison);
	free(metrics);
	return out;
}

json_t *lsb_side_by_side(const json_t *header, const json_t *summary, const json_t *launches)
{
	const char *axis = lsb_look_text(header, "compare");
	json_t *names, *out;

	if (!*axis)
		return json_null();
	names = metric_names(summary);
	out = compare(header, summary, launches, axis, names);
	json_decref(names);
	return out ? out : json_null();
}

/* --- in words ------------------------------------------------------------------------------- */

/* "1.39 times [1.35, 1.42]" of a metric that was compared. */
static void add_ratio(struct lsb_text *to, const json_t *metric)
{
	const json_t *ratio = json_object_get(metric, "ratio"), *lo = lsb_look_end(metric, 0),
		     *hi = lsb_look_end(metric, 1);

	if (!json_is_number(ratio))
		return;
	lsb_text_add(to, "%.3g times", json_number_value(ratio));
	if (lo && hi)
		lsb_text_add(to, " [%.3g, %.3g]", json_number_value(lo), json_number_value(hi));
}

static void add_verdict(struct lsb_text *to, const json_t *metric)
{
	const char *reason = lsb_look_text(metric, "reason");

	lsb_text_add(to, "%s%s%s", lsb_look_text(metric, "verdict"), *reason ? ": " : "", reason);
}

/* "pipeline: transport shm against tcp: faster, 1.1 times [1.07, 1.12] the tokens/s (44 against 40); ..." */
static void say_answers(const json_t *pair, const json_t *metrics, struct lsb_text *to)
{
	const json_t *speed = json_object_get(metrics, of_answers[0]);
	const json_t *equal = json_object_get(pair, "outputs_equal");
	const json_t *answers = json_object_get(pair, "answers");
	char quality[256] = "";

	if (json_is_object(answers))
		lsb_outputs_say_quality(answers, quality, sizeof(quality));
	lsb_text_add(to, "%s: ", lsb_look_text(pair, "what"));
	add_verdict(to, speed);
	if (json_is_number(json_object_get(speed, "ratio"))) {
		lsb_text_add(to, "; ");
		add_ratio(to, speed);
		lsb_text_add(to, " the tokens/s, round by round (medians: %.3g against %.3g)",
			     lsb_look_number(speed, "b"), lsb_look_number(speed, "a"));
	}
	lsb_text_add(to, "; %s%s%s.",
		     json_is_true(equal)    ? "token by token the same answers"
		     : json_is_false(equal) ? "other answers, so neither can stand for the other"
					    : "whether the answers are the same is not known",
		     *quality ? ": " : "", quality);
}

/* "64 KiB: " */
static void add_size(struct lsb_text *to, double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB" };
	size_t unit = 0;

	while (unit + 1 < LSB_COUNT(units) && bytes >= 1024) {
		bytes /= 1024;
		unit++;
	}
	lsb_text_add(to, "%.4g %s: ", bytes, units[unit]);
}

/* How one figure of links compares over all sizes, with the ratios of the smallest and the largest. */
static void say_figure(const json_t *metrics, const char *prefix, struct lsb_text *to)
{
	static const char *const words[] = { "faster", "slower", "no difference seen", "unknown" };
	size_t counts[LSB_COUNT(words)] = { 0 }, n = 0, shown = 0;
	const json_t *first = NULL, *last = NULL;
	double least = 0, most = 0;
	const char *name;
	json_t *metric;

	json_object_foreach((json_t *)(uintptr_t)metrics, name, metric)
	{
		double bytes;

		if (strncmp(name, prefix, strlen(prefix)) != 0)
			continue;
		bytes = strtod(name + strlen(prefix), NULL);
		if (n++ == 0 || bytes < least) {
			least = bytes;
			first = metric;
		}
		if (bytes > most) {
			most = bytes;
			last = metric;
		}
		for (size_t i = 0; i < LSB_COUNT(words); i++)
			counts[i] += lsb_look_is(metric, "verdict", words[i]);
	}
	if (n == 0)
		return;
	lsb_text_add(to, "; %.*s ", (int)strlen(prefix) - 1, prefix);
	for (size_t i = 0; i < LSB_COUNT(words); i++)
		if (counts[i])
			lsb_text_add(to, "%s%s at %zu of %zu sizes", shown++ ? ", " : "", words[i], counts[i],
				     n);
	lsb_text_add(to, " (");
	add_size(to, least);
	add_ratio(to, first);
	if (last != first) {
		lsb_text_add(to, ", ");
		add_size(to, most);
		add_ratio(to, last);
	}
	lsb_text_add(to, ")");
}

static void say_link(const json_t *pair, const json_t *metrics, struct lsb_text *to)
{
	lsb_text_add(to, "%s", lsb_look_text(pair, "what"));
	say_figure(metrics, "latency_", to);
	say_figure(metrics, "bandwidth_", to);
	lsb_text_add(to, ".");
}

static void say_pair(const json_t *summary, const json_t *pair, json_t *list)
{
	const json_t *metrics = json_object_get(pair, "metrics"),
		     *b = lsb_summary_point(summary, lsb_look_text(json_object_get(pair, "b"), "id")),
		     *a = lsb_summary_point(summary, lsb_look_text(json_object_get(pair, "a"), "id"));
	struct lsb_text text = { 0 };

	if (!a || !b || json_object_size(metrics) == 0)
		return; /* the point without a result is named by another rule */
	if (json_is_string(json_object_get(pair, "confounded")))
		lsb_text_add(&text, "%s: no verdict, they differ in more than that: %s.",
			     lsb_look_text(pair, "what"), lsb_look_text(pair, "confounded"));
	else if (json_object_get(metrics, of_answers[0]))
		say_answers(pair, metrics, &text);
	else
		say_link(pair, metrics, &text);
	json_array_append_new(
		list, lsb_finding("points that differ in what [report] compare names, side by side",
				  (const json_t *const[]){ b, a, NULL }, "%s", text.data ? text.data : ""));
	lsb_text_free(&text);
}

void lsb_side_findings(const json_t *summary, json_t *list)
{
	const json_t *pairs = json_object_get(json_object_get(summary, "side_by_side"), "pairs"), *pair;
	size_t i;

	for (int links = 0; links < 2; links++)
		json_array_foreach(pairs, i, pair)
		{
			const json_t *speed =
				json_object_get(json_object_get(pair, "metrics"), of_answers[0]);

			if ((speed == NULL) == links)
				say_pair(summary, pair, list);
		}
}
