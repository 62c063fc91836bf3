/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a process: a rank, or a program that brings ranks (mpirun, srun, ssh).
 *
 * The child leads a process group of its own, so that Ctrl-C reaches the
 * controller alone and nothing that it may have started outlives it; signals are
 * as a fresh process has them, and the kernel ends it should its parent die.
 */
#ifndef LSB_SPAWN_H
#define LSB_SPAWN_H

#include <sys/types.h>

#include "lsbench/types.h"

struct lsb_spawn {
	const char *program;		/* a path, or a name that is looked for in PATH */
	const char *const *arguments;	/* argv, NULL-terminated */
	const char *const *environment; /* NULL-terminated; NULL: as it is here */
	int in, out, err;		/* become 0, 1, 2; in -1: an empty one */
	int channel, channel_number;	/* `channel` becomes this number, one below 16 or in use; -1: none */
	int parting_signal;		/* when the parent dies */
	/*
	 * What this process inherited itself stays open in the child (MPICH passes a descriptor so); else
	 * nothing but the above does.
	 */
	int keeps_inherited;
};

/*
 * Start it; returns once it has become the program. On success *pid is the
 * child, which the caller must reap; the descriptors stay the caller's.
 * LSB_EUNAVAIL when there is no such program, LSB_EIO otherwise.
 */
int lsb_spawn(const struct lsb_spawn *what, pid_t *pid, struct lsb_error *err);

/* Both ends of a stream between two processes of this machine, closed on exec. */
int lsb_spawn_channel(int ends[2], struct lsb_error *err);

#endif
