/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything transport-tcp puts on a wire or in an address, as bytes. Pure:
 * no sockets, no memory of its own. All integers are little-endian.
 *
 * A message is a 16-byte header and its payload:
 *
 *	magic "LSBM" | tag u16 | zero u16 | payload bytes u64
 *
 * Tags above LSB_TAG_MAX are the transport's own and carry no payload. A new
 * connection first proves both ends' knowledge of the launch's nonce (128 bit,
 * never sent), with keyed BLAKE2b over who speaks, who both are and two fresh
 * challenges; each end reads a fixed number of bytes and no more until then:
 *
 *	dialler -> listener	HELLO	magic "LSBT", version, from, to, challenge[16]
 *	listener -> dialler	REPLY	challenge[16], proof[32]
 *	dialler -> listener	PROOF	proof[32]
 *	listener -> dialler	WELCOME	magic "LSBW"
 */
#ifndef LSB_TCP_CODEC_H
#define LSB_TCP_CODEC_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lsbench/types.h"

enum {
	TCP_HEADER_BYTES = 16,
	TCP_NONCE_BYTES = 16,
	TCP_CHALLENGE_BYTES = 16,
	TCP_PROOF_BYTES = 32,
	TCP_HELLO_BYTES = 16 + TCP_CHALLENGE_BYTES,
	TCP_REPLY_BYTES = TCP_CHALLENGE_BYTES + TCP_PROOF_BYTES,
	TCP_WELCOME_BYTES = 4,
	TCP_ENDPOINTS_MAX = 16, /* addresses one rank may be reached at */
};

/* The transport's own tags. */
enum { TCP_TAG_BARRIER = 0xffff, TCP_TAG_GOODBYE = 0xfffe };

struct tcp_header {
	uint32_t tag;
	uint64_t bytes;
};

void tcp_header_format(const struct tcp_header *h, uint8_t to[TCP_HEADER_BYTES]);
/* 0, or LSB_EPROTO for what no honest peer sends. */
int tcp_header_parse(const uint8_t from[TCP_HEADER_BYTES], uint32_t max_tag, uint64_t max_bytes,
		     struct tcp_header *out);

/* A rank's address: up to TCP_ENDPOINTS_MAX of IPv4 or IPv6 address and port. */
struct tcp_address {
	size_t n;
	struct sockaddr_storage endpoint[TCP_ENDPOINTS_MAX];
};

/* Bytes written, at most LSB_ADDRESS_MAX. */
size_t tcp_address_format(const struct tcp_address *a, uint8_t *to);
int tcp_address_parse(const void *from, size_t bytes, struct tcp_address *out);
socklen_t tcp_endpoint_bytes(const struct sockaddr_storage *endpoint);

struct tcp_hello {
	int32_t from, to; /* ranks */
	uint8_t challenge[TCP_CHALLENGE_BYTES];
};

void tcp_hello_format(const struct tcp_hello *h, uint8_t to[TCP_HELLO_BYTES]);
int tcp_hello_parse(const uint8_t from[TCP_HELLO_BYTES], struct tcp_hello *out);
void tcp_welcome_format(uint8_t to[TCP_WELCOME_BYTES]);
int tcp_welcome_parse(const uint8_t from[TCP_WELCOME_BYTES]);

enum tcp_role { TCP_LISTENER = 1, TCP_DIALLER = 2 };

/* What `role` must show after `hello` and the listener's `challenge`. */
void tcp_proof(const uint8_t nonce[TCP_NONCE_BYTES], enum tcp_role role, const uint8_t hello[TCP_HELLO_BYTES],
	       const uint8_t challenge[TCP_CHALLENGE_BYTES], uint8_t proof[TCP_PROOF_BYTES]);
/* Whether two proofs are equal, in constant time. */
int tcp_proof_equal(const uint8_t a[TCP_PROOF_BYTES], const uint8_t b[TCP_PROOF_BYTES]);

#endif
