/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/pool.h"

#include <math.h>
#include <stdlib.h>

#include "base/base.h"
#include "measure/derive.h"
#include "measure/look.h"

static const struct {
	const char *name;
	int of_all; /* with all ranks of a launch at it: only launches of as many ranks compare */
} peaks[] = {
	{ "read_bandwidth_alone", 0 },
	{ "matmul_peak_alone", 0 },
	{ "read_bandwidth_all", 1 },
	{ "matmul_peak_all", 1 },
};

/* What peaks depend on: [host, threads, {parameters of backend and model}]. New reference. */
static json_t *key_of(const json_t *entry, const json_t *rank)
{
	json_t *params = json_object_get(entry, "params"), *value, *kept = json_object();
	const char *name;

	json_object_foreach(params, name, value)
	{
		if (strncmp(name, "backend", 7) == 0 || strcmp(name, "model") == 0)
			json_object_set(kept, name, value);
	}
	return json_pack("[O?, O?, o]", json_object_get(rank, "host"), json_object_get(entry, "threads"),
			 kept);
}

/* The pool's row of this key and number of ranks, made where there is none; borrowed. */
static json_t *row_of(json_t *pool, const json_t *key, size_t nodes)
{
	json_t *row;
	size_t i;

	json_array_foreach(pool, i, row)
	{
		if (json_equal(json_object_get(row, "key"), key) &&
		    json_integer_value(json_object_get(row, "nodes")) == (json_int_t)nodes)
			return row;
	}
	row = json_pack("{s:O, s:I}", "key", key, "nodes", (json_int_t)nodes);
	return json_array_append_new(pool, row) == 0 ? row : NULL;
}

static void collect_launch(const json_t *entry, const json_t *launch, json_t *pool)
{
	const json_t *ranks = json_object_get(launch, "ranks"), *rank;
	size_t i;

	json_array_foreach(ranks, i, rank)
	{
		json_t *key, *row;

		if (!(lsb_look_number(rank, "read_bandwidth_alone") > 0) &&
		    !(lsb_look_number(rank, "matmul_peak_alone") > 0))
			continue;
		key = key_of(entry, rank);
		row = key ? row_of(pool, key, json_array_size(ranks)) : NULL;
		for (size_t k = 0; row && k < LSB_COUNT(peaks); k++)
			json_object_set_new(row, peaks[k].name,
					    json_real(fmax(lsb_look_number(row, peaks[k].name),
							   lsb_look_number(rank, peaks[k].name))));
		json_decref(key);
	}
}

json_t *lsb_pool_collect(const json_t *header, const json_t *launches)
{
	json_t *pool = json_array(), *entries = json_object(), *entry;
	const json_t *launch;
	size_t i;

	json_array_foreach(json_object_get(header, "points"), i, entry)
	{
		json_object_set(entries, lsb_look_text(entry, "id"), entry);
	}
	json_array_foreach(launches, i, launch)
	{
		const json_t *its = json_object_get(entries, lsb_look_text(launch, "point"));

		if (its && lsb_look_is(launch, "status", "ok"))
			collect_launch(its, launch, pool);
	}
	json_decref(entries);
	return pool;
}

static json_t *rank_peaks(const json_t *pool, const json_t *key, size_t nodes)
{
	json_t *out = json_object();
	const json_t *row;
	size_t i;

	json_array_foreach(pool, i, row)
	{
		const int as_many = lsb_look_number(row, "nodes") == (double)nodes;

		if (!json_equal(json_object_get(row, "key"), key))
			continue;
		for (size_t k = 0; k < LSB_COUNT(peaks); k++)
			if (as_many || !peaks[k].of_all)
				json_object_set_new(out, peaks[k].name,
						    json_real(fmax(lsb_look_number(out, peaks[k].name),
								   lsb_look_number(row, peaks[k].name))));
	}
	return out;
}

json_t *lsb_pool_peaks(const json_t *pool, const json_t *entry, const json_t *launches)
{
	const json_t *ranks = lsb_derive_peaks(launches), *rank;
	json_t *out = ranks ? json_array() : json_null();
	size_t i;

	json_array_foreach(ranks, i, rank)
	{
		json_t *key = key_of(entry, rank);

		json_array_append_new(out, rank_peaks(pool, key, json_array_size(ranks)));
		json_decref(key);
	}
	return out;
}
