/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every backend of Llama stages does alike, before anything is computed: take
 * its place, check steps against the rules of backend.h, turn text into ids. So the
 * rules are said once, in one set of words.
 */
#ifndef LSB_MODEL_STAGE_H
#define LSB_MODEL_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lsbench/backend.h"
#include "lsbench/host.h"
#include "model.h"
#include "tokenizer.h"

/* --- place -------------------------------------------------------------------- */

/*
 * A copy of `told` in *out, members that an older lsbench does not know being 0.
 * LSB_EINVAL: it lacks what a stage needs. With LSB_PLACE_VOCABULARY only a model
 * is needed.
 */
int lsb_stage_take_place(const struct lsb_place *told, struct lsb_place *out, struct lsb_error *err);

/* Does the place fit the model? Resolves "all layers". LSB_EINVAL. */
int lsb_stage_resolve_place(struct lsb_place *p, const struct lsb_hparams *hp, struct lsb_error *err);

static inline bool lsb_stage_is_first(const struct lsb_place *p)
{
	return p->stage == 0;
}

static inline bool lsb_stage_is_last(const struct lsb_place *p)
{
	return p->stage == p->stages - 1;
}

/* --- steps --------------------------------------------------------------------- */

/* What a step must be, and where each slot stands. */
struct lsb_rules {
	const struct lsb_host *host;
	const struct lsb_place *place; /* these two live as long as the handle */
	const struct lsb_hparams *hp;
	uint32_t mem_kinds;	/* bits of lsb_mem that hidden states may be in */
	uint32_t *next, *trial; /* [slots] next position; the same within the batch in question */
	uint64_t *mark;		/* [slots] == checks: the batch in question has a token of the slot */
	uint64_t checks;
};

int lsb_rules_open(const struct lsb_host *host, const struct lsb_place *place, const struct lsb_hparams *hp,
		   uint32_t mem_kinds, struct lsb_rules *out, struct lsb_error *err);
void lsb_rules_close(struct lsb_rules *r);

/*
 * May this step be computed? LSB_EINVAL with the rule that it breaks; no slot has
 * moved. *distinct: every token is of another slot. Afterwards mark tells which
 * slots it has. [hot]
 */
int lsb_rules_check(struct lsb_rules *r, const struct lsb_batch *batch, const struct lsb_step_io *io,
		    bool *distinct, struct lsb_error *err);

/* The step, found right, is under way: its slots go on behind it. [hot] */
void lsb_rules_accept(struct lsb_rules *r, const struct lsb_batch *batch);

/* The slot starts again; out of range: nothing. [hot] */
void lsb_rules_clear(struct lsb_rules *r, uint32_t slot);

/* --- text ---------------------------------------------------------------------- */

/* As encode and decode of backend.h; tokenizer NULL: opened without. `chat`: the shape of templates. */
int lsb_stage_encode(struct lsb_tokenizer *tokenizer, enum lsb_chat chat, const struct lsb_turn *turns,
		     size_t n_turns, uint32_t flags, int32_t *ids, size_t capacity, size_t *n,
		     struct lsb_error *err);
int lsb_stage_decode(struct lsb_tokenizer *tokenizer, const int32_t *ids, size_t n, char *text,
		     size_t capacity, size_t *bytes, struct lsb_error *err);

#endif
