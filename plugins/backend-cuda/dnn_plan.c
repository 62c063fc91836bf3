/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention in the operations from which cuDNN's fused engines recognise it: scores are
 * q times the transposed keys, scaled; what lies beyond a run's queries or positions, and
 * what is ahead of a query, is minus infinity; softmax; times the values. Lengths are
 * tensors, both of the masks and of the matrix products ("override"), which then leave
 * out what is beyond them. Queries are the last positions of their run, so row r sees
 * columns up to r + positions - queries.
 *
 * Softmax goes with its statistics (the logarithm of its sum, plus the maximum), which
 * nobody reads: without those the engines do not know the graph.
 */
#include "dnn_plan.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { DIMS = 4, MADE_MOST = 160, OPERATIONS_MOST = 32, CONFIGURATIONS_MOST = 8 };

/* What lies between operations: nowhere in memory. */
enum inner {
	KEYS = DNN_GIVEN, /* of the runs, transposed */
	VALUES,
	PRODUCT,
	SCALED,
	ROW,
	COLUMN,
	ROW_INSIDE,
	COLUMN_INSIDE,
	INSIDE,
	SCORE,
	QUERY,
	POSITION,
	BEHIND_ALL,
	LAST_SEEN,
	SEEN,
	MASKED,
	MOST,
	LESS,
	POWER,
	SUM,
	LOGARITHM,
	STATISTICS,
	SHARE,
	TENSORS,
};

struct making {
	const struct dnn_calls *call;
	const struct cuda_dnn_shape *shape;
	void *handle;
	int64_t runs;
	void *made[MADE_MOST]; /* all descriptors, to be dropped */
	uint32_t n_made;
	void *tensor[TENSORS];
	void *operation[OPERATIONS_MOST];
	uint32_t n_operations;
	int status; /* of the first call that failed; then nothing more is called */
	char *why;
	size_t room;
};

/* --- descriptors ------------------------------------------------------------------ */

static void note(struct making *m, int status, const char *what)
{
	char said[256] = "";

	if (m->status || !status)
		return;
	m->status = status;
	m->call->cudnnGetLastErrorString(said, sizeof(said) - 1);
	snprintf(m->why, m->room, "%s: status %d%s%s", what, status, *said ? ", " : "", said);
}

static void *make(struct making *m, int type)
{
	void *d = NULL;

	if (m->status || m->n_made == MADE_MOST)
		return NULL;
	note(m, m->call->cudnnBackendCreateDescriptor(type, &d), "a descriptor cannot be made");
	if (d)
		m->made[m->n_made++] = d;
	return d;
}

static void set(struct making *m, void *d, int name, int type, int64_t n, const void *values)
{
	if (!m->status)
		note(m, m->call->cudnnBackendSetAttribute(d, name, type, n, values),
		     "an attribute is refused");
}

static void set_descriptor(struct making *m, void *d, int name, void *value)
{
	set(m, d, name, DNN_TYPE_DESCRIPTOR, 1, &value);
}

static void finish(struct making *m, void *d, const char *what)
{
	if (!m->status)
		note(m, m->call->cudnnBackendFinalize(d), what);
}

/* --- tensors ------------------------------------------------------------------------- */

static void tensor(struct making *m, int id, int type, const int64_t dims[DIMS], const int64_t strides[DIMS],
		   int ragged_by)
{
	const int64_t name = id, alignment = 16;
	const bool yes = true, inner = id >= DNN_GIVEN,
		   by_value = id == DNN_SCALE || id == DNN_PADDED || id == DNN_AHEAD;
	void *t = make(m, DNN_TENSOR);

	set(m, t, DNN_ATTR_TENSOR_DATA_TYPE, DNN_TYPE_DATA_TYPE, 1, &type);
	set(m, t, DNN_ATTR_TENSOR_DIMENSIONS, DNN_TYPE_INT64, DIMS, dims);
	set(m, t, DNN_ATTR_TENSOR_STRIDES, DNN_TYPE_INT64, DIMS, strides);
	set(m, t, DNN_ATTR_TENSOR_UNIQUE_ID, DNN_TYPE_INT64, 1, &name);
	set(m, t, DNN_ATTR_TENSOR_BYTE_ALIGNMENT, DNN_TYPE_INT64, 1, &alignment);
	if (inner)
		set(m, t, DNN_ATTR_TENSOR_IS_VIRTUAL, DNN_TYPE_BOOLEAN, 1, &yes);
	if (by_value)
		set(m, t, DNN_ATTR_TENSOR_IS_BY_VALUE, DNN_TYPE_BOOLEAN, 1, &yes);
	if (ragged_by)
		set_descriptor(m, t, DNN_ATTR_TENSOR_RAGGED_OFFSET, m->tensor[ragged_by]);
	finish(m, t, "a tensor is refused");
	m->tensor[id] = t;
}

static int type_of(enum cuda_elem elem)
{
	return elem == CUDA_BF16 ? DNN_BFLOAT16 : DNN_HALF;
}

/* One number, or one for each run and `more`. */
static void numbers(struct making *m, int id, int type, int64_t n)
{
	tensor(m, id, type, (int64_t[DIMS]){ n, 1, 1, 1 }, (int64_t[DIMS]){ 1, 1, 1, 1 }, 0);
}

/* Positions of a page: it has to be a power of two, so it overlaps the next one; lengths say where to stop.
 */
static int64_t page_of(const struct cuda_dnn_shape *s)
{
	int64_t page = 1;

	while (page < s->context)
		page *= 2;
	return page;
}

static void given(struct making *m, enum cuda_elem out)
{
	const struct cuda_dnn_shape *s = m->shape;
	const int64_t h = s->heads, k = s->kv_heads, d = s->head_dim, c = s->context, ld = s->ld_out;
	const int64_t rows[DIMS] = { m->runs, h, s->tokens, d };
	const int64_t cache[DIMS] = { s->slots, k, page_of(s), d };
	const int64_t cache_strides[DIMS] = { k * c * d, c * d, d, 1 };
	const int type = type_of(s->elem);

	numbers(m, DNN_QUERIES, DNN_INT32, m->runs);
	numbers(m, DNN_POSITIONS, DNN_INT32, m->runs);
	numbers(m, DNN_SLOT, DNN_INT32, m->runs);
	numbers(m, DNN_Q_AT, DNN_INT32, m->runs + 1);
	numbers(m, DNN_OUT_AT, DNN_INT32, m->runs + 1);
	numbers(m, DNN_SCALE, DNN_FLOAT, 1);
	numbers(m, DNN_PADDED, DNN_FLOAT, 1);
	numbers(m, DNN_AHEAD, DNN_FLOAT, 1);
	tensor(m, DNN_Q, type, rows, (int64_t[DIMS]){ s->tokens * h * d, d, h * d, 1 }, DNN_Q_AT);
	tensor(m, DNN_OUT, type_of(out), rows, (int64_t[DIMS]){ s->tokens * ld, d, ld, 1 }, DNN_OUT_AT);
	tensor(m, DNN_K, type, cache, cache_strides, 0);
	tensor(m, DNN_V, type, cache, cache_strides, 0);
	tensor(m, KEYS, type, (int64_t[DIMS]){ m->runs, k, d, c }, (int64_t[DIMS]){ k * c * d, c * d, 1, d },
	       0);
	tensor(m, VALUES, type, (int64_t[DIMS]){ m->runs, k, c, d }, cache_strides, 0);
}

/* One element for each query and position. */
static int each(struct making *m, int id, int type)
{
	const int64_t h = m->shape->heads, n = m->shape->tokens, c = m->shape->context;

	tensor(m, id, type, (int64_t[DIMS]){ m->runs, h, n, c }, (int64_t[DIMS]){ h * n * c, n * c, c, 1 },
	       0);
	return id;
}

/* One for each query. */
static int each_row(struct making *m, int id)
{
	const int64_t h = m->shape->heads, n = m->shape->tokens;

	tensor(m, id, DNN_FLOAT, (int64_t[DIMS]){ m->runs, h, n, 1 }, (int64_t[DIMS]){ h * n, n, 1, 1 }, 0);
	return id;
}

/* --- operations ------------------------------------------------------------------------- */

static void operation(struct making *m, void *o)
{
	finish(m, o, "an operation is refused");
	m->operation[m->n_operations++] = o;
}

/* y = x `mode` b, or b where t is false, in `precision`; b, t 0: there is none. */
static void pointwise(struct making *m, int mode, int x, int b, int t, int y, int precision, int64_t axis)
{
	void *p = make(m, DNN_POINTWISE), *o;

	set(m, p, DNN_ATTR_POINTWISE_MODE, DNN_TYPE_POINTWISE_MODE, 1, &mode);
	set(m, p, DNN_ATTR_POINTWISE_MATH_PREC, DNN_TYPE_DATA_TYPE, 1, &precision);
	if (mode == DNN_GEN_INDEX)
		set(m, p, DNN_ATTR_POINTWISE_AXIS, DNN_TYPE_INT64, 1, &axis);
	finish(m, p, "an operation is refused");
	o = make(m, DNN_OPERATION_POINTWISE);
	set_descriptor(m, o, DNN_ATTR_OPERATION_POINTWISE_DESC, p);
	set_descriptor(m, o, DNN_ATTR_OPERATION_POINTWISE_X, m->tensor[x]);
	if (b)
		set_descriptor(m, o, DNN_ATTR_OPERATION_POINTWISE_B, m->tensor[b]);
	if (t)
		set_descriptor(m, o, DNN_ATTR_OPERATION_POINTWISE_T, m->tensor[t]);
	set_descriptor(m, o, DNN_ATTR_OPERATION_POINTWISE_Y, m->tensor[y]);
	operation(m, o);
}

static void index_of(struct making *m, int x, int y, int precision, int64_t axis)
{
	pointwise(m, DNN_GEN_INDEX, x, 0, 0, y, precision, axis);
}

/* c = a b, of which only `rows` rows, `columns` columns and `inner` terms count; 0: all. */
static void multiply(struct making *m, int a, int b, int c, int rows, int columns, int inner)
{
	const int precision = DNN_FLOAT;
	void *p = make(m, DNN_MATMUL), *o;

	set(m, p, DNN_ATTR_MATMUL_COMP_TYPE, DNN_TYPE_DATA_TYPE, 1, &precision);
	finish(m, p, "an operation is refused");
	o = make(m, DNN_OPERATION_MATMUL);
	set_descriptor(m, o, DNN_ATTR_OPERATION_MATMUL_DESC, p);
	set_descriptor(m, o, DNN_ATTR_OPERATION_MATMUL_A, m->tensor[a]);
	set_descriptor(m, o, DNN_ATTR_OPERATION_MATMUL_B, m->tensor[b]);
	set_descriptor(m, o, DNN_ATTR_OPERATION_MATMUL_C, m->tensor[c]);
	if (rows)
		set_descriptor(m, o, DNN_ATTR_OPERATION_MATMUL_M_OVERRIDE, m->tensor[rows]);
	if (columns)
		set_descriptor(m, o, DNN_ATTR_OPERATION_MATMUL_N_OVERRIDE, m->tensor[columns]);
	if (inner)
		set_descriptor(m, o, DNN_ATTR_OPERATION_MATMUL_K_OVERRIDE, m->tensor[inner]);
	operation(m, o);
}

static void reduce(struct making *m, int operator, int x, int y)
{
	const int precision = DNN_FLOAT;
	void *p = make(m, DNN_REDUCTION), *o;

	set(m, p, DNN_ATTR_REDUCTION_COMP_TYPE, DNN_TYPE_DATA_TYPE, 1, &precision);
	set(m, p, DNN_ATTR_REDUCTION_OPERATOR, DNN_TYPE_REDUCTION_OPERATOR, 1, &operator);
	finish(m, p, "an operation is refused");
	o = make(m, DNN_OPERATION_REDUCTION);
	set_descriptor(m, o, DNN_ATTR_OPERATION_REDUCTION_DESC, p);
	set_descriptor(m, o, DNN_ATTR_OPERATION_REDUCTION_X, m->tensor[x]);
	set_descriptor(m, o, DNN_ATTR_OPERATION_REDUCTION_Y, m->tensor[y]);
	operation(m, o);
}

/* y = the pages of the cache that DNN_SLOT names, one a run. */
static void pages(struct making *m, int cache, int y)
{
	void *o = make(m, DNN_OPERATION_PAGED_CACHE_LOAD);

	set_descriptor(m, o, DNN_ATTR_OPERATION_PAGED_CACHE_LOAD_CONTAINER, m->tensor[cache]);
	set_descriptor(m, o, DNN_ATTR_OPERATION_PAGED_CACHE_LOAD_Y, m->tensor[y]);
	set_descriptor(m, o, DNN_ATTR_OPERATION_PAGED_CACHE_LOAD_SEQUENCE, m->tensor[DNN_POSITIONS]);
	set_descriptor(m, o, DNN_ATTR_OPERATION_PAGED_CACHE_LOAD_PAGE_TABLE, m->tensor[DNN_SLOT]);
	operation(m, o);
}

/* SCALED with minus infinity beyond each run's queries and positions, then ahead of each query. */
static void mask(struct making *m)
{
	index_of(m, SCALED, each(m, ROW, DNN_INT32), DNN_INT32, 2);
	index_of(m, SCALED, each(m, COLUMN, DNN_INT32), DNN_INT32, 3);
	pointwise(m, DNN_CMP_LT, ROW, DNN_QUERIES, 0, each(m, ROW_INSIDE, DNN_BOOLEAN), DNN_BOOLEAN, 0);
	pointwise(m, DNN_CMP_LT, COLUMN, DNN_POSITIONS, 0, each(m, COLUMN_INSIDE, DNN_BOOLEAN), DNN_BOOLEAN,
		  0);
	pointwise(m, DNN_LOGICAL_AND, ROW_INSIDE, COLUMN_INSIDE, 0, each(m, INSIDE, DNN_BOOLEAN), DNN_BOOLEAN,
		  0);
	pointwise(m, DNN_BINARY_SELECT, SCALED, DNN_PADDED, INSIDE, each(m, SCORE, DNN_FLOAT), DNN_FLOAT, 0);
	index_of(m, SCORE, each(m, QUERY, DNN_INT32), DNN_FLOAT, 2);
	index_of(m, SCORE, each(m, POSITION, DNN_INT32), DNN_FLOAT, 3);
	pointwise(m, DNN_ADD, QUERY, DNN_POSITIONS, 0, each(m, BEHIND_ALL, DNN_INT32), DNN_INT32, 0);
	pointwise(m, DNN_SUB, BEHIND_ALL, DNN_QUERIES, 0, each(m, LAST_SEEN, DNN_INT32), DNN_INT32, 0);
	pointwise(m, DNN_CMP_GE, LAST_SEEN, POSITION, 0, each(m, SEEN, DNN_BOOLEAN), DNN_BOOLEAN, 0);
	pointwise(m, DNN_BINARY_SELECT, SCORE, DNN_AHEAD, SEEN, each(m, MASKED, DNN_FLOAT), DNN_FLOAT, 0);
}

/* MASKED as shares of one, row by row. */
static void softmax(struct making *m)
{
	reduce(m, DNN_REDUCE_MAX, MASKED, each_row(m, MOST));
	pointwise(m, DNN_SUB, MASKED, MOST, 0, each(m, LESS, DNN_FLOAT), DNN_FLOAT, 0);
	pointwise(m, DNN_EXP, LESS, 0, 0, each(m, POWER, DNN_FLOAT), DNN_FLOAT, 0);
	reduce(m, DNN_REDUCE_ADD, POWER, each_row(m, SUM));
	pointwise(m, DNN_LOG, SUM, 0, 0, each_row(m, LOGARITHM), DNN_FLOAT, 0);
	pointwise(m, DNN_ADD, MOST, LOGARITHM, 0, each_row(m, STATISTICS), DNN_FLOAT, 0);
	pointwise(m, DNN_DIV, POWER, SUM, 0, each(m, SHARE, type_of(m->shape->elem)), DNN_FLOAT, 0);
}

static void *graph(struct making *m, enum cuda_elem out)
{
	void *g;

	given(m, out);
	pages(m, DNN_K, KEYS);
	multiply(m, DNN_Q, KEYS, each(m, PRODUCT, DNN_FLOAT), DNN_QUERIES, DNN_POSITIONS, 0);
	pointwise(m, DNN_MUL, PRODUCT, DNN_SCALE, 0, each(m, SCALED, DNN_FLOAT), DNN_FLOAT, 0);
	mask(m);
	softmax(m);
	pages(m, DNN_V, VALUES);
	multiply(m, SHARE, VALUES, DNN_OUT, DNN_QUERIES, 0, DNN_POSITIONS);
	g = make(m, DNN_OPERATIONGRAPH);
	set(m, g, DNN_ATTR_OPERATIONGRAPH_HANDLE, DNN_TYPE_HANDLE, 1, &m->handle);
	set(m, g, DNN_ATTR_OPERATIONGRAPH_OPS, DNN_TYPE_DESCRIPTOR, m->n_operations, m->operation);
	finish(m, g, "the graph is refused");
	return g;
}

/* --- a plan ---------------------------------------------------------------------------------- */

/* The first engine that the library proposes and can make a plan of, by its heuristics of this mode. */
static void *plan_by(struct making *m, void *g, int mode)
{
	void *heuristics = make(m, DNN_ENGINEHEUR), *proposed[CONFIGURATIONS_MOST], *plan = NULL;
	int64_t n = 0;

	set(m, heuristics, DNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, DNN_TYPE_DESCRIPTOR, 1, &g);
	set(m, heuristics, DNN_ATTR_ENGINEHEUR_MODE, DNN_TYPE_HEUR_MODE, 1, &mode);
	finish(m, heuristics, "no engine can be asked for");
	for (size_t i = 0; i < CONFIGURATIONS_MOST; i++)
		proposed[i] = make(m, DNN_ENGINECFG);
	if (!m->status)
		note(m,
		     m->call->cudnnBackendGetAttribute(heuristics, DNN_ATTR_ENGINEHEUR_RESULTS,
						       DNN_TYPE_DESCRIPTOR, CONFIGURATIONS_MOST, &n,
						       proposed),
		     "no engine is proposed");
	for (int64_t i = 0; i < n && !plan && !m->status; i++) {
		void *p = make(m, DNN_EXECUTION_PLAN);

		set(m, p, DNN_ATTR_EXECUTION_PLAN_HANDLE, DNN_TYPE_HANDLE, 1, &m->handle);
		set(m, p, DNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, DNN_TYPE_DESCRIPTOR, 1, &proposed[i]);
		if (!m->status && m->call->cudnnBackendFinalize(p) == 0)
			plan = p;
	}
	return plan;
}

int dnn_plan_make(const struct dnn_calls *call, void *handle, const struct cuda_dnn_shape *shape,
		  uint32_t runs, enum cuda_elem out, void **plan, int64_t *workspace_bytes, char *why,
		  size_t room)
{
	static const int modes[] = { DNN_HEUR_A, DNN_HEUR_FALLBACK };
	enum { NO_ENGINE = 3000 /* CUDNN_STATUS_NOT_SUPPORTED */ };
	struct making m = {
		.call = call, .shape = shape, .handle = handle, .runs = runs, .why = why, .room = room
	};
	void *g = graph(&m, out), *found = NULL;
	int64_t n;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]) && !found && !m.status; i++)
		found = plan_by(&m, g, modes[i]);
	if (!found)
		note(&m, NO_ENGINE, "no engine takes it");
	if (!m.status)
		note(&m,
		     call->cudnnBackendGetAttribute(found, DNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
						    DNN_TYPE_INT64, 1, &n, workspace_bytes),
		     "the plan's work space is not told");
	while (m.n_made > 0)
		if (m.made[--m.n_made] != found || m.status)
			call->cudnnBackendDestroyDescriptor(m.made[m.n_made]);
	*plan = m.status ? NULL : found;
	return m.status;
}
