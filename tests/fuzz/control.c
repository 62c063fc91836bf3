/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control channel as a stranger can reach it: the controller's door before
 * the proof, the node's view of what answers, and frames in pieces behind it.
 *
 * Input: a byte that chooses how it is cut, then the stream. Without the secret
 * no stream may open the door; with it (the proof is put in for the input) what
 * follows goes to the frame reader, whose allocations are bounded by the header.
 */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "launch/inbox.h"
#include "lsbench/types.h"
#include "wire/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t secret[LSB_SECRET_BYTES] = { 0x5e, 0xc7, 0xe7 };
static const uint8_t challenge[LSB_CHALLENGE_BYTES] = { 0xc4 };

static void expect(int ok)
{
	if (!ok)
		abort();
}

/* Offer `size` bytes to a door in pieces; what it said last. */
static enum lsb_door_says offer(struct lsb_door *d, const uint8_t *data, size_t size, size_t piece,
				uint8_t out[LSB_ANSWER_BYTES])
{
	enum lsb_door_says says = LSB_DOOR_WAITS;

	while (size && says != LSB_DOOR_REFUSES && says != LSB_DOOR_OPENS) {
		const size_t wants = lsb_door_wants(d);
		size_t n = piece < size ? piece : size, out_bytes = 0;
		const char *why = NULL;

		expect(wants > 0 && wants <= LSB_KNOCK_BYTES);
		n = n < wants ? n : wants;
		says = lsb_door_hear(d, data, n, out, &out_bytes, &why);
		expect(out_bytes <= LSB_ANSWER_BYTES);
		expect((says == LSB_DOOR_REFUSES) == (why != NULL));
		expect(says != LSB_DOOR_REFUSES || out_bytes == 0);
		data += n;
		size -= n;
	}
	return says;
}

static int take(void *user, enum lsb_frame_type type, const char *payload, size_t length,
		struct lsb_error *err)
{
	size_t *frames = user;

	(void)err;
	expect(length <= lsb_frame_limit(type));
	expect(payload[length] == '\0');
	(*frames)++;
	return LSB_OK;
}

static void read_frames(const uint8_t *data, size_t size, size_t piece)
{
	size_t frames = 0;
	const struct lsb_inbox_taker taker = { take, &frames };
	struct lsb_inbox inbox = { 0 };
	struct lsb_error err = { 0 };
	int rc = LSB_OK;

	while (size && rc == LSB_OK) {
		const size_t n = piece < size ? piece : size;

		rc = lsb_inbox_feed(&inbox, data, n, &taker, &err);
		data += n;
		size -= n;
	}
	expect(frames == inbox.received);
	lsb_inbox_free(&inbox);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[LSB_ANSWER_BYTES], proof[LSB_PROOF_BYTES];
	const size_t piece = size ? 1 + data[0] % 97 : 1;
	struct lsb_door d;

	if (size < 1 || sodium_init() < 0)
		return 0;
	data++;
	size--;
	lsb_door_close(&d, secret, challenge);
	expect(offer(&d, data, size, piece, out) != LSB_DOOR_OPENS);

	/* the node's end: what answers its knock is the input */
	if (size >= LSB_ANSWER_BYTES) {
		const struct lsb_knock who = { .rank = 1, .size = 2 };
		uint8_t knock[LSB_KNOCK_BYTES];

		lsb_knock_format(&who, knock);
		expect(lsb_knock_prove(secret, knock, data, proof, NULL) != LSB_OK);
		(void)lsb_welcome_check(data, NULL);
	}
	/* a knock that is one, answered with the right proof, and frames behind */
	lsb_door_close(&d, secret, challenge);
	if (size > LSB_KNOCK_BYTES && offer(&d, data, LSB_KNOCK_BYTES, piece, out) == LSB_DOOR_SPEAKS) {
		expect(lsb_knock_prove(secret, data, out, proof, NULL) == LSB_OK);
		expect(offer(&d, proof, sizeof(proof), piece, out) == LSB_DOOR_OPENS);
		read_frames(data + LSB_KNOCK_BYTES, size - LSB_KNOCK_BYTES, piece);
	} else {
		read_frames(data, size, piece);
	}
	return 0;
}
