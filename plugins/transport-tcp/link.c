/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One peer's socket: queued sends out, bytes in, matched to posted receives.
 * Knows nothing of waiting or of other links. Nothing here allocates.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tcp.h"

_Static_assert((int)TCP_HEADER_BYTES <= (int)REQUEST_HEADER_BYTES, "a request has room for its header");

enum { GUESS_DEPTH = 16 }; /* posted receives looked at for a guess */

/* The link is of no use any more: its requests fail, and every barrier; other links go on. */
static int link_lost(struct lsb_transport *t, struct tcp_link *l, int code, int64_t sys, const char *why)
{
	const int others = code == LSB_EINVAL ? LSB_EPEER : code; /* one was too long, not all */

	lsb_fail(&t->ended, code, sys, "the TCP link with rank %d failed: %s", l->peer, why);
	if (t->broken.code == LSB_OK)
		t->broken = t->ended;
	if (l->current)
		request_done(&t->requests, l->current, code);
	l->current = NULL;
	queue_fail(&l->receives, &t->requests, others);
	queue_fail(&l->sends, &t->requests, others);
	l->hung_up = l->lost = 1;
	return -1;
}

/*
 * End of the peer's stream. After a goodbye only the receives still posted for
 * it fail: other links go on, since the ranks of a last barrier leave one by one.
 */
static int link_ended(struct lsb_transport *t, struct tcp_link *l)
{
	if (!l->said_goodbye)
		return link_lost(
			t, l, LSB_EPEER, 0,
			"the connection was closed without a goodbye; the rank has died (see its log)");
	if (l->sends.head || (l->awaiting && l->tokens == 0))
		return link_lost(t, l, LSB_EPEER, 0, "the rank has ended while it was still needed");
	if (l->receives.head)
		lsb_fail(&t->ended, LSB_EPEER, 0,
			 "rank %d has ended while messages from it were still expected", l->peer);
	queue_fail(&l->receives, &t->requests, LSB_EPEER);
	close(l->fd);
	l->fd = -1;
	l->hung_up = 1;
	return 0;
}

int tcp_link_wants_input(const struct tcp_link *l)
{
	return l->fd >= 0 && !l->hung_up && !l->parked && (l->receives.head || l->current || l->awaiting);
}

/* --- out ------------------------------------------------------------------------------ */

/* One system call's worth of `r`: header and payload, from where the last one stopped. */
static ssize_t send_some(const struct tcp_link *l, struct request *r)
{
	const uint64_t header_left = r->moved < TCP_HEADER_BYTES ? TCP_HEADER_BYTES - r->moved : 0;
	const uint64_t sent = r->moved + header_left - TCP_HEADER_BYTES; /* of the payload */
	struct iovec part[2] = {
		{ .iov_base = r->header + TCP_HEADER_BYTES - header_left, .iov_len = header_left },
		{ .iov_base = r->data + sent, .iov_len = r->bytes - sent },
	};
	struct msghdr message = { .msg_iov = part, .msg_iovlen = 2 };
	uint8_t small[TCP_HEADER_BYTES + TCP_SMALL_BYTES];

	if (r->moved > 0 || r->bytes > TCP_SMALL_BYTES)
		return sendmsg(l->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	memcpy(small, r->header, TCP_HEADER_BYTES);
	memcpy(small + TCP_HEADER_BYTES, r->data, r->bytes);
	return send(l->fd, small, TCP_HEADER_BYTES + r->bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int tcp_link_send(struct lsb_transport *t, struct tcp_link *l)
{
	int moved = 0;

	while (l->sends.head) {
		struct request *r = l->sends.head;
		const ssize_t n = send_some(l, r);

		t->counters.system_calls++;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			return moved;
		if (n < 0)
			return link_lost(t, l, LSB_EPEER, errno, strerror(errno));
		moved = 1;
		t->counters.bytes_sent += (uint64_t)n;
		r->moved += (uint64_t)n;
		if (r->moved < TCP_HEADER_BYTES + r->bytes)
			return moved; /* the socket is full */
		queue_take(&l->sends, &l->sends.head);
		if (!r->is_own)
			t->counters.messages_sent++;
		request_done(&t->requests, r, LSB_OK);
	}
	return moved;
}

int tcp_link_send_own(struct lsb_transport *t, struct tcp_link *l, uint32_t tag)
{
	struct request *r = NULL;

	if (request_take(&t->requests, &(struct lsb_buf){ 0 }, tag, &r, NULL))
		return LSB_EINVAL;
	r->is_own = 1;
	tcp_header_format(&(struct tcp_header){ .tag = tag }, r->header);
	queue_push(&l->sends, r);
	return tcp_link_send(t, l) < 0 ? LSB_EPEER : LSB_OK;
}

/* --- in ------------------------------------------------------------------------------- */

static void current_done(struct lsb_transport *t, struct tcp_link *l)
{
	struct request *r = l->current;

	l->current = NULL;
	r->arrived_ns = l->arrived_ns;
	t->counters.messages_received++;
	request_done(&t->requests, r, LSB_OK);
}

/* Make `*at` the receive in progress, for a message of `bytes`. */
static int link_match(struct lsb_transport *t, struct tcp_link *l, struct request **at, uint64_t bytes)
{
	struct request *r = queue_take(&l->receives, at);

	l->current = r;
	if (bytes > r->bytes)
		return link_lost(t, l, LSB_EINVAL, 0, "a message is longer than the receive posted for it");
	r->bytes = bytes;
	r->moved = 0;
	return 0;
}

static int link_parse(struct lsb_transport *t, struct tcp_link *l, const uint8_t *at, struct tcp_header *h)
{
	if (tcp_header_parse(at, t->world->max_tag, t->world->max_message_bytes, h))
		return link_lost(t, l, LSB_EPROTO, 0, "it sent bytes that are no message header");
	return 0;
}

int tcp_link_drain(struct lsb_transport *t, struct tcp_link *l)
{
	for (;;) {
		const size_t staged = l->stage_end - l->stage_at;
		struct tcp_header h;
		struct request **at;

		if (l->current) {
			const uint64_t left = l->current->bytes - l->current->moved;
			const size_t n = staged < left ? staged : (size_t)left;

			if (n)
				memcpy(l->current->data + l->current->moved, l->stage + l->stage_at, n);
			l->current->moved += n;
			l->stage_at += n;
			if (n < left)
				break;
			current_done(t, l);
			continue;
		}
		if (staged < TCP_HEADER_BYTES)
			break;
		if (link_parse(t, l, l->stage + l->stage_at, &h))
			return -1;
		if (h.tag > LSB_TAG_MAX) {
			l->tokens += h.tag == TCP_TAG_BARRIER;
			l->said_goodbye |= h.tag == TCP_TAG_GOODBYE;
			l->stage_at += TCP_HEADER_BYTES;
			continue;
		}
		at = queue_find(&l->receives, h.tag);
		if (!*at) {
			l->parked = 1;
			return 0;
		}
		l->stage_at += TCP_HEADER_BYTES;
		if (link_match(t, l, at, h.bytes))
			return -1;
	}
	if (l->stage_at == l->stage_end) {
		l->stage_at = l->stage_end = 0;
	} else if (l->stage_at > 0) { /* part of a header: room for the rest behind it */
		memmove(l->stage, l->stage + l->stage_at, l->stage_end - l->stage_at);
		l->stage_end -= l->stage_at;
		l->stage_at = 0;
	}
	return 0;
}

/* The posted receive worth reading straight into: the largest, as bulk is what a copy would hurt. */
static struct request **guess_receive(struct tcp_link *l)
{
	struct request **best = NULL;
	struct request **at = &l->receives.head;

	for (int i = 0; i < GUESS_DEPTH && *at; i++, at = &(*at)->next)
		if ((*at)->bytes >= TCP_GUESS_LEAST && (!best || (*at)->bytes > (*best)->bytes))
			best = at;
	return best;
}

/*
 * `got` bytes were read as header, into `*guess`'s buffer (up to `room` bytes)
 * and on into the stage right behind where a copy of those would lie. Where the
 * guess was right they stay; otherwise they are copied to that place.
 */
static int settle_guess(struct lsb_transport *t, struct tcp_link *l, struct request **guess, size_t room,
			size_t got)
{
	struct request *r = *guess;
	const uint8_t *data = r->data;
	size_t in_buffer, in_place = 0;
	struct tcp_header h;

	l->stage_at = 0;
	l->stage_end = got;
	if (got <= TCP_HEADER_BYTES)
		return tcp_link_drain(t, l);
	in_buffer = got - TCP_HEADER_BYTES < room ? got - TCP_HEADER_BYTES : room;
	if (link_parse(t, l, l->stage, &h))
		return -1;
	if (h.tag == r->tag && queue_find(&l->receives, h.tag) == guess) {
		if (link_match(t, l, guess, h.bytes))
			return -1;
		in_place = in_buffer < h.bytes ? in_buffer : (size_t)h.bytes;
		r->moved = in_place;
		l->stage_at = TCP_HEADER_BYTES + in_place;
	}
	memcpy(l->stage + TCP_HEADER_BYTES + in_place, data + in_place, in_buffer - in_place);
	return tcp_link_drain(t, l);
}

/* Note when bytes came: now, if the socket was seen empty just before. */
static void note_arrival(struct lsb_transport *t, struct tcp_link *l, int drained)
{
	const uint64_t now = tcp_now(t);

	l->arrived_ns = l->slept || now - l->empty_ns <= TCP_FRESH_NS ? now : 0;
	l->slept = 0;
	if (drained)
		l->empty_ns = now;
}

/*
 * How much to read beyond a large message. What is read into the stage is copied
 * from there: where another large one is awaited, no more than would save a small
 * message in between a system call of its own.
 */
static size_t room_behind(struct tcp_link *l, size_t room)
{
	return guess_receive(l) && room > TCP_BEHIND_BYTES ? TCP_BEHIND_BYTES : room;
}

int tcp_link_receive(struct lsb_transport *t, struct tcp_link *l, int flags)
{
	struct request *current = l->current;
	struct request **guess = NULL;
	struct iovec part[3];
	struct msghdr message = { .msg_iov = part };
	size_t room = 0, asked = 0;
	ssize_t got;

	if (current) {
		part[0] = (struct iovec){ current->data + current->moved, current->bytes - current->moved };
		part[1] = (struct iovec){ l->stage, room_behind(l, TCP_STAGE_BYTES) };
		message.msg_iovlen = l->receives.head ? 2 : 1; /* the next message, if one is awaited */
	} else if (l->stage_end == 0 && (guess = guess_receive(l)) != NULL) {
		room = (*guess)->bytes < TCP_GUESS_BYTES ? (size_t)(*guess)->bytes : TCP_GUESS_BYTES;
		part[0] = (struct iovec){ l->stage, TCP_HEADER_BYTES };
		part[1] = (struct iovec){ (*guess)->data, room };
		part[2] = (struct iovec){ l->stage + TCP_HEADER_BYTES + room, TCP_BEHIND_BYTES };
		message.msg_iovlen = (*guess)->bytes <= TCP_GUESS_BYTES ? 3 : 2;
	} else {
		part[0] = (struct iovec){ l->stage + l->stage_end, TCP_STAGE_BYTES - l->stage_end };
		message.msg_iovlen = 1;
	}
	for (size_t i = 0; i < message.msg_iovlen; i++)
		asked += part[i].iov_len;
	if (message.msg_iovlen == 1)
		got = recv(l->fd, part[0].iov_base, part[0].iov_len, flags);
	else
		got = recvmsg(l->fd, &message, flags);
	t->counters.system_calls++;
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
		l->empty_ns = flags ? t->now_ns : tcp_now(t);
		l->slept = 0;
		return 0;
	}
	if (got < 0)
		return link_lost(t, l, LSB_EPEER, errno, strerror(errno));
	if (got == 0)
		return link_ended(t, l);
	t->counters.bytes_received += (uint64_t)got;
	note_arrival(t, l, (size_t)got < asked);
	if (guess)
		return settle_guess(t, l, guess, room, (size_t)got) ? -1 : 1;
	if (current) {
		const uint64_t left = current->bytes - current->moved;

		current->moved += (uint64_t)got < left ? (uint64_t)got : left;
		l->stage_end = (uint64_t)got > left ? (size_t)((uint64_t)got - left) : 0;
	} else {
		l->stage_end += (size_t)got;
	}
	return tcp_link_drain(t, l) ? -1 : 1;
}
