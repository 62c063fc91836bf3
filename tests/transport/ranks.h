/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks of a small world inside one test process, over any transport plugin.
 * They connect in threads of their own; afterwards a test drives them from one
 * thread, or from one thread each with ranks_parallel.
 */
#ifndef LSB_TEST_RANKS_H
#define LSB_TEST_RANKS_H

#include <check.h>
#include <pthread.h>
#include <stdint.h>

#include "testhost.h"

enum { RANKS_MAX = 4 };

#define SECOND UINT64_C(1000000000)
#define AHEAD(ns) (testhost_now(NULL) + (uint64_t)(ns))

struct ranks {
	const struct lsb_transport_ops *ops;
	const void *options;
	int32_t size;
	struct lsb_host host;
	struct lsb_world world[RANKS_MAX];
	struct lsb_transport *t[RANKS_MAX];
	uint8_t address[RANKS_MAX][LSB_ADDRESS_MAX];
	struct lsb_span spans[RANKS_MAX];
	uint64_t connect_ns; /* how long connecting may take */
	int rc[RANKS_MAX];   /* of the last thing each rank did */
	struct lsb_error err[RANKS_MAX];
};

/* Set up worlds and open all ranks; a test may change r->world between _init and _open. */
void ranks_init(struct ranks *r, const struct lsb_plugin *plugin, const void *options, int32_t size);
void ranks_open(struct ranks *r);
/* Connect all; r->rc and r->err say how it went. */
void ranks_connect(struct ranks *r);
/* All three, which must succeed. */
void ranks_start(struct ranks *r, const struct lsb_plugin *plugin, const void *options, int32_t size);
void ranks_close(struct ranks *r);

/* Run `body` for each rank in a thread of its own, and join them. */
void ranks_parallel(struct ranks *r, void (*body)(struct ranks *r, int32_t rank));

/* Start a message; it must be accepted. The request. */
uint32_t ranks_send(struct ranks *r, int32_t from, int32_t to, uint32_t tag, const void *data, size_t bytes);
uint32_t ranks_receive(struct ranks *r, int32_t at, int32_t from, uint32_t tag, void *data, size_t bytes);
/* wait_any for one request with a deadline `ns` ahead (0: look once). */
int ranks_wait(struct ranks *r, int32_t at, uint32_t request, uint64_t ns, struct lsb_completion *done);
/* Wait until the request is complete; it must be well. Its bytes. */
uint64_t ranks_finish(struct ranks *r, int32_t at, uint32_t request);

#endif
