/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A place for every tensor of a `llama` GGUF: names to roles, shapes against
 * the hyper-parameters, data within the file. Tensors of other names are
 * refused: leaving one out would change results.
 */
#include <stdio.h>
#include <string.h>

#include "gguf_file.h"
#include "model_parts.h"

#define WRONG(m, err, ...) lsb_gguf_wrong((m)->file, err, __VA_ARGS__)

static const char *const layer_names[LSB_LAYER_ROLES] = {
	[LSB_ROLE_ATTN_NORM] = "attn_norm.weight",
	[LSB_ROLE_Q] = "attn_q.weight",
	[LSB_ROLE_K] = "attn_k.weight",
	[LSB_ROLE_V] = "attn_v.weight",
	[LSB_ROLE_O] = "attn_output.weight",
	[LSB_ROLE_FFN_NORM] = "ffn_norm.weight",
	[LSB_ROLE_GATE] = "ffn_gate.weight",
	[LSB_ROLE_UP] = "ffn_up.weight",
	[LSB_ROLE_DOWN] = "ffn_down.weight",
};

static const char *const outer_names[LSB_OUTER_ROLES] = { "token_embd.weight", "output_norm.weight",
							  "output.weight", "rope_freqs.weight" };

static void tensor_name(enum lsb_role role, int32_t layer, char *out, size_t room)
{
	if (role >= LSB_LAYER_ROLES)
		snprintf(out, room, "%s", outer_names[role - LSB_LAYER_ROLES]);
	else
		snprintf(out, room, "blk.%d.%s", (int)layer, layer_names[role]);
}

/* Role and layer by name; 0, or -1 when there is none such. Names have one spelling: no leading zeros. */
static int recognise(const struct lsb_gguf_tensor *t, enum lsb_role *role, int32_t *layer)
{
	char name[64], wanted[64], rest[64];

	if (t->name_bytes >= sizeof(name) || memchr(t->name, 0, t->name_bytes))
		return -1;
	memcpy(name, t->name, t->name_bytes);
	name[t->name_bytes] = 0;
	*layer = -1;
	for (uint32_t i = 0; i < LSB_OUTER_ROLES; i++) {
		*role = (enum lsb_role)(LSB_LAYER_ROLES + i);
		if (!strcmp(name, outer_names[i]))
			return 0;
	}
	if (sscanf(name, "blk.%5d.%63s", layer, rest) != 2 || *layer < 0)
		return -1;
	for (uint32_t i = 0; i < LSB_LAYER_ROLES; i++) {
		*role = (enum lsb_role)i;
		tensor_name(*role, *layer, wanted, sizeof(wanted));
		if (!strcmp(name, wanted))
			return 0;
	}
	return -1;
}

static int check_place(const struct lsb_model *m, const struct lsb_tensor *t,
		       const struct lsb_gguf_tensor *in, const char *name, struct lsb_error *err)
{
	if (in->dims[0] != t->cols || in->dims[1] != t->rows || in->dims[2] != 1 || in->dims[3] != 1)
		return WRONG(m, err, "tensor '%s' is [%llu][%llu][%llu][%llu]; the keys ask for [%llu][%llu]",
			     name, (unsigned long long)in->dims[3], (unsigned long long)in->dims[2],
			     (unsigned long long)in->dims[1], (unsigned long long)in->dims[0],
			     (unsigned long long)t->rows, (unsigned long long)t->cols);
	if (lsb_role_is_vector((enum lsb_role)t->role) && t->type != LSB_TYPE_F32)
		return WRONG(m, err, "tensor '%s' is of type %s; a vector must be f32", name,
			     lsb_type_name(t->type));
	if (t->file_offset > m->file->file_bytes || t->bytes > m->file->file_bytes - t->file_offset)
		return WRONG(
			m, err,
			"tensor '%s' ends at byte %llu, but the file has %llu: it is cut short, get it again",
			name, (unsigned long long)(t->file_offset + t->bytes),
			(unsigned long long)m->file->file_bytes);
	return LSB_OK;
}

static int place(struct lsb_model *m, const struct lsb_gguf_tensor *in, struct lsb_error *err)
{
	enum lsb_role role;
	int32_t layer;
	char name[64];

	lsb_gguf_shown(in->name, in->name_bytes, name, sizeof(name));
	if (recognise(in, &role, &layer) < 0)
		return WRONG(
			m, err,
			"tensor '%s' is no part of a Llama as known here; without it results would be wrong",
			name);
	if (layer >= (int32_t)m->hp.layers)
		return WRONG(m, err, "tensor '%s' is of a layer beyond block_count %u", name, m->hp.layers);
	if (!lsb_type_name(in->type))
		return WRONG(m, err, "tensor '%s' has unsupported type %u", name, in->type);
	if (lsb_model_slot(m, role, layer)->rows)
		return WRONG(m, err, "tensor '%s' appears twice", name);
	if (lsb_model_place(m, role, layer, in->type, in->offset) < 0)
		return WRONG(m, err,
			     "tensor '%s' has rows of %llu elements, no whole number of %s blocks of %u",
			     name, (unsigned long long)in->dims[0], lsb_type_name(in->type),
			     lsb_type_block(in->type));
	return check_place(m, lsb_model_slot(m, role, layer), in, name, err);
}

static int check_present(const struct lsb_model *m, enum lsb_role role, int32_t layer, struct lsb_error *err)
{
	char name[64];

	if (lsb_model_slot(m, role, layer)->rows)
		return LSB_OK;
	tensor_name(role, layer, name, sizeof(name));
	return WRONG(m, err, "tensor '%s' is missing", name);
}

const struct lsb_gguf_tensor *lsb_model_find_embed(const struct lsb_gguf *g)
{
	const char *name = outer_names[LSB_ROLE_EMBED - LSB_LAYER_ROLES];

	for (uint32_t i = 0; i < g->n_tensors; i++)
		if (g->tensors[i].name_bytes == strlen(name) &&
		    !memcmp(g->tensors[i].name, name, strlen(name)))
			return &g->tensors[i];
	return NULL;
}

int lsb_model_fill_tensors(struct lsb_model *m, struct lsb_error *err)
{
	const struct lsb_gguf *g = m->file;
	struct lsb_tensor *head;
	int rc = lsb_model_make_room(m, err);

	for (uint32_t i = 0; i < g->n_tensors && !rc; i++)
		rc = place(m, &g->tensors[i], err);
	for (int32_t l = 0; l < (int32_t)m->hp.layers && !rc; l++)
		for (int role = 0; role < LSB_LAYER_ROLES && !rc; role++)
			rc = check_present(m, (enum lsb_role)role, l, err);
	if (!rc)
		rc = check_present(m, LSB_ROLE_OUT_NORM, -1, err);
	if (rc)
		return rc;
	head = lsb_model_slot(m, LSB_ROLE_HEAD, -1);
	if (!head->rows) {
		m->hp.tied = 1;
		*head = *lsb_model_slot(m, LSB_ROLE_EMBED, -1);
		head->role = LSB_ROLE_HEAD;
	}
	return LSB_OK;
}
