/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a layer and the head take on this machine, so that layers can be dealt to
 * stages by time.
 *
 * Opens the backend as the last stage of a pipeline and lets it step as a run
 * would: prompts in chunks, then decode steps of a batch, of which every other one
 * wants no output. What outputs take is the head's; the rest, over the layers, is
 * a layer's. As many copies of this process as the run has ranks here do the same
 * at the same time, since ranks of one machine share its memory, and each takes the
 * device that the run's rank would take. Medians, since other programs come in
 * between. Hidden states are zeros: no kernel's time depends on them.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "plugin/parts.h"

enum {
	STEPS_MAX = 64,	 /* whose times are kept, of each kind */
	CHUNKS_MIN = 3,	 /* of prompts, whatever they take; one more comes first and is not counted */
	DECODES_MIN = 5, /* with and without output each; the first of both are not counted */
	COUNT_MAX = 1 << 20,
};
#define BUDGET_NS 300000000u	/* of all chunks, and of all decode steps */
#define MEETING_NS 20000000000u /* that others may take longer to open the model */

/* Times of one kind of step. */
struct times {
	double seconds[STEPS_MAX];
	size_t n;
};

struct costs {
	const struct lsb_asker *to;
	const json_t *request;
	struct lsb_loaded *l;
	struct lsb_backend *b;
	struct lsb_place place; /* these three live as long as `b` */
	char *model;
	uint32_t *cpus;
	uint32_t rank, ranks;
	atomic_uint *arrived; /* ranks that are ready to step, or never will be; shared by all */
	struct lsb_buf in;
	uint32_t chunk, batch, positions;
	uint32_t *next; /* [batch] where each slot stands */
	struct lsb_token *tokens;
	struct lsb_sampling *sampling;
	int32_t *ids;
	struct times chunks, silent, speaking; /* decode steps without output, and with */
};

/* --- opening ----------------------------------------------------------------------------- */

/* A count of the request, from 1 on; 0: it is none. */
static uint32_t count_of(const struct costs *c, const char *key)
{
	const json_int_t n = json_integer_value(json_object_get(c->request, key));

	return n > 0 && n <= COUNT_MAX ? (uint32_t)n : 0;
}

static int read_request(struct costs *c, struct lsb_error *err)
{
	const json_t *cpus = json_object_get(c->request, "cpus"), *cpu;
	const char *model = json_string_value(json_object_get(c->request, "model"));
	const uint32_t all = count_of(c, "model_layers"), layers = count_of(c, "layers");
	const uint32_t most = c->chunk > c->batch ? c->chunk : c->batch, threads = count_of(c, "threads");
	size_t i;

	if (!model || !layers || layers > all || !c->chunk || !c->batch || !c->positions || !threads ||
	    c->chunk > (uint64_t)c->positions * c->batch ||
	    json_array_size(cpus) != (size_t)c->ranks * threads)
		return lsb_fail(err, LSB_EINVAL, 0, "a request for costs lacks the model or a count");
	c->model = lsb_answer_model_path(json_string_value(json_object_get(c->request, "base")), model);
	c->cpus = calloc(json_array_size(cpus) + 1, sizeof(*c->cpus));
	c->next = calloc(c->batch, sizeof(*c->next));
	c->tokens = calloc(most, sizeof(*c->tokens));
	c->sampling = calloc(c->batch, sizeof(*c->sampling));
	c->ids = calloc(c->batch, sizeof(*c->ids));
	if (!c->model || !c->cpus || !c->next || !c->tokens || !c->sampling || !c->ids)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to time steps");
	json_array_foreach(cpus, i, cpu) c->cpus[i] = (uint32_t)json_integer_value(cpu);
	for (i = 0; i < c->batch; i++)
		c->sampling[i] = (struct lsb_sampling){ .top_p = 1.0f, .request = i };
	c->place = (struct lsb_place){
		.struct_size = sizeof(c->place),
		.model = c->model,
		.rank = (int32_t)c->rank,
		.stage = 1,
		.stages = 2,
		.flags = LSB_PLACE_NO_VOCABULARY,
		.first_layer = all - layers,
		.n_layers = layers,
		.slots = c->batch,
		.context = c->positions + 2 * STEPS_MAX,
		.max_tokens = most,
		.max_outputs = c->batch,
		.max_tickets = 1,
		.device = -1,
		.threads = threads,
		.n_cpus = threads,
		.cpus = c->cpus + (size_t)c->rank * threads,
		.host_rank = (int32_t)c->rank,
		.host_size = (int32_t)c->ranks,
	};
	return LSB_OK;
}

static int backend_open(struct costs *c, struct lsb_error *err)
{
	const struct lsb_backend_ops *ops = &c->l->ops.backend;
	struct lsb_backend_info info = { .struct_size = sizeof(info) };
	uint32_t mem = 0;
	int rc;

	*err = (struct lsb_error){ 0 };
	lsb_answer_doing(c->to, c->l->path, "open");
	rc = lsb_plugin_result(c->l, "open", ops->open(&c->l->host, c->l->options, &c->place, &c->b, err),
			       err);
	if (rc)
		return rc;
	lsb_answer_doing(c->to, c->l->path, "info");
	rc = lsb_plugin_result(c->l, "info", ops->info(c->b, &info, err), err);
	if (rc)
		return rc;
	while (mem < 31 && !(info.mem_kinds >> mem & 1u))
		mem++;
	lsb_answer_doing(c->to, c->l->path, "buf_alloc");
	return lsb_plugin_result(c->l, "buf_alloc",
				 ops->buf_alloc(c->b, mem,
						(uint64_t)c->place.max_tokens * info.hidden_size *
							(info.hidden_elem == LSB_ELEM_F32 ? 4 : 2),
						&c->in, err),
				 err);
}

static void costs_close(struct costs *c)
{
	if (c->b) {
		lsb_answer_doing(c->to, c->l->path, "close");
		if (c->in.ptr)
			c->l->ops.backend.buf_free(c->b, &c->in);
		c->l->ops.backend.close(c->b);
	}
	lsb_loaded_free(c->l);
	if (c->arrived)
		munmap(c->arrived, sizeof(*c->arrived));
	free(c->model);
	free(c->cpus);
	free(c->next);
	free(c->tokens);
	free(c->sampling);
	free(c->ids);
}

/* --- steps ------------------------------------------------------------------------------- */

/* One step of the first `n` tokens; its time goes to `times`, unless that is NULL. */
static int run_step(struct costs *c, uint32_t n, uint32_t n_outputs, struct times *times,
		    struct lsb_error *err)
{
	const struct lsb_backend_ops *ops = &c->l->ops.backend;
	const struct lsb_batch batch = { .struct_size = sizeof(batch),
					 .n_tokens = n,
					 .n_outputs = n_outputs,
					 .tokens = c->tokens,
					 .sampling = c->sampling };
	const struct lsb_step_io io = { .struct_size = sizeof(io), .in = &c->in, .ids = c->ids };
	const uint64_t t0 = lsb_now_ns();
	uint64_t ticket = 0;
	int rc;

	*err = (struct lsb_error){ 0 };
	rc = lsb_plugin_result(c->l, "submit", ops->submit(c->b, &batch, &io, &ticket, err), err);
	if (rc == LSB_OK)
		rc = lsb_plugin_result(c->l, "wait", ops->wait(c->b, ticket, t0 + 60000000000u, err), err);
	if (rc == LSB_OK && times && times->n < STEPS_MAX)
		times->seconds[times->n++] = (double)(lsb_now_ns() - t0) * 1e-9;
	return rc;
}

static void add_token(struct costs *c, uint32_t *n, uint32_t slot, uint32_t flags)
{
	c->tokens[(*n)++] = (struct lsb_token){ .slot = slot, .position = c->next[slot]++, .flags = flags };
}

/*
 * Prompts of all slots, one after the other; the first chunk of all, and one that is not full, do not count.
 */
static int run_prompts(struct costs *c, uint64_t end_ns, int *warm, struct lsb_error *err)
{
	uint32_t n = 0;
	int rc = LSB_OK;

	for (uint32_t slot = 0; slot < c->batch; slot++) {
		c->l->ops.backend.slot_clear(c->b, slot);
		c->next[slot] = 0;
	}
	for (uint32_t slot = 0; slot < c->batch && rc == LSB_OK; slot++)
		while (c->next[slot] < c->positions && rc == LSB_OK) {
			add_token(c, &n, slot, 0);
			if (n < c->chunk)
				continue;
			rc = run_step(c, n, 0, *warm ? &c->chunks : NULL, err);
			*warm = 1;
			n = 0;
			if (lsb_now_ns() >= end_ns && c->chunks.n >= CHUNKS_MIN)
				return rc;
		}
	return rc == LSB_OK && n ? run_step(c, n, 0, NULL, err) : rc;
}

/* Chunks of prompts: again from the start while there are too few of them. */
static int time_chunks(struct costs *c, struct lsb_error *err)
{
	const uint64_t end_ns = lsb_now_ns() + BUDGET_NS;
	int rc = LSB_OK, warm = 0;

	while (rc == LSB_OK && c->chunks.n < CHUNKS_MIN)
		rc = run_prompts(c, end_ns, &warm, err);
	return rc;
}

/* A token of every slot, in turn without and with output. */
static int time_decodes(struct costs *c, struct lsb_error *err)
{
	const uint64_t end_ns = lsb_now_ns() + BUDGET_NS;
	int rc = LSB_OK;

	for (size_t i = 0; i < STEPS_MAX && rc == LSB_OK; i++) {
		for (int speaks = 0; speaks < 2 && rc == LSB_OK; speaks++) {
			struct times *times = speaks ? &c->speaking : &c->silent;
			const int has_head = speaks && c->rank == 0; /* one stage of a pipeline has it */
			uint32_t n = 0;

			for (uint32_t slot = 0; slot < c->batch; slot++)
				add_token(c, &n, slot, has_head ? LSB_TOKEN_OUTPUT : 0);
			rc = run_step(c, n, has_head ? n : 0, i ? times : NULL, err);
		}
		if (i >= DECODES_MIN && lsb_now_ns() >= end_ns)
			break;
	}
	return rc;
}

/* --- other ranks -------------------------------------------------------------------------- */

/* Copies of this process, one for each further rank, which the parent ends with this one: who am I then? */
static int start_others(struct costs *c, struct lsb_error *err)
{
	c->arrived =
		mmap(NULL, sizeof(*c->arrived), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->arrived == MAP_FAILED) {
		c->arrived = NULL;
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to time steps");
	}
	atomic_init(c->arrived, 0);
	for (uint32_t i = 1; i < c->ranks && c->rank == 0; i++) {
		const pid_t pid = fork();

		if (pid < 0)
			return lsb_fail(err, LSB_EIO, 0, "cannot start a process for rank %u", i);
		if (pid == 0)
			c->rank = i;
	}
	if (c->rank)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return LSB_OK;
}

/* Begin together. Who does not come is not waited for long. */
static void meet(struct costs *c)
{
	const struct timespec pause = { .tv_nsec = 100000 };
	const uint64_t end_ns = lsb_now_ns() + MEETING_NS;

	atomic_fetch_add(c->arrived, 1);
	while (atomic_load(c->arrived) < c->ranks && lsb_now_ns() < end_ns)
		nanosleep(&pause, NULL);
}

/* --- the answer ---------------------------------------------------------------------------- */

static int compare_times(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_of(struct times *t)
{
	qsort(t->seconds, t->n, sizeof(*t->seconds), compare_times);
	return t->n ? (t->seconds[(t->n - 1) / 2] + t->seconds[t->n / 2]) / 2 : 0;
}

static int time_steps(struct costs *c, json_t **reply, struct lsb_error *err)
{
	const double layers = count_of(c, "layers");
	double silent_s, head_s;
	int rc = read_request(c, err);

	if (rc == LSB_OK)
		rc = lsb_answer_configure(c->to, LSB_BACKEND, json_object_get(c->request, "backend"),
					  json_string_value(json_object_get(c->request, "folders")),
					  json_string_value(json_object_get(c->request, "base")), &c->l, err);
	if (rc == LSB_OK)
		rc = lsb_answer_probe(c->to, c->l, err);
	if (rc == LSB_OK)
		rc = backend_open(c, err);
	meet(c);
	if (rc)
		return rc;
	lsb_answer_doing(c->to, c->l->path, "submit and wait");
	rc = time_chunks(c, err);
	if (rc == LSB_OK)
		rc = time_decodes(c, err);
	if (rc)
		return rc;
	silent_s = median_of(&c->silent);
	head_s = median_of(&c->speaking) - silent_s;
	*reply = json_pack("{s:n, s:f, s:f, s:f, s:I}", "waived", "chunk_s", median_of(&c->chunks) / layers,
			   "batch_s", silent_s / layers, "head_s", head_s > 0 ? head_s : 0.0, "steps",
			   (json_int_t)(c->chunks.n + c->silent.n + c->speaking.n));
	return *reply ? LSB_OK : lsb_fail(err, LSB_ENOMEM, 0, "no memory for an answer about plugins");
}

int lsb_answer_costs(const struct lsb_asker *to, const json_t *request, json_t **reply, struct lsb_error *err)
{
	static const struct lsb_asker nobody = { .fd = -1 };
	struct costs c = { .to = to, .request = request };
	int rc;

	c.chunk = count_of(&c, "chunk");
	c.batch = count_of(&c, "batch");
	c.positions = count_of(&c, "positions");
	c.ranks = count_of(&c, "ranks");
	rc = start_others(&c, err);
	if (c.rank) {
		close(to->fd); /* the answer is rank 0's */
		c.to = &nobody;
		(void)time_steps(&c, reply, err);
		_exit(0);
	}
	if (rc == LSB_OK)
		rc = time_steps(&c, reply, err);
	if (rc == LSB_EUNAVAIL) {
		*reply = json_pack("{s:o}", "waived", lsb_answer_text(err->msg));
		rc = LSB_OK;
	}
	costs_close(&c);
	return rc;
}
