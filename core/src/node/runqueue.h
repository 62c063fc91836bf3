/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long threads of this process were ready to run and had no core: another
 * process was on it, or a quota was used up. The kernel counts it for each thread.
 */
#ifndef LSB_RUNQUEUE_H
#define LSB_RUNQUEUE_H

#include <stddef.h>
#include <stdint.h>

enum { LSB_RUNQUEUE_THREADS_MAX = 512 };
#define LSB_RUNQUEUE_FOLDER "/proc/self/task"

/* What the kernel has counted of each thread so far, in nanoseconds. */
struct lsb_runqueue {
	struct {
		long id;
		uint64_t ran_ns, waited_ns;
	} threads[LSB_RUNQUEUE_THREADS_MAX];
	size_t n; /* 0: it cannot be read; threads beyond the most are left out */
};

/* Read FOLDER/THREAD/schedstat of every thread. */
void lsb_runqueue_read(const char *folder, struct lsb_runqueue *out);

/*
 * Seconds between two moments in which a thread waited for a core: of those that
 * used one for a tenth of the time, and of the one that used it most, the largest.
 * Threads that only look after something now and then wait for a thread of their
 * own rank, mostly. -1: not known.
 */
double lsb_runqueue_between(const struct lsb_runqueue *from, const struct lsb_runqueue *to,
			    uint64_t elapsed_ns);

#endif
