/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which processors the threads of a launch's ranks get on one machine.
 */
#ifndef LSB_PLACEMENT_H
#define LSB_PLACEMENT_H

#include <stdint.h>

#include "lsbench/types.h"

/* Processors that this process may use. */
struct lsb_machine {
	uint32_t *cpus; /* [n_cpus] OS numbers, owned: one of each core first, core by core, then their
			   siblings */
	uint32_t n_cpus, n_cores;
};

/* Ask hwloc, within the affinity mask of this process. */
int lsb_machine_read(struct lsb_machine *out, struct lsb_error *err);
void lsb_machine_free(struct lsb_machine *m);

/*
 * Processors of all ranks into cpus[ranks * threads], rank by rank: disjoint and
 * a core each as long as there are cores, then siblings, then from the front
 * again. Returns 1 when threads outnumber cores ("oversubscribed"). Pure.
 */
int lsb_place_ranks(const struct lsb_machine *m, uint32_t ranks, uint32_t threads, uint32_t *cpus);

#endif
