/* SPDX-License-Identifier: Apache-2.0 */
#include "node/session_parts.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum {
	TICKETS = 2, /* steps in an asynchronous backend at once: one running, one behind it */
	MESSAGE_BYTES_MAX = 1 << 30,
	CLOCK_REQUESTS = 3, /* of lsb_clock_exchange at once: a question, an answer, a send */
};

/* Load and configure one plugin of the job; a NULL name is left out. */
static int load_plugin(const struct lsb_session *s, enum lsb_kind kind, const struct lsb_job_plugin *plugin,
		       struct lsb_loaded **out, struct lsb_error *err)
{
	struct lsb_setting *settings;
	int rc;

	if (!plugin->name)
		return LSB_OK;
	rc = lsb_plugin_load(kind, plugin->name, s->job.folders, out, err);
	if (rc)
		return rc;
	settings = calloc(plugin->n_options + 1, sizeof(*settings));
	if (!settings)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for options");
	for (size_t i = 0; i < plugin->n_options; i++)
		settings[i] = (struct lsb_setting){ plugin->options[i].name, plugin->options[i].value,
						    plugin->options[i].where };
	rc = lsb_loaded_configure(*out, settings, plugin->n_options, s->job.base, err);
	free(settings);
	for (const struct lsb_loaded *at = *out; rc == LSB_OK && at; at = at->inner) {
		if (!at->plugin.probe)
			continue;
		*err = (struct lsb_error){ 0 };
		rc = lsb_plugin_result(at, "probe", at->plugin.probe(&at->host, err), err);
	}
	return rc;
}

/* Tell plugins where this rank's files go: results/logs/LAUNCH.RANK.*, beside its log. */
static int name_files(const struct lsb_session *s, struct lsb_error *err)
{
	char *prefix = s->job.files ? lsb_format("%s.%d", s->job.files, (int)s->job.rank) : NULL;
	const int rc = s->job.files && !prefix ? LSB_ENOMEM : lsb_host_set_files(prefix);

	free(prefix);
	return rc ? lsb_fail(err, rc, 0, "no memory for the path of a rank's files") : LSB_OK;
}

static uint32_t window_of(const struct lsb_job *job)
{
	return job->in_flight + job->stages;
}

struct lsb_scheduler_limits lsb_session_scheduler_limits(const struct lsb_session *s)
{
	return (struct lsb_scheduler_limits){
		.batch = s->job.batch,
		.in_flight = s->job.in_flight,
		.chunk = s->job.chunk,
		.window = window_of(&s->job),
		.stages = s->job.stages,
		.is_continuous = s->job.is_continuous,
		.stop_at_length = s->job.stop_at_length,
		.n_stop_ids = s->info.n_stop_ids,
		.stop_ids = s->info.stop_ids,
	};
}

/* Where the transport is to listen: on this host, the address of the network that the job names. */
static int choose_address(struct lsb_session *s, struct lsb_error *err)
{
	char found[LSB_ADDRESSES_MAX][LSB_ADDRESS_TEXT];
	size_t n;
	int rc;

	if (!s->job.is_remote || strcmp(s->job.bind_address, "*") == 0) {
		(void)snprintf(s->bind_address, sizeof(s->bind_address), "%s",
			       s->job.is_remote ? lsb_address_any() : s->job.bind_address);
		return LSB_OK;
	}
	rc = lsb_addresses_find(s->job.bind_address, found, &n, err);
	if (rc == LSB_OK)
		(void)snprintf(s->bind_address, sizeof(s->bind_address), "%s", found[0]);
	return rc;
}

/* The transport's endpoint; a launch of one rank needs none. */
static int open_transport(struct lsb_session *s, struct lsb_error *err)
{
	int rc;

	if (!s->transport)
		return LSB_OK;
	rc = choose_address(s, err);
	if (rc)
		return rc;
	s->world = (struct lsb_world){
		.struct_size = sizeof(s->world),
		.rank = s->job.rank,
		.size = s->job.size,
		.host = s->job.host,
		.host_count = s->job.host_count,
		.max_requests = lsb_session_is_link(s)
					? LSB_LINK_REQUESTS
					: (s->job.stages + 4) * (window_of(&s->job) + 1) + CLOCK_REQUESTS +
						  LSB_PROBE_BUFFERS + lsb_dispatch_messages(s->job.replicas),
		.max_tag = LSB_TAG_LAST,
		.max_message_bytes = lsb_session_is_link(s) ? LSB_LINK_BYTES_MAX : MESSAGE_BYTES_MAX,
		.bind_address = s->bind_address,
	};
	memcpy(s->world.nonce, s->job.nonce, sizeof(s->world.nonce));
	*err = (struct lsb_error){ 0 };
	return lsb_plugin_result(s->transport, "open",
				 s->transport->ops.transport.open(&s->transport->host, s->transport->options,
								  &s->world, &s->transport_handle, err),
				 err);
}

/*
 * Elsewhere, lsbench may lie at another place: its own plugins are looked for after the controller's paths.
 */
static int add_own_folders(struct lsb_session *s, struct lsb_error *err)
{
	char own[8192], *both;
	const int rc = s->job.is_remote ? lsb_plugin_folders("", own, sizeof(own), err) : LSB_OK;

	if (rc || !s->job.is_remote)
		return rc;
	both = lsb_format("%s:%s", s->job.folders, own);
	if (!both)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the list of plugin folders");
	free(s->job.folders);
	s->job.folders = both;
	return LSB_OK;
}

int lsb_session_plugins(struct lsb_session *s, struct lsb_error *err)
{
	int rc;

	s->stage = (uint32_t)s->job.rank % s->job.stages;
	s->runqueue_s = -1; /* until a run was measured; kind = link has none */
	for (uint32_t i = 0; i < s->stage && !lsb_session_is_link(s); i++)
		s->first_layer += s->job.layers[i];
	rc = name_files(s, err);
	if (rc == LSB_OK)
		rc = add_own_folders(s, err);
	if (rc == LSB_OK)
		rc = load_plugin(s, LSB_BACKEND, &s->job.backend, &s->backend, err);
	if (rc == LSB_OK && s->job.size > 1)
		rc = load_plugin(s, LSB_TRANSPORT, &s->job.transport, &s->transport, err);
	if (rc == LSB_OK && lsb_session_is_first_stage(s))
		rc = load_plugin(s, LSB_WORKLOAD, &s->job.workload, &s->workload, err);
	return rc ? rc : open_transport(s, err);
}

/* Ask what was opened, and believe no more of it than can be. */
static int read_info(struct lsb_session *s, struct lsb_error *err)
{
	struct lsb_backend_info *info = &s->info;
	int rc;

	info->struct_size = sizeof(*info);
	*err = (struct lsb_error){ 0 };
	rc = lsb_plugin_result(s->backend, "info", s->backend->ops.backend.info(s->backend_handle, info, err),
			       err);
	if (rc)
		return rc;
	info->model_name[sizeof(info->model_name) - 1] = '\0';
	info->device_name[sizeof(info->device_name) - 1] = '\0';
	info->device_id[sizeof(info->device_id) - 1] = '\0';
	info->engine[sizeof(info->engine) - 1] = '\0';
	if (info->hidden_elem > LSB_ELEM_BF16 || info->hidden_size == 0 || info->vocabulary == 0 ||
	    info->vocabulary > INT32_MAX || info->n_stop_ids > LSB_STOP_IDS_MAX)
		return lsb_fail(err, LSB_EPLUGIN, 0,
				"backend '%s' describes no Llama: %u hidden elements of type %u, vocabulary "
				"%u, %u stop ids",
				s->job.backend.name, info->hidden_size, info->hidden_elem, info->vocabulary,
				info->n_stop_ids);
	return LSB_OK;
}

/* A model file's path, from the job's base folder on; random:... as it is. malloc'ed, NULL without memory. */
static char *model_path(const struct lsb_job *job)
{
	const int is_relative = *job->model != '/' && strncmp(job->model, "random:", 7) != 0;

	return is_relative && job->base ? lsb_format("%s/%s", job->base, job->model) : strdup(job->model);
}

/* This rank's layers, KV cache and step buffers. */
static int open_backend(struct lsb_session *s, struct lsb_error *err)
{
	const struct lsb_job *job = &s->job;
	const uint32_t batch_or_chunk = job->chunk > job->batch ? job->chunk : job->batch;
	int rc;

	s->model = model_path(job);
	if (!s->model)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the model's path");
	s->place = (struct lsb_place){
		.struct_size = sizeof(s->place),
		.model = s->model,
		.rank = job->rank,
		.stage = (int32_t)s->stage,
		.stages = (int32_t)job->stages,
		.flags = lsb_session_is_first_stage(s) ? 0 : LSB_PLACE_NO_VOCABULARY,
		.first_layer = s->first_layer,
		.n_layers = job->layers[s->stage],
		.slots = job->batch * job->in_flight,
		.context = job->context,
		.max_tokens = batch_or_chunk,
		.max_outputs = job->batch,
		.max_tickets = TICKETS,
		.device = -1,
		.threads = job->threads,
		.n_cpus = job->n_cpus,
		.cpus = job->cpus,
		.host_rank = job->host_rank,
		.host_size = job->host_size,
	};
	s->context = job->context;
	*err = (struct lsb_error){ 0 };
	rc = lsb_plugin_result(s->backend, "open",
			       s->backend->ops.backend.open(&s->backend->host, s->backend->options, &s->place,
							    &s->backend_handle, err),
			       err);
	return rc ? rc : read_info(s, err);
}

static int open_loop(struct lsb_session *s, struct lsb_error *err)
{
	const struct lsb_job *job = &s->job;
	const struct lsb_scheduler_limits limits = lsb_session_scheduler_limits(s);
	const struct lsb_dispatch_setup dispatch = {
		.replica = (uint32_t)job->rank / job->stages,
		.replicas = job->replicas,
		.stages = job->stages,
		.slots = job->batch * job->in_flight,
		.sequences = s->requests.sequences,
		.n = s->requests.n,
	};
	const struct lsb_stage_setup setup = {
		.backend = s->backend,
		.backend_handle = s->backend_handle,
		.info = &s->info,
		.transport = s->transport,
		.transport_handle = s->transport_handle,
		.recorder = &s->recorder,
		.status = s->status,
		.stage = s->stage,
		.stages = job->stages,
		.first_rank = job->rank - (int32_t)s->stage,
		.window = window_of(job),
		.dispatch = lsb_session_shares(s) ? &dispatch : NULL,
		.tickets = s->info.flags & LSB_BACKEND_INLINE ? 1 : TICKETS,
		.limits = { .max_tokens = lsb_scheduler_max_tokens(&limits),
			    .max_outputs = job->batch,
			    .slots = job->batch * job->in_flight,
			    .context = job->context },
		.max_message_bytes = MESSAGE_BYTES_MAX,
		.timeout_ns = job->timeout_ns,
	};

	return lsb_stage_open(&setup, &s->loop, err);
}

static int open_links(struct lsb_session *s, struct lsb_error *err)
{
	s->links = (struct lsb_linkbench_setup){
		.transport = s->transport,
		.handle = s->transport_handle,
		.status = s->status,
		.rank = s->job.rank,
		.size = s->job.size,
		.sizes = s->job.sizes,
		.n_sizes = s->job.n_sizes,
		.iterations = s->job.iterations,
		.gap_ns = s->job.gap_ns,
		.timeout_ns = s->job.timeout_ns,
	};
	return lsb_linkbench_open(&s->links, &s->linkbench, err);
}

int lsb_session_load(struct lsb_session *s, struct lsb_error *err)
{
	uint64_t t0 = lsb_now_ns();
	int rc;

	if (lsb_session_is_link(s))
		return open_links(s, err);
	rc = open_backend(s, err);
	if (rc == LSB_OK)
		rc = lsb_recorder_open(&s->recorder, s->job.max_records, err);
	if (rc)
		return rc;
	s->record_ns = lsb_recorder_cost_ns(&s->recorder);
	s->phases.load_s = lsb_session_seconds_since(t0);
	if (!lsb_session_is_first_stage(s))
		return open_loop(s, err);
	lsb_control_phase(s->control, "preprocess");
	t0 = lsb_now_ns();
	*err = (struct lsb_error){ 0 };
	rc = lsb_plugin_result(s->workload, "open",
			       s->workload->ops.workload.open(&s->workload->host, s->workload->options,
							      &s->workload_handle, err),
			       err);
	if (rc == LSB_OK)
		rc = lsb_requests_open(&s->requests, &s->job, s->context, s->workload, s->workload_handle,
				       s->backend, s->backend_handle, err);
	s->phases.preprocess_s = lsb_session_seconds_since(t0);
	return rc ? rc : open_loop(s, err);
}

enum { ADDRESS_ROOM = LSB_CLOCK_ID_CHARS + LSB_ADDRESS_MAX };

/* What the addresses say of the ranks' clocks: an id each, or zeros where a machine does not tell. */
static void compare_clocks(struct lsb_session *s, const unsigned char *bytes)
{
	struct lsb_clock_exchange *x = &s->clocks;

	*x = (struct lsb_clock_exchange){ .transport = s->transport,
					  .transport_handle = s->transport_handle,
					  .status = s->status,
					  .rank = s->job.rank };
	for (int32_t i = 1; i < s->job.size; i++) {
		const unsigned char *a = bytes + (size_t)(i - 1) * ADDRESS_ROOM, *b = a + ADDRESS_ROOM;

		if (*a && memcmp(a, b, LSB_CLOCK_ID_CHARS) == 0)
			continue;
		s->compares_clocks = 1;
		x->asks |= i - 1 == s->job.rank;
		x->answers |= i == s->job.rank;
	}
}

/*
 * Base64 texts of a JSON array into `bytes` (ADDRESS_ROOM each): a clock's id, and the address that `spans`
 * view.
 */
static int parse_addresses(const struct lsb_session *s, const char *text, size_t length, unsigned char *bytes,
			   struct lsb_span *spans, struct lsb_error *err)
{
	json_error_t where;
	json_t *root = json_loadb(text, length, 0, &where);
	json_t *list = json_object_get(root, "addresses");
	int rc = LSB_OK;

	if (json_array_size(list) != (size_t)s->job.size)
		rc = lsb_fail(err, LSB_EPEER, 0, "the controller sent %zu addresses for %d ranks",
			      json_array_size(list), s->job.size);
	for (int32_t i = 0; i < s->job.size && rc == LSB_OK; i++) {
		const char *encoded = json_string_value(json_array_get(list, (size_t)i));
		unsigned char *to = bytes + (size_t)i * ADDRESS_ROOM;
		size_t n = 0;

		if (!encoded ||
		    sodium_base642bin(to, ADDRESS_ROOM, encoded, strlen(encoded), NULL, &n, NULL,
				      sodium_base64_VARIANT_ORIGINAL) ||
		    n < LSB_CLOCK_ID_CHARS)
			rc = lsb_fail(err, LSB_EPEER, 0, "the address of rank %d is not readable", i);
		else
			spans[i] = (struct lsb_span){ .ptr = to + LSB_CLOCK_ID_CHARS,
						      .bytes = n - LSB_CLOCK_ID_CHARS };
	}
	json_decref(root);
	return rc;
}

int lsb_session_connect(struct lsb_session *s, const char *addresses, size_t length, struct lsb_error *err)
{
	const uint64_t t0 = lsb_now_ns();
	unsigned char *bytes;
	struct lsb_span *spans;
	int rc = LSB_OK;

	if (s->transport) {
		bytes = calloc((size_t)s->job.size, ADDRESS_ROOM);
		spans = calloc((size_t)s->job.size, sizeof(*spans));
		if (!bytes || !spans)
			rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for %d addresses", s->job.size);
		if (rc == LSB_OK)
			rc = parse_addresses(s, addresses, length, bytes, spans, err);
		if (rc == LSB_OK) {
			compare_clocks(s, bytes);
			*err = (struct lsb_error){ 0 };
			rc = lsb_plugin_result(s->transport, "connect",
					       s->transport->ops.transport.connect(s->transport_handle, spans,
										   t0 + s->job.stall_ns, err),
					       err);
		}
		free(bytes);
		free(spans);
	}
	if (rc == LSB_OK && s->loop)
		rc = lsb_stage_post(s->loop, err);
	s->phases.connect_s = lsb_session_seconds_since(t0);
	return rc;
}

void lsb_session_close(struct lsb_session *s)
{
	/* Nobody may write to the loop's memory any more when it is given back. */
	lsb_stage_settle(s->loop);
	if (s->transport_handle)
		s->transport->ops.transport.close(s->transport_handle);
	lsb_stage_close(s->loop);
	lsb_session_free_peaks(s);
	lsb_linkbench_close(s->linkbench);
	lsb_requests_close(&s->requests);
	if (s->workload_handle)
		s->workload->ops.workload.close(s->workload_handle);
	if (s->backend_handle)
		s->backend->ops.backend.close(s->backend_handle);
	lsb_loaded_free(s->transport);
	lsb_loaded_free(s->workload);
	lsb_loaded_free(s->backend);
	lsb_recorder_close(&s->recorder);
	free(s->model);
	lsb_job_free(&s->job);
	*s = (struct lsb_session){ 0 };
}
