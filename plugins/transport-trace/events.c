/* SPDX-License-Identifier: Apache-2.0 */
#include "events.h"

#include "lsbench/types.h"

struct trace_event *trace_add(struct trace_events *t, enum trace_kind kind, uint64_t t0_ns, uint64_t t1_ns)
{
	static struct trace_event nowhere;
	struct trace_event *e = t->n < t->max ? &t->events[t->n++] : &nowhere;

	t->left_out += e == &nowhere;
	*e = (struct trace_event){ .t0_ns = t0_ns, .t1_ns = t1_ns, .kind = kind, .peer = -1, .looks = 1 };
	return e;
}

void trace_wait(struct trace_events *t, uint64_t t0_ns, uint64_t t1_ns, size_t asked, size_t n_done,
		int status)
{
	struct trace_event *last = t->n ? &t->events[t->n - 1] : NULL;
	struct trace_event *e;

	if (n_done == 0 && status == LSB_ETIMEDOUT && last && last->kind == TRACE_WAIT_ANY &&
	    last->status == LSB_ETIMEDOUT && last->asked == (uint32_t)asked) {
		last->t1_ns = t1_ns;
		last->looks++;
		return;
	}
	e = trace_add(t, TRACE_WAIT_ANY, t0_ns, t1_ns);
	e->asked = (uint32_t)asked;
	e->status = status;
}

void trace_begin(struct trace_events *t, const struct trace_pending *message)
{
	if (t->n_pending < t->max_pending)
		t->pending[t->n_pending++] = *message;
}

void trace_end(struct trace_events *t, uint32_t request, uint64_t t1_ns, uint64_t bytes, uint64_t arrived_ns,
	       int32_t status)
{
	size_t i = t->n_pending;
	struct trace_event *e;

	while (i > 0 && t->pending[i - 1].request != request)
		i--;
	if (i == 0)
		return;
	i--;
	e = trace_add(t, t->pending[i].is_send ? TRACE_SENT : TRACE_RECEIVED, t->pending[i].t0_ns, t1_ns);
	e->peer = t->pending[i].peer;
	e->tag = t->pending[i].tag;
	e->bytes = bytes;
	e->arrived_ns = arrived_ns;
	e->status = status;
	t->pending[i] = t->pending[--t->n_pending];
}
