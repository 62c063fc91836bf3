/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

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

void rig_cancel_after(int calls)
{
	cancel_in = calls;
}

const struct lsb_host *rig_host(void)
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

const struct lsb_backend_ops *rig_ops(const char *name)
{
	const char *build = getenv("LSB_TEST_BUILD");
	const struct lsb_plugin *plugin;
	char path[512];
	void *so;

	snprintf(path, sizeof(path), "%s/plugins/lsbench-backend-%s.so", build ? build : LSB_BINARY_DIR,
		 name);
	so = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* once open, found again */
	plugin = so ? dlsym(so, LSB_PLUGIN_SYMBOL) : NULL;
	if (!plugin)
		fprintf(stderr, "%s\n", dlerror());
	return plugin ? plugin->ops.backend : NULL;
}

static uint32_t or_else(uint32_t value, uint32_t otherwise)
{
	return value ? value : otherwise;
}

static int count_layers(const struct rig *r, const struct rig_spec *spec, uint32_t *layers,
			struct lsb_error *err)
{
	const struct lsb_place place = { .struct_size = sizeof(place),
					 .model = spec->model,
					 .flags = LSB_PLACE_VOCABULARY };
	struct lsb_backend_info info = { .struct_size = sizeof(info) };
	struct lsb_backend *b;
	int rc = r->ops->open(rig_host(), spec->options, &place, &b, err);

	if (rc)
		return rc;
	rc = r->ops->info(b, &info, err);
	*layers = info.layers;
	r->ops->close(b);
	return rc;
}

static int open_stage(struct rig *r, const struct rig_spec *spec, uint32_t i, uint32_t first, uint32_t n,
		      struct lsb_error *err)
{
	const uint32_t max_tokens = or_else(spec->max_tokens, 64);
	const struct lsb_place place = {
		.struct_size = sizeof(place),
		.model = spec->model,
		.stage = (int32_t)i,
		.stages = (int32_t)r->stages,
		.first_layer = first,
		.n_layers = n,
		.flags = i ? LSB_PLACE_NO_VOCABULARY : 0,
		.slots = or_else(spec->slots, 4),
		.context = or_else(spec->context, 512),
		.max_tokens = max_tokens,
		.max_outputs = or_else(spec->max_outputs, max_tokens),
		.max_tickets = 2,
		.device = -1,
		.threads = or_else(spec->threads, 1),
		.n_cpus = spec->n_cpus,
		.cpus = spec->cpus,
	};
	int rc = r->ops->open(rig_host(), spec->options, &place, &r->stage[i], err);

	if (!rc && i == 0) {
		r->info.struct_size = sizeof(r->info);
		rc = r->ops->info(r->stage[0], &r->info, err);
	}
	if (!rc && i + 1 < r->stages)
		rc = r->ops->buf_alloc(r->stage[i], spec->mem,
				       (uint64_t)max_tokens * r->info.hidden_size * sizeof(float),
				       &r->hidden[i], err);
	return rc;
}

int rig_open(const struct rig_spec *spec, struct rig *r, struct lsb_error *err)
{
	uint32_t layers = spec->layers, first = 0;
	int rc;

	*r = (struct rig){ .stages = or_else(spec->stages, 1), .ops = rig_ops(spec->plugin) };
	if (!r->ops)
		return lsb_fail(err, LSB_EPLUGIN, 0, "backend-%s cannot be loaded", spec->plugin);
	rc = layers ? LSB_OK : count_layers(r, spec, &layers, err);
	for (uint32_t i = 0; i < r->stages && !rc; i++) {
		const uint32_t n = layers / r->stages + (i < layers % r->stages);

		rc = open_stage(r, spec, i, first, n, err);
		first += n;
	}
	if (rc)
		rig_close(r);
	return rc;
}

void rig_close(struct rig *r)
{
	for (uint32_t i = 0; r->ops && i < r->stages; i++) {
		if (r->stage[i] && r->hidden[i].ptr)
			r->ops->buf_free(r->stage[i], &r->hidden[i]);
		r->ops->close(r->stage[i]);
		r->stage[i] = NULL;
	}
}

int rig_step(struct rig *r, const struct lsb_token *tokens, uint32_t n, const struct lsb_sampling *sampling,
	     int32_t *ids, float *logits, struct lsb_error *err)
{
	struct lsb_batch batch = { .struct_size = sizeof(batch), .n_tokens = n, .tokens = tokens };
	struct lsb_sampling *greedy = NULL;
	int rc = LSB_OK;

	for (uint32_t t = 0; t < n; t++)
		batch.n_outputs += (tokens[t].flags & LSB_TOKEN_OUTPUT) != 0;
	if (!sampling) {
		greedy = calloc(batch.n_outputs + 1, sizeof(*greedy));
		for (uint32_t i = 0; i < batch.n_outputs; i++)
			greedy[i].top_p = 1.0f;
	}
	batch.sampling = sampling ? sampling : greedy;
	for (uint32_t i = 0; i < r->stages && !rc; i++) {
		const bool last = i + 1 == r->stages;
		const struct lsb_step_io io = {
			.struct_size = sizeof(io),
			.in = i ? &r->hidden[i - 1] : NULL,
			.out = last ? NULL : &r->hidden[i],
			.ids = last ? ids : NULL,
			.logits = last ? logits : NULL,
		};

		rc = r->ops->submit(r->stage[i], &batch, &io, &r->ticket, err);
		if (!rc)
			rc = r->ops->wait(r->stage[i], r->ticket, UINT64_MAX, err);
	}
	free(greedy);
	return rc;
}
