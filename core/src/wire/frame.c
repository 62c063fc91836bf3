/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: the header's check, and blocking send and receive for a node. The
 * controller reads the same headers incrementally (launch/inbox.h).
 */
#include "wire/frame.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lsbench/host.h"

/* Largest payloads. A RESULT holds ids and text of all requests of a pipeline; everything else is small. */
static const size_t limits[LSB_FRAME_TYPES] = {
	[LSB_FRAME_HELLO] = 4096,	  [LSB_FRAME_JOB] = 1u << 20, [LSB_FRAME_ADDRESS] = 1u << 17,
	[LSB_FRAME_ADDRESSES] = 1u << 21, [LSB_FRAME_READY] = 1024,   [LSB_FRAME_START] = 1024,
	[LSB_FRAME_HEARTBEAT] = 1024,	  [LSB_FRAME_LOG] = 8192,     [LSB_FRAME_RECORDS] = 1u << 20,
	[LSB_FRAME_RESULT] = 64u << 20,	  [LSB_FRAME_FAILURE] = 4096, [LSB_FRAME_QUIT] = 1024,
	[LSB_FRAME_RAN] = 1024,		  [LSB_FRAME_FINISH] = 1024,  [LSB_FRAME_JOIN] = 1u << 17,
	[LSB_FRAME_ENDED] = 1024,	  [LSB_FRAME_PING] = 1024,
};

size_t lsb_frame_limit(uint32_t type)
{
	return type < LSB_FRAME_TYPES ? limits[type] : 0;
}

static uint32_t load_le(const uint8_t *at, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint32_t)at[i] << (8 * i);
	return value;
}

static void store_le(uint8_t *at, uint32_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

int lsb_frame_parse(const uint8_t bytes[LSB_FRAME_HEADER_BYTES], uint32_t expected_sequence,
		    struct lsb_frame_header *out, struct lsb_error *err)
{
	const struct lsb_frame_header h = {
		.magic = load_le(bytes, 4),
		.type = (uint16_t)load_le(bytes + 4, 2),
		.protocol = (uint16_t)load_le(bytes + 6, 2),
		.length = load_le(bytes + 8, 4),
		.sequence = load_le(bytes + 12, 4),
	};
	const size_t limit = lsb_frame_limit(h.type);

	if (h.magic != LSB_FRAME_MAGIC)
		return lsb_fail(err, LSB_EPEER, 0, "not a frame of lsbench (it begins with 0x%08x)", h.magic);
	if (h.protocol != LSB_PROTOCOL)
		return lsb_fail(err, LSB_EPEER, 0,
				"a frame of protocol %u where this lsbench speaks %d: use one version "
				"everywhere",
				h.protocol, LSB_PROTOCOL);
	if (limit == 0)
		return lsb_fail(err, LSB_EPEER, 0, "a frame of unknown type %u", h.type);
	if (h.length > limit)
		return lsb_fail(err, LSB_EPEER, 0, "a frame of type %u with %u bytes, where %zu is the most",
				h.type, h.length, limit);
	if (h.sequence != expected_sequence)
		return lsb_fail(err, LSB_EPEER, 0, "frame %u where %u was next", h.sequence,
				expected_sequence);
	*out = h;
	return LSB_OK;
}

void lsb_frame_format(uint32_t type, size_t length, uint32_t sequence, uint8_t bytes[LSB_FRAME_HEADER_BYTES])
{
	store_le(bytes, LSB_FRAME_MAGIC, 4);
	store_le(bytes + 4, type, 2);
	store_le(bytes + 6, LSB_PROTOCOL, 2);
	store_le(bytes + 8, (uint32_t)length, 4);
	store_le(bytes + 12, sequence, 4);
}

int lsb_channel_send(struct lsb_channel *c, enum lsb_frame_type type, const void *payload, size_t length,
		     struct lsb_error *err)
{
	uint8_t header[LSB_FRAME_HEADER_BYTES];
	struct iovec parts[2] = { { header, sizeof(header) }, { (void *)(uintptr_t)payload, length } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = length ? 2 : 1 };

	if (length > lsb_frame_limit(type))
		return lsb_fail(err, LSB_EINVAL, 0,
				"a frame of type %d with %zu bytes is too long (%zu is the most)", (int)type,
				length, lsb_frame_limit(type));
	lsb_frame_format(type, length, c->sent, header);
	while (message.msg_iovlen) {
		ssize_t n = sendmsg(c->fd, &message, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return lsb_fail(err, LSB_EPEER, errno, "cannot send on the control channel: %s",
					strerror(errno));
		while (message.msg_iovlen && (size_t)n >= message.msg_iov->iov_len) {
			n -= (ssize_t)message.msg_iov->iov_len;
			message.msg_iov++;
			message.msg_iovlen--;
		}
		if (message.msg_iovlen) {
			message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + n;
			message.msg_iov->iov_len -= (size_t)n;
		}
	}
	c->sent++;
	return LSB_OK;
}

/* Read exactly `n` bytes. */
static int read_whole(int fd, void *to, size_t n, struct lsb_error *err)
{
	char *at = to;

	while (n) {
		const ssize_t got = read(fd, at, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return lsb_fail(err, LSB_EPEER, errno, "cannot read the control channel: %s",
					strerror(errno));
		if (got == 0)
			return lsb_fail(err, LSB_EPEER, 0, "the control channel ended");
		at += got;
		n -= (size_t)got;
	}
	return LSB_OK;
}

/* Wait for a first byte; a signal starts the wait anew. */
static int wait_readable(int fd, int timeout_ms, struct lsb_error *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int rc;

	do
		rc = poll(&p, 1, timeout_ms);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return lsb_fail(err, LSB_EPEER, errno, "cannot wait on the control channel: %s",
				strerror(errno));
	if (rc == 0)
		return lsb_fail(err, LSB_ETIMEDOUT, 0, "nothing came on the control channel for %d ms",
				timeout_ms);
	return LSB_OK;
}

int lsb_channel_receive(struct lsb_channel *c, int timeout_ms, enum lsb_frame_type *type, char **payload,
			size_t *length, struct lsb_error *err)
{
	uint8_t bytes[LSB_FRAME_HEADER_BYTES];
	struct lsb_frame_header header;
	char *data;
	int rc = wait_readable(c->fd, timeout_ms, err);

	if (rc)
		return rc;
	rc = read_whole(c->fd, bytes, sizeof(bytes), err);
	if (rc)
		return rc;
	rc = lsb_frame_parse(bytes, c->received, &header, err);
	if (rc)
		return rc;
	data = malloc((size_t)header.length + 1);
	if (!data)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a frame of %u bytes", header.length);
	rc = read_whole(c->fd, data, header.length, err);
	if (rc) {
		free(data);
		return rc;
	}
	data[header.length] = '\0';
	c->received++;
	*type = (enum lsb_frame_type)header.type;
	*payload = data;
	*length = header.length;
	return LSB_OK;
}

int lsb_quit_is_done(const char *payload, size_t length)
{
	return length == strlen(LSB_QUIT_DONE) && memcmp(payload, LSB_QUIT_DONE, length) == 0;
}
