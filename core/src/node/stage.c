/* SPDX-License-Identifier: Apache-2.0 */
#include "node/stage.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum {
	SLICE_NS = 50 * 1000 * 1000,	/* longest block between looks at `cancelled` */
	POLL_NS = 20 * 1000,		/* longest wait for a ticket while messages may come */
	PROGRESS_EVERY_NS = 200 * 1000, /* between calls into the transport from inside a step */
};

/* A step in the backend. */
struct work {
	uint64_t ticket;
	struct lsb_plan plan; /* owned storage */
	struct lsb_batch batch;
	struct lsb_step_io io;
	struct lsb_message *out;
	int32_t *ids; /* [max_outputs], owned; on the last stage */
};

struct lsb_stage {
	struct lsb_stage_setup setup;
	struct lsb_link link;
	int is_first, is_last, staged;
	struct lsb_box plan_in, hidden_in;  /* later stages */
	struct lsb_box ids_in;		    /* first of several */
	struct lsb_box *plans_out;	    /* [stages - 1], first of several */
	struct lsb_box hidden_out, ids_out; /* to the next; to the first */
	struct work *works;		    /* [tickets], a ring */
	uint32_t first_work, n_works;
	uint32_t next_step;	       /* number of the next step to start */
	uint32_t next_ids;	       /* number of the step whose ids are due */
	struct lsb_sequence **touched; /* [max_outputs] */
	uint64_t progressed_ns;
	int pass_over;
	/* of the pass */
	struct lsb_scheduler *scheduler;
	const struct lsb_token_sink *sink;
};

static int32_t rank_of(const struct lsb_stage *s, uint32_t stage)
{
	return s->setup.first_rank + (int32_t)stage;
}

static uint64_t hidden_bytes(const struct lsb_stage *s, uint32_t n_tokens)
{
	const uint64_t element = s->setup.info->hidden_elem == LSB_ELEM_F32 ? 4 : 2;

	return (uint64_t)n_tokens * s->setup.info->hidden_size * element;
}

static int check_cancelled(const struct lsb_stage *s, struct lsb_error *err)
{
	if (atomic_load_explicit(&s->setup.status->cancelled, memory_order_relaxed))
		return lsb_fail(err, LSB_ECANCELED, 0, "the run was ended from outside");
	return LSB_OK;
}

/* --- opening ------------------------------------------------------------------------- */

/* Lowest kind in `mask` among the preferred order device, pinned, host; -1 if empty. */
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
	const int32_t shared = best_mem(setup->info->mem_kinds & setup->transport->mem_caps);
	const int32_t local = shared >= 0 ? shared : best_mem(setup->info->mem_kinds);

	if (local < 0)
		return lsb_fail(err, LSB_EPLUGIN, 0, "the backend names no kind of memory for hidden states");
	if (shared < 0 && !LSB_HAS(setup->backend, buf_copy))
		return lsb_fail(err, LSB_EPLUGIN, 0,
				"the transport cannot take the backend's memory, and the backend has no "
				"buf_copy to stage it");
	if (!(setup->transport->mem_caps & (1u << LSB_MEM_HOST)) && shared < 0)
		return lsb_fail(err, LSB_EPLUGIN, 0,
				"the transport takes neither the backend's memory nor the host's");
	s->staged = shared < 0;
	*memory = (struct lsb_box_memory){
		.bytes = hidden_bytes(s, setup->limits.max_tokens),
		.local_mem = (uint32_t)local,
		.wire_mem = (uint32_t)(shared >= 0 ? shared : LSB_MEM_HOST),
		.from_backend = 1,
	};
	return LSB_OK;
}

static int open_boxes(struct lsb_stage *s, struct lsb_error *err)
{
	const struct lsb_stage_setup *setup = &s->setup;
	const struct lsb_box_memory plans = { .bytes = lsb_plan_bytes(&setup->limits) };
	const struct lsb_box_memory ids = { .bytes = lsb_ids_bytes(setup->limits.max_outputs) };
	const uint32_t depth = setup->window;
	struct lsb_box_memory hidden;
	int rc = choose_memory(s, &hidden, err);

	if (rc == LSB_OK)
		rc = lsb_link_open(&s->link, (setup->stages + 4) * (depth + 1), err);
	if (rc)
		return rc;
	if (s->is_first) {
		s->plans_out = calloc(setup->stages - 1, sizeof(*s->plans_out));
		if (!s->plans_out)
			return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %u stages", setup->stages);
		/* One more than the window: the end of a pass is told while steps' plans may still be on
		 * their way. */
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

int lsb_stage_open(const struct lsb_stage_setup *setup, struct lsb_stage **out, struct lsb_error *err)
{
	struct lsb_stage *s = calloc(1, sizeof(*s));
	int rc = LSB_OK;

	if (!s)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the stage loop");
	s->setup = *setup;
	s->is_first = setup->stage == 0;
	s->is_last = setup->stage == setup->stages - 1;
	s->link = (struct lsb_link){
		.transport = setup->transport,
		.transport_handle = setup->transport_handle,
		.backend = setup->backend,
		.backend_handle = setup->backend_handle,
		.recorder = setup->recorder,
	};
	s->touched = calloc(setup->limits.max_outputs, sizeof(struct lsb_sequence *));
	s->works = calloc(setup->tickets, sizeof(*s->works));
	if (!s->touched || !s->works)
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for the stage loop");
	for (uint32_t i = 0; i < setup->tickets && rc == LSB_OK; i++) {
		rc = lsb_plan_open(&s->works[i].plan, &setup->limits, err);
		s->works[i].ids = calloc(setup->limits.max_outputs, sizeof(int32_t));
		if (rc == LSB_OK && !s->works[i].ids)
			rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for %u ids", setup->limits.max_outputs);
	}
	if (rc == LSB_OK && setup->stages > 1)
		rc = open_boxes(s, err);
	if (rc) {
		lsb_stage_close(s);
		return rc;
	}
	*out = s;
	return LSB_OK;
}

void lsb_stage_close(struct lsb_stage *s)
{
	if (!s)
		return;
	lsb_box_close(&s->plan_in);
	lsb_box_close(&s->hidden_in);
	lsb_box_close(&s->ids_in);
	lsb_box_close(&s->hidden_out);
	lsb_box_close(&s->ids_out);
	for (uint32_t i = 1; s->plans_out && i < s->setup.stages; i++)
		lsb_box_close(&s->plans_out[i - 1]);
	free(s->plans_out);
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
	int rc = LSB_OK;

	if (s->setup.stages == 1)
		return LSB_OK;
	if (s->is_first)
		return lsb_inbox_post(&s->ids_in, err);
	rc = lsb_inbox_post(&s->plan_in, err);
	return rc ? rc : lsb_inbox_post(&s->hidden_in, err);
}

const char *lsb_stage_path(const struct lsb_stage *s)
{
	return s->staged ? "staged" : "direct";
}

int lsb_stage_progress(void *stage)
{
	struct lsb_stage *s = stage;
	const uint64_t now = lsb_now_ns();

	if (now - s->progressed_ns < PROGRESS_EVERY_NS)
		return LSB_OK;
	s->progressed_ns = now;
	if (s->link.n_pending && LSB_HAS(s->setup.transport, progress))
		s->setup.transport->progress(s->setup.transport_handle);
	return check_cancelled(s, NULL);
}

/* --- one step ------------------------------------------------------------------------ */

/* Ids of the oldest step on its way have come: hand them to the scheduler. */
static int absorb_ids(struct lsb_stage *s, const int32_t *ids, uint32_t n, struct lsb_error *err)
{
	const uint64_t now = lsb_now_ns();

	if (lsb_scheduler_complete(s->scheduler, ids, n, s->touched))
		return lsb_fail(err, LSB_EPEER, 0, "step %u gave %u ids, not what was asked for", s->next_ids,
				n);
	s->next_ids++;
	s->sink->tokens(s->sink->user, s->touched, n, now);
	atomic_fetch_add_explicit(&s->setup.status->tokens, n, memory_order_relaxed);
	return LSB_OK;
}

static int absorb_arrived_ids(struct lsb_stage *s, struct lsb_error *err)
{
	while (lsb_inbox_next(&s->ids_in)) {
		struct lsb_message *message;
		const int32_t *ids;
		uint32_t n;
		int rc = lsb_inbox_take(&s->ids_in, &message, err);

		if (rc == LSB_OK)
			rc = lsb_ids_read(message->local.ptr, message->bytes, s->next_ids,
					  s->setup.limits.max_outputs, &ids, &n, err);
		if (rc == LSB_OK)
			rc = absorb_ids(s, ids, n, err);
		if (rc == LSB_OK)
			rc = lsb_inbox_release(&s->ids_in, err);
		if (rc)
			return rc;
	}
	return LSB_OK;
}

/*
 * A free buffer of `box`. There is one by construction, since the message that
 * used it was received before its step's ids came back; but the transport may
 * not have told of its completion yet.
 */
static int acquire(struct lsb_stage *s, struct lsb_box *box, struct lsb_message **out, struct lsb_error *err)
{
	const uint64_t t0 = lsb_now_ns();

	while (!(*out = lsb_outbox_acquire(box))) {
		int rc = lsb_link_poll(&s->link, lsb_now_ns() + SLICE_NS, err);

		if (rc == LSB_ETIMEDOUT && lsb_now_ns() - t0 > s->setup.timeout_ns)
			return lsb_fail(err, LSB_ETIMEDOUT, 0, "rank %d took no message for %.0f s",
					box->peer, (double)s->setup.timeout_ns * 1e-9);
		if (rc && rc != LSB_ETIMEDOUT)
			return rc;
		rc = check_cancelled(s, err);
		if (rc)
			return rc;
	}
	return LSB_OK;
}

static int send_plans(struct lsb_stage *s, const struct lsb_plan *plan, struct lsb_error *err)
{
	for (uint32_t i = 1; i < s->setup.stages; i++) {
		struct lsb_box *box = &s->plans_out[i - 1];
		struct lsb_message *message;
		int rc = acquire(s, box, &message, err);

		if (rc == LSB_OK)
			rc = lsb_outbox_send(box, lsb_plan_write(plan, message->local.ptr), plan->lane,
					     plan->step, err);
		if (rc)
			return rc;
	}
	return LSB_OK;
}

/* First stage: the scheduler's next step into `work`. 1: there is one; 0: none now. */
static int plan_from_scheduler(struct lsb_stage *s, struct work *work)
{
	struct lsb_plan *plan = &work->plan;
	struct lsb_step step;

	if (!lsb_scheduler_next(s->scheduler, &step))
		return 0;
	plan->flags = 0;
	plan->step = s->next_step;
	plan->lane = step.lane;
	plan->n_tokens = step.n_tokens;
	plan->n_outputs = step.n_outputs;
	plan->n_clear = step.n_clear;
	memcpy(plan->tokens, step.tokens, step.n_tokens * sizeof(*step.tokens));
	memcpy(plan->sampling, step.sampling, step.n_outputs * sizeof(*step.sampling));
	memcpy(plan->clear, step.clear, step.n_clear * sizeof(*step.clear));
	return 1;
}

/* Later stage: the next plan into `work` if it and, for a step, its hidden states have come. 1, 0 or an
 * error. */
static int plan_from_peer(struct lsb_stage *s, struct work *work, struct lsb_error *err)
{
	struct lsb_message *message = lsb_inbox_next(&s->plan_in);
	int rc;

	if (!message)
		return 0;
	rc = lsb_plan_read(message->local.ptr, message->bytes, &s->setup.limits, &work->plan, err);
	if (rc)
		return rc;
	if (!(work->plan.flags & LSB_PLAN_END)) {
		if (!lsb_inbox_next(&s->hidden_in))
			return 0;
		if (work->plan.step != s->next_step)
			return lsb_fail(err, LSB_EPEER, 0, "the plan of step %u came where step %u was due",
					work->plan.step, s->next_step);
	}
	rc = lsb_inbox_take(&s->plan_in, &message, err);
	if (rc == LSB_OK)
		rc = lsb_inbox_release(&s->plan_in, err);
	if (rc)
		return rc;
	s->pass_over = (work->plan.flags & LSB_PLAN_END) != 0;
	return !s->pass_over;
}

/* Give `work`, whose plan is set, to the backend. */
static int submit(struct lsb_stage *s, struct work *work, struct lsb_error *err)
{
	const struct lsb_stage_setup *setup = &s->setup;
	const struct lsb_plan *plan = &work->plan;
	struct lsb_message *in = NULL;
	int rc;

	if (!s->is_first) {
		rc = lsb_inbox_take(&s->hidden_in, &in, err);
		if (rc)
			return rc;
		if (in->bytes != hidden_bytes(s, plan->n_tokens))
			return lsb_fail(err, LSB_EPEER, 0,
					"step %u: %llu bytes of hidden states for %u tokens", plan->step,
					(unsigned long long)in->bytes, plan->n_tokens);
	}
	for (uint32_t i = 0; i < plan->n_clear; i++)
		setup->backend->slot_clear(setup->backend_handle, plan->clear[i]);
	work->batch = (struct lsb_batch){
		.struct_size = sizeof(work->batch),
		.n_tokens = plan->n_tokens,
		.n_outputs = plan->n_outputs,
		.tokens = plan->tokens,
		.sampling = plan->sampling,
	};
	work->io = (struct lsb_step_io){
		.struct_size = sizeof(work->io),
		.in = in ? &in->local : NULL,
		.out = work->out ? &work->out->local : NULL,
		.ids = s->is_last ? work->ids : NULL,
	};
	rc = setup->backend->submit(setup->backend_handle, &work->batch, &work->io, &work->ticket, err);
	if (rc)
		return rc;
	s->n_works++;
	s->next_step++;
	return LSB_OK;
}

/* Start the next step if there is one and room for it: 1, 0 or an error. */
static int start_step(struct lsb_stage *s, struct lsb_error *err)
{
	struct work *work = &s->works[(s->first_work + s->n_works) % s->setup.tickets];
	const uint64_t t0 = lsb_now_ns();
	struct lsb_record *record;
	int rc;

	if (s->n_works == s->setup.tickets || s->pass_over)
		return 0;
	if (!s->is_last && !work->out) {
		rc = acquire(s, &s->hidden_out, &work->out, err);
		if (rc)
			return rc;
	}
	rc = s->is_first ? plan_from_scheduler(s, work) : plan_from_peer(s, work, err);
	if (rc <= 0)
		return rc;
	if (s->is_first) {
		rc = send_plans(s, &work->plan, err);
		if (rc)
			return rc;
	}
	rc = submit(s, work, err);
	record = lsb_recorder_next(s->setup.recorder, LSB_REC_SCHEDULE, t0, lsb_now_ns());
	record->group = work->plan.lane;
	record->step = work->plan.step;
	return rc ? rc : 1;
}

/* The oldest step is computed: pass on what it gave. */
static int finish_step(struct lsb_stage *s, struct lsb_error *err)
{
	struct work *work = &s->works[s->first_work];
	const struct lsb_plan *plan = &work->plan;
	int rc = LSB_OK;

	s->first_work = (s->first_work + 1) % s->setup.tickets;
	s->n_works--;
	atomic_fetch_add_explicit(&s->setup.status->steps, 1, memory_order_relaxed);
	if (!s->is_last) {
		rc = lsb_outbox_send(&s->hidden_out, hidden_bytes(s, plan->n_tokens), plan->lane, plan->step,
				     err);
		work->out = NULL;
	} else if (s->is_first) {
		return absorb_ids(s, work->ids, plan->n_outputs, err);
	}
	if (rc == LSB_OK && !s->is_first)
		rc = lsb_inbox_release(&s->hidden_in, err);
	if (rc == LSB_OK && s->is_last) {
		struct lsb_message *message;

		rc = acquire(s, &s->ids_out, &message, err);
		if (rc == LSB_OK)
			rc = lsb_outbox_send(
				&s->ids_out,
				lsb_ids_write(plan->step, work->ids, plan->n_outputs, message->local.ptr),
				plan->lane, plan->step, err);
	}
	return rc;
}

/* Wait for the oldest ticket; an asynchronous backend only shortly, since messages may come meanwhile. */
static int advance_work(struct lsb_stage *s, uint64_t *waiting_since, struct lsb_error *err)
{
	const struct lsb_stage_setup *setup = &s->setup;
	struct work *work = &s->works[s->first_work];
	const uint64_t now = lsb_now_ns();
	const int is_inline = (setup->info->flags & LSB_BACKEND_INLINE) != 0;
	struct lsb_record *record;
	int rc;

	if (*waiting_since == 0)
		*waiting_since = now;
	rc = setup->backend->wait(setup->backend_handle, work->ticket, now + (is_inline ? SLICE_NS : POLL_NS),
				  err);
	if (rc == LSB_ETIMEDOUT) {
		if (now - *waiting_since > setup->timeout_ns)
			return lsb_fail(err, LSB_ETIMEDOUT, 0, "step %u did not end within %.0f s",
					work->plan.step, (double)setup->timeout_ns * 1e-9);
		return check_cancelled(s, err);
	}
	if (rc)
		return rc;
	record = lsb_recorder_next(setup->recorder, LSB_REC_COMPUTE, *waiting_since, lsb_now_ns());
	record->group = work->plan.lane;
	record->step = work->plan.step;
	record->sequence = work->plan.step;
	record->aux = work->plan.n_tokens;
	record->aux2 = work->plan.n_outputs;
	*waiting_since = 0;
	return finish_step(s, err);
}

/* Nothing to compute: block until the one message that is needed next is here. */
static int block_for_message(struct lsb_stage *s, struct lsb_error *err)
{
	struct lsb_box *box = s->is_first		    ? &s->ids_in
			      : lsb_inbox_next(&s->plan_in) ? &s->hidden_in
							    : &s->plan_in;
	const uint64_t t0 = lsb_now_ns();
	uint64_t now = t0;
	struct lsb_message *message;
	struct lsb_record *record;

	while (!(message = lsb_inbox_next(box))) {
		int rc = lsb_link_poll(&s->link, now + SLICE_NS, err);

		if (rc && rc != LSB_ETIMEDOUT)
			return rc;
		rc = check_cancelled(s, err);
		if (rc)
			return rc;
		now = lsb_now_ns();
		if (now - t0 > s->setup.timeout_ns)
			return lsb_fail(err, LSB_ETIMEDOUT, 0,
					"rank %d sent nothing for %.0f s (waiting for tag %u, message %u)",
					box->peer, (double)s->setup.timeout_ns * 1e-9, box->tag, box->taken);
	}
	record = lsb_recorder_next(s->setup.recorder, LSB_REC_BLOCK, t0, lsb_now_ns());
	record->peer = box->peer;
	record->tag = box->tag;
	record->sequence = message->sequence;
	record->bytes = message->bytes;
	record->aux = message->arrived_ns;
	return LSB_OK;
}

/* First stage: all answers are complete. Tell the others, and let every send end. */
static int end_pass(struct lsb_stage *s, struct lsb_error *err)
{
	const struct lsb_plan end = { .flags = LSB_PLAN_END, .step = s->next_step };
	int rc = send_plans(s, &end, err);

	s->pass_over = 1;
	return rc;
}

/* All sends of this rank are done. */
static int sends_idle(const struct lsb_stage *s)
{
	for (uint32_t i = 1; s->plans_out && i < s->setup.stages; i++)
		if (!lsb_outbox_idle(&s->plans_out[i - 1]))
			return 0;
	return 1;
}

static int drain(struct lsb_stage *s, struct lsb_error *err)
{
	const uint64_t t0 = lsb_now_ns();

	while (!sends_idle(s)) {
		int rc = lsb_link_poll(&s->link, lsb_now_ns() + SLICE_NS, err);

		if (rc == LSB_ETIMEDOUT && lsb_now_ns() - t0 > s->setup.timeout_ns)
			return lsb_fail(err, LSB_ETIMEDOUT, 0, "messages did not leave within %.0f s",
					(double)s->setup.timeout_ns * 1e-9);
		if (rc && rc != LSB_ETIMEDOUT)
			return rc;
		rc = check_cancelled(s, err);
		if (rc)
			return rc;
	}
	return LSB_OK;
}

int lsb_stage_pass(struct lsb_stage *s, struct lsb_scheduler *scheduler, const struct lsb_token_sink *sink,
		   struct lsb_error *err)
{
	const int linked = s->setup.stages > 1;
	uint64_t waiting_since = 0;
	int rc = LSB_OK;

	s->scheduler = scheduler;
	s->sink = sink;
	s->pass_over = 0;
	while (!(s->pass_over && s->n_works == 0)) {
		int started;

		if (linked) {
			rc = lsb_link_poll(&s->link, 0, err);
			if (rc == LSB_ETIMEDOUT)
				rc = LSB_OK;
			if (rc == LSB_OK && s->is_first)
				rc = absorb_arrived_ids(s, err);
			if (rc)
				return rc;
		}
		started = start_step(s, err);
		if (started < 0)
			return started;
		if (s->n_works)
			rc = advance_work(s, &waiting_since, err);
		else if (started || s->pass_over)
			continue;
		else if (s->is_first && lsb_scheduler_done(s->scheduler))
			rc = linked ? end_pass(s, err) : (s->pass_over = 1, LSB_OK);
		else if (linked)
			rc = block_for_message(s, err);
		else
			rc = lsb_fail(err, LSB_EINVAL, 0, "the scheduler has nothing to do and is not done");
		if (rc)
			return rc;
	}
	return linked ? drain(s, err) : LSB_OK;
}
