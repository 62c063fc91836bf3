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
		/*
		 * only a round that is not beyond all before it can be one of them: few are, of resumed runs
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

json_t *lsb_launches_measured(const json_t *all)
{
	json_t *ok = lsb_launches_with(all, "ok");

	if (json_array_size(ok))
		return ok;
	json_decref(ok);
	return lsb_launches_with(all, "incomplete");
}

size_t lsb_launches_wanted(const json_t *header, const json_t *launches, size_t *out)
{
	json_t *by_point = lsb_launches_by_point(launches), *medians = json_object(), *firsts = json_object();
	const json_t *entry, *launch;
	size_t i, n = 0;

	json_array_foreach(json_object_get(header, "points"), i, entry)
	{
		const char *id = json_string_value(json_object_get(entry, "id"));
		json_t *measured = lsb_launches_measured(id ? json_object_get(by_point, id) : NULL);

		if (json_array_size(measured)) {
			json_object_set(medians, id, (json_t *)(uintptr_t)lsb_launches_median(measured));
			json_object_set(firsts, id, json_object_get(json_array_get(measured, 0), "status"));
		}
		json_decref(measured);
	}
	json_array_foreach(launches, i, launch)
	{
		const char *id = json_string_value(json_object_get(launch, "point"));
		const json_t *first = id ? json_object_get(firsts, id) : NULL;
		const int is_first = first && json_equal(first, json_object_get(launch, "status"));

		if (is_first)
			json_object_set_new(firsts, id, json_null()); /* it has come */
		if (is_first || (first && json_object_get(medians, id) == launch))
			out[n++] = i;
	}
	json_decref(by_point);
	json_decref(medians);
	json_decref(firsts);
	return n;
}
