/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rank of how many a launcher says that a process is, by the variables
 * that it sets.
 */
#ifndef LSB_WORLD_H
#define LSB_WORLD_H

#include "lsbench/types.h"

struct lsb_world_place {
	int32_t rank, size;
	const char *launcher; /* "mpirun (Open MPI)"; a constant */
};

/*
 * Ask the environment (`get` is getenv but in tests): Open MPI's variables, then
 * MPICH's, PMIx's, Slurm's, as mpirun may itself run inside an allocation.
 * LSB_EINVAL when there are none, or they make no sense. Pure.
 */
int lsb_world_find(const char *(*get)(const char *name), struct lsb_world_place *out, struct lsb_error *err);

#endif
