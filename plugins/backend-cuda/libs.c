/* SPDX-License-Identifier: Apache-2.0 */
#include "libs.h"

#include <cublasLt.h>
#include <dlfcn.h>
#include <string.h>

enum {
	WORKSPACE_BYTES = 64 << 20,
	PLANS = 256,
	TOKENS_APART = 32, /* at the least, of two numbers of tokens that are planned for */
	APART_SHARE = 16,  /* and at the most this part of them */
};

/* What is used of the library, by its own names. */
#define CALLS(X)                                                                                             \
	X(cublasLtCreate)                                                                                    \
	X(cublasLtDestroy)                                                                                   \
	X(cublasLtGetVersion)                                                                                \
	X(cublasLtMatmul)                                                                                    \
	X(cublasLtMatmulAlgoGetHeuristic)                                                                    \
	X(cublasLtMatmulDescCreate)                                                                          \
	X(cublasLtMatmulDescDestroy)                                                                         \
	X(cublasLtMatmulDescSetAttribute)                                                                    \
	X(cublasLtMatmulPreferenceCreate)                                                                    \
	X(cublasLtMatmulPreferenceDestroy)                                                                   \
	X(cublasLtMatmulPreferenceSetAttribute)                                                              \
	X(cublasLtMatrixLayoutCreate)                                                                        \
	X(cublasLtMatrixLayoutDestroy)

#define DECLARE(name) __typeof__(name) *name;
#define RESOLVE(name) { #name, offsetof(struct calls, name) },

struct calls {
	CALLS(DECLARE)
};

static const struct {
	const char *name;
	size_t offset;
} names[] = { CALLS(RESOLVE) };

/* An algorithm chosen for a shape. */
struct plan {
	uint32_t rows, k, n, ldx, ldc;
	enum cuda_elem elem;
	cublasLtMatmulDesc_t product;
	cublasLtMatrixLayout_t w, x, c;
	cublasLtMatmulAlgo_t algorithm;
};

struct cuda_lt {
	const struct lsb_host *host;
	void *so;
	struct calls call;
	cublasLtHandle_t handle;
	void *workspace;
	struct plan plans[PLANS]; /* the oldest makes room */
	uint32_t n_plans, oldest;
};

static int resolve(struct cuda_lt *lt, struct lsb_error *err)
{
	static const char *const files[] = { "libcublasLt.so.13", "libcublasLt.so.12" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && !lt->so; i++)
		lt->so = dlopen(files[i], RTLD_NOW | RTLD_LOCAL);
	if (!lt->so)
		return lsb_fail(
			err, LSB_EUNAVAIL, 0,
			"libcublas not found: neither libcublasLt.so.13 nor .12 can be opened; install "
			"cuBLAS, put it on LD_LIBRARY_PATH, or set backend.invariant = yes, which does "
			"without");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		void *call = dlsym(lt->so, names[i].name);

		if (!call)
			return lsb_fail(err, LSB_EUNAVAIL, 0, "libcublas not found: the one here lacks %s",
					names[i].name);
		memcpy((char *)&lt->call + names[i].offset, &call, sizeof(call));
	}
	return LSB_OK;
}

int cuda_lt_open(const struct lsb_host *host, struct cuda_lt **out, struct lsb_error *err)
{
	struct cuda_lt *lt = host->alloc(host->context, sizeof(*lt), 64);
	int rc;

	if (!lt)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the table of cuBLASLt");
	lt->host = host;
	rc = resolve(lt, err);
	if (!rc && lt->call.cublasLtCreate(&lt->handle))
		rc = lsb_fail(err, LSB_EDEVICE, 0, "cublasLtCreate failed");
	if (!rc && cudaMalloc(&lt->workspace, WORKSPACE_BYTES))
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no device memory for cuBLASLt's work: %d MiB",
			      WORKSPACE_BYTES >> 20);
	if (rc) {
		cuda_lt_close(lt);
		return rc;
	}
	*out = lt;
	return LSB_OK;
}

static void plan_free(struct cuda_lt *lt, struct plan *p)
{
	if (p->product)
		lt->call.cublasLtMatmulDescDestroy(p->product);
	if (p->w)
		lt->call.cublasLtMatrixLayoutDestroy(p->w);
	if (p->x)
		lt->call.cublasLtMatrixLayoutDestroy(p->x);
	if (p->c)
		lt->call.cublasLtMatrixLayoutDestroy(p->c);
	*p = (struct plan){ 0 };
}

void cuda_lt_close(struct cuda_lt *lt)
{
	if (!lt)
		return;
	for (uint32_t i = 0; i < lt->n_plans; i++)
		plan_free(lt, &lt->plans[i]);
	if (lt->handle)
		lt->call.cublasLtDestroy(lt->handle);
	cudaFree(lt->workspace);
	lt->host->free(lt->host->context, lt); /* the library stays open: it has threads of its own */
}

size_t cuda_lt_version(const struct cuda_lt *lt)
{
	return lt->call.cublasLtGetVersion();
}

/* The library counts columns: c^T [rows x n] = w^T^T [rows x k] times x^T [k x n]. */
static int plan_make(struct cuda_lt *lt, struct plan *p)
{
	const cudaDataType_t type = p->elem == CUDA_BF16 ? CUDA_R_16BF : CUDA_R_16F;
	const cublasOperation_t transposed = CUBLAS_OP_T;
	const uint64_t room = WORKSPACE_BYTES;
	cublasLtMatmulPreference_t preference = NULL;
	cublasLtMatmulHeuristicResult_t found = { 0 };
	int n = 0;
	cublasStatus_t rc = lt->call.cublasLtMatmulDescCreate(&p->product, CUBLAS_COMPUTE_32F, CUDA_R_32F);

	if (!rc)
		rc = lt->call.cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_TRANSA,
							     &transposed, sizeof(transposed));
	if (!rc)
		rc = lt->call.cublasLtMatrixLayoutCreate(&p->w, type, p->k, p->rows, p->k);
	if (!rc)
		rc = lt->call.cublasLtMatrixLayoutCreate(&p->x, type, p->k, p->n, p->ldx);
	if (!rc)
		rc = lt->call.cublasLtMatrixLayoutCreate(&p->c, CUDA_R_32F, p->rows, p->n, p->ldc);
	if (!rc)
		rc = lt->call.cublasLtMatmulPreferenceCreate(&preference);
	if (!rc)
		rc = lt->call.cublasLtMatmulPreferenceSetAttribute(
			preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room, sizeof(room));
	if (!rc)
		rc = lt->call.cublasLtMatmulAlgoGetHeuristic(lt->handle, p->product, p->w, p->x, p->c, p->c,
							     preference, 1, &found, &n);
	if (preference)
		lt->call.cublasLtMatmulPreferenceDestroy(preference);
	if (!rc && n == 0)
		rc = CUBLAS_STATUS_NOT_SUPPORTED;
	p->algorithm = found.algo;
	return rc;
}

static int plan_for(struct cuda_lt *lt, const struct cuda_lt_product *q, struct plan **out)
{
	struct plan *p;
	int rc;

	for (uint32_t i = 0; i < lt->n_plans; i++) {
		p = &lt->plans[i];
		if (p->rows == q->rows && p->k == q->k && p->n == q->n && p->ldx == q->ldx &&
		    p->ldc == q->ldc && p->elem == q->elem) {
			*out = p;
			return 0;
		}
	}
	if (lt->n_plans < PLANS) {
		p = &lt->plans[lt->n_plans++];
	} else {
		p = &lt->plans[lt->oldest];
		lt->oldest = (lt->oldest + 1) % PLANS;
		plan_free(lt, p);
	}
	*p = (struct plan){
		.rows = q->rows, .k = q->k, .n = q->n, .ldx = q->ldx, .ldc = q->ldc, .elem = q->elem
	};
	rc = plan_make(lt, p);
	if (rc) {
		plan_free(lt, p);
		return rc;
	}
	*out = p;
	return 0;
}

uint32_t cuda_lt_tokens(uint32_t n)
{
	uint32_t apart = TOKENS_APART;

	while (apart * APART_SHARE <= n)
		apart *= 2;
	return (n + apart - 1) / apart * apart;
}

int cuda_lt_multiply(struct cuda_lt *lt, const struct cuda_lt_product *q, cudaStream_t stream,
		     struct lsb_error *err)
{
	const float one = 1.0f, beta = q->add ? 1.0f : 0.0f;
	struct plan *p = NULL;
	int rc = plan_for(lt, q, &p);

	if (!rc)
		rc = lt->call.cublasLtMatmul(lt->handle, p->product, &one, q->w, p->w, q->x, p->x, &beta,
					     q->c, p->c, q->c, p->c, &p->algorithm, lt->workspace,
					     WORKSPACE_BYTES, stream);
	if (rc)
		return lsb_fail(err, LSB_EDEVICE, rc,
				"cuBLASLt cannot multiply %u x %u by %u tokens (status %d)", q->rows, q->k,
				q->n, rc);
	return LSB_OK;
}
