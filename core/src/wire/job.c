/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job to JSON and back. The scalars are one table, so that what is written
 * and what is read and bounded cannot drift apart.
 */
#include "wire/job.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum {
	JOB_TEXT_MAX = 65536, /* bytes of one string */
	JOB_OPTIONS_MAX = 256,
	JOB_LAYERS_MAX = 65536, /* of the whole model */
	JOB_CPU_MAX = 65535,	/* largest OS number of a CPU */
	JOB_SIZES_MAX = 256,
	JOB_SIZE_MAX = 16 << 20, /* bytes of a message of the link benchmark */
};

/* An unsigned 32-bit member and its bounds. */
static const struct member {
	const char *name;
	size_t offset;
	uint32_t min, max;
} members[] = {
	{ "stages", offsetof(struct lsb_job, stages), 1, LSB_RANKS_MAX },
	{ "replicas", offsetof(struct lsb_job, replicas), 1, LSB_RANKS_MAX },
	{ "batch", offsetof(struct lsb_job, batch), 1, 65536 },
	{ "in_flight", offsetof(struct lsb_job, in_flight), 1, 4096 },
	{ "prompts", offsetof(struct lsb_job, prompts), 1, 10000000 },
	{ "distinct", offsetof(struct lsb_job, distinct), 1, 10000000 },
	{ "max_new", offsetof(struct lsb_job, max_new), 1, 1u << 24 },
	{ "chunk", offsetof(struct lsb_job, chunk), 1, 1u << 20 },
	{ "context", offsetof(struct lsb_job, context), 1, 1u << 25 },
	{ "warmup", offsetof(struct lsb_job, warmup), 0, 1u << 20 },
	{ "stop_at_length", offsetof(struct lsb_job, stop_at_length), 0, 1 },
	{ "is_continuous", offsetof(struct lsb_job, is_continuous), 0, 1 },
	{ "is_dynamic", offsetof(struct lsb_job, is_dynamic), 0, 1 },
	{ "top_k", offsetof(struct lsb_job, top_k), 0, INT32_MAX },
	{ "threads", offsetof(struct lsb_job, threads), 1, LSB_THREADS_MAX },
	{ "measure_peaks", offsetof(struct lsb_job, measure_peaks), 0, 1 },
	{ "is_remote", offsetof(struct lsb_job, is_remote), 0, 1 },
	{ "iterations", offsetof(struct lsb_job, iterations), 0, 1u << 24 },
	{ "max_records", offsetof(struct lsb_job, max_records), 0, 1u << 24 },
};

static uint32_t *member_at(struct lsb_job *job, const struct member *m)
{
	return (uint32_t *)(void *)((char *)job + m->offset);
}

static json_t *format_plugin(const struct lsb_job_plugin *p)
{
	json_t *options = json_array();

	for (size_t i = 0; i < p->n_options; i++)
		json_array_append_new(options,
				      json_pack("{s:s, s:s, s:s?}", "name", p->options[i].name, "value",
						p->options[i].value, "where", p->options[i].where));
	return json_pack("{s:s?, s:o}", "name", p->name, "options", options);
}

static json_t *format_numbers(const uint32_t *numbers, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_integer(numbers[i]));
	return list;
}

char *lsb_job_format(const struct lsb_job *job)
{
	struct lsb_job copy = *job; /* member_at wants a writable one */
	char nonce[2 * sizeof(job->nonce) + 1], seed[24];
	json_t *root;
	char *text;

	for (size_t i = 0; i < sizeof(job->nonce); i++)
		(void)snprintf(nonce + 2 * i, 3, "%02x", job->nonce[i]);
	(void)snprintf(seed, sizeof(seed), "%llu", (unsigned long long)job->seed);
	root = json_pack(
		"{s:i, s:i, s:i, s:i, s:s, s:s, s:s, s:s?, s:s?, s:s?, s:s, s:s?, s:I, s:I, s:I, s:f, s:f, "
		"s:o, "
		"s:o, s:o, s:o, s:o, s:o}",
		"rank", (int)job->rank, "size", (int)job->size, "host", (int)job->host, "host_count",
		(int)job->host_count, "nonce", nonce, "bind_address", job->bind_address, "folders",
		job->folders, "base", job->base, "files", job->files, "model", job->model, "seed", seed,
		"arrivals", job->arrivals, "timeout_ns", (json_int_t)job->timeout_ns, "stall_ns",
		(json_int_t)job->stall_ns, "gap_ns", (json_int_t)job->gap_ns, "temperature", job->temperature,
		"top_p", job->top_p, "backend", format_plugin(&job->backend), "transport",
		format_plugin(&job->transport), "workload", format_plugin(&job->workload), "layers",
		format_numbers(job->layers, job->layers ? job->stages : 0), "sizes",
		format_numbers(job->sizes, job->n_sizes), "cpus", format_numbers(job->cpus, job->n_cpus));
	if (!root)
		return NULL;
	json_object_set_new(root, "host_rank", json_integer(job->host_rank));
	json_object_set_new(root, "host_size", json_integer(job->host_size));
	for (size_t i = 0; i < LSB_COUNT(members); i++)
		json_object_set_new(root, members[i].name, json_integer(*member_at(&copy, &members[i])));
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

/* An integer within bounds. */
static int read_integer(const json_t *root, const char *name, int64_t min, int64_t max, int64_t *out,
			struct lsb_error *err)
{
	const json_t *value = json_object_get(root, name);

	if (!json_is_integer(value))
		return lsb_fail(err, LSB_EPEER, 0, "job: '%s' is not a whole number", name);
	*out = json_integer_value(value);
	if (*out < min || *out > max)
		return lsb_fail(err, LSB_EPEER, 0, "job: '%s' is %lld, outside %lld to %lld", name,
				(long long)*out, (long long)min, (long long)max);
	return LSB_OK;
}

/* A real number within bounds. */
static int read_real(const json_t *root, const char *name, double min, double max, double *out,
		     struct lsb_error *err)
{
	const json_t *value = json_object_get(root, name);

	if (!json_is_number(value))
		return lsb_fail(err, LSB_EPEER, 0, "job: '%s' is not a number", name);
	*out = json_number_value(value);
	if (!(*out >= min && *out <= max))
		return lsb_fail(err, LSB_EPEER, 0, "job: '%s' is %g, outside %g to %g", name, *out, min, max);
	return LSB_OK;
}

/* A copied string; null gives NULL where `optional`. */
static int read_text(const json_t *root, const char *name, int optional, char **out, struct lsb_error *err)
{
	const json_t *value = json_object_get(root, name);

	if (optional && json_is_null(value)) {
		*out = NULL;
		return LSB_OK;
	}
	if (!json_is_string(value) || json_string_length(value) > JOB_TEXT_MAX)
		return lsb_fail(err, LSB_EPEER, 0, "job: '%s' is not a text of at most %d bytes", name,
				JOB_TEXT_MAX);
	*out = strdup(json_string_value(value));
	return *out ? LSB_OK : lsb_fail(err, LSB_ENOMEM, 0, "job: no memory for '%s'", name);
}

/* A list of between `min_n` and `max_n` numbers, each within bounds. */
static int read_numbers(const json_t *root, const char *name, size_t min_n, size_t max_n, uint32_t min,
			uint32_t max, uint32_t **out, uint32_t *n_out, struct lsb_error *err)
{
	const json_t *list = json_object_get(root, name);
	const size_t n = json_array_size(list);

	if (!json_is_array(list) || n < min_n || n > max_n)
		return lsb_fail(err, LSB_EPEER, 0, "job: '%s' is not a list of %zu to %zu numbers", name,
				min_n, max_n);
	*out = calloc(n ? n : 1, sizeof(**out));
	if (!*out)
		return lsb_fail(err, LSB_ENOMEM, 0, "job: no memory for '%s'", name);
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_array_get(list, i);

		if (!json_is_integer(value) || json_integer_value(value) < min ||
		    json_integer_value(value) > max)
			return lsb_fail(err, LSB_EPEER, 0, "job: '%s'[%zu] is not a number in %u to %u", name,
					i, min, max);
		(*out)[i] = (uint32_t)json_integer_value(value);
	}
	*n_out = (uint32_t)n;
	return LSB_OK;
}

static int read_plugin(const json_t *root, const char *kind, struct lsb_job_plugin *out,
		       struct lsb_error *err)
{
	const json_t *plugin = json_object_get(root, kind);
	const json_t *options = json_object_get(plugin, "options");
	const size_t n = json_array_size(options);
	int rc = read_text(plugin, "name", 1, &out->name, err);

	if (rc)
		return rc;
	if (!json_is_array(options) || n > JOB_OPTIONS_MAX)
		return lsb_fail(err, LSB_EPEER, 0, "job: the options of '%s' are not a list of at most %d",
				kind, JOB_OPTIONS_MAX);
	out->options = calloc(n ? n : 1, sizeof(*out->options));
	if (!out->options)
		return lsb_fail(err, LSB_ENOMEM, 0, "job: no memory for the options of '%s'", kind);
	out->n_options = n;
	for (size_t i = 0; rc == LSB_OK && i < n; i++) {
		const json_t *option = json_array_get(options, i);

		rc = read_text(option, "name", 0, &out->options[i].name, err);
		if (!rc)
			rc = read_text(option, "value", 0, &out->options[i].value, err);
		if (!rc)
			rc = read_text(option, "where", 1, &out->options[i].where, err);
	}
	return rc;
}

/* 32 hex digits. */
static int read_nonce(const json_t *root, uint8_t nonce[16], struct lsb_error *err)
{
	static const char digits[] = "0123456789abcdef";
	const json_t *value = json_object_get(root, "nonce");
	const char *text = json_string_value(value);

	if (!text || json_string_length(value) != 32 || strspn(text, digits) != 32)
		return lsb_fail(err, LSB_EPEER, 0, "job: 'nonce' is not 32 hex digits");
	for (size_t i = 0; i < 16; i++)
		nonce[i] = (uint8_t)((strchr(digits, text[2 * i]) - digits) << 4 |
				     (strchr(digits, text[2 * i + 1]) - digits));
	return LSB_OK;
}

/* A seed has 64 bits, one more than JSON integers carry here: it travels as decimal text. */
static int read_seed(const json_t *root, uint64_t *seed, struct lsb_error *err)
{
	const char *text = json_string_value(json_object_get(root, "seed"));
	uint64_t value = 0;

	if (!text || !*text)
		return lsb_fail(err, LSB_EPEER, 0, "job: 'seed' is not a text of digits");
	for (; *text; text++)
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
			return lsb_fail(err, LSB_EPEER, 0, "job: 'seed' is not a number of 64 bits");
	*seed = value;
	return LSB_OK;
}

static int read_scalars(const json_t *root, struct lsb_job *job, struct lsb_error *err)
{
	int64_t value = 0;
	int rc = read_integer(root, "size", 1, LSB_RANKS_MAX, &value, err);

	if (rc)
		return rc;
	job->size = (int32_t)value;
	if ((rc = read_integer(root, "rank", 0, job->size - 1, &value, err)))
		return rc;
	job->rank = (int32_t)value;
	if ((rc = read_integer(root, "host_count", 1, job->size, &value, err)))
		return rc;
	job->host_count = (int32_t)value;
	if ((rc = read_integer(root, "host", 0, job->host_count - 1, &value, err)))
		return rc;
	job->host = (int32_t)value;
	if ((rc = read_integer(root, "host_size", 1, job->size, &value, err)))
		return rc;
	job->host_size = (int32_t)value;
	if ((rc = read_integer(root, "host_rank", 0, job->host_size - 1, &value, err)))
		return rc;
	job->host_rank = (int32_t)value;
	if ((rc = read_integer(root, "gap_ns", 0, INT64_MAX, &value, err)))
		return rc;
	job->gap_ns = (uint64_t)value;
	if ((rc = read_integer(root, "timeout_ns", 1, INT64_MAX, &value, err)))
		return rc;
	job->timeout_ns = (uint64_t)value;
	if ((rc = read_integer(root, "stall_ns", 1, INT64_MAX, &value, err)))
		return rc;
	job->stall_ns = (uint64_t)value;
	for (size_t i = 0; i < LSB_COUNT(members); i++) {
		const struct member *m = &members[i];

		if ((rc = read_integer(root, m->name, m->min, m->max, &value, err)))
			return rc;
		*member_at(job, m) = (uint32_t)value;
	}
	if ((rc = read_real(root, "temperature", 0, 1000, &job->temperature, err)) ||
	    (rc = read_real(root, "top_p", 1e-9, 1, &job->top_p, err)) ||
	    (rc = read_nonce(root, job->nonce, err)))
		return rc;
	return read_seed(root, &job->seed, err);
}

/* What the single members allow but no launch has. */
static int check_whole(const struct lsb_job *job, struct lsb_error *err)
{
	uint64_t layers = 0;

	if ((uint64_t)job->stages * job->replicas != (uint64_t)job->size)
		return lsb_fail(err, LSB_EPEER, 0, "job: %u stages x %u replicas are not %d ranks",
				job->stages, job->replicas, job->size);
	for (uint32_t i = 0; i < job->stages && !job->n_sizes; i++)
		layers += job->layers[i];
	if (layers > JOB_LAYERS_MAX)
		return lsb_fail(err, LSB_EPEER, 0, "job: %llu layers", (unsigned long long)layers);
	if ((uint64_t)job->batch * job->in_flight > 1u << 20)
		return lsb_fail(err, LSB_EPEER, 0, "job: %u x %u sequences at once", job->batch,
				job->in_flight);
	if (job->n_cpus != 0 && job->n_cpus != job->threads)
		return lsb_fail(err, LSB_EPEER, 0, "job: %u cpus for %u threads", job->n_cpus, job->threads);
	if (job->n_sizes && (job->size < 2 || !job->transport.name))
		return lsb_fail(err, LSB_EPEER, 0, "job: links are between ranks, over a transport");
	if (job->n_sizes && job->iterations == 0)
		return lsb_fail(err, LSB_EPEER, 0, "job: no iterations for its links");
	if (!job->n_sizes && (!job->backend.name || !job->model))
		return lsb_fail(err, LSB_EPEER, 0, "job: no backend, or no model");
	return LSB_OK;
}

static int read_job(const json_t *root, struct lsb_job *job, struct lsb_error *err)
{
	uint32_t n;
	int rc;

	if ((rc = read_numbers(root, "sizes", 0, JOB_SIZES_MAX, 1, JOB_SIZE_MAX, &job->sizes, &job->n_sizes,
			       err)))
		return rc;
	if ((rc = read_scalars(root, job, err)) ||
	    (rc = read_text(root, "bind_address", 0, &job->bind_address, err)) ||
	    (rc = read_text(root, "folders", 0, &job->folders, err)) ||
	    (rc = read_text(root, "base", 1, &job->base, err)) ||
	    (rc = read_text(root, "files", 1, &job->files, err)) ||
	    (rc = read_text(root, "model", 1, &job->model, err)) ||
	    (rc = read_text(root, "arrivals", 1, &job->arrivals, err)) ||
	    (rc = read_plugin(root, "backend", &job->backend, err)) ||
	    (rc = read_plugin(root, "transport", &job->transport, err)) ||
	    (rc = read_plugin(root, "workload", &job->workload, err)) ||
	    (rc = read_numbers(root, "layers", job->n_sizes ? 0 : job->stages, job->stages, 1, JOB_LAYERS_MAX,
			       &job->layers, &n, err)) ||
	    (rc = read_numbers(root, "cpus", 0, LSB_THREADS_MAX, 0, JOB_CPU_MAX, &job->cpus, &job->n_cpus,
			       err)))
		return rc;
	return check_whole(job, err);
}

int lsb_job_parse(const char *text, size_t length, struct lsb_job *out, struct lsb_error *err)
{
	json_error_t why;
	json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &why);
	int rc;

	memset(out, 0, sizeof(*out));
	if (!json_is_object(root)) {
		json_decref(root);
		return lsb_fail(err, LSB_EPEER, 0, "job: not a JSON object: %s",
				root ? "it is something else" : why.text);
	}
	rc = read_job(root, out, err);
	json_decref(root);
	if (rc) {
		lsb_job_free(out);
		return rc;
	}
	return LSB_OK;
}

static void plugin_free(struct lsb_job_plugin *p)
{
	for (size_t i = 0; p->options && i < p->n_options; i++) {
		free(p->options[i].name);
		free(p->options[i].value);
		free(p->options[i].where);
	}
	free(p->options);
	free(p->name);
}

void lsb_job_free(struct lsb_job *job)
{
	plugin_free(&job->backend);
	plugin_free(&job->transport);
	plugin_free(&job->workload);
	free(job->bind_address);
	free(job->folders);
	free(job->base);
	free(job->files);
	free(job->model);
	free(job->arrivals);
	free(job->layers);
	free(job->sizes);
	free(job->cpus);
	memset(job, 0, sizeof(*job));
}
