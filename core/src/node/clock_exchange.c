/* SPDX-License-Identifier: Apache-2.0 */
#include "node/clock_exchange.h"

#include <stdatomic.h>

#include "base/base.h"

enum { EXCHANGES_A_BATCH = 25 };
static const uint64_t batch_ns = 25 * 1000 * 1000; /* and a batch ends, however few exchanges it had */
static const uint64_t slice_ns = 50 * 1000 * 1000; /* longest wait between looks at `cancelled` */

/* Little-endian words of a message. */
enum word { WORD_NUMBER, WORD_FLAG, WORD_GOT = WORD_FLAG, WORD_SENT };

static void put(unsigned char *message, enum word word, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		message[8 * word + i] = (unsigned char)(value >> 8 * i);
}

static uint64_t get(const unsigned char *message, enum word word)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value |= (uint64_t)message[8 * word + i] << 8 * i;
	return value;
}

/* Wait for one request; *done_ns is when its message arrived, or now if the transport cannot tell. */
static int finish(struct lsb_clock_exchange *x, uint32_t request, uint64_t *done_ns, struct lsb_error *err)
{
	const uint64_t deadline_ns = lsb_now_ns() + x->timeout_ns;
	struct lsb_completion done;
	size_t n = 0;
	int rc;

	do {
		rc = x->transport->ops.transport.wait_any(x->transport_handle, &request, 1,
							  lsb_now_ns() + slice_ns, &done, &n, err);
		*done_ns = lsb_now_ns();
		if (atomic_load_explicit(&x->status->cancelled, memory_order_relaxed))
			return lsb_fail(err, LSB_ECANCELED, 0, "the run was ended from outside");
	} while (rc == LSB_ETIMEDOUT && *done_ns < deadline_ns);
	if (rc == LSB_ETIMEDOUT)
		return lsb_fail(err, rc, 0, "a neighbour of rank %d sent nothing while clocks were compared",
				x->rank);
	if (rc == LSB_OK && n == 1 && done.status != LSB_OK)
		rc = lsb_fail(err, done.status, 0,
			      "a message between neighbours failed while clocks were compared");
	if (rc)
		return lsb_plugin_result(x->transport, "wait_any", rc, err);
	if (done.arrived_ns && done.arrived_ns < *done_ns)
		*done_ns = done.arrived_ns;
	return LSB_OK;
}

static struct lsb_buf *view(struct lsb_clock_message *message)
{
	message->buf = (struct lsb_buf){
		.ptr = message->bytes, .bytes = sizeof(message->bytes), .mem = LSB_MEM_HOST, .device = -1
	};
	return &message->buf;
}

static int receive(struct lsb_clock_exchange *x, int32_t peer, struct lsb_clock_message *message,
		   uint32_t *request, struct lsb_error *err)
{
	return lsb_plugin_result(x->transport, "irecv",
				 x->transport->ops.transport.irecv(x->transport_handle, peer, LSB_TAG_CLOCK,
								   view(message), request, err),
				 err);
}

static int send(struct lsb_clock_exchange *x, int32_t peer, struct lsb_error *err)
{
	uint64_t when;
	uint32_t request;
	int rc;

	rc = lsb_plugin_result(x->transport, "isend",
			       x->transport->ops.transport.isend(x->transport_handle, peer, LSB_TAG_CLOCK,
								 view(&x->sent), &request, err),
			       err);
	return rc ? rc : finish(x, request, &when, err);
}

/* One question and its answer. */
static int ask_once(struct lsb_clock_exchange *x, uint64_t number, int is_last, struct lsb_clock_sample *out,
		    struct lsb_error *err)
{
	uint64_t a, d;
	uint32_t request;
	int rc = receive(x, x->rank + 1, &x->reply, &request, err);

	if (rc)
		return rc;
	put(x->sent.bytes, WORD_NUMBER, number);
	put(x->sent.bytes, WORD_FLAG, (uint64_t)is_last);
	put(x->sent.bytes, WORD_SENT, 0);
	a = lsb_now_ns();
	rc = send(x, x->rank + 1, err);
	if (rc == LSB_OK)
		rc = finish(x, request, &d, err);
	if (rc)
		return rc;
	if (get(x->reply.bytes, WORD_NUMBER) != number ||
	    get(x->reply.bytes, WORD_SENT) < get(x->reply.bytes, WORD_GOT))
		return lsb_fail(err, LSB_EPROTO, 0, "rank %d answered another question about its clock",
				x->rank + 1);
	{
		const int64_t there = (int64_t)(get(x->reply.bytes, WORD_GOT) - a);
		const int64_t back = (int64_t)(get(x->reply.bytes, WORD_SENT) - d);
		const int64_t rtt = there - back;

		out->at_ns = a + (d - a) / 2;
		out->offset_ns = there / 2 + back / 2;
		out->rtt_ns = rtt > 0 ? (uint64_t)rtt : 0;
	}
	return LSB_OK;
}

static int ask(struct lsb_clock_exchange *x, struct lsb_error *err)
{
	uint64_t number = 0;

	for (int batch = 0; batch < LSB_CLOCK_BATCHES; batch++) {
		const uint64_t until_ns = lsb_now_ns() + batch_ns;
		struct lsb_clock_sample best = { .rtt_ns = UINT64_MAX }, now = best;
		int is_over = 0;

		for (int i = 1; !is_over; i++) {
			int rc;

			is_over = i == EXCHANGES_A_BATCH || lsb_now_ns() > until_ns;
			rc = ask_once(x, number++, is_over && batch == LSB_CLOCK_BATCHES - 1, &now, err);
			if (rc)
				return rc;
			if (now.rtt_ns < best.rtt_ns)
				best = now;
		}
		if (x->n_samples < LSB_COUNT(x->samples))
			x->samples[x->n_samples++] = best;
	}
	return LSB_OK;
}

/* Answer until the last question. The next is expected before an answer allows it. */
static int answer(struct lsb_clock_exchange *x, struct lsb_error *err)
{
	for (;;) {
		uint64_t got_ns;
		int rc = finish(x, x->posted, &got_ns, err), is_last;

		if (rc)
			return rc;
		is_last = get(x->question.bytes, WORD_FLAG) != 0;
		put(x->sent.bytes, WORD_NUMBER, get(x->question.bytes, WORD_NUMBER));
		put(x->sent.bytes, WORD_GOT, got_ns);
		if (!is_last)
			rc = receive(x, x->rank - 1, &x->question, &x->posted, err);
		put(x->sent.bytes, WORD_SENT, lsb_now_ns());
		if (rc == LSB_OK)
			rc = send(x, x->rank - 1, err);
		if (rc || is_last)
			return rc;
	}
}

int lsb_clock_exchange_post(struct lsb_clock_exchange *x, struct lsb_error *err)
{
	return x->answers ? receive(x, x->rank - 1, &x->question, &x->posted, err) : LSB_OK;
}

int lsb_clock_exchange_run(struct lsb_clock_exchange *x, struct lsb_error *err)
{
	const int asks_first = x->rank % 2 == 0;
	int rc = LSB_OK;

	*err = (struct lsb_error){ 0 };
	for (int turn = 0; turn < 2 && rc == LSB_OK; turn++) {
		if ((turn == 0) == asks_first)
			rc = x->asks ? ask(x, err) : LSB_OK;
		else
			rc = x->answers ? answer(x, err) : LSB_OK;
	}
	return rc;
}
