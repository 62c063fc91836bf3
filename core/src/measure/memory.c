/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/memory.h"

#include <math.h>

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

/* The RANK objects that have measured their bandwidth; NULL when none has. */
static const json_t *measured_ranks(const json_t *launches)
{
	const json_t *launch;
	size_t i;

	json_array_foreach(launches, i, launch)
	{
		const json_t *ranks = json_object_get(launch, "ranks");

		if (number(json_array_get(ranks, 0), "read_bandwidth_alone") > 0)
			return ranks;
	}
	return NULL;
}

double lsb_memory_use(const json_t *launches, const json_t *launch)
{
	const json_t *ranks = measured_ranks(launches), *row;
	double most = 0;
	size_t i;

	json_array_foreach(json_object_get(launch, "ledger"), i, row)
	{
		const double alone = number(json_array_get(ranks, i), "read_bandwidth_alone");

		if (alone > 0 && number(row, "wall_s") > 0)
			most = fmax(most, number(row, "read_bytes") / number(row, "wall_s") / alone);
	}
	return most;
}

json_t *lsb_memory_bound(const json_t *launches, const json_t *launch)
{
	const json_t *ranks = measured_ranks(launches), *row;
	double bytes = 0, fastest = 0, together = 0, least_s = 0;
	const double run_s = number(json_object_get(launch, "metrics"), "run_s");
	size_t i;

	if (!ranks || !(run_s > 0))
		return json_null();
	json_array_foreach(json_object_get(launch, "ledger"), i, row)
	{
		const json_t *rank = json_array_get(ranks, i);
		const double alone = number(rank, "read_bandwidth_alone"), its = number(row, "read_bytes");

		bytes += its;
		fastest = fmax(fastest, alone);
		together += number(rank, "read_bandwidth_all");
		if (alone > 0)
			least_s = fmax(least_s, its / alone);
	}
	together = fmax(together, fastest);
	least_s = fmax(least_s, bytes / together);
	return json_pack("{s:f, s:f, s:f, s:f, s:f}", "read_bytes", bytes, "bandwidth_alone", fastest,
			 "bandwidth_all", together, "memory_s", least_s, "share_of_run", least_s / run_s);
}
