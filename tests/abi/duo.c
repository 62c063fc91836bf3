/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transport for two ranks of one machine over a Unix socket: small enough to
 * be right, and by FAULT_* macros wrong in one way each, for the conformance run
 * to find.
 *
 * Each message is a header and its bytes. A header whose receive is not posted
 * yet stays where it is, and all behind it waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lsbench/plugin.h"

enum { REQUESTS = 18, BARRIER_TAG = 40000 };

struct header {
	uint64_t bytes;
	uint32_t tag, reserved;
};

struct request {
	enum { FREE, SENDING, RECEIVING, COMPLETE } state;
	int32_t status;
	uint32_t tag;
	uint8_t *ptr;
	uint64_t room;	/* of ptr */
	uint64_t moved; /* header included when sending */
	uint64_t order;
};

struct lsb_transport {
	const struct lsb_host *host;
	int rank, listener, fd, broken;
	struct header incoming;
	uint64_t header_got, payload_got;
	uint64_t orders;
	struct request requests[REQUESTS];
};

static void duo_close(struct lsb_transport *t)
{
	if (!t)
		return;
	if (t->listener >= 0)
		close(t->listener);
	if (t->fd >= 0)
		close(t->fd);
	t->host->free(t->host->context, t);
}

static int duo_open(const struct lsb_host *host, const void *options, const struct lsb_world *world,
		    struct lsb_transport **out, struct lsb_error *err)
{
	const struct sockaddr_un any = { .sun_family = AF_UNIX }; /* the kernel picks an abstract name */
	struct lsb_transport *t = host->alloc(host->context, sizeof(*t), 16);

	(void)options;
	if (!t)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory");
	t->host = host;
	t->rank = world->rank;
	t->fd = -1;
	t->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (t->listener < 0 || bind(t->listener, (const struct sockaddr *)&any, sizeof(sa_family_t)) ||
	    listen(t->listener, 1)) {
		duo_close(t);
		return lsb_fail(err, LSB_EIO, errno, "cannot listen: %s", strerror(errno));
	}
	*out = t;
	return LSB_OK;
}

static int duo_address(struct lsb_transport *t, void *to, size_t *bytes, struct lsb_error *err)
{
	struct sockaddr_un name = { 0 };
	socklen_t length = sizeof(name);

	if (getsockname(t->listener, (struct sockaddr *)&name, &length))
		return lsb_fail(err, LSB_EIO, errno, "cannot tell the address: %s", strerror(errno));
	memcpy(to, &name, length);
	*bytes = length;
	return LSB_OK;
}

static int duo_connect(struct lsb_transport *t, const struct lsb_span *addresses, uint64_t deadline_ns,
		       struct lsb_error *err)
{
	(void)deadline_ns;
	if (t->rank == 0) {
		t->fd = accept(t->listener, NULL, NULL);
	} else {
		struct sockaddr_un name;

		memcpy(&name, addresses[0].ptr, addresses[0].bytes);
		t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(t->fd, (const struct sockaddr *)&name, (socklen_t)addresses[0].bytes))
			return lsb_fail(err, LSB_EPEER, errno, "cannot connect: %s", strerror(errno));
	}
	if (t->fd < 0 || fcntl(t->fd, F_SETFL, O_NONBLOCK))
		return lsb_fail(err, LSB_EIO, errno, "cannot connect: %s", strerror(errno));
	return LSB_OK;
}

static int begin(struct lsb_transport *t, int sending, uint32_t tag, const struct lsb_buf *b,
		 uint32_t *request, struct lsb_error *err)
{
	for (uint32_t i = 0; i < REQUESTS; i++)
		if (t->requests[i].state == FREE) {
			t->requests[i] = (struct request){ .state = sending ? SENDING : RECEIVING,
							   .tag = tag,
							   .ptr = b->ptr,
							   .room = b->bytes,
							   .order = ++t->orders };
			*request = i;
			return LSB_OK;
		}
	return lsb_fail(err, LSB_EINVAL, 0, "more than %d requests", REQUESTS);
}

static int duo_isend(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		     uint32_t *request, struct lsb_error *err)
{
	(void)peer;
#ifdef FAULT_CONTENT
	if (b->bytes > 5000)
		((uint8_t *)b->ptr)[5000] ^= 1;
#endif
	return begin(t, 1, tag, b, request, err);
}

static int duo_irecv(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		     uint32_t *request, struct lsb_error *err)
{
	(void)peer;
	return begin(t, 0, tag, b, request, err);
}

/* The oldest request in `state`, of `tag` if that is not NULL. */
static struct request *oldest(struct lsb_transport *t, int state, const uint32_t *tag)
{
	struct request *found = NULL;

	for (uint32_t i = 0; i < REQUESTS; i++) {
		struct request *r = &t->requests[i];
		int better = !found || r->order < found->order;

#ifdef FAULT_ORDER
		better = !found || (state == RECEIVING ? r->order > found->order : r->order < found->order);
#endif
		if (r->state == (unsigned)state && (!tag || *tag == r->tag) && better)
			found = r;
	}
	return found;
}

/* Write the oldest message; 1 while the socket takes more. */
static int push(struct lsb_transport *t)
{
	struct request *r = oldest(t, SENDING, NULL);
	const struct header h = { .bytes = r ? r->room : 0, .tag = r ? r->tag : 0 };
	ssize_t n;

	if (!r)
		return 0;
	if (r->moved < sizeof(h))
		n = send(t->fd, (const char *)&h + r->moved, sizeof(h) - r->moved, MSG_NOSIGNAL);
	else
		n = send(t->fd, r->ptr + (r->moved - sizeof(h)), r->room + sizeof(h) - r->moved,
			 MSG_NOSIGNAL);
	if (n < 0) {
		t->broken |= errno != EAGAIN;
		return 0;
	}
	r->moved += (uint64_t)n;
	if (r->moved == sizeof(h) + r->room) {
		r->state = COMPLETE;
		r->moved = r->room;
	}
	return 1;
}

/* Read a piece of the incoming message into its receive; 1 while there is more. */
static int pull(struct lsb_transport *t)
{
	uint8_t *header = (uint8_t *)&t->incoming, rest[4096];
	struct request *r = NULL;
	uint64_t left;
	ssize_t n;

	if (t->header_got < sizeof(t->incoming)) {
		n = recv(t->fd, header + t->header_got, sizeof(t->incoming) - t->header_got, 0);
		if (n <= 0) {
			t->broken |= n == 0 || errno != EAGAIN;
			return 0;
		}
		t->header_got += (uint64_t)n;
		return 1;
	}
#ifdef FAULT_TAG
	r = oldest(t, RECEIVING, NULL);
#else
	r = oldest(t, RECEIVING, &t->incoming.tag);
#endif
	if (!r)
		return 0;
	left = t->incoming.bytes - t->payload_got;
	if (t->payload_got < r->room)
		n = recv(t->fd, r->ptr + t->payload_got,
			 left < r->room - t->payload_got ? left : r->room - t->payload_got, 0);
	else
		n = recv(t->fd, rest, left < sizeof(rest) ? left : sizeof(rest), 0);
	if (n <= 0) {
		t->broken |= n == 0 || errno != EAGAIN;
		return 0;
	}
	t->payload_got += (uint64_t)n;
	if (t->payload_got == t->incoming.bytes) {
		r->state = COMPLETE;
		r->moved = t->incoming.bytes < r->room ? t->incoming.bytes : r->room;
#ifndef FAULT_TRUNCATION
		r->status = t->incoming.bytes > r->room ? LSB_EINVAL : LSB_OK;
#endif
		t->header_got = t->payload_got = 0;
	}
	return 1;
}

static int duo_wait_any(struct lsb_transport *t, const uint32_t *requests, size_t n, uint64_t deadline_ns,
			struct lsb_completion *done, size_t *n_done, struct lsb_error *err)
{
	for (;;) {
		struct pollfd wait = { .fd = t->fd, .events = POLLIN };

		while (!t->broken && push(t) | pull(t))
			;
		*n_done = 0;
		for (size_t i = 0; i < n; i++) {
			struct request *r = &t->requests[requests[i]];

#ifdef FAULT_DEATH
			if (t->broken)
				r->state = COMPLETE;
#endif
			if (r->state != COMPLETE)
				continue;
			done[(*n_done)++] = (struct lsb_completion){ .status = r->status,
								     .request = requests[i],
								     .bytes = r->moved };
			r->state = FREE;
		}
		if (*n_done)
			return LSB_OK;
		if (t->broken)
			return lsb_fail(err, LSB_EPEER, 0, "the peer is gone");
#ifdef FAULT_DEADLINE
		if (deadline_ns == 0)
			return lsb_fail(err, LSB_EIO, 0, "nothing there");
#endif
		if (t->host->now_ns(t->host->context) >= deadline_ns)
			return lsb_fail(err, LSB_ETIMEDOUT, 0, "nothing came in time");
		(void)poll(&wait, 1, 1);
	}
}

static int duo_barrier(struct lsb_transport *t, uint64_t deadline_ns, struct lsb_error *err)
{
	uint8_t bytes[2] = { 0, 0 };
	uint32_t requests[2];
	int rc = LSB_OK;

	for (int i = 0; i < 2 && rc == LSB_OK; i++) {
		const struct lsb_buf b = { .ptr = &bytes[i], .bytes = 1, .device = -1 };

		rc = begin(t, i, BARRIER_TAG, &b, &requests[i], err);
	}
	for (int i = 0; i < 2 && rc == LSB_OK; i++) {
		struct lsb_completion done;
		size_t n;

		rc = duo_wait_any(t, &requests[i], 1, deadline_ns, &done, &n, err);
	}
	return rc;
}

static const struct lsb_transport_ops ops = {
	.struct_size = sizeof(ops),
	.mem_caps = 1u << LSB_MEM_HOST,
	.open = duo_open,
	.address = duo_address,
	.connect = duo_connect,
	.isend = duo_isend,
	.irecv = duo_irecv,
	.wait_any = duo_wait_any,
	.barrier = duo_barrier,
	.close = duo_close,
};

LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	LSB_PLUGIN_HEADER,
	.kind = LSB_TRANSPORT,
	.name = NAME,
	.version = "1.0",
	.summary = "Two ranks, one Unix socket",
	.ops = { .transport = &ops },
};
