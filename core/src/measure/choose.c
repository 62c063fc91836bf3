/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/choose.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "measure/keep.h"

const char *const lsb_launches_dispensable[] = { "ids",	 "text",   "token_ns", "scores",       "lane",
						 "slot", "/steps", "/clocks",  "/stage_times", NULL };

static int has_status(const json_t *launch, const char *status)
{
	const char *its = json_string_value(json_object_get(launch, "status"));

	return its && strcmp(its, status) == 0;
}

json_t *lsb_launches_by_point(const json_t *launches)
{
	json_t *out = json_object(), *launch;
	size_t i;

	json_array_foreach(launches, i, launch)
	{
		const char *id = json_string_value(json_object_get(launch, "point"));

		if (id && !json_object_get(out, id))
			json_object_set_new(out, id, json_array());
		if (id)
			json_array_append(json_object_get(out, id), launch);
	}
	return out;
}

/* Index of the launch of the same round in `list`, or its length. */
static size_t same_round(const json_t *list, const json_t *launch)
{
	const json_t *round = json_object_get(launch, "round");
	size_t i = 0;

	while (i < json_array_size(list) &&
	       !json_equal(json_object_get(json_array_get(list, i), "round"), round))
		i++;
	return i;
}

json_t *lsb_launches_with(const json_t *all, const char *status)
{
	json_t *out = json_array(), *launch;
	json_int_t highest = -1;
	size_t i;

	json_array_foreach(all, i, launch)
	{
		const json_int_t round = json_integer_value(json_object_get(launch, "round"));
		size_t at;

		if (!has_status(launch, status))
			continue;
		/* only a round that is not beyond all before it can be one of them: few are, of resumed runs
		 */
		at = round > highest ? json_array_size(out) : same_round(out, launch);
		highest = round > highest ? round : highest;
		if (at < json_array_size(out))
			json_array_set(out, at, launch);
		else
			json_array_append(out, launch);
	}
	return out;
}

const json_t *lsb_launches_median(const json_t *ok)
{
	const size_t n = json_array_size(ok);
	double *run_s = calloc(n + 1, sizeof(*run_s));
	const json_t *median = NULL, *launch;
	size_t i;

	json_array_foreach(ok, i, launch)
	{
		if (run_s)
			run_s[i] = json_number_value(
				json_object_get(json_object_get(launch, "metrics"), "run_s"));
	}
	if (run_s && n)
		median = json_array_get(ok, lsb_median_member(run_s, n));
	free(run_s);
	return median;
}

size_t lsb_launches_wanted(const json_t *header, const json_t *launches, size_t *out)
{
	json_t *medians = lsb_launches_by_point(launches), *begun = json_object(), *list, *launch;
	const json_t *entry;
	const char *id;
	size_t i, n = 0;

	json_object_foreach(medians, id, list)
	{
		json_t *ok = lsb_launches_with(list, "ok");

		json_object_set(medians, id, (json_t *)(uintptr_t)lsb_launches_median(ok));
		json_decref(ok);
	}
	json_array_foreach(json_object_get(header, "points"), i, entry)
	{
		if (json_is_string(json_object_get(entry, "id")))
			json_object_set_new(begun, json_string_value(json_object_get(entry, "id")),
					    json_false());
	}
	json_array_foreach(launches, i, launch)
	{
		int is_first;

		id = json_string_value(json_object_get(launch, "point"));
		if (!id || !has_status(launch, "ok") || !json_object_get(begun, id))
			continue; /* of no point of this run */
		is_first = json_is_false(json_object_get(begun, id));
		json_object_set_new(begun, id, json_true());
		if (is_first || json_object_get(medians, id) == launch)
			out[n++] = i;
	}
	json_decref(medians);
	json_decref(begun);
	return n;
}
