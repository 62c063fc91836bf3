/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of a launch whose ranks dial in.
 *
 * Every visitor is a stranger until the handshake (wire/handshake.h) is through:
 * it gets one of PLACES places of fixed size, PATIENCE_MS, and no word of why it
 * is sent away. When all places are taken, the one that has waited longest goes,
 * so that silent visitors keep nobody out; more than RATE visitors a second are
 * not let in at all, and workers try again. The log of the launch's door says
 * who came, at most LINES_MAX lines.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/base.h"
#include "launch/agent.h"
#include "launch/ranks.h"
#include "launch/secret.h"

#define MS 1000000u /* nanoseconds */
enum { PLACES = 64, PATIENCE_MS = 3000, RATE = 400, BURST = 200, LINES_MAX = 200, BACKLOG = 512 };

struct visitor {
	struct listener *listener;
	uv_tcp_t tcp;
	int is_open; /* the handle is in the loop */
	uint64_t since_ns;
	struct lsb_door door;
	char peer[80];
};

struct listener {
	struct running *launch;
	uv_tcp_t tcp;
	int is_open;
	uint8_t secret[LSB_SECRET_BYTES];
	char addresses[LSB_ADDRESSES_MAX * (LSB_ADDRESS_TEXT + 10)];
	struct visitor visitors[PLACES];
	double credit; /* visitors that may come in now */
	uint64_t credited_ns;
	uint64_t n_refused, n_turned_away, n_lines;
};

static char *log_path(const struct running *l)
{
	return lsb_format("%s.control.log", l->what->log_prefix);
}

/* A line about a visitor; nobody can fill the disk with them. */
__attribute__((format(printf, 2, 3))) static void note(struct listener *s, const char *format, ...)
{
	char *path = s->n_lines < LINES_MAX ? log_path(s->launch) : NULL;
	FILE *log = path ? fopen(path, "ae") : NULL;
	va_list args;

	if (log) {
		va_start(args, format);
		(void)vfprintf(log, format, args);
		va_end(args);
		(void)fputs(++s->n_lines == LINES_MAX ? "\n(no more of these)\n" : "\n", log);
		(void)fclose(log);
	}
	free(path);
}

static void on_visitor_closed(uv_handle_t *handle)
{
	struct visitor *v = handle->data;

	v->is_open = 0;
}

static void dismiss(struct visitor *v, const char *why)
{
	if (uv_is_closing((uv_handle_t *)&v->tcp))
		return;
	if (why) {
		v->listener->n_refused++;
		note(v->listener, "%s: %s", v->peer, why);
	}
	sodium_memzero(&v->door, sizeof(v->door));
	uv_close((uv_handle_t *)&v->tcp, on_visitor_closed);
}

/* The visitor is a rank of this launch; its channel moves to the rank. */
static void let_in(struct visitor *v)
{
	struct listener *s = v->listener;
	struct running *l = s->launch;
	const struct lsb_knock *who = &v->door.visitor;
	struct lsb_error err = { 0 };
	uv_os_fd_t fd;
	int own = -1;

	if (who->size != l->n || who->rank >= l->n) {
		cause_note(l, NULL, CAUSE_STATEMENT, LSB_EPEER, LOG_LAUNCHER,
			   "%s has started a world of %d ranks (rank %d came from %s), and %d were asked for",
			   l->launcher->name, who->size, who->rank, v->peer, l->n);
		launch_end(l, ENDING_FAILED);
		dismiss(v, "a rank of another world");
		return;
	}
	if (l->ranks[who->rank].pipe_open) {
		cause_note(l, &l->ranks[who->rank], CAUSE_STATEMENT, LSB_EPEER, LOG_LAUNCHER,
			   "%s has started rank %d twice (again from %s)", l->launcher->name, who->rank,
			   v->peer);
		launch_end(l, ENDING_FAILED);
		dismiss(v, "a rank that is here already");
		return;
	}
	if (uv_fileno((uv_handle_t *)&v->tcp, &fd) == 0)
		own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		(void)lsb_fail(&err, LSB_EIO, errno, "cannot keep the channel of rank %d: %s", who->rank,
			       strerror(errno));
	else
		(void)rank_attach(&l->ranks[who->rank], own, &err);
	if (err.code) {
		cause_note(l, &l->ranks[who->rank], CAUSE_STATEMENT, err.code, LOG_NONE, "%s", err.msg);
		launch_end(l, ENDING_FAILED);
	}
	dismiss(v, NULL);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	static char room[LSB_KNOCK_BYTES]; /* one thread, and each read is taken at once */
	const struct visitor *v = handle->data;
	const size_t wants = lsb_door_wants(&v->door);

	(void)suggested;
	*buf = uv_buf_init(room, (unsigned)(wants < sizeof(room) ? wants : sizeof(room)));
}

static void on_heard(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct visitor *v = stream->data;
	uint8_t out[LSB_ANSWER_BYTES];
	size_t out_bytes;
	const char *why = NULL;
	enum lsb_door_says says;
	uv_buf_t answer;

	if (n < 0) {
		dismiss(v, v->door.have || v->door.is_answered ? "it left in the middle of the handshake"
							       : "it left without a word");
		return;
	}
	if (n == 0 || uv_is_closing((uv_handle_t *)stream))
		return;
	says = lsb_door_hear(&v->door, (const uint8_t *)buf->base, (size_t)n, out, &out_bytes, &why);
	if (says == LSB_DOOR_REFUSES) {
		dismiss(v, why);
		return;
	}
	answer = uv_buf_init((char *)out, (unsigned)out_bytes);
	/* a few bytes into an empty socket: they fit, or something is wrong */
	if (out_bytes && uv_try_write(stream, &answer, 1) != (int)out_bytes) {
		dismiss(v, "it takes no answer");
		return;
	}
	if (says == LSB_DOOR_OPENS) {
		(void)uv_read_stop(stream);
		let_in(v);
	}
}

static void name_peer(struct visitor *v)
{
	struct sockaddr_storage from;
	char address[LSB_ADDRESS_TEXT] = "?";
	int bytes = sizeof(from), port = 0;

	if (uv_tcp_getpeername(&v->tcp, (struct sockaddr *)&from, &bytes) == 0) {
		const int is_v6 = from.ss_family == AF_INET6;
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&from;
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&from;

		(void)uv_inet_ntop(from.ss_family,
				   is_v6 ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr,
				   address, sizeof(address));
		port = ntohs(is_v6 ? v6->sin6_port : v4->sin_port);
	}
	(void)snprintf(v->peer, sizeof(v->peer), "%s port %d", address, port);
}

/* A free place, or that of the visitor who has waited longest, once it is free. */
static struct visitor *find_place(struct listener *s)
{
	struct visitor *oldest = NULL;

	for (size_t i = 0; i < PLACES; i++) {
		struct visitor *v = &s->visitors[i];

		if (!v->is_open)
			return v;
		if (!uv_is_closing((uv_handle_t *)&v->tcp) && (!oldest || v->since_ns < oldest->since_ns))
			oldest = v;
	}
	if (oldest)
		dismiss(oldest, "it said nothing, and others were waiting");
	return NULL;
}

static int has_credit(struct listener *s, uint64_t now)
{
	s->credit += (double)(now - s->credited_ns) * 1e-9 * RATE;
	s->credited_ns = now;
	if (s->credit > BURST)
		s->credit = BURST;
	if (s->credit < 1)
		return 0;
	s->credit -= 1;
	return 1;
}

static void on_turned_away(uv_handle_t *handle)
{
	free(handle);
}

/* Accept only to close. */
static void turn_away(struct listener *s)
{
	uv_tcp_t *nobody = malloc(sizeof(*nobody));

	s->n_turned_away++;
	if (!nobody)
		return;
	if (uv_tcp_init(&s->launch->controller->loop, nobody)) {
		free(nobody);
		return;
	}
	(void)uv_accept((uv_stream_t *)&s->tcp, (uv_stream_t *)nobody);
	uv_close((uv_handle_t *)nobody, on_turned_away);
}

static void on_visit(uv_stream_t *server, int status)
{
	struct listener *s = server->data;
	const uint64_t now = lsb_now_ns();
	uint8_t challenge[LSB_CHALLENGE_BYTES];
	struct visitor *v;

	if (status < 0)
		return;
	v = has_credit(s, now) ? find_place(s) : NULL;
	if (!v || uv_tcp_init(&s->launch->controller->loop, &v->tcp)) {
		turn_away(s);
		return;
	}
	v->is_open = 1;
	v->tcp.data = v;
	v->listener = s;
	v->since_ns = now;
	(void)snprintf(v->peer, sizeof(v->peer), "?");
	randombytes_buf(challenge, sizeof(challenge));
	lsb_door_close(&v->door, s->secret, challenge);
	if (uv_accept(server, (uv_stream_t *)&v->tcp)) {
		dismiss(v, NULL);
		return;
	}
	name_peer(v);
	(void)uv_tcp_nodelay(&v->tcp, 1);
	(void)uv_tcp_keepalive(&v->tcp, 1, 5);
	if (uv_read_start((uv_stream_t *)&v->tcp, on_alloc, on_heard))
		dismiss(v, NULL);
}

/* --- opening and closing --- */

static int bind_to(struct listener *s, const char *address, struct lsb_error *err)
{
	struct sockaddr_storage at;
	int bytes = sizeof(at), rc;

	if (uv_ip4_addr(address, 0, (struct sockaddr_in *)&at) &&
	    uv_ip6_addr(address, 0, (struct sockaddr_in6 *)&at))
		return lsb_fail(err, LSB_EINVAL, 0, "'%s' is no address", address);
	rc = uv_tcp_init(&s->launch->controller->loop, &s->tcp);
	if (rc == 0) {
		s->is_open = 1;
		s->tcp.data = s;
		rc = uv_tcp_bind(&s->tcp, (struct sockaddr *)&at, 0);
	}
	if (rc == 0)
		rc = uv_listen((uv_stream_t *)&s->tcp, BACKLOG, on_visit);
	if (rc == 0)
		rc = uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&at, &bytes);
	if (rc)
		return lsb_fail(err, LSB_EIO, -rc, "cannot listen for ranks at '%s': %s", address,
				uv_strerror(rc));
	return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&at)->sin6_port
					      : ((struct sockaddr_in *)(void *)&at)->sin_port);
}

/* Where nodes can reach this process, and listen there. */
static int open_door(struct listener *s, const char *control_address, int is_remote, struct lsb_error *err)
{
	char found[LSB_ADDRESSES_MAX][LSB_ADDRESS_TEXT] = { "127.0.0.1" };
	size_t n = 1, used = 0;
	int port, rc = LSB_OK;

	if (control_address || is_remote)
		rc = lsb_addresses_find(control_address, found, &n, err);
	if (rc)
		return rc;
	port = bind_to(s, n == 1 ? found[0] : lsb_address_any(), err);
	if (port < 0)
		return port;
	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(s->addresses + used, sizeof(s->addresses) - used,
					 strchr(found[i], ':') ? "%s[%s]:%d" : "%s%s:%d", i ? "," : "",
					 found[i], port);
	return LSB_OK;
}

int listener_open(struct running *l, int is_remote, char variable[LSB_SECRET_VARIABLE_BYTES],
		  struct lsb_error *err)
{
	const struct lsb_site *site = l->what->site;
	struct listener *s = calloc(1, sizeof(*s));
	char *path = log_path(l);
	int rc = LSB_OK;

	if (path)
		(void)unlink(path); /* of an abandoned launch of the same number */
	free(path);
	*variable = '\0';
	if (!s)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to listen for ranks");
	s->launch = l;
	s->credit = BURST;
	s->credited_ns = lsb_now_ns();
	l->listener = s;
	if (site && site->token_file)
		rc = lsb_secret_read(site->token_file, s->secret, err);
	else
		lsb_secret_make(s->secret, variable);
	return rc ? rc : open_door(s, site ? site->control_address : NULL, is_remote, err);
}

const char *listener_addresses(const struct running *l)
{
	return l->listener ? l->listener->addresses : "";
}

void listener_tick(struct running *l, uint64_t now)
{
	struct listener *s = l->listener;

	for (size_t i = 0; s && i < PLACES; i++)
		if (s->visitors[i].is_open && now - s->visitors[i].since_ns > PATIENCE_MS * (uint64_t)MS)
			dismiss(&s->visitors[i], "it did not prove itself within 3 s");
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct listener *s = handle->data;

	s->is_open = 0;
}

void listener_close(struct running *l)
{
	struct listener *s = l->listener;

	if (!s)
		return;
	for (size_t i = 0; i < PLACES; i++)
		if (s->visitors[i].is_open)
			dismiss(&s->visitors[i], NULL);
	if (!s->is_open || uv_is_closing((uv_handle_t *)&s->tcp))
		return;
	if (s->n_turned_away)
		note(s, "%llu visitors were turned away at once: more than %d a second",
		     (unsigned long long)s->n_turned_away, RATE);
	uv_close((uv_handle_t *)&s->tcp, on_listener_closed);
}

int listener_is_closed(const struct running *l)
{
	const struct listener *s = l->listener;
	int open = s && s->is_open;

	for (size_t i = 0; s && i < PLACES; i++)
		open |= s->visitors[i].is_open;
	return !open;
}

void listener_free(struct running *l)
{
	if (l->listener)
		sodium_memzero(l->listener->secret, sizeof(l->listener->secret));
	free(l->listener);
	l->listener = NULL;
}
