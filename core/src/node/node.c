/* SPDX-License-Identifier: Apache-2.0 */
#include "node/node.h"

#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "node/session.h"

enum { RECORDS_A_FRAME = 8192 };
static const uint64_t job_timeout_ns = 30ull * 1000000000ull;

/* Send a JSON object (stolen) as one frame. */
static int send_json(struct lsb_control *control, enum lsb_frame_type type, json_t *object,
		     struct lsb_error *err)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	int rc;

	json_decref(object);
	if (!text)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a message to the controller");
	rc = lsb_control_send(control, type, text, strlen(text), err);
	free(text);
	return rc;
}

static int send_hello(struct lsb_control *control, struct lsb_error *err)
{
	struct lsb_identity machine;
	json_t *hello;

	lsb_identity_tell(&machine);
	hello = json_pack("{s:i, s:s, s:i, s:s, s:s}", "protocol", (int)LSB_PROTOCOL, "version", LSB_VERSION,
			  "pid", (int)getpid(), "host", machine.host, "boot_id", machine.boot_id);
	return send_json(control, LSB_FRAME_HELLO, hello, err);
}

/* Digests of the plugin files in use, by path; of ranks elsewhere, where the files may be others. */
static int add_files(const struct lsb_session *s, json_t *object, struct lsb_error *err)
{
	const struct lsb_loaded *const used[] = { s->backend, s->transport, s->workload };
	json_t *files = json_object();
	int rc = LSB_OK;

	for (size_t i = 0; i < LSB_COUNT(used); i++)
		for (const struct lsb_loaded *l = used[i]; l && rc == LSB_OK; l = l->inner) {
			char hex[LSB_DIGEST_HEX];

			rc = lsb_digest_file(l->path, hex, err);
			if (rc == LSB_OK)
				json_object_set_new(files, l->path, json_string(hex));
		}
	json_object_set_new(object, "files", files);
	return rc;
}

static int send_address(struct lsb_session *s, struct lsb_error *err)
{
	/* Which clock this rank has goes with its address, so that neighbours know whether it is theirs. */
	unsigned char address[LSB_CLOCK_ID_CHARS + LSB_ADDRESS_MAX] = { 0 };
	char text[sodium_base64_ENCODED_LEN(sizeof(address), sodium_base64_VARIANT_ORIGINAL)];
	struct lsb_identity machine;
	json_t *told;
	size_t n = 0;
	int rc;

	lsb_identity_tell(&machine);
	memcpy(address, machine.clock_id, LSB_CLOCK_ID_CHARS);

	if (s->transport) {
		*err = (struct lsb_error){ 0 };
		rc = lsb_plugin_result(s->transport, "address",
				       s->transport->ops.transport.address(
					       s->transport_handle, address + LSB_CLOCK_ID_CHARS, &n, err),
				       err);
		if (rc)
			return rc;
		if (n > LSB_ADDRESS_MAX)
			return lsb_fail(err, LSB_EPLUGIN, 0,
					"transport '%s' has an address of %zu bytes, more than %u",
					s->job.transport.name, n, LSB_ADDRESS_MAX);
	}
	sodium_bin2base64(text, sizeof(text), address, LSB_CLOCK_ID_CHARS + n,
			  sodium_base64_VARIANT_ORIGINAL);
	told = json_pack("{s:s}", "address", text);
	rc = told && s->job.is_remote ? add_files(s, told, err) : LSB_OK;
	if (rc) {
		json_decref(told);
		return rc;
	}
	return send_json(s->control, LSB_FRAME_ADDRESS, told, err);
}

static int send_records(struct lsb_session *s, struct lsb_error *err)
{
	for (size_t i = 0; i < s->recorder.n; i += RECORDS_A_FRAME) {
		const size_t left = s->recorder.n - i, n = left < RECORDS_A_FRAME ? left : RECORDS_A_FRAME;
		const int rc = lsb_control_send(s->control, LSB_FRAME_RECORDS, s->recorder.records + i,
						n * sizeof(*s->recorder.records), err);

		if (rc)
			return rc;
	}
	return LSB_OK;
}

/* The next frame of `type`; its payload is freed with free(). */
static int expect(struct lsb_session *s, enum lsb_frame_type type, char **payload, size_t *length,
		  struct lsb_error *err)
{
	const uint64_t timeout_ns = s->job.timeout_ns ? s->job.timeout_ns : job_timeout_ns;

	return lsb_control_expect(s->control, type, timeout_ns, payload, length, err);
}

/* Everything before the timed part. The phase stays where it failed. */
static int prepare_launch(struct lsb_session *s, uint64_t started_ns, struct lsb_error *err)
{
	char *payload = NULL;
	size_t length;
	int rc;

	lsb_control_phase(s->control, "plugins");
	rc = lsb_session_plugins(s, err);
	if (rc)
		return rc;
	s->phases.spawn_s = (double)(lsb_now_ns() - started_ns) * 1e-9;
	lsb_control_phase(s->control, "load");
	rc = lsb_session_load(s, err);
	/*
	 * The addresses come back once all ranks have loaded: nobody waits for a slow disk while connecting.
	 */
	if (rc == LSB_OK)
		rc = send_address(s, err);
	if (rc == LSB_OK)
		rc = expect(s, LSB_FRAME_ADDRESSES, &payload, &length, err);
	if (rc == LSB_OK) {
		lsb_control_phase(s->control, "connect");
		rc = lsb_session_connect(s, payload, length, err);
	}
	free(payload);
	if (rc)
		return rc;
	lsb_control_phase(s->control, "ready");
	rc = send_json(s->control, LSB_FRAME_READY, json_object(), err);
	payload = NULL;
	if (rc == LSB_OK)
		rc = expect(s, LSB_FRAME_START, &payload, &length, err);
	free(payload);
	return rc;
}

static int serve_launch(struct lsb_session *s, uint64_t started_ns, struct lsb_error *err)
{
	char *payload = NULL;
	size_t length;
	int rc = expect(s, LSB_FRAME_JOB, &payload, &length, err);

	if (rc)
		return rc;
	rc = lsb_job_parse(payload, length, &s->job, err);
	free(payload);
	if (rc == LSB_OK)
		rc = prepare_launch(s, started_ns, err);
	if (rc == LSB_OK)
		rc = lsb_session_run(s, err);
	if (rc == LSB_OK)
		rc = send_records(s, err);
	return rc ? rc : send_json(s->control, LSB_FRAME_RESULT, lsb_session_result(s), err);
}

int lsb_node_serve(int fd, uint64_t started_ns, struct lsb_error *err)
{
	struct lsb_stage_status status = { 0 };
	struct lsb_session session = { .status = &status };
	int rc;

	/* Ctrl-C reaches the whole process group; the controller decides what it means. */
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (sodium_init() < 0)
		return lsb_fail(err, LSB_EUNAVAIL, 0, "libsodium does not work here");
	rc = lsb_control_open(fd, &status, &session.control, err);
	if (rc)
		return rc;
	rc = send_hello(session.control, err);
	if (rc == LSB_OK)
		rc = serve_launch(&session, started_ns, err);
	/* An end that the controller asked for is no news to it. */
	if (rc && !atomic_load(&status.cancelled))
		(void)send_json(session.control, LSB_FRAME_FAILURE,
				lsb_session_failure(lsb_control_phase_now(session.control), rc, err->msg),
				NULL);
	{
		struct lsb_control *control = session.control;

		lsb_session_close(&session);
		lsb_control_close(control);
	}
	close(fd);
	return rc;
}
