/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transport between threads of one test process: exact matching, copies made
 * by the sender. Stricter than real ones where transport.h lets it be: a send
 * whose receive is not posted yet fails, sends are told complete late, and any
 * operation can be made to fail.
 */
#ifndef LSB_TEST_QUEUES_H
#define LSB_TEST_QUEUES_H

#include <pthread.h>
#include <stdint.h>

#include "lsbench/transport.h"

enum { QUEUES_RANKS_MAX = 4, QUEUES_REQUESTS = 512 };

/* How a rank's operation goes wrong. */
enum queues_fault { QUEUES_FAIL, QUEUES_FAIL_SILENTLY, QUEUES_NO_STATUS, QUEUES_BAD_COUNT, QUEUES_FAULTS };

struct queues_request {
	int is_live, is_send, is_done;
	int32_t peer;
	uint32_t tag;
	uint64_t order; /* of posting */
	struct lsb_buf buf;
	uint64_t bytes;
	int looks; /* a send is told after so many looks at it */
};

struct lsb_transport {
	struct queues *world;
	int32_t rank;
	struct queues_request requests[QUEUES_REQUESTS];
	uint64_t operations; /* isend, irecv and wait_any so far */
};

struct queues {
	pthread_mutex_t lock;
	pthread_cond_t change;
	struct lsb_transport ranks[QUEUES_RANKS_MAX];
	uint64_t order;
	int broken;   /* a rank has failed: the others hear that their peer is gone */
	int unposted; /* sends that came before their receives */
	/* What goes wrong: operation number `fail_at` (from 0; UINT64_MAX: none) of rank `fail_rank`. */
	uint64_t fail_at;
	int32_t fail_rank;
	enum queues_fault fault;
};

extern const struct lsb_transport_ops queues_ops;

void queues_open(struct queues *q);
/* No receive may be written to any more. */
void queues_close(struct queues *q);
/* Rank `rank` is gone: others fail instead of waiting for it. */
void queues_break(struct queues *q);

#endif
