/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a GGUF of architecture `llama` says about the model: its
 * hyper-parameters. Tensors are in model_tensors.c.
 *
 * A wrong answer is worse than none: keys of the architecture that are not known
 * here are refused, since they may change results.
 */
#include <math.h>
#include <string.h>

#include "gguf_file.h"
#include "model_parts.h"

#define WRONG(m, err, ...) lsb_gguf_wrong((m)->file, err, __VA_ARGS__)

/* Keys that are read below, or tell nothing that matters. */
static const char *const known_keys[] = {
	"block_count",
	"context_length",
	"embedding_length",
	"feed_forward_length",
	"vocab_size",
	"attention.head_count",
	"attention.head_count_kv",
	"attention.key_length",
	"attention.value_length",
	"attention.layer_norm_rms_epsilon",
	"attention.sliding_window",
	"rope.dimension_count",
	"rope.freq_base",
	"rope.scale_linear",
	"rope.scaling.type",
	"rope.scaling.factor",
	"rope.scaling.finetuned",
	"rope.scaling.original_context_length",
	"tensor_data_layout",
	"expert_used_count", /* without experts */
};

/* Keys that change results unless they have one of two values. */
static const struct {
	const char *key;
	double neutral, also;
	const char *means;
} neutral_keys[] = {
	{ "expert_count", 0, 0, "mixtures of experts" },
	{ "use_parallel_residual", 0, 0, "parallel residuals" },
	{ "attention.causal", 1, 1, "attention that is not causal" },
	{ "attention.scale", 0, 0, "an attention scale of its own" },
	{ "attention.clamp_kqv", 0, 0, "clamped queries and keys" },
	{ "attention.max_alibi_bias", 0, 0, "ALiBi" },
	{ "attn_logit_softcapping", 0, 0, "soft-capped logits" },
	{ "final_logit_softcapping", 0, 0, "soft-capped logits" },
	{ "logit_scale", 0, 1, "scaled logits" },
	{ "residual_scale", 0, 1, "scaled residuals" },
	{ "embedding_scale", 0, 1, "scaled embeddings" },
	{ "rope.scaling.attn_factor", 0, 1, "scaled attention" },
};

static int value_is(const struct lsb_gguf_value *v, const char *text)
{
	return v && v->type == LSB_GGUF_STRING && v->count == strlen(text) &&
	       !memcmp(v->data, text, v->count);
}

/* --- single keys ------------------------------------------------------------------------ */

/* An integer in [lo, hi]; absent gives `fallback`, or an error when that is -1. */
static int get_size(const struct lsb_model *m, const char *key, int64_t fallback, int64_t lo, int64_t hi,
		    uint32_t *out, struct lsb_error *err)
{
	const struct lsb_gguf_value *v = lsb_gguf_find(m->file, key);
	int64_t value = fallback;

	if (!v && fallback < 0)
		return WRONG(m, err, "key '%s' is missing", key);
	if (v && (v->type == LSB_GGUF_BOOL || lsb_gguf_integer(v->type, v->data, &value) < 0))
		return WRONG(m, err, "key '%s' must be one integer", key);
	if (value < lo || value > hi)
		return WRONG(m, err, "%s is %lld; it must be within %lld and %lld", key, (long long)value,
			     (long long)lo, (long long)hi);
	*out = (uint32_t)value;
	return LSB_OK;
}

/* A float with lo < value <= hi; absent gives `fallback`, or an error when that is NaN. */
static int get_real(const struct lsb_model *m, const char *key, double fallback, double lo, double hi,
		    float *out, struct lsb_error *err)
{
	const struct lsb_gguf_value *v = lsb_gguf_find(m->file, key);
	double value = fallback;

	if (!v && isnan(fallback))
		return WRONG(m, err, "key '%s' is missing", key);
	if (v && (v->type == LSB_GGUF_BOOL || lsb_gguf_number(v->type, v->data, &value) < 0))
		return WRONG(m, err, "key '%s' must be one number", key);
	if (!(value > lo && value <= hi))
		return WRONG(m, err, "%s is %g; it must be above %g and at most %g", key, value, lo, hi);
	*out = (float)value;
	return LSB_OK;
}

static int check_key(const struct lsb_model *m, const struct lsb_gguf_value *v, struct lsb_error *err)
{
	const char *key = v->key + strlen("llama.");
	const size_t bytes = v->key_bytes - strlen("llama.");
	char shown[64];
	double value;

	for (size_t i = 0; i < sizeof(known_keys) / sizeof(known_keys[0]); i++)
		if (bytes == strlen(known_keys[i]) && !memcmp(key, known_keys[i], bytes))
			return LSB_OK;
	for (size_t i = 0; i < sizeof(neutral_keys) / sizeof(neutral_keys[0]); i++) {
		if (bytes != strlen(neutral_keys[i].key) || memcmp(key, neutral_keys[i].key, bytes))
			continue;
		if (lsb_gguf_number(v->type, v->data, &value) < 0)
			return WRONG(m, err, "key 'llama.%s' must be one number", neutral_keys[i].key);
		if (value == neutral_keys[i].neutral || value == neutral_keys[i].also)
			return LSB_OK;
		return WRONG(m, err, "llama.%s is %g: %s are not supported", neutral_keys[i].key, value,
			     neutral_keys[i].means);
	}
	return WRONG(m, err, "key '%s' is not known and might change the model's results",
		     lsb_gguf_shown(v->key, v->key_bytes, shown, sizeof(shown)));
}

/* What kind of file this is, before any size is believed. */
static int check_kind(const struct lsb_model *m, struct lsb_error *err)
{
	const struct lsb_gguf *g = m->file;
	const struct lsb_gguf_value *v = lsb_gguf_find(g, "general.architecture");
	char shown[64];
	uint32_t parts, quantization;
	int rc;

	if (!v || v->type != LSB_GGUF_STRING)
		return WRONG(m, err, "key 'general.architecture' is missing or no string");
	if (!value_is(v, "llama"))
		return WRONG(m, err, "architecture '%s' is not supported; only 'llama' is",
			     lsb_gguf_shown((const char *)v->data, v->count, shown, sizeof(shown)));
	v = lsb_gguf_find(g, "general.type");
	if (v && !value_is(v, "model"))
		return WRONG(m, err, "general.type is not 'model': an adapter or a part cannot run alone");
	rc = get_size(m, "split.count", 0, 0, UINT16_MAX, &parts, err);
	if (!rc)
		rc = get_size(m, "general.quantization_version", 2, 0, UINT32_MAX, &quantization, err);
	if (rc)
		return rc;
	if (parts > 1)
		return WRONG(m, err, "one of %u parts of a split model; merge them into one file", parts);
	if (quantization != 2)
		return WRONG(m, err, "general.quantization_version is %u; only 2 is supported", quantization);
	for (uint32_t i = 0; i < g->n_values && !rc; i++)
		if (g->values[i].key_bytes > 6 && !memcmp(g->values[i].key, "llama.", 6))
			rc = check_key(m, &g->values[i], err);
	return rc;
}

/* --- hyper-parameters -------------------------------------------------------------------- */

static int fill_heads(struct lsb_model *m, struct lsb_error *err)
{
	struct lsb_hparams *hp = &m->hp;
	uint32_t value_length;
	int rc = get_size(m, "llama.attention.head_count", -1, 1, LSB_HEADS_MAX, &hp->heads, err);

	if (!rc)
		rc = get_size(m, "llama.attention.head_count_kv", hp->heads, 1, hp->heads, &hp->kv_heads,
			      err);
	if (rc)
		return rc;
	if (hp->heads % hp->kv_heads)
		return WRONG(m, err, "%u query heads cannot share %u key/value heads evenly", hp->heads,
			     hp->kv_heads);
	if (!lsb_gguf_find(m->file, "llama.attention.key_length") && hp->hidden % hp->heads)
		return WRONG(m, err,
			     "embedding_length %u is no multiple of %u heads, and key_length is absent",
			     hp->hidden, hp->heads);
	rc = get_size(m, "llama.attention.key_length", hp->hidden / hp->heads, 2, LSB_HEAD_DIM_MAX,
		      &hp->head_dim, err);
	if (!rc)
		rc = get_size(m, "llama.attention.value_length", hp->head_dim, 2, LSB_HEAD_DIM_MAX,
			      &value_length, err);
	if (!rc)
		rc = get_size(m, "llama.rope.dimension_count", hp->head_dim, 2, hp->head_dim, &hp->rope_dim,
			      err);
	if (rc)
		return rc;
	if (value_length != hp->head_dim)
		return WRONG(m, err, "keys of %u and values of %u dimensions: unequal ones are not supported",
			     hp->head_dim, value_length);
	if (hp->head_dim % 2 || hp->rope_dim % 2)
		return WRONG(m, err, "%u dimensions a head, %u of them rotated: both must be even",
			     hp->head_dim, hp->rope_dim);
	return LSB_OK;
}

/* Positions are divided by the factor; its key alone means linear scaling, as older files have it. */
static int fill_rope(struct lsb_model *m, struct lsb_error *err)
{
	const struct lsb_gguf_value *type = lsb_gguf_find(m->file, "llama.rope.scaling.type");
	char shown[64];
	float factor;
	int rc = get_real(m, "llama.rope.freq_base", 10000.0, 0.0, 1e12, &m->hp.rope_base, err);

	if (!rc)
		rc = get_real(m, "llama.rope.scale_linear", 1.0, 0.0, 1e6, &factor, err);
	if (!rc)
		rc = get_real(m, "llama.rope.scaling.factor", (double)factor, 0.0, 1e6, &factor, err);
	if (rc)
		return rc;
	if (type && type->type != LSB_GGUF_STRING)
		return WRONG(m, err, "llama.rope.scaling.type must be a string");
	if (type && !value_is(type, "none") && !value_is(type, "linear"))
		return WRONG(m, err, "RoPE scaling of type '%s' is not supported; 'none' and 'linear' are",
			     lsb_gguf_shown((const char *)type->data, type->count, shown, sizeof(shown)));
	m->hp.rope_scale = value_is(type, "none") ? 1.0f : 1.0f / factor;
	return LSB_OK;
}

static int fill_vocabulary(struct lsb_model *m, const struct lsb_gguf_tensor *embed, struct lsb_error *err)
{
	const struct lsb_gguf_value *tokens = lsb_gguf_find(m->file, "tokenizer.ggml.tokens");
	int rc;

	if (embed->dims[1] > LSB_VOCAB_MAX)
		return WRONG(m, err, "tensor 'token_embd.weight' has %llu rows; %d are the most",
			     (unsigned long long)embed->dims[1], LSB_VOCAB_MAX);
	rc = get_size(m, "llama.vocab_size", (int64_t)embed->dims[1], 1, LSB_VOCAB_MAX, &m->hp.vocab, err);
	if (rc)
		return rc;
	if (m->hp.vocab != embed->dims[1])
		return WRONG(m, err, "vocab_size is %u but 'token_embd.weight' has %llu rows", m->hp.vocab,
			     (unsigned long long)embed->dims[1]);
	if (tokens && tokens->type == LSB_GGUF_ARRAY && tokens->count != m->hp.vocab)
		return WRONG(m, err, "the tokenizer has %llu tokens but 'token_embd.weight' has %u rows",
			     (unsigned long long)tokens->count, m->hp.vocab);
	return LSB_OK;
}

static int fill_hparams(struct lsb_model *m, struct lsb_error *err)
{
	struct lsb_hparams *hp = &m->hp;
	uint32_t window;
	int rc = get_size(m, "llama.block_count", -1, 1, LSB_LAYERS_MAX, &hp->layers, err);

	if (!rc)
		rc = get_size(m, "llama.embedding_length", -1, 1, LSB_HIDDEN_MAX, &hp->hidden, err);
	if (!rc)
		rc = get_size(m, "llama.feed_forward_length", -1, 1, LSB_FFN_MAX, &hp->ffn, err);
	if (!rc)
		rc = get_size(m, "llama.context_length", -1, 1, LSB_CONTEXT_MAX, &hp->context, err);
	if (!rc)
		rc = get_size(m, "llama.attention.sliding_window", 0, 0, UINT32_MAX, &window, err);
	if (!rc)
		rc = get_real(m, "llama.attention.layer_norm_rms_epsilon", NAN, 0.0, 0.1, &hp->norm_eps, err);
	if (!rc)
		rc = fill_heads(m, err);
	if (!rc)
		rc = fill_rope(m, err);
	if (!rc && window && window < hp->context)
		return WRONG(m, err, "a sliding window of %u in a context of %u is not supported", window,
			     hp->context);
	return rc;
}

/* What the file calls itself, or is called. */
static void fill_name(struct lsb_model *m)
{
	const struct lsb_gguf *g = m->file;
	const struct lsb_gguf_value *name = lsb_gguf_find(g, "general.name");
	const char *base = strrchr(g->path, '/');

	base = base ? base + 1 : g->path;
	if (name && name->type == LSB_GGUF_STRING && name->count)
		lsb_gguf_shown((const char *)name->data, name->count, m->name, sizeof(m->name));
	else
		lsb_gguf_shown(base, strlen(base), m->name, sizeof(m->name));
}

int lsb_model_fill_vocabulary_only(struct lsb_model *m)
{
	static const char layers[] = "blk.";
	const struct lsb_gguf *g = m->file;
	const uint64_t n = lsb_model_array(m, "tokenizer.ggml.tokens");

	for (uint32_t i = 0; i < g->n_tensors; i++)
		if (g->tensors[i].name_bytes >= strlen(layers) &&
		    !memcmp(g->tensors[i].name, layers, strlen(layers)))
			return 0;
	if (n == 0 || n > LSB_VOCAB_MAX)
		return 0;
	fill_name(m);
	m->hp.vocab = (uint32_t)n;
	return 1;
}

int lsb_model_fill_llama(struct lsb_model *m, struct lsb_error *err)
{
	const struct lsb_gguf *g = m->file;
	const struct lsb_gguf_tensor *embed;
	int rc = check_kind(m, err);

	fill_name(m);
	if (!rc)
		rc = fill_hparams(m, err);
	if (rc)
		return rc;
	embed = lsb_model_find_embed(g);
	if (!embed)
		return WRONG(m, err, "tensor 'token_embd.weight' is missing");
	rc = fill_vocabulary(m, embed, err);
	return rc ? rc : lsb_model_fill_tensors(m, err);
}
