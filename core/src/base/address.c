/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"

/* Bytes of an IPv4 or IPv6 address; NULL for another family. */
static const uint8_t *address_bytes(const struct sockaddr *a, size_t *n)
{
	if (a && a->sa_family == AF_INET) {
		*n = 4;
		return (const uint8_t *)&((const struct sockaddr_in *)(const void *)a)->sin_addr;
	}
	if (a && a->sa_family == AF_INET6) {
		*n = 16;
		return (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
	}
	return NULL;
}

/* "10.1.0.0/16" to bytes and length. */
static int parse_network(const char *text, uint8_t bytes[16], size_t *n, unsigned *bits)
{
	const char *slash = strchr(text, '/');
	char address[LSB_ADDRESS_TEXT];
	int64_t length;

	if (!slash || (size_t)(slash - text) >= sizeof(address) || lsb_parse_int(slash + 1, &length, NULL))
		return 0;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	*n = inet_pton(AF_INET, address, bytes) == 1 ? 4 : inet_pton(AF_INET6, address, bytes) == 1 ? 16 : 0;
	*bits = (unsigned)length;
	return *n && length >= 0 && length <= (int64_t)*n * 8;
}

static int in_network(const uint8_t *address, const uint8_t *network, unsigned bits)
{
	const unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(address, network, whole) != 0)
		return 0;
	return !rest || ((address[whole] ^ network[whole]) >> (8 - rest)) == 0;
}

static int is_link_local(const uint8_t *a, size_t n)
{
	return n == 16 && a[0] == 0xfe && (a[1] & 0xc0) == 0x80;
}

static void add(const struct sockaddr *a, char out[LSB_ADDRESSES_MAX][LSB_ADDRESS_TEXT], size_t *n)
{
	size_t bytes;
	const uint8_t *at = address_bytes(a, &bytes);
	char text[LSB_ADDRESS_TEXT];

	if (*n == LSB_ADDRESSES_MAX || !at || !inet_ntop(a->sa_family, at, text, sizeof(text)))
		return;
	for (size_t i = 0; i < *n; i++)
		if (strcmp(out[i], text) == 0)
			return;
	memcpy(out[(*n)++], text, sizeof(text));
}

/* Addresses of interfaces that `what` means (NULL: all others than loopback), IPv4 first. */
static int find_interfaces(const char *what, char out[LSB_ADDRESSES_MAX][LSB_ADDRESS_TEXT], size_t *n,
			   struct lsb_text *all)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct ifaddrs *list;
	uint8_t network[16];
	size_t network_bytes = 0;
	unsigned bits = 0;
	const int is_network = what && parse_network(what, network, &network_bytes, &bits);

	if (getifaddrs(&list))
		return errno;
	for (size_t f = 0; f < LSB_COUNT(families); f++) {
		for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
			char text[LSB_ADDRESS_TEXT];
			size_t bytes;
			const uint8_t *at = address_bytes(i->ifa_addr, &bytes);

			if (!at || i->ifa_addr->sa_family != families[f] || !(i->ifa_flags & IFF_UP) ||
			    is_link_local(at, bytes))
				continue;
			if (inet_ntop(families[f], at, text, sizeof(text)))
				lsb_text_add(all, "%s%s on %s", all->length ? ", " : "", text, i->ifa_name);
			if (is_network ? bytes == network_bytes && in_network(at, network, bits)
			    : what     ? strcmp(what, i->ifa_name) == 0
				       : !(i->ifa_flags & IFF_LOOPBACK))
				add(i->ifa_addr, out, n);
		}
	}
	freeifaddrs(list);
	return 0;
}

static int is_own(const struct sockaddr *a, const struct ifaddrs *list)
{
	size_t n, k;
	const uint8_t *at = address_bytes(a, &n), *other;

	if (!at)
		return 0;
	if ((n == 4 && at[0] == 127) || (n == 16 && IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)at)))
		return 1;
	for (; list; list = list->ifa_next) {
		other = address_bytes(list->ifa_addr, &k);
		if (other && k == n && memcmp(other, at, n) == 0)
			return 1;
	}
	return 0;
}

/* Addresses of a host name or in numbers. */
static struct addrinfo *look_up(const char *name)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;

	return getaddrinfo(name, NULL, &hints, &found) ? NULL : found;
}

int lsb_addresses_find(const char *what, char out[LSB_ADDRESSES_MAX][LSB_ADDRESS_TEXT], size_t *n,
		       struct lsb_error *err)
{
	struct lsb_text all = { 0 };
	int failed, rc = LSB_OK;

	*n = 0;
	failed = find_interfaces(what, out, n, &all);
	if (*n == 0 && what && !failed && !strchr(what, '/')) {
		struct addrinfo *found = look_up(what);
		struct ifaddrs *list = NULL;

		(void)getifaddrs(&list);
		for (const struct addrinfo *at = found; at; at = at->ai_next)
			if (is_own(at->ai_addr, list))
				add(at->ai_addr, out, n);
		if (list)
			freeifaddrs(list);
		if (found)
			freeaddrinfo(found);
	}
	if (failed)
		rc = lsb_fail(err, LSB_EIO, failed, "cannot list network interfaces: %s", strerror(failed));
	else if (*n == 0 && what)
		rc = lsb_fail(err, LSB_EINVAL, 0,
			      "'%s' is no address, network or interface of this machine; it has %s", what,
			      all.data ? all.data : "none");
	else if (*n == 0)
		rc = lsb_fail(err, LSB_EINVAL, 0, "no network interface but loopback is up; there is %s",
			      all.data ? all.data : "none");
	lsb_text_free(&all);
	return rc;
}

const char *lsb_address_any(void)
{
	const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return "0.0.0.0";
	close(fd);
	return "::";
}

int lsb_address_is_here(const char *name)
{
	struct addrinfo *found = look_up(name);
	struct ifaddrs *list = NULL;
	int here = found != NULL;

	(void)getifaddrs(&list);
	for (const struct addrinfo *at = found; at; at = at->ai_next)
		here &= is_own(at->ai_addr, list);
	if (list)
		freeifaddrs(list);
	if (found)
		freeaddrinfo(found);
	return here;
}

int lsb_address_is_loopback(const char *address)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, address, bytes) == 1)
		return bytes[0] == 127;
	return inet_pton(AF_INET6, address, bytes) == 1 &&
	       IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)(const void *)bytes);
}
