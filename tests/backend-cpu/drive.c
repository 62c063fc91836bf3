/* SPDX-License-Identifier: Apache-2.0 */
#include "drive.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int cancel_in;

static uint64_t now_ns(void *context)
{
	struct timespec t;

	(void)context;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void log_line(void *context, uint32_t level, const char *message)
{
	(void)context;
	fprintf(stderr, "log %u: %s\n", level, message);
}

static void *host_alloc(void *context, size_t bytes, size_t align)
{
	void *p = NULL;

	(void)context;
	if (posix_memalign(&p, align, bytes))
		return NULL;
	return memset(p, 0, bytes);
}

static void host_free(void *context, void *ptr)
{
	(void)context;
	free(ptr);
}

static int progress(void *context)
{
	(void)context;
	return cancel_in && --cancel_in == 0 ? LSB_ECANCELED : LSB_OK;
}

void drive_cancel_after(int calls)
{
	cancel_in = calls;
}

const struct lsb_host *drive_host(void)
{
	static const struct lsb_host host = {
		.struct_size = sizeof(host),
		.now_ns = now_ns,
		.log = log_line,
		.alloc = host_alloc,
		.free = host_free,
		.progress = progress,
	};

	return &host;
}

const struct lsb_backend_ops *drive_ops(void)
{
	static const struct lsb_plugin *plugin;

	if (!plugin) {
		void *so = dlopen(LSB_BINARY_DIR "/plugins/lsbench-backend-cpu.so", RTLD_NOW | RTLD_LOCAL);

		if (!so) {
			fprintf(stderr, "%s\n", dlerror());
			return NULL;
		}
		plugin = dlsym(so, LSB_PLUGIN_SYMBOL);
	}
	return plugin ? plugin->ops.backend : NULL;
}

static uint32_t or_else(uint32_t value, uint32_t otherwise)
{
	return value ? value : otherwise;
}

static int count_layers(const struct pipe_spec *spec, uint32_t *layers, struct lsb_error *err)
{
	const struct lsb_backend_ops *ops = drive_ops();
	const struct lsb_place place = { .struct_size = sizeof(place),
					 .model = spec->model,
					 .flags = LSB_PLACE_VOCABULARY };
	struct lsb_backend_info info = { .struct_size = sizeof(info) };
	struct lsb_backend *b;
	int rc = ops->open(drive_host(), &spec->options, &place, &b, err);

	if (rc)
		return rc;
	rc = ops->info(b, &info, err);
	*layers = info.layers;
	ops->close(b);
	return rc;
}

int pipe_open(const struct pipe_spec *spec, struct pipe *p, struct lsb_error *err)
{
	const struct lsb_backend_ops *ops = drive_ops();
	uint32_t layers = spec->layers, first = 0;
	int rc = layers ? LSB_OK : count_layers(spec, &layers, err);

	*p = (struct pipe){ .stages = or_else(spec->stages, 1), .info.struct_size = sizeof(p->info) };
	for (uint32_t i = 0; i < p->stages && !rc; i++) {
		const uint32_t n = layers / p->stages + (i < layers % p->stages);
		const uint32_t max_tokens = or_else(spec->max_tokens, 64);
		const struct lsb_place place = {
			.struct_size = sizeof(place),
			.model = spec->model,
			.stage = (int32_t)i,
			.stages = (int32_t)p->stages,
			.first_layer = first,
			.n_layers = n,
			.flags = i ? LSB_PLACE_NO_VOCABULARY : 0,
			.slots = or_else(spec->slots, 4),
			.context = or_else(spec->context, 128),
			.max_tokens = max_tokens,
			.max_outputs = or_else(spec->max_outputs, max_tokens),
			.max_tickets = 2,
			.device = -1,
			.threads = or_else(spec->threads, 1),
			.n_cpus = spec->n_cpus,
			.cpus = spec->cpus,
		};

		first += n;
		rc = ops->open(drive_host(), &spec->options, &place, &p->stage[i], err);
		if (!rc && i == 0)
			rc = ops->info(p->stage[0], &p->info, err);
		if (!rc && i + 1 < p->stages)
			rc = ops->buf_alloc(p->stage[i], LSB_MEM_HOST,
					    (uint64_t)max_tokens * p->info.hidden_size * sizeof(float),
					    &p->hidden[i], err);
	}
	if (rc)
		pipe_close(p);
	return rc;
}

void pipe_close(struct pipe *p)
{
	const struct lsb_backend_ops *ops = drive_ops();

	for (uint32_t i = 0; i < p->stages; i++) {
		if (p->stage[i] && p->hidden[i].ptr)
			ops->buf_free(p->stage[i], &p->hidden[i]);
		ops->close(p->stage[i]);
		p->stage[i] = NULL;
	}
}

int pipe_step(struct pipe *p, const struct lsb_token *tokens, uint32_t n, const struct lsb_sampling *sampling,
	      int32_t *ids, float *logits, struct lsb_error *err)
{
	const struct lsb_backend_ops *ops = drive_ops();
	struct lsb_sampling *greedy = NULL;
	struct lsb_batch batch = { .struct_size = sizeof(batch), .n_tokens = n, .tokens = tokens };
	int rc = LSB_OK;

	for (uint32_t t = 0; t < n; t++)
		batch.n_outputs += (tokens[t].flags & LSB_TOKEN_OUTPUT) != 0;
	if (!sampling) {
		greedy = calloc(batch.n_outputs + 1, sizeof(*greedy));
		for (uint32_t i = 0; i < batch.n_outputs; i++)
			greedy[i].top_p = 1.0f;
	}
	batch.sampling = sampling ? sampling : greedy;
	for (uint32_t i = 0; i < p->stages && !rc; i++) {
		const bool last = i + 1 == p->stages;
		const struct lsb_step_io io = {
			.struct_size = sizeof(io),
			.in = i ? &p->hidden[i - 1] : NULL,
			.out = last ? NULL : &p->hidden[i],
			.ids = last ? ids : NULL,
			.logits = last ? logits : NULL,
		};
		uint64_t ticket;

		rc = ops->submit(p->stage[i], &batch, &io, &ticket, err);
		if (!rc)
			rc = ops->wait(p->stage[i], ticket, UINT64_MAX, err);
	}
	free(greedy);
	return rc;
}
