/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/outputs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "lsbench/backend.h"
#include "measure/flags.h"
#include "measure/look.h"
#include "measure/quality.h"
#include "measure/summary.h"

enum { REQUESTS_MAX = 100000000 };

/* Answers of one launch by request; views. */
struct answers {
	const json_t **requests; /* [n] REQUEST objects; NULL: the request was not answered */
	size_t n;
};

void lsb_outputs_add(json_t *point, const json_t *launches)
{
	json_t *first = json_object_get(json_array_get(launches, 0), "outputs_sha256"), *launch;
	int equal = first != NULL;
	size_t i;

	json_array_foreach(launches, i, launch)
	{
		equal = equal && json_equal(json_object_get(launch, "outputs_sha256"), first);
	}
	json_object_set_new(point, "outputs",
			    json_pack("{s:O?, s:n}", "sha256", equal ? first : NULL, "equal_to_baseline"));
	if (first && !equal)
		lsb_point_flag(point, "nondeterministic", "launches of this point gave different answers");
}

/* A launch of the point that went well: any will do where all gave the same answers. */
static const json_t *some_launch(const json_t *launches, const char *id)
{
	const json_t *launch;
	size_t i;

	json_array_foreach(launches, i, launch)
	{
		if (lsb_look_is(launch, "point", id) && lsb_look_is(launch, "status", "ok"))
			return launch;
	}
	return NULL;
}

/* The answers of `launch` to `n` requests; the list is NULL without memory, and owned. */
static struct answers answers_of(const json_t *launch, size_t n)
{
	struct answers out = { calloc(n + 1, sizeof(const json_t *)), n };
	const json_t *rank, *request;
	size_t r, k;

	json_array_foreach(json_object_get(launch, "ranks"), r, rank)
	{
		json_array_foreach(json_object_get(rank, "requests"), k, request)
		{
			const double i = lsb_look_number(request, "i");

			if (out.requests && i >= 0 && i < (double)n &&
			    !lsb_look_is(request, "finish", "failed"))
				out.requests[(size_t)i] = request;
		}
	}
	return out;
}

/* Leading ids that both have in common. */
static size_t common(const json_t *a, const json_t *b)
{
	size_t i = 0;

	while (i < json_array_size(a) && i < json_array_size(b) &&
	       json_equal(json_array_get(a, i), json_array_get(b, i)))
		i++;
	return i;
}

/* Answer by answer: mine[i] and theirs[i] are of the same prompt. NULL where none has two answers. */
static json_t *compare_answers(const json_t *const *mine, const json_t *const *theirs, size_t n_requests)
{
	size_t n = 0, n_equal = 0, first = SIZE_MAX;
	double tokens = 0, agreed = 0;

	for (size_t i = 0; i < n_requests; i++) {
		const json_t *a = json_object_get(mine[i], "ids"), *b = json_object_get(theirs[i], "ids");
		size_t same;

		if (!a || !b)
			continue;
		same = common(a, b);
		n++;
		if (same == json_array_size(a) && same == json_array_size(b))
			n_equal++;
		else if (same < first)
			first = same;
		tokens += (double)json_array_size(a);
		agreed += (double)same;
	}
	if (n == 0)
		return NULL;
	return json_pack("{s:b, s:I, s:I, s:f, s:o}", "is_equal", n_equal == n, "compared", (json_int_t)n,
			 "equal", (json_int_t)n_equal, "agreement", tokens > 0 ? agreed / tokens : 1.0,
			 "first_divergence",
			 first == SIZE_MAX ? json_null() : json_integer((json_int_t)first));
}

/* Greedy answers depend on the prompt alone; sampled ones on the request's number, too. */
static int is_greedy(const json_t *point)
{
	const char *temperature = lsb_look_text(json_object_get(point, "params"), "temperature");

	return *temperature == '\0' || strtod(temperature, NULL) == 0;
}

/* A number of requests; 0 when a damaged journal has one that cannot be. */
static size_t count_of(const json_t *object, const char *key)
{
	const double n = lsb_look_number(object, key);

	return n >= 1 && n <= REQUESTS_MAX ? (size_t)n : 0;
}

static const json_t *param(const json_t *point, const char *key)
{
	return json_object_get(json_object_get(point, "params"), key);
}

static int differ(const json_t *a, const json_t *b, const char *key)
{
	return !json_equal(json_object_get(a, key), json_object_get(b, key));
}

/*
 * Whether both backends declare that their results depend on nothing in which the two
 * points differ (LSB_INVARIANT_* of backend.h), so that other tokens are a fault.
 */
static int is_equality_due(const json_t *a, const json_t *b)
{
	const json_t *ra = json_array_get(json_object_get(a, "ranks"), 0);
	const json_t *rb = json_array_get(json_object_get(b, "ranks"), 0);
	const json_int_t declared = json_integer_value(json_object_get(ra, "invariant_over")) &
				    json_integer_value(json_object_get(rb, "invariant_over"));
	const char *key;
	json_t *value;
	json_int_t due = LSB_INVARIANT_RUN;

	if (differ(a, b, "layers"))
		due |= LSB_INVARIANT_SPLIT;
	if (differ(a, b, "batch") || !json_equal(param(a, "batching"), param(b, "batching")))
		due |= LSB_INVARIANT_BATCH;
	if (!json_equal(param(a, "chunk"), param(b, "chunk")))
		due |= LSB_INVARIANT_CHUNK;
	json_object_foreach(json_object_get(a, "params"), key, value)
	{
		if (strncmp(key, "backend", strlen("backend")) == 0 && !json_equal(value, param(b, key)))
			return 0;
	}
	return (declared & due) == due && !differ(a, b, "threads");
}

/* As many requests, or answers that depend on their prompts alone and baselines that have them all. */
static int is_comparable(const json_t *entry, const json_t *other, const json_t *point)
{
	const size_t distinct = count_of(entry, "distinct");

	return count_of(entry, "prompts") == count_of(other, "prompts") ||
	       (distinct && distinct <= count_of(other, "prompts") && is_greedy(point) &&
		json_equal(json_object_get(entry, "distinct"), json_object_get(other, "distinct")));
}

/* `b`'s answers in the order of `a`'s requests: request i asks what the baseline's i % distinct asks. */
static const json_t **matched(const struct answers *a, const struct answers *b, size_t distinct)
{
	const json_t **out = calloc(a->n + 1, sizeof(*out));

	for (size_t i = 0; out && b->requests && i < a->n; i++)
		out[i] = i % distinct < b->n ? b->requests[i % distinct] : NULL;
	return out;
}

/*
 * An entry of "comparisons" (docs/summary.md) without what it is against; NULL where there is none. New
 * reference.
 */
static json_t *compare_points(const json_t *entry, const json_t *other, const struct lsb_outputs_side *side,
			      const struct lsb_outputs_side *baseline)
{
	const size_t n = count_of(entry, "prompts"), n_theirs = count_of(other, "prompts");
	const size_t distinct = n == n_theirs ? n : count_of(entry, "distinct");
	struct answers mine, theirs;
	const json_t **theirs_matched;
	json_t *out = NULL;

	if (!distinct || !is_comparable(entry, other, side->point))
		return NULL;
	mine = answers_of(some_launch(side->launches, lsb_look_text(side->point, "id")), n);
	theirs = answers_of(some_launch(baseline->launches, lsb_look_text(baseline->point, "id")), n_theirs);
	theirs_matched = matched(&mine, &theirs, distinct);
	if (mine.requests && theirs_matched)
		out = compare_answers(mine.requests, theirs_matched, n);
	if (out) {
		json_object_set_new(out, "equality_due",
				    json_boolean(is_equality_due(side->point, baseline->point)));
		json_object_set_new(out, "scores",
				    json_is_true(json_object_get(out, "is_equal"))
					    ? json_array()
					    : lsb_quality_compare(mine.requests, theirs_matched, n));
	}
	free(mine.requests);
	free(theirs.requests);
	free(theirs_matched);
	return out;
}

/* The header's entry of a point; NULL when there is none. */
static const json_t *entry_of(const json_t *header, const char *id)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(header, "points"), i, entry)
	{
		if (lsb_look_is(entry, "id", id))
			return entry;
	}
	return NULL;
}

json_t *lsb_outputs_pair(const struct lsb_outputs_side *mine, const struct lsb_outputs_side *baseline)
{
	const json_t *entry = entry_of(mine->header, lsb_look_text(mine->point, "id"));
	const json_t *other = entry_of(baseline->header, lsb_look_text(baseline->point, "id"));

	/* launches that differ among themselves are nobody's answers */
	if (!entry || !other || !*lsb_look_text(json_object_get(mine->point, "outputs"), "sha256") ||
	    !*lsb_look_text(json_object_get(baseline->point, "outputs"), "sha256"))
		return NULL;
	return compare_points(entry, other, mine, baseline);
}

/* The flag that other tokens raise, if any. */
static void flag_comparison(json_t *point, const json_t *baseline, const json_t *comparison)
{
	const json_t *first = lsb_quality_first(json_object_get(comparison, "scores"));
	const int is_due = json_is_true(json_object_get(comparison, "equality_due"));
	const char *name = lsb_look_text(baseline, "label"), *verdict = lsb_look_text(first, "verdict");
	char *why;

	if (json_is_true(json_object_get(comparison, "is_equal")))
		return;
	if (is_due)
		why = lsb_format("answers are not those of %s, though the backend declares that they do not "
				 "depend on what differs",
				 name);
	else if (!first || strcmp(verdict, "unknown") == 0)
		why = lsb_format("other tokens than %s, and %s whether they are as good", name,
				 first ? "too few answers to tell" : "no score tells");
	else if (strcmp(verdict, "no difference seen") != 0)
		why = lsb_format("other tokens than %s, and their %s is %s by %.3g", name,
				 lsb_look_text(first, "name"), verdict,
				 fabs(lsb_look_number(first, "difference")));
	else
		return;
	lsb_point_flag_more(point, is_due ? "outputs_differ" : "answers_differ", why ? why : "");
	free(why);
}

/* What is said of the equal-batch baseline beside the list of all comparisons. */
static void add_equal_batch(json_t *outputs, const json_t *comparison)
{
	static const char *const keys[] = { "compared", "equal", "agreement", "first_divergence" };

	json_object_set(outputs, "equal_to_baseline", json_object_get(comparison, "is_equal"));
	for (size_t i = 0; i < LSB_COUNT(keys); i++)
		json_object_set(outputs, keys[i], json_object_get(comparison, keys[i]));
}

static int is_listed(const json_t *comparisons, const char *id)
{
	const json_t *comparison;
	size_t i;

	json_array_foreach(comparisons, i, comparison)
	{
		if (lsb_look_is(comparison, "baseline", id))
			return 1;
	}
	return 0;
}

void lsb_outputs_compare(const json_t *header, json_t *summary, const json_t *launches)
{
	static const char *const keys[] = { "equal_batch", "equal_concurrency", "equal_cores", "batch_one" };
	const json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(header, "points"), i, entry)
	{
		json_t *point = lsb_summary_point(summary, lsb_look_text(entry, "id"));
		json_t *outputs = json_object_get(point, "outputs"), *list = json_array();

		json_object_set_new(outputs, "comparisons", list);
		for (size_t k = 0; k < LSB_COUNT(keys); k++) {
			const char *id = lsb_look_text(json_object_get(entry, "baselines"), keys[k]);
			const json_t *baseline = *id ? lsb_summary_point(summary, id) : NULL;
			json_t *comparison;

			if (!baseline || is_listed(list, id))
				continue;
			comparison =
				lsb_outputs_pair(&(struct lsb_outputs_side){ header, launches, point },
						 &(struct lsb_outputs_side){ header, launches, baseline });
			if (comparison && k == 0)
				add_equal_batch(outputs, comparison);
			if (comparison && baseline != point) {
				json_object_set_new(comparison, "against", json_string(keys[k]));
				json_object_set_new(comparison, "baseline", json_string(id));
				json_array_append(list, comparison);
				flag_comparison(point, baseline, comparison);
			}
			json_decref(comparison);
		}
	}
}
