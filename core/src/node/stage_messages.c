/* SPDX-License-Identifier: Apache-2.0 */
/* The stage loop's dealings with others: blocking, with its records, and sending. */
#include <time.h>

#include "base/base.h"
#include "node/stage_parts.h"

int lsb_stage_check_cancelled(const struct lsb_stage *s, struct lsb_error *err)
{
	if (atomic_load_explicit(&s->setup.status->cancelled, memory_order_relaxed))
		return lsb_fail(err, LSB_ECANCELED, 0, "the run was ended from outside");
	return LSB_OK;
}

/* --- where the time goes ------------------------------------------------------------- */

/* Own work ends at `now`: the rank goes into a ticket or blocks. */
void lsb_stage_close_own_work(struct lsb_stage *s, uint64_t now)
{
	struct lsb_record *record =
		lsb_recorder_next(s->setup.recorder, LSB_REC_SCHEDULE, s->own_since_ns, now);

	record->group = s->own_lane;
	record->step = s->own_step;
	s->own_lane = ~0u;
}

/* Blocked from t0 until now, for `message` of `box` if it has come, else for room to send. */
void lsb_stage_record_block(struct lsb_stage *s, const struct lsb_box *box, const struct lsb_message *message,
			    uint64_t t0)
{
	struct lsb_record *record;

	s->own_since_ns = lsb_recorder_now();
	record = lsb_recorder_next(s->setup.recorder, LSB_REC_BLOCK, t0, s->own_since_ns);
	record->peer = box->peer;
	record->tag = box->tag;
	record->sequence = message->sequence;
	if (message->state == LSB_MESSAGE_PENDING) /* the block ended before it came */
		return;
	record->bytes = message->bytes;
	record->aux = message->arrived_ns;
}

/* What a step's attention looks back at: the sum of its tokens' positions. */
static uint64_t sum_positions(const struct lsb_plan *plan)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < plan->n_tokens; i++)
		sum += plan->tokens[i].position;
	return sum;
}

static uint64_t within(uint64_t at, uint64_t least, uint64_t most)
{
	return at < least ? least : at > most ? most : at;
}

/*
 * The clocks of a backend's times and the host's agree but for some microseconds: no
 * step begins before it was submitted or the one before had ended, or ends after that
 * was seen.
 */
int lsb_stage_record_compute(struct lsb_stage *s, const struct lsb_work *work, struct lsb_error *err)
{
	const struct lsb_stage_setup *setup = &s->setup;
	uint64_t from = s->ticket_since_ns, to = s->own_since_ns;
	struct lsb_record *record;
	int rc;

	if (s->tells_times) {
		record = lsb_recorder_next(setup->recorder, LSB_REC_TICKET, from, to);
		record->group = work->plan.lane;
		record->step = work->plan.step;
		rc = setup->backend->ops.backend.ticket_times(setup->backend_handle, work->ticket, &from, &to,
							      err);
		if (rc)
			return lsb_plugin_result(setup->backend, "ticket_times", rc, err);
		from = within(from, work->submitted_ns > s->computed_ns ? work->submitted_ns : s->computed_ns,
			      s->own_since_ns);
		to = within(to, from, s->own_since_ns);
		s->computed_ns = to;
	}
	record = lsb_recorder_next(setup->recorder, LSB_REC_COMPUTE, from, to);
	record->group = work->plan.lane;
	record->step = work->plan.step;
	record->sequence = work->plan.step;
	record->tag = work->needs_ids ? LSB_NEEDS_IDS : LSB_NEEDS_NOTHING;
	record->aux = work->plan.n_tokens;
	record->aux2 = work->plan.n_outputs;
	record->bytes = sum_positions(&work->plan);
	return LSB_OK;
}

/* --- blocking and sending ------------------------------------------------------------ */

/* Without anything to do: until a message, LSB_OK, or `until`, LSB_ETIMEDOUT. */
static int sleep_until(struct lsb_stage *s, uint64_t until, struct lsb_error *err)
{
	const struct timespec at = { .tv_sec = (time_t)(until / 1000000000u),
				     .tv_nsec = (long)(until % 1000000000u) };

	if (s->link.n_pending)
		return lsb_link_poll(&s->link, until, err);
	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL); /* a signal only ends it early */
	return LSB_ETIMEDOUT;
}

/*
 * No request to serve and none on its way: until the next one arrives, or some
 * message. A rank that is alone sleeps.
 */
int lsb_stage_idle(struct lsb_stage *s, uint64_t until, struct lsb_error *err)
{
	const uint64_t t0 = lsb_now_ns();
	uint64_t now = t0;
	int rc = LSB_ETIMEDOUT;

	lsb_stage_close_own_work(s, t0);
	for (; now < until && rc == LSB_ETIMEDOUT; now = lsb_now_ns()) {
		const uint64_t slice = until - now < LSB_STAGE_SLICE_NS ? until - now : LSB_STAGE_SLICE_NS;

		rc = lsb_stage_check_cancelled(s, err);
		if (rc == LSB_OK)
			rc = sleep_until(s, now + slice, err);
		atomic_fetch_add_explicit(&s->setup.status->idled, 1, memory_order_relaxed);
	}
	s->own_since_ns = now;
	(void)lsb_recorder_next(s->setup.recorder, LSB_REC_IDLE, t0, now);
	return rc == LSB_ETIMEDOUT ? LSB_OK : rc;
}

/* Wait a slice of time for any message, `until` at the longest; *t0 is when this wait began. */
int lsb_stage_block_slice(struct lsb_stage *s, const struct lsb_box *box, uint64_t t0, uint64_t until,
			  struct lsb_error *err)
{
	const uint64_t now = lsb_now_ns(), end = now + LSB_STAGE_SLICE_NS;
	int rc = lsb_link_poll(&s->link, until < end ? until : end, err);

	if (rc && rc != LSB_ETIMEDOUT)
		return rc;
	rc = lsb_stage_check_cancelled(s, err);
	if (rc == LSB_OK && now - t0 > s->setup.timeout_ns)
		rc = lsb_fail(err, LSB_ETIMEDOUT, 0, "rank %d %s for %.0f s (tag %u, message %u)", box->peer,
			      box->receives ? "sent nothing" : "took no message",
			      (double)s->setup.timeout_ns * 1e-9, box->tag, box->taken);
	return rc;
}

int lsb_stage_share(struct lsb_stage *s, struct lsb_error *err)
{
	int rc;

	if (s->share_error.code) {
		*err = s->share_error;
		return err->code;
	}
	rc = lsb_link_poll(&s->link, 0, err);
	if (rc && rc != LSB_ETIMEDOUT)
		return rc;
	return lsb_dispatch_move(s->dispatch, lsb_now_ns() - s->t0_ns, err);
}

/*
 * A free buffer of `box`. There is one by construction, since the message that
 * used it was received before its step's ids came back; but the transport may
 * not have told of its completion yet.
 */
int lsb_stage_acquire(struct lsb_stage *s, struct lsb_box *box, struct lsb_message **out,
		      struct lsb_error *err)
{
	uint64_t t0;
	int rc;

	*out = lsb_outbox_acquire(box);
	if (*out)
		return LSB_OK;
	rc = lsb_link_poll(&s->link, 0, err);
	if (rc && rc != LSB_ETIMEDOUT)
		return rc;
	*out = lsb_outbox_acquire(box);
	if (*out)
		return LSB_OK;
	t0 = lsb_now_ns();
	if (!s->ticket_since_ns) /* else the rank is in a ticket as well, and that counts */
		lsb_stage_close_own_work(s, t0);
	while (!(*out = lsb_outbox_acquire(box))) {
		rc = lsb_stage_block_slice(s, box, t0, UINT64_MAX, err);
		if (rc)
			return rc;
	}
	if (!s->ticket_since_ns)
		lsb_stage_record_block(s, box, *out, t0);
	return LSB_OK;
}

int lsb_stage_send_plans(struct lsb_stage *s, const struct lsb_plan *plan, struct lsb_error *err)
{
	for (uint32_t i = 1; i < s->setup.stages; i++) {
		struct lsb_box *box = &s->plans_out[i - 1];
		struct lsb_message *message;
		int rc = lsb_stage_acquire(s, box, &message, err);

		if (rc == LSB_OK)
			rc = lsb_outbox_send(box, lsb_plan_write(plan, message->local.ptr), plan->lane,
					     plan->step, err);
		if (rc)
			return rc;
	}
	return LSB_OK;
}

int lsb_stage_send_ids(struct lsb_stage *s, const struct lsb_work *work, struct lsb_error *err)
{
	const struct lsb_plan *plan = &work->plan;
	struct lsb_message *message;
	const int rc = lsb_stage_acquire(s, &s->ids_out, &message, err);

	if (rc)
		return rc;
	return lsb_outbox_send(&s->ids_out,
			       lsb_ids_write(plan->step, work->ids, plan->n_outputs, message->local.ptr),
			       plan->lane, plan->step, err);
}
