/* SPDX-License-Identifier: Apache-2.0 */
#include "codec.h"

#include <sodium.h>
#include <string.h>

#include "lsbench/transport.h"

enum { HANDSHAKE_VERSION = 1, ADDRESS_VERSION = 1, ENDPOINT_BYTES = 20 };

static const uint8_t message_magic[4] = { 'L', 'S', 'B', 'M' };
static const uint8_t hello_magic[4] = { 'L', 'S', 'B', 'T' };
static const uint8_t welcome_magic[4] = { 'L', 'S', 'B', 'W' };

static void put_le(uint8_t *to, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_le(const uint8_t *from, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)from[i] << (8 * i);
	return value;
}

void tcp_header_format(const struct tcp_header *h, uint8_t to[TCP_HEADER_BYTES])
{
	memcpy(to, message_magic, 4);
	put_le(to + 4, h->tag, 2);
	put_le(to + 6, 0, 2);
	put_le(to + 8, h->bytes, 8);
}

int tcp_header_parse(const uint8_t from[TCP_HEADER_BYTES], uint32_t max_tag, uint64_t max_bytes,
		     struct tcp_header *out)
{
	out->tag = (uint32_t)get_le(from + 4, 2);
	out->bytes = get_le(from + 8, 8);
	if (memcmp(from, message_magic, 4) != 0 || get_le(from + 6, 2) != 0)
		return LSB_EPROTO;
	if (out->tag == TCP_TAG_BARRIER || out->tag == TCP_TAG_GOODBYE)
		return out->bytes == 0 ? LSB_OK : LSB_EPROTO;
	return out->tag <= max_tag && out->bytes <= max_bytes ? LSB_OK : LSB_EPROTO;
}

/*
 * version | count | { family 4 or 6 | zero | port, big-endian | address[16] } x count
 */
size_t tcp_address_format(const struct tcp_address *a, uint8_t *to)
{
	uint8_t *at = to + 2;

	to[0] = ADDRESS_VERSION;
	to[1] = (uint8_t)a->n;
	for (size_t i = 0; i < a->n; i++, at += ENDPOINT_BYTES) {
		memset(at, 0, ENDPOINT_BYTES);
		if (a->endpoint[i].ss_family == AF_INET) {
			const struct sockaddr_in *v4 = (const void *)&a->endpoint[i];

			at[0] = 4;
			memcpy(at + 2, &v4->sin_port, 2);
			memcpy(at + 4, &v4->sin_addr, 4);
		} else {
			const struct sockaddr_in6 *v6 = (const void *)&a->endpoint[i];

			at[0] = 6;
			memcpy(at + 2, &v6->sin6_port, 2);
			memcpy(at + 4, &v6->sin6_addr, 16);
		}
	}
	return (size_t)(at - to);
}

int tcp_address_parse(const void *from, size_t bytes, struct tcp_address *out)
{
	const uint8_t *at = from;

	memset(out, 0, sizeof(*out));
	if (bytes < 2 || at[0] != ADDRESS_VERSION || at[1] == 0 || at[1] > TCP_ENDPOINTS_MAX ||
	    bytes != 2 + (size_t)at[1] * ENDPOINT_BYTES)
		return LSB_EPROTO;
	out->n = at[1];
	at += 2;
	for (size_t i = 0; i < out->n; i++, at += ENDPOINT_BYTES) {
		if (at[0] == 4) {
			struct sockaddr_in *v4 = (void *)&out->endpoint[i];

			v4->sin_family = AF_INET;
			memcpy(&v4->sin_port, at + 2, 2);
			memcpy(&v4->sin_addr, at + 4, 4);
		} else if (at[0] == 6) {
			struct sockaddr_in6 *v6 = (void *)&out->endpoint[i];

			v6->sin6_family = AF_INET6;
			memcpy(&v6->sin6_port, at + 2, 2);
			memcpy(&v6->sin6_addr, at + 4, 16);
		} else {
			return LSB_EPROTO;
		}
	}
	return LSB_OK;
}

socklen_t tcp_endpoint_bytes(const struct sockaddr_storage *endpoint)
{
	return endpoint->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

void tcp_hello_format(const struct tcp_hello *h, uint8_t to[TCP_HELLO_BYTES])
{
	memcpy(to, hello_magic, 4);
	put_le(to + 4, HANDSHAKE_VERSION, 4);
	put_le(to + 8, (uint32_t)h->from, 4);
	put_le(to + 12, (uint32_t)h->to, 4);
	memcpy(to + 16, h->challenge, TCP_CHALLENGE_BYTES);
}

int tcp_hello_parse(const uint8_t from[TCP_HELLO_BYTES], struct tcp_hello *out)
{
	out->from = (int32_t)get_le(from + 8, 4);
	out->to = (int32_t)get_le(from + 12, 4);
	memcpy(out->challenge, from + 16, TCP_CHALLENGE_BYTES);
	return memcmp(from, hello_magic, 4) == 0 && get_le(from + 4, 4) == HANDSHAKE_VERSION ? LSB_OK
											     : LSB_EPROTO;
}

void tcp_welcome_format(uint8_t to[TCP_WELCOME_BYTES])
{
	memcpy(to, welcome_magic, TCP_WELCOME_BYTES);
}

int tcp_welcome_parse(const uint8_t from[TCP_WELCOME_BYTES])
{
	return memcmp(from, welcome_magic, TCP_WELCOME_BYTES) == 0 ? LSB_OK : LSB_EPROTO;
}

/* The role inside the hash keeps one end's proof from being reflected as the other's. */
void tcp_proof(const uint8_t nonce[TCP_NONCE_BYTES], enum tcp_role role, const uint8_t hello[TCP_HELLO_BYTES],
	       const uint8_t challenge[TCP_CHALLENGE_BYTES], uint8_t proof[TCP_PROOF_BYTES])
{
	const uint8_t who = (uint8_t)role;
	crypto_generichash_state state;

	_Static_assert(TCP_NONCE_BYTES >= crypto_generichash_KEYBYTES_MIN, "the nonce is the key");
	crypto_generichash_init(&state, nonce, TCP_NONCE_BYTES, TCP_PROOF_BYTES);
	crypto_generichash_update(&state, &who, 1);
	crypto_generichash_update(&state, hello, TCP_HELLO_BYTES);
	crypto_generichash_update(&state, challenge, TCP_CHALLENGE_BYTES);
	crypto_generichash_final(&state, proof, TCP_PROOF_BYTES);
}

int tcp_proof_equal(const uint8_t a[TCP_PROOF_BYTES], const uint8_t b[TCP_PROOF_BYTES])
{
	return sodium_memcmp(a, b, TCP_PROOF_BYTES) == 0;
}
