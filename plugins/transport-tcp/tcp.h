/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport-tcp from inside: one socket per pair of ranks.
 *
 *	codec.c		bytes of headers, addresses and the handshake (pure)
 *	endpoint.c	the listening socket, and the addresses it is reached at
 *	connect.c	dials and accepts until every peer has proven itself
 *	link.c		one peer: messages in and out of its socket
 *	wait.c		all peers: looking, spinning, sleeping, the barrier
 *	plugin.c	options, open, close, isend, irecv, counters
 *
 * Sockets are blocking ones that are used with MSG_DONTWAIT, so that a wait for
 * a single peer can be one blocking receive instead of a poll and a receive.
 *
 * Reading. A link's receives wait in the order they were posted. Where a large
 * one is posted, a read is guessed to be its message: one recvmsg puts the
 * header into the link's stage and the payload where it belongs. A wrong guess
 * costs a copy of at most TCP_GUESS_BYTES. Bytes of a message that nobody has
 * asked for stay in the stage; the link is then `parked` and not read until a
 * fitting receive is posted, so TCP's own flow control holds the sender back.
 *
 * Leaving. close() sends a goodbye, so that a peer's orderly end is told from
 * its death. A connection that ends without one breaks the whole transport.
 */
#ifndef LSB_TCP_H
#define LSB_TCP_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "codec.h"
#include "lsbench/host.h"
#include "lsbench/transport.h"
#include "transport-common/requests.h"
#include "transport-common/wait.h"

enum {
	TCP_GUESS_BYTES = 64 * 1024, /* payload that one read may put in place unseen */
	TCP_GUESS_LEAST = 8192,	     /* a smaller message is copied faster than a vector is set up */
	TCP_SMALL_BYTES = 1024,	     /* likewise when sending */
	TCP_BEHIND_BYTES = 1024,     /* read behind a large message while another large one is awaited */
	TCP_STAGE_BYTES = TCP_HEADER_BYTES + TCP_GUESS_BYTES + 4096,
	TCP_SLICE_NS = 50 * 1000 * 1000, /* a blocking receive returns at least this often */
	TCP_FRESH_NS = 20 * 1000,	 /* a socket seen empty this recently: what came, came now */
};

struct tcp_options {
	struct wait_options wait;
	uint64_t buffer_bytes; /* 0: the kernel's default */
	uint32_t nodelay, reserved;
};

struct tcp_link {
	int fd; /* -1: ourselves, or gone in good order */
	int32_t peer;
	struct request_queue sends, receives; /* `receives`: posted and not yet matched */
	struct request *current;	      /* the receive whose payload is arriving */
	uint8_t *stage; /* [TCP_STAGE_BYTES], read but not yet consumed: [stage_at, stage_end) */
	size_t stage_at, stage_end;
	uint64_t arrived_ns; /* when the newest bytes came, 0 if unknown */
	uint64_t empty_ns;   /* when the socket was last seen empty */
	uint32_t slept;	     /* the process slept since then: what comes now, came now */
	uint32_t parked;     /* the stage starts with a message nobody asked for */
	uint32_t said_goodbye;
	uint32_t hung_up;  /* its end is known; leave it out of poll */
	uint32_t lost;	   /* it ended without a goodbye, or while it was needed */
	uint32_t tokens;   /* barrier tokens received and not yet used */
	uint32_t awaiting; /* a barrier waits for a token */
};

struct lsb_transport {
	const struct lsb_host *host;
	const struct tcp_options *options;
	const struct lsb_world *world;
	struct tcp_link *links;	  /* [world->size] */
	struct requests requests; /* world->max_requests, and some for barriers and goodbyes */
	struct pollfd *polled;	  /* [world->size] */
	int listener;		  /* -1 once connected */
	uint32_t connected;
	uint64_t now_ns; /* of the current look */
	uint64_t watched_ns;
	uint32_t barrier_step; /* of an unfinished barrier: distance 1, 2, 4, ...; 0: none */
	uint32_t barrier_sent;
	struct tcp_address address;
	struct lsb_wire_counters counters;
	struct lsb_error broken; /* of the first link that was lost: no barrier any more; .code 0: whole */
	struct lsb_error ended;	 /* why requests failed, of the link that ended last */
};

static inline uint64_t tcp_now(struct lsb_transport *t)
{
	return t->now_ns = t->host->now_ns(t->host->context);
}

/* endpoint.c. Listen on world->bind_address; sets t->listener and t->address. */
int tcp_listen(struct lsb_transport *t, struct lsb_error *err);
/* What every data socket is set to; errors are not fatal. */
void tcp_tune(int fd, const struct tcp_options *options);
/* "127.0.0.1:4711" */
void tcp_endpoint_name(const struct sockaddr_storage *endpoint, char *to, size_t bytes);

/* connect.c */
int tcp_connect(struct lsb_transport *t, const struct lsb_span *addresses, uint64_t deadline_ns,
		struct lsb_error *err);

/* link.c. Each returns 1 when bytes moved, 0 when nothing could, and -1 when the link was lost. */
int tcp_link_send(struct lsb_transport *t, struct tcp_link *l);
/* `flags`: MSG_DONTWAIT, or 0 to sleep for up to TCP_SLICE_NS. */
int tcp_link_receive(struct lsb_transport *t, struct tcp_link *l, int flags);
/* Consume what is staged; for a parked link after a receive was posted. */
int tcp_link_drain(struct lsb_transport *t, struct tcp_link *l);
/* Whether reading it can serve anybody. */
int tcp_link_wants_input(const struct tcp_link *l);
/* Queue one of the transport's own messages and send what can be sent. LSB_EINVAL when no request is free. */
int tcp_link_send_own(struct lsb_transport *t, struct tcp_link *l, uint32_t tag);

/* wait.c */
int tcp_wait_any(struct lsb_transport *t, const uint32_t *requests, size_t n, uint64_t deadline_ns,
		 struct lsb_completion *done, size_t *n_done, struct lsb_error *err);
int tcp_barrier(struct lsb_transport *t, uint64_t deadline_ns, struct lsb_error *err);
void tcp_progress(struct lsb_transport *t);

#endif
