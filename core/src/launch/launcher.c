/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/launcher.h"

#include <string.h>

#include "base/base.h"

const struct lsb_launcher *lsb_launcher_find(const char *name)
{
	static const struct lsb_launcher *const all[] = { &lsb_launcher_local, &lsb_launcher_mpirun,
							  &lsb_launcher_srun, &lsb_launcher_ssh };

	for (size_t i = 0; i < LSB_COUNT(all); i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
}

const struct lsb_launcher *lsb_launcher_choose(int needs_mpi, int has_hosts,
					       const char *(*environment)(const char *name), const char **why)
{
	const char *nodes = environment("SLURM_JOB_NUM_NODES");
	const int is_allocation = environment("SLURM_JOB_ID") != NULL;

	if (is_allocation && (needs_mpi || has_hosts || (nodes && strcmp(nodes, "1") != 0))) {
		*why = "this is a Slurm allocation";
		return &lsb_launcher_srun;
	}
	if (needs_mpi) {
		*why = "a transport in this comparison needs MPI";
		return &lsb_launcher_mpirun;
	}
	*why = has_hosts ? "hosts are named" : "all ranks are on this machine, and none needs MPI";
	return has_hosts ? &lsb_launcher_ssh : &lsb_launcher_local;
}
