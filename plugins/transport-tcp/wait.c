/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting on all links: look, then spin, then sleep, as the option `wait` says.
 *
 * Arrival times. A message's arrived_ns is when this process read its last byte,
 * given only when the socket had been seen empty within TCP_FRESH_NS before, or
 * the process slept for it; then it is late by no more than that or the wake-up.
 * What already lay in the kernel when we looked has an unknown arrival: 0.
 */
#include <errno.h>
#include <sys/socket.h>
#include <time.h>

#include "tcp.h"

enum { WATCH_NS = 1000 * 1000 }; /* how often spinning looks for ranks that have died */

/* Move what can be moved without waiting. 1: something moved. */
static int look(struct lsb_transport *t)
{
	int moved = 0;

	for (int32_t peer = 0; peer < t->world->size; peer++) {
		struct tcp_link *l = &t->links[peer];

		if (l->sends.head)
			moved |= tcp_link_send(t, l) != 0;
		if (tcp_link_wants_input(l))
			moved |= tcp_link_receive(t, l, MSG_DONTWAIT) != 0;
	}
	return moved;
}

/* A link that nobody reads has hung up: was there a goodbye? */
static void hear_out(struct lsb_transport *t, struct tcp_link *l)
{
	while (l->fd >= 0 && !l->hung_up && !l->parked)
		if (tcp_link_receive(t, l, MSG_DONTWAIT) == 0)
			return;
	l->hung_up = 1;
}

/*
 * Poll all links for up to `timeout_ns`, and act on what is ready. Links that
 * nobody reads are watched for their end alone.
 */
static void poll_links(struct lsb_transport *t, uint64_t timeout_ns)
{
	const struct timespec timeout = { .tv_sec = (time_t)(timeout_ns / 1000000000u),
					  .tv_nsec = (long)(timeout_ns % 1000000000u) };
	const int32_t size = t->world->size;

	for (int32_t peer = 0; peer < size; peer++) {
		const struct tcp_link *l = &t->links[peer];
		struct pollfd *p = &t->polled[peer];

		p->fd = l->hung_up ? -1 : l->fd;
		p->events = (short)((l->sends.head ? POLLOUT : 0) |
				    (tcp_link_wants_input(l) ? POLLIN : POLLRDHUP));
		p->revents = 0;
	}
	t->counters.system_calls++;
	if (ppoll(t->polled, (nfds_t)size, &timeout, NULL) < 0)
		return;
	tcp_now(t);
	for (int32_t peer = 0; peer < size; peer++) {
		struct tcp_link *l = &t->links[peer];
		const short ready = t->polled[peer].revents;

		if (ready & POLLOUT)
			tcp_link_send(t, l);
		if ((t->polled[peer].events & POLLIN) && !ready) {
			l->empty_ns = t->now_ns;
			l->slept = 0;
		}
		if (!ready || l->fd < 0 || l->hung_up)
			continue;
		if (tcp_link_wants_input(l))
			tcp_link_receive(t, l, MSG_DONTWAIT);
		else if (ready & (POLLRDHUP | POLLHUP | POLLERR))
			hear_out(t, l);
	}
}

/* The one link that all pending work reads from, or NULL. */
static struct tcp_link *sole_reader(struct lsb_transport *t)
{
	struct tcp_link *sole = NULL;

	for (int32_t peer = 0; peer < t->world->size; peer++) {
		struct tcp_link *l = &t->links[peer];

		if (l->sends.head || (sole && tcp_link_wants_input(l)))
			return NULL;
		if (tcp_link_wants_input(l))
			sole = l;
	}
	return sole;
}

/*
 * Sleep at once, without a look before it: where all waits for one socket, and
 * that was drained a moment ago, a look costs a system call and finds nothing. 0
 * where that is not so.
 */
static int sleep_at_once(struct lsb_transport *t, uint64_t deadline_ns)
{
	struct tcp_link *sole;

	if (deadline_ns <= t->now_ns || deadline_ns - t->now_ns < TCP_SLICE_NS)
		return 0;
	sole = sole_reader(t);
	if (!sole || t->now_ns - sole->empty_ns > TCP_FRESH_NS)
		return 0;
	sole->slept = 1;
	(void)tcp_link_receive(t, sole, 0);
	return 1;
}

/* Sleep until something moves, or `deadline_ns`. */
static void sleep_until(struct lsb_transport *t, uint64_t deadline_ns)
{
	const uint64_t left = deadline_ns - t->now_ns;
	struct tcp_link *sole = left >= TCP_SLICE_NS ? sole_reader(t) : NULL;

	if (!sole) {
		/* Whatever ends the poll was not there just before it. */
		for (int32_t peer = 0; peer < t->world->size; peer++)
			t->links[peer].slept = t->now_ns - t->links[peer].empty_ns <= TCP_FRESH_NS;
		poll_links(t, left);
		return;
	}
	sole->slept = t->now_ns - sole->empty_ns <= TCP_FRESH_NS;
	if (tcp_link_receive(t, sole, 0) == 0 && t->world->size > 2)
		poll_links(t, 0);
}

/*
 * When requests have failed and none is well, the status of the failed ones is
 * also returned, with the reason in `err`; done[] still names them.
 */
int tcp_wait_any(struct lsb_transport *t, const uint32_t *requests, size_t n, uint64_t deadline_ns,
		 struct lsb_completion *done, size_t *n_done, struct lsb_error *err)
{
	const struct wait_options *how = &t->options->wait;
	uint64_t spin_until = 0;

	for (int first = 1;; first = 0) {
		/* the first time to see that all are pending; later, what is not done needs no second look */
		const int rc = first || t->requests.n_untold ? requests_collect(&t->requests, requests, n,
										done, n_done, &t->ended, err)
							     : LSB_OK;

		if (rc || *n_done)
			return rc;
		tcp_now(t);
		if (!first && t->now_ns >= deadline_ns)
			return LSB_ETIMEDOUT;
		if (first) {
			spin_until = wait_spins_until(how, t->now_ns);
			if (how->how != WAIT_BLOCK || !sleep_at_once(t, deadline_ns))
				look(t);
		} else if (t->now_ns < spin_until) {
			look(t);
			if (t->now_ns - t->watched_ns > WATCH_NS) {
				t->watched_ns = t->now_ns;
				poll_links(t, 0);
			}
		} else {
			sleep_until(t, deadline_ns);
		}
	}
}

void tcp_progress(struct lsb_transport *t)
{
	tcp_now(t);
	look(t);
}

/*
 * Dissemination barrier (Hensgen, Finkel, Manber 1988): in step d = 1, 2, 4, ...
 * tell the rank d above, hear from the rank d below. Tokens need no receive and
 * carry no step: the ranks of different steps are different, and a link is in order.
 */
int tcp_barrier(struct lsb_transport *t, uint64_t deadline_ns, struct lsb_error *err)
{
	const uint32_t size = (uint32_t)t->world->size, rank = (uint32_t)t->world->rank;

	if (t->barrier_step == 0)
		t->barrier_step = 1;
	while (t->barrier_step < size) {
		struct tcp_link *to = &t->links[(rank + t->barrier_step) % size];
		struct tcp_link *from = &t->links[(rank + size - t->barrier_step) % size];

		if (t->broken.code) { /* whoever was lost will not come */
			if (err)
				*err = t->broken;
			return t->broken.code;
		}
		if (!t->barrier_sent) {
			if (to->fd < 0)
				return lsb_fail(err, LSB_EPEER, 0, "rank %d has ended before a barrier",
						to->peer);
			if (tcp_link_send_own(t, to, TCP_TAG_BARRIER) == LSB_EPEER)
				continue;
			t->barrier_sent = 1;
		}
		from->awaiting = 1;
		tcp_now(t);
		if (from->tokens == 0)
			look(t);
		if (from->tokens == 0 && !t->broken.code) {
			if (t->now_ns >= deadline_ns)
				return lsb_fail(err, LSB_ETIMEDOUT, 0,
						"rank %d has not reached the barrier in time", from->peer);
			if (t->options->wait.how == WAIT_POLL)
				poll_links(t, 0);
			else
				sleep_until(t, deadline_ns);
			continue;
		}
		if (from->tokens == 0)
			continue;
		from->tokens--;
		from->awaiting = 0;
		t->barrier_sent = 0;
		t->barrier_step *= 2;
	}
	t->barrier_step = 0;
	return LSB_OK;
}
