/* SPDX-License-Identifier: Apache-2.0 */
#include "dnn.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dnn_plan.h"

enum {
	LEAST_VERSION = 91100, /* pages beside ragged rows; earlier ones have known faults there */
	PLAN_SIZES = 4,	       /* for 1, 2, 4 and 8 runs */
	OUTS = 2,	       /* CUDA_F16, CUDA_BF16 */
	WHY_MAX = 384,
};

_Static_assert(1 << (PLAN_SIZES - 1) == CUDA_RUNS_MOST, "the largest plan takes the most runs");

struct cuda_dnn {
	const struct lsb_host *host;
	struct cuda_dnn_shape shape;
	void *so;
	struct dnn_calls call;
	void *handle;
	void *plan[OUTS][PLAN_SIZES];
	void *workspace;
	float scale, lowest;
};

/* --- the library ------------------------------------------------------------------ */

#define NAMED(name)                                                                                          \
	{                                                                                                    \
#name, offsetof(struct dnn_calls, name)                                                      \
	}

static const struct {
	const char *name;
	size_t offset;
} names[] = {
	NAMED(cudnnGetVersion),
	NAMED(cudnnGetLastErrorString),
	NAMED(cudnnCreate),
	NAMED(cudnnDestroy),
	NAMED(cudnnSetStream),
	NAMED(cudnnBackendCreateDescriptor),
	NAMED(cudnnBackendDestroyDescriptor),
	NAMED(cudnnBackendSetAttribute),
	NAMED(cudnnBackendGetAttribute),
	NAMED(cudnnBackendFinalize),
	NAMED(cudnnBackendExecute),
};

static int resolve(struct cuda_dnn *d, const char **brief, struct lsb_error *err)
{
	size_t version;

	*brief = "no libcudnn.so.9";
	d->so = dlopen("libcudnn.so.9", RTLD_NOW | RTLD_LOCAL);
	if (!d->so)
		return lsb_fail(err, LSB_EUNAVAIL, 0,
				"cuDNN attention cannot be used: %s; install cuDNN 9, put its folder on "
				"LD_LIBRARY_PATH, or set backend.attention = own",
				dlerror());
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		void *call = dlsym(d->so, names[i].name);

		if (!call)
			return lsb_fail(
				err, LSB_EUNAVAIL, 0,
				"cuDNN attention cannot be used: libcudnn.so.9 lacks %s; update cuDNN, or "
				"set backend.attention = own",
				names[i].name);
		memcpy((char *)&d->call + names[i].offset, &call, sizeof(call));
	}
	version = d->call.cudnnGetVersion();
	*brief = "cuDNN is too old";
	if (version < LEAST_VERSION)
		return lsb_fail(
			err, LSB_EUNAVAIL, 0,
			"cuDNN attention cannot be used: libcudnn.so.9 is version %zu.%zu, %d.%d is the "
			"least that works; update cuDNN, or set backend.attention = own",
			version / 10000, version / 100 % 100, LEAST_VERSION / 10000,
			LEAST_VERSION / 100 % 100);
	return LSB_OK;
}

/* --- open and close -------------------------------------------------------------------- */

static int make_plans(struct cuda_dnn *d, int64_t *workspace_bytes, struct lsb_error *err)
{
	const struct cuda_dnn_shape *s = &d->shape;

	*workspace_bytes = 1;
	for (int out = 0; out < OUTS; out++)
		for (uint32_t i = 0; i < PLAN_SIZES; i++) {
			char why[WHY_MAX] = "";
			int64_t bytes = 0;

			if (!(s->outs & 1 << out) || (i > 0 && 1u << (i - 1) >= s->runs))
				continue;
			if (dnn_plan_make(&d->call, d->handle, s, 1u << i, (enum cuda_elem)out,
					  &d->plan[out][i], &bytes, why, sizeof(why)))
				return lsb_fail(err, LSB_EUNAVAIL, 0,
						"cuDNN attention cannot be used: %u heads of %u over %u, %u "
						"positions: %s; set backend.attention = own",
						s->heads, s->head_dim, s->kv_heads, s->context, why);
			*workspace_bytes = bytes > *workspace_bytes ? bytes : *workspace_bytes;
		}
	return LSB_OK;
}

/* Offsets of rows are 32 bits. */
static int check_sizes(const struct cuda_dnn_shape *s, struct lsb_error *err)
{
	const uint64_t q = (uint64_t)s->heads * s->head_dim, widest = q > s->ld_out ? q : s->ld_out;

	if (s->head_dim % 8 == 0 && s->elem != CUDA_F32 && widest * s->tokens <= INT32_MAX)
		return LSB_OK;
	return lsb_fail(
		err, LSB_EUNAVAIL, 0,
		"cuDNN attention cannot be used: steps of %u tokens, heads of %u: it takes heads in steps of "
		"8, and 2^31 elements a step; set backend.attention = own",
		s->tokens, s->head_dim);
}

int cuda_dnn_open(const struct lsb_host *host, const struct cuda_dnn_shape *shape, cudaStream_t stream,
		  struct cuda_dnn **out, const char **brief, struct lsb_error *err)
{
	struct cuda_dnn *d = host->alloc(host->context, sizeof(*d), 64);
	int64_t bytes;
	int rc;

	if (!d)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the table of cuDNN");
	d->host = host;
	d->shape = *shape;
	d->scale = 1.0f / sqrtf((float)shape->head_dim);
	d->lowest = -INFINITY;
	*brief = "cuDNN refuses the shape";
	rc = check_sizes(shape, err);
	if (!rc)
		rc = resolve(d, brief, err);
	if (!rc) {
		*brief = "cuDNN refuses the shape";
		if (d->call.cudnnCreate(&d->handle) || d->call.cudnnSetStream(d->handle, stream))
			rc = lsb_fail(err, LSB_EUNAVAIL, 0,
				      "cuDNN attention cannot be used: cudnnCreate failed; set "
				      "backend.attention = own");
	}
	if (!rc)
		rc = make_plans(d, &bytes, err);
	if (!rc && cudaMalloc(&d->workspace, (size_t)bytes))
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no device memory for cuDNN's work: %lld bytes",
			      (long long)bytes);
	if (!rc && cudaMemset(d->workspace, 0, (size_t)bytes))
		rc = lsb_fail(err, LSB_EDEVICE, 0, "cuDNN's work space cannot be cleared");
	if (rc) {
		cuda_dnn_close(d);
		return rc;
	}
	*out = d;
	return LSB_OK;
}

void cuda_dnn_close(struct cuda_dnn *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < OUTS * PLAN_SIZES; i++)
		if (d->plan[i / PLAN_SIZES][i % PLAN_SIZES])
			d->call.cudnnBackendDestroyDescriptor(d->plan[i / PLAN_SIZES][i % PLAN_SIZES]);
	if (d->handle)
		d->call.cudnnDestroy(d->handle);
	cudaFree(d->workspace);
	d->host->free(d->host->context, d); /* the library stays open: it has threads of its own */
}

size_t cuda_dnn_version(const struct cuda_dnn *d)
{
	return d->call.cudnnGetVersion();
}

/* --- a step ---------------------------------------------------------------------------------- */

/* Which memory is which tensor's. */
static int pack(struct cuda_dnn *d, const struct cuda_dnn_step *s, void **out)
{
	const struct {
		int64_t name;
		const void *at;
	} memory[] = { { DNN_Q, s->q },
		       { DNN_K, s->keys },
		       { DNN_V, s->values },
		       { DNN_OUT, s->out },
		       { DNN_QUERIES, s->runs->queries },
		       { DNN_POSITIONS, s->runs->positions },
		       { DNN_SLOT, s->runs->slot },
		       { DNN_Q_AT, s->runs->q_at },
		       { DNN_OUT_AT, s->runs->out_at },
		       { DNN_SCALE, &d->scale },
		       { DNN_PADDED, &d->lowest },
		       { DNN_AHEAD, &d->lowest } };
	enum { N = sizeof(memory) / sizeof(memory[0]) };
	int64_t name[N];
	const void *at[N];
	int rc = d->call.cudnnBackendCreateDescriptor(DNN_VARIANT_PACK, out);

	for (size_t i = 0; i < N; i++) {
		name[i] = memory[i].name;
		at[i] = memory[i].at;
	}
	if (!rc)
		rc = d->call.cudnnBackendSetAttribute(*out, DNN_ATTR_VARIANT_PACK_UNIQUE_IDS, DNN_TYPE_INT64,
						      N, name);
	if (!rc)
		rc = d->call.cudnnBackendSetAttribute(*out, DNN_ATTR_VARIANT_PACK_DATA_POINTERS,
						      DNN_TYPE_VOID_PTR, N, at);
	if (!rc)
		rc = d->call.cudnnBackendSetAttribute(*out, DNN_ATTR_VARIANT_PACK_WORKSPACE,
						      DNN_TYPE_VOID_PTR, 1, &d->workspace);
	return rc ? rc : d->call.cudnnBackendFinalize(*out);
}

int cuda_dnn_attend(struct cuda_dnn *d, const struct cuda_dnn_step *s, struct lsb_error *err)
{
	char said[256] = "";
	void *given = NULL;
	uint32_t size = 0;
	int rc;

	while (1u << size < s->n_runs)
		size++;
	rc = pack(d, s, &given);
	if (!rc)
		rc = d->call.cudnnBackendExecute(d->handle, d->plan[s->out_elem][size], given);
	if (rc)
		d->call.cudnnGetLastErrorString(said, sizeof(said) - 1);
	if (given)
		d->call.cudnnBackendDestroyDescriptor(given);
	if (rc)
		return lsb_fail(
			err, LSB_EDEVICE, rc,
			"cuDNN cannot attend to %u prompts (status %d, %s); set backend.attention = own",
			s->n_runs, rc, said);
	return LSB_OK;
}
