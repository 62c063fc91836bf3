/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has an MPI launcher started this process? Answered from what launchers leave
 * in the environment, before any MPI call: MPI_Init may end a process that it
 * does not know, and the launcher of another MPI library makes it N worlds of one
 * rank each, without a word.
 */
#include <stdlib.h>

#include "mpi_transport.h"

/* Rank and size as a launcher tells them; NULL: not told. */
struct launcher {
	const char *rank, *size;
	const char *name;
};

/* The launchers whose word the library that this plugin was built with takes. */
static const struct launcher own[] = {
#ifdef OPEN_MPI
	{ "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "Open MPI's mpirun" },
#else
	{ "PMI_RANK", "PMI_SIZE", "a PMI launcher (mpirun of MPICH, srun --mpi=pmi2)" },
#endif
};

/* Any of these says that some launcher was there; the newest MPI call decides whose. */
static const char *const signs[] = {
	"OMPI_COMM_WORLD_RANK", "PMIX_RANK",   "PMI_RANK",    "PMI_FD",
	"MV2_COMM_WORLD_RANK",	"PALS_RANKID", "ALPS_APP_PE", "FLUX_TASK_RANK",
};

/* The number in variable `name`, or -1. */
static long number_of(const char *name)
{
	const char *text = name ? getenv(name) : NULL;
	char *end = NULL;
	long value;

	if (!text || *text < '0' || *text > '9')
		return -1;
	value = strtol(text, &end, 10);
	return *end ? -1 : value;
}

int mpi_launched(const struct lsb_world *world, struct lsb_error *err)
{
	int found = 0;

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		const long rank = number_of(own[i].rank), size = number_of(own[i].size);

		if (rank < 0 || size < 0)
			continue;
		if (rank != world->rank || size != world->size)
			return lsb_fail(
				err, LSB_EUNAVAIL, 0,
				"%s has started this process as rank %ld of %ld, but the job wants rank "
				"%d of %d: start as many ranks as the point has nodes",
				own[i].name, rank, size, world->rank, world->size);
		return LSB_OK;
	}
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		found |= getenv(signs[i]) != NULL;
	if (found)
		return LSB_OK;
	if (getenv("SLURM_PROCID"))
		return lsb_fail(
			err, LSB_EUNAVAIL, 0,
			"srun has started this process without MPI; give it the type that this MPI "
			"knows: srun --mpi=pmix for Open MPI, --mpi=pmi2 for MPICH ('srun --mpi=list' "
			"shows what there is)");
	return lsb_fail(
		err, LSB_EUNAVAIL, 0,
		"transport mpi needs ranks that an MPI launcher has started, and none has started this "
		"process; use launcher = mpirun or launcher = srun");
}
