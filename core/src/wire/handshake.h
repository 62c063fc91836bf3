/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a node that dials the controller and the controller prove to each other
 * that they know the secret of the run, before the first frame.
 *
 *	node -> controller	KNOCK	magic, protocol, rank, size, challenge	 48 bytes
 *	controller -> node	ANSWER	magic, protocol, challenge, proof	 72 bytes
 *	node -> controller	PROOF						 32 bytes
 *	controller -> node	WELCOME	magic, protocol				  8 bytes
 *
 * A proof is BLAKE2b, keyed with the secret, over who proves, the KNOCK and the
 * controller's challenge: it fits no other connection, rank or direction, so
 * recorded or reflected ones prove nothing. All parts are of fixed size, nothing
 * is allocated, and a stranger is told no more than that somebody listens.
 * Proven is not encrypted: what follows can be read on the way. Little-endian.
 */
#ifndef LSB_HANDSHAKE_H
#define LSB_HANDSHAKE_H

#include <stddef.h>
#include <stdint.h>

#include "lsbench/types.h"

#define LSB_HANDSHAKE_MAGIC 0x4842534cu /* "LSBH" */
enum {
	LSB_SECRET_BYTES = 32,
	LSB_CHALLENGE_BYTES = 32,
	LSB_PROOF_BYTES = 32,
	LSB_KNOCK_BYTES = 16 + LSB_CHALLENGE_BYTES,
	LSB_ANSWER_BYTES = 8 + LSB_CHALLENGE_BYTES + LSB_PROOF_BYTES,
	LSB_WELCOME_BYTES = 8,
};

/* What a node says of itself; believed only after its proof. */
struct lsb_knock {
	int32_t rank, size; /* of the world that its launcher has made */
	uint8_t challenge[LSB_CHALLENGE_BYTES];
};

/* --- the controller's end: a state machine without I/O --- */

struct lsb_door {
	uint8_t secret[LSB_SECRET_BYTES];
	uint8_t challenge[LSB_CHALLENGE_BYTES]; /* the controller's; fresh for each visitor */
	uint8_t knock[LSB_KNOCK_BYTES];
	uint8_t in[LSB_KNOCK_BYTES];
	size_t have, want; /* of `in` */
	struct lsb_knock visitor;
	int is_answered;
};

enum lsb_door_says {
	LSB_DOOR_WAITS,	 /* for more bytes */
	LSB_DOOR_SPEAKS, /* send `out`, then go on */
	LSB_DOOR_OPENS,	 /* send `out`: `visitor` is who it says, and frames follow */
	LSB_DOOR_REFUSES /* drop the visitor without a word; *why says it for the log */
};

/* `challenge` must be random. */
void lsb_door_close(struct lsb_door *d, const uint8_t secret[LSB_SECRET_BYTES],
		    const uint8_t challenge[LSB_CHALLENGE_BYTES]);
/* How many more bytes it will look at now; read no more than these. */
size_t lsb_door_wants(const struct lsb_door *d);
/*
 * Hear `n` <= lsb_door_wants bytes. What is to be sent is written to `out`,
 * *out_bytes of it. *why is a constant sentence part.
 */
enum lsb_door_says lsb_door_hear(struct lsb_door *d, const uint8_t *bytes, size_t n,
				 uint8_t out[LSB_ANSWER_BYTES], size_t *out_bytes, const char **why);

/* --- the node's end --- */

void lsb_knock_format(const struct lsb_knock *k, uint8_t out[LSB_KNOCK_BYTES]);
/*
 * Check the controller's answer to `knock` and make the proof for it. LSB_EPEER:
 * it is no controller of this run, or speaks another protocol.
 */
int lsb_knock_prove(const uint8_t secret[LSB_SECRET_BYTES], const uint8_t knock[LSB_KNOCK_BYTES],
		    const uint8_t answer[LSB_ANSWER_BYTES], uint8_t proof[LSB_PROOF_BYTES],
		    struct lsb_error *err);
/* Check the last word before frames. */
int lsb_welcome_check(const uint8_t welcome[LSB_WELCOME_BYTES], struct lsb_error *err);

#endif
