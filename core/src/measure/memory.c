/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/memory.h"

#include <math.h>

#include "measure/look.h"

json_t *lsb_memory_bound(const json_t *peaks, const json_t *launch)
{
	const json_t *row;
	double bytes = 0, fastest = 0, together = 0, least_s = 0;
	const double run_s = lsb_look_number(json_object_get(launch, "metrics"), "run_s");
	size_t i;

	if (!json_array_size(peaks) || !(run_s > 0))
		return json_null();
	json_array_foreach(json_object_get(launch, "ledger"), i, row)
	{
		const json_t *rank = json_array_get(peaks, i);
		const double alone = lsb_look_number(rank, "read_bandwidth_alone"),
			     its = lsb_look_number(row, "read_bytes");

		bytes += its;
		fastest = fmax(fastest, alone);
		together += lsb_look_number(rank, "read_bandwidth_all");
		if (alone > 0)
			least_s = fmax(least_s, its / alone);
	}
	together = fmax(together, fastest);
	least_s = fmax(least_s, bytes / together);
	return json_pack("{s:f, s:f, s:f, s:f, s:f}", "read_bytes", bytes, "bandwidth_alone", fastest,
			 "bandwidth_all", together, "memory_s", least_s, "share_of_run", least_s / run_s);
}
