/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/handshake.h"

#include <sodium.h>
#include <string.h>

#include "lsbench/host.h"
#include "wire/frame.h"

/* Who proves: what one says cannot be thrown back as the other's. */
static const char role_controller[] = "lsbench controller";
static const char role_node[] = "lsbench node";

static void store_le(uint8_t *at, uint32_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t load_le(const uint8_t *at, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint32_t)at[i] << (8 * i);
	return value;
}

static void format_head(uint8_t out[8])
{
	store_le(out, LSB_HANDSHAKE_MAGIC, 4);
	store_le(out + 4, LSB_PROTOCOL, 2);
	store_le(out + 6, 0, 2);
}

static void prove(const uint8_t secret[LSB_SECRET_BYTES], const char *role,
		  const uint8_t knock[LSB_KNOCK_BYTES], const uint8_t challenge[LSB_CHALLENGE_BYTES],
		  uint8_t proof[LSB_PROOF_BYTES])
{
	crypto_generichash_state state;

	(void)crypto_generichash_init(&state, secret, LSB_SECRET_BYTES, LSB_PROOF_BYTES);
	(void)crypto_generichash_update(&state, (const uint8_t *)role, strlen(role) + 1);
	(void)crypto_generichash_update(&state, knock, LSB_KNOCK_BYTES);
	(void)crypto_generichash_update(&state, challenge, LSB_CHALLENGE_BYTES);
	(void)crypto_generichash_final(&state, proof, LSB_PROOF_BYTES);
	sodium_memzero(&state, sizeof(state));
}

/* --- the controller's end --- */

void lsb_door_close(struct lsb_door *d, const uint8_t secret[LSB_SECRET_BYTES],
		    const uint8_t challenge[LSB_CHALLENGE_BYTES])
{
	*d = (struct lsb_door){ .want = LSB_KNOCK_BYTES };
	memcpy(d->secret, secret, sizeof(d->secret));
	memcpy(d->challenge, challenge, sizeof(d->challenge));
}

size_t lsb_door_wants(const struct lsb_door *d)
{
	return d->want - d->have;
}

/* The first bytes already tell whether this can be a node. */
static const char *judge_start(const struct lsb_door *d)
{
	uint8_t magic[4];

	store_le(magic, LSB_HANDSHAKE_MAGIC, 4);
	if (memcmp(d->in, magic, d->have < 4 ? d->have : 4) != 0)
		return "it does not speak the handshake of lsbench";
	if (d->have >= 6 && load_le(d->in + 4, 2) != LSB_PROTOCOL)
		return "it speaks another protocol: is it another version of lsbench?";
	return NULL;
}

static enum lsb_door_says hear_knock(struct lsb_door *d, uint8_t *out, size_t *out_bytes, const char **why)
{
	const uint32_t rank = load_le(d->in + 8, 4), size = load_le(d->in + 12, 4);

	if (size == 0 || size > INT32_MAX || rank >= size) {
		*why = "it is of no possible world of ranks";
		return LSB_DOOR_REFUSES;
	}
	d->visitor.rank = (int32_t)rank;
	d->visitor.size = (int32_t)size;
	memcpy(d->visitor.challenge, d->in + 16, LSB_CHALLENGE_BYTES);
	memcpy(d->knock, d->in, sizeof(d->knock));
	format_head(out);
	memcpy(out + 8, d->challenge, LSB_CHALLENGE_BYTES);
	prove(d->secret, role_controller, d->knock, d->challenge, out + 8 + LSB_CHALLENGE_BYTES);
	*out_bytes = LSB_ANSWER_BYTES;
	d->is_answered = 1;
	d->have = 0;
	d->want = LSB_PROOF_BYTES;
	return LSB_DOOR_SPEAKS;
}

static enum lsb_door_says hear_proof(struct lsb_door *d, uint8_t *out, size_t *out_bytes, const char **why)
{
	uint8_t wanted[LSB_PROOF_BYTES];
	int equal;

	prove(d->secret, role_node, d->knock, d->challenge, wanted);
	equal = sodium_memcmp(wanted, d->in, sizeof(wanted)) == 0;
	sodium_memzero(d->secret, sizeof(d->secret));
	if (!equal) {
		*why = "it does not know the secret of this run";
		return LSB_DOOR_REFUSES;
	}
	format_head(out);
	*out_bytes = LSB_WELCOME_BYTES;
	return LSB_DOOR_OPENS;
}

enum lsb_door_says lsb_door_hear(struct lsb_door *d, const uint8_t *bytes, size_t n,
				 uint8_t out[LSB_ANSWER_BYTES], size_t *out_bytes, const char **why)
{
	*out_bytes = 0;
	*why = NULL;
	if (n > lsb_door_wants(d)) {
		*why = "it says more than it was asked";
		return LSB_DOOR_REFUSES;
	}
	memcpy(d->in + d->have, bytes, n);
	d->have += n;
	if (!d->is_answered && (*why = judge_start(d)))
		return LSB_DOOR_REFUSES;
	if (d->have < d->want)
		return LSB_DOOR_WAITS;
	return d->is_answered ? hear_proof(d, out, out_bytes, why) : hear_knock(d, out, out_bytes, why);
}

/* --- the node's end --- */

void lsb_knock_format(const struct lsb_knock *k, uint8_t out[LSB_KNOCK_BYTES])
{
	format_head(out);
	store_le(out + 8, (uint32_t)k->rank, 4);
	store_le(out + 12, (uint32_t)k->size, 4);
	memcpy(out + 16, k->challenge, LSB_CHALLENGE_BYTES);
}

static int check_head(const uint8_t head[8], struct lsb_error *err)
{
	const uint32_t magic = load_le(head, 4), protocol = load_le(head + 4, 2);

	if (magic != LSB_HANDSHAKE_MAGIC)
		return lsb_fail(err, LSB_EPEER, 0, "what answers there is not lsbench");
	if (protocol != LSB_PROTOCOL)
		return lsb_fail(err, LSB_EPEER, 0,
				"the controller speaks protocol %u, this lsbench %d: use one version "
				"everywhere",
				protocol, LSB_PROTOCOL);
	return LSB_OK;
}

int lsb_knock_prove(const uint8_t secret[LSB_SECRET_BYTES], const uint8_t knock[LSB_KNOCK_BYTES],
		    const uint8_t answer[LSB_ANSWER_BYTES], uint8_t proof[LSB_PROOF_BYTES],
		    struct lsb_error *err)
{
	const uint8_t *challenge = answer + 8;
	uint8_t wanted[LSB_PROOF_BYTES];
	const int rc = check_head(answer, err);

	if (rc)
		return rc;
	prove(secret, role_controller, knock, challenge, wanted);
	if (sodium_memcmp(wanted, challenge + LSB_CHALLENGE_BYTES, sizeof(wanted)) != 0)
		return lsb_fail(err, LSB_EPEER, 0,
				"what answers there does not know the secret of this run: is it of another "
				"one?");
	prove(secret, role_node, knock, challenge, proof);
	return LSB_OK;
}

int lsb_welcome_check(const uint8_t welcome[LSB_WELCOME_BYTES], struct lsb_error *err)
{
	return check_head(welcome, err);
}
