/* SPDX-License-Identifier: Apache-2.0 */
/* A transport that connects to nobody: operations for plugins that only have to be loaded. */
#ifndef IDLE_H
#define IDLE_H

#include <string.h>

#include "lsbench/host.h"
#include "lsbench/transport.h"

struct lsb_transport {
	const struct lsb_host *host;
};

static int idle_open(const struct lsb_host *host, const void *options, const struct lsb_world *world,
		     struct lsb_transport **out, struct lsb_error *err)
{
	(void)options;
	(void)world;
	*out = (struct lsb_transport *)host->alloc(host->context, sizeof(**out), 64);
	if (!*out)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory");
	(*out)->host = host;
	return LSB_OK;
}

static int idle_address(struct lsb_transport *t, void *to, size_t *bytes, struct lsb_error *err)
{
	(void)t;
	(void)err;
	memcpy(to, "idle", 4);
	*bytes = 4;
	return LSB_OK;
}

static int idle_connect(struct lsb_transport *t, const struct lsb_span *addresses, uint64_t deadline_ns,
			struct lsb_error *err)
{
	(void)t;
	(void)addresses;
	(void)deadline_ns;
	return lsb_fail(err, LSB_EPEER, 0, "an idle transport connects to nobody");
}

static int idle_move(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		     uint32_t *request, struct lsb_error *err)
{
	(void)t;
	(void)peer;
	(void)tag;
	(void)b;
	(void)request;
	return lsb_fail(err, LSB_EPEER, 0, "an idle transport moves nothing");
}

static int idle_wait(struct lsb_transport *t, const uint32_t *requests, size_t n, uint64_t deadline_ns,
		     struct lsb_completion *done, size_t *n_done, struct lsb_error *err)
{
	(void)t;
	(void)requests;
	(void)n;
	(void)deadline_ns;
	(void)done;
	(void)n_done;
	return lsb_fail(err, LSB_EPEER, 0, "an idle transport has nothing to wait for");
}

static int idle_barrier(struct lsb_transport *t, uint64_t deadline_ns, struct lsb_error *err)
{
	(void)t;
	(void)deadline_ns;
	return lsb_fail(err, LSB_EPEER, 0, "an idle transport is alone");
}

static void idle_close(struct lsb_transport *t)
{
	if (t)
		t->host->free(t->host->context, t);
}

#endif
