/* SPDX-License-Identifier: Apache-2.0 */
#include "threads.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	LINE = 64,		  /* bytes of a cache line */
	LOOKS = 64,		  /* between two looks at the clock while spinning */
	BARRIER_SPIN_NS = 100000, /* then a peer is likely off its core: sleep, so that it may run here */
};

/* A number that only grows; threads wait for it to change. */
struct gate {
	_Alignas(LINE) _Atomic uint32_t value;
	_Atomic uint32_t sleepers;
};

struct worker {
	struct cpu_pool *pool;
	pthread_t thread;
	uint32_t index;
};

struct cpu_pool {
	struct gate start;			 /* grows once a job */
	struct gate arrived;			 /* grows once a barrier */
	_Alignas(LINE) _Atomic uint32_t missing; /* workers that the current barrier waits for */
	_Alignas(LINE) _Atomic size_t claimed;
	_Alignas(LINE) const struct lsb_host *host;
	cpu_job *job; /* NULL: end */
	void *arg;
	uint64_t spin_ns;
	uint32_t threads, started; /* `started` counts the workers that exist beside the caller */
	bool pinned;
	cpu_set_t caller_mask; /* before we pinned it */
	struct worker *workers;
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void gate_advance(struct gate *g)
{
	/* Sequentially consistent against gate_wait: either we see the sleeper, or it sees the new value. */
	atomic_fetch_add(&g->value, 1);
	if (atomic_load(&g->sleepers))
		syscall(SYS_futex, &g->value, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void gate_wait(struct gate *g, uint32_t old, uint64_t spin_ns)
{
	uint64_t began = 0;

	for (;;) {
		for (int i = 0; i < LOOKS; i++) {
			if (atomic_load_explicit(&g->value, memory_order_acquire) != old)
				return;
			relax();
		}
		if (!began)
			began = now_ns();
		else if (now_ns() - began >= spin_ns)
			break;
	}
	atomic_fetch_add(&g->sleepers, 1);
	while (atomic_load(&g->value) == old)
		syscall(SYS_futex, &g->value, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
	atomic_fetch_sub(&g->sleepers, 1);
}

void cpu_pool_barrier(struct cpu_pool *pool)
{
	uint32_t round;

	if (pool->threads == 1) {
		atomic_store_explicit(&pool->claimed, 0, memory_order_relaxed);
		return;
	}
	round = atomic_load_explicit(&pool->arrived.value, memory_order_relaxed);
	if (atomic_fetch_sub(&pool->missing, 1) == 1) {
		atomic_store_explicit(&pool->missing, pool->threads, memory_order_relaxed);
		atomic_store_explicit(&pool->claimed, 0, memory_order_relaxed);
		gate_advance(&pool->arrived);
	} else {
		gate_wait(&pool->arrived, round, BARRIER_SPIN_NS);
	}
}

bool cpu_pool_claim(struct cpu_pool *pool, size_t n, size_t *unit)
{
	*unit = atomic_fetch_add_explicit(&pool->claimed, 1, memory_order_relaxed);
	return *unit < n;
}

bool cpu_pool_claim_run(struct cpu_pool *pool, size_t n, size_t *from, size_t *to)
{
	size_t first = atomic_load_explicit(&pool->claimed, memory_order_relaxed), size;

	do {
		if (first >= n)
			return false;
		/* Guided self-scheduling (Polychronopoulos and Kuck, 1987), halved once more for stragglers.
		 */
		size = pool->threads == 1 ? n : (n - first) / (2 * pool->threads);
		if (size == 0)
			size = 1;
	} while (!atomic_compare_exchange_weak_explicit(&pool->claimed, &first, first + size,
							memory_order_relaxed, memory_order_relaxed));
	*from = first;
	*to = first + size;
	return true;
}

uint32_t cpu_pool_threads(const struct cpu_pool *pool)
{
	return pool->threads;
}

static void *worker_main(void *arg)
{
	const struct worker *me = arg;
	struct cpu_pool *pool = me->pool;

	for (uint32_t jobs = 0;; jobs++) {
		gate_wait(&pool->start, jobs, pool->spin_ns);
		if (!pool->job)
			return NULL;
		pool->job(pool->arg, me->index);
		cpu_pool_barrier(pool);
	}
}

void cpu_pool_run(struct cpu_pool *pool, cpu_job *job, void *arg)
{
	pool->job = job;
	pool->arg = arg;
	atomic_store_explicit(&pool->claimed, 0, memory_order_relaxed);
	if (pool->threads > 1)
		gate_advance(&pool->start);
	job(arg, 0);
	cpu_pool_barrier(pool);
}

static int pin(pthread_t thread, uint32_t cpu, struct lsb_error *err)
{
	cpu_set_t mask;
	int rc = EINVAL;

	CPU_ZERO(&mask);
	if (cpu < CPU_SETSIZE) {
		CPU_SET(cpu, &mask);
		rc = pthread_setaffinity_np(thread, sizeof(mask), &mask);
	}
	if (rc)
		return lsb_fail(err, LSB_EINVAL, rc,
				"cannot pin a thread to CPU %u: %s; choose CPUs that this process may use",
				cpu, strerror(rc));
	return LSB_OK;
}

/* Signals are the rank's own thread's business. */
static int start_worker(struct cpu_pool *pool, uint32_t index, struct lsb_error *err)
{
	struct worker *w = &pool->workers[index];
	sigset_t all, before;
	int rc;

	*w = (struct worker){ .pool = pool, .index = index };
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return lsb_fail(err, LSB_ENOMEM, rc,
				"cannot start compute thread %u of %u: %s; ask for fewer threads", index + 1,
				pool->threads, strerror(rc));
	pool->started++;
	return LSB_OK;
}

int cpu_pool_open(const struct lsb_host *host, uint32_t threads, uint32_t n_cpus, const uint32_t *cpus,
		  uint64_t spin_ns, struct cpu_pool **out, struct lsb_error *err)
{
	struct cpu_pool *pool = host->alloc(host->context, sizeof(*pool), LINE);
	int rc = LSB_OK;

	if (!pool)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the thread pool");
	pool->host = host;
	pool->threads = threads;
	pool->spin_ns = spin_ns;
	atomic_init(&pool->missing, threads);
	pool->workers = host->alloc(host->context, threads * sizeof(*pool->workers), LINE);
	if (!pool->workers) {
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for %u threads", threads);
		goto fail;
	}
	if (n_cpus) {
		rc = pthread_getaffinity_np(pthread_self(), sizeof(pool->caller_mask), &pool->caller_mask);
		if (rc) {
			rc = lsb_fail(err, LSB_EINVAL, rc, "cannot read this thread's CPU mask: %s",
				      strerror(rc));
			goto fail;
		}
		pool->pinned = true;
	}
	for (uint32_t i = 0; i < threads; i++) {
		if (i > 0 && (rc = start_worker(pool, i, err)))
			goto fail;
		if (n_cpus && (rc = pin(i ? pool->workers[i].thread : pthread_self(), cpus[i], err)))
			goto fail;
	}
	*out = pool;
	return LSB_OK;
fail:
	cpu_pool_close(pool);
	return rc;
}

void cpu_pool_close(struct cpu_pool *pool)
{
	const struct lsb_host *host;

	if (!pool)
		return;
	host = pool->host;
	pool->job = NULL;
	gate_advance(&pool->start);
	for (uint32_t i = 1; i <= pool->started; i++)
		pthread_join(pool->workers[i].thread, NULL);
	if (pool->pinned)
		pthread_setaffinity_np(pthread_self(), sizeof(pool->caller_mask), &pool->caller_mask);
	host->free(host->context, pool->workers);
	host->free(host->context, pool);
}
