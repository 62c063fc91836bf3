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

/* A rank of a launch over several hosts: what it may use, and whose that is. */
struct lsb_seat {
	const struct lsb_machine *machine;
	const char *owner; /* equal for ranks that share processors, whatever their hosts are called */
};

/*
 * The same for `n` ranks that see different machines, or one machine through
 * different masks. Each thread gets the processor that fewest have, the first of
 * equals. LSB_ENOMEM. Pure.
 */
int lsb_place_seats(const struct lsb_seat *seats, uint32_t n, uint32_t threads, uint32_t *cpus,
		    int *oversubscribed, struct lsb_error *err);

#endif
