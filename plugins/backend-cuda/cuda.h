/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of backend-cuda and how they hang together.
 *
 *	plugin.c    descriptor, option table, open/close/info, text, buffers
 *	device.c    the device: found, chosen, named; NVML's counters
 *	libs.c      cuBLASLt, opened at run time
 *	dnn.c       cuDNN, opened at run time; dnn_plan.c: what attention is to it
 *	load.c      the stage's tensors, packed into one arena of device memory
 *	step.c      the queue of steps: checks, tickets, what a step tells the device
 *	rehearse.c  steps taken at open, so that none of a run is the first of its kind
 *	buffers.c   KV cache, tables and buffers of steps
 *	forward.c   the kernels of a step in order; graphs of decode steps
 *	measure.c   read bandwidth and matrix peak
 *	kernels.h   the arithmetic; *.cu
 *
 * A step is one enqueue on one stream: its description goes to the device in one
 * copy, its kernels run without the host, and the last one writes the results and
 * the ticket's number into page-locked memory, which wait() looks at. A decode step
 * (every token of another slot) is a CUDA graph, made once for each number of
 * tokens.
 *
 * Matrices have two paths: up to CUDA_SMALL_TOKENS tokens own kernels that read
 * each weight once; beyond that cuBLASLt on 16-bit rows, quantised weights being
 * unpacked to fp16 before. Attention of CUDA_RUN_LEAST consecutive tokens of a slot and
 * more is cuDNN's, where it can. With `invariant` the own kernels do all, with one order
 * of additions whatever the step's shape.
 */
#ifndef LSB_CUDA_H
#define LSB_CUDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cuda_runtime_api.h>

#include "dnn.h"
#include "kernels.h"
#include "libs.h"
#include "lsbench/backend.h"
#include "lsbench/host.h"
#include "model.h"
#include "options.h"
#include "stage.h"
#include "tokenizer.h"

static inline size_t cuda_round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* Where hidden states may be: the device reads and writes both directly. */
enum { CUDA_MEM_KINDS = 1u << LSB_MEM_PINNED | 1u << LSB_MEM_CUDA };

struct lsb_backend;

/* --- device.c ------------------------------------------------------------------- */

struct cuda_nvml;

struct cuda_device {
	int ordinal;
	char name[LSB_MODEL_NAME_MAX];
	char id[LSB_DEVICE_ID_MAX]; /* "GPU-..." */
	int major, minor;
	uint32_t sms;
	uint64_t total_bytes;
	struct cuda_nvml *nvml; /* NULL: not there */
	uint64_t energy_mj;	/* at open */
	bool energy_known;
};

/* Is there any device? LSB_EUNAVAIL: "no CUDA device (why)". */
int cuda_device_probe(struct lsb_error *err);
/* The device of this rank. LSB_EUNAVAIL: "no CUDA device (why)". */
int cuda_device_open(struct lsb_backend *b, struct lsb_error *err);
void cuda_device_close(struct lsb_backend *b);
int cuda_counters(struct lsb_backend *b, struct lsb_metric *out, size_t *n, struct lsb_error *err);

/* LSB_OK, or the status and sentence of a CUDA error: `what` could not be done. */
int cuda_check(const struct lsb_backend *b, cudaError_t rc, const char *what, struct lsb_error *err);
/* Is there room for them? Asked before anything is loaded. LSB_ENOMEM: what is needed and what is there. */
int cuda_need(struct lsb_backend *b, uint64_t weight_bytes, uint64_t kv_bytes, struct lsb_error *err);
/* Zeroed device memory, accounted. */
int cuda_take(struct lsb_backend *b, uint64_t bytes, void *out, const char *what, struct lsb_error *err);

/* --- load.c: weights ---------------------------------------------------------------- */

enum { CUDA_PARTS = 3 };

/* Matrices with one input; part i's outputs begin at column out_at[i]. */
struct cuda_group {
	struct cuda_matrix part[CUDA_PARTS];
	uint32_t out_at[CUDA_PARTS];
	uint32_t n_parts;
	uint32_t width; /* of an output row */
	enum cuda_elem elem;
};

struct cuda_layer {
	float *attn_norm, *ffn_norm; /* [hidden] */
	struct cuda_group qkv, o, gate_up, down;
};

struct cuda_weights {
	uint32_t n_layers;
	struct cuda_layer *layers;
	struct cuda_group head; /* last stage */
	float *out_norm;
	const void *embed; /* first stage: rows as in the file */
	uint32_t embed_type;
	uint64_t embed_row_bytes;
	float *rope_factors; /* host memory, [rope_dim / 2]; NULL: none */
	unsigned char *arena;
	uint64_t arena_bytes;
	uint64_t load_bytes;
};

int cuda_weights_load(struct lsb_backend *b, struct lsb_error *err);
void cuda_weights_free(struct lsb_backend *b);
/* Is every matrix of the model fp32? Asked of the whole model, so that where it is cut changes nothing. */
bool cuda_weights_all_f32(const struct lsb_model *m);
/* Is any matrix that takes attention's output fp32? Likewise. */
bool cuda_weights_any_f32_o(const struct lsb_model *m);
/* Weight bytes that a step reads, and MACs a token, of one layer or (layer < 0) the head. */
int cuda_weights_cost(const struct lsb_backend *b, int32_t layer, uint64_t *bytes, uint64_t *macs,
		      struct lsb_error *err);

/* --- step.c ---------------------------------------------------------------------------- */

enum cuda_ticket_state { CUDA_TICKET_FREE, CUDA_TICKET_QUEUED };

struct cuda_ticket {
	uint64_t number;
	enum cuda_ticket_state state;
	unsigned char *told; /* page-locked: what the step tells the device */
	volatile struct cuda_result *result;
	int32_t *ids;	 /* page-locked, [max_outputs] */
	float *logits;	 /* page-locked, made when first asked for */
	int32_t *ids_to; /* the caller's */
	float *logits_to;
	uint32_t n_outputs;
};

struct cuda_queue {
	struct cuda_ticket *tickets; /* [max_tickets], by number modulo that */
	uint64_t submitted;
	struct lsb_rules rules;
	uint32_t *span;					      /* [slots] scratch */
	uint64_t last_number, last_started_ns, last_ended_ns; /* of the ticket reported last, host clock */
	int64_t clock_offset;				      /* host minus device */
	uint64_t clock_seen_ns;
	uint64_t asked_ns; /* when the stream was last asked for errors */
};

int cuda_step_open(struct lsb_backend *b, struct lsb_error *err);
void cuda_step_close(struct lsb_backend *b);
int cuda_step_submit(struct lsb_backend *b, const struct lsb_batch *batch, const struct lsb_step_io *io,
		     uint64_t *ticket, struct lsb_error *err);
int cuda_step_wait(struct lsb_backend *b, uint64_t ticket, uint64_t deadline_ns, struct lsb_error *err);
int cuda_step_times(struct lsb_backend *b, uint64_t ticket, uint64_t *start_ns, uint64_t *end_ns,
		    struct lsb_error *err);

/* --- rehearse.c ------------------------------------------------------------------------- */

/* Once all is open: step through every shape of step that a run may have. */
int cuda_rehearse(struct lsb_backend *b, struct lsb_error *err);

/* --- buffers.c ------------------------------------------------------------------------- */

/* The shape of a step, and where its description's parts begin; the same in page-locked and device memory. */
struct cuda_shape {
	uint32_t n, n_outputs, n_tiles, n_runs;
	bool distinct; /* every token is of another slot */
	size_t tokens_at, rows_at, sampling_at, order_at, tiles_at, runs_at, bytes;
};

struct cuda_forward {
	cudaStream_t stream;
	unsigned char *told; /* device copy of the description */
	/* [max_tokens rounded up as for cuBLASLt] rows each: */
	float *x;		     /* of hidden */
	void *act_x, *act_o, *act_h; /* of ld_... */
	uint32_t ld_x, ld_o, ld_h;   /* padded widths */
	float *y;		     /* sums of splits */
	uint64_t y_floats;
	float *logits;	   /* [max_outputs][vocab] */
	void *sample_work; /* of CUDA_SMALL_TOKENS outputs */
	void *q;	   /* [max_tokens + CUDA_RUN_SLACK][heads][head_dim] */
	float *cos_sin;	   /* [context][rope_dim / 2][2] */
	float *attention_partial;
	uint32_t *attention_arrived;
	void *unpacked;		    /* fp16 rows of one matrix; NULL: none is packed, or never needed */
	void *kv;		    /* [layer][k, v][slot][kv head][position][kv_dim] */
	uint64_t kv_bytes, kv_half; /* half: bytes of one layer's keys */
	uint32_t kv_dim;
	cudaGraphExec_t graphs[CUDA_SMALL_TOKENS + 1]; /* by number of tokens */
	struct cuda_lt *lt;			       /* NULL: never needed */
	struct cuda_dnn *dnn;			       /* NULL: the own kernel does all attention */
	const char *no_dnn;			       /* why, in a few words; NULL: it was not wanted */
	uint32_t runs_most;			       /* of a step, for cuDNN */
};

/* Sizes of the KV cache, nothing taken yet. */
int cuda_kv_plan(struct lsb_backend *b, struct lsb_error *err);
int cuda_forward_open(struct lsb_backend *b, struct lsb_error *err);
void cuda_forward_close(struct lsb_backend *b);
struct cuda_shape cuda_shape_of(uint32_t n, uint32_t n_outputs, uint32_t n_tiles, uint32_t n_runs,
				bool distinct);
/* Into how many ranges of inputs a product of n tokens is cut; *split_k: inputs of each. */
uint32_t cuda_splits_of(const struct lsb_backend *b, const struct cuda_matrix *m, uint32_t n,
			uint32_t *split_k);
/* Is it for the own kernels? */
bool cuda_is_small(const struct lsb_backend *b, const struct cuda_group *g, uint32_t n);
/* The most splits of positions in decode attention of n tokens; *chunk: positions of each, 0: by length. */
uint32_t cuda_attention_splits(const struct lsb_backend *b, uint32_t n, uint32_t *chunk);

/* --- forward.c ------------------------------------------------------------------------- */

/* Graphs of decode steps, before the timed part: one for each number of sequences there can be. */
int cuda_graphs_open(struct lsb_backend *b, struct lsb_error *err);
/* Enqueue a step whose description stands in `told`; logits_to: page-locked, or NULL. */
int cuda_forward_run(struct lsb_backend *b, const struct cuda_shape *shape, const void *told,
		     float *logits_to, struct lsb_error *err);

/* --- measure.c --------------------------------------------------------------------------- */

int cuda_measure(struct lsb_backend *b, uint32_t what, uint64_t budget_ns, double *value,
		 struct lsb_error *err);

/* --- the handle ----------------------------------------------------------------------------- */

struct lsb_backend {
	const struct lsb_host *host;
	struct cuda_options options;
	struct lsb_place place; /* layers resolved; .model is lsbench's */
	struct cuda_device device;
	struct lsb_model *model;	 /* NULL once open */
	struct lsb_tokenizer *tokenizer; /* NULL: LSB_PLACE_NO_VOCABULARY */
	struct lsb_hparams hp;
	char model_name[LSB_MODEL_NAME_MAX];
	uint32_t gqa;
	bool first, last;
	bool opened;	    /* with a stage, not for its vocabulary alone */
	bool keep_f32;	    /* every matrix of the stage is fp32: so are activations */
	bool f32_attention; /* some layer wants attention's output in fp32 */
	uint64_t layer_bytes, layer_macs, head_bytes, head_macs;
	uint64_t device_bytes; /* taken */
	struct cuda_weights weights;
	struct cuda_queue queue;
	struct cuda_forward forward;
};

/* Zeroed host memory for n * size bytes into *(void **)out. */
int cuda_host_alloc(struct lsb_backend *b, size_t n, size_t size, void *out, const char *what,
		    struct lsb_error *err);
void cuda_host_free(struct lsb_backend *b, void *ptr);

#endif
