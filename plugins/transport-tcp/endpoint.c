/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening socket and the addresses that peers may reach it at: the one it
 * is bound to or, when bound to all, those of this machine's interfaces.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tcp.h"

void tcp_endpoint_name(const struct sockaddr_storage *endpoint, char *to, size_t bytes)
{
	char host[64] = "?", port[8] = "?";

	getnameinfo((const struct sockaddr *)endpoint, tcp_endpoint_bytes(endpoint), host, sizeof(host), port,
		    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(to, bytes, endpoint->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

void tcp_tune(int fd, const struct tcp_options *options)
{
	const int on = 1, idle_s = 5, interval_s = 2, probes = 5;
	const int nodelay = (int)options->nodelay;
	const int bytes = (int)options->buffer_bytes;
	const struct timeval slice = { .tv_usec = TCP_SLICE_NS / 1000 };

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof(nodelay));
	/* A host that has vanished is noticed on an idle link too. */
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof(slice));
	if (bytes > 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	}
}

static int is_wildcard(const struct sockaddr_storage *endpoint)
{
	if (endpoint->ss_family == AF_INET)
		return ((const struct sockaddr_in *)endpoint)->sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)endpoint)->sin6_addr);
}

/* Whether a peer on another machine can use `a`; link-local IPv6 needs a scope that means nothing there. */
static int is_reachable(const struct ifaddrs *a, int family)
{
	if (!a->ifa_addr || !(a->ifa_flags & IFF_UP) || (a->ifa_flags & IFF_LOOPBACK))
		return 0;
	if (a->ifa_addr->sa_family == AF_INET)
		return 1;
	return family == AF_INET6 && a->ifa_addr->sa_family == AF_INET6 &&
	       !IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)(const void *)a->ifa_addr)->sin6_addr);
}

/* Replace the wildcard in `out` by the addresses of the interfaces, all with its port. */
static int name_interfaces(struct tcp_address *out, struct lsb_error *err)
{
	const struct sockaddr_storage bound = out->endpoint[0];
	const in_port_t port = bound.ss_family == AF_INET
				       ? ((const struct sockaddr_in *)(const void *)&bound)->sin_port
				       : ((const struct sockaddr_in6 *)(const void *)&bound)->sin6_port;
	struct ifaddrs *all;

	if (getifaddrs(&all))
		return lsb_fail(err, LSB_EIO, errno, "cannot list network interfaces: %s", strerror(errno));
	out->n = 0;
	for (const struct ifaddrs *a = all; a && out->n < TCP_ENDPOINTS_MAX; a = a->ifa_next) {
		struct sockaddr_storage *to = &out->endpoint[out->n];

		if (!is_reachable(a, bound.ss_family))
			continue;
		memset(to, 0, sizeof(*to));
		if (a->ifa_addr->sa_family == AF_INET) {
			memcpy(to, a->ifa_addr, sizeof(struct sockaddr_in));
			((struct sockaddr_in *)(void *)to)->sin_port = port;
		} else {
			memcpy(to, a->ifa_addr, sizeof(struct sockaddr_in6));
			((struct sockaddr_in6 *)(void *)to)->sin6_port = port;
		}
		out->n++;
	}
	freeifaddrs(all);
	if (out->n == 0)
		return lsb_fail(
			err, LSB_EUNAVAIL, 0,
			"no network interface but loopback is up: name an address of this machine instead");
	return LSB_OK;
}

static int listen_at(struct lsb_transport *t, const struct addrinfo *at)
{
	const int bytes = (int)t->options->buffer_bytes;
	const int on = 1, off = 0;
	const int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int saved;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (at->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bytes > 0) /* before listen: the window scale is fixed by the first packet */
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int tcp_listen(struct lsb_transport *t, struct lsb_error *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	const char *name = t->world->bind_address;
	socklen_t bytes = sizeof(t->address.endpoint[0]);
	struct addrinfo *found = NULL;
	const int rc = getaddrinfo(name, "0", &hints, &found);

	if (rc)
		return lsb_fail(err, LSB_EINVAL, 0, "cannot listen at '%s': %s", name, gai_strerror(rc));
	errno = EADDRNOTAVAIL;
	for (const struct addrinfo *at = found; at && t->listener < 0; at = at->ai_next)
		t->listener = listen_at(t, at);
	freeaddrinfo(found);
	if (t->listener < 0)
		return lsb_fail(err, LSB_EIO, errno,
				"cannot listen at '%s': %s (is it an address of this machine?)", name,
				strerror(errno));
	if (getsockname(t->listener, (struct sockaddr *)&t->address.endpoint[0], &bytes))
		return lsb_fail(err, LSB_EIO, errno, "cannot read the address of '%s': %s", name,
				strerror(errno));
	t->address.n = 1;
	return is_wildcard(&t->address.endpoint[0]) ? name_interfaces(&t->address, err) : LSB_OK;
}
