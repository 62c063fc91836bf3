/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of backend-cpu and how they hang together.
 *
 *	plugin.c   descriptor, option table, open/close/info, text
 *	load.c     the stage's tensors, repacked into one arena
 *	kv.c       the KV cache
 *	step.c     the queue of steps: checks, tickets, and the plan of a step
 *	forward.c  the layers and the head, run by all threads of the pool
 *	measure.c  read bandwidth and matrix peak
 *	memory.c   checked allocation
 *	threads.c  the pool;  kernels*.c  the arithmetic on one core
 *
 * Shapes. A token's row of hidden states is x[hidden]. Matrices that read the
 * same input are fused into one cpu_matrix, so a layer has four matrix stages.
 * Results are bit-identical whatever shares a step: every value of a token is
 * computed by one kernel call in a fixed order; threads and tiles only choose
 * who computes what and when.
 */
#ifndef LSB_CPU_H
#define LSB_CPU_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels.h"
#include "lsbench/backend.h"
#include "lsbench/host.h"
#include "model.h"
#include "options.h"
#include "threads.h"
#include "stage.h"
#include "tokenizer.h"

enum { CPU_LINE = 64 /* alignment of every buffer */, CPU_PARTS = 3 };

static inline size_t cpu_round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* --- load.c: weights ---------------------------------------------------------------- */

/* One tensor's panels; rows are padded to whole panels. */
struct cpu_part {
	const struct lsb_tensor *tensor; /* the model's; while loading */
	uint32_t type;			 /* enum lsb_type */
	enum lsb_act kind;		 /* of the activations it multiplies */
	size_t rows, cols;
	size_t panels, panel_bytes;
	unsigned char *data; /* [panels][panel_bytes], in the arena */
};

/* Up to three tensors with one input. Output columns: each part's panels * LSB_PANEL, one after the other. */
struct cpu_matrix {
	struct cpu_part part[CPU_PARTS];
	uint32_t n_parts;
	uint32_t kinds; /* bit per enum lsb_act that some part needs */
	size_t cols, panels;
};

/* Where part `i` of a matrix begins in its output row. */
static inline size_t cpu_matrix_column(const struct cpu_matrix *m, uint32_t i)
{
	size_t panels = 0;

	for (uint32_t j = 0; j < i; j++)
		panels += m->part[j].panels;
	return panels * LSB_PANEL;
}

struct cpu_layer {
	float *attn_norm, *ffn_norm; /* [hidden] */
	struct cpu_matrix qkv, o, gate_up, down;
};

struct cpu_weights {
	uint32_t n_layers;
	struct cpu_layer *layers;    /* [n_layers] */
	struct cpu_matrix embed;     /* n_parts == 0 but on the first stage */
	struct cpu_matrix head;	     /* n_parts == 0 but on the last; may share the embedding's panels */
	float *out_norm;	     /* [hidden], last stage */
	float *rope_factors;	     /* [rope_dim / 2], NULL: none */
	unsigned char *arena;	     /* anonymous mapping with everything above's data */
	size_t arena_bytes;	     /* 0: nothing mapped */
	_Atomic uint64_t load_bytes; /* read from the model */
};

struct lsb_backend;

/* Lay out and read this stage's tensors, on the pool's threads. */
int cpu_weights_load(struct lsb_backend *b, struct lsb_error *err);
void cpu_weights_free(struct lsb_backend *b);

/* What one layer (or, with layer < 0, the head) takes once packed: bytes that a step reads, and MACs a token.
 */
int cpu_weights_cost(const struct lsb_backend *b, int32_t layer, uint64_t *bytes, uint64_t *macs,
		     struct lsb_error *err);

/* --- kv.c --------------------------------------------------------------------------- */

struct cpu_kv {
	uint16_t *data; /* [layer][k, v][slot][kv head][position][head_dim], fp16 */
	size_t bytes;
	size_t head_stride, slot_stride, half_stride, layer_stride; /* in elements */
};

int cpu_kv_open(struct lsb_backend *b, struct lsb_error *err);
void cpu_kv_close(struct lsb_backend *b);

static inline uint16_t *cpu_kv_keys(const struct cpu_kv *kv, size_t layer, size_t slot, size_t head)
{
	return kv->data + layer * kv->layer_stride + slot * kv->slot_stride + head * kv->head_stride;
}

static inline uint16_t *cpu_kv_values(const struct cpu_kv *kv, size_t layer, size_t slot, size_t head)
{
	return cpu_kv_keys(kv, layer, slot, head) + kv->half_stride;
}

/* --- step.c: the queue and the plan of one step -------------------------------------- */

/* Consecutive tokens of one slot within a tile: a unit of attention, times the KV heads. */
struct cpu_piece {
	uint32_t slot;
	uint32_t row, n; /* within the tile's slot-sorted rows */
};

/*
 * How one step is computed. Tokens pass through a layer in tiles of consecutive
 * tokens, which bounds buffers and keeps them in cache. Within a tile, rows of
 * queries are sorted by slot, so that a piece's are adjacent.
 */
struct cpu_plan {
	size_t tile; /* most tokens of a tile */
	size_t n_tiles;
	uint32_t *row;	/* [max_tokens] slot-sorted row within the token's tile */
	uint32_t *last; /* [max_tokens][gqa], by tile and sorted row: position that the query sees last */
	struct cpu_piece *pieces; /* [max_tokens] */
	size_t *tile_pieces;	  /* [tiles + 1] first piece of each tile */
	uint32_t *outputs;	  /* [max_outputs] token indices */
	uint32_t *span_of_slot;	  /* [slots] scratch: 1 + span, 0: none in this tile */
	uint32_t *span_rows;	  /* [tile] scratch */
	uint32_t *span_slot;	  /* [tile] scratch */
};

enum cpu_ticket_state { CPU_TICKET_FREE, CPU_TICKET_QUEUED, CPU_TICKET_FAILED };

struct cpu_ticket {
	uint64_t number;
	enum cpu_ticket_state state;
	int32_t code; /* why it failed */
	struct lsb_batch batch;
	struct lsb_buf in, out;
	int32_t *ids;
	float *logits;
};

struct cpu_queue {
	struct cpu_ticket *tickets;   /* [max_tickets], by number modulo that */
	uint64_t submitted, computed; /* numbers of the newest of each */
	struct lsb_rules rules;
};

int cpu_step_open(struct lsb_backend *b, struct lsb_error *err);
void cpu_step_close(struct lsb_backend *b);
int cpu_step_submit(struct lsb_backend *b, const struct lsb_batch *batch, const struct lsb_step_io *io,
		    uint64_t *ticket, struct lsb_error *err);
int cpu_step_wait(struct lsb_backend *b, uint64_t ticket, uint64_t deadline_ns, struct lsb_error *err);

/* --- forward.c ----------------------------------------------------------------------- */

/* One thread's own. */
struct cpu_scratch {
	float *row;	  /* [max(hidden, heads * head_dim)] */
	void *attention;  /* attention_work */
	uint32_t *sample; /* [2 * vocab] on the last stage */
};

/* Buffers of the step that is running. `tile` and gqa as in the plan. */
struct cpu_forward {
	float *x;		      /* [max_tokens][hidden] */
	float *cos_sin;		      /* [max_tokens][rope_dim / 2][cos, sin] */
	double *rope_freq;	      /* [rope_dim / 2] angle per position */
	unsigned char *act[LSB_ACTS]; /* by enum lsb_act: [tile][act_bytes]; NULL: no matrix needs the kind */
	float *qkv;		      /* [tile][qkv columns] */
	float *q;		      /* [kv_heads][tile][gqa][head_dim], rows sorted by slot */
	float *attended;	      /* likewise */
	float *y;		      /* [tile][o or down columns] */
	float *gate_up;		      /* [tile][gate_up columns] */
	float *logits;		      /* [logit_rows][head columns] */
	size_t logit_rows;
	struct cpu_scratch *scratch; /* [threads] */
	const struct cpu_ticket *step;
	bool canceled;
};

int cpu_forward_open(struct lsb_backend *b, struct lsb_error *err);
void cpu_forward_close(struct lsb_backend *b);
/* Compute a planned step. LSB_OK or LSB_ECANCELED. */
int cpu_forward_run(struct lsb_backend *b, const struct cpu_ticket *step);
/*
 * Inside a job, all threads together: y[n][m->panels * LSB_PANEL] = m times the
 * first n stored activations. Begins at a barrier and ends with one.
 */
void cpu_forward_multiply(struct lsb_backend *b, const struct cpu_matrix *m, size_t n, float *y);

/* --- measure.c ----------------------------------------------------------------------- */

int cpu_measure(struct lsb_backend *b, uint32_t what, uint64_t budget_ns, double *value,
		struct lsb_error *err);

/* --- the handle ----------------------------------------------------------------------- */

struct lsb_backend {
	const struct lsb_host *host;
	struct cpu_options options;
	struct lsb_place place; /* layers resolved; .model and .cpus are lsbench's */
	const struct lsb_kernels *k;
	struct lsb_model *model;	 /* NULL once open: everything has been read */
	struct lsb_tokenizer *tokenizer; /* NULL: LSB_PLACE_NO_VOCABULARY */
	struct lsb_hparams hp;
	char model_name[LSB_MODEL_NAME_MAX];
	uint32_t gqa;	  /* query heads of a KV head */
	bool first, last; /* stage of the pipeline */
	uint64_t layer_bytes, layer_macs, head_bytes, head_macs;
	struct cpu_weights weights;
	struct cpu_kv kv;
	struct cpu_pool *pool;
	struct cpu_plan plan;
	struct cpu_queue queue;
	struct cpu_forward forward;
};

/* --- memory.c ------------------------------------------------------------------------- */

/* a * b * c in *out; LSB_ENOMEM, naming `what`, when that is no size. */
int cpu_product(size_t a, size_t b, size_t c, size_t *out, const char *what, struct lsb_error *err);
/* Zeroed host memory for a * b * c bytes, CPU_LINE-aligned, into *(void **)out. */
int cpu_alloc(struct lsb_backend *b, size_t n, size_t m, size_t size, void *out, const char *what,
	      struct lsb_error *err);
void cpu_free(struct lsb_backend *b, void *ptr);
/* Zeroed anonymous memory, touched only where used; huge pages wanted if `huge`. */
int cpu_map(size_t bytes, bool huge, void *out, const char *what, struct lsb_error *err);
/* Make all pages of a mapping present, so that no later use pays for it. */
int cpu_make_present(void *ptr, size_t bytes, const char *what, struct lsb_error *err);

#endif
