/* SPDX-License-Identifier: Apache-2.0 */
/* Which points are held against each other. */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/compare_parts.h"
#include "measure/summary.h"

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static const json_t *points_of(const json_t *summary)
{
	return json_object_get(summary, "points");
}

/* One more pair; takes `what`. */
static int add_pair(struct lsb_pairs *pairs, const json_t *a, const json_t *b, char *what,
		    struct lsb_error *err)
{
	struct lsb_pair *list = what ? realloc(pairs->list, (pairs->n + 1) * sizeof(*list)) : NULL;

	if (!list) {
		free(what);
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu pairs", pairs->n + 1);
	}
	pairs->list = list;
	list[pairs->n++] = (struct lsb_pair){ a, b, what };
	return LSB_OK;
}

void lsb_pairs_free(struct lsb_pairs *pairs)
{
	for (size_t i = 0; i < pairs->n; i++)
		free(pairs->list[i].what);
	free(pairs->list);
	*pairs = (struct lsb_pairs){ 0 };
}

/* --- two runs --------------------------------------------------------------------------- */

int lsb_pairs_of_runs(const json_t *a, const json_t *b, json_t *only_a, json_t *only_b, struct lsb_pairs *out,
		      struct lsb_error *err)
{
	const json_t *point;
	int rc = LSB_OK;
	size_t i;

	json_array_foreach(points_of(a), i, point)
	{
		const json_t *other = lsb_summary_point(b, text(point, "id"));

		if (!other)
			json_array_append(only_a, json_object_get(point, "label"));
		else if (rc == LSB_OK)
			rc = add_pair(out, point, other, lsb_format("%s", text(point, "label")), err);
	}
	json_array_foreach(points_of(b), i, point)
	{
		if (!lsb_summary_point(a, text(point, "id")))
			json_array_append(only_b, json_object_get(point, "label"));
	}
	if (rc == LSB_OK && out->n == 0)
		rc = lsb_fail(
			err, LSB_ESUITE, 0,
			"the two runs have no point in common: points pair by their id, which is made of "
			"all factors (within one folder, --axis compares points that differ)");
	return rc;
}

/* --- one factor ---------------------------------------------------------------------------- */

/* "transport" of "transport=tcp,mpi". */
struct axis {
	char key[64];
	const char *values; /* "tcp,mpi", or NULL for all */
};

/* Keys that are no factors (docs/suites.md), and those that follow from others. */
static int is_no_factor(const char *key)
{
	static const char *const none[] = { "reps",	     "max_reps", "order",	 "timeout",
					    "stall_timeout", "baseline", "keep_records", "pair_by",
					    "hosts",	     "kind",	 "distinct",	 "slo.ttft",
					    "slo.tpot",	     "slo.e2e",	 "slo.share",	 "search" };

	for (size_t i = 0; i < LSB_COUNT(none); i++)
		if (strcmp(key, none[i]) == 0)
			return 1;
	return 0;
}

/* Whether `key` is an option of the plugin that the axis is about. */
static int is_option_of(const char *key, const char *axis)
{
	const size_t n = strlen(axis);

	return (strcmp(axis, "transport") == 0 || strcmp(axis, "backend") == 0 ||
		strcmp(axis, "workload") == 0) &&
	       strncmp(key, axis, n) == 0 && key[n] == '.';
}

/* Whether `key` says the same as the axis, or follows from it: a plugin's options, a pipeline's shape. */
static int belongs_to(const char *key, const char *axis)
{
	if (strcmp(key, axis) == 0 || is_option_of(key, axis))
		return 1;
	if (strcmp(axis, "nodes") == 0)
		return strcmp(key, "stages") == 0 || strcmp(key, "replicas") == 0;
	return 0;
}

/* Both have one group a stage: in_flight follows from the stages. */
static int is_default_flight(const json_t *point)
{
	return json_equal(json_object_get(point, "in_flight"), json_object_get(point, "stages"));
}

/* Every factor of a but those of the axis is equal in b. */
static int covers(const json_t *a, const json_t *b, const char *axis)
{
	const json_t *pb = json_object_get(b, "params");
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(a, "params"), key, value)
	{
		if (is_no_factor(key) || belongs_to(key, axis))
			continue;
		if (strcmp(key, "in_flight") == 0 && strcmp(axis, "nodes") == 0 && is_default_flight(a) &&
		    is_default_flight(b))
			continue;
		if (!json_equal(value, json_object_get(pb, key)))
			return 0;
	}
	return 1;
}

/* --- where on the axis a point is --- */

static const char *value_of(const json_t *point, const struct axis *axis)
{
	return text(json_object_get(point, "params"), axis->key);
}

/* An option of a that b has not, or has another value of. */
static int has_other_options(const json_t *a, const json_t *b, const char *axis)
{
	const json_t *theirs = json_object_get(b, "params");
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(a, "params"), key, value)
	{
		if (is_option_of(key, axis) && !json_equal(value, json_object_get(theirs, key)))
			return 1;
	}
	return 0;
}

/* A plugin and its options are one factor: two [transport X] of one plugin are two values. */
static int is_elsewhere(const json_t *a, const json_t *b, const struct axis *axis)
{
	return strcmp(value_of(a, axis), value_of(b, axis)) != 0 || has_other_options(a, b, axis->key) ||
	       has_other_options(b, a, axis->key);
}

/*
 * What the label says behind "KEY=", the value as it was swept: the name of a set
 * where params have its plugin. Its `n` bytes, or NULL.
 */
static const char *swept_value(const json_t *point, const struct axis *axis, size_t *n)
{
	const size_t n_key = strlen(axis->key);

	for (const char *at = text(point, "label"); *at; at += *n + (at[*n] == ' ')) {
		*n = strcspn(at, " ");
		if (*n > n_key && at[n_key] == '=' && strncmp(at, axis->key, n_key) == 0) {
			*n -= n_key + 1;
			return at + n_key + 1;
		}
	}
	return NULL;
}

/* Where `value` comes in the axis's list of values, from 1 on; 0: not at all. */
static size_t rank_of_value(const struct axis *axis, const char *value, size_t n_value)
{
	const char *at = axis->values;

	for (size_t rank = 1;; rank++) {
		const size_t n = strcspn(at, ",");

		if (n_value == n && strncmp(value, at, n) == 0)
			return rank;
		if (!at[n])
			return 0;
		at += n + 1;
	}
}

/* The same of a point, by the name that was swept or else by its factor; 1 where all values count. */
static size_t rank_of(const struct axis *axis, const json_t *point)
{
	size_t n, rank = 0;
	const char *swept = swept_value(point, axis, &n);

	if (!axis->values)
		return 1;
	if (swept)
		rank = rank_of_value(axis, swept, n);
	return rank ? rank : rank_of_value(axis, value_of(point, axis), strlen(value_of(point, axis)));
}

/* A point's value for people, beside that of `other`; options are told where the names alone are equal. */
static char *name_of(const json_t *point, const json_t *other, const struct axis *axis)
{
	const json_t *theirs = json_object_get(other, "params");
	size_t n, n_other;
	const char *swept = swept_value(point, axis, &n), *its = swept_value(other, axis, &n_other), *key;
	struct lsb_text name = { 0 };
	json_t *value;

	if (!swept) {
		swept = *value_of(point, axis) ? value_of(point, axis) : "the default";
		n = strlen(swept);
	}
	if (!its) {
		its = value_of(other, axis);
		n_other = strlen(its);
	}
	lsb_text_add(&name, "%.*s", (int)n, swept);
	json_object_foreach(json_object_get(point, "params"), key, value)
	{
		if (n == n_other && strncmp(swept, its, n) == 0 && is_option_of(key, axis->key) &&
		    !json_equal(value, json_object_get(theirs, key)))
			lsb_text_add(&name, " %s=%s", key + strlen(axis->key) + 1, json_string_value(value));
	}
	if (!name.failed)
		return name.data;
	lsb_text_free(&name);
	return NULL;
}

/* The point that others like `point` are held against: of the first value, in suite order. */
static const json_t *baseline_of(const json_t *summary, const json_t *point, const struct axis *axis)
{
	const json_t *other, *best = NULL;
	size_t i, best_rank = 0;

	json_array_foreach(points_of(summary), i, other)
	{
		const size_t rank = rank_of(axis, other);

		if (rank == 0 || (best && rank >= best_rank) || !covers(other, point, axis->key) ||
		    !covers(point, other, axis->key))
			continue;
		best = other;
		best_rank = rank;
	}
	return best;
}

/* "one batch=2: transport mpi against tcp": what is left of b's label without the axis, and both values. */
static char *what_of(const json_t *a, const json_t *b, const struct axis *axis)
{
	char *name_a = name_of(a, b, axis), *name_b = name_of(b, a, axis), *out = NULL;
	struct lsb_text what = { 0 };

	for (const char *at = text(b, "label"); *at;) {
		const size_t n = strcspn(at, " "), n_key = strcspn(at, "=");
		char *key = n_key < n ? strndup(at, n_key) : NULL;

		if (!key || !(strcmp(key, axis->key) == 0 || is_option_of(key, axis->key)))
			lsb_text_add(&what, "%s%.*s", what.length ? " " : "", (int)n, at);
		free(key);
		at += n + (at[n] == ' ');
	}
	if (name_a && name_b && !what.failed)
		out = lsb_format("%s: %s %s against %s", what.data ? what.data : "", axis->key, name_b,
				 name_a);
	lsb_text_free(&what);
	free(name_a);
	free(name_b);
	return out;
}

int lsb_pairs_of_axis(const json_t *summary, const char *text_of_axis, struct lsb_pairs *out,
		      struct lsb_error *err)
{
	const size_t n = strcspn(text_of_axis, "=");
	struct axis axis = { .values = text_of_axis[n] ? text_of_axis + n + 1 : NULL };
	const json_t *point;
	int rc = LSB_OK, known = 0;
	size_t i;

	if (n == 0 || n >= sizeof(axis.key))
		return lsb_fail(err, LSB_ESUITE, 0, "'%s' is not KEY or KEY=A,B", text_of_axis);
	memcpy(axis.key, text_of_axis, n);
	json_array_foreach(points_of(summary), i, point)
	{
		const json_t *baseline;

		known |= *value_of(point, &axis) != '\0';
		if (rank_of(&axis, point) == 0)
			continue;
		baseline = baseline_of(summary, point, &axis);
		if (baseline && rc == LSB_OK && is_elsewhere(baseline, point, &axis))
			rc = add_pair(out, baseline, point, what_of(baseline, point, &axis), err);
	}
	if (rc == LSB_OK && !known)
		rc = lsb_fail(err, LSB_ESUITE, 0, "no point has a factor '%s'", axis.key);
	else if (rc == LSB_OK && out->n == 0)
		rc = lsb_fail(err, LSB_ESUITE, 0, "no two points differ in '%s' alone%s", axis.key,
			      axis.values ? " with the values that are given" : "");
	return rc;
}

/* --- two names ------------------------------------------------------------------------------- */

/* Whether `name` means the point: its id, its case, its label or the start of that. */
static int is_meant(const json_t *point, const char *name)
{
	return strcmp(text(point, "id"), name) == 0 || strcmp(text(point, "case"), name) == 0 ||
	       strncmp(text(point, "label"), name, strlen(name)) == 0;
}

/* Points that a name means: exactly that case, if there is one; else all whose label begins so. */
static json_t *find_points(const json_t *summary, const char *name)
{
	json_t *found = json_array(), *exact = json_array();
	const json_t *point;
	size_t i;

	json_array_foreach(points_of(summary), i, point)
	{
		if (is_meant(point, name))
			json_array_append(found, (json_t *)(uintptr_t)point);
		if (strcmp(text(point, "case"), name) == 0 || strcmp(text(point, "id"), name) == 0 ||
		    strcmp(text(point, "label"), name) == 0)
			json_array_append(exact, (json_t *)(uintptr_t)point);
	}
	if (json_array_size(exact)) {
		json_decref(found);
		return exact;
	}
	json_decref(exact);
	return found;
}

/* What a label says behind its case: the sweep values. */
static const char *values_of(const json_t *point)
{
	const size_t n = strlen(text(point, "case"));
	const char *label = text(point, "label");

	return strncmp(label, text(point, "case"), n) == 0 ? label + n : label;
}

static int pair_found(const json_t *first, const json_t *second, struct lsb_pairs *out, struct lsb_error *err)
{
	const json_t *a, *b;
	int rc = LSB_OK;
	size_t i, k;

	if (json_array_size(first) == 1 && json_array_size(second) == 1) {
		a = json_array_get(first, 0);
		b = json_array_get(second, 0);
		return add_pair(out, a, b, lsb_format("%s against %s", text(b, "label"), text(a, "label")),
				err);
	}
	json_array_foreach(second, k, b)
	{
		json_array_foreach(first, i, a)
		{
			if (a != b && rc == LSB_OK && strcmp(values_of(a), values_of(b)) == 0)
				rc = add_pair(out, a, b,
					      lsb_format("%s against %s", text(b, "label"), text(a, "label")),
					      err);
		}
	}
	return rc;
}

int lsb_pairs_of_names(const json_t *summary, const char *first, const char *second, struct lsb_pairs *out,
		       struct lsb_error *err)
{
	json_t *a = find_points(summary, first), *b = find_points(summary, second);
	int rc = LSB_OK;

	if (json_array_size(a) == 0 || json_array_size(b) == 0)
		rc = lsb_fail(err, LSB_ESUITE, 0, "no point or case is called '%s'",
			      json_array_size(a) ? second : first);
	if (rc == LSB_OK)
		rc = pair_found(a, b, out, err);
	if (rc == LSB_OK && out->n == 0)
		rc = lsb_fail(err, LSB_ESUITE, 0,
			      "'%s' means %zu points and '%s' %zu, and none of them have equal sweep values",
			      first, json_array_size(a), second, json_array_size(b));
	json_decref(a);
	json_decref(b);
	return rc;
}
