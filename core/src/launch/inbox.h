/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames out of a byte stream that comes in pieces of any size. Allocates for
 * one payload at a time, and only after its header was checked.
 */
#ifndef LSB_INBOX_H
#define LSB_INBOX_H

#include "wire/frame.h"

/* Zero-initialise; lsb_inbox_free when done. */
struct lsb_inbox {
	uint8_t header[LSB_FRAME_HEADER_BYTES];
	size_t header_bytes;	       /* of `header` that have come */
	struct lsb_frame_header frame; /* valid once the header is whole */
	char *payload;		       /* [frame.length + 1], owned; NULL while the header comes */
	size_t payload_bytes;	       /* of `payload` that have come */
	uint32_t received;	       /* frames so far */
};

/* Takes one whole frame; `payload` has a NUL behind it and lives for the call. Returns 0 to go on. */
struct lsb_inbox_taker {
	int (*take)(void *user, enum lsb_frame_type type, const char *payload, size_t length,
		    struct lsb_error *err);
	void *user;
};

/*
 * Add `n` bytes and deliver what became whole. LSB_EPEER for a bad header,
 * LSB_ENOMEM, or what the taker returned; after any of them the stream is lost.
 */
int lsb_inbox_feed(struct lsb_inbox *in, const void *bytes, size_t n, const struct lsb_inbox_taker *taker,
		   struct lsb_error *err);
void lsb_inbox_free(struct lsb_inbox *in);

#endif
