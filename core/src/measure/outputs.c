/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/outputs.h"

#include <stdlib.h>
#include <string.h>

#include "measure/flags.h"
#include "measure/look.h"
#include "measure/summary.h"

enum { REQUESTS_MAX = 100000000 };

/* Answers of one launch by request; views. */
struct answers {
	const json_t **ids; /* [n] arrays of ids; NULL: the request was not answered */
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

/* The answers of `launch` to `n` requests; ids is NULL without memory, and owned. */
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

			if (out.ids && i >= 0 && i < (double)n)
				out.ids[(size_t)i] = json_object_get(request, "ids");
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

/* Answer by answer: request i asks what the baseline's request i % distinct asks. */
static json_t *compare_answers(const struct answers *mine, const struct answers *theirs, size_t distinct)
{
	size_t n = 0, n_equal = 0, first = SIZE_MAX;
	double tokens = 0, agreed = 0;

	for (size_t i = 0; i < mine->n; i++) {
		const json_t *a = mine->ids[i];
		const json_t *b = i % distinct < theirs->n ? theirs->ids[i % distinct] : NULL;
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
	return json_pack("{s:b, s:I, s:I, s:f, s:o}", "equal_to_baseline", n_equal == n, "compared",
			 (json_int_t)n, "equal", (json_int_t)n_equal, "agreement",
			 tokens > 0 ? agreed / tokens : 1.0, "first_divergence",
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

/* NULL where the requests are not the same. New reference. */
static json_t *compare_points(const json_t *entry, const json_t *other, const json_t *point,
			      const json_t *baseline, const json_t *launches)
{
	const size_t mine_n = count_of(point, "prompts"), theirs_n = count_of(baseline, "prompts");
	const size_t distinct = mine_n == theirs_n ? mine_n : count_of(entry, "distinct");
	struct answers mine, theirs;
	json_t *out = NULL;

	if (mine_n != theirs_n &&
	    (!distinct || distinct > theirs_n || !is_greedy(point) ||
	     !json_equal(json_object_get(entry, "distinct"), json_object_get(other, "distinct"))))
		return NULL;
	mine = answers_of(some_launch(launches, lsb_look_text(point, "id")), mine_n);
	theirs = answers_of(some_launch(launches, lsb_look_text(baseline, "id")), theirs_n);
	if (mine.ids && theirs.ids && distinct)
		out = compare_answers(&mine, &theirs, distinct);
	free(mine.ids);
	free(theirs.ids);
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

void lsb_outputs_compare(const json_t *header, json_t *summary, const json_t *launches)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(header, "points"), i, entry)
	{
		const char *other = json_string_value(
			json_object_get(json_object_get(entry, "baselines"), "equal_batch"));
		json_t *point = lsb_summary_point(summary, lsb_look_text(entry, "id"));
		const json_t *baseline = other ? lsb_summary_point(summary, other) : NULL;
		json_t *outputs = json_object_get(point, "outputs"), *compared;
		const json_t *mine = json_object_get(outputs, "sha256");
		const json_t *theirs = json_object_get(json_object_get(baseline, "outputs"), "sha256");

		if (!json_is_string(mine) || !json_is_string(theirs))
			continue;
		compared = compare_points(entry, entry_of(header, other), point, baseline, launches);
		if (json_equal(json_object_get(point, "prompts"), json_object_get(baseline, "prompts")))
			json_object_set_new(outputs, "equal_to_baseline",
					    json_boolean(json_equal(mine, theirs)));
		if (compared) /* adds to it, and says for weak scaling what digests cannot */
			json_object_update_missing(outputs, compared);
		if (compared && json_is_null(json_object_get(outputs, "equal_to_baseline")))
			json_object_set(outputs, "equal_to_baseline",
					json_object_get(compared, "equal_to_baseline"));
		json_decref(compared);
		if (json_is_false(json_object_get(outputs, "equal_to_baseline")))
			lsb_flag_outputs(point);
	}
}
