/* SPDX-License-Identifier: Apache-2.0 */
/* The back of the report: flags, configuration, environment, definitions, and how to do it again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "report/html.h"

/* --- flags --- */

static void add_flag_meanings(const struct lsb_page *page, const json_t *troubles)
{
	const json_t *trouble;
	size_t i;

	lsb_text_add(page->to, "<dl>\n");
	for (const struct lsb_definition *d = lsb_flag_definitions; d->name; d++) {
		int used = 0;

		json_array_foreach(troubles, i, trouble)
		{
			used |= strcmp(lsb_text_of(trouble, "what"), d->name) == 0;
		}
		if (used)
			lsb_html_add(page->to, "<dt><code>%s</code></dt><dd>%s.</dd>\n", d->name, d->text);
	}
	lsb_text_add(page->to, "</dl>\n");
}

void lsb_html_flags(const struct lsb_page *page)
{
	json_t *troubles = lsb_troubles(page->summary);
	const json_t *trouble, *point;
	size_t i, k;

	lsb_html_open(page, "flags", "Flags, failures and checks");
	if (json_array_size(troubles) == 0)
		lsb_text_add(page->to, "<p>None.</p>\n");
	else
		lsb_text_add(page->to, "<ul class=\"troubles\">\n");
	json_array_foreach(troubles, i, trouble)
	{
		lsb_html_add(page->to, "<li><strong>%s</strong>: ", lsb_text_of(trouble, "what"));
		json_array_foreach(json_object_get(trouble, "points"), k, point)
		{
			lsb_text_add(page->to, "%s", k ? ", " : "");
			lsb_html_point(page, point);
		}
		lsb_html_add(page->to, ": %s.</li>\n", lsb_text_of(trouble, "why"));
	}
	if (json_array_size(troubles)) {
		lsb_text_add(page->to, "</ul>\n");
		add_flag_meanings(page, troubles);
	}
	json_decref(troubles);
	lsb_html_checks(page);
	lsb_html_close(page);
}

/* --- configuration --- */

static void add_layers(const struct lsb_page *page, const json_t *point)
{
	const json_t *count;
	size_t i;

	lsb_text_add(page->to, "<td class=\"n\">");
	json_array_foreach(json_object_get(point, "layers"), i, count)
	{
		lsb_html_add(page->to, "%s%.0f", i ? "+" : "", json_number_value(count));
	}
	lsb_text_add(page->to, "</td>");
}

void lsb_html_configuration(const struct lsb_page *page)
{
	static const char *const heads[] = {
		"Point",     "Kind",	    "#Nodes",	       "Replicas \u00d7 stages",
		"#Layers",   "#Batch",	    "#In flight",      "#At once",
		"#Prompts",  "#New tokens", "#Threads a rank", "Launcher",
		"#Launches", "Status",	    "Other factors"
	};
	static const char *const numbers[] = { "batch",	  "in_flight", "concurrency",
					       "prompts", "max_new",   "threads" };
	const json_t *points = json_object_get(page->summary, "points"), *point;
	struct lsb_text other = { 0 };
	size_t i;

	lsb_html_open(page, "configuration", "Configuration");
	lsb_markdown_shared(points, &other);
	if (other.data)
		lsb_html_prose(page, other.data);
	lsb_text_free(&other);
	lsb_html_table(page, "Every point that was to be measured", heads, LSB_COUNT(heads));
	json_array_foreach(points, i, point)
	{
		lsb_html_row(page, point, !lsb_has_launches(point)); /* else its results are the anchor */
		lsb_html_cell(page, "%s", lsb_text_of(point, "kind"));
		lsb_html_add(page->to, "<td class=\"n\">%.0f</td>", lsb_number(point, "nodes"));
		lsb_html_cell(page, "%.0f \u00d7 %.0f", lsb_number(point, "replicas"),
			      lsb_number(point, "stages"));
		add_layers(page, point);
		for (size_t k = 0; k < LSB_COUNT(numbers); k++)
			lsb_html_add(page->to, "<td class=\"n\">%.0f</td>", lsb_number(point, numbers[k]));
		lsb_html_cell(page, "%s%s", lsb_text_of(point, "launcher"),
			      json_is_true(json_object_get(point, "pinned")) ? ", pinned" : "");
		lsb_html_add(page->to, "<td class=\"n\">%.0f of %.0f</td>", lsb_number(point, "launches"),
			     lsb_number(point, "reps"));
		lsb_html_cell(page, "%s", lsb_text_of(point, "status"));
		lsb_markdown_varied(points, point, &other);
		lsb_html_cell(page, "%s", other.data ? other.data : "");
		lsb_text_free(&other);
		lsb_html_row_end(page);
	}
	lsb_html_table_end(page);
	lsb_text_add(page->to, "<p class=\"quiet\">Nodes are ranks, arranged as replicas \u00d7 stages. At "
			       "once: batch \u00d7 in flight, the sequences on their way together.</p>\n");
	json_array_foreach(points, i, point)
	{
		struct lsb_text split = { 0 };

		if (lsb_say_split(point, &split))
			lsb_html_add(page->to, "<p>%s</p>\n", split.data ? split.data : "");
		lsb_text_free(&split);
	}
	lsb_html_close(page);
}

/* --- environment --- */

/* One row a value; objects and lists inside as compact JSON. */
static void add_facts(const struct lsb_page *page, const char *group, const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		char *dumped;

		if (json_is_null(value))
			continue;
		dumped = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		lsb_html_add(page->to, "<tr><th scope=\"row\">%s%s%s</th><td class=\"wide\">%s</td></tr>\n",
			     group, *group ? " \u00b7 " : "", key,
			     json_is_string(value) ? json_string_value(value)
			     : dumped		   ? dumped
						   : "");
		free(dumped);
	}
}

void lsb_html_environment(const struct lsb_page *page)
{
	/* told elsewhere: see lsb_html_reproduce() and the flags */
	static const char *const skipped[] = { "suite_text", "suite",	     "gated",
					       "argv",	     "suite_sha256", "order_seed" };
	static const char *const heads[] = { "What", "Value" };
	json_t *rest = json_object(), *value;
	const char *key;

	lsb_html_open(page, "environment", "Environment");
	if (!page->source->environment)
		lsb_text_add(page->to, "<p>environment.json is not in the results folder.</p>\n");
	lsb_html_table(page, "Hardware, system, libraries and build when the run began", heads,
		       LSB_COUNT(heads));
	json_object_foreach(page->source->environment, key, value)
	{
		size_t i = 0;

		while (i < LSB_COUNT(skipped) && strcmp(skipped[i], key) != 0)
			i++;
		if (i == LSB_COUNT(skipped) && json_is_object(value))
			add_facts(page, key, value);
		else if (i == LSB_COUNT(skipped))
			json_object_set(rest, key, value);
	}
	add_facts(page, "", rest);
	json_decref(rest);
	lsb_html_table_end(page);
	lsb_html_close(page);
}

/* --- definitions --- */

void lsb_html_definitions(const struct lsb_page *page)
{
	static const char *const heads[] = { "Metric", "Unit", "Definition" };
	json_t *seen = json_object(), *metric;
	const json_t *point;
	const char *name;
	size_t i;

	lsb_html_open(page, "definitions", "Definitions");
	lsb_html_table(page, "What each number means; names differ between tools", heads, LSB_COUNT(heads));
	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		json_object_foreach(json_object_get(point, "metrics"), name, metric)
		{
			char group[LSB_SHOWN];
			const char *text = lsb_definition_of(name, group);

			if (!text || json_object_get(seen, group))
				continue;
			json_object_set_new(seen, group, json_true());
			lsb_html_add(page->to,
				     "<tr><th scope=\"row\"><code>%s</code></th><td>%s</td><td "
				     "class=\"wide\">%s</td></tr>\n",
				     group, lsb_text_of(metric, "unit"), text);
		}
	}
	json_decref(seen);
	lsb_html_table_end(page);
	lsb_text_add(
		page->to,
		"<p>The launch is the unit: medians are over launches, intervals exact order statistics of "
		"the median at 95 %%, which need 6 launches. Ratios are medians of the ratios of each round. "
		"\u201cFaster\u201d and \u201cslower\u201d are said only where that interval is outside 1 "
		"\u00b1 2 %%; without an interval the answer is \u201cunknown\u201d.</p>\n");
	lsb_html_close(page);
}

/* --- doing it again --- */

static void add_arguments(const struct lsb_page *page, const json_t *argv)
{
	const json_t *word;
	size_t i;

	lsb_text_add(page->to, "<pre class=\"scroll\" tabindex=\"0\">");
	json_array_foreach(argv, i, word)
	{
		lsb_html_add(page->to, "%s%s", i ? " " : "", json_string_value(word));
	}
	lsb_text_add(page->to, "</pre>\n");
}

void lsb_html_reproduce(const struct lsb_page *page)
{
	static const char *const heads[] = { "What", "Value" };
	const json_t *header = page->source->header;
	const char *suite = lsb_text_of(header, "suite_text"), *key;
	json_t *value;

	lsb_html_open(page, "reproduce", "Doing it again");
	add_arguments(page, json_object_get(header, "argv"));
	lsb_html_table(page, "What was used", heads, LSB_COUNT(heads));
	lsb_html_add(
		page->to,
		"<tr><th scope=\"row\">Seed of the order of launches</th><td>%.0f</td></tr>\n"
		"<tr><th scope=\"row\">Suite, SHA-256</th><td class=\"wide\"><code>%s</code></td></tr>\n",
		lsb_number(header, "order_seed"), lsb_text_of(header, "suite_sha256"));
	json_object_foreach(json_object_get(header, "provenance"), key, value)
	{
		if (json_is_object(value))
			add_facts(page, key, value);
		else if (json_is_string(value))
			lsb_html_add(
				page->to,
				"<tr><th scope=\"row\">%s</th><td class=\"wide\"><code>%s</code></td></tr>\n",
				key, json_string_value(value));
	}
	lsb_html_table_end(page);
	if (*suite)
		lsb_html_add(page->to, "<h3>The suite</h3>\n<pre class=\"scroll\" tabindex=\"0\">%s</pre>\n",
			     suite);
	lsb_text_add(
		page->to,
		"<p class=\"quiet\">Raw data beside this file: <code>journal.jsonl</code> holds every "
		"launch, and all reports are computed from it (<code>lsbench report DIR</code>); "
		"<code>records/</code> the step records; <code>summary.json</code> and "
		"<code>summary.csv</code> every number; <code>trace.json</code> what each rank did when, for "
		"a trace viewer; <code>environment.json</code> the machine; <code>logs/</code> what the "
		"ranks said.</p>\n");
	lsb_html_close(page);
}
