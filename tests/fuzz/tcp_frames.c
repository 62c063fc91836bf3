/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer may send to transport-tcp. The first byte says to whom: the parsers
 * of addresses and hellos, or a link with posted receives, which gets the rest in
 * pieces, over a real socket. Nothing may be written outside a posted receive, no
 * receive may claim more than it holds, and what was parsed must format alike.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECEIVES = 6, MAX_TAG = 3, MAX_BYTES = 100000 };

static const struct {
	uint32_t tag;
	size_t bytes;
} posted[RECEIVES] = { { 1, 10 }, { 2, 9000 }, { 1, 70000 }, { 3, 0 }, { 2, 8192 }, { 1, 65536 } };

static uint64_t now(void *context)
{
	(void)context;
	return 1;
}

static void try_address(const uint8_t *data, size_t size)
{
	uint8_t again[LSB_ADDRESS_MAX];
	struct tcp_address a, b;

	if (tcp_address_parse(data, size, &a))
		return;
	if (tcp_address_parse(again, tcp_address_format(&a, again), &b) || memcmp(&a, &b, sizeof(a)) != 0)
		abort();
}

static void try_hello(const uint8_t *data, size_t size)
{
	uint8_t again[TCP_HELLO_BYTES];
	struct tcp_hello hello;

	if (size < TCP_HELLO_BYTES || tcp_hello_parse(data, &hello))
		return;
	tcp_hello_format(&hello, again);
	if (memcmp(again, data, TCP_HELLO_BYTES) != 0)
		abort();
}

/* Read all there is; a link that has nothing posted is left alone, as wait.c does. */
static int read_all(struct lsb_transport *t, struct tcp_link *l)
{
	int rc = 1;

	while (rc > 0 && tcp_link_wants_input(l))
		rc = tcp_link_receive(t, l, MSG_DONTWAIT);
	return rc;
}

static void try_link(const uint8_t *data, size_t size, size_t piece)
{
	const struct lsb_host host = { .now_ns = now };
	const struct lsb_world world = { .size = 2, .max_tag = MAX_TAG, .max_message_bytes = MAX_BYTES };
	struct lsb_transport t = { .host = &host, .world = &world };
	struct request requests[RECEIVES] = { 0 };
	struct tcp_link l = { .peer = 1, .stage = malloc(TCP_STAGE_BYTES) };
	uint8_t *buffers[RECEIVES];
	int fds[2], rc = 0;

	if (!l.stage || socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		abort();
	l.fd = fds[0];
	queue_init(&l.sends);
	queue_init(&l.receives);
	for (int i = 0; i < RECEIVES; i++) {
		buffers[i] = malloc(posted[i].bytes ? posted[i].bytes : 1);
		requests[i] = (struct request){ .data = buffers[i],
						.bytes = posted[i].bytes,
						.tag = posted[i].tag,
						.state = REQUEST_PENDING };
		queue_push(&l.receives, &requests[i]);
	}
	for (size_t at = 0; at < size && rc >= 0; at += piece) {
		const size_t n = size - at < piece ? size - at : piece;

		if (send(fds[1], data + at, n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n)
			break; /* nobody reads a parked link */
		rc = read_all(&t, &l);
	}
	shutdown(fds[1], SHUT_WR);
	if (rc >= 0)
		rc = read_all(&t, &l);
	if ((rc < 0) != (t.broken.code != LSB_OK))
		abort();
	for (int i = 0; i < RECEIVES; i++) {
		if (requests[i].state == REQUEST_DONE && requests[i].status == LSB_OK &&
		    requests[i].bytes > posted[i].bytes)
			abort();
		free(buffers[i]);
	}
	if (l.fd >= 0)
		close(l.fd);
	close(fds[1]);
	free(l.stage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = { 1, 7, 16, 1000, 30000, 60000 };

	if (size == 0)
		return 0;
	if (data[0] % 8 == 0)
		try_address(data + 1, size - 1);
	else if (data[0] % 8 == 1)
		try_hello(data + 1, size - 1);
	else
		try_link(data + 1, size - 1, pieces[data[0] % 8 - 2]);
	return 0;
}
