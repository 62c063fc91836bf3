/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open model: where its tensors are and how their bytes are had.
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "lsbench/host.h"
#include "model_parts.h"

static const char random_prefix[] = "random:";

int lsb_model_make_room(struct lsb_model *m, struct lsb_error *err)
{
	const size_t n = LSB_OUTER_ROLES + (size_t)m->hp.layers * LSB_LAYER_ROLES;

	m->tensors = calloc(n, sizeof(*m->tensors));
	return m->tensors ? LSB_OK : lsb_fail(err, LSB_ENOMEM, 0, "model: no memory for the tensors' table");
}

void lsb_model_shape(const struct lsb_hparams *hp, enum lsb_role role, uint64_t *rows, uint64_t *cols)
{
	const uint64_t q = (uint64_t)hp->heads * hp->head_dim, kv = (uint64_t)hp->kv_heads * hp->head_dim;

	*rows = 1;
	*cols = hp->hidden;
	switch (role) {
	case LSB_ROLE_Q:
		*rows = q;
		break;
	case LSB_ROLE_K:
	case LSB_ROLE_V:
		*rows = kv;
		break;
	case LSB_ROLE_O:
		*rows = hp->hidden;
		*cols = q;
		break;
	case LSB_ROLE_GATE:
	case LSB_ROLE_UP:
		*rows = hp->ffn;
		break;
	case LSB_ROLE_DOWN:
		*rows = hp->hidden;
		*cols = hp->ffn;
		break;
	case LSB_ROLE_EMBED:
	case LSB_ROLE_HEAD:
		*rows = hp->vocab;
		break;
	case LSB_ROLE_ROPE_FREQS:
		*cols = hp->rope_dim / 2;
		break;
	case LSB_ROLE_ATTN_NORM:
	case LSB_ROLE_FFN_NORM:
	case LSB_ROLE_OUT_NORM:
		break;
	}
}

int lsb_role_is_vector(enum lsb_role role)
{
	return role == LSB_ROLE_ATTN_NORM || role == LSB_ROLE_FFN_NORM || role == LSB_ROLE_OUT_NORM ||
	       role == LSB_ROLE_ROPE_FREQS;
}

struct lsb_tensor *lsb_model_slot(const struct lsb_model *m, enum lsb_role role, int32_t layer)
{
	if (!m->tensors || (uint32_t)role >= LSB_LAYER_ROLES + LSB_OUTER_ROLES)
		return NULL;
	if (role >= LSB_LAYER_ROLES)
		return layer == -1 ? &m->tensors[role - LSB_LAYER_ROLES] : NULL;
	if (layer < 0 || (uint32_t)layer >= m->hp.layers)
		return NULL;
	return &m->tensors[LSB_OUTER_ROLES + (size_t)layer * LSB_LAYER_ROLES + role];
}

int lsb_model_place(struct lsb_model *m, enum lsb_role role, int32_t layer, uint32_t type, uint64_t offset)
{
	struct lsb_tensor *t = lsb_model_slot(m, role, layer);

	*t = (struct lsb_tensor){ .type = type, .role = role, .layer = layer, .file_offset = offset };
	lsb_model_shape(&m->hp, role, &t->rows, &t->cols);
	if (t->cols % lsb_type_block(type))
		return -1;
	t->row_bytes = t->cols / lsb_type_block(type) * lsb_type_bytes(type);
	t->bytes = t->rows * t->row_bytes;
	return 0;
}

static int open_model(const char *spec, int vocabulary, struct lsb_model **out, struct lsb_error *err)
{
	struct lsb_model *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return lsb_fail(err, LSB_ENOMEM, 0, "model: no memory to open '%.200s'", spec);
	if (!strncmp(spec, random_prefix, sizeof(random_prefix) - 1)) {
		rc = lsb_model_fill_random(m, spec + sizeof(random_prefix) - 1, err);
	} else {
		rc = lsb_gguf_open(spec, &m->file, err);
		if (!rc && !(vocabulary && lsb_model_fill_vocabulary_only(m)))
			rc = lsb_model_fill_llama(m, err);
	}
	if (rc) {
		lsb_model_close(m);
		return rc;
	}
	*out = m;
	return LSB_OK;
}

int lsb_model_open(const char *spec, struct lsb_model **out, struct lsb_error *err)
{
	return open_model(spec, 0, out, err);
}

int lsb_model_open_vocabulary(const char *spec, struct lsb_model **out, struct lsb_error *err)
{
	return open_model(spec, 1, out, err);
}

void lsb_model_close(struct lsb_model *m)
{
	if (!m)
		return;
	lsb_gguf_close(m->file);
	free(m->tensors);
	free(m);
}

const struct lsb_hparams *lsb_model_hparams(const struct lsb_model *m)
{
	return &m->hp;
}

const char *lsb_model_name(const struct lsb_model *m)
{
	return m->name;
}

int lsb_model_is_random(const struct lsb_model *m)
{
	return m->file == NULL;
}

const struct lsb_tensor *lsb_model_tensor(const struct lsb_model *m, enum lsb_role role, int32_t layer)
{
	return lsb_model_slot(m, role, layer);
}

int lsb_model_read(const struct lsb_model *m, const struct lsb_tensor *t, uint64_t offset, uint64_t bytes,
		   void *to, struct lsb_error *err)
{
	if (offset > t->bytes || bytes > t->bytes - offset)
		return lsb_fail(err, LSB_EINVAL, 0,
				"model: %s: bytes %llu to %llu were asked of a tensor that has %llu", m->name,
				(unsigned long long)offset, (unsigned long long)(offset + bytes),
				(unsigned long long)t->bytes);
	if (!bytes)
		return LSB_OK;
	if (m->file)
		return lsb_gguf_read(m->file, t->file_offset + offset, bytes, to, err);
	if (offset % t->row_bytes || bytes % t->row_bytes)
		return lsb_fail(err, LSB_EINVAL, 0, "model: random:%s is read in whole rows only", m->name);
	lsb_random_rows(m, t, offset / t->row_bytes, bytes / t->row_bytes, to);
	return LSB_OK;
}
