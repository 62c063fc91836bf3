/* SPDX-License-Identifier: Apache-2.0 */
#include "node/stage.h"

#include <string.h>

#include "base/base.h"
#include "node/stage_parts.h"

enum {
	POLL_NS = 2 * 1000,		/* wait for a ticket between two looks for messages */
	PROGRESS_EVERY_NS = 200 * 1000, /* between calls into the transport from inside a step */
};

int lsb_stage_progress(void *stage)
{
	struct lsb_stage *s = stage;
	const uint64_t now = lsb_now_ns();

	if (now - s->progressed_ns < PROGRESS_EVERY_NS)
		return LSB_OK;
	s->progressed_ns = now;
	if (s->shares && lsb_dispatch_serves(s->dispatch) && s->share_error.code == LSB_OK)
		(void)lsb_stage_share(s, &s->share_error); /* others wait for an answer */
	else if (s->link.n_pending && LSB_HAS(&s->setup.transport->ops.transport, progress))
		s->setup.transport->ops.transport.progress(s->setup.transport_handle);
	return lsb_stage_check_cancelled(s, NULL);
}

/* --- ids ----------------------------------------------------------------------------- */

/* Ids of the oldest step on its way have come: hand them to the scheduler. */
static int absorb_ids(struct lsb_stage *s, const int32_t *ids, uint32_t n, struct lsb_error *err)
{
	const uint64_t now = lsb_now_ns();

	if (lsb_scheduler_complete(s->scheduler, ids, n, s->touched))
		return lsb_fail(err, LSB_EPROTO, 0, "step %u gave %u ids, not what was asked for",
				s->next_ids, n);
	s->next_ids++;
	s->sink->tokens(s->sink->user, s->touched, n, now);
	atomic_fetch_add_explicit(&s->setup.status->tokens, n, memory_order_relaxed);
	return LSB_OK;
}

/* First of several stages: hand over all ids that have come. */
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

/* Take what has come, without waiting. */
static int look(struct lsb_stage *s, struct lsb_error *err)
{
	const int rc = lsb_link_poll(&s->link, 0, err);

	if (rc && rc != LSB_ETIMEDOUT)
		return rc;
	return s->is_first && !s->is_last ? absorb_arrived_ids(s, err) : LSB_OK;
}

/* --- one step ------------------------------------------------------------------------ */

/* Where the next step goes; stays the same while steps before it end. */
static struct lsb_work *next_work(const struct lsb_stage *s)
{
	return &s->works[(s->first_work + s->n_works) % s->setup.tickets];
}

/* First stage: the scheduler's next step into `work`, told to all stages. 1; 0: none now; or an error. */
static int plan_from_scheduler(struct lsb_stage *s, struct lsb_work *work, struct lsb_error *err)
{
	struct lsb_plan *plan = &work->plan;
	struct lsb_step step;
	int rc;

	if (!lsb_scheduler_next(s->scheduler, lsb_now_ns() - s->t0_ns, &step))
		return 0;
	work->needs_ids = step.needs_ids;
	plan->flags = 0;
	plan->step = s->next_step;
	plan->lane = step.lane;
	plan->n_tokens = step.n_tokens;
	plan->n_outputs = step.n_outputs;
	plan->n_clear = step.n_clear;
	memcpy(plan->tokens, step.tokens, step.n_tokens * sizeof(*step.tokens));
	memcpy(plan->sampling, step.sampling, step.n_outputs * sizeof(*step.sampling));
	memcpy(plan->clear, step.clear, step.n_clear * sizeof(*step.clear));
	rc = lsb_stage_send_plans(s, plan, err);
	return rc ? rc : 1;
}

/* Later stage: take the next plan, which has come, for the next work. Its buffer is given back by submit. */
static int receive_plan(struct lsb_stage *s, struct lsb_error *err)
{
	struct lsb_plan *plan = &next_work(s)->plan;
	struct lsb_message *message;
	int rc = lsb_inbox_take(&s->plan_in, &message, err);

	if (rc == LSB_OK)
		rc = lsb_plan_read(message->local.ptr, message->bytes, &s->setup.limits, plan, err);
	if (rc)
		return rc;
	if (plan->step != s->next_step)
		return lsb_fail(err, LSB_EPROTO, 0, "the plan of step %u came where step %u was due",
				plan->step, s->next_step);
	s->pass_over = (plan->flags & LSB_PLAN_END) != 0;
	s->has_plan = !s->pass_over;
	return LSB_OK;
}

/* What a stage without work lacks to go on: the box of the one message that is due next; NULL: nothing. */
static int find_lacking(struct lsb_stage *s, struct lsb_box **out, struct lsb_error *err)
{
	int rc = LSB_OK;

	*out = NULL;
	if (s->is_first) {
		const int has_news = s->shares && lsb_dispatch_has_news(s->dispatch);

		*out = lsb_inbox_next(&s->ids_in) || has_news ? NULL : &s->ids_in;
		return LSB_OK;
	}
	if (!s->has_plan && !lsb_inbox_next(&s->plan_in))
		*out = &s->plan_in;
	else if (!s->has_plan)
		rc = receive_plan(s, err);
	if (rc == LSB_OK && s->has_plan && !lsb_inbox_next(&s->hidden_in))
		*out = &s->hidden_in;
	return rc;
}

/* On a first stage: when a request arrives that could be served then; LSB_NEVER: none does. */
static uint64_t next_arrival(const struct lsb_stage *s)
{
	uint64_t at = s->is_first ? lsb_scheduler_next_arrival(s->scheduler) : LSB_NEVER;

	if (s->shares && lsb_dispatch_next_arrival(s->dispatch) < at)
		at = lsb_dispatch_next_arrival(s->dispatch);
	return at > LSB_NEVER - s->t0_ns ? LSB_NEVER : s->t0_ns + at;
}

/*
 * Nothing to compute: block until there is. That is one interval, and the message
 * that came last ended it, or the arrival of a request did, and the message is still
 * due. Hidden states are sent after their plan, so where both were found at once the
 * plan is not what held this rank up.
 */
static int block_for_message(struct lsb_stage *s, struct lsb_error *err)
{
	const int had_hidden = !s->is_first && lsb_inbox_next(&s->hidden_in);
	const uint64_t until = next_arrival(s);
	const uint64_t t0 = lsb_now_ns();
	struct lsb_box *lacking, *last = NULL;
	const struct lsb_message *message;
	int rc;

	lsb_stage_close_own_work(s, t0);
	while ((rc = find_lacking(s, &lacking, err)) == LSB_OK && lacking) {
		last = lacking;
		rc = lsb_stage_block_slice(s, lacking, t0, until, err);
		if (rc)
			return rc;
		if (until != LSB_NEVER && lsb_now_ns() >= until)
			break;
	}
	if (rc || !last) {
		s->own_since_ns = t0;
		return rc;
	}
	if (s->has_plan && !had_hidden)
		last = &s->hidden_in;
	/* A plan is taken by now, but not given back. */
	message = &last->ring[(last == &s->plan_in ? last->taken - 1 : last->taken) % last->depth];
	lsb_stage_record_block(s, last, message, t0);
	return LSB_OK;
}

/* Give `work`, whose plan is set, to the backend. */
static int submit(struct lsb_stage *s, struct lsb_work *work, struct lsb_error *err)
{
	const struct lsb_stage_setup *setup = &s->setup;
	const struct lsb_backend_ops *ops = &setup->backend->ops.backend;
	const struct lsb_plan *plan = &work->plan;
	struct lsb_message *in = NULL, *out = NULL;
	int rc = s->is_first ? LSB_OK : lsb_inbox_release(&s->plan_in, err);

	if (rc == LSB_OK && !s->is_first)
		rc = lsb_inbox_take(&s->hidden_in, &in, err);
	if (rc == LSB_OK && in && in->bytes != lsb_stage_hidden_bytes(s, plan->n_tokens))
		rc = lsb_fail(err, LSB_EPROTO, 0, "step %u: %llu bytes of hidden states for %u tokens",
			      plan->step, (unsigned long long)in->bytes, plan->n_tokens);
	if (rc == LSB_OK && !s->is_last)
		rc = lsb_stage_acquire(s, &s->hidden_out, &out, err);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < plan->n_clear; i++)
		ops->slot_clear(setup->backend_handle, plan->clear[i]);
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
		.out = out ? &out->local : NULL,
		.ids = s->is_last ? work->ids : NULL,
	};
	work->submitted_ns = lsb_recorder_now();
	rc = ops->submit(setup->backend_handle, &work->batch, &work->io, &work->ticket, err);
	if (rc)
		return lsb_plugin_result(setup->backend, "submit", rc, err);
	s->own_lane = plan->lane;
	s->own_step = plan->step;
	s->n_works++;
	s->next_step++;
	return LSB_OK;
}

/* Start the next step if there is one and room for it: 1, 0 or an error. */
static int start_step(struct lsb_stage *s, struct lsb_error *err)
{
	struct lsb_work *work = next_work(s);
	int rc;

	if (s->n_works == s->setup.tickets || s->pass_over)
		return 0;
	if (s->is_first) {
		rc = plan_from_scheduler(s, work, err);
		if (rc <= 0)
			return rc;
	} else {
		struct lsb_box *lacking;

		rc = find_lacking(s, &lacking, err);
		if (rc || lacking || s->pass_over)
			return rc;
		s->has_plan = 0;
	}
	rc = submit(s, work, err);
	return rc ? rc : 1;
}

/*
 * The oldest step is computed: pass on what it gave. Its input's buffer is
 * posted again before that, so before the step's ids allow another message.
 */
static int finish_step(struct lsb_stage *s, struct lsb_work *work, struct lsb_error *err)
{
	const struct lsb_plan *plan = &work->plan;
	int rc = LSB_OK;

	atomic_fetch_add_explicit(&s->setup.status->steps, 1, memory_order_relaxed);
	if (s->is_first && s->is_last)
		return absorb_ids(s, work->ids, plan->n_outputs, err);
	if (!s->is_first)
		rc = lsb_inbox_release(&s->hidden_in, err);
	if (rc)
		return rc;
	return s->is_last ? lsb_stage_send_ids(s, work, err)
			  : lsb_outbox_send(&s->hidden_out, lsb_stage_hidden_bytes(s, plan->n_tokens),
					    plan->lane, plan->step, err);
}

/* Wait for the oldest ticket; an asynchronous backend only shortly, since messages may come meanwhile. */
static int advance_work(struct lsb_stage *s, struct lsb_error *err)
{
	const struct lsb_stage_setup *setup = &s->setup;
	struct lsb_work *work = &s->works[s->first_work];
	const uint64_t now = lsb_now_ns();
	int rc;

	if (!s->ticket_since_ns) {
		lsb_stage_close_own_work(s, now);
		s->ticket_since_ns = now;
	}
	rc = setup->backend->ops.backend.wait(setup->backend_handle, work->ticket,
					      now + (s->is_inline ? LSB_STAGE_SLICE_NS : POLL_NS), err);
	if (rc == LSB_ETIMEDOUT) {
		err->msg[0] = '\0'; /* no failure: it must not explain a later one */
		if (now - s->ticket_since_ns > setup->timeout_ns)
			return lsb_fail(err, LSB_ETIMEDOUT, 0, "step %u did not end within %.0f s",
					work->plan.step, (double)setup->timeout_ns * 1e-9);
		return LSB_OK;
	}
	s->first_work = (s->first_work + 1) % setup->tickets;
	s->n_works--;
	if (rc)
		return lsb_plugin_result(setup->backend, "wait", rc, err);
	s->own_since_ns = lsb_recorder_now();
	rc = lsb_stage_record_compute(s, work, err);
	s->ticket_since_ns = 0;
	return rc ? rc : finish_step(s, work, err);
}

/* --- one pass ------------------------------------------------------------------------ */

/* First stage: all answers are complete. Tell the others. */
static int end_pass(struct lsb_stage *s, struct lsb_error *err)
{
	const struct lsb_plan end = { .flags = LSB_PLAN_END, .step = s->next_step };

	s->pass_over = 1;
	return lsb_stage_send_plans(s, &end, err);
}

/* A box with messages of this rank on their way, or NULL. */
static const struct lsb_box *busy_box(const struct lsb_stage *s)
{
	for (uint32_t i = 1; s->is_first && i < s->setup.stages; i++)
		if (!lsb_outbox_idle(&s->plans_out[i - 1]))
			return &s->plans_out[i - 1];
	if (!s->is_last && !lsb_outbox_idle(&s->hidden_out))
		return &s->hidden_out;
	if (s->is_last && !s->is_first && !lsb_outbox_idle(&s->ids_out))
		return &s->ids_out;
	return s->shares ? lsb_dispatch_busy(s->dispatch) : NULL;
}

/* Let every send end: the barrier that follows allows none. */
static int drain(struct lsb_stage *s, struct lsb_error *err)
{
	const uint64_t t0 = lsb_now_ns();
	const struct lsb_box *box;

	while ((box = busy_box(s))) {
		const int rc = lsb_stage_block_slice(s, box, t0, LSB_NEVER, err);

		if (rc)
			return rc;
	}
	return LSB_OK;
}

/* No step could start: finish one, or end the pass, or block for what is needed next. */
static int go_on(struct lsb_stage *s, struct lsb_error *err)
{
	const int linked = s->setup.stages > 1;
	const int shares = s->shares && !lsb_dispatch_is_over(s->dispatch);
	int rc = shares ? lsb_stage_share(s, err) : LSB_OK;

	if (rc < 0 || (rc && !s->n_works)) /* where something was done, a step may start now */
		return rc < 0 ? rc : LSB_OK;
	rc = LSB_OK;
	if (s->n_works) {
		/* Worth a look while a step runs: ids are stamped as they come, receives found complete. */
		if (linked && (s->is_first || !s->is_inline))
			rc = look(s, err);
		return rc ? rc : advance_work(s, err);
	}
	if (s->pass_over)
		return LSB_OK;
	if (s->is_first && lsb_scheduler_done(s->scheduler) && !shares) {
		s->pass_over = !linked;
		return linked ? end_pass(s, err) : LSB_OK;
	}
	if (s->is_first && lsb_scheduler_on_their_way(s->scheduler) == 0) {
		const uint64_t until = next_arrival(s);

		if (until == LSB_NEVER && !shares)
			return lsb_fail(err, LSB_EINVAL, 0,
					"the scheduler has nothing to do and is not done");
		return lsb_stage_idle(s, until, err);
	}
	rc = block_for_message(s, err);
	return rc == LSB_OK && s->is_first ? absorb_arrived_ids(s, err) : rc;
}

int lsb_stage_pass(struct lsb_stage *s, const struct lsb_pass *pass, struct lsb_error *err)
{
	int rc = LSB_OK;

	*err = (struct lsb_error){ 0 };
	s->scheduler = pass->scheduler;
	s->sink = pass->sink;
	s->t0_ns = pass->t0_ns;
	s->shares = pass->shares;
	s->share_error = (struct lsb_error){ 0 };
	s->has_plan = s->pass_over = 0;
	s->own_since_ns = pass->since_ns;
	s->ticket_since_ns = 0;
	s->own_lane = ~0u;
	while (rc == LSB_OK && !(s->pass_over && s->n_works == 0)) {
		do
			rc = start_step(s, err);
		while (rc > 0);
		if (rc == LSB_OK)
			rc = go_on(s, err);
		if (rc == LSB_OK)
			rc = lsb_stage_check_cancelled(s, err);
	}
	if (rc == LSB_OK && !s->is_first) /* of the plan that ended the pass */
		rc = lsb_inbox_release(&s->plan_in, err);
	if (rc == LSB_OK)
		rc = drain(s, err);
	lsb_stage_close_own_work(s, lsb_now_ns());
	return rc;
}
