/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend-null: computes nothing, in a set time, with answers that still depend
 * on every byte that passed through every stage (null_hash.h).
 *
 * It measures lsbench itself (times of 0), makes stages of known cost for tests of
 * the ledger and of scaling, checks everything that backend.h promises a backend,
 * and fails on demand. It takes any model name and reads no file.
 *
 * Steps run inside wait() on the caller's thread or, with `async = yes`, on a
 * thread of its own. With `mem = fake` hidden states live in "device" memory: its
 * addresses are marked so that a host access faults; only buf_copy gets through.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lsbench/plugin.h"
#include "null_hash.h"

enum mode { MODE_SLEEP = 0, MODE_SPIN = 1 };
enum memory { MEMORY_HOST = 0, MEMORY_FAKE = 1 };
enum { BOS = 256, EOS = 257, LEAST_VOCABULARY = 258, COUNTERS = 2 };

/* Not a canonical address on any 64-bit machine: touching it faults. */
#define FAKE_BIT ((uintptr_t)1 << 62)

struct null_options {
	uint64_t step_ns, layer_ns, token_ns, slow_ns, close_ns;
	int64_t layers, hidden, vocabulary, eos_every;
	int64_t fail_at, hang_at, exit_at, kill_at, stop_at, fail_rank, devices, slow_rank;
	uint32_t mode, mem, async, profile, kill_at_peaks, reserved;
};

#define NUMBER(option, member, least, most, default_, help_)                                                 \
	{                                                                                                    \
		.name = option, .type = LSB_OPT_INT, .def = default_, .min = least, .max = most,             \
		.offset = offsetof(struct null_options, member), .help = help_                               \
	}
#define TIME(option, member, help_)                                                                          \
	{                                                                                                    \
		.name = option, .type = LSB_OPT_TIME, .def = "0", .unit = "s",                               \
		.offset = offsetof(struct null_options, member), .help = help_                               \
	}

static const struct lsb_option options[] = {
	TIME("step_time", step_ns, "time of each step, whatever is in it"),
	TIME("layer_time", layer_ns, "time of each layer in a step"),
	TIME("token_time", token_ns, "time of each token in each layer"),
	NUMBER("layers", layers, 1, 100000, "12", "layers of the whole model"),
	NUMBER("hidden", hidden, NULL_ROW_LEAST, 1 << 20, "64", "elements of a hidden state"),
	NUMBER("vocabulary", vocabulary, LEAST_VOCABULARY, 1 << 24, "258",
	       "token ids; those from 258 on are never used"),
	NUMBER("eos_every", eos_every, 0, 1 << 30, "0",
	       "one in so many sampled ids is the end of the answer; 0: none"),
	{ .name = "mode",
	  .type = LSB_OPT_CHOICE,
	  .choices = "sleep|spin",
	  .def = "sleep",
	  .offset = offsetof(struct null_options, mode),
	  .help = "how the time of a step passes: without or with use of the processor" },
	{ .name = "mem",
	  .type = LSB_OPT_CHOICE,
	  .choices = "host|fake",
	  .def = "host",
	  .offset = offsetof(struct null_options, mem),
	  .help = "where hidden states live; fake is a device that only buf_copy can reach" },
	{ .name = "async",
	  .type = LSB_OPT_BOOL,
	  .def = "no",
	  .offset = offsetof(struct null_options, async),
	  .help = "steps run on a thread of their own instead of inside wait" },
	{ .name = "profile",
	  .type = LSB_OPT_BOOL,
	  .def = "no",
	  .offset = offsetof(struct null_options, profile),
	  .help = "a line in the rank's log for each step, which is all there is to record" },
	NUMBER("fail_at_step", fail_at, -1, 1e15, "-1", "this step (from 0) fails; -1: none"),
	NUMBER("hang_at_step", hang_at, -1, 1e15, "-1", "this step never ends, whatever the deadline"),
	NUMBER("exit_at_step", exit_at, -1, 1e15, "-1", "the process exits with status 3 in this step"),
	NUMBER("kill_at_step", kill_at, -1, 1e15, "-1", "the process is killed in this step"),
	NUMBER("stop_at_step", stop_at, -1, 1e15, "-1", "the process is stopped (SIGSTOP) in this step"),
	{ .name = "kill_at_peaks",
	  .type = LSB_OPT_BOOL,
	  .def = "no",
	  .offset = offsetof(struct null_options, kill_at_peaks),
	  .help = "the process is killed when its peaks are to be measured" },
	NUMBER("fail_rank", fail_rank, -1, 1 << 20, "-1",
	       "the rank that the six options above are meant for; -1: all"),
	NUMBER("devices", devices, 0, 64, "0",
	       "accelerators that each host pretends to have, given out by the rank on it; 0: none"),
	TIME("close_time", close_ns, "what a rank takes to close the backend when all is done"),
	TIME("slow_time", slow_ns, "more time of each step of rank slow_rank, between its layers"),
	NUMBER("slow_rank", slow_rank, -1, 1 << 20, "-1", "the slow one; -1: none"),
	{ 0 },
};

struct ticket {
	uint64_t number;
	int is_live; /* submitted and not yet reported; the caller's thread alone uses it */
	int is_done;
	int status;
	const struct lsb_batch *batch;
	struct lsb_step_io io;
	uint64_t start_ns, end_ns;
};

struct lsb_backend {
	const struct lsb_host *host;
	const struct null_options *options;
	struct lsb_place place; /* a copy */
	uint32_t first_layer, n_layers;
	uint64_t *memory;	 /* [slot][n_layers] */
	uint32_t *next_position; /* [slot] */
	uint64_t *values;	 /* [max_tokens], of the step in progress */
	struct ticket *tickets;	 /* [max_tickets], number % max_tickets */
	uint64_t submitted, computed;
	pthread_t thread;
	pthread_mutex_t lock;  /* tickets, computed, quit; only with async */
	pthread_cond_t change; /* on CLOCK_MONOTONIC */
	int has_thread, quit;
};

static uint64_t now_ns(const struct lsb_backend *b)
{
	return b->host->now_ns(b->host->context);
}

static int is_fake(const struct lsb_buf *buf)
{
	return buf->mem == LSB_MEM_CUDA;
}

/* Host address of the first byte that a view shows. */
static void *buf_ptr(const struct lsb_buf *buf)
{
	return is_fake(buf) ? (void *)((uintptr_t)buf->ptr & ~FAKE_BIT) : buf->ptr;
}

/* --- the step ------------------------------------------------------------------------ */

static void pass_time(const struct lsb_backend *b, uint64_t ns)
{
	const uint64_t until = now_ns(b) + ns;
	const struct timespec at = { .tv_sec = (time_t)(until / 1000000000u),
				     .tv_nsec = (long)(until % 1000000000u) };

	if (ns == 0)
		return;
	if (b->options->mode == MODE_SPIN)
		while (now_ns(b) < until)
			;
	else
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
			;
}

/* What the fail options ask of this step; does not return for most. */
static int misbehave(const struct lsb_backend *b, uint64_t step)
{
	const struct null_options *o = b->options;

	if (o->fail_rank >= 0 && o->fail_rank != b->place.rank)
		return LSB_OK;
	if (o->exit_at >= 0 && step == (uint64_t)o->exit_at)
		_exit(3);
	if (o->kill_at >= 0 && step == (uint64_t)o->kill_at)
		raise(SIGKILL);
	if (o->stop_at >= 0 && step == (uint64_t)o->stop_at)
		raise(SIGSTOP);
	while (o->hang_at >= 0 && step == (uint64_t)o->hang_at)
		pause();
	return o->fail_at >= 0 && step == (uint64_t)o->fail_at ? LSB_EDEVICE : LSB_OK;
}

static uint64_t *memory_of(const struct lsb_backend *b, uint32_t slot)
{
	return b->memory + (size_t)slot * b->n_layers;
}

static void run_layers(struct lsb_backend *b, const struct lsb_batch *batch, uint32_t layer)
{
	for (uint32_t i = 0; i < batch->n_tokens; i++)
		b->values[i] = null_layer(b->values[i], b->first_layer + layer,
					  &memory_of(b, batch->tokens[i].slot)[layer]);
}

static void read_input(struct lsb_backend *b, const struct ticket *t)
{
	const size_t hidden = (size_t)b->options->hidden;

	for (uint32_t i = 0; i < t->batch->n_tokens; i++) {
		const struct lsb_token *token = &t->batch->tokens[i];

		if (token->position == 0)
			memset(memory_of(b, token->slot), 0, b->n_layers * sizeof(*b->memory));
		if (t->io.in)
			b->values[i] = null_row_read((const float *)buf_ptr(t->io.in) + i * hidden, hidden);
		else
			b->values[i] = null_mix((uint64_t)token->id, token->position);
	}
}

/* The id after a token: greedy from the state alone, sampled from seed and request too. */
static int32_t sample(const struct lsb_backend *b, uint64_t value, uint32_t position,
		      const struct lsb_sampling *how)
{
	const uint64_t every = (uint64_t)b->options->eos_every;

	if (how->temperature > 0)
		value = null_mix(value, null_mix(null_mix(how->seed, how->request), position));
	if (every > 0 && (value >> 32) % every == 0)
		return EOS;
	return null_pick(value);
}

static void write_output(struct lsb_backend *b, const struct ticket *t)
{
	const size_t hidden = (size_t)b->options->hidden, vocabulary = (size_t)b->options->vocabulary;
	uint32_t n = 0;

	for (uint32_t i = 0; t->io.out && i < t->batch->n_tokens; i++)
		null_row_write((float *)buf_ptr(t->io.out) + i * hidden, hidden, b->values[i]);
	for (uint32_t i = 0; t->io.ids && i < t->batch->n_tokens; i++) {
		const struct lsb_token *token = &t->batch->tokens[i];

		if (!(token->flags & LSB_TOKEN_OUTPUT))
			continue;
		t->io.ids[n] = sample(b, b->values[i], token->position, &t->batch->sampling[n]);
		for (size_t k = 0; t->io.logits && k < vocabulary; k++)
			t->io.logits[n * vocabulary + k] = (int32_t)k == t->io.ids[n] ? 1.0f : 0.0f;
		n++;
	}
}

static int compute(struct lsb_backend *b, struct ticket *t, int in_wait)
{
	const struct null_options *o = b->options;
	const uint64_t slow_ns = o->slow_rank == b->place.rank ? o->slow_ns / b->n_layers : 0;
	const uint64_t layer_ns = o->layer_ns + o->token_ns * t->batch->n_tokens + slow_ns;
	int rc = misbehave(b, t->number);

	if (rc)
		return rc;
	pass_time(b, o->step_ns);
	read_input(b, t);
	for (uint32_t layer = 0; layer < b->n_layers; layer++) {
		pass_time(b, layer_ns);
		run_layers(b, t->batch, layer);
		if (in_wait && b->host->progress(b->host->context) == LSB_ECANCELED)
			return LSB_ECANCELED;
	}
	write_output(b, t);
	return LSB_OK;
}

/* --- tickets -------------------------------------------------------------------------- */

static struct ticket *ticket_of(struct lsb_backend *b, uint64_t number)
{
	return &b->tickets[number % b->place.max_tickets];
}

static void compute_next(struct lsb_backend *b, int in_wait)
{
	struct ticket *t = ticket_of(b, b->computed);

	t->start_ns = now_ns(b);
	t->status = compute(b, t, in_wait);
	t->end_ns = now_ns(b);
}

static void *thread_main(void *argument)
{
	struct lsb_backend *b = argument;

	pthread_mutex_lock(&b->lock);
	while (!b->quit) {
		if (b->computed == b->submitted) {
			pthread_cond_wait(&b->change, &b->lock);
			continue;
		}
		pthread_mutex_unlock(&b->lock);
		compute_next(b, 0);
		pthread_mutex_lock(&b->lock);
		ticket_of(b, b->computed)->is_done = 1;
		b->computed++;
		pthread_cond_broadcast(&b->change);
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

static int check_buf(const struct lsb_backend *b, const struct lsb_buf *buf, int wanted, uint32_t n_tokens,
		     const char *what, struct lsb_error *err)
{
	const uint64_t bytes = (uint64_t)n_tokens * (uint64_t)b->options->hidden * sizeof(float);
	const uint32_t mem = b->options->mem == MEMORY_FAKE ? LSB_MEM_CUDA : LSB_MEM_HOST;

	if (!buf != !wanted)
		return lsb_fail(err, LSB_EINVAL, 0, "stage %d of %d must %sbe given `%s`", b->place.stage,
				b->place.stages, wanted ? "" : "not ", what);
	if (buf && (buf->mem != mem || buf->bytes < bytes || !buf->ptr))
		return lsb_fail(err, LSB_EINVAL, 0,
				"`%s` is memory of kind %u with %llu bytes; the step needs %llu of "
				"kind %u",
				what, buf->mem, (unsigned long long)buf->bytes, (unsigned long long)bytes,
				mem);
	return LSB_OK;
}

static int check_token(struct lsb_backend *b, const struct lsb_token *token, struct lsb_error *err)
{
	if (token->slot >= b->place.slots || token->position >= b->place.context)
		return lsb_fail(err, LSB_EINVAL, 0,
				"slot %u, position %u lies outside %u slots of %u positions", token->slot,
				token->position, b->place.slots, b->place.context);
	if (token->position != 0 && token->position != b->next_position[token->slot])
		return lsb_fail(err, LSB_EINVAL, 0, "slot %u: position %u follows %u", token->slot,
				token->position, b->next_position[token->slot]);
	if (token->id < 0 || token->id >= b->options->vocabulary)
		return lsb_fail(err, LSB_EINVAL, 0, "token id %d lies outside the vocabulary of %lld",
				token->id, (long long)b->options->vocabulary);
	b->next_position[token->slot] = token->position + 1;
	return LSB_OK;
}

/* Everything that backend.h says of a step. */
static int check_step(struct lsb_backend *b, const struct lsb_batch *batch, const struct lsb_step_io *io,
		      struct lsb_error *err)
{
	const int is_first = b->place.stage == 0, is_last = b->place.stage == b->place.stages - 1;
	uint32_t n_outputs = 0;
	int rc;

	if (batch->n_tokens == 0 || batch->n_tokens > b->place.max_tokens ||
	    batch->n_outputs > b->place.max_outputs)
		return lsb_fail(err, LSB_EINVAL, 0,
				"a step of %u tokens and %u outputs; announced were %u and %u",
				batch->n_tokens, batch->n_outputs, b->place.max_tokens, b->place.max_outputs);
	for (uint32_t i = 0; i < batch->n_tokens; i++)
		n_outputs += (batch->tokens[i].flags & LSB_TOKEN_OUTPUT) != 0;
	if (n_outputs != batch->n_outputs)
		return lsb_fail(err, LSB_EINVAL, 0, "%u tokens want output, n_outputs is %u", n_outputs,
				batch->n_outputs);
	if (is_last && n_outputs && (!io->ids || !batch->sampling))
		return lsb_fail(err, LSB_EINVAL, 0, "the last stage needs `ids` and `sampling`");
	if (!is_last && (io->ids || io->logits))
		return lsb_fail(err, LSB_EINVAL, 0, "stage %d of %d gives no ids", b->place.stage,
				b->place.stages);
	rc = check_buf(b, io->in, !is_first, batch->n_tokens, "in", err);
	if (rc == LSB_OK)
		rc = check_buf(b, io->out, !is_last, batch->n_tokens, "out", err);
	/* Last, as it moves the slots' positions on. */
	for (uint32_t i = 0; rc == LSB_OK && i < batch->n_tokens; i++)
		rc = check_token(b, &batch->tokens[i], err);
	return rc;
}

static void log_step(const struct lsb_backend *b, const struct lsb_batch *batch)
{
	char line[64];

	(void)snprintf(line, sizeof(line), "step of %u tokens", batch->n_tokens);
	b->host->log(b->host->context, LSB_LOG_INFO, line);
}

static int null_submit(struct lsb_backend *b, const struct lsb_batch *batch, const struct lsb_step_io *io,
		       uint64_t *ticket, struct lsb_error *err)
{
	struct ticket *t = ticket_of(b, b->submitted);
	int rc;

	if (t->is_live)
		return lsb_fail(err, LSB_EINVAL, 0, "more than %u steps are unfinished",
				b->place.max_tickets);
	rc = check_step(b, batch, io, err);
	if (rc)
		return rc;
	if (b->has_thread)
		pthread_mutex_lock(&b->lock);
	if (b->options->profile)
		log_step(b, batch);
	*t = (struct ticket){ .number = b->submitted, .is_live = 1, .batch = batch, .io = *io };
	*ticket = b->submitted++;
	if (b->has_thread) {
		pthread_cond_broadcast(&b->change);
		pthread_mutex_unlock(&b->lock);
	}
	return LSB_OK;
}

/* Let the thread get there; 0 when it did. */
static int wait_for_thread(struct lsb_backend *b, const struct ticket *t, uint64_t deadline_ns)
{
	const struct timespec until = { .tv_sec = (time_t)(deadline_ns / 1000000000u),
					.tv_nsec = (long)(deadline_ns % 1000000000u) };
	int rc = 0;

	pthread_mutex_lock(&b->lock);
	while (!t->is_done && rc != ETIMEDOUT)
		rc = deadline_ns ? pthread_cond_timedwait(&b->change, &b->lock, &until) : ETIMEDOUT;
	rc = !t->is_done;
	pthread_mutex_unlock(&b->lock);
	return rc;
}

static int null_wait(struct lsb_backend *b, uint64_t number, uint64_t deadline_ns, struct lsb_error *err)
{
	struct ticket *t = ticket_of(b, number);

	if (!t->is_live || t->number != number)
		return lsb_fail(err, LSB_EINVAL, 0, "ticket %llu is not live", (unsigned long long)number);
	if (b->has_thread) {
		if (wait_for_thread(b, t, deadline_ns))
			return lsb_fail(err, LSB_ETIMEDOUT, 0, "the step is not complete in time");
	} else {
		while (b->computed <= number) {
			compute_next(b, 1);
			ticket_of(b, b->computed)->is_done = 1;
			b->computed++;
		}
	}
	t->is_live = 0;
	if (t->status == LSB_EDEVICE)
		return lsb_fail(err, LSB_EDEVICE, 0,
				"backend-null: step %llu fails, as option fail_at_step says",
				(unsigned long long)number);
	return t->status ? lsb_fail(err, t->status, 0, "the step was abandoned") : LSB_OK;
}

static int null_ticket_times(struct lsb_backend *b, uint64_t number, uint64_t *start_ns, uint64_t *end_ns,
			     struct lsb_error *err)
{
	const struct ticket *t = ticket_of(b, number);

	if (t->number != number || t->end_ns == 0)
		return lsb_fail(err, LSB_EINVAL, 0, "the times of ticket %llu are gone",
				(unsigned long long)number);
	*start_ns = t->start_ns;
	*end_ns = t->end_ns;
	return LSB_OK;
}

static void null_slot_clear(struct lsb_backend *b, uint32_t slot)
{
	if (slot < b->place.slots)
		b->next_position[slot] = 0;
}

/* --- memory ---------------------------------------------------------------------------- */

static int null_buf_alloc(struct lsb_backend *b, uint32_t mem, uint64_t bytes, struct lsb_buf *out,
			  struct lsb_error *err)
{
	const int fake = mem == LSB_MEM_CUDA && b->options->mem == MEMORY_FAKE;
	void *ptr;

	if (mem != LSB_MEM_HOST && !fake)
		return lsb_fail(err, LSB_EINVAL, 0, "backend-null has no memory of kind %u", mem);
	ptr = b->host->alloc(b->host->context, bytes, 64);
	if (!ptr)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %llu bytes", (unsigned long long)bytes);
	*out = (struct lsb_buf){ .ptr = fake ? (void *)((uintptr_t)ptr | FAKE_BIT) : ptr,
				 .bytes = bytes,
				 .mem = mem,
				 .device = fake ? 0 : -1 };
	return LSB_OK;
}

static void null_buf_free(struct lsb_backend *b, struct lsb_buf *buf)
{
	b->host->free(b->host->context, buf_ptr(buf));
	buf->ptr = NULL;
}

static int null_buf_copy(struct lsb_backend *b, const struct lsb_buf *to, const struct lsb_buf *from,
			 uint64_t bytes, struct lsb_error *err)
{
	(void)b;
	if (bytes > to->bytes || bytes > from->bytes)
		return lsb_fail(err, LSB_EINVAL, 0, "a copy of %llu bytes is longer than its buffers",
				(unsigned long long)bytes);
	memcpy(buf_ptr(to), buf_ptr(from), bytes);
	return LSB_OK;
}

/* --- text ------------------------------------------------------------------------------ */

/* Append the bytes of `text` as ids, as far as there is room. */
static void encode_text(const char *text, int32_t *ids, size_t capacity, size_t *n)
{
	for (; *text; text++, (*n)++)
		if (*n < capacity)
			ids[*n] = (unsigned char)*text;
}

static int null_encode(struct lsb_backend *b, const struct lsb_turn *turns, size_t n_turns, uint32_t flags,
		       int32_t *ids, size_t capacity, size_t *n, struct lsb_error *err)
{
	const int chat = (flags & LSB_ENCODE_CHAT) != 0;

	(void)b;
	(void)err;
	*n = 0;
	if (flags & LSB_ENCODE_BOS) {
		if (capacity > 0)
			ids[0] = BOS;
		*n = 1;
	}
	for (size_t i = 0; i < (chat ? n_turns : 1); i++) {
		if (chat) {
			encode_text(turns[i].role, ids, capacity, n);
			encode_text(": ", ids, capacity, n);
		}
		encode_text(turns[i].text, ids, capacity, n);
		if (chat)
			encode_text("\n", ids, capacity, n);
	}
	return LSB_OK;
}

static int null_decode(struct lsb_backend *b, const int32_t *ids, size_t n, char *text, size_t capacity,
		       size_t *bytes, struct lsb_error *err)
{
	*bytes = 0;
	for (size_t i = 0; i < n; i++) {
		if (ids[i] < 0 || ids[i] >= b->options->vocabulary)
			return lsb_fail(err, LSB_EINVAL, 0, "token id %d lies outside the vocabulary",
					ids[i]);
		if (ids[i] >= BOS)
			continue;
		if (*bytes < capacity)
			text[*bytes] = (char)ids[i];
		(*bytes)++;
	}
	return LSB_OK;
}

/* --- life ------------------------------------------------------------------------------- */

static int null_info(const struct lsb_backend *b, struct lsb_backend_info *out, struct lsb_error *err)
{
	const struct null_options *o = b->options;
	const uint64_t hidden = (uint64_t)o->hidden;
	struct lsb_backend_info info = {
		.struct_size = out->struct_size,
		.model_name = "null",
		.device_name = "no device",
		.layers = (uint32_t)o->layers,
		.hidden_size = (uint32_t)o->hidden,
		.hidden_elem = LSB_ELEM_F32,
		.vocabulary = (uint32_t)o->vocabulary,
		.context = 1u << 20,
		.invariant_over =
			LSB_INVARIANT_BATCH | LSB_INVARIANT_CHUNK | LSB_INVARIANT_SPLIT | LSB_INVARIANT_RUN,
		.flags = LSB_BACKEND_DEVICE_TIMES | (o->async ? 0 : LSB_BACKEND_INLINE),
		.mem_kinds = 1u << (o->mem == MEMORY_FAKE ? LSB_MEM_CUDA : LSB_MEM_HOST),
		.bos = BOS,
		.n_stop_ids = 1,
		.stop_ids = { EOS },
		/* As if a layer were one square matrix of bytes: costs that can be compared, not measured. */
		.layer_bytes = hidden * hidden,
		.head_bytes = hidden,
		.layer_macs = hidden * hidden,
		.head_macs = hidden,
		.kv_bytes = (uint64_t)b->place.slots * b->n_layers * sizeof(*b->memory),
	};

	(void)err;
	if (o->devices) {
		snprintf(info.device_id, sizeof(info.device_id), "null-%lld",
			 (long long)(b->place.host_rank % o->devices));
		snprintf(info.engine, sizeof(info.engine), "no arithmetic, %s",
			 o->async ? "on a thread of its own" : "inside wait");
	}
	memcpy(out, &info, out->struct_size < sizeof(info) ? out->struct_size : sizeof(info));
	return LSB_OK;
}

/* There are no peaks of no device. */
static int null_measure(struct lsb_backend *b, uint32_t what, uint64_t budget_ns, double *value,
			struct lsb_error *err)
{
	const struct null_options *o = b->options;

	(void)what;
	(void)budget_ns;
	(void)value;
	(void)err;
	if (o->kill_at_peaks && (o->fail_rank < 0 || o->fail_rank == b->place.rank))
		raise(SIGKILL);
	return LSB_EUNAVAIL;
}

/* As if each step had cost its device a joule. */
static int null_counters(struct lsb_backend *b, struct lsb_metric *out, size_t *n, struct lsb_error *err)
{
	const struct lsb_metric all[] = { { "device_bytes", "B", 4096.0 },
					  { "energy_j", "J", (double)b->submitted } };

	(void)err;
	*n = !b->options->devices ? 0 : *n < COUNTERS ? *n : COUNTERS;
	memcpy(out, all, *n * sizeof(*out));
	return LSB_OK;
}

static void null_close(struct lsb_backend *b)
{
	const struct lsb_host *host;

	if (!b)
		return;
	host = b->host;
	if (!(b->place.flags & LSB_PLACE_VOCABULARY))
		pass_time(b, b->options->close_ns);
	if (b->has_thread) {
		pthread_mutex_lock(&b->lock);
		b->quit = 1;
		pthread_cond_broadcast(&b->change);
		pthread_mutex_unlock(&b->lock);
		pthread_join(b->thread, NULL);
		pthread_cond_destroy(&b->change);
		pthread_mutex_destroy(&b->lock);
	}
	host->free(host->context, b->tickets);
	host->free(host->context, b->values);
	host->free(host->context, b->next_position);
	host->free(host->context, b->memory);
	host->free(host->context, b);
}

static int start_thread(struct lsb_backend *b, struct lsb_error *err)
{
	pthread_condattr_t attributes;
	int rc;

	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&b->change, &attributes);
	pthread_condattr_destroy(&attributes);
	rc = pthread_create(&b->thread, NULL, thread_main, b);
	if (rc)
		return lsb_fail(err, LSB_ENOMEM, rc, "cannot start a thread: %s", strerror(rc));
	b->has_thread = 1;
	return LSB_OK;
}

/* Which layers this stage has; checks that the place makes sense. */
static int take_place(struct lsb_backend *b, struct lsb_error *err)
{
	const struct lsb_place *p = &b->place;
	const uint64_t layers = (uint64_t)b->options->layers;

	b->first_layer = p->first_layer;
	b->n_layers = p->n_layers;
	if (p->first_layer == 0 && p->n_layers == 0 && p->stages == 1)
		b->n_layers = (uint32_t)layers;
	if (p->stage < 0 || p->stage >= p->stages || b->n_layers == 0 ||
	    (uint64_t)b->first_layer + b->n_layers > layers || (p->stage == 0) != (b->first_layer == 0) ||
	    (p->stage == p->stages - 1) != (b->first_layer + (uint64_t)b->n_layers == layers))
		return lsb_fail(err, LSB_EINVAL, 0, "layers %u to %u of %llu cannot be stage %d of %d",
				b->first_layer, b->first_layer + b->n_layers, (unsigned long long)layers,
				p->stage, p->stages);
	if (p->slots == 0 || p->context == 0 || p->max_tokens == 0 || p->max_tickets == 0)
		return lsb_fail(err, LSB_EINVAL, 0, "a place needs slots, context, tokens and tickets");
	return LSB_OK;
}

static int null_open(const struct lsb_host *host, const void *opts, const struct lsb_place *place,
		     struct lsb_backend **out, struct lsb_error *err)
{
	struct lsb_backend *b = host->alloc(host->context, sizeof(*b), 64);
	int rc;

	if (!b)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the backend");
	b->host = host;
	b->options = opts;
	b->place = *place;
	*out = b;
	if (place->flags & LSB_PLACE_VOCABULARY)
		return LSB_OK;
	rc = take_place(b, err);
	if (rc)
		goto fail;
	b->memory = host->alloc(host->context, (size_t)place->slots * b->n_layers * sizeof(*b->memory), 64);
	b->next_position = host->alloc(host->context, place->slots * sizeof(*b->next_position), 64);
	b->values = host->alloc(host->context, place->max_tokens * sizeof(*b->values), 64);
	b->tickets = host->alloc(host->context, place->max_tickets * sizeof(*b->tickets), 64);
	rc = LSB_ENOMEM;
	if (!b->memory || !b->next_position || !b->values || !b->tickets) {
		lsb_fail(err, rc, 0, "no memory for %u slots", place->slots);
		goto fail;
	}
	rc = b->options->async ? start_thread(b, err) : LSB_OK;
	if (rc == LSB_OK)
		return LSB_OK;
fail:
	null_close(b);
	*out = NULL;
	return rc;
}

static const struct lsb_backend_ops ops = {
	.struct_size = sizeof(ops),
	.open = null_open,
	.info = null_info,
	.encode = null_encode,
	.decode = null_decode,
	.buf_alloc = null_buf_alloc,
	.buf_free = null_buf_free,
	.submit = null_submit,
	.wait = null_wait,
	.slot_clear = null_slot_clear,
	.close = null_close,
	.buf_copy = null_buf_copy,
	.ticket_times = null_ticket_times,
	.counters = null_counters,
	.measure = null_measure,
};

LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	LSB_PLUGIN_HEADER,
	.kind = LSB_BACKEND,
	.name = "null",
	.version = "1.0",
	.summary = "Steps of a set time whose ids depend on every byte (tests)",
	.options = options,
	.options_size = sizeof(struct null_options),
	.ops = { .backend = &ops },
};
