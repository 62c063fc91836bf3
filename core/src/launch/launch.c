/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A launch as a whole: steps that wait for all ranks, deadlines, and the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "launch/ranks.h"

#define MS 1000000u /* nanoseconds */

enum {
	TICK_MS = 50,
	PROGRESS_MS = 250,
	SUSPENDED_MS = 2000, /* a tick so late means that the controller itself was stopped */
	PING_MS = 1000,
};

char *launch_log_path(const struct running *l, int32_t rank)
{
	if (rank < 0)
		return lsb_format("%s.launcher.log", l->what->log_prefix);
	return lsb_format("%s.%d.log", l->what->log_prefix, (int)rank);
}

int launch_log_open(struct running *l, int32_t rank, struct lsb_error *err)
{
	char *path = launch_log_path(l, rank);
	int fd;

	if (!path) {
		(void)lsb_fail(err, LSB_ENOMEM, 0, "no memory for the path of a log");
		return -1;
	}
	(void)unlink(path); /* of an abandoned launch of the same number */
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		(void)lsb_fail(err, LSB_EIO, errno, "cannot open the log '%s': %s", path, strerror(errno));
	free(path);
	return fd;
}

static void send_all(struct running *l, enum lsb_frame_type type, const char *payload)
{
	for (int32_t i = 0; i < l->n; i++)
		rank_send(&l->ranks[i], type, payload, strlen(payload));
}

/* Whether all ranks that are still counted on have come to `state` or beyond; failed ones have not. */
static int have_arrived(const struct running *l, enum rank_state state)
{
	for (int32_t i = 0; i < l->n; i++) {
		const struct rank *r = &l->ranks[i];

		if (!rank_is_lost(r) && (r->state < state || r->state == RANK_FAILED))
			return 0;
	}
	return 1;
}

/* Ranks of agents have all come: what each of them is to do depends on where the others are. */
void launch_rank_hello(struct rank *r)
{
	struct running *l = r->launch;
	struct lsb_error err = { 0 };

	if (r->is_local) {
		rank_send_job(r);
		return;
	}
	if (l->ending || !have_arrived(l, RANK_ADDRESS))
		return;
	if (launch_place(l, &err)) {
		cause_note(l, NULL, CAUSE_STATEMENT, err.code, LOG_NONE, "%s", err.msg);
		launch_end(l, ENDING_FAILED);
		return;
	}
	listener_close(l); /* nobody else is expected */
	for (int32_t i = 0; i < l->n; i++)
		rank_send_job(&l->ranks[i]);
}

void launch_address_told(struct running *l)
{
	json_t *list, *root;
	char *text;

	if (l->ending || !have_arrived(l, RANK_READY))
		return;
	list = json_array();
	for (int32_t i = 0; i < l->n; i++)
		json_array_append_new(list, json_string(l->ranks[i].address));
	root = json_pack("{s:o}", "addresses", list);
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	if (text) {
		send_all(l, LSB_FRAME_ADDRESSES, text);
	} else {
		cause_note(l, NULL, CAUSE_STATEMENT, LSB_ENOMEM, LOG_NONE,
			   "no memory for the ranks' addresses");
		launch_end(l, ENDING_FAILED);
	}
	free(text);
}

void launch_rank_ready(struct running *l)
{
	if (l->ending || !have_arrived(l, RANK_STARTED))
		return;
	l->started_ns = lsb_now_ns();
	for (int32_t i = 0; i < l->n; i++)
		l->ranks[i].step_ns = l->started_ns;
	send_all(l, LSB_FRAME_START, "{}");
}

void launch_rank_ran(struct running *l)
{
	char text[32];

	if (l->ending || l->finish_sent || l->n_replicas == 1 || !have_arrived(l, RANK_RAN))
		return;
	l->finish_sent = 1;
	(void)snprintf(text, sizeof(text), "{\"lost\":%u}", l->n_lost);
	send_all(l, LSB_FRAME_FINISH, text);
}

void launch_rank_done(struct running *l)
{
	if (!l->ending && have_arrived(l, RANK_DONE))
		launch_end(l, ENDING_DONE);
}

/* --- the end --- */

static void quit_all(struct running *l)
{
	if (l->quit_sent)
		return;
	send_all(l, LSB_FRAME_QUIT, l->ending == ENDING_DONE ? LSB_QUIT_DONE : "{}");
	l->quit_sent = 1;
}

static void kill_all(struct running *l)
{
	launch_kill(l);
	/* Agents end their ranks when their channel does. */
	for (int32_t i = 0; i < l->n && l->launcher->has_agents; i++)
		rank_close_pipe(&l->ranks[i]);
	l->terminated = l->killed = 1;
}

void launch_end(struct running *l, enum ending how)
{
	if (l->ending == ENDING_NOT) {
		l->ending = how;
		l->ending_ns = lsb_now_ns();
	} else if (l->ending == ENDING_DONE && how == ENDING_FAILED) {
		l->ending = how; /* all results came, and then a rank crashed: no clean launch */
	}
	if (how != ENDING_FAILED)
		quit_all(l);
}

void launch_interrupted(struct running *l, int times)
{
	launch_end(l, ENDING_INTERRUPTED);
	if (times > 1)
		kill_all(l);
}

static void on_tick_closed(uv_handle_t *handle)
{
	struct running *l = handle->data;

	l->tick_open = 0;
}

void launch_settle(struct running *l)
{
	int32_t left;

	launch_reap(l);
	left = launch_processes_left(l);
	if (left == 0 || l->ending)
		listener_close(l);
	for (int32_t i = 0; i < l->n; i++)
		left += l->ranks[i].pipe_open && !l->ranks[i].pipe_closed;
	if (left == 0 && listener_is_closed(l) && !uv_is_closing((uv_handle_t *)&l->tick)) {
		if (!l->ending)
			launch_end(l, ENDING_FAILED);
		uv_close((uv_handle_t *)&l->tick, on_tick_closed);
	}
}

/* A clean launch whose ranks do not end is none. */
static void note_unended(struct running *l)
{
	for (int32_t i = 0; i < l->n; i++)
		if (!l->ranks[i].ended && !rank_is_lost(&l->ranks[i]))
			cause_note(l, &l->ranks[i], CAUSE_ABSENCE, LSB_ETIMEDOUT, LOG_RANK,
				   "rank %d on %s did not end within %d s of its result", i,
				   rank_host(&l->ranks[i]), LSB_DONE_GRACE_MS / 1000);
}

/* QUIT, SIGTERM, SIGKILL: each when the one before was not enough. */
static void enforce(struct running *l, uint64_t now)
{
	const uint64_t passed_ms = (now - l->ending_ns) / MS;
	const uint64_t step_ms = l->launcher->has_agents ? LSB_AGENTS_GRACE_MS : LSB_GRACE_MS;
	const uint64_t grace_ms = l->ending == ENDING_DONE ? LSB_DONE_GRACE_MS : step_ms;

	if (l->cause.weight > CAUSE_CONSEQUENCE || passed_ms >= LSB_SETTLE_MS)
		quit_all(l);
	if (passed_ms >= grace_ms && !l->terminated) {
		if (l->ending == ENDING_DONE)
			note_unended(l);
		launch_terminate(l);
		l->terminated = 1;
		l->ending_ns = now - step_ms * MS;
		launch_end(l, ENDING_FAILED);
	} else if (passed_ms >= 2 * step_ms && l->terminated && !l->killed) {
		kill_all(l);
	}
}

/* The controller was stopped for a while, and so heard nothing: that is nobody's silence. */
static void forgive(struct running *l, uint64_t now)
{
	l->begun_ns += now - l->ticked_ns;
	for (int32_t i = 0; i < l->n; i++)
		l->ranks[i].heard_ns = l->ranks[i].step_ns = now;
}

/* Agents take a controller that says nothing for dead. */
static void ping(struct running *l, uint64_t now)
{
	for (int32_t i = 0; i < l->n; i++)
		if (l->ranks[i].state > RANK_JOIN)
			rank_send(&l->ranks[i], LSB_FRAME_PING, "{}", 2);
	l->pinged_ns = now;
}

static void tell_progress(const struct running *l, uint64_t now)
{
	struct lsb_launch_progress progress = { .run_ns = l->started_ns ? now - l->started_ns : 0 };
	const struct rank *last = NULL;

	for (int32_t i = 0; i < l->n; i++) {
		const struct rank *r = &l->ranks[i];

		progress.tokens += r->tokens;
		if (!rank_is_lost(r) && (!last || r->state < last->state))
			last = r;
	}
	progress.phase = last ? last->phase : "end";
	l->what->on_progress(l->what->user, &progress);
}

static void on_tick(uv_timer_t *timer)
{
	struct running *l = timer->data;
	const uint64_t now = lsb_now_ns();

	if (now - l->ticked_ns > SUSPENDED_MS * (uint64_t)MS)
		forgive(l, now);
	if (l->what->on_progress && l->started_ns && !l->ending &&
	    now / (PROGRESS_MS * (uint64_t)MS) != l->ticked_ns / (PROGRESS_MS * (uint64_t)MS))
		tell_progress(l, now);
	l->ticked_ns = now;
	if (l->launcher->has_agents && now - l->pinged_ns >= PING_MS * (uint64_t)MS)
		ping(l, now);
	listener_tick(l, now);
	if (l->ending)
		enforce(l, now);
	else
		launch_check_deadlines(l, now);
	replicas_tick(l, now);
	launch_settle(l);
}

/* --- begin and outcome --- */

static int begin(struct running *l, struct lsb_error *err)
{
	const int has_agents = l->launcher->has_agents;
	struct lsb_error why = { 0 };
	int rc;

	if (uv_timer_init(&l->controller->loop, &l->tick))
		return lsb_fail(err, LSB_EIO, 0, "cannot start the timer of a launch");
	l->tick.data = l;
	l->tick_open = 1;
	l->begun_ns = l->ticked_ns = l->pinged_ns = lsb_now_ns();
	for (int32_t i = 0; i < l->n; i++) {
		struct rank *r = &l->ranks[i];

		r->launch = l;
		r->number = i;
		r->state = has_agents ? RANK_JOIN : RANK_HELLO;
		r->preface = LSB_PREFACE_DONE;
		r->heard_ns = r->step_ns = l->begun_ns;
		(void)snprintf(r->phase, sizeof(r->phase), "start");
	}
	rc = l->launcher->start(l, &why);
	if (rc) {
		const struct rank *whose = l->n_processes < (size_t)l->n ? &l->ranks[l->n_processes] : NULL;

		cause_note(l, whose, CAUSE_STATEMENT, rc, LOG_NONE, "%s", why.msg);
		launch_end(l, ENDING_FAILED);
	}
	(void)uv_timer_start(&l->tick, on_tick, TICK_MS, TICK_MS);
	return LSB_OK;
}

static int collect(struct running *l, struct lsb_outcome *out, struct lsb_error *err)
{
	out->ranks = json_array();
	out->lost = replicas_lost(l);
	out->records = calloc((size_t)l->n, sizeof(*out->records));
	if (!out->ranks || !out->lost || !out->records)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the results of a launch");
	out->n_records = (size_t)l->n;
	for (int32_t i = 0; i < l->n; i++) {
		struct rank *r = &l->ranks[i];
		const int is_lost = rank_is_lost(r);

		json_array_append_new(out->ranks, is_lost ? json_null() : json_incref(r->result));
		out->records[i] = (struct lsb_rank_records){ .rank = i };
		if (is_lost)
			continue;
		out->records[i].records = r->records;
		out->records[i].n = r->n_records;
		r->records = NULL; /* the outcome's now */
	}
	return LSB_OK;
}

/* Some replicas worked to their end, others did not. */
static void tell_lost(struct lsb_outcome *out)
{
	const json_t *first = json_array_get(out->lost, 0);
	const size_t n = json_array_size(out->lost);

	out->status = LSB_LAUNCH_INCOMPLETE;
	out->code = (int)json_integer_value(json_object_get(first, "code"));
	out->rank = (int32_t)json_integer_value(json_object_get(first, "rank"));
	(void)snprintf(out->reason, sizeof(out->reason), "replica %d%s: %s",
		       (int)json_integer_value(json_object_get(first, "replica")), n > 1 ? " and others" : "",
		       json_string_value(json_object_get(first, "reason")));
}

static void running_free(struct running *l)
{
	for (int32_t i = 0; l->ranks && i < l->n; i++)
		rank_free(&l->ranks[i]);
	listener_free(l);
	free(l->ranks);
	free(l->replicas);
	free(l->jobs);
	free(l->cpus);
	free(l->processes);
}

int lsb_controller_launch(struct lsb_controller *c, const struct lsb_launch *what, struct lsb_outcome *out,
			  struct lsb_error *err)
{
	struct running l = { .controller = c,
			     .what = what,
			     .launcher = what->launcher ? what->launcher : &lsb_launcher_local,
			     .n = what->size,
			     .cause.rank = -1 };
	int rc;

	*out = (struct lsb_outcome){ .rank = -1 };
	if (what->size < 1 || what->size > LSB_RANKS_MAX)
		return lsb_fail(err, LSB_EINVAL, 0, "a launch of %d ranks", what->size);
	l.n_replicas = (uint32_t)what->size / what->jobs[0].stages;
	l.ranks = calloc((size_t)what->size, sizeof(*l.ranks));
	l.replicas = calloc(l.n_replicas, sizeof(*l.replicas));
	l.jobs = calloc((size_t)what->size, sizeof(*l.jobs));
	l.processes = calloc((size_t)what->size + 1, sizeof(*l.processes));
	if (!l.ranks || !l.replicas || !l.jobs || !l.processes) {
		running_free(&l);
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %d ranks", what->size);
	}
	memcpy(l.jobs, what->jobs, (size_t)what->size * sizeof(*l.jobs));
	c->running = &l;
	rc = begin(&l, err);
	while (rc == LSB_OK && l.tick_open)
		(void)uv_run(&c->loop, UV_RUN_ONCE);
	c->running = NULL;
	if (rc == LSB_OK && l.ending == ENDING_DONE && l.cause.weight == CAUSE_NONE) {
		rc = collect(&l, out, err);
		if (rc == LSB_OK && l.n_lost)
			tell_lost(out);
	} else if (rc == LSB_OK && l.ending == ENDING_INTERRUPTED) {
		out->status = LSB_LAUNCH_INTERRUPTED;
		out->code = LSB_ECANCELED;
		(void)snprintf(out->reason, sizeof(out->reason), "interrupted");
	} else if (rc == LSB_OK) {
		out->status = l.cause.code == LSB_EUNAVAIL ? LSB_LAUNCH_WAIVED : LSB_LAUNCH_FAILED;
		out->code = l.cause.code;
		out->rank = l.cause.rank;
		cause_tell(&l, &l.cause, out->reason, sizeof(out->reason));
	}
	out->oversubscribed = l.oversubscribed;
	running_free(&l);
	if (rc)
		lsb_outcome_free(out);
	return rc;
}

void lsb_outcome_free(struct lsb_outcome *o)
{
	json_decref(o->ranks);
	json_decref(o->lost);
	for (size_t i = 0; o->records && i < o->n_records; i++)
		free((struct lsb_record *)(uintptr_t)o->records[i].records);
	free(o->records);
	*o = (struct lsb_outcome){ .rank = -1 };
}

const char *lsb_launch_status_name(enum lsb_launch_status status)
{
	static const char *const names[] = { "ok", "failed", "waived", "interrupted", "incomplete" };

	return names[status];
}
