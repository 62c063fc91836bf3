/* SPDX-License-Identifier: Apache-2.0 */
#include "queues.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/base.h"

enum { SEND_LOOKS = 3, SEND_NAP_NS = 20000 };

void queues_open(struct queues *q)
{
	pthread_condattr_t attributes;

	memset(q, 0, sizeof(*q));
	q->fail_at = UINT64_MAX;
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&q->change, &attributes);
	pthread_condattr_destroy(&attributes);
	for (int32_t i = 0; i < QUEUES_RANKS_MAX; i++) {
		q->ranks[i].world = q;
		q->ranks[i].rank = i;
	}
}

void queues_close(struct queues *q)
{
	pthread_cond_destroy(&q->change);
	pthread_mutex_destroy(&q->lock);
}

void queues_break(struct queues *q)
{
	pthread_mutex_lock(&q->lock);
	q->broken = 1;
	pthread_cond_broadcast(&q->change);
	pthread_mutex_unlock(&q->lock);
}

/* Whether this operation is the one that goes wrong. */
static int goes_wrong(struct lsb_transport *t)
{
	const struct queues *q = t->world;

	return t->operations++ == q->fail_at && t->rank == q->fail_rank;
}

static int wrong_status(const struct lsb_transport *t, struct lsb_error *err)
{
	if (t->world->fault == QUEUES_NO_STATUS)
		return 77;
	if (t->world->fault == QUEUES_FAIL)
		return lsb_fail(err, LSB_EIO, 0, "the operation was made to fail");
	return LSB_EIO;
}

/* A free request of `t`; there is one, or the test is wrong. */
static struct queues_request *request_new(struct lsb_transport *t, int32_t peer, uint32_t tag,
					  const struct lsb_buf *b, uint32_t *number)
{
	for (uint32_t i = 0; i < QUEUES_REQUESTS; i++) {
		struct queues_request *r = &t->requests[i];

		if (r->is_live)
			continue;
		*r = (struct queues_request){
			.is_live = 1, .peer = peer, .tag = tag, .order = t->world->order++, .buf = *b
		};
		*number = i;
		return r;
	}
	return NULL;
}

static struct queues_request *find_receive(struct lsb_transport *t, int32_t from, uint32_t tag)
{
	struct queues_request *first = NULL;

	for (uint32_t i = 0; i < QUEUES_REQUESTS; i++) {
		struct queues_request *r = &t->requests[i];

		if (r->is_live && !r->is_send && !r->is_done && r->peer == from && r->tag == tag &&
		    (!first || r->order < first->order))
			first = r;
	}
	return first;
}

static int queues_isend(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
			uint32_t *request, struct lsb_error *err)
{
	struct queues *q = t->world;
	struct queues_request *send, *receive;
	int rc = LSB_OK;

	pthread_mutex_lock(&q->lock);
	receive = find_receive(&q->ranks[peer], t->rank, tag);
	if (goes_wrong(t)) {
		rc = wrong_status(t, err);
	} else if (!receive) {
		q->unposted++;
		rc = lsb_fail(err, LSB_EINVAL, 0, "tag %u to rank %d was sent before its receive was posted",
			      tag, peer);
	} else if (receive->buf.bytes < b->bytes || b->mem != LSB_MEM_HOST) {
		rc = lsb_fail(err, LSB_EINVAL, 0, "tag %u: %llu bytes of memory %u for a receive of %llu",
			      tag, (unsigned long long)b->bytes, b->mem,
			      (unsigned long long)receive->buf.bytes);
	} else {
		memcpy(receive->buf.ptr, b->ptr, b->bytes);
		receive->bytes = b->bytes;
		receive->is_done = 1;
		send = request_new(t, peer, tag, b, request);
		send->is_send = send->is_done = 1;
		pthread_cond_broadcast(&q->change);
	}
	pthread_mutex_unlock(&q->lock);
	/* The others go on before this rank does: what it should have posted first is missed. */
	clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = SEND_NAP_NS }, NULL);
	return rc;
}

static int queues_irecv(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
			uint32_t *request, struct lsb_error *err)
{
	int rc = LSB_OK;

	pthread_mutex_lock(&t->world->lock);
	if (goes_wrong(t))
		rc = wrong_status(t, err);
	else if (!request_new(t, peer, tag, b, request))
		rc = lsb_fail(err, LSB_EINVAL, 0, "too many requests are pending");
	pthread_mutex_unlock(&t->world->lock);
	return rc;
}

static size_t collect(struct lsb_transport *t, const uint32_t *requests, size_t n,
		      struct lsb_completion *done)
{
	size_t n_done = 0;

	for (size_t i = 0; i < n; i++) {
		struct queues_request *r = &t->requests[requests[i]];

		if (!r->is_live || !r->is_done || (r->is_send && r->looks++ < SEND_LOOKS))
			continue;
		done[n_done++] = (struct lsb_completion){ .request = requests[i], .bytes = r->bytes };
		r->is_live = 0;
	}
	return n_done;
}

static int queues_wait_any(struct lsb_transport *t, const uint32_t *requests, size_t n, uint64_t deadline_ns,
			   struct lsb_completion *done, size_t *n_done, struct lsb_error *err)
{
	struct queues *q = t->world;
	int rc = LSB_OK;

	pthread_mutex_lock(&q->lock);
	if (goes_wrong(t)) {
		if (q->fault == QUEUES_BAD_COUNT)
			*n_done = n + 1;
		else
			rc = wrong_status(t, err);
		pthread_mutex_unlock(&q->lock);
		return rc;
	}
	while ((*n_done = collect(t, requests, n, done)) == 0) {
		const uint64_t now = lsb_now_ns(),
			       nap = now + 1000000; /* short, since looks at sends count */
		const uint64_t until = nap < deadline_ns ? nap : deadline_ns;
		const struct timespec at = { .tv_sec = (time_t)(until / 1000000000u),
					     .tv_nsec = (long)(until % 1000000000u) };

		if (q->broken) {
			rc = lsb_fail(err, LSB_EPEER, 0, "a peer is gone");
			break;
		}
		if (now >= deadline_ns) {
			rc = lsb_fail(err, LSB_ETIMEDOUT, 0, "no message by the deadline");
			break;
		}
		pthread_cond_timedwait(&q->change, &q->lock, &at);
	}
	pthread_mutex_unlock(&q->lock);
	return rc;
}

const struct lsb_transport_ops queues_ops = {
	.struct_size = sizeof(queues_ops),
	.mem_caps = 1u << LSB_MEM_HOST,
	.isend = queues_isend,
	.irecv = queues_irecv,
	.wait_any = queues_wait_any,
};
