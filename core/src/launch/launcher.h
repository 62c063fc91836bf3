/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launchers: ways to start all ranks of a launch. Each is one constant in a
 * file of its name; launch.c knows them by this table alone.
 *
 *	local	a child per rank, its control channel a socket pair
 *	ssh	an ssh client per rank, the channel its standard streams
 *	mpirun	one program for all ranks, each of which dials in
 *	srun	the same, inside a Slurm allocation
 *
 * All but `local` start an agent per rank (agent.h), which starts the rank.
 */
#ifndef LSB_LAUNCHER_H
#define LSB_LAUNCHER_H

#include <stddef.h>

#include "lsbench/types.h"
#include "suite/point.h"

struct running;

struct lsb_launcher {
	const char *name;
	int has_agents; /* ranks may be on other machines, and tell of themselves through agents */
	int brings_mpi; /* what it starts is one world to MPI */

	/*
	 * Can it start this point's ranks, whose MPI speaks `pmi` (NULL: none, or
	 * not told)? LSB_EUNAVAIL with a reason waives the point; LSB_ESUITE: what
	 * the suite asks for, it cannot do. NULL: always.
	 */
	int (*check)(const struct lsb_point *point, const char *pmi, struct lsb_error *err);

	/*
	 * Start every rank of the launch, noting each process with
	 * launch_process_add, and give each rank its channel, now
	 * (rank_attach) or when it dials in (listener_open). What was started is
	 * ended by the launch, also after a failure.
	 */
	int (*start)(struct running *l, struct lsb_error *err);
};

extern const struct lsb_launcher lsb_launcher_local, lsb_launcher_ssh, lsb_launcher_mpirun, lsb_launcher_srun;

/* The launcher called `name`, or NULL. */
const struct lsb_launcher *lsb_launcher_find(const char *name);

/*
 * The launcher for points that are compared with each other and leave the choice
 * open: within a Slurm allocation srun; mpirun where MPI is needed; ssh for other
 * hosts; else local. *why says so in words. `environment` is getenv but in tests. Pure.
 */
const struct lsb_launcher *lsb_launcher_choose(int needs_mpi, int has_hosts,
					       const char *(*environment)(const char *name),
					       const char **why);

#endif
