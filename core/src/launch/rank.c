/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conversation with one rank. Whatever a rank sends is checked against its
 * state before it is believed; one that breaks the protocol fails the launch.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "launch/agent.h"
#include "launch/ranks.h"

struct writing {
	uv_write_t request;
	uint8_t header[LSB_FRAME_HEADER_BYTES];
	char payload[];
};

const char *rank_host(const struct rank *r)
{
	const struct lsb_launch *what = r->launch->what;

	if (*r->host)
		return r->host;
	if (what->hosts && what->hosts[r->number])
		return what->hosts[r->number];
	return r->launch->launcher->has_agents ? "an unknown host" : "this machine";
}

static void on_written(uv_write_t *request, int status)
{
	(void)status; /* a rank that does not hear is seen by its silence or its end */
	free(request->data);
}

void rank_send(struct rank *r, enum lsb_frame_type type, const char *payload, size_t length)
{
	struct writing *w;
	uv_buf_t parts[2];

	if (!r->pipe_open || uv_is_closing((uv_handle_t *)&r->pipe))
		return;
	w = malloc(sizeof(*w) + length);
	if (!w) {
		cause_note(r->launch, r, CAUSE_STATEMENT, LSB_ENOMEM, LOG_NONE,
			   "no memory for a frame to rank %d", r->number);
		launch_end(r->launch, ENDING_FAILED);
		return;
	}
	lsb_frame_format(type, length, r->sent++, w->header);
	memcpy(w->payload, payload, length);
	w->request.data = w;
	parts[0] = uv_buf_init((char *)w->header, sizeof(w->header));
	parts[1] = uv_buf_init(w->payload, (unsigned)length);
	if (uv_write(&w->request, (uv_stream_t *)&r->pipe, parts, 2, on_written))
		free(w);
}

void rank_copy_text(char *to, size_t bytes, const char *from)
{
	size_t n = 0;

	for (; from && *from && n + 1 < bytes; from++)
		to[n++] = isprint((unsigned char)*from) ? *from : '?';
	to[n] = '\0';
}

void rank_send_job(struct rank *r)
{
	char *job = lsb_job_format(&r->launch->jobs[r->number]);

	if (job && strlen(job) <= lsb_frame_limit(LSB_FRAME_JOB)) {
		rank_send(r, LSB_FRAME_JOB, job, strlen(job));
	} else {
		cause_note(r->launch, r, CAUSE_STATEMENT, LSB_ENOMEM, LOG_NONE,
			   "the job of rank %d cannot be written, or has more than %zu bytes", r->number,
			   lsb_frame_limit(LSB_FRAME_JOB));
		launch_end(r->launch, ENDING_FAILED);
	}
	free(job);
}

json_t *rank_parse(const char *payload, size_t length, const char *what, struct lsb_error *err)
{
	json_error_t why;
	json_t *root = json_loadb(payload, length, JSON_REJECT_DUPLICATES, &why);

	if (json_is_object(root))
		return root;
	lsb_fail(err, LSB_EPEER, 0, "its %s is not a JSON object%s%.100s", what, root ? "" : ": ",
		 root ? "" : why.text);
	json_decref(root);
	return NULL;
}

static int take_hello(struct rank *r, const char *payload, size_t length, struct lsb_error *err)
{
	json_t *hello = rank_parse(payload, length, "HELLO", err);
	const char *version = json_string_value(json_object_get(hello, "version"));
	int rc = LSB_OK;

	if (!hello)
		return LSB_EPEER;
	if (!version || strcmp(version, LSB_VERSION) != 0)
		rc = lsb_fail(err, LSB_EPEER, 0,
			      "it is lsbench %.32s where the controller is %s: use one version everywhere",
			      version ? version : "of an unknown version", LSB_VERSION);
	rank_copy_text(r->host, sizeof(r->host), json_string_value(json_object_get(hello, "host")));
	json_decref(hello);
	if (rc)
		return rc;
	r->state = RANK_ADDRESS;
	launch_rank_hello(r);
	return LSB_OK;
}

static int take_address(struct rank *r, const char *payload, size_t length, struct lsb_error *err)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=";
	json_t *root = rank_parse(payload, length, "ADDRESS", err);
	const char *address = json_string_value(json_object_get(root, "address"));
	struct lsb_error why = { 0 };

	if (!root)
		return LSB_EPEER;
	if (!address || address[strspn(address, digits)] != '\0') {
		json_decref(root);
		return lsb_fail(err, LSB_EPEER, 0, "its address is not base64");
	}
	r->address = strdup(address);
	if (rank_check_files(r, json_object_get(root, "files"), &why)) {
		cause_note(r->launch, r, CAUSE_STATEMENT, why.code, LOG_NONE, "rank %d on %s is refused: %s",
			   r->number, rank_host(r), why.msg);
		launch_end(r->launch, ENDING_FAILED);
	}
	json_decref(root);
	if (!r->address)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for its address");
	r->state = RANK_READY;
	launch_address_told(r->launch);
	return LSB_OK;
}

/* An unsigned member that may be absent. */
static uint64_t counter(const json_t *root, const char *name)
{
	const json_int_t value = json_integer_value(json_object_get(root, name));

	return value > 0 ? (uint64_t)value : 0;
}

static int take_heartbeat(struct rank *r, const char *payload, size_t length, struct lsb_error *err)
{
	json_t *root = rank_parse(payload, length, "HEARTBEAT", err);
	char phase[sizeof(r->phase)];
	uint64_t steps, idled;

	if (!root)
		return LSB_EPEER;
	rank_copy_text(phase, sizeof(phase), json_string_value(json_object_get(root, "phase")));
	steps = counter(root, "steps");
	idled = counter(root, "idled");
	if (steps != r->steps || idled != r->idled || strcmp(phase, r->phase) != 0)
		r->step_ns = lsb_now_ns();
	r->steps = steps;
	r->idled = idled;
	r->tokens = counter(root, "tokens");
	memcpy(r->phase, phase, sizeof(phase));
	json_decref(root);
	return LSB_OK;
}

static int take_records(struct rank *r, const char *payload, size_t length, struct lsb_error *err)
{
	const size_t most = r->launch->jobs[r->number].max_records;
	const size_t n = length / sizeof(struct lsb_record);

	if (length % sizeof(struct lsb_record) != 0 || n > most - r->n_records)
		return lsb_fail(err, LSB_EPEER, 0,
				"it sent %zu bytes of records after %zu, where %zu records fit", length,
				r->n_records, most);
	if (n == 0)
		return LSB_OK;
	if (r->n_records + n > r->room) {
		const size_t twice = 2 * (r->n_records + n), room = twice < most ? twice : most;
		struct lsb_record *grown = realloc(r->records, room * sizeof(*grown));

		if (!grown)
			return lsb_fail(err, LSB_ENOMEM, 0, "no memory for its %zu records", room);
		r->records = grown;
		r->room = room;
	}
	memcpy(r->records + r->n_records, payload, length);
	r->n_records += n;
	return LSB_OK;
}

static int take_result(struct rank *r, const char *payload, size_t length, struct lsb_error *err)
{
	r->result = rank_parse(payload, length, "RESULT", err);
	if (!r->result)
		return LSB_EPEER;
	if (json_integer_value(json_object_get(r->result, "rank")) != r->number ||
	    !json_is_integer(json_object_get(r->result, "rank")))
		return lsb_fail(err, LSB_EPEER, 0, "its result is of another rank");
	r->state = RANK_DONE;
	launch_rank_done(r->launch);
	return LSB_OK;
}

/* Failures that other ranks' failures bring about; what a rank said wrong (LSB_EPROTO) is none. */
static int is_consequence(int code)
{
	return code == LSB_EPEER || code == LSB_ECANCELED || code == LSB_ETIMEDOUT;
}

static int take_failure(struct rank *r, const char *payload, size_t length, struct lsb_error *err)
{
	json_t *root = rank_parse(payload, length, "FAILURE", err);
	char message[sizeof(((struct lsb_error *)0)->msg)], phase[sizeof(r->phase)];
	int code;

	if (!root)
		return LSB_EPEER;
	code = (int)json_integer_value(json_object_get(root, "code"));
	rank_copy_text(message, sizeof(message), json_string_value(json_object_get(root, "message")));
	rank_copy_text(phase, sizeof(phase), json_string_value(json_object_get(root, "phase")));
	json_decref(root);
	if (code >= 0 || code < LSB_EPROTO)
		code = LSB_EPEER;
	r->state = RANK_FAILED;
	rank_fail(r, is_consequence(code) ? CAUSE_CONSEQUENCE : CAUSE_STATEMENT, code, LOG_NONE,
		  "rank %d on %s failed in phase '%s': %s", r->number, rank_host(r), phase, message);
	return LSB_OK;
}

/* One line into the rank's own log. */
static int take_log(struct rank *r, const char *payload, size_t length, struct lsb_error *err)
{
	char *path = launch_log_path(r->launch, r->number);
	FILE *log = path ? fopen(path, "ae") : NULL;

	(void)err; /* a log that cannot be written fails no measurement */
	if (log) {
		(void)fprintf(log, "%.*s\n", (int)length, payload);
		(void)fclose(log);
	}
	free(path);
	return LSB_OK;
}

/* What an agent says in its own name. */
static int take_agents_frame(struct rank *r, enum lsb_frame_type type, const char *payload, size_t length,
			     struct lsb_error *err)
{
	if (type == LSB_FRAME_JOIN && r->state == RANK_JOIN)
		return rank_take_join(r, payload, length, err);
	if (type == LSB_FRAME_ENDED && r->state > RANK_JOIN && !r->ended)
		return rank_take_ended(r, payload, length, err);
	return lsb_fail(err, LSB_EPEER, 0, "its agent sent a frame of type %d that has no place in state %d",
			(int)type, (int)r->state);
}

/* Which frame may come in which state, and who takes it. */
static int take_frame(void *user, enum lsb_frame_type type, const char *payload, size_t length,
		      struct lsb_error *err)
{
	struct rank *r = user;
	const enum rank_state state = r->state;
	const int talks = state > RANK_HELLO && state <= RANK_DONE;
	const int runs = (state == RANK_STARTED || state == RANK_RAN) && r->launch->started_ns;

	r->heard_ns = lsb_now_ns();
	if (r->launch->launcher->has_agents && type >= LSB_FRAME_JOIN && type <= LSB_FRAME_PING)
		return take_agents_frame(r, type, payload, length, err);
	if (type == LSB_FRAME_HELLO && state == RANK_HELLO)
		return take_hello(r, payload, length, err);
	if (type == LSB_FRAME_ADDRESS && state == RANK_ADDRESS)
		return take_address(r, payload, length, err);
	if (type == LSB_FRAME_READY && state == RANK_READY) {
		r->state = RANK_STARTED;
		launch_rank_ready(r->launch);
		return LSB_OK;
	}
	if (type == LSB_FRAME_HEARTBEAT && talks)
		return take_heartbeat(r, payload, length, err);
	if (type == LSB_FRAME_LOG && (talks || r->launch->launcher->has_agents))
		return take_log(r, payload, length, err);
	if (type == LSB_FRAME_RAN && state == RANK_STARTED && runs) {
		r->state = RANK_RAN;
		launch_rank_ran(r->launch);
		return LSB_OK;
	}
	if (type == LSB_FRAME_RECORDS && runs)
		return take_records(r, payload, length, err);
	if (type == LSB_FRAME_RESULT && runs)
		return take_result(r, payload, length, err);
	if (type == LSB_FRAME_FAILURE && talks && state != RANK_DONE)
		return take_failure(r, payload, length, err);
	if (state == RANK_FAILED && type == LSB_FRAME_HEARTBEAT)
		return LSB_OK;
	return lsb_fail(err, LSB_EPEER, 0, "it sent a frame of type %d that has no place in state %d",
			(int)type, (int)state);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	(void)handle;
	buf->base = malloc(suggested);
	buf->len = buf->base ? suggested : 0;
}

/* The channel is of no more use; unless the rank had finished, that is a finding. */
static void channel_ended(struct rank *r)
{
	struct running *l = r->launch;

	if (r->state != RANK_DONE && r->state != RANK_FAILED && !r->ended && !l->quit_sent)
		rank_fail(r, CAUSE_CONSEQUENCE, LSB_EPEER, LOG_RANK,
			  "rank %d on %s closed its control channel in phase '%s'", r->number, rank_host(r),
			  r->phase);
	rank_close_pipe(r);
}

/*
 * A remote shell may print something of its own before the agent speaks: that
 * goes into the log. Returns how many of the bytes are no frames.
 */
static size_t skip_preface(struct rank *r, const char *bytes, size_t n)
{
	static const char greeting[] = LSB_AGENT_PREFACE;
	size_t i;

	for (i = 0; i < n && r->preface < sizeof(greeting) - 1; i++)
		r->preface = bytes[i] == greeting[r->preface] ? r->preface + 1 : bytes[i] == greeting[0];
	if (i && r->preface < sizeof(greeting) - 1)
		(void)take_log(r, bytes, n, NULL);
	if (r->preface == sizeof(greeting) - 1)
		r->preface = LSB_PREFACE_DONE;
	return i;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct rank *r = stream->data;
	const struct lsb_inbox_taker taker = { take_frame, r };
	const size_t skipped = n > 0 ? skip_preface(r, buf->base, (size_t)n) : 0;
	struct lsb_error err = { 0 };

	if (n > 0 && lsb_inbox_feed(&r->inbox, buf->base + skipped, (size_t)n - skipped, &taker, &err)) {
		rank_fail(r, CAUSE_STATEMENT, err.code, LOG_RANK,
			  "rank %d on %s broke the control protocol in phase '%s': %s", r->number,
			  rank_host(r), r->phase, err.msg);
		rank_close_pipe(r);
	} else if (n < 0) {
		channel_ended(r);
	}
	free(buf->base);
}

static void on_pipe_closed(uv_handle_t *handle)
{
	struct rank *r = handle->data;

	r->pipe_closed = 1;
}

void rank_close_pipe(struct rank *r)
{
	if (r->pipe_open && !uv_is_closing((uv_handle_t *)&r->pipe))
		uv_close((uv_handle_t *)&r->pipe, on_pipe_closed);
}

int rank_attach(struct rank *r, int fd, struct lsb_error *err)
{
	int rc = uv_pipe_init(&r->launch->controller->loop, &r->pipe, 0);

	if (rc == 0) {
		r->pipe.data = r;
		r->pipe_open = 1;
		rc = uv_pipe_open(&r->pipe, fd);
	}
	if (rc) {
		close(fd);
		return lsb_fail(err, LSB_EIO, -rc, "cannot watch rank %d: %s", r->number, uv_strerror(rc));
	}
	r->heard_ns = r->step_ns = lsb_now_ns();
	rc = uv_read_start((uv_stream_t *)&r->pipe, on_alloc, on_read);
	if (rc)
		return lsb_fail(err, LSB_EIO, -rc, "cannot hear rank %d: %s", r->number, uv_strerror(rc));
	return LSB_OK;
}

void rank_free(struct rank *r)
{
	lsb_inbox_free(&r->inbox);
	lsb_machine_free(&r->machine);
	free(r->address);
	json_decref(r->result);
	free(r->records);
}
