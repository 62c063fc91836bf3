/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of one rank: they run one job at a time, all of them together.
 *
 * A job is one function that every worker enters with its own number; the
 * caller of cpu_pool_run is worker 0. Inside, workers meet at barriers and
 * either split work by their number or claim it piece by piece. Between jobs
 * they spin briefly and then sleep, so a rank that waits for its link leaves
 * its cores alone.
 */
#ifndef LSB_CPU_THREADS_H
#define LSB_CPU_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lsbench/host.h"

struct cpu_pool;

typedef void cpu_job(void *arg, uint32_t worker);

/*
 * Start `threads` - 1 workers. With n_cpus > 0, worker i is pinned to cpus[i],
 * and so is the caller until cpu_pool_close, which must come from the same thread.
 */
int cpu_pool_open(const struct lsb_host *host, uint32_t threads, uint32_t n_cpus, const uint32_t *cpus,
		  uint64_t spin_ns, struct cpu_pool **out, struct lsb_error *err);
/* End and join all workers. NULL is fine. */
void cpu_pool_close(struct cpu_pool *pool);

uint32_t cpu_pool_threads(const struct cpu_pool *pool);

/* Run `job` on all workers; returns when all have left it. */
void cpu_pool_run(struct cpu_pool *pool, cpu_job *job, void *arg);

/*
 * Inside a job: wait for all workers. What any wrote before, all see after. The
 * last to arrive sets the claim counter back to 0.
 */
void cpu_pool_barrier(struct cpu_pool *pool);

/* Inside a job: claim the next of `n` units of work that begin at a barrier; false: none is left. */
bool cpu_pool_claim(struct cpu_pool *pool, size_t n, size_t *unit);

/*
 * Likewise, a run of units [*from, *to): large ones first, then smaller, so that
 * claims are few and yet all threads end together although one was held up.
 */
bool cpu_pool_claim_run(struct cpu_pool *pool, size_t n, size_t *from, size_t *to);

/* Worker's equal share of `n` units: [*from, *to). */
static inline void cpu_share(size_t n, uint32_t worker, uint32_t threads, size_t *from, size_t *to)
{
	/* The remainder goes to the lowest numbers: a single unit is worker 0's, the caller's. */
	const size_t each = n / threads, extra = n % threads;

	*from = each * worker + (worker < extra ? worker : extra);
	*to = *from + each + (worker < extra);
}

#endif
