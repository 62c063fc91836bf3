/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backend plugin: computes one pipeline stage of a Llama.
 *
 *	open -> info -> buf_alloc -> { submit -> poll/wait } ... -> close
 *
 * A backend holds a range of layers, and a KV cache of `slots` sequences of up
 * to `context` positions. It knows nothing of peers, requests or the clock of
 * a run. lsbench decides what is in a step; the backend computes it.
 *
 * A step. lsb_batch names n tokens, each with its slot and position. Tokens of
 * one slot appear in ascending, gapless position order within a step and over
 * steps, so position p attends to positions 0..p of its slot: those stored by
 * earlier steps, and those of this one. Tokens of several slots may be mixed. What
 * a step names may have come from another rank: a backend checks that slots,
 * positions and, where it uses them, ids lie in range (LSB_EINVAL). All stages get
 * the same tokens, flags and sampling. The first stage embeds the token ids;
 * a later one gets hidden states; all but the last give hidden states; the last
 * applies the head to the tokens that want output and samples one id for each.
 * Hidden states are [n_tokens][hidden_size] of lsb_backend_info.hidden_elem,
 * row-major, in token order.
 *
 * Sampling is counter-based on (seed, request, position): a result depends on
 * neither batch, slot, chunk nor split.
 *
 * Slots. A slot is reused by a sequence that starts again at position 0, at the
 * first of the slot's tokens in a step; slot_clear tells the backend that one is
 * free, which is a hint.
 *
 * Failure. After a step that failed, or was abandoned with LSB_ECANCELED, and
 * after any LSB_EDEVICE, lsbench fails the launch: only wait for the tickets that
 * are left, buf_free and close follow.
 */
#ifndef LSBENCH_BACKEND_H
#define LSBENCH_BACKEND_H

#include "lsbench/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lsb_host;
struct lsb_backend; /* the plugin's own; lsbench only passes it back */

enum { LSB_STOP_IDS_MAX = 8, LSB_MODEL_NAME_MAX = 64, LSB_DEVICE_ID_MAX = 64, LSB_ENGINE_MAX = 128 };

/* What a result may not depend on: bits of lsb_backend_info.invariant_over. */
enum {
	LSB_INVARIANT_BATCH = 1u << 0, /* what else is in the step */
	LSB_INVARIANT_CHUNK = 1u << 1, /* how a prompt is cut into steps */
	LSB_INVARIANT_SPLIT = 1u << 2, /* where the layers are cut into stages */
	LSB_INVARIANT_RUN = 1u << 3,   /* from run to run */
};

/* Flags of lsb_place. */
enum {
	LSB_PLACE_VOCABULARY = 1u << 0,	   /* header and tokenizer only: info, encode, decode work */
	LSB_PLACE_NO_VOCABULARY = 1u << 1, /* never asked to encode or decode: skip the tokenizer */
};

/* Flags of lsb_backend_info. */
enum {
	LSB_BACKEND_INLINE = 1u << 0, /* computes inside wait(), on the caller's thread: nothing overlaps */
	LSB_BACKEND_DEVICE_TIMES = 1u << 1, /* ticket_times works */
};

/* Where this rank stands and what it must hold. Lives, with what it points to, as long as the handle. */
struct lsb_place {
	size_t struct_size;
	const char *model; /* a path, or random:NAME[:TYPE[:SEED]] */
	int32_t rank;
	int32_t stage, stages;		  /* 0 <= stage < stages */
	uint32_t flags;			  /* LSB_PLACE_* */
	uint32_t first_layer, n_layers;	  /* this stage's; both 0: all layers of a one-stage pipeline */
	uint32_t slots;			  /* sequences in the KV cache */
	uint32_t context;		  /* positions of each */
	uint32_t max_tokens, max_outputs; /* of one step */
	uint32_t max_tickets;		  /* steps that may be submitted and not yet reported by wait */
	int32_t device;			  /* accelerator's ordinal, or -1: the backend's choice */
	uint32_t threads;		  /* compute threads, the caller's included; at least 1 */
	uint32_t n_cpus;		  /* of `cpus`; 0: do not pin; else at least `threads` */
	const uint32_t *cpus;		  /* OS numbers, one per thread; [0] is the caller's */
	int32_t host_rank, host_size; /* among the host's ranks: 0 <= host_rank < host_size; 0, 0: not told */
};

/*
 * What was opened. lsbench sets struct_size; the backend fills no more than
 * that. MACs count multiply-accumulates of the weight matrices.
 */
struct lsb_backend_info {
	size_t struct_size;
	char model_name[LSB_MODEL_NAME_MAX];  /* as the file says */
	char device_name[LSB_MODEL_NAME_MAX]; /* "AVX-512/VNNI, 2 threads", "NVIDIA H200" */
	uint32_t layers;		      /* of the whole model */
	uint32_t hidden_size;
	uint32_t hidden_elem; /* enum lsb_elem */
	uint32_t vocabulary;
	uint32_t context; /* positions that the model was trained for */
	uint32_t invariant_over;
	uint32_t flags;	    /* LSB_BACKEND_* */
	uint32_t mem_kinds; /* bit per lsb_mem that buf_alloc gives and submit's in and out may have; not 0 */
	int32_t bos;	    /* -1: none */
	uint32_t n_stop_ids;
	int32_t stop_ids[LSB_STOP_IDS_MAX]; /* ids that end an answer */
	uint64_t load_bytes;		    /* read from the model file for this rank */
	uint64_t weight_bytes;		    /* held, after repacking */
	uint64_t kv_bytes;		    /* held for the KV cache */
	uint64_t layer_bytes, head_bytes;   /* weight bytes read by a step, of one layer; of the head */
	uint64_t layer_macs, head_macs;	    /* per token, of one layer; per output, of the head */
	uint64_t kv_bytes_per_position;	    /* of one layer */
	/*
	 * The accelerator that this rank computes on, by a name that no other one of
	 * the host has (a UUID): ranks that tell the same share it, and their point is
	 * flagged. Empty: the host's processors, which lsbench itself gave out.
	 */
	char device_id[LSB_DEVICE_ID_MAX];
	/* In what way it computes, for the report: libraries, kernels, formats. Empty: nothing to tell. */
	char engine[LSB_ENGINE_MAX];
};

/* Token flags. */
enum { LSB_TOKEN_OUTPUT = 1u << 0 /* the last stage samples an id after this token */ };

struct lsb_token {
	int32_t id;
	uint32_t slot;
	uint32_t position;
	uint32_t flags;
};

/* How to pick an id. temperature 0: the most probable one, ties to the lowest id. */
struct lsb_sampling {
	float temperature;
	float top_p;	/* in (0, 1]; 1: off */
	uint32_t top_k; /* 0: off */
	uint32_t reserved;
	uint64_t seed;
	uint64_t request;
};

/*
 * One step. It, and what it points to, stays unchanged until wait has reported
 * its ticket.
 */
struct lsb_batch {
	size_t struct_size;
	uint32_t n_tokens;		     /* 1 to place.max_tokens */
	uint32_t n_outputs;		     /* tokens with LSB_TOKEN_OUTPUT: 0 to place.max_outputs */
	const struct lsb_token *tokens;	     /* [n_tokens] */
	const struct lsb_sampling *sampling; /* [n_outputs], for output tokens in token order */
};

/*
 * What a step reads and writes. It, its lsb_bufs and their bytes belong to the
 * backend until wait has reported the ticket. `in` and `out` have room for at
 * least n_tokens rows, may have more, and never overlap.
 */
struct lsb_step_io {
	size_t struct_size;
	const struct lsb_buf *in;  /* hidden states, only read; NULL on the first stage */
	const struct lsb_buf *out; /* hidden states; NULL on the last stage */
	int32_t *ids;		   /* [n_outputs], pageable host memory; NULL but on the last stage */
	float *logits;		   /* [n_outputs][vocabulary], likewise, unscaled; NULL: not wanted */
};

/* Flags of encode. With LSB_ENCODE_CHAT the template alone decides on special tokens and BOS. */
enum {
	LSB_ENCODE_CHAT = 1u << 0,    /* turns through the chat template, ready for the answer */
	LSB_ENCODE_SPECIAL = 1u << 1, /* text of special tokens means those tokens; else it is text */
	LSB_ENCODE_BOS = 1u << 2,     /* begin with BOS if the model asks for it */
};

/* What a backend can measure of its own device. */
enum lsb_peak {
	LSB_PEAK_READ = 1,   /* memory read bandwidth, B/s, over a set no cache holds */
	LSB_PEAK_MATMUL = 2, /* multiply-accumulates a second of its fastest matrix kernel */
};

struct lsb_backend_ops {
	size_t struct_size;

	/*
	 * Load this stage. Only its own layers' bytes are read. `options`, like
	 * `place`, lives as long as the handle. On success *out is set; on failure
	 * nothing is left behind. LSB_EMODEL: the file; LSB_ENOMEM: it does not
	 * fit; LSB_EUNAVAIL: not on this machine, which waives the point. [main]
	 */
	int (*open)(const struct lsb_host *host, const void *options, const struct lsb_place *place,
		    struct lsb_backend **out, struct lsb_error *err);

	/* What was opened; the same at every call. [main] */
	int (*info)(const struct lsb_backend *b, struct lsb_backend_info *out, struct lsb_error *err);

	/*
	 * Text to token ids: with LSB_ENCODE_CHAT all turns, otherwise turns[0]'s
	 * text alone; n_turns is at least 1. Writes at most `capacity` ids and the
	 * number there are to *n, which may be larger: call again with more room.
	 * `ids` may be NULL when `capacity` is 0. LSB_EINVAL after an open with
	 * LSB_PLACE_NO_VOCABULARY. [main]
	 */
	int (*encode)(struct lsb_backend *b, const struct lsb_turn *turns, size_t n_turns, uint32_t flags,
		      int32_t *ids, size_t capacity, size_t *n, struct lsb_error *err);

	/*
	 * Token ids to text, special tokens left out. Writes at most `capacity`
	 * bytes, no NUL, and the number there are to *bytes, which may be larger,
	 * as with encode. The bytes are the tokens' own: a character may be spread
	 * over several ids, so that the text is UTF-8 only where the ids are
	 * complete, and what ends early may end inside a character. [main]
	 */
	int (*decode)(struct lsb_backend *b, const int32_t *ids, size_t n, char *text, size_t capacity,
		      size_t *bytes, struct lsb_error *err);

	/*
	 * Memory for hidden states, zeroed: of a kind in mem_kinds or, for staging
	 * with buf_copy, LSB_MEM_HOST. [main]
	 */
	int (*buf_alloc)(struct lsb_backend *b, uint32_t mem, uint64_t bytes, struct lsb_buf *out,
			 struct lsb_error *err);

	/* `buf` as buf_alloc gave it, of no unfinished step; afterwards void. Before close. [main] */
	void (*buf_free)(struct lsb_backend *b, struct lsb_buf *buf);

	/*
	 * Enqueue one step and return, without waiting for it or any other; steps
	 * of a handle take effect in the order of their submission. LSB_EINVAL: a
	 * step that breaks a rule, or place.max_tickets are unreported already.
	 * After any failure there is no ticket and no slot has changed. A ticket
	 * is any number, different from all unreported ones. [rank, hot]
	 */
	int (*submit)(struct lsb_backend *b, const struct lsb_batch *batch, const struct lsb_step_io *io,
		      uint64_t *ticket, struct lsb_error *err);

	/*
	 * LSB_OK when the ticket's step is complete, and its results are there to
	 * read; LSB_ETIMEDOUT when it is not by `deadline_ns`. An inline backend
	 * computes here, at least one step, even when the deadline has passed, and
	 * may overrun it by one. Any other status reports that the step has
	 * failed; LSB_ECANCELED: lsb_host.progress said to abandon it. A ticket is
	 * reported once, and not waited for again; tickets may be waited for in
	 * any order. [rank, hot]
	 */
	int (*wait)(struct lsb_backend *b, uint64_t ticket, uint64_t deadline_ns, struct lsb_error *err);

	/*
	 * Forget one sequence, in order with submit: steps submitted before still
	 * see it, later ones start at position 0. A slot out of range is ignored.
	 * [rank, hot]
	 */
	void (*slot_clear)(struct lsb_backend *b, uint32_t slot);

	/*
	 * Give everything back; unfinished steps are abandoned, and nothing of
	 * lsbench's is touched any more. NULL is fine. [main]
	 */
	void (*close)(struct lsb_backend *b);

	/* --- optional, NULL: not supported -------------------------------- */

	/*
	 * Copy the first `bytes` between buffers of any kinds that buf_alloc gives;
	 * done on return. Neither is part of an unfinished step or overlaps the
	 * other, so it need not wait for steps in progress. Needed where mem_kinds
	 * lacks LSB_MEM_HOST. [rank, hot]
	 */
	int (*buf_copy)(struct lsb_backend *b, const struct lsb_buf *to, const struct lsb_buf *from,
			uint64_t bytes, struct lsb_error *err);

	/*
	 * When a completed ticket's step ran on the device, host clock; asked for
	 * after wait reported it and before the next submit. [rank, hot]
	 */
	int (*ticket_times)(struct lsb_backend *b, uint64_t ticket, uint64_t *start_ns, uint64_t *end_ns,
			    struct lsb_error *err);

	/*
	 * Memory, energy and the like: *n comes as the room in `out`, and leaves as
	 * the number written. Sums (energy: unit "J") count from open; names do not
	 * change. lsbench knows `device_bytes` (held on the accelerator) and `energy_j`
	 * (used by the accelerator, whoever shares it), and shows all. Asked before and
	 * after the timed part. [main]
	 */
	int (*counters)(struct lsb_backend *b, struct lsb_metric *out, size_t *n, struct lsb_error *err);

	/*
	 * Measure a peak (enum lsb_peak) of this rank's share of the device, for
	 * about `budget_ns`; no step is unfinished. LSB_EUNAVAIL: not this one.
	 * [main]
	 */
	int (*measure)(struct lsb_backend *b, uint32_t what, uint64_t budget_ns, double *value,
		       struct lsb_error *err);
};

#ifdef __cplusplus
}
#endif
#endif
