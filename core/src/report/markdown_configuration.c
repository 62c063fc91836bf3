/* SPDX-License-Identifier: Apache-2.0 */
/* What was to be measured: a row a point, and the factors that have no column. */
#include <string.h>

#include "report/parts.h"

static void number_cell(struct lsb_table *t, const json_t *object, const char *key)
{
	lsb_table_cell(t, "%.0f", lsb_number(object, key));
}

/* Factors that have a column of their own, or say how often and not what. */
static int has_column(const char *key)
{
	static const char *const keys[] = { "nodes",   "stages",       "replicas", "split",
					    "batch",   "in_flight",    "prompts",  "threads",
					    "kind",    "reps",	       "max_reps", "order",
					    "timeout", "distinct",     "baseline", "hosts",
					    "pair_by", "keep_records", "context",  "stall_timeout" };

	for (size_t i = 0; i < LSB_COUNT(keys); i++)
		if (strcmp(keys[i], key) == 0)
			return 1;
	return 0;
}

/* The value of a factor that all points share; NULL when they differ. */
static const char *shared_value(const json_t *points, const char *key)
{
	const json_t *first = json_object_get(json_object_get(json_array_get(points, 0), "params"), key),
		     *point;
	size_t i;

	json_array_foreach(points, i, point)
	{
		if (!json_equal(json_object_get(json_object_get(point, "params"), key), first))
			return NULL;
	}
	return json_string_value(first);
}

/* A path's last part: where a model lies is no factor. */
static const char *last_part(const char *text)
{
	const char *slash = strrchr(text, '/');

	return slash ? slash + 1 : text;
}

void lsb_markdown_shared(const json_t *points, struct lsb_text *to)
{
	json_t *params = json_object_get(json_array_get(points, 0), "params"), *value;
	const char *key;
	size_t n = 0;

	json_object_foreach(params, key, value)
	{
		const char *shared = has_column(key) ? NULL : shared_value(points, key);

		if (shared)
			lsb_text_add(to, "%s%s = `%s`", n++ ? ", " : "The same for all points: ", key,
				     last_part(shared));
	}
	lsb_text_add(to, n ? ".\n\n" : "");
}

void lsb_markdown_varied(const json_t *points, const json_t *point, struct lsb_text *to)
{
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(point, "params"), key, value)
	{
		if (!has_column(key) && !shared_value(points, key) && json_is_string(value))
			lsb_text_add(to, "%s%s=%s", to->length ? " " : "", key,
				     last_part(json_string_value(value)));
	}
}

static void varied_cell(struct lsb_table *t, const json_t *points, const json_t *point)
{
	struct lsb_text text = { 0 };

	lsb_markdown_varied(points, point, &text);
	lsb_table_cell(t, "%s", text.data ? text.data : "");
	lsb_text_free(&text);
}

static void add_layers(struct lsb_text *to, const json_t *point)
{
	const json_t *count;
	size_t i;

	json_array_foreach(json_object_get(point, "layers"), i, count)
		lsb_text_add(to, "%s%lld", i ? "+" : "", (long long)json_integer_value(count));
}

static void layers_cell(struct lsb_table *t, const json_t *point)
{
	struct lsb_text text = { 0 };

	add_layers(&text, point);
	lsb_table_cell(t, "%s", text.data ? text.data : "-");
	lsb_text_free(&text);
}

int lsb_say_split(const json_t *point, struct lsb_text *to)
{
	const json_t *split = json_object_get(point, "split");
	const double run_s = lsb_number(split, "run_s"), equal_s = lsb_number(split, "equal_s"),
		     even_s = lsb_number(split, "even_s");

	if (strcmp(lsb_text_of(split, "by"), "time") != 0 || !(run_s > 0 && equal_s > 0 && even_s > 0))
		return 0;
	lsb_text_add(to, "%s: layers were dealt ", lsb_text_of(point, "label"));
	add_layers(to, point);
	lsb_text_add(
		to,
		" by their measured times; by these the run is %.1f %% shorter than with as many on each "
		"stage, and %.1f %% longer than if steps could be divided evenly.",
		(1 - run_s / equal_s) * 100, (run_s / even_s - 1) * 100);
	return 1;
}

void lsb_markdown_configuration(const json_t *summary, struct lsb_text *to)
{
	static const char *const heads[] = { "Point",	     "Id",	 "Kind",      "Nodes",	 "Stages",
					     "Layers",	     "Batch",	 "In flight", "At once", "Prompts",
					     "Threads/rank", "Launches", "Status",    "Other" };
	static const char *const numbers[] = { "batch", "in_flight", "concurrency", "prompts", "threads" };
	const json_t *points = json_object_get(summary, "points"), *point;
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	size_t i, n_split = 0;

	lsb_text_add(to, "## Configuration\n\n");
	lsb_markdown_shared(points, to);
	json_array_foreach(points, i, point)
	{
		lsb_table_cell(&t, "%s", lsb_text_of(point, "label"));
		lsb_table_cell(&t, "`%s`", lsb_text_of(point, "id"));
		lsb_table_cell(&t, "%s", lsb_text_of(point, "kind"));
		number_cell(&t, point, "nodes");
		lsb_table_cell(&t, "%.0f x %.0f", lsb_number(point, "replicas"), lsb_number(point, "stages"));
		layers_cell(&t, point);
		for (size_t k = 0; k < LSB_COUNT(numbers); k++)
			number_cell(&t, point, numbers[k]);
		lsb_table_cell(&t, "%.0f of %.0f", lsb_number(point, "launches"), lsb_number(point, "reps"));
		lsb_table_cell(&t, "%s", lsb_text_of(point, "status"));
		varied_cell(&t, points, point);
	}
	lsb_table_markdown(&t, to);
	lsb_text_add(to,
		     "Nodes are ranks, arranged as replicas x stages; \"at once\" is batch x in flight, the "
		     "sequences on their way together.\n\n");
	json_array_foreach(points, i, point)
	{
		struct lsb_text split = { 0 };

		if (lsb_say_split(point, &split))
			lsb_text_add(to, "- %s\n", split.data ? split.data : "");
		n_split += split.length > 0;
		lsb_text_free(&split);
	}
	lsb_text_add(to, n_split ? "\n" : "");
}
