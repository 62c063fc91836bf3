/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptor of backend-cuda, and what opens and closes its parts. */
#include "cuda.h"

#include <nvtx3/nvToolsExt.h>
#include <stdio.h>
#include <string.h>

#include "lsbench/plugin.h"

static const struct lsb_option options[] = {
	{ .name = "device",
	  .type = LSB_OPT_INT,
	  .def = "-1",
	  .min = -1,
	  .max = 1023,
	  .offset = offsetof(struct cuda_options, device),
	  .help = "which CUDA device; -1: the ranks of a host take its devices in turn" },
	{ .name = "kv",
	  .type = LSB_OPT_CHOICE,
	  .choices = CUDA_KV_CHOICES,
	  .def = "fp16",
	  .offset = offsetof(struct cuda_options, kv),
	  .help = "element of the KV cache" },
	{ .name = "attention",
	  .type = LSB_OPT_CHOICE,
	  .choices = CUDA_ATTENTION_CHOICES,
	  .def = "auto",
	  .offset = offsetof(struct cuda_options, attention),
	  .help = "of prompts' chunks of 256 tokens and more; auto: by cuDNN where it can, else by the own "
		  "kernel, which does all others" },
	{ .name = "invariant",
	  .type = LSB_OPT_BOOL,
	  .def = "no",
	  .offset = offsetof(struct cuda_options, invariant),
	  .help = "bit-identical results whatever shares a step and however prompts are cut; slow on "
		  "prompts" },
	{ .name = "graphs",
	  .type = LSB_OPT_BOOL,
	  .def = "yes",
	  .offset = offsetof(struct cuda_options, graphs),
	  .help = "decode steps as CUDA graphs, made at open" },
	{ .name = "profile",
	  .type = LSB_OPT_BOOL,
	  .def = "no",
	  .offset = offsetof(struct cuda_options, profile),
	  .help = "NVTX ranges around submit and wait, named by what the step is (decode 8); record them "
		  "with "
		  "Nsight Systems: nsys profile --trace=cuda,nvtx --output=steps lsbench SUITE.ini "
		  "--profile" },
	{ .name = "chat",
	  .type = LSB_OPT_CHOICE,
	  .choices = LSB_CHAT_CHOICES,
	  .def = "auto",
	  .offset = offsetof(struct cuda_options, chat),
	  .help = "shape of the chat template; auto: as the model's metadata says" },
	{ 0 },
};

/* --- memory -------------------------------------------------------------------- */

int cuda_host_alloc(struct lsb_backend *b, size_t n, size_t size, void *out, const char *what,
		    struct lsb_error *err)
{
	size_t bytes;
	void *ptr = NULL;

	if (!__builtin_mul_overflow(n, size, &bytes) && bytes <= PTRDIFF_MAX - 64)
		ptr = b->host->alloc(b->host->context, cuda_round_up(bytes ? bytes : 1, 64), 64);
	if (!ptr)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %s: %zu x %zu bytes", what, n, size);
	memcpy(out, &ptr, sizeof(ptr));
	return LSB_OK;
}

void cuda_host_free(struct lsb_backend *b, void *ptr)
{
	b->host->free(b->host->context, ptr);
}

/* --- open ------------------------------------------------------------------- */

/* Averages over the layers held, since files may mix types. */
static int sum_costs(struct lsb_backend *b, struct lsb_error *err)
{
	const bool vocabulary = b->place.flags & LSB_PLACE_VOCABULARY;
	const uint32_t first = vocabulary ? 0 : b->place.first_layer;
	const uint32_t n = vocabulary ? b->hp.layers : b->place.n_layers;
	int rc;

	if (b->hp.layers == 0) /* a vocabulary without a model */
		return LSB_OK;
	rc = cuda_weights_cost(b, -1, &b->head_bytes, &b->head_macs, err);
	for (uint32_t i = 0; i < n && !rc; i++) {
		uint64_t bytes, macs;

		rc = cuda_weights_cost(b, (int32_t)(first + i), &bytes, &macs, err);
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

static void backend_close(struct lsb_backend *b)
{
	if (!b)
		return;
	if (b->opened) {
		(void)cudaSetDevice(b->device.ordinal);
		cuda_forward_close(b); /* waits for what is unfinished */
		cuda_step_close(b);
		cuda_weights_free(b);
	}
	cuda_device_close(b);
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
	if (b->hp.layers) {
		b->gqa = b->hp.heads / b->hp.kv_heads;
		b->keep_f32 = cuda_weights_all_f32(b->model);
		b->f32_attention = cuda_weights_any_f32_o(b->model);
	}
	snprintf(b->model_name, sizeof(b->model_name), "%s", lsb_model_name(b->model));
	if (!(b->place.flags & LSB_PLACE_NO_VOCABULARY))
		rc = lsb_tokenizer_open(b->model, &b->tokenizer, err);
	return rc;
}

static int open_stage(struct lsb_backend *b, struct lsb_error *err)
{
	int rc = lsb_stage_resolve_place(&b->place, &b->hp, err);

	b->first = lsb_stage_is_first(&b->place);
	b->last = lsb_stage_is_last(&b->place);
	if (!rc)
		rc = cuda_device_open(b, err);
	if (rc)
		return rc;
	b->opened = true;
	rc = cuda_weights_load(b, err);
	if (!rc)
		rc = cuda_forward_open(b, err);
	if (!rc)
		rc = cuda_step_open(b, err);
	return rc ? rc : cuda_rehearse(b, err);
}

static int backend_open(const struct lsb_host *host, const void *opts, const struct lsb_place *place,
			struct lsb_backend **out, struct lsb_error *err)
{
	struct lsb_backend *b;
	struct lsb_place own;
	int rc = lsb_stage_take_place(place, &own, err);

	if (rc)
		return rc;
	b = host->alloc(host->context, sizeof(*b), 64);
	if (!b)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for backend-cuda");
	b->host = host;
	b->options = *(const struct cuda_options *)opts;
	b->place = own;
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

/* Which kernels and libraries do the work, for the report. */
static void describe_engine(const struct lsb_backend *b, char *out, size_t bytes)
{
	const struct cuda_forward *f = &b->forward;
	char large[64], attention[64];

	if (f->lt)
		snprintf(large, sizeof(large), ", cuBLASLt %zu.%zu.%zu beyond %d tokens",
			 cuda_lt_version(f->lt) / 10000, cuda_lt_version(f->lt) / 100 % 100,
			 cuda_lt_version(f->lt) % 100, CUDA_SMALL_TOKENS);
	else
		large[0] = '\0';
	if (f->dnn)
		snprintf(attention, sizeof(attention), "cuDNN %zu.%zu.%zu attention from %d tokens",
			 cuda_dnn_version(f->dnn) / 10000, cuda_dnn_version(f->dnn) / 100 % 100,
			 cuda_dnn_version(f->dnn) % 100, CUDA_RUN_LEAST);
	else
		snprintf(attention, sizeof(attention), "own attention%s%s%s", f->no_dnn ? " (" : "",
			 f->no_dnn ? f->no_dnn : "", f->no_dnn ? ")" : "");
	snprintf(out, bytes, "own products%s; %s; KV cache %s; %s%s", large, attention,
		 b->options.kv == CUDA_KV_BF16 ? "bf16" : "fp16",
		 b->options.graphs ? "decode as CUDA graphs" : "no graphs",
		 b->options.invariant ? "; invariant" : "");
}

static int backend_info(const struct lsb_backend *b, struct lsb_backend_info *out, struct lsb_error *err)
{
	const size_t room = out->struct_size;
	const uint32_t always = LSB_INVARIANT_SPLIT | LSB_INVARIANT_RUN;
	struct lsb_backend_info i = {
		.layers = b->hp.layers,
		.hidden_size = b->hp.hidden,
		.hidden_elem = LSB_ELEM_F32,
		.vocabulary = b->hp.vocab,
		.context = b->hp.context,
		.invariant_over =
			b->options.invariant ? always | LSB_INVARIANT_BATCH | LSB_INVARIANT_CHUNK : always,
		.flags = LSB_BACKEND_DEVICE_TIMES,
		.mem_kinds = CUDA_MEM_KINDS,
		.bos = b->tokenizer ? lsb_tokenizer_bos(b->tokenizer) : -1,
		.load_bytes = b->weights.load_bytes,
		.weight_bytes = b->weights.arena_bytes,
		.kv_bytes = b->forward.kv_bytes,
		.layer_bytes = b->layer_bytes,
		.head_bytes = b->head_bytes,
		.layer_macs = b->layer_macs,
		.head_macs = b->head_macs,
		.kv_bytes_per_position = 4ull * b->hp.kv_heads * cuda_round_up(b->hp.head_dim, 8),
	};

	if (room < sizeof(out->struct_size))
		return lsb_fail(err, LSB_EINVAL, 0, "lsb_backend_info.struct_size is not set");
	memcpy(i.model_name, b->model_name, sizeof(i.model_name));
	memcpy(i.device_name, b->device.name, sizeof(i.device_name));
	if (b->opened) {
		memcpy(i.device_id, b->device.id, sizeof(i.device_id));
		describe_engine(b, i.engine, sizeof(i.engine));
	}
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

/* --- buffers ---------------------------------------------------------------------- */

static int buffer_alloc(struct lsb_backend *b, uint32_t mem, uint64_t bytes, struct lsb_buf *out,
			struct lsb_error *err)
{
	static const char what[] = "a buffer of hidden states";
	void *ptr = NULL;
	int rc = LSB_OK;

	if (!b->opened)
		return lsb_fail(err, LSB_EINVAL, 0, "a backend opened for its vocabulary has no buffers");
	(void)cudaSetDevice(b->device.ordinal);
	if (mem == LSB_MEM_HOST)
		rc = cuda_host_alloc(b, bytes, 1, &ptr, what, err);
	else if (mem == LSB_MEM_CUDA)
		rc = cuda_take(b, bytes, &ptr, what, err);
	else if (mem == LSB_MEM_PINNED)
		rc = cuda_check(b, cudaHostAlloc(&ptr, bytes ? bytes : 1, cudaHostAllocPortable), what, err);
	else
		return lsb_fail(err, LSB_EINVAL, 0, "backend-cuda knows no memory of kind %u", mem);
	if (rc)
		return rc;
	if (mem == LSB_MEM_PINNED)
		memset(ptr, 0, bytes);
	*out = (struct lsb_buf){
		.ptr = ptr, .bytes = bytes, .mem = mem, .device = mem == LSB_MEM_CUDA ? b->device.ordinal : -1
	};
	return LSB_OK;
}

static void buffer_free(struct lsb_backend *b, struct lsb_buf *buf)
{
	(void)cudaSetDevice(b->device.ordinal);
	if (buf->mem == LSB_MEM_CUDA)
		cudaFree(buf->ptr);
	else if (buf->mem == LSB_MEM_PINNED)
		cudaFreeHost(buf->ptr);
	else
		cuda_host_free(b, buf->ptr);
	*buf = (struct lsb_buf){ .device = -1 };
}

static int buffer_copy(struct lsb_backend *b, const struct lsb_buf *to, const struct lsb_buf *from,
		       uint64_t bytes, struct lsb_error *err)
{
	if (bytes > to->bytes || bytes > from->bytes)
		return lsb_fail(err, LSB_EINVAL, 0,
				"a copy of %llu bytes does not fit buffers of %llu and %llu",
				(unsigned long long)bytes, (unsigned long long)to->bytes,
				(unsigned long long)from->bytes);
	if (to->mem != LSB_MEM_CUDA && from->mem != LSB_MEM_CUDA) {
		memmove(to->ptr, from->ptr, bytes);
		return LSB_OK;
	}
	(void)cudaSetDevice(b->device.ordinal);
	return cuda_check(b, cudaMemcpy(to->ptr, from->ptr, bytes, cudaMemcpyDefault),
			  "a buffer cannot be copied", err);
}

/* --- steps ------------------------------------------------------------------------- */

/* An NVTX range that says what is submitted: "decode 8", "prefill 67 (1 output)". */
static void mark_step(const struct lsb_batch *batch)
{
	char name[64];

	if (batch->n_outputs == batch->n_tokens)
		snprintf(name, sizeof(name), "decode %u", batch->n_tokens);
	else
		snprintf(name, sizeof(name), "prefill %u (%u output%s)", batch->n_tokens, batch->n_outputs,
			 batch->n_outputs == 1 ? "" : "s");
	nvtxRangePushA(name);
}

static int backend_submit(struct lsb_backend *b, const struct lsb_batch *batch, const struct lsb_step_io *io,
			  uint64_t *ticket, struct lsb_error *err)
{
	int rc;

	if (!b->opened)
		return lsb_fail(err, LSB_EINVAL, 0, "a backend opened for its vocabulary computes no steps");
	(void)cudaSetDevice(b->device.ordinal);
	if (b->options.profile)
		mark_step(batch);
	rc = cuda_step_submit(b, batch, io, ticket, err);
	if (b->options.profile)
		nvtxRangePop();
	return rc;
}

static int backend_wait(struct lsb_backend *b, uint64_t ticket, uint64_t deadline_ns, struct lsb_error *err)
{
	int rc;

	if (b->options.profile)
		nvtxRangePushA("wait");
	rc = cuda_step_wait(b, ticket, deadline_ns, err);
	if (b->options.profile)
		nvtxRangePop();
	return rc;
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
	.wait = backend_wait,
	.slot_clear = backend_slot_clear,
	.close = backend_close,
	.buf_copy = buffer_copy,
	.ticket_times = cuda_step_times,
	.counters = cuda_counters,
	.measure = cuda_measure,
};

static int probe(const struct lsb_host *host, struct lsb_error *err)
{
	(void)host;
	return cuda_device_probe(err);
}

LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	LSB_PLUGIN_HEADER,
	.kind = LSB_BACKEND,
	.name = "cuda",
	.version = "0.1.0",
	.summary = "Llama on an NVIDIA GPU: decode steps as CUDA graphs of own kernels, prompts by cuBLASLt "
		   "and cuDNN",
	.options = options,
	.options_size = sizeof(struct cuda_options),
	.probe = probe,
	.ops = { .backend = &ops },
};
