/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptor of backend-cpu, and what opens and closes its parts. */
#include "cpu.h"

#include <stdio.h>
#include <string.h>

#include "lsbench/plugin.h"

static const struct lsb_option options[] = {
	{ .name = "isa",
	  .type = LSB_OPT_CHOICE,
	  .choices = CPU_ISA_CHOICES,
	  .def = "auto",
	  .offset = offsetof(struct cpu_options, isa),
	  .help = "instruction set of the kernels; auto: the best this processor has" },
	{ .name = "activations",
	  .type = LSB_OPT_CHOICE,
	  .choices = CPU_ACTIVATIONS_CHOICES,
	  .def = "int8",
	  .offset = offsetof(struct cpu_options, activations),
	  .help = "what quantised weights multiply; fp32: the slow reference path in plain C" },
	{ .name = "chat",
	  .type = LSB_OPT_CHOICE,
	  .choices = LSB_CHAT_CHOICES,
	  .def = "auto",
	  .offset = offsetof(struct cpu_options, chat),
	  .help = "shape of the chat template; auto: as the model's metadata says" },
	{ .name = "spin",
	  .type = LSB_OPT_TIME,
	  .unit = "ns",
	  .def = "20us",
	  .min = 0,
	  .max = 1e7,
	  .offset = offsetof(struct cpu_options, spin_ns),
	  .help = "how long an idle compute thread spins before it sleeps" },
	{ 0 },
};

/* --- open ------------------------------------------------------------------- */

static int choose_kernels(struct lsb_backend *b, struct lsb_error *err)
{
	static const char *const names[] = { "auto", "plain", "avx2", "avx512" };
	const char *name = names[b->options.isa];

	if (b->options.activations == CPU_ACTIVATIONS_FP32) {
		if (b->options.isa > CPU_ISA_PLAIN)
			return lsb_fail(err, LSB_EINVAL, 0,
					"activations = fp32 is the plain reference path and excludes isa = "
					"%s; leave isa at auto",
					name);
		name = "plain";
	}
	b->k = lsb_kernels_find(name);
	if (!b->k)
		return lsb_fail(
			err, LSB_EUNAVAIL, 0,
			"isa = %s: this processor (or this build of backend-cpu) lacks it; use isa = auto",
			name);
	return LSB_OK;
}

static int check_threads(const struct lsb_place *p, struct lsb_error *err)
{
	if (p->flags & LSB_PLACE_VOCABULARY)
		return LSB_OK;
	if (!p->threads)
		return lsb_fail(err, LSB_EINVAL, 0, "threads must be at least 1");
	if (p->n_cpus && (p->n_cpus < p->threads || !p->cpus))
		return lsb_fail(err, LSB_EINVAL, 0, "%u threads cannot be pinned to %u CPUs, one each",
				p->threads, p->n_cpus);
	return LSB_OK;
}

/* Averages over the layers held, since files may mix types. */
static int sum_costs(struct lsb_backend *b, struct lsb_error *err)
{
	const bool vocabulary = b->place.flags & LSB_PLACE_VOCABULARY;
	const uint32_t first = vocabulary ? 0 : b->place.first_layer;
	const uint32_t n = vocabulary ? b->hp.layers : b->place.n_layers;
	int rc;

	if (b->hp.layers == 0) /* a vocabulary without a model */
		return LSB_OK;
	rc = cpu_weights_cost(b, -1, &b->head_bytes, &b->head_macs, err);

	for (uint32_t i = 0; i < n && !rc; i++) {
		uint64_t bytes, macs;

		rc = cpu_weights_cost(b, (int32_t)(first + i), &bytes, &macs, err);
		if (!rc) {
			b->layer_bytes += bytes;
			b->layer_macs += macs;
		}
	}
	if (n) {
		b->layer_bytes /= n;
		b->layer_macs /= n;
	}
	return rc;
}

static int open_stage(struct lsb_backend *b, struct lsb_error *err)
{
	int rc = lsb_stage_resolve_place(&b->place, &b->hp, err);

	b->first = lsb_stage_is_first(&b->place);
	b->last = lsb_stage_is_last(&b->place);
	if (!rc)
		rc = cpu_pool_open(b->host, b->place.threads, b->place.n_cpus, b->place.cpus,
				   b->options.spin_ns, &b->pool, err);
	if (!rc)
		rc = cpu_weights_load(b, err);
	if (!rc)
		rc = cpu_kv_open(b, err);
	if (!rc)
		rc = cpu_forward_open(b, err);
	if (!rc)
		rc = cpu_step_open(b, err);
	return rc;
}

static void backend_close(struct lsb_backend *b)
{
	if (!b)
		return;
	cpu_step_close(b);
	cpu_forward_close(b);
	cpu_kv_close(b);
	cpu_weights_free(b);
	cpu_pool_close(b->pool);
	lsb_tokenizer_close(b->tokenizer);
	lsb_model_close(b->model);
	b->host->free(b->host->context, b);
}

static int open_model(struct lsb_backend *b, struct lsb_error *err)
{
	int rc = b->place.flags & LSB_PLACE_VOCABULARY
			 ? lsb_model_open_vocabulary(b->place.model, &b->model, err)
			 : lsb_model_open(b->place.model, &b->model, err);

	if (rc)
		return rc;
	b->hp = *lsb_model_hparams(b->model);
	if (b->hp.layers)
		b->gqa = b->hp.heads / b->hp.kv_heads;
	snprintf(b->model_name, sizeof(b->model_name), "%s", lsb_model_name(b->model));
	if (!(b->place.flags & LSB_PLACE_NO_VOCABULARY))
		rc = lsb_tokenizer_open(b->model, &b->tokenizer, err);
	return rc;
}

static int backend_open(const struct lsb_host *host, const void *opts, const struct lsb_place *place,
			struct lsb_backend **out, struct lsb_error *err)
{
	struct lsb_backend *b;
	struct lsb_place own;
	int rc = lsb_stage_take_place(place, &own, err);

	if (!rc)
		rc = check_threads(&own, err);
	if (rc)
		return rc;
	b = host->alloc(host->context, sizeof(*b), CPU_LINE);
	if (!b)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for backend-cpu");
	b->host = host;
	b->options = *(const struct cpu_options *)opts;
	b->place = own;
	rc = choose_kernels(b, err);
	if (!rc)
		rc = open_model(b, err);
	if (!rc && !(own.flags & LSB_PLACE_VOCABULARY))
		rc = open_stage(b, err);
	if (!rc)
		rc = sum_costs(b, err);
	if (rc) {
		backend_close(b);
		return rc;
	}
	lsb_model_close(b->model); /* everything has been read */
	b->model = NULL;
	*out = b;
	return LSB_OK;
}

/* --- what was opened ----------------------------------------------------------- */

static void device_name(const struct lsb_backend *b, char *out, size_t bytes)
{
	const char *isa = strcmp(b->k->name, "avx512") == 0 ? "AVX-512/VNNI"
			  : strcmp(b->k->name, "avx2") == 0 ? "AVX2"
							    : "plain C";
	const char *act = b->options.activations == CPU_ACTIVATIONS_FP32 ? ", fp32 activations" : "";

	snprintf(out, bytes, "%s%s, %u thread%s", isa, act, b->place.threads,
		 b->place.threads == 1 ? "" : "s");
}

static int backend_info(const struct lsb_backend *b, struct lsb_backend_info *out, struct lsb_error *err)
{
	const size_t room = out->struct_size;
	struct lsb_backend_info i = {
		.layers = b->hp.layers,
		.hidden_size = b->hp.hidden,
		.hidden_elem = LSB_ELEM_F32,
		.vocabulary = b->hp.vocab,
		.context = b->hp.context,
		.invariant_over =
			LSB_INVARIANT_BATCH | LSB_INVARIANT_CHUNK | LSB_INVARIANT_SPLIT | LSB_INVARIANT_RUN,
		.flags = LSB_BACKEND_INLINE,
		.mem_kinds = 1u << LSB_MEM_HOST,
		.bos = b->tokenizer ? lsb_tokenizer_bos(b->tokenizer) : -1,
		.load_bytes = b->weights.load_bytes,
		.weight_bytes = b->weights.arena_bytes,
		.kv_bytes = b->kv.bytes,
		.layer_bytes = b->layer_bytes,
		.head_bytes = b->head_bytes,
		.layer_macs = b->layer_macs,
		.head_macs = b->head_macs,
		.kv_bytes_per_position = 2ull * b->hp.kv_heads * b->hp.head_dim * sizeof(*b->kv.data),
	};

	if (room < sizeof(out->struct_size))
		return lsb_fail(err, LSB_EINVAL, 0, "lsb_backend_info.struct_size is not set");
	memcpy(i.model_name, b->model_name, sizeof(i.model_name));
	device_name(b, i.device_name, sizeof(i.device_name));
	if (b->tokenizer)
		i.n_stop_ids = lsb_tokenizer_stop_ids(b->tokenizer, i.stop_ids, LSB_STOP_IDS_MAX);
	i.struct_size = room;
	memcpy(out, &i, room < sizeof(i) ? room : sizeof(i));
	return LSB_OK;
}

/* --- text ------------------------------------------------------------------------ */

static int backend_encode(struct lsb_backend *b, const struct lsb_turn *turns, size_t n_turns, uint32_t flags,
			  int32_t *ids, size_t capacity, size_t *n, struct lsb_error *err)
{
	return lsb_stage_encode(b->tokenizer, (enum lsb_chat)b->options.chat, turns, n_turns, flags, ids,
				capacity, n, err);
}

static int backend_decode(struct lsb_backend *b, const int32_t *ids, size_t n, char *text, size_t capacity,
			  size_t *bytes, struct lsb_error *err)
{
	return lsb_stage_decode(b->tokenizer, ids, n, text, capacity, bytes, err);
}

/* --- buffers and steps ------------------------------------------------------------ */

static int buffer_alloc(struct lsb_backend *b, uint32_t mem, uint64_t bytes, struct lsb_buf *out,
			struct lsb_error *err)
{
	void *ptr;
	int rc;

	if (mem != LSB_MEM_HOST)
		return lsb_fail(err, LSB_EINVAL, 0, "backend-cpu allocates host memory only, not kind %u",
				mem);
	rc = cpu_alloc(b, bytes, 1, 1, &ptr, "a buffer of hidden states", err);
	if (!rc)
		*out = (struct lsb_buf){ .ptr = ptr, .bytes = bytes, .mem = LSB_MEM_HOST, .device = -1 };
	return rc;
}

static void buffer_free(struct lsb_backend *b, struct lsb_buf *buf)
{
	cpu_free(b, buf->ptr);
	*buf = (struct lsb_buf){ .device = -1 };
}

static int buffer_copy(struct lsb_backend *b, const struct lsb_buf *to, const struct lsb_buf *from,
		       uint64_t bytes, struct lsb_error *err)
{
	(void)b;
	if (to->mem == LSB_MEM_CUDA || from->mem == LSB_MEM_CUDA)
		return lsb_fail(err, LSB_EINVAL, 0, "backend-cpu cannot copy device memory");
	if (bytes > to->bytes || bytes > from->bytes)
		return lsb_fail(err, LSB_EINVAL, 0,
				"a copy of %llu bytes does not fit buffers of %llu and %llu",
				(unsigned long long)bytes, (unsigned long long)to->bytes,
				(unsigned long long)from->bytes);
	memmove(to->ptr, from->ptr, bytes);
	return LSB_OK;
}

static int backend_submit(struct lsb_backend *b, const struct lsb_batch *batch, const struct lsb_step_io *io,
			  uint64_t *ticket, struct lsb_error *err)
{
	if (!b->pool)
		return lsb_fail(err, LSB_EINVAL, 0, "a backend opened for its vocabulary computes no steps");
	return cpu_step_submit(b, batch, io, ticket, err);
}

static void backend_slot_clear(struct lsb_backend *b, uint32_t slot)
{
	lsb_rules_clear(&b->queue.rules, slot);
}

static const struct lsb_backend_ops ops = {
	.struct_size = sizeof(ops),
	.open = backend_open,
	.info = backend_info,
	.encode = backend_encode,
	.decode = backend_decode,
	.buf_alloc = buffer_alloc,
	.buf_free = buffer_free,
	.submit = backend_submit,
	.wait = cpu_step_wait,
	.slot_clear = backend_slot_clear,
	.close = backend_close,
	.buf_copy = buffer_copy,
	.measure = cpu_measure,
};

LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	LSB_PLUGIN_HEADER,
	.kind = LSB_BACKEND,
	.name = "cpu",
	.version = "0.1.0",
	.summary = "Llama on x86-64 cores, batch-invariant; runs anywhere",
	.options = options,
	.options_size = sizeof(struct cpu_options),
	.ops = { .backend = &ops },
};
