/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of a transport that moves bytes itself (tcp, shm): a table of fixed size, whose
 * index is what lsbench knows a request by, and queues of what is posted to one peer.
 *
 *	free -> request_take -> pending, in a queue -> request_done -> requests_collect -> free
 *
 * Nothing here allocates but requests_open.
 */
#ifndef TRANSPORT_COMMON_REQUESTS_H
#define TRANSPORT_COMMON_REQUESTS_H

#include <stddef.h>
#include <stdint.h>

#include "lsbench/host.h"
#include "lsbench/transport.h"

enum request_state { REQUEST_FREE = 0, REQUEST_PENDING, REQUEST_DONE };
enum { REQUEST_HEADER_BYTES = 16 };

struct request {
	struct request *next; /* in its queue, or in the free list */
	uint8_t *data;	      /* never NULL */
	uint64_t bytes;	      /* of the buffer; of the message once a receive is matched */
	uint64_t moved;	      /* so far */
	uint64_t arrived_ns;  /* lsb_completion.arrived_ns */
	uint32_t tag;
	int32_t status;			      /* enum lsb_status, once done */
	uint32_t state;			      /* enum request_state */
	uint32_t is_own;		      /* the transport's, not handed out: freed when done */
	uint32_t has_header;		      /* a send's header is under way; for the transport */
	uint8_t header[REQUEST_HEADER_BYTES]; /* likewise */
};

struct requests {
	struct request *all; /* [n] */
	struct request *free;
	uint32_t n;
	uint32_t n_untold; /* done, and not yet handed over */
};

/* Room for `n` requests, given back by requests_close (also after a failure): LSB_OK or LSB_ENOMEM. */
int requests_open(struct requests *requests, const struct lsb_host *host, uint32_t n, struct lsb_error *err);
void requests_close(struct requests *requests, const struct lsb_host *host);

/* A pending request for a message of `b`, of which it keeps only where it is. LSB_EINVAL: none is free. */
int request_take(struct requests *requests, const struct lsb_buf *b, uint32_t tag, struct request **out,
		 struct lsb_error *err);
/* `r` has ended with `status`; it is in no queue any more. */
void request_done(struct requests *requests, struct request *r, int status);
/* What lsbench knows `r` by. */
static inline uint32_t request_number(const struct requests *requests, const struct request *r)
{
	return (uint32_t)(r - requests->all);
}

/*
 * The operation `wait_any`, where nothing is waited for: hand over those of the `n` requests that
 * are done, their number to *n_done, and free them. Where some have failed and none is well, their
 * status is returned too, with `why` as the reason. LSB_EINVAL: one of them is not pending.
 */
int requests_collect(struct requests *requests, const uint32_t *numbers, size_t n,
		     struct lsb_completion *done, size_t *n_done, const struct lsb_error *why,
		     struct lsb_error *err);

/* First in, first out, but for a receive that is taken because its tag has come. */
struct request_queue {
	struct request *head, **tail;
};

static inline void queue_init(struct request_queue *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

static inline void queue_push(struct request_queue *q, struct request *r)
{
	r->next = NULL;
	*q->tail = r;
	q->tail = &r->next;
}

/* Take the request that `*at`, a link of `q`, points to. */
static inline struct request *queue_take(struct request_queue *q, struct request **at)
{
	struct request *r = *at;

	*at = r->next;
	if (!r->next)
		q->tail = at;
	r->next = NULL;
	return r;
}

/* The link that points to the first request for `tag`; what it points to is NULL if there is none. */
static inline struct request **queue_find(struct request_queue *q, uint32_t tag)
{
	struct request **at = &q->head;

	while (*at && (*at)->tag != tag)
		at = &(*at)->next;
	return at;
}

/* End all of `q` with `status`. */
void queue_fail(struct request_queue *q, struct requests *requests, int status);

#endif
