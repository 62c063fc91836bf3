/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models of a real one's shape with seeded weights, no file needed:
 * random:NAME[:TYPE[:SEED]].
 *
 * Element c of row r of a tensor depends on (seed, the tensor's stream number,
 * r, c) alone, through a counter-based generator, so ranks that hold different
 * layers, read in any order or run another backend see the same bytes. Matrix
 * elements have mean 0 and variance 1/cols, so a normalised input gives outputs
 * of variance 1; norms are 1 with 10 % spread.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lsbench/host.h"
#include "model_parts.h"
#include "random_mix.h"

enum { CHUNK = 1024 /* elements made at a time: a multiple of every type's block */ };

static const struct {
	const char *name;
	struct lsb_hparams hp; /* rope_scale and rope_dim are filled later */
} shapes[] = {
	{ "tiny",
	  { .layers = 4,
	    .hidden = 64,
	    .heads = 4,
	    .kv_heads = 2,
	    .head_dim = 16,
	    .ffn = 160,
	    .vocab = 512,
	    .context = 2048,
	    .rope_base = 10000.0f,
	    .norm_eps = 1e-5f,
	    .tied = 1 } },
	{ "small",
	  { .layers = 6,
	    .hidden = 512,
	    .heads = 8,
	    .kv_heads = 4,
	    .head_dim = 64,
	    .ffn = 1024,
	    .vocab = 4096,
	    .context = 4096,
	    .rope_base = 10000.0f,
	    .norm_eps = 1e-5f,
	    .tied = 1 } },
	{ "smollm2-135m",
	  { .layers = 30,
	    .hidden = 576,
	    .heads = 9,
	    .kv_heads = 3,
	    .head_dim = 64,
	    .ffn = 1536,
	    .vocab = 49152,
	    .context = 8192,
	    .rope_base = 100000.0f,
	    .norm_eps = 1e-5f,
	    .tied = 1 } },
	{ "openllama-3b",
	  { .layers = 26,
	    .hidden = 3200,
	    .heads = 32,
	    .kv_heads = 32,
	    .head_dim = 100,
	    .ffn = 8640,
	    .vocab = 32000,
	    .context = 2048,
	    .rope_base = 10000.0f,
	    .norm_eps = 1e-6f } },
	{ "llama-2-7b",
	  { .layers = 32,
	    .hidden = 4096,
	    .heads = 32,
	    .kv_heads = 32,
	    .head_dim = 128,
	    .ffn = 11008,
	    .vocab = 32000,
	    .context = 4096,
	    .rope_base = 10000.0f,
	    .norm_eps = 1e-5f } },
	{ "llama-3.2-1b",
	  { .layers = 16,
	    .hidden = 2048,
	    .heads = 32,
	    .kv_heads = 8,
	    .head_dim = 64,
	    .ffn = 8192,
	    .vocab = 128256,
	    .context = 131072,
	    .rope_base = 500000.0f,
	    .norm_eps = 1e-5f,
	    .tied = 1 } },
	{ "llama-3.1-8b",
	  { .layers = 32,
	    .hidden = 4096,
	    .heads = 32,
	    .kv_heads = 8,
	    .head_dim = 128,
	    .ffn = 14336,
	    .vocab = 128256,
	    .context = 131072,
	    .rope_base = 500000.0f,
	    .norm_eps = 1e-5f } },
};

enum { N_SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static const uint32_t types[] = { LSB_TYPE_F32,	 LSB_TYPE_F16,	LSB_TYPE_BF16, LSB_TYPE_Q4_0,
				  LSB_TYPE_Q4_1, LSB_TYPE_Q5_0, LSB_TYPE_Q5_1, LSB_TYPE_Q8_0,
				  LSB_TYPE_Q4_K, LSB_TYPE_Q5_K, LSB_TYPE_Q6_K };

/* --- the generator --------------------------------------------------------------------- */

/*
 * out[i] = base + spread * g(first + i), where g is the sum of a hash's four
 * bytes, centred and scaled to variance 1: bell-shaped, within +-3.46.
 */
static void bells(uint64_t key, uint32_t first, float base, float spread, float *out, uint32_t n)
{
	const uint32_t low = (uint32_t)key, high = (uint32_t)(key >> 32);
	/* A byte has variance (256^2 - 1) / 12. */
	const float scale = spread / sqrtf(4.0f * 65535.0f / 12.0f);

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t h = lsb_mix32(lsb_mix32(low + first + i) ^ high);
		const uint32_t pairs = (h & 0x00ff00ffu) + (h >> 8 & 0x00ff00ffu);
		const int32_t sum = (int32_t)((pairs & 0xffffu) + (pairs >> 16)) - 510;

		out[i] = base + scale * (float)sum;
	}
}

static float spread_of(const struct lsb_tensor *t)
{
	return lsb_role_is_vector((enum lsb_role)t->role) ? 0.1f : 1.0f / sqrtf((float)t->cols);
}

static uint64_t key_of_row(const struct lsb_model *m, const struct lsb_tensor *t, uint64_t row)
{
	return lsb_mix_counters(m->seed, t->file_offset, row);
}

float lsb_model_random_keys(const struct lsb_model *m, const struct lsb_tensor *t, uint64_t first, uint64_t n,
			    uint64_t *keys)
{
	for (uint64_t i = 0; i < n; i++)
		keys[i] = key_of_row(m, t, first + i);
	return spread_of(t);
}

void lsb_random_rows(const struct lsb_model *m, const struct lsb_tensor *t, uint64_t first, uint64_t n,
		     void *to)
{
	const int vector = lsb_role_is_vector((enum lsb_role)t->role);
	const float base = vector ? 1.0f : 0.0f, spread = spread_of(t);
	const uint32_t block = lsb_type_block(t->type), block_bytes = lsb_type_bytes(t->type);
	float values[CHUNK];
	uint8_t *at = to;

	for (uint64_t row = first; row < first + n; row++) {
		const uint64_t key = key_of_row(m, t, row);

		for (uint64_t c = 0; c < t->cols; c += CHUNK) {
			const uint32_t k = t->cols - c < CHUNK ? (uint32_t)(t->cols - c) : CHUNK;

			bells(key, (uint32_t)c, base, spread, values, k);
			lsb_quantize(t->type, values, at, k);
			at += k / block * block_bytes;
		}
	}
}

/* --- names ------------------------------------------------------------------------------ */

/* Edit distance of two short words. */
static size_t distance(const char *a, const char *b)
{
	size_t row[32], n = strlen(b);

	if (strlen(a) >= sizeof(row) / sizeof(row[0]) || n >= sizeof(row) / sizeof(row[0]))
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 1; j <= n; j++) {
			const size_t above = row[j];
			size_t best = diagonal + (a[i] != b[j - 1]);

			best = above + 1 < best ? above + 1 : best;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			diagonal = above;
		}
	}
	return row[n];
}

static int unknown_name(const char *name, struct lsb_error *err)
{
	size_t nearest = 0, used = 0;
	char known[256];

	for (size_t i = 0; i < N_SHAPES; i++) {
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "",
					 shapes[i].name);
		if (distance(name, shapes[i].name) < distance(name, shapes[nearest].name))
			nearest = i;
	}
	return lsb_fail(err, LSB_EMODEL, 0,
			"model: random:%.64s: there is no such shape (did you mean '%s'?); known: %s", name,
			shapes[nearest].name, known);
}

/* Cut "NAME:TYPE:SEED" in place; absent parts are NULL. -1 when there are more. */
static int cut(char *spec, char **type, char **seed)
{
	*type = strchr(spec, ':');
	*seed = NULL;
	if (!*type)
		return 0;
	*(*type)++ = 0;
	*seed = strchr(*type, ':');
	if (!*seed)
		return 0;
	*(*seed)++ = 0;
	return strchr(*seed, ':') ? -1 : 0;
}

static int parse_type(const char *text, uint32_t *type, struct lsb_error *err)
{
	size_t used = 0;
	char known[128];

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (!strcasecmp(text, lsb_type_name(types[i]))) {
			*type = types[i];
			return LSB_OK;
		}
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "",
					 lsb_type_name(types[i]));
	}
	return lsb_fail(err, LSB_EMODEL, 0, "model: random: '%.64s' is no tensor type; known: %s", text,
			known);
}

static int parse_seed(const char *text, uint64_t *seed, struct lsb_error *err)
{
	uint64_t value = 0;

	for (const char *p = text; *p || p == text; p++) {
		if (*p < '0' || *p > '9' || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return lsb_fail(err, LSB_EMODEL, 0,
					"model: random: seed '%.64s' is no whole number below 2^64", text);
	}
	*seed = value;
	return LSB_OK;
}

/* --- the model -------------------------------------------------------------------------- */

static int place(struct lsb_model *m, enum lsb_role role, int32_t layer, uint32_t type, struct lsb_error *err)
{
	const enum lsb_role stream_role = role == LSB_ROLE_HEAD && m->hp.tied ? LSB_ROLE_EMBED : role;
	const uint64_t stream = (uint64_t)(layer + 1) * 32 + stream_role;

	if (lsb_role_is_vector(role))
		type = LSB_TYPE_F32;
	if (lsb_model_place(m, role, layer, type, stream) < 0)
		return lsb_fail(err, LSB_EMODEL, 0,
				"model: random:%s: rows of %llu elements are no whole number of %s blocks of "
				"%u; choose another type",
				m->name, (unsigned long long)lsb_model_slot(m, role, layer)->cols,
				lsb_type_name(type), lsb_type_block(type));
	return LSB_OK;
}

static int place_all(struct lsb_model *m, uint32_t type, struct lsb_error *err)
{
	int rc = lsb_model_make_room(m, err);

	for (int role = LSB_ROLE_EMBED; role <= LSB_ROLE_HEAD && !rc; role++)
		rc = place(m, (enum lsb_role)role, -1, type, err);
	for (int32_t l = 0; l < (int32_t)m->hp.layers && !rc; l++)
		for (int role = 0; role < LSB_LAYER_ROLES && !rc; role++)
			rc = place(m, (enum lsb_role)role, l, type, err);
	return rc;
}

int lsb_model_fill_random(struct lsb_model *m, const char *spec, struct lsb_error *err)
{
	char text[128], *type_text, *seed_text;
	uint32_t type = LSB_TYPE_F16;
	int rc;

	if ((size_t)snprintf(text, sizeof(text), "%s", spec) >= sizeof(text) ||
	    cut(text, &type_text, &seed_text) < 0)
		return lsb_fail(err, LSB_EMODEL, 0, "model: 'random:%.64s' is not random:NAME[:TYPE[:SEED]]",
				spec);
	rc = type_text && *type_text ? parse_type(type_text, &type, err) : LSB_OK;
	if (!rc && seed_text)
		rc = parse_seed(seed_text, &m->seed, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < N_SHAPES; i++) {
		if (strcmp(text, shapes[i].name))
			continue;
		m->hp = shapes[i].hp;
		m->hp.rope_dim = m->hp.head_dim;
		m->hp.rope_scale = 1.0f;
		snprintf(m->name, sizeof(m->name), "%s", shapes[i].name);
		return place_all(m, type, err);
	}
	return unknown_name(text, err);
}
