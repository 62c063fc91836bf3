/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/placement.h"

#include <hwloc.h>
#include <stdlib.h>
#include <string.h>

#include "lsbench/host.h"

/* Append the `sibling`-th allowed processor of each core, in the order of the machine's topology. */
static uint32_t list_siblings(hwloc_topology_t topology, hwloc_const_cpuset_t allowed, unsigned sibling,
			      struct lsb_machine *m)
{
	const int n_cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
	uint32_t added = 0;

	for (int i = 0; i < n_cores; i++) {
		const hwloc_obj_t core = hwloc_get_obj_by_type(topology, HWLOC_OBJ_CORE, (unsigned)i);
		unsigned seen = 0;
		int cpu;

		for (cpu = hwloc_bitmap_first(core->cpuset); cpu >= 0;
		     cpu = hwloc_bitmap_next(core->cpuset, cpu))
			if (hwloc_bitmap_isset(allowed, (unsigned)cpu) && seen++ == sibling)
				break;
		if (cpu < 0)
			continue;
		m->cpus[m->n_cpus++] = (uint32_t)cpu;
		added++;
	}
	return added;
}

/* A machine whose cores hwloc cannot tell: every allowed processor counts as one. */
static void list_flat(hwloc_const_cpuset_t allowed, struct lsb_machine *m)
{
	for (int cpu = hwloc_bitmap_first(allowed); cpu >= 0; cpu = hwloc_bitmap_next(allowed, cpu))
		m->cpus[m->n_cpus++] = (uint32_t)cpu;
	m->n_cores = m->n_cpus;
}

int lsb_machine_read(struct lsb_machine *out, struct lsb_error *err)
{
	hwloc_bitmap_t allowed = hwloc_bitmap_alloc();
	hwloc_topology_t topology;
	int weight;

	*out = (struct lsb_machine){ 0 };
	if (!allowed || hwloc_topology_init(&topology)) {
		hwloc_bitmap_free(allowed);
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to look at the machine's processors");
	}
	if (hwloc_topology_load(topology) || hwloc_get_cpubind(topology, allowed, HWLOC_CPUBIND_PROCESS) ||
	    (weight = hwloc_bitmap_weight(allowed)) <= 0) {
		hwloc_topology_destroy(topology);
		hwloc_bitmap_free(allowed);
		return lsb_fail(err, LSB_EUNAVAIL, 0, "cannot tell which processors this process may use");
	}
	out->cpus = calloc((size_t)weight, sizeof(*out->cpus));
	if (out->cpus) {
		out->n_cores = list_siblings(topology, allowed, 0, out);
		for (unsigned sibling = 1; out->n_cores && out->n_cpus < (uint32_t)weight; sibling++)
			if (list_siblings(topology, allowed, sibling, out) == 0)
				break;
		if (out->n_cpus == 0)
			list_flat(allowed, out);
	}
	hwloc_topology_destroy(topology);
	hwloc_bitmap_free(allowed);
	return out->cpus ? LSB_OK : lsb_fail(err, LSB_ENOMEM, 0, "no memory for %d processors", weight);
}

void lsb_machine_free(struct lsb_machine *m)
{
	free(m->cpus);
	*m = (struct lsb_machine){ 0 };
}

int lsb_place_ranks(const struct lsb_machine *m, uint32_t ranks, uint32_t threads, uint32_t *cpus)
{
	const uint64_t total = (uint64_t)ranks * threads;

	for (uint64_t i = 0; i < total; i++)
		cpus[i] = m->cpus[i % m->n_cpus];
	return total > m->n_cores;
}

/* How often each processor of one owner is taken: [cpu_limit]. */
static uint16_t *uses_of(const struct lsb_seat *seats, uint32_t seat, uint16_t *uses, size_t cpu_limit)
{
	uint32_t first = 0;

	while (strcmp(seats[first].owner, seats[seat].owner) != 0)
		first++;
	return uses + first * cpu_limit;
}

int lsb_place_seats(const struct lsb_seat *seats, uint32_t n, uint32_t threads, uint32_t *cpus,
		    int *oversubscribed, struct lsb_error *err)
{
	size_t limit = 0;
	uint16_t *uses;

	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < seats[i].machine->n_cpus; k++)
			if (seats[i].machine->cpus[k] >= limit)
				limit = (size_t)seats[i].machine->cpus[k] + 1;
	uses = calloc((size_t)n * limit, sizeof(*uses));
	if (!uses)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to place %u ranks", n);
	*oversubscribed = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct lsb_machine *m = seats[i].machine;
		uint16_t *used = uses_of(seats, i, uses, limit);

		for (uint32_t t = 0; t < threads; t++) {
			uint32_t best = 0;

			for (uint32_t k = 1; k < m->n_cpus; k++)
				if (used[m->cpus[k]] < used[m->cpus[best]])
					best = k;
			*oversubscribed |= best >= m->n_cores || used[m->cpus[best]] > 0;
			used[m->cpus[best]]++;
			cpus[(size_t)i * threads + t] = m->cpus[best];
		}
	}
	free(uses);
	return LSB_OK;
}
