/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/base.h"

enum { TRY_MS = 3000, PAUSE_MS = 50, DEAD_AFTER_MS = 15000 };

/* One of the addresses, and what last came of it. */
struct candidate {
	char text[LSB_ADDRESS_TEXT + 16], host[LSB_ADDRESS_TEXT], port[8];
	char why[160];
};

struct dialling {
	struct candidate candidates[LSB_ADDRESSES_MAX];
	size_t n;
	const uint8_t *secret;
	int32_t rank, size;
};

static int split_addresses(const char *addresses, struct dialling *d, struct lsb_error *err)
{
	for (const char *at = addresses; *at; at += *at == ',') {
		const size_t length = strcspn(at, ",");
		struct candidate *c = &d->candidates[d->n];
		const char *colon, *host = c->text;
		size_t n;

		if (d->n == LSB_ADDRESSES_MAX || length == 0 || length >= sizeof(c->text))
			goto wrong;
		memcpy(c->text, at, length);
		c->text[length] = '\0';
		colon = strrchr(c->text, ':');
		n = colon ? (size_t)(colon - c->text) : 0;
		if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
			host++;
			n -= 2;
		}
		if (n == 0 || n >= sizeof(c->host) || memchr(host, '[', n) || !colon[1] ||
		    strlen(colon + 1) >= sizeof(c->port) ||
		    strspn(colon + 1, "0123456789") != strlen(colon + 1))
			goto wrong;
		memcpy(c->host, host, n);
		c->host[n] = '\0';
		(void)snprintf(c->port, sizeof(c->port), "%s", colon + 1);
		(void)snprintf(c->why, sizeof(c->why), "not tried");
		d->n++;
		at += length;
	}
	if (d->n)
		return LSB_OK;
wrong:
	return lsb_fail(err, LSB_EINVAL, 0, "'%s' is not a list of at most %d addresses HOST:PORT", addresses,
			LSB_ADDRESSES_MAX);
}

/* Wait for `events` until `deadline_ns`. */
static int wait_for(int fd, short events, uint64_t deadline_ns, struct lsb_error *err)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		const uint64_t now = lsb_now_ns();
		const int left_ms = now < deadline_ns ? (int)((deadline_ns - now) / 1000000u) + 1 : 0;
		const int n = left_ms ? poll(&p, 1, left_ms) : 0;

		if (n > 0)
			return LSB_OK;
		if (n == 0)
			return lsb_fail(err, LSB_ETIMEDOUT, 0, "no answer within %d s", TRY_MS / 1000);
		if (errno != EINTR)
			return lsb_fail(err, LSB_EIO, errno, "%s", strerror(errno));
	}
}

static int hear(int fd, uint8_t *to, size_t n, uint64_t deadline_ns, struct lsb_error *err)
{
	while (n) {
		ssize_t got;
		const int rc = wait_for(fd, POLLIN, deadline_ns, err);

		if (rc)
			return rc;
		got = recv(fd, to, n, 0);
		if (got == 0 || (got < 0 && errno == ECONNRESET))
			return lsb_fail(err, LSB_EPEER, 0,
					"it hung up during the handshake: another run, or another version "
					"than " LSB_VERSION "?");
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return lsb_fail(err, LSB_EIO, errno, "%s", strerror(errno));
		if (got > 0) {
			to += got;
			n -= (size_t)got;
		}
	}
	return LSB_OK;
}

static int say(int fd, const uint8_t *bytes, size_t n, struct lsb_error *err)
{
	/* a few bytes into an empty socket */
	if (send(fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n)
		return LSB_OK;
	return lsb_fail(err, LSB_EPEER, errno, "%s", strerror(errno));
}

static int prove(const struct dialling *d, int fd, uint64_t deadline_ns, struct lsb_error *err)
{
	struct lsb_knock who = { .rank = d->rank, .size = d->size };
	uint8_t knock[LSB_KNOCK_BYTES], answer[LSB_ANSWER_BYTES], proof[LSB_PROOF_BYTES];
	uint8_t welcome[LSB_WELCOME_BYTES];
	int rc;

	randombytes_buf(who.challenge, sizeof(who.challenge));
	lsb_knock_format(&who, knock);
	if ((rc = say(fd, knock, sizeof(knock), err)) ||
	    (rc = hear(fd, answer, sizeof(answer), deadline_ns, err)) ||
	    (rc = lsb_knock_prove(d->secret, knock, answer, proof, err)) ||
	    (rc = say(fd, proof, sizeof(proof), err)) ||
	    (rc = hear(fd, welcome, sizeof(welcome), deadline_ns, err)))
		return rc;
	return lsb_welcome_check(welcome, err);
}

/* A controller whose machine is gone is noticed; see tcp(7). */
static void tune(int fd)
{
	const int on = 1, idle_s = 5, probes = 5;
	const unsigned dead_after_ms = DEAD_AFTER_MS;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_after_ms, sizeof(dead_after_ms));
}

static int try_one(const struct dialling *d, const struct candidate *c, int *out, struct lsb_error *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	const uint64_t deadline_ns = lsb_now_ns() + TRY_MS * 1000000ull;
	struct addrinfo *at = NULL;
	socklen_t bytes = sizeof(int);
	int fd, error = 0, rc = getaddrinfo(c->host, c->port, &hints, &at);

	if (rc)
		return lsb_fail(err, LSB_EINVAL, 0, "%s", gai_strerror(rc));
	fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		rc = lsb_fail(err, LSB_EIO, errno, "%s", strerror(errno));
	} else if (connect(fd, at->ai_addr, at->ai_addrlen) && errno != EINPROGRESS) {
		rc = lsb_fail(err, LSB_EPEER, errno, "%s", strerror(errno));
	} else {
		rc = wait_for(fd, POLLOUT, deadline_ns, err);
		if (rc == LSB_OK && (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) || error))
			rc = lsb_fail(err, LSB_EPEER, error, "%s", strerror(error ? error : errno));
		if (rc == LSB_OK)
			rc = prove(d, fd, deadline_ns, err);
	}
	freeaddrinfo(at);
	if (rc == LSB_OK) {
		(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
		tune(fd);
		*out = fd;
	} else if (fd >= 0) {
		close(fd);
	}
	return rc;
}

int lsb_dial(const char *addresses, const uint8_t secret[LSB_SECRET_BYTES], int32_t rank, int32_t size,
	     int patience_ms, int *fd, struct lsb_error *err)
{
	const uint64_t deadline_ns = lsb_now_ns() + (uint64_t)patience_ms * 1000000u;
	struct dialling d = { .secret = secret, .rank = rank, .size = size };
	struct lsb_text all = { 0 };
	int rc = split_addresses(addresses, &d, err);

	if (rc)
		return rc;
	do {
		for (size_t i = 0; i < d.n; i++) {
			struct lsb_error why = { 0 };

			rc = try_one(&d, &d.candidates[i], fd, &why);
			if (rc == LSB_OK)
				return LSB_OK;
			(void)snprintf(d.candidates[i].why, sizeof(d.candidates[i].why), "%.150s", why.msg);
		}
		(void)poll(NULL, 0, PAUSE_MS + (int)randombytes_uniform(PAUSE_MS));
	} while (lsb_now_ns() < deadline_ns);
	for (size_t i = 0; i < d.n; i++)
		lsb_text_add(&all, "%s%s (%s)", i ? ", " : "", d.candidates[i].text, d.candidates[i].why);
	rc = lsb_fail(err, LSB_EPEER, 0, "rank %d finds the controller at none of its addresses: %s", rank,
		      all.data ? all.data : addresses);
	lsb_text_free(&all);
	return rc;
}
