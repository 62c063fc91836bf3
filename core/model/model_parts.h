/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside core/model: what an open model is, and who fills it. model.c serves
 * it, model_llama.c fills it from a GGUF, random.c from a name and a seed.
 */
#ifndef LSB_MODEL_PARTS_H
#define LSB_MODEL_PARTS_H

#include "gguf.h"
#include "model.h"

enum {
	LSB_OUTER_ROLES = LSB_ROLE_ROPE_FREQS - LSB_LAYER_ROLES + 1,
	LSB_MODEL_NAME_BYTES = 64,

	/* Sizes that are certainly wrong are refused, so that no product of them overflows. */
	LSB_LAYERS_MAX = 1024,
	LSB_HIDDEN_MAX = 1 << 16,
	LSB_HEADS_MAX = 1024,
	LSB_HEAD_DIM_MAX = 256,
	LSB_FFN_MAX = 1 << 20,
	LSB_VOCAB_MAX = 1 << 22,
	LSB_CONTEXT_MAX = 1 << 30,
};

struct lsb_model {
	struct lsb_hparams hp;
	char name[LSB_MODEL_NAME_BYTES];
	struct lsb_gguf *file;	    /* NULL: random */
	struct lsb_tensor *tensors; /* [LSB_OUTER_ROLES], then [hp.layers][LSB_LAYER_ROLES]; owned */
	uint64_t seed;		    /* of a random model */
};

/* Room for the tensors of m->hp.layers layers; LSB_OK or LSB_ENOMEM. */
int lsb_model_make_room(struct lsb_model *m, struct lsb_error *err);

/* Rows and columns that a tensor has by the hyper-parameters. */
void lsb_model_shape(const struct lsb_hparams *hp, enum lsb_role role, uint64_t *rows, uint64_t *cols);
int lsb_role_is_vector(enum lsb_role role);

/* The tensor's place in the table; NULL when there is no such role or layer. */
struct lsb_tensor *lsb_model_slot(const struct lsb_model *m, enum lsb_role role, int32_t layer);

/*
 * Fill the tensor of `role` and `layer` with its shape in `type`. Returns 0, or
 * -1 when rows are no whole number of the type's blocks. Types are known ones.
 */
int lsb_model_place(struct lsb_model *m, enum lsb_role role, int32_t layer, uint32_t type, uint64_t offset);

/* Name, hyper-parameters and tensors of the parsed file m->file. */
int lsb_model_fill_llama(struct lsb_model *m, struct lsb_error *err);
/* Name and vocabulary's size alone, if m->file holds a vocabulary and no layers: 1; else 0. */
int lsb_model_fill_vocabulary_only(struct lsb_model *m);
/* Its tensors, when hyper-parameters are known. */
int lsb_model_fill_tensors(struct lsb_model *m, struct lsb_error *err);
/* The embedding, which tells the vocabulary's size; NULL when missing. */
const struct lsb_gguf_tensor *lsb_model_find_embed(const struct lsb_gguf *g);
/* `spec` is what follows "random:". */
int lsb_model_fill_random(struct lsb_model *m, const char *spec, struct lsb_error *err);
/* Write rows [first, first + n) of `t`, coded. */
void lsb_random_rows(const struct lsb_model *m, const struct lsb_tensor *t, uint64_t first, uint64_t n,
		     void *to);

#endif
