/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/inbox.h"

#include <stdlib.h>
#include <string.h>

#include "lsbench/host.h"

static size_t take(uint8_t *to, size_t have, size_t want, const uint8_t *from, size_t n)
{
	const size_t part = n < want - have ? n : want - have;

	if (part)
		memcpy(to + have, from, part);
	return part;
}

/* The header is whole: check it and make room for its payload. */
static int begin_payload(struct lsb_inbox *in, struct lsb_error *err)
{
	const int rc = lsb_frame_parse(in->header, in->received, &in->frame, err);

	if (rc)
		return rc;
	in->payload = malloc((size_t)in->frame.length + 1);
	in->payload_bytes = 0;
	return in->payload
		       ? LSB_OK
		       : lsb_fail(err, LSB_ENOMEM, 0, "no memory for a frame of %u bytes", in->frame.length);
}

/* The payload is whole: hand it over and begin the next frame. */
static int end_payload(struct lsb_inbox *in, const struct lsb_inbox_taker *taker, struct lsb_error *err)
{
	char *payload = in->payload;
	int rc;

	payload[in->frame.length] = '\0';
	in->payload = NULL;
	in->header_bytes = 0;
	in->received++;
	rc = taker->take(taker->user, (enum lsb_frame_type)in->frame.type, payload, in->frame.length, err);
	free(payload);
	return rc;
}

int lsb_inbox_feed(struct lsb_inbox *in, const void *bytes, size_t n, const struct lsb_inbox_taker *taker,
		   struct lsb_error *err)
{
	const uint8_t *at = bytes;
	int rc = LSB_OK;

	while (n && rc == LSB_OK) {
		size_t part;

		if (!in->payload) {
			part = take(in->header, in->header_bytes, sizeof(in->header), at, n);
			in->header_bytes += part;
			if (in->header_bytes == sizeof(in->header))
				rc = begin_payload(in, err);
		} else {
			part = take((uint8_t *)in->payload, in->payload_bytes, in->frame.length, at, n);
			in->payload_bytes += part;
		}
		at += part;
		n -= part;
		if (rc == LSB_OK && in->payload && in->payload_bytes == in->frame.length)
			rc = end_payload(in, taker, err);
	}
	return rc;
}

void lsb_inbox_free(struct lsb_inbox *in)
{
	free(in->payload);
	memset(in, 0, sizeof(*in));
}
