/* SPDX-License-Identifier: Apache-2.0 */
/* The stage loop's memory: message rings of the right depth and kind, and room for steps. */
#include <stdlib.h>

#include "base/base.h"
#include "node/stage_parts.h"

static const uint64_t settle_ns = 1000000000; /* patience with a step that nobody wants any more */

uint64_t lsb_stage_hidden_bytes(const struct lsb_stage *s, uint32_t n_tokens)
{
	const uint64_t element = s->setup.info->hidden_elem == LSB_ELEM_F32 ? 4 : 2;

	return (uint64_t)n_tokens * s->setup.info->hidden_size * element;
}

static int32_t rank_of(const struct lsb_stage *s, uint32_t stage)
{
	return s->setup.first_rank + (int32_t)stage;
}

/* The kind in `mask` that comes first in the order device, pinned, host; -1 if there is none. */
static int32_t best_mem(uint32_t mask)
{
	static const int32_t order[] = { LSB_MEM_CUDA, LSB_MEM_PINNED, LSB_MEM_HOST };

	for (size_t i = 0; i < LSB_COUNT(order); i++)
		if (mask & (1u << order[i]))
			return order[i];
	return -1;
}

/* Direct where backend and transport share a kind of memory, else through host memory. */
static int choose_memory(struct lsb_stage *s, struct lsb_box_memory *memory, struct lsb_error *err)
{
	const struct lsb_stage_setup *setup = &s->setup;
	const struct lsb_transport_ops *ops = &setup->transport->ops.transport;
	const uint32_t caps =
		LSB_HAS(ops, mem_caps_here) ? ops->mem_caps_here(setup->transport_handle) : ops->mem_caps;
	const int32_t shared = best_mem(setup->info->mem_kinds & caps);
	const int32_t local = shared >= 0 ? shared : best_mem(setup->info->mem_kinds);
	const char *backend = setup->backend->plugin.name, *transport = setup->transport->plugin.name;

	if (local < 0)
		return lsb_fail(err, LSB_EPLUGIN, 0, "backend '%s' names no kind of memory for hidden states",
				backend);
	if (shared < 0 && !LSB_HAS(&setup->backend->ops.backend, buf_copy))
		return lsb_fail(
			err, LSB_EPLUGIN, 0,
			"transport '%s' cannot take the memory of backend '%s', which has no buf_copy "
			"to stage it",
			transport, backend);
	if (shared < 0 && !(caps & (1u << LSB_MEM_HOST)))
		return lsb_fail(err, LSB_EPLUGIN, 0,
				"transport '%s' takes neither the memory of backend '%s' nor the host's",
				transport, backend);
	s->staged = shared < 0;
	s->wire_mem = (uint32_t)(shared >= 0 ? shared : LSB_MEM_HOST);
	*memory = (struct lsb_box_memory){
		.bytes = lsb_stage_hidden_bytes(s, setup->limits.max_tokens),
		.local_mem = (uint32_t)local,
		.wire_mem = s->wire_mem,
		.from_backend = 1,
	};
	if (memory->bytes > setup->max_message_bytes ||
	    lsb_plan_bytes(&setup->limits) > setup->max_message_bytes)
		return lsb_fail(err, LSB_EINVAL, 0,
				"a step of %u tokens has %llu bytes of hidden states, and a message at most "
				"%llu: use a smaller chunk or batch",
				setup->limits.max_tokens, (unsigned long long)memory->bytes,
				(unsigned long long)setup->max_message_bytes);
	return LSB_OK;
}

/*
 * Depths. At most `window` steps are on their way, so as many hidden states and
 * ids; one more plan, since the end of a pass is told in one.
 */
static int open_boxes(struct lsb_stage *s, struct lsb_error *err)
{
	const struct lsb_stage_setup *setup = &s->setup;
	const struct lsb_box_memory plans = { .bytes = lsb_plan_bytes(&setup->limits) };
	const struct lsb_box_memory ids = { .bytes = lsb_ids_bytes(setup->limits.max_outputs) };
	const uint32_t depth = setup->window;
	struct lsb_box_memory hidden;
	int rc = choose_memory(s, &hidden, err);

	if (rc)
		return rc;
	if (s->is_first) {
		s->plans_out = calloc(setup->stages - 1, sizeof(*s->plans_out));
		if (!s->plans_out)
			return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %u stages", setup->stages);
		for (uint32_t i = 1; i < setup->stages && rc == LSB_OK; i++)
			rc = lsb_outbox_open(&s->plans_out[i - 1], &s->link, rank_of(s, i), LSB_TAG_PLAN,
					     depth + 1, &plans, err);
		if (rc == LSB_OK)
			rc = lsb_inbox_open(&s->ids_in, &s->link, rank_of(s, setup->stages - 1), LSB_TAG_IDS,
					    depth, &ids, err);
	} else {
		rc = lsb_inbox_open(&s->plan_in, &s->link, rank_of(s, 0), LSB_TAG_PLAN, depth + 1, &plans,
				    err);
		if (rc == LSB_OK)
			rc = lsb_inbox_open(&s->hidden_in, &s->link, rank_of(s, setup->stage - 1),
					    LSB_TAG_HIDDEN, depth, &hidden, err);
	}
	if (rc == LSB_OK && !s->is_last)
		rc = lsb_outbox_open(&s->hidden_out, &s->link, rank_of(s, setup->stage + 1), LSB_TAG_HIDDEN,
				     depth, &hidden, err);
	if (rc == LSB_OK && s->is_last)
		rc = lsb_outbox_open(&s->ids_out, &s->link, rank_of(s, 0), LSB_TAG_IDS, depth, &ids, err);
	return rc;
}

static int open_works(struct lsb_stage *s, struct lsb_error *err)
{
	const struct lsb_stage_setup *setup = &s->setup;

	s->touched = calloc(setup->limits.max_outputs, sizeof(struct lsb_sequence *));
	s->works = calloc(setup->tickets, sizeof(*s->works));
	if (!s->touched || !s->works)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the stage loop");
	for (uint32_t i = 0; i < setup->tickets; i++) {
		const int rc = lsb_plan_open(&s->works[i].plan, &setup->limits, err);

		if (rc)
			return rc;
		s->works[i].ids = calloc(setup->limits.max_outputs, sizeof(int32_t));
		if (!s->works[i].ids)
			return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %u ids",
					setup->limits.max_outputs);
	}
	return LSB_OK;
}

static uint32_t most_pending(const struct lsb_stage_setup *setup)
{
	const uint32_t steps = (setup->stages + 4) * (setup->window + 1);

	return steps + (setup->dispatch ? lsb_dispatch_messages(setup->dispatch->replicas) : 0);
}

int lsb_stage_open(const struct lsb_stage_setup *setup, struct lsb_stage **out, struct lsb_error *err)
{
	struct lsb_stage *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the stage loop");
	s->setup = *setup;
	s->is_first = setup->stage == 0;
	s->is_last = setup->stage == setup->stages - 1;
	s->is_inline = (setup->info->flags & LSB_BACKEND_INLINE) != 0;
	s->tells_times = !s->is_inline && (setup->info->flags & LSB_BACKEND_DEVICE_TIMES) != 0 &&
			 LSB_HAS(&setup->backend->ops.backend, ticket_times);
	s->link = (struct lsb_link){
		.transport = setup->transport,
		.transport_handle = setup->transport_handle,
		.backend = setup->backend,
		.backend_handle = setup->backend_handle,
		.recorder = setup->recorder,
	};
	rc = open_works(s, err);
	if (rc == LSB_OK && (setup->stages > 1 || setup->dispatch))
		rc = lsb_link_open(&s->link, most_pending(setup), err);
	if (rc == LSB_OK && setup->stages > 1)
		rc = open_boxes(s, err);
	if (rc == LSB_OK && setup->dispatch)
		rc = lsb_dispatch_open(setup->dispatch, &s->link, &s->dispatch, err);
	if (rc) {
		lsb_stage_close(s);
		return rc;
	}
	*out = s;
	return LSB_OK;
}

void lsb_stage_settle(struct lsb_stage *s)
{
	const uint64_t deadline_ns = lsb_now_ns() + settle_ns;

	if (!s || s->is_inline) /* nothing runs outside of wait() */
		return;
	while (s->n_works) {
		const struct lsb_work *work = &s->works[s->first_work];
		struct lsb_error why = { 0 };

		if (s->setup.backend->ops.backend.wait(s->setup.backend_handle, work->ticket, deadline_ns,
						       &why) == LSB_ETIMEDOUT)
			return;
		s->first_work = (s->first_work + 1) % s->setup.tickets;
		s->n_works--;
	}
}

void lsb_stage_close(struct lsb_stage *s)
{
	/*
	 * A step that would not end may still write to this memory: the process, which ends, gives it back.
	 */
	if (!s || (s->n_works && !s->is_inline))
		return;
	lsb_box_close(&s->plan_in);
	lsb_box_close(&s->hidden_in);
	lsb_box_close(&s->ids_in);
	lsb_box_close(&s->hidden_out);
	lsb_box_close(&s->ids_out);
	for (uint32_t i = 1; s->plans_out && i < s->setup.stages; i++)
		lsb_box_close(&s->plans_out[i - 1]);
	free(s->plans_out);
	lsb_dispatch_close(s->dispatch);
	for (uint32_t i = 0; s->works && i < s->setup.tickets; i++) {
		lsb_plan_close(&s->works[i].plan);
		free(s->works[i].ids);
	}
	free(s->works);
	free(s->touched);
	lsb_link_close(&s->link);
	free(s);
}

int lsb_stage_post(struct lsb_stage *s, struct lsb_error *err)
{
	int rc;

	if (s->dispatch) {
		rc = lsb_dispatch_post(s->dispatch, err);
		if (rc)
			return rc;
	}
	if (s->setup.stages == 1)
		return LSB_OK;
	if (s->is_first)
		return lsb_inbox_post(&s->ids_in, err);
	rc = lsb_inbox_post(&s->plan_in, err);
	return rc ? rc : lsb_inbox_post(&s->hidden_in, err);
}

struct lsb_dispatch *lsb_stage_dispatch(const struct lsb_stage *s)
{
	return s->dispatch;
}

uint32_t lsb_stage_wire_mem(const struct lsb_stage *s)
{
	return s->wire_mem;
}

const char *lsb_stage_path(const struct lsb_stage *s)
{
	return s->staged ? "staged" : "direct";
}
