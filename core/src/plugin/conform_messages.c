/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cases of a transport's conformance run, as both ranks go through them.
 * As in a run, each receive is posted before its sender may send; a packet over
 * the socket pair tells.
 */
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "plugin/conform.h"

static int32_t other(const struct lsb_pair *p)
{
	return 1 - p->world.rank;
}

static uint64_t deadline(void)
{
	return lsb_now_ns() + LSB_CONFORM_PATIENCE_NS;
}

static struct lsb_buf view(uint8_t *bytes, size_t n)
{
	return (struct lsb_buf){ .ptr = bytes, .bytes = n, .mem = LSB_MEM_HOST, .device = -1 };
}

static void pattern(uint8_t *bytes, size_t n, uint32_t salt)
{
	uint32_t x = salt * 2654435761u + 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		bytes[i] = (uint8_t)(x >> 24);
	}
}

/* Is `bytes` what `pattern` makes of `salt`? */
static int pattern_holds(const uint8_t *bytes, size_t n, uint32_t salt)
{
	uint32_t x = salt * 2654435761u + 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		if (bytes[i] != (uint8_t)(x >> 24))
			return 0;
	}
	return 1;
}

/* --- telling the other rank when ------------------------------------------- */

static int signal_other(const struct lsb_pair *p, struct lsb_error *err)
{
	return lsb_pair_send(p, "!", 1) ? lsb_fail(err, LSB_EPEER, 0, "the other rank is gone") : LSB_OK;
}

static int await_other(const struct lsb_pair *p, struct lsb_error *err)
{
	char byte;

	if (lsb_pair_signalled(p) && lsb_pair_receive(p, &byte, 1) == 1)
		return LSB_OK;
	return lsb_fail(err, LSB_EPEER, 0, "the other rank failed, is gone or stuck");
}

/* --- the plugin's operations, with their results checked ------------------- */

static int begin_send(const struct lsb_pair *p, uint32_t tag, const struct lsb_buf *b, uint32_t *request,
		      struct lsb_error *err)
{
	*err = (struct lsb_error){ 0 };
	return lsb_plugin_result(p->l, "isend", p->ops->isend(p->t, other(p), tag, b, request, err), err);
}

static int begin_receive(const struct lsb_pair *p, uint32_t tag, const struct lsb_buf *b, uint32_t *request,
			 struct lsb_error *err)
{
	*err = (struct lsb_error){ 0 };
	return lsb_plugin_result(p->l, "irecv", p->ops->irecv(p->t, other(p), tag, b, request, err), err);
}

/* Wait for one request; *done is its completion, whatever its status. */
static int await_request(const struct lsb_pair *p, uint32_t request, struct lsb_completion *done,
			 struct lsb_error *err)
{
	size_t n = 0;
	int rc;

	*err = (struct lsb_error){ 0 };
	rc = lsb_plugin_result(p->l, "wait_any",
			       p->ops->wait_any(p->t, &request, 1, deadline(), done, &n, err), err);
	if (rc == LSB_OK && (n != 1 || done->request != request))
		rc = lsb_fail(err, LSB_EPLUGIN, 0,
			      "wait_any gave %zu completions, the first of request %u, wanted "
			      "request %u",
			      n, done->request, request);
	return rc;
}

/* Wait for one request that must succeed with `bytes` bytes. */
static int await_success(const struct lsb_pair *p, uint32_t request, uint64_t bytes, struct lsb_error *err)
{
	struct lsb_completion done = { 0 };
	const int rc = await_request(p, request, &done, err);

	if (rc)
		return rc;
	if (done.status != LSB_OK || done.bytes != bytes)
		return lsb_fail(err, LSB_EPLUGIN, 0,
				"a message of %llu bytes ended with status %d and %llu bytes",
				(unsigned long long)bytes, done.status, (unsigned long long)done.bytes);
	return LSB_OK;
}

/* --- cases ----------------------------------------------------------------- */

static int case_open(struct lsb_pair *p, struct lsb_error *err)
{
	lsb_answer_doing(p->to, p->l->path, "open");
	return lsb_plugin_result(p->l, "open",
				 p->ops->open(&p->l->host, p->l->options, &p->world, &p->t, err), err);
}

/* Tell the other rank this one's address, and hear its. */
static int case_connect(struct lsb_pair *p, struct lsb_error *err)
{
	struct {
		uint64_t bytes;
		uint8_t data[LSB_ADDRESS_MAX];
	} address[2] = { 0 };
	struct lsb_span spans[2];
	size_t bytes = LSB_ADDRESS_MAX;
	const int me = p->world.rank;
	int rc;

	lsb_answer_doing(p->to, p->l->path, "address");
	rc = lsb_plugin_result(p->l, "address", p->ops->address(p->t, address[me].data, &bytes, err), err);
	if (rc)
		return rc;
	if (bytes > LSB_ADDRESS_MAX)
		return lsb_fail(err, LSB_EPLUGIN, 0, "its address has %zu bytes, wanted at most %u", bytes,
				LSB_ADDRESS_MAX);
	address[me].bytes = bytes;
	if (lsb_pair_send(p, &address[me], sizeof(address[me])) ||
	    lsb_pair_receive(p, &address[1 - me], sizeof(address[0])) != sizeof(address[0]))
		return lsb_fail(err, LSB_EPEER, 0, "the other rank is gone or stuck");
	for (int i = 0; i < 2; i++)
		spans[i] = (struct lsb_span){ .ptr = address[i].data, .bytes = address[i].bytes };
	lsb_answer_doing(p->to, p->l->path, "connect");
	return lsb_plugin_result(p->l, "connect", p->ops->connect(p->t, spans, deadline(), err), err);
}

/* Both ways at once, from one byte to the largest message. */
static int case_content(struct lsb_pair *p, struct lsb_error *err)
{
	static const size_t sizes[] = { 1, 7, 4096, 65537, LSB_CONFORM_MESSAGE_MAX };

	lsb_answer_doing(p->to, p->l->path, "isend, irecv and wait_any");
	for (uint32_t i = 0; i < LSB_COUNT(sizes); i++) {
		const struct lsb_buf out = view(p->send, sizes[i]), in = view(p->receive, sizes[i]);
		uint32_t sent, received;
		int rc;

		pattern(p->send, sizes[i], 2 * i + (uint32_t)p->world.rank);
		memset(p->receive, 0, sizes[i]);
		rc = begin_receive(p, 1, &in, &received, err);
		if (rc == LSB_OK)
			rc = signal_other(p, err);
		if (rc == LSB_OK)
			rc = await_other(p, err);
		if (rc == LSB_OK)
			rc = begin_send(p, 1, &out, &sent, err);
		if (rc == LSB_OK)
			rc = await_success(p, received, sizes[i], err);
		if (rc == LSB_OK)
			rc = await_success(p, sent, sizes[i], err);
		if (rc)
			return rc;
		if (!pattern_holds(p->receive, sizes[i], 2 * i + (uint32_t)other(p)))
			return lsb_fail(err, LSB_EPLUGIN, 0, "a message of %zu bytes arrived altered",
					sizes[i]);
	}
	return LSB_OK;
}

enum { FEW = 4, SHORT = 1000 };

/*
 * Rank 0 sends FEW short messages with tags out[], rank 1 has receives posted
 * with tags in[]; message `wanted[i]` must land in receive i.
 */
static int short_messages(struct lsb_pair *p, const uint32_t out[FEW], const uint32_t in[FEW],
			  const uint32_t wanted[FEW], size_t room, struct lsb_error *err)
{
	uint32_t requests[FEW];
	int rc = LSB_OK;

	for (uint32_t i = 0; i < FEW && p->world.rank == 1 && rc == LSB_OK; i++) {
		const struct lsb_buf b = view(p->receive + i * room, room);

		rc = begin_receive(p, in[i], &b, &requests[i], err);
	}
	if (rc == LSB_OK)
		rc = p->world.rank == 1 ? signal_other(p, err) : await_other(p, err);
	for (uint32_t i = 0; i < FEW && p->world.rank == 0 && rc == LSB_OK; i++) {
		const struct lsb_buf b = view(p->send + i * SHORT, SHORT);

		pattern(p->send + i * SHORT, SHORT, 100 + i);
		rc = begin_send(p, out[i], &b, &requests[i], err);
	}
	for (uint32_t i = 0; i < FEW && rc == LSB_OK; i++) {
		rc = await_success(p, requests[i], SHORT, err);
		if (rc == LSB_OK && p->world.rank == 1 &&
		    !pattern_holds(p->receive + i * room, SHORT, 100 + wanted[i]))
			rc = lsb_fail(err, LSB_EPLUGIN, 0,
				      "receive %u (tag %u) did not get message %u of its sender", i, in[i],
				      wanted[i]);
	}
	return rc;
}

static int case_order(struct lsb_pair *p, struct lsb_error *err)
{
	static const uint32_t tags[FEW] = { 5, 5, 5, 5 }, wanted[FEW] = { 0, 1, 2, 3 };

	return short_messages(p, tags, tags, wanted, SHORT, err);
}

static int case_tags(struct lsb_pair *p, struct lsb_error *err)
{
	static const uint32_t out[FEW] = { 9, 7, 9, 3 }, in[FEW] = { 3, 7, 9, 9 };
	static const uint32_t wanted[FEW] = { 3, 1, 0, 2 };

	return short_messages(p, out, in, wanted, SHORT, err);
}

static int case_larger_receive(struct lsb_pair *p, struct lsb_error *err)
{
	static const uint32_t tags[FEW] = { 2, 2, 2, 2 }, wanted[FEW] = { 0, 1, 2, 3 };

	return short_messages(p, tags, tags, wanted, 8 * SHORT, err);
}

/* A receive that nobody sends to: it times out, no earlier than asked, and is still good afterwards. */
static int case_deadline(struct lsb_pair *p, struct lsb_error *err)
{
	const struct lsb_buf out = view(p->send, SHORT), in = view(p->receive, SHORT);
	struct lsb_completion done;
	uint32_t request;
	uint64_t until;
	size_t n = 0;
	int rc = LSB_OK;

	pattern(p->send, SHORT, 7);
	if (p->world.rank == 0) {
		rc = await_other(p, err);
		if (rc == LSB_OK)
			rc = begin_send(p, 4, &out, &request, err);
		return rc ? rc : await_success(p, request, SHORT, err);
	}
	rc = begin_receive(p, 4, &in, &request, err);
	if (rc)
		return rc;
	rc = p->ops->wait_any(p->t, &request, 1, 0, &done, &n, err);
	if (rc != LSB_ETIMEDOUT)
		return lsb_fail(err, LSB_EPLUGIN, 0, "wait_any with deadline 0 returned %d, wanted %d", rc,
				LSB_ETIMEDOUT);
	until = lsb_now_ns() + 30000000;
	rc = p->ops->wait_any(p->t, &request, 1, until, &done, &n, err);
	if (rc != LSB_ETIMEDOUT || lsb_now_ns() < until)
		return lsb_fail(err, LSB_EPLUGIN, 0, "wait_any returned %d %s its deadline, wanted %d", rc,
				lsb_now_ns() < until ? "before" : "at", LSB_ETIMEDOUT);
	rc = signal_other(p, err);
	if (rc == LSB_OK)
		rc = await_success(p, request, SHORT, err);
	if (rc == LSB_OK && !pattern_holds(p->receive, SHORT, 7))
		rc = lsb_fail(err, LSB_EPLUGIN, 0, "after a time-out the message arrived altered");
	return rc;
}

static int case_barrier(struct lsb_pair *p, struct lsb_error *err)
{
	int rc = LSB_OK;

	lsb_answer_doing(p->to, p->l->path, "barrier");
	*err = (struct lsb_error){ 0 };
	for (int i = 0; i < 3 && rc == LSB_OK; i++)
		rc = lsb_plugin_result(p->l, "barrier", p->ops->barrier(p->t, deadline(), err), err);
	return rc;
}

/* A message longer than its receive is an error there, and writes no byte behind it. */
static int case_truncation(struct lsb_pair *p, struct lsb_error *err)
{
	const struct lsb_buf out = view(p->send, 2 * SHORT), in = view(p->receive, SHORT);
	struct lsb_completion done = { 0 };
	uint32_t request;
	int rc;

	lsb_answer_doing(p->to, p->l->path, "wait_any");
	memset(p->receive, 0, 3 * SHORT);
	memset(p->send, 1, 2 * SHORT);
	if (p->world.rank == 0) {
		rc = await_other(p, err);
		if (rc == LSB_OK)
			rc = begin_send(p, 6, &out, &request, err);
		if (rc == LSB_OK)
			(void)await_request(p, request, &done,
					    err); /* how the sender ends is its own affair */
		return rc;
	}
	rc = begin_receive(p, 6, &in, &request, err);
	if (rc == LSB_OK)
		rc = signal_other(p, err);
	if (rc)
		return rc;
	rc = await_request(p, request, &done, err);
	if (rc == LSB_ETIMEDOUT || (rc == LSB_OK && done.status == LSB_OK))
		return lsb_fail(err, LSB_EPLUGIN, 0,
				"2000 bytes into a receive of 1000 ended with status %d, wanted an error",
				rc ? rc : done.status);
	for (size_t i = SHORT; i < (size_t)3 * SHORT; i++)
		if (p->receive[i])
			return lsb_fail(err, LSB_EPLUGIN, 0, "byte %zu behind a receive of 1000 was written",
					i);
	return LSB_OK;
}

/* Rank 1 ends without a word; rank 0 hears of it well before its deadline. */
static int case_peer_death(struct lsb_pair *p, struct lsb_error *err)
{
	const struct lsb_buf in = view(p->receive, SHORT);
	struct lsb_completion done = { 0 };
	uint32_t request;
	int rc;

	if (p->world.rank == 1) {
		(void)await_other(p, err);
		_exit(0);
	}
	lsb_answer_doing(p->to, p->l->path, "wait_any");
	rc = begin_receive(p, 8, &in, &request, err);
	if (rc == LSB_OK)
		rc = signal_other(p, err);
	if (rc)
		return rc;
	rc = await_request(p, request, &done, err);
	if (rc == LSB_OK)
		rc = done.status;
	if (rc != LSB_EPEER && rc != LSB_EIO)
		return lsb_fail(err, LSB_EPLUGIN, 0,
				"a receive from a dead peer ended with status %d, wanted %d", rc, LSB_EPEER);
	return LSB_OK;
}

static int case_close(struct lsb_pair *p, struct lsb_error *err)
{
	(void)err;
	lsb_answer_doing(p->to, p->l->path, "close");
	p->ops->close(p->t);
	p->t = NULL;
	p->ops->close(NULL);
	return LSB_OK;
}

const struct lsb_conform_case lsb_conform_messages[] = {
	{ "opens", case_open, 0 },
	{ "connects two ranks", case_connect, 0 },
	{ "messages of 1 byte to 1 MiB arrive whole, both ways", case_content, 0 },
	{ "messages of one tag arrive in order", case_order, 0 },
	{ "receives match by tag", case_tags, 0 },
	{ "a larger receive gets the message and its length", case_larger_receive, 0 },
	{ "a wait ends at its deadline and loses nothing", case_deadline, 0 },
	{ "barrier", case_barrier, 0 },
	{ "a message longer than its receive is an error", case_truncation, 0 },
	{ "closes, also NULL", case_close, 0 },
};
const struct lsb_conform_case lsb_conform_death[] = {
	{ "opens again", case_open, 0 },
	{ "connects again", case_connect, 0 },
	{ "a peer's death is noticed", case_peer_death, 1 },
	{ "closes after a failure", case_close, 1 },
};

const size_t lsb_conform_messages_count = LSB_COUNT(lsb_conform_messages);
const size_t lsb_conform_death_count = LSB_COUNT(lsb_conform_death);
