/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "null_hash.h"

#define FOLDERS LSB_BINARY_DIR "/plugins"

/* One stage and its thread. */
struct rank {
	struct pipeline *pipeline;
	struct queues *world;
	uint32_t stage;
	struct lsb_loaded *backend;
	struct lsb_backend *handle;
	struct lsb_place place;
	struct lsb_backend_info info;
	struct lsb_loaded transport; /* only name and operations */
	struct lsb_stage_status status;
	struct lsb_stage *loop;
	pthread_barrier_t *barrier;
};

struct requests {
	struct pipeline *pipeline;
	struct lsb_sequence sequences[PROMPTS_MAX];
	int32_t prompts[PROMPTS_MAX][PROMPT_MAX];
};

uint32_t pipeline_prompt(uint32_t i, int32_t tokens[PROMPT_MAX])
{
	const uint32_t n = 1 + (i * 7 + 3) % PROMPT_MAX;

	for (uint32_t k = 0; k < n; k++)
		tokens[k] = (int32_t)(32 + (i * 31 + k * 17) % 90);
	return n;
}

void pipeline_answer(uint32_t i, uint32_t n, int32_t *ids)
{
	uint64_t memory[LAYERS] = { 0 };
	int32_t tokens[PROMPT_MAX];
	const uint32_t n_prompt = pipeline_prompt(i, tokens);

	for (uint32_t position = 0; position < n_prompt + n - 1; position++) {
		const int32_t id = position < n_prompt ? tokens[position] : ids[position - n_prompt];
		uint64_t value = null_mix((uint64_t)id, position);

		for (uint32_t layer = 0; layer < LAYERS; layer++)
			value = null_layer(value, layer, &memory[layer]);
		if (position + 1 >= n_prompt)
			ids[position + 1 - n_prompt] = null_pick(value);
	}
}

static void count_tokens(void *user, struct lsb_sequence *const *touched, uint32_t n, uint64_t now_ns)
{
	struct requests *r = user;

	for (uint32_t i = 0; i < n; i++)
		ck_assert(touched[i] >= r->sequences && touched[i] < r->sequences + PROMPTS_MAX);
	ck_assert_uint_ne(now_ns, 0);
	r->pipeline->tokens_told += n;
}

static void open_backend(struct rank *r)
{
	const struct pipeline *p = r->pipeline;
	struct lsb_error err = { 0 };
	char step[24];
	const struct lsb_setting settings[] = {
		{ "layers", "8", NULL },
		{ "hidden", "16", NULL },
		{ "async", p->async ? "yes" : "no", NULL },
		{ "mem", p->staged ? "fake" : "host", NULL },
		{ "fail_at_step", step, NULL },
	};
	const uint32_t first = LAYERS * r->stage / p->stages, end = LAYERS * (r->stage + 1) / p->stages;

	snprintf(step, sizeof(step), "%lld", (long long)p->fail_at_step);
	ck_assert_msg(lsb_plugin_load(LSB_BACKEND, "null", FOLDERS, &r->backend, &err) == LSB_OK, "%s",
		      err.msg);
	ck_assert_msg(lsb_loaded_configure(r->backend, settings, LSB_COUNT(settings), NULL, &err) == LSB_OK,
		      "%s", err.msg);
	r->place = (struct lsb_place){
		.struct_size = sizeof(r->place),
		.model = "random:null",
		.rank = (int32_t)r->stage,
		.stage = (int32_t)r->stage,
		.stages = (int32_t)p->stages,
		.first_layer = first,
		.n_layers = end - first,
		.slots = p->batch * p->in_flight,
		.context = PROMPT_MAX + NEW_MAX,
		.max_tokens = p->chunk > p->batch ? p->chunk : p->batch,
		.max_outputs = p->batch,
		.max_tickets = 2,
		.device = -1,
		.threads = 1,
	};
	ck_assert_msg(r->backend->ops.backend.open(&r->backend->host, r->backend->options, &r->place,
						   &r->handle, &err) == LSB_OK,
		      "%s", err.msg);
	r->info.struct_size = sizeof(r->info);
	ck_assert_int_eq(r->backend->ops.backend.info(r->handle, &r->info, &err), LSB_OK);
}

static void open_rank(struct rank *r)
{
	struct pipeline *p = r->pipeline;
	struct lsb_error err = { 0 };
	struct lsb_stage_setup setup;

	open_backend(r);
	r->transport.plugin.kind = LSB_TRANSPORT;
	r->transport.plugin.name = "queues";
	r->transport.ops.transport = queues_ops;
	ck_assert_int_eq(lsb_recorder_open(&p->recorders[r->stage], 20000, &err), LSB_OK);
	atomic_store(&r->status.cancelled, p->cancel_rank == r->stage + 1);
	setup = (struct lsb_stage_setup){
		.backend = r->backend,
		.backend_handle = r->handle,
		.info = &r->info,
		.transport = p->stages > 1 ? &r->transport : NULL,
		.transport_handle = &r->world->ranks[r->stage],
		.recorder = &p->recorders[r->stage],
		.status = &r->status,
		.stage = r->stage,
		.stages = p->stages,
		.window = p->in_flight + p->stages,
		.tickets = p->async ? 2 : 1,
		.limits = { .max_tokens = r->place.max_tokens,
			    .max_outputs = p->batch,
			    .slots = r->place.slots,
			    .context = r->place.context },
		.max_message_bytes = 1 << 20,
		.timeout_ns = p->timeout_ns ? p->timeout_ns : 60000000000u,
	};
	ck_assert_msg(lsb_stage_open(&setup, &r->loop, &err) == LSB_OK, "%s", err.msg);
	p->path = lsb_stage_path(r->loop);
	p->rc[r->stage] = lsb_stage_post(r->loop, &p->err[r->stage]);
}

static void close_rank(struct rank *r)
{
	lsb_stage_close(r->loop);
	r->backend->ops.backend.close(r->handle);
	lsb_loaded_free(r->backend);
}

static void reset_requests(struct requests *r)
{
	struct pipeline *p = r->pipeline;

	for (uint32_t i = 0; i < p->prompts; i++)
		r->sequences[i] = (struct lsb_sequence){
			.prompt = r->prompts[i],
			.n_prompt = pipeline_prompt(i, r->prompts[i]),
			.ids = p->ids[i],
			.max_new = p->max_new,
			.arrival_ns = i * p->every_ns,
			.sampling = { .top_p = 1, .request = i },
		};
}

static int first_stage_pass(struct rank *r)
{
	struct pipeline *p = r->pipeline;
	static struct requests requests; /* one first stage at a time */
	const struct lsb_scheduler_limits limits = {
		.batch = p->batch,
		.in_flight = p->in_flight,
		.chunk = p->chunk,
		.window = p->in_flight + p->stages,
		.stages = p->stages,
		.is_continuous = p->continuous,
		.n_stop_ids = r->info.n_stop_ids,
		.stop_ids = r->info.stop_ids,
	};
	const struct lsb_token_sink sink = { .tokens = count_tokens, .user = &requests };
	struct lsb_scheduler *scheduler = NULL;
	int rc;

	requests.pipeline = p;
	reset_requests(&requests);
	rc = lsb_scheduler_open(&limits, requests.sequences, p->prompts, &scheduler, &p->err[0]);
	if (rc == LSB_OK)
		rc = lsb_stage_pass(r->loop,
				    &(struct lsb_pass){ .scheduler = scheduler,
							.sink = &sink,
							.t0_ns = lsb_now_ns(),
							.since_ns = lsb_now_ns() },
				    &p->err[0]);
	lsb_scheduler_close(scheduler);
	for (uint32_t i = 0; i < p->prompts; i++)
		p->n_ids[i] = requests.sequences[i].n_ids;
	return rc;
}

static void *rank_main(void *rank)
{
	struct rank *r = rank;
	struct pipeline *p = r->pipeline;
	int *rc = &p->rc[r->stage];

	for (uint32_t pass = 0; pass < (p->passes ? p->passes : 1); pass++) {
		if (*rc == LSB_OK && r->stage == 0)
			*rc = first_stage_pass(r);
		else if (*rc == LSB_OK)
			*rc = lsb_stage_pass(r->loop, &(struct lsb_pass){ .since_ns = lsb_now_ns() },
					     &p->err[r->stage]);
		if (*rc)
			queues_break(r->world);
		pthread_barrier_wait(r->barrier);
	}
	lsb_stage_settle(r->loop);
	return NULL;
}

void pipeline_run(struct pipeline *p)
{
	static struct queues world;
	struct rank ranks[QUEUES_RANKS_MAX] = { { 0 } };
	pthread_t threads[QUEUES_RANKS_MAX];
	pthread_barrier_t barrier;

	queues_open(&world);
	world.fail_at = p->fail_at;
	world.fail_rank = p->fail_rank;
	world.fault = p->fault;
	pthread_barrier_init(&barrier, NULL, p->stages);
	p->tokens_told = 0;
	for (uint32_t i = 0; i < p->stages; i++) {
		ranks[i] = (struct rank){ .pipeline = p, .world = &world, .stage = i, .barrier = &barrier };
		open_rank(&ranks[i]);
		if (p->rc[i])
			queues_break(&world);
	}
	for (uint32_t i = 0; i < p->stages; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, rank_main, &ranks[i]), 0);
	for (uint32_t i = 0; i < p->stages; i++)
		pthread_join(threads[i], NULL);
	for (uint32_t i = 0; i < p->stages; i++) {
		p->operations[i] = world.ranks[i].operations;
		close_rank(&ranks[i]);
	}
	p->unposted = world.unposted;
	pthread_barrier_destroy(&barrier);
	queues_close(&world);
}

void pipeline_free(struct pipeline *p)
{
	for (uint32_t i = 0; i < QUEUES_RANKS_MAX; i++)
		lsb_recorder_close(&p->recorders[i]);
}
