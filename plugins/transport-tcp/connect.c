/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From listening sockets to a full mesh of proven connections.
 *
 * Each rank dials those below it and accepts those above. All attempts, both
 * ways, run side by side in one poll loop, so nobody waits behind a stranger who
 * says nothing: an accepted connection that has not proven itself within
 * PATIENCE_NS is dropped, and when all places are taken the oldest one is.
 * A dialled connection that is lost before the proof is tried again, at the
 * peer's next address, until the deadline; one that shows a wrong proof is not.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tcp.h"

#define PATIENCE_NS (3ull * 1000 * 1000 * 1000)
#define RETRY_NS (20ull * 1000 * 1000)

enum { PLACES = 128 }; /* of accepted connections that are not proven yet */

enum stage { IDLE, DIALLING, READ_HELLO, READ_REPLY, READ_PROOF, READ_WELCOME };

/* One attempt, either way. */
struct attempt {
	int fd; /* -1: none */
	enum stage stage;
	int32_t peer;	   /* whom we dial, or who says hello */
	uint64_t since_ns; /* when it began, or when to dial again */
	size_t endpoint;   /* which of the peer's addresses comes next */
	size_t have, need;
	uint8_t in[TCP_REPLY_BYTES];
	uint8_t hello[TCP_HELLO_BYTES];
	uint8_t challenge[TCP_CHALLENGE_BYTES]; /* the listener's */
};

struct meeting {
	struct lsb_transport *t;
	struct tcp_address *addresses; /* [size] */
	struct attempt *attempts;      /* [n_dials] we make, then [PLACES] we accept */
	struct pollfd *polled;	       /* one for each attempt, then the listener */
	size_t n_dials, n_attempts;
	int32_t missing; /* peers without a connection */
	char last[160];	 /* why the newest attempt of ours failed */
	struct lsb_error *err;
};

static void attempt_drop(struct meeting *m, struct attempt *a, uint64_t now)
{
	const size_t index = (size_t)(a - m->attempts);

	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	a->stage = index < m->n_dials ? DIALLING : IDLE;
	a->since_ns = now + RETRY_NS;
}

/* A dialled attempt came to nothing: note why, and try again later. */
static void attempt_failed(struct meeting *m, struct attempt *a, uint64_t now, const char *why)
{
	char name[80];

	if ((size_t)(a - m->attempts) < m->n_dials) {
		const struct tcp_address *where = &m->addresses[a->peer];

		tcp_endpoint_name(&where->endpoint[(a->endpoint + where->n - 1) % where->n], name,
				  sizeof(name));
		snprintf(m->last, sizeof(m->last), "rank %d at %s: %s", a->peer, name, why);
	}
	attempt_drop(m, a, now);
}

static void attempt_expect(struct attempt *a, enum stage stage, size_t bytes)
{
	a->stage = stage;
	a->have = 0;
	a->need = bytes;
}

/* A few bytes into a connection that has sent next to nothing: they fit, or something is wrong. */
static int attempt_say(const struct attempt *a, const uint8_t *bytes, size_t n)
{
	return send(a->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n ? 0 : -1;
}

/* The peer has proven itself: the connection becomes its link. */
static void attempt_won(struct meeting *m, struct attempt *a)
{
	struct tcp_link *l = &m->t->links[a->peer];

	(void)fcntl(a->fd, F_SETFL, fcntl(a->fd, F_GETFL) & ~O_NONBLOCK);
	tcp_tune(a->fd, m->t->options);
	l->fd = a->fd;
	a->fd = -1;
	a->stage = IDLE;
	m->missing--;
}

static void dial(struct meeting *m, struct attempt *a, uint64_t now)
{
	const struct tcp_address *where = &m->addresses[a->peer];
	const struct sockaddr_storage *to = &where->endpoint[a->endpoint++ % where->n];
	const int bytes = (int)m->t->options->buffer_bytes;

	a->since_ns = now;
	a->have = a->need = 0;
	a->fd = socket(to->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (a->fd >= 0 && bytes > 0)
		(void)setsockopt(a->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (a->fd < 0 ||
	    (connect(a->fd, (const struct sockaddr *)to, tcp_endpoint_bytes(to)) && errno != EINPROGRESS))
		attempt_failed(m, a, now, strerror(errno));
}

/* A dialled connection is up or has failed. */
static int greet(struct meeting *m, struct attempt *a)
{
	struct tcp_hello hello = { .from = m->t->world->rank, .to = a->peer };
	socklen_t bytes = sizeof(int);
	int error = 0;

	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) || error) {
		errno = error ? error : errno;
		return -1;
	}
	randombytes_buf(hello.challenge, sizeof(hello.challenge));
	tcp_hello_format(&hello, a->hello);
	attempt_expect(a, READ_REPLY, TCP_REPLY_BYTES);
	return attempt_say(a, a->hello, TCP_HELLO_BYTES);
}

static int heard_hello(struct meeting *m, struct attempt *a)
{
	const struct lsb_world *world = m->t->world;
	uint8_t reply[TCP_REPLY_BYTES];
	struct tcp_hello hello;

	memcpy(a->hello, a->in, TCP_HELLO_BYTES);
	if (tcp_hello_parse(a->hello, &hello) || hello.to != world->rank || hello.from <= world->rank ||
	    hello.from >= world->size)
		return -1;
	a->peer = hello.from;
	randombytes_buf(a->challenge, sizeof(a->challenge));
	memcpy(reply, a->challenge, TCP_CHALLENGE_BYTES);
	tcp_proof(world->nonce, TCP_LISTENER, a->hello, a->challenge, reply + TCP_CHALLENGE_BYTES);
	attempt_expect(a, READ_PROOF, TCP_PROOF_BYTES);
	return attempt_say(a, reply, sizeof(reply));
}

static int heard_reply(struct meeting *m, struct attempt *a)
{
	const uint8_t *nonce = m->t->world->nonce;
	uint8_t proof[TCP_PROOF_BYTES];

	memcpy(a->challenge, a->in, TCP_CHALLENGE_BYTES);
	tcp_proof(nonce, TCP_LISTENER, a->hello, a->challenge, proof);
	if (!tcp_proof_equal(proof, a->in + TCP_CHALLENGE_BYTES)) {
		lsb_fail(m->err, LSB_EPEER, 0,
			 "what answers at the address of rank %d does not know this launch's secret; "
			 "is it of another launch?",
			 a->peer);
		return -1;
	}
	tcp_proof(nonce, TCP_DIALLER, a->hello, a->challenge, proof);
	attempt_expect(a, READ_WELCOME, TCP_WELCOME_BYTES);
	return attempt_say(a, proof, sizeof(proof));
}

static int heard_proof(struct meeting *m, struct attempt *a)
{
	uint8_t proof[TCP_PROOF_BYTES], welcome[TCP_WELCOME_BYTES];

	tcp_proof(m->t->world->nonce, TCP_DIALLER, a->hello, a->challenge, proof);
	if (!tcp_proof_equal(proof, a->in) || m->t->links[a->peer].fd >= 0)
		return -1;
	tcp_welcome_format(welcome);
	if (attempt_say(a, welcome, sizeof(welcome)))
		return -1;
	attempt_won(m, a);
	return 0;
}

/* Move one attempt on by what its socket has to say. -1: it came to nothing. */
static int attempt_advance(struct meeting *m, struct attempt *a)
{
	ssize_t n;

	if (a->stage == DIALLING)
		return greet(m, a);
	n = recv(a->fd, a->in + a->have, a->need - a->have, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0) {
		errno = ECONNRESET;
		return -1;
	}
	a->have += (size_t)n;
	if (a->have < a->need)
		return 0;
	switch (a->stage) {
	case READ_HELLO:
		return heard_hello(m, a);
	case READ_REPLY:
		return heard_reply(m, a);
	case READ_PROOF:
		return heard_proof(m, a);
	default:
		if (tcp_welcome_parse(a->in)) {
			errno = EPROTO;
			return -1;
		}
		attempt_won(m, a);
		return 0;
	}
}

/* Everybody who knocks gets a place; when there is none, the oldest visitor's. */
static void accept_all(struct meeting *m, uint64_t now)
{
	int fd;

	while ((fd = accept4(m->t->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct attempt *place = &m->attempts[m->n_dials];

		for (size_t i = m->n_dials; i < m->n_attempts; i++) {
			struct attempt *a = &m->attempts[i];

			if (a->fd < 0) {
				place = a;
				break;
			}
			if (a->since_ns < place->since_ns)
				place = a;
		}
		if (place->fd >= 0)
			attempt_drop(m, place, now);
		place->fd = fd;
		place->since_ns = now;
		attempt_expect(place, READ_HELLO, TCP_HELLO_BYTES);
	}
}

/* Fill m->polled, dial where it is time, and return when something is due next. */
static uint64_t prepare(struct meeting *m, uint64_t now, uint64_t deadline_ns)
{
	uint64_t next = deadline_ns;

	for (size_t i = 0; i < m->n_attempts; i++) {
		struct attempt *a = &m->attempts[i];
		uint64_t due;

		if (a->fd >= 0 && now >= a->since_ns + PATIENCE_NS)
			attempt_failed(m, a, now, "no answer within 3 s");
		if (a->fd < 0 && a->stage == DIALLING && now >= a->since_ns)
			dial(m, a, now);
		m->polled[i].fd = a->fd;
		m->polled[i].events = a->stage == DIALLING ? POLLOUT : POLLIN;
		due = a->fd >= 0 ? a->since_ns + PATIENCE_NS : a->since_ns;
		if (a->stage != IDLE && due < next)
			next = due;
	}
	m->polled[m->n_attempts].fd = m->t->listener;
	m->polled[m->n_attempts].events = POLLIN;
	return next;
}

static int meeting_run(struct meeting *m, uint64_t deadline_ns)
{
	struct lsb_transport *t = m->t;

	while (m->missing > 0) {
		uint64_t now = tcp_now(t);
		const uint64_t next = prepare(m, now, deadline_ns);
		const uint64_t wait_ms = next > now ? (next - now + 999999) / 1000000 : 0;

		if (now >= deadline_ns)
			return lsb_fail(m->err, LSB_ETIMEDOUT, 0,
					"rank %d has no connection with %d of %d peers%s%s; are all ranks "
					"running, and "
					"their ports reachable?",
					t->world->rank, m->missing, t->world->size - 1,
					m->last[0] ? "; last failure: " : "", m->last);
		if (poll(m->polled, (nfds_t)m->n_attempts + 1, wait_ms < 1000 ? (int)wait_ms : 1000) <= 0)
			continue;
		now = tcp_now(t);
		for (size_t i = 0; i < m->n_attempts; i++) {
			struct attempt *a = &m->attempts[i];

			if (!m->polled[i].revents || attempt_advance(m, a) == 0)
				continue;
			if (m->err->code)
				return m->err->code;
			attempt_failed(m, a, now, strerror(errno));
		}
		if (m->polled[m->n_attempts].revents)
			accept_all(m, now);
	}
	return LSB_OK;
}

static int meeting_open(struct meeting *m, const struct lsb_span *addresses)
{
	const struct lsb_host *host = m->t->host;
	const struct lsb_world *world = m->t->world;
	const size_t size = (size_t)world->size;

	m->n_dials = (size_t)world->rank;
	m->n_attempts = m->n_dials + PLACES;
	m->missing = world->size - 1;
	m->addresses = host->alloc(host->context, size * sizeof(*m->addresses), 64);
	m->attempts = host->alloc(host->context, m->n_attempts * sizeof(*m->attempts), 64);
	m->polled = host->alloc(host->context, (m->n_attempts + 1) * sizeof(*m->polled), 64);
	if (!m->addresses || !m->attempts || !m->polled)
		return lsb_fail(m->err, LSB_ENOMEM, 0, "no memory to connect %d ranks", world->size);
	for (size_t i = 0; i < m->n_attempts; i++) {
		m->attempts[i].fd = -1;
		m->attempts[i].stage = i < m->n_dials ? DIALLING : IDLE;
		m->attempts[i].peer = (int32_t)i;
	}
	for (size_t i = 0; i < m->n_dials; i++)
		if (tcp_address_parse(addresses[i].ptr, addresses[i].bytes, &m->addresses[i]))
			return lsb_fail(m->err, LSB_EPEER, 0,
					"the address of rank %zu is none of transport tcp", i);
	return LSB_OK;
}

int tcp_connect(struct lsb_transport *t, const struct lsb_span *addresses, uint64_t deadline_ns,
		struct lsb_error *err)
{
	struct lsb_error own = { 0 };
	struct meeting m = { .t = t, .err = &own };
	int rc = meeting_open(&m, addresses);

	if (rc == LSB_OK)
		rc = meeting_run(&m, deadline_ns);
	for (size_t i = 0; m.attempts && i < m.n_attempts; i++)
		if (m.attempts[i].fd >= 0)
			close(m.attempts[i].fd);
	t->host->free(t->host->context, m.polled);
	t->host->free(t->host->context, m.attempts);
	t->host->free(t->host->context, m.addresses);
	if (rc && err)
		*err = own;
	return rc;
}
