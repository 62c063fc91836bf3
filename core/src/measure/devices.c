/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/devices.h"

#include <math.h>

#include "base/base.h"
#include "measure/look.h"

static const char *device_of(const json_t *rank)
{
	return lsb_look_text(json_object_get(rank, "backend"), "device_id");
}

int lsb_devices_owner(const json_t *ranks, size_t i)
{
	const json_t *mine = json_array_get(ranks, i), *other;
	size_t k;

	if (*device_of(mine) == '\0')
		return -1;
	json_array_foreach(ranks, k, other)
	{
		if (lsb_look_is(other, "boot_id", lsb_look_text(mine, "boot_id")) &&
		    strcmp(device_of(other), device_of(mine)) == 0)
			return (int)k;
	}
	return -1;
}

char *lsb_devices_shared(const json_t *ranks)
{
	const json_t *rank;
	size_t i;

	json_array_foreach(ranks, i, rank)
	{
		const int owner = lsb_devices_owner(ranks, i);

		if (owner >= 0 && (size_t)owner != i)
			return lsb_format("ranks %d and %zu compute on one device (%s, %s)", owner, i,
					  lsb_look_text(json_object_get(rank, "backend"), "device"),
					  device_of(rank));
	}
	return NULL;
}

double lsb_devices_sum(const json_t *ranks, const char *counter)
{
	const json_t *rank, *other;
	double sum = 0;
	size_t i, k;

	json_array_foreach(ranks, i, rank)
	{
		const int owner = lsb_devices_owner(ranks, i);
		double most = 0;

		if (owner < 0)
			return NAN;
		if ((size_t)owner != i)
			continue;
		json_array_foreach(ranks, k, other)
		{
			if (lsb_devices_owner(ranks, k) == owner)
				most = fmax(most,
					    lsb_look_number(json_object_get(other, "counters"), counter));
		}
		if (!(most > 0))
			return NAN;
		sum += most;
	}
	return i ? sum : NAN;
}
