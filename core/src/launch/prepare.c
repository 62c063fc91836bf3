/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/prepare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "launch/arrivals.h"
#include "launch/choose.h"
#include "launch/memory.h"
#include "launch/layers.h"
#include "launch/provenance.h"
#include "measure/summary.h"
#include "plugin/inspect.h"

enum { PLAN_TIMEOUT_MS = 60000, RECORDS_MAX = 1 << 22, LINK_BYTES_MAX = 16 << 20 };

/* What is asked in common by all points. */
struct preparing {
	struct lsb_prepared *out;
	struct lsb_machine machine;
	const json_t *before; /* first line of the journal that is gone on with, or NULL */
	json_t *answers;      /* {question: answer or {"error": ..., "code": ...}} */
};

/* --- asking --- */

json_t *lsb_prepare_plugin(const struct lsb_point_plugin *p)
{
	json_t *options = json_array();

	for (size_t i = 0; i < p->n_options; i++)
		json_array_append_new(options,
				      json_pack("{s:s, s:s, s:s?}", "name", p->options[i].name, "value",
						p->options[i].value, "where", p->options[i].where));
	return json_pack("{s:s, s:o}", "name", p->name, "options", options);
}

/* The answer to `question`, whose reference is taken, borrowed from the cache; NULL without memory. */
static const json_t *ask(struct preparing *p, json_t *question)
{
	char *text = question ? json_dumps(question, JSON_COMPACT | JSON_SORT_KEYS) : NULL, *reply = NULL;
	json_t *answer = text ? json_object_get(p->answers, text) : NULL;
	struct lsb_error why = { 0 };

	json_decref(question);
	if (text && !answer) {
		if (lsb_inspect(text, PLAN_TIMEOUT_MS, &reply, &why) == LSB_OK)
			answer = json_loads(reply, 0, NULL);
		else
			answer = json_pack("{s:i, s:s}", "code", (int)why.code, "error", why.msg);
		free(reply);
		if (!answer)
			answer = json_pack("{s:i, s:s}", "code", LSB_EPLUGIN, "error",
					   "an answer about plugins cannot be read");
		json_object_set_new(p->answers, text, answer);
	}
	free(text);
	return answer;
}

/* What the point's plugins say of it; NULL with `err` set. */
static const json_t *ask_plan(struct preparing *p, const struct lsb_point *point, struct lsb_error *err)
{
	const int is_link = point->kind == LSB_CASE_LINK;
	const json_t *answer = ask(
		p, json_pack("{s:s, s:s, s:s?, s:s?, s:I, s:o, s:o, s:o}", "want", "plan", "folders",
			     p->out->folders, "base", point->base, "model", point->model, "prompts",
			     (json_int_t)point->distinct, "backend",
			     point->model ? lsb_prepare_plugin(&point->backend) : json_null(), "transport",
			     point->nodes > 1 ? lsb_prepare_plugin(&point->transport) : json_null(),
			     "workload", is_link ? json_null() : lsb_prepare_plugin(&point->workload)));

	if (!answer) {
		lsb_fail(err, LSB_ENOMEM, 0, "no memory to ask about plugins");
		return NULL;
	}
	if (json_object_get(answer, "error")) {
		lsb_fail(err, (int)json_integer_value(json_object_get(answer, "code")), 0, "%s",
			 json_string_value(json_object_get(answer, "error")));
		return NULL;
	}
	return answer;
}

/* What its layers and the head take; NULL where that is not to be timed. */
static const json_t *ask_costs(struct preparing *p, const struct lsb_point *point, const json_t *answer,
			       const struct lsb_mean_request *mean, const uint32_t *cpus)
{
	json_t *question = lsb_layers_question(point, answer, mean, cpus);

	if (!question)
		return NULL;
	json_object_update_new(question,
			       json_pack("{s:s, s:s, s:s?, s:s, s:o}", "want", "costs", "folders",
					 p->out->folders, "base", point->base, "model", point->model,
					 "backend", lsb_prepare_plugin(&point->backend)));
	return ask(p, question);
}

/* --- what follows from an answer --- */

/* Lengths of the requests of a point. */
struct lengths {
	struct lsb_mean_request mean;
	uint64_t longest;	 /* prompt and new tokens of one request */
	uint64_t longest_prompt; /* tokens */
};

static int measure_lengths(const struct lsb_point *point, const json_t *answer, struct lengths *out,
			   struct lsb_error *err)
{
	const json_t *prompts = json_object_get(answer, "prompt_tokens");
	const json_t *limits = json_object_get(answer, "max_new");
	const size_t n = json_array_size(prompts);

	*out = (struct lengths){ 0 };
	if (n == 0 || json_array_size(limits) != n)
		return lsb_fail(err, LSB_EPLUGIN, 0, "workload '%s' has no requests to ask",
				point->workload.name);
	for (size_t i = 0; i < n; i++) {
		const json_int_t prompt = json_integer_value(json_array_get(prompts, i));
		const json_int_t limit = json_integer_value(json_array_get(limits, i));
		const uint64_t tokens = prompt > 0 ? (uint64_t)prompt : 0;
		const uint64_t new =
			limit > 0 && (uint64_t)limit < point->max_new ? (uint64_t)limit : point->max_new;

		out->mean.prompt_tok += (double)tokens / (double)n;
		out->mean.new_tok += (double)new / (double)n;
		if (tokens > out->longest_prompt)
			out->longest_prompt = tokens;
		if (tokens + new > out->longest)
			out->longest = tokens + new;
	}
	return LSB_OK;
}

static int choose_context(const struct lsb_point *point, const json_t *model, const struct lengths *l,
			  uint32_t *out, struct lsb_error *err)
{
	const uint64_t trained = (uint64_t)json_integer_value(json_object_get(model, "context"));
	const uint64_t context = point->context ? point->context : l->longest;

	if (context < l->longest)
		return lsb_fail(
			err, LSB_ESUITE, 0,
			"context = %u is too small: the longest prompt and its new tokens are %llu positions",
			point->context, (unsigned long long)l->longest);
	if (trained && context > trained)
		return lsb_fail(
			err, LSB_ESUITE, 0,
			"%llu positions are needed, and the model was made for %llu: use shorter prompts or "
			"a smaller max_new",
			(unsigned long long)context, (unsigned long long)trained);
	*out = (uint32_t)context;
	return LSB_OK;
}

static int choose_layers(struct preparing *p, struct lsb_prepared_point *to, const json_t *answer,
			 const struct lengths *l, struct lsb_error *err)
{
	const json_t *recorded = lsb_summary_point(p->before, to->point->id);
	const json_t *costs = recorded ? NULL : ask_costs(p, to->point, answer, &l->mean, to->cpus);

	return lsb_layers_choose(to->point, answer, &l->mean, costs, recorded, to->layers, &to->split, err);
}

/*
 * Room for a rank's records: a step makes about a dozen and two more for each
 * further stage; a lane's steps are its prompts' chunks and one per new token,
 * doubled for answers of very different length. Requests that arrive one by one
 * may each be alone in their steps, and end an idle time or a block.
 */
static uint32_t count_records(const struct lsb_point *point, const struct lengths *l)
{
	const uint32_t pipelines =
		point->balance == LSB_BALANCE_DYNAMIC ? 1 : point->replicas; /* may do all */
	const uint64_t requests = (point->prompts + pipelines - 1) / pipelines + point->warmup;
	const uint64_t chunks = (l->longest_prompt + point->chunk - 1) / point->chunk;
	const uint64_t together =
		2 * (requests * point->max_new / point->batch) + (uint64_t)point->in_flight * point->max_new;
	const uint64_t decodes =
		strcmp(point->arrivals, "closed") == 0 ? together : requests * (point->max_new + 1);
	const uint64_t records = 4096 + (requests * chunks + decodes) * (13 + 2 * (uint64_t)point->stages);

	return records < RECORDS_MAX ? (uint32_t)records : RECORDS_MAX;
}

/* --- provenance --- */

static void merge_digests(json_t *to, const json_t *from)
{
	if (json_is_object(from))
		json_object_update(to, (json_t *)(uintptr_t)from);
}

static int note_provenance(struct preparing *p, const struct lsb_point *point, const json_t *answer,
			   struct lsb_error *err)
{
	static const char *const kinds[] = { "backend", "transport", "workload" };
	json_t *models = json_object_get(p->out->provenance, "models");
	char hex[LSB_DIGEST_HEX];

	for (size_t i = 0; i < LSB_COUNT(kinds); i++)
		merge_digests(json_object_get(p->out->provenance, "plugins"),
			      json_object_get(json_object_get(answer, kinds[i]), "files"));
	merge_digests(json_object_get(p->out->provenance, "data"), json_object_get(answer, "data"));
	if (point->model && !json_object_get(models, point->model)) {
		const int rc = lsb_provenance_model(point->model, point->base, hex, err);

		if (rc)
			return rc;
		json_object_set_new(models, point->model, json_string(hex));
	}
	return LSB_OK;
}

/* --- points --- */

/* A model file that is not there is a fault of the model, whatever backend would say of it. */
static int check_model(const struct lsb_point *point, struct lsb_error *err)
{
	char *path = lsb_provenance_model_path(point->model, point->base);
	int rc = LSB_OK;

	if (!path)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a path");
	if (*path && access(path, R_OK))
		rc = lsb_fail(err, LSB_EMODEL, errno, "model: cannot open '%s': %s", path, strerror(errno));
	free(path);
	return rc;
}

/* Ask about a point that can be launched: LSB_EUNAVAIL when a plugin says that it cannot. */
static int ask_point(struct preparing *p, struct lsb_prepared_point *to, const json_t **answer,
		     struct lsb_error *err)
{
	const struct lsb_point *point = to->point;

	*answer = ask_plan(p, point, err);
	if (!*answer)
		return err->code;
	if (json_is_string(json_object_get(*answer, "waived")))
		return lsb_fail(err, LSB_EUNAVAIL, 0, "%s",
				json_string_value(json_object_get(*answer, "waived")));
	lsb_launcher_needs(to, json_object_get(*answer, "transport"));
	return LSB_OK;
}

static void add_size(struct lsb_prepared_point *to, uint64_t bytes)
{
	uint32_t at = 0;

	while (at < to->n_sizes && to->sizes[at] < bytes)
		at++;
	if (bytes == 0 || bytes > LINK_BYTES_MAX || (at < to->n_sizes && to->sizes[at] == bytes))
		return;
	memmove(to->sizes + at + 1, to->sizes + at, (to->n_sizes - at) * sizeof(*to->sizes));
	to->sizes[at] = (uint32_t)bytes;
	to->n_sizes++;
}

/* A point of kind = link: its sizes, and with a model those of hidden states: one token, a batch, a chunk. */
static int fit_link(struct preparing *p, struct lsb_prepared_point *to, struct lsb_error *err)
{
	const struct lsb_point *point = to->point;
	const json_t *answer, *model;
	uint64_t hidden;
	int rc = point->model ? check_model(point, err) : LSB_OK;

	if (rc == LSB_OK)
		rc = ask_point(p, to, &answer, err);
	if (rc)
		return rc;
	to->sizes = calloc((size_t)point->n_sizes + 3, sizeof(*to->sizes));
	to->cpus = calloc((size_t)point->nodes * point->threads, sizeof(*to->cpus));
	if (!to->sizes || !to->cpus)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %u ranks", point->nodes);
	model = json_object_get(answer, "model");
	hidden = (uint64_t)json_integer_value(json_object_get(model, "hidden")) *
		 (json_integer_value(json_object_get(model, "hidden_elem")) == LSB_ELEM_F32 ? 4 : 2);
	for (uint32_t i = 0; i < point->n_sizes; i++)
		add_size(to, point->sizes[i]);
	add_size(to, hidden);
	add_size(to, hidden * point->batch);
	add_size(to, hidden * point->chunk);
	to->oversubscribed = lsb_place_ranks(&p->machine, point->nodes, point->threads, to->cpus);
	return note_provenance(p, point, answer, err);
}

static int fit_point(struct preparing *p, struct lsb_prepared_point *to, struct lsb_error *err)
{
	const struct lsb_point *point = to->point;
	const json_t *answer, *model;
	struct lengths lengths;
	int rc = check_model(point, err);

	if (rc)
		return rc;
	if (lsb_provenance_model_state(point->model, point->base, to->model_state))
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a path");
	rc = ask_point(p, to, &answer, err);
	if (rc)
		return rc;
	model = json_object_get(answer, "model");
	to->layers = calloc(point->stages, sizeof(*to->layers));
	to->cpus = calloc((size_t)point->nodes * point->threads, sizeof(*to->cpus));
	if (!to->layers || !to->cpus)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %u ranks", point->nodes);
	to->oversubscribed = lsb_place_ranks(&p->machine, point->nodes, point->threads, to->cpus);
	rc = measure_lengths(point, answer, &lengths, err);
	if (rc == LSB_OK)
		rc = choose_context(point, model, &lengths, &to->context, err);
	if (rc == LSB_OK)
		rc = choose_layers(p, to, answer, &lengths, err);
	if (rc == LSB_OK)
		rc = lsb_check_memory(point, model, to->context, to->layers, err);
	if (rc == LSB_OK)
		rc = note_provenance(p, point, answer, err);
	if (rc == LSB_OK)
		rc = lsb_check_arrivals(point, json_object_get(p->out->provenance, "data"), NULL, err);
	to->max_records = count_records(point, &lengths);
	return rc;
}

static int prepare_point(struct preparing *p, struct lsb_prepared_point *to, struct lsb_error *err)
{
	struct lsb_error why = { 0 };

	to->code = (to->point->kind == LSB_CASE_LINK ? fit_link : fit_point)(p, to, &why);
	if (to->code == LSB_OK)
		return LSB_OK;
	to->reason = strdup(why.msg);
	return to->reason && to->code != LSB_ENOMEM
		       ? LSB_OK
		       : lsb_fail(err, LSB_ENOMEM, 0, "no memory to prepare points");
}

int lsb_prepare(const struct lsb_suite *suite, const char *folders, const json_t *before,
		struct lsb_prepared *out, struct lsb_error *err)
{
	struct preparing p = { .out = out, .before = before };
	char own[LSB_DIGEST_HEX];
	int rc;

	*out = (struct lsb_prepared){ .suite = suite };
	out->folders = strdup(folders);
	out->points = calloc(suite->n_points ? suite->n_points : 1, sizeof(*out->points));
	p.answers = json_object();
	if (!out->folders || !out->points || !p.answers) {
		json_decref(p.answers);
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu points", suite->n_points);
	}
	out->n_points = suite->n_points;
	rc = lsb_digest_file("/proc/self/exe", own, err);
	if (rc == LSB_OK)
		rc = lsb_machine_read(&p.machine, err);
	if (rc == LSB_OK)
		out->provenance =
			json_pack("{s:s, s:{}, s:{}, s:{}}", "lsbench", own, "plugins", "models", "data");
	for (size_t i = 0; i < out->n_points && rc == LSB_OK; i++) {
		out->points[i].point = &suite->points[i];
		rc = prepare_point(&p, &out->points[i], err);
	}
	if (rc == LSB_OK)
		rc = lsb_launchers_settle(out, err);
	lsb_machine_free(&p.machine);
	json_decref(p.answers);
	return rc;
}

void lsb_prepared_free(struct lsb_prepared *p)
{
	for (size_t i = 0; p->points && i < p->n_points; i++) {
		free(p->points[i].reason);
		free(p->points[i].layers);
		json_decref(p->points[i].split);
		free(p->points[i].cpus);
		free(p->points[i].sizes);
	}
	free(p->points);
	free(p->folders);
	json_decref(p->provenance);
	*p = (struct lsb_prepared){ 0 };
}

static struct lsb_job_plugin borrow_plugin(const struct lsb_point_plugin *p)
{
	/* the same three strings under two names: wire/ knows no suites */
	_Static_assert(
		sizeof(struct lsb_point_option) == sizeof(struct lsb_job_option) &&
			offsetof(struct lsb_point_option, value) == offsetof(struct lsb_job_option, value) &&
			offsetof(struct lsb_point_option, where) == offsetof(struct lsb_job_option, where),
		"options of points and jobs have one layout");
	return (struct lsb_job_plugin){ .name = p->name,
					.options = (struct lsb_job_option *)(void *)p->options,
					.n_options = p->n_options };
}

void lsb_prepared_job(const struct lsb_prepared *p, const struct lsb_prepared_point *prepared, uint32_t rank,
		      const uint8_t nonce[16], struct lsb_job *out)
{
	static char loopback[] = "127.0.0.1";
	const struct lsb_point *point = prepared->point;

	*out = (struct lsb_job){
		.rank = (int32_t)rank,
		.size = (int32_t)point->nodes,
		.stages = point->stages,
		.replicas = point->replicas,
		.host = 0,
		.host_count = 1,
		.host_rank = (int32_t)rank,
		.host_size = (int32_t)point->nodes,
		.bind_address = loopback,
		.folders = p->folders,
		.base = point->base,
		.sizes = prepared->sizes,
		.n_sizes = prepared->n_sizes,
		.iterations = point->iterations ? point->iterations : 1,
		.gap_ns = point->gap_ns,
		.model = point->model,
		.layers = prepared->layers,
		.batch = point->batch,
		.in_flight = point->in_flight,
		.prompts = point->prompts,
		.distinct = point->distinct,
		.max_new = point->max_new,
		.chunk = point->chunk,
		.context = prepared->context,
		.warmup = point->warmup,
		.stop_at_length = point->stop == LSB_STOP_LENGTH,
		.is_continuous = point->batching == LSB_BATCHING_CONTINUOUS,
		.arrivals = point->arrivals,
		.is_dynamic = point->balance == LSB_BALANCE_DYNAMIC && point->replicas > 1,
		.seed = point->seed,
		.temperature = point->temperature,
		.top_p = point->top_p,
		.top_k = point->top_k,
		.threads = point->threads,
		.n_cpus = point->threads,
		.cpus = prepared->cpus + (size_t)rank * point->threads,
		.timeout_ns = point->timeout_ns,
		.stall_ns = point->stall_timeout_ns,
		.max_records = prepared->max_records,
	};
	memcpy(out->nonce, nonce, sizeof(out->nonce));
	if (point->nodes > 1)
		out->transport = borrow_plugin(&point->transport);
	if (point->kind == LSB_CASE_LINK) {
		out->max_records = 0;
		out->context = 1;
		return;
	}
	out->backend = borrow_plugin(&point->backend);
	if (rank % point->stages == 0)
		out->workload = borrow_plugin(&point->workload);
}
