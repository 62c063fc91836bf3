/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting on all links: look, then spin, then sleep on the doorbell, as the option `wait` says. */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shm.h"

enum { LOOKS_A_CLOCK = 32 }; /* looks of a spin between two readings of the clock */

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

void shm_ring_doorbell(struct lsb_transport *t, struct shm_link *l)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&l->theirs->sleeping, memory_order_relaxed))
		return;
	atomic_fetch_add_explicit(&l->theirs->doorbell, 1, memory_order_release);
	t->counters.system_calls++;
	(void)syscall(SYS_futex, &l->theirs->doorbell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void shm_sleep(struct lsb_transport *t, uint64_t deadline_ns, int (*look)(struct lsb_transport *t))
{
	const uint32_t rung = atomic_load_explicit(&t->mine->doorbell, memory_order_acquire);
	const uint64_t left = deadline_ns > t->now_ns ? deadline_ns - t->now_ns : 0;
	const struct timespec slice = { .tv_nsec = (long)(left < SHM_SLICE_NS ? left : SHM_SLICE_NS) };

	atomic_store_explicit(&t->mine->sleeping, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (!look(t)) {
		t->counters.system_calls++;
		(void)syscall(SYS_futex, &t->mine->doorbell, FUTEX_WAIT, rung, &slice, NULL, 0);
	}
	atomic_store_explicit(&t->mine->sleeping, 0, memory_order_relaxed);
}

/* Move what can be moved. 1: something moved, or a link ended. */
static int look(struct lsb_transport *t)
{
	int moved = 0;

	for (int32_t peer = 0; peer < t->world->size; peer++) {
		struct shm_link *l = &t->links[peer];

		if (!l->theirs || l->gone)
			continue;
		if (l->sends.head)
			moved |= shm_link_send(t, l) != 0;
		if (l->receives.head || l->current)
			moved |= shm_link_receive(t, l) != 0;
		if (!l->gone && atomic_load_explicit(&l->in->closed, memory_order_relaxed)) {
			shm_link_ended(t, l);
			moved |= l->gone != 0;
		}
	}
	return moved;
}

/* Look for processes that have ended; those of a test's ranks may be this one. */
static void watch(struct lsb_transport *t)
{
	const int32_t size = t->world->size;

	t->watched_ns = t->now_ns;
	for (int32_t peer = 0; peer < size; peer++)
		t->polled[peer] = (struct pollfd){ .fd = t->links[peer].gone ? -1 : t->links[peer].pidfd,
						   .events = POLLIN };
	t->counters.system_calls++;
	if (poll(t->polled, (nfds_t)size, 0) <= 0)
		return;
	for (int32_t peer = 0; peer < size; peer++)
		if (t->polled[peer].revents)
			shm_link_ended(t, &t->links[peer]);
}

int shm_wait_any(struct lsb_transport *t, const uint32_t *requests, size_t n, uint64_t deadline_ns,
		 struct lsb_completion *done, size_t *n_done, struct lsb_error *err)
{
	uint64_t spin_until = 0;

	for (uint32_t looks = 0;; looks++) {
		const int rc = requests_collect(&t->requests, requests, n, done, n_done, &t->ended, err);

		if (rc || *n_done)
			return rc;
		if (looks && looks % LOOKS_A_CLOCK == 0)
			shm_now(t);
		if (looks == 1) {
			if (shm_now(t) >= deadline_ns)
				return LSB_ETIMEDOUT;
			spin_until = wait_spins_until(&t->options->wait, t->now_ns);
		}
		if (looks && t->now_ns >= deadline_ns)
			return LSB_ETIMEDOUT;
		if (looks && t->now_ns >= spin_until) {
			shm_sleep(t, deadline_ns, look);
			shm_now(t);
		} else {
			if (!look(t))
				relax();
		}
		if (looks && t->now_ns - t->watched_ns > SHM_WATCH_NS)
			watch(t);
	}
}

void shm_progress(struct lsb_transport *t)
{
	(void)look(t);
}

/* The token that the barrier waits for is there, or something else has moved. */
static int look_for_token(struct lsb_transport *t)
{
	const uint32_t size = (uint32_t)t->world->size;
	const struct shm_link *from = &t->links[((uint32_t)t->world->rank + size - t->barrier_step) % size];

	return look(t) || atomic_load_explicit(&from->in->tokens, memory_order_acquire) != from->tokens_used;
}

/*
 * Dissemination barrier (Hensgen, Finkel, Manber 1988): in step d = 1, 2, 4, ...
 * tell the rank d above, hear from the rank d below. Tokens are counted beside the
 * ring, so they never queue behind messages.
 */
int shm_barrier(struct lsb_transport *t, uint64_t deadline_ns, struct lsb_error *err)
{
	const uint32_t size = (uint32_t)t->world->size, rank = (uint32_t)t->world->rank;

	if (t->barrier_step == 0)
		t->barrier_step = 1;
	while (t->barrier_step < size) {
		struct shm_link *to = &t->links[(rank + t->barrier_step) % size];
		struct shm_link *from = &t->links[(rank + size - t->barrier_step) % size];

		if (!t->barrier_sent) {
			if (to->gone)
				return lsb_fail(err, LSB_EPEER, 0, "rank %d has ended before a barrier",
						to->peer);
			atomic_fetch_add_explicit(&to->out->tokens, 1, memory_order_release);
			shm_ring_doorbell(t, to);
			t->barrier_sent = 1;
		}
		while (atomic_load_explicit(&from->in->tokens, memory_order_acquire) == from->tokens_used) {
			if (t->broken.code) { /* whoever was lost will not come */
				if (err)
					*err = t->broken;
				return t->broken.code;
			}
			if (from->gone)
				return lsb_fail(err, LSB_EPEER, 0, "rank %d has ended before a barrier",
						from->peer);
			if (shm_now(t) >= deadline_ns)
				return lsb_fail(err, LSB_ETIMEDOUT, 0,
						"rank %d has not reached the barrier in time", from->peer);
			shm_sleep(t, deadline_ns, look_for_token);
			watch(t);
		}
		from->tokens_used++;
		t->barrier_sent = 0;
		t->barrier_step *= 2;
	}
	t->barrier_step = 0;
	return LSB_OK;
}
