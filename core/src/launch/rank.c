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
#include "launch/local.h"
#include "launch/ranks.h"

struct writing {
	uv_write_t request;
	uint8_t header[LSB_FRAME_HEADER_BYTES];
	char payload[];
};

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
		cause_note(r->launch, r, CAUSE_STATEMENT, LSB_ENOMEM, 0, "no memory for a frame to rank %d",
			   r->number);
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

/* Copy a text a rank sent, without anything that could disturb a terminal. */
static void copy_printable(char *to, size_t bytes, const char *from)
{
	size_t n = 0;

	for (; from && *from && n + 1 < bytes; from++)
		to[n++] = isprint((unsigned char)*from) ? *from : '?';
	to[n] = '\0';
}

static json_t *parse_object(const char *payload, size_t length, const char *what, struct lsb_error *err)
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
	json_t *hello = parse_object(payload, length, "HELLO", err);
	const char *version = json_string_value(json_object_get(hello, "version"));
	char *job;
	int rc = LSB_OK;

	if (!hello)
		return LSB_EPEER;
	if (!version || strcmp(version, LSB_VERSION) != 0)
		rc = lsb_fail(err, LSB_EPEER, 0,
			      "it is lsbench %.32s where the controller is %s: use one version everywhere",
			      version ? version : "of an unknown version", LSB_VERSION);
	copy_printable(r->host, sizeof(r->host), json_string_value(json_object_get(hello, "host")));
	json_decref(hello);
	if (rc)
		return rc;
	job = lsb_job_format(&r->launch->what->jobs[r->number]);
	if (!job || strlen(job) > lsb_frame_limit(LSB_FRAME_JOB)) {
		free(job);
		return lsb_fail(err, LSB_ENOMEM, 0, "its job cannot be written, or has more than %zu bytes",
				lsb_frame_limit(LSB_FRAME_JOB));
	}
	r->state = RANK_ADDRESS;
	rank_send(r, LSB_FRAME_JOB, job, strlen(job));
	free(job);
	return LSB_OK;
}

static int take_address(struct rank *r, const char *payload, size_t length, struct lsb_error *err)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=";
	json_t *root = parse_object(payload, length, "ADDRESS", err);
	const char *address = json_string_value(json_object_get(root, "address"));

	if (!root)
		return LSB_EPEER;
	if (!address || address[strspn(address, digits)] != '\0') {
		json_decref(root);
		return lsb_fail(err, LSB_EPEER, 0, "its address is not base64");
	}
	r->address = strdup(address);
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
	json_t *root = parse_object(payload, length, "HEARTBEAT", err);
	char phase[sizeof(r->phase)];
	uint64_t steps;

	if (!root)
		return LSB_EPEER;
	copy_printable(phase, sizeof(phase), json_string_value(json_object_get(root, "phase")));
	steps = counter(root, "steps");
	if (steps != r->steps || strcmp(phase, r->phase) != 0)
		r->step_ns = lsb_now_ns();
	r->steps = steps;
	r->tokens = counter(root, "tokens");
	memcpy(r->phase, phase, sizeof(phase));
	json_decref(root);
	return LSB_OK;
}

static int take_records(struct rank *r, const char *payload, size_t length, struct lsb_error *err)
{
	const size_t most = r->launch->what->jobs[r->number].max_records;
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
	r->result = parse_object(payload, length, "RESULT", err);
	if (!r->result)
		return LSB_EPEER;
	if (json_integer_value(json_object_get(r->result, "rank")) != r->number ||
	    !json_is_integer(json_object_get(r->result, "rank")))
		return lsb_fail(err, LSB_EPEER, 0, "its result is of another rank");
	r->state = RANK_DONE;
	launch_rank_done(r->launch);
	return LSB_OK;
}

/* Failures that other ranks' failures bring about. */
static int is_consequence(int code)
{
	return code == LSB_EPEER || code == LSB_ECANCELED || code == LSB_ETIMEDOUT;
}

static int take_failure(struct rank *r, const char *payload, size_t length, struct lsb_error *err)
{
	json_t *root = parse_object(payload, length, "FAILURE", err);
	char message[sizeof(((struct lsb_error *)0)->msg)], phase[sizeof(r->phase)];
	int code;

	if (!root)
		return LSB_EPEER;
	code = (int)json_integer_value(json_object_get(root, "code"));
	copy_printable(message, sizeof(message), json_string_value(json_object_get(root, "message")));
	copy_printable(phase, sizeof(phase), json_string_value(json_object_get(root, "phase")));
	json_decref(root);
	if (code >= 0 || code < LSB_ESUITE)
		code = LSB_EPEER;
	r->state = RANK_FAILED;
	cause_note(r->launch, r, is_consequence(code) ? CAUSE_CONSEQUENCE : CAUSE_STATEMENT, code, 0,
		   "rank %d on %s failed in phase '%s': %s", r->number, r->host, phase, message);
	launch_end(r->launch, ENDING_FAILED);
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

/* Which frame may come in which state, and who takes it. */
static int take_frame(void *user, enum lsb_frame_type type, const char *payload, size_t length,
		      struct lsb_error *err)
{
	struct rank *r = user;
	const enum rank_state state = r->state;
	const int talks = state > RANK_HELLO && state <= RANK_DONE;

	r->heard_ns = lsb_now_ns();
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
	if (type == LSB_FRAME_LOG && talks)
		return take_log(r, payload, length, err);
	if (type == LSB_FRAME_RECORDS && state == RANK_STARTED && r->launch->started_ns)
		return take_records(r, payload, length, err);
	if (type == LSB_FRAME_RESULT && state == RANK_STARTED && r->launch->started_ns)
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

	if (r->state != RANK_DONE && r->state != RANK_FAILED && !l->quit_sent) {
		cause_note(l, r, CAUSE_CONSEQUENCE, LSB_EPEER, 1,
			   "rank %d on %s closed its control channel in phase '%s'", r->number, r->host,
			   r->phase);
		launch_end(l, ENDING_FAILED);
	}
	rank_close_pipe(r);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct rank *r = stream->data;
	const struct lsb_inbox_taker taker = { take_frame, r };
	struct lsb_error err = { 0 };

	if (n > 0 && lsb_inbox_feed(&r->inbox, buf->base, (size_t)n, &taker, &err)) {
		cause_note(r->launch, r, CAUSE_STATEMENT, err.code, 1,
			   "rank %d on %s broke the control protocol in phase '%s': %s", r->number, r->host,
			   r->phase, err.msg);
		launch_end(r->launch, ENDING_FAILED);
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

int rank_start(struct rank *r, struct lsb_error *err)
{
	const struct lsb_launch *what = r->launch->what;
	char *log = launch_log_path(r->launch, r->number);
	int fd = -1, rc;

	if (!log)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to start rank %d", r->number);
	(void)unlink(log); /* of an abandoned launch of the same number */
	rc = lsb_local_start(what->program, what->arguments, log, &r->pid, &fd, err);
	free(log);
	if (rc) {
		r->pid = 0;
		return rc;
	}
	r->heard_ns = r->step_ns = lsb_now_ns();
	rc = uv_pipe_init(&r->launch->controller->loop, &r->pipe, 0);
	if (rc == 0) {
		r->pipe.data = r;
		r->pipe_open = 1;
		rc = uv_pipe_open(&r->pipe, fd);
	}
	if (rc) {
		close(fd);
		return lsb_fail(err, LSB_EIO, -rc, "cannot watch rank %d: %s", r->number, uv_strerror(rc));
	}
	rc = uv_read_start((uv_stream_t *)&r->pipe, on_alloc, on_read);
	if (rc)
		return lsb_fail(err, LSB_EIO, -rc, "cannot hear rank %d: %s", r->number, uv_strerror(rc));
	return LSB_OK;
}

void rank_free(struct rank *r)
{
	lsb_inbox_free(&r->inbox);
	free(r->address);
	json_decref(r->result);
	free(r->records);
}
