/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps are put into classes by kind, tokens and positions: exact for few tokens,
 * about 9 % apart beyond; decode steps also by half octaves of position, chunks by
 * octaves, since their time grows slowly with it. A class gives one line. Likewise messages, by tag and
 * bytes.
 */
#include "measure/stage_times.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EXACT_TOKENS = 16 };

/* A step or message on its way into a class. */
struct sample {
	uint64_t class;
	double seconds;
	double about[3]; /* step: tokens, outputs, positions; message: tag, bytes */
	double busy;
};

static uint64_t octaves(double value, double parts)
{
	return (uint64_t)floor(parts * log2(value + 1));
}

static uint64_t class_of_step(const struct lsb_record *step)
{
	const double tokens = (double)step->aux;
	const uint64_t size = step->aux <= EXACT_TOKENS ? step->aux : EXACT_TOKENS + octaves(tokens, 8);
	const uint64_t outputs = step->aux == step->aux2 ? 3 : step->aux2 < 2 ? step->aux2 : 2;
	const uint64_t depth = octaves((double)step->bytes / (tokens > 0 ? tokens : 1), outputs == 3 ? 2 : 1);

	return outputs << 48 | size << 24 | depth;
}

static double length_s(const struct lsb_record *r)
{
	return r->t1_ns > r->t0_ns ? (double)(r->t1_ns - r->t0_ns) * 1e-9 : 0;
}

/* --- what other ranks did meanwhile --- */

static size_t count_kind(const struct lsb_rank_records *rank, uint32_t kind)
{
	size_t n = 0;

	for (size_t i = 0; i < rank->n; i++)
		n += rank->records[i].kind == kind;
	return n;
}

/* Add to each of mine's steps, whose samples are in order, the share of it in which `other` computed. */
static void add_busy(const struct lsb_rank_records *mine, const struct lsb_rank_records *other,
		     struct sample *samples)
{
	size_t at = 0, n = 0; /* the first record of `other` that may still overlap; steps of mine so far */

	for (size_t i = 0; i < mine->n; i++) {
		const struct lsb_record *step = &mine->records[i];
		uint64_t under = 0;

		if (step->kind != LSB_REC_COMPUTE)
			continue;
		while (at < other->n && (other->records[at].kind != LSB_REC_COMPUTE ||
					 other->records[at].t1_ns <= step->t0_ns))
			at++;
		for (size_t k = at; k < other->n && other->records[k].t0_ns < step->t1_ns; k++) {
			const struct lsb_record *theirs = &other->records[k];
			const uint64_t from = theirs->t0_ns > step->t0_ns ? theirs->t0_ns : step->t0_ns;
			const uint64_t to = theirs->t1_ns < step->t1_ns ? theirs->t1_ns : step->t1_ns;

			if (theirs->kind == LSB_REC_COMPUTE && to > from)
				under += to - from;
		}
		if (step->t1_ns > step->t0_ns)
			samples[n].busy += (double)under / (double)(step->t1_ns - step->t0_ns);
		n++;
	}
}

/* Ranks of one boot of one machine; without a boot id, of one host name. */
static int same_machine(const json_t *a, const json_t *b)
{
	const char *boot_id = json_string_value(json_object_get(a, "boot_id"));
	const char *key = boot_id && *boot_id ? "boot_id" : "host";

	return json_equal(json_object_get(a, key), json_object_get(b, key));
}

/* --- classes to lines --- */

static int compare_samples(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	return (x->seconds > y->seconds) - (x->seconds < y->seconds);
}

/* One class, n samples ascending in time, as a line of numbers. */
static json_t *line_of(const struct sample *s, size_t n, int is_step)
{
	const double middle = (s[(n - 1) / 2].seconds + s[n / 2].seconds) / 2, count = (double)n;
	double about[3] = { 0 }, seconds = 0, busy = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < 3; k++)
			about[k] += s[i].about[k];
		seconds += s[i].seconds;
		busy += s[i].busy;
	}
	if (is_step)
		return json_pack("[f, f, f, I, f, f, f]", about[0] / count, about[1] / count,
				 about[2] / count, (json_int_t)n, middle, seconds / count, busy / count);
	return json_pack("[I, f, I, f]", (json_int_t)(about[0] / count), about[1] / count, (json_int_t)n,
			 middle);
}

static json_t *lines_of(struct sample *samples, size_t n, int is_step)
{
	json_t *lines = json_array();
	size_t first = 0;

	qsort(samples, n, sizeof(*samples), compare_samples);
	for (size_t i = 1; i <= n; i++) {
		if (i < n && samples[i].class == samples[first].class)
			continue;
		json_array_append_new(lines, line_of(samples + first, i - first, is_step));
		first = i;
	}
	return lines;
}

static json_t *step_lines(const json_t *ranks, const struct lsb_rank_records *records, size_t n_ranks,
			  size_t which)
{
	const struct lsb_rank_records *mine = &records[which];
	struct sample *samples = calloc(count_kind(mine, LSB_REC_COMPUTE) + 1, sizeof(*samples));
	json_t *lines;
	size_t n = 0;

	if (!samples)
		return NULL;
	for (size_t i = 0; i < mine->n; i++) {
		const struct lsb_record *r = &mine->records[i];

		if (r->kind == LSB_REC_COMPUTE)
			samples[n++] = (struct sample){ .class = class_of_step(r),
							.seconds = length_s(r),
							.about = { (double)r->aux, (double)r->aux2,
								   (double)r->bytes } };
	}
	for (size_t k = 0; k < n_ranks; k++)
		if (k != which && same_machine(json_array_get(ranks, which), json_array_get(ranks, k)))
			add_busy(mine, &records[k], samples);
	lines = lines_of(samples, n, 1);
	free(samples);
	return lines;
}

/* --- messages --- */

struct sends {
	const struct lsb_record **list; /* [n], owned, sorted */
	size_t n;
};

static int compare_sends(const void *a, const void *b)
{
	const struct lsb_record *x = *(const struct lsb_record *const *)a,
				*y = *(const struct lsb_record *const *)b;

	if (x->peer != y->peer)
		return x->peer < y->peer ? -1 : 1;
	if (x->tag != y->tag)
		return x->tag < y->tag ? -1 : 1;
	return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

static int collect_sends(const struct lsb_rank_records *from, struct sends *out)
{
	out->n = 0;
	out->list = malloc((count_kind(from, LSB_REC_SEND) + 1) * sizeof(*out->list));
	if (!out->list)
		return -1;
	for (size_t i = 0; i < from->n; i++)
		if (from->records[i].kind == LSB_REC_SEND)
			out->list[out->n++] = &from->records[i];
	qsort(out->list, out->n, sizeof(*out->list), compare_sends);
	return 0;
}

/* The send of what rank `to` blocked for; NULL when it was not recorded. */
static const struct lsb_record *send_of(const struct sends *sends, const struct lsb_record *block, int32_t to)
{
	struct lsb_record wanted = *block;
	const struct lsb_record *key = &wanted, **found;

	wanted.peer = to;
	found = bsearch(&key, sends->list, sends->n, sizeof(*sends->list), compare_sends);
	return found ? *found : NULL;
}

/* How far the clocks of two ranks may be apart. */
static uint64_t clock_error(const struct lsb_rank_records *a, const struct lsb_rank_records *b)
{
	return a->clock_error_ns > b->clock_error_ns ? a->clock_error_ns - b->clock_error_ns
						     : b->clock_error_ns - a->clock_error_ns;
}

/* Lines of the messages that `mine` waited for; *wake_s: mean time from an arrival to going on. */
static json_t *message_lines(const struct lsb_rank_records *mine, const struct lsb_rank_records *records,
			     const struct sends *sends, size_t n_ranks, double *wake_s)
{
	struct sample *samples = calloc(count_kind(mine, LSB_REC_BLOCK) + 1, sizeof(*samples));
	size_t n = 0, n_woken = 0;
	json_t *lines;

	if (!samples)
		return NULL;
	for (size_t i = 0; i < mine->n; i++) {
		const struct lsb_record *block = &mine->records[i], *send = NULL;
		uint64_t arrived, error_ns = 0;

		for (size_t k = 0; block->kind == LSB_REC_BLOCK && k < n_ranks; k++)
			if (records[k].rank == block->peer) {
				send = send_of(&sends[k], block, mine->rank);
				error_ns = clock_error(mine, &records[k]);
			}
		if (!send || send->t0_ns < block->t0_ns || send->t0_ns > block->t1_ns)
			continue;
		arrived = block->aux > send->t0_ns && block->aux <= block->t1_ns ? block->aux : block->t1_ns;
		if (error_ns * 4 > arrived - send->t0_ns) /* the clocks cannot tell */
			continue;
		if (block->aux) {
			*wake_s += (double)(block->t1_ns - arrived) * 1e-9;
			n_woken++;
		}
		samples[n++] = (struct sample){ .class = (uint64_t)block->tag << 32 |
							 octaves((double)send->bytes, 4),
						.seconds = (double)(arrived - send->t0_ns) * 1e-9,
						.about = { block->tag, (double)send->bytes } };
	}
	*wake_s /= n_woken ? (double)n_woken : 1;
	lines = lines_of(samples, n, 0);
	free(samples);
	return lines;
}

/* --- one rank --- */

/*
 * When a backend that tells so itself was at any step; empty where compute and own work exclude each other.
 */
static int collect_computed(const struct lsb_rank_records *mine, struct lsb_spans *out)
{
	const int is_apart = count_kind(mine, LSB_REC_TICKET) > 0;
	int rc = 0;

	for (size_t i = 0; i < mine->n && is_apart && rc == 0; i++)
		if (mine->records[i].kind == LSB_REC_COMPUTE)
			rc = lsb_spans_add(out, mine->records[i].t0_ns, mine->records[i].t1_ns);
	lsb_spans_merge(out);
	return rc;
}

/*
 * Own work (scheduling, sending, staging, and being blocked in a ticket that nobody
 * computes) of a step, and bytes of hidden states that a token sends on.
 */
static int add_means(const struct lsb_rank_records *mine, json_t *times)
{
	struct lsb_spans computed = { 0 };
	double own_s = 0, steps = 0, tokens = 0, bytes = 0;
	int began = 0; /* the first own work is the start itself, which others may have held up */
	const int rc = collect_computed(mine, &computed);

	for (size_t i = 0; i < mine->n; i++) {
		const struct lsb_record *r = &mine->records[i];

		if (r->kind == LSB_REC_SCHEDULE || r->kind == LSB_REC_TICKET) {
			const uint64_t under = lsb_spans_under(&computed, r->t0_ns, r->t1_ns);

			own_s += began ? length_s(r) - (double)under * 1e-9 : 0;
			began = 1;
		}
		if (r->kind == LSB_REC_COMPUTE) {
			steps++;
			tokens += (double)r->aux;
		}
		if (r->kind == LSB_REC_SEND && r->tag == LSB_TAG_HIDDEN)
			bytes += (double)r->bytes;
	}
	json_object_set_new(times, "own_s", json_real(steps > 0 ? own_s / steps : 0));
	json_object_set_new(times, "hidden_bytes", json_real(tokens > 0 ? bytes / tokens : 0));
	lsb_spans_free(&computed);
	return rc;
}

json_t *lsb_stage_times(const json_t *ranks, const struct lsb_rank_records *records, size_t n_ranks)
{
	struct sends *sends = calloc(n_ranks + 1, sizeof(*sends));
	json_t *all = json_array();
	int failed = !sends || !all;

	for (size_t i = 0; i < n_ranks && !failed; i++)
		failed = collect_sends(&records[i], &sends[i]);
	for (size_t i = 0; i < n_ranks && !failed; i++) {
		json_t *steps, *messages, *times;
		double wake_s = 0;

		if (json_is_null(json_array_get(ranks, i))) /* of a lost replica */
			continue;
		steps = step_lines(ranks, records, n_ranks, i);
		messages = message_lines(&records[i], records, sends, n_ranks, &wake_s);
		times = json_pack("{s:I, s:o, s:o, s:f}", "rank", (json_int_t)records[i].rank, "steps", steps,
				  "messages", messages, "wake_s", wake_s);
		failed = !times || add_means(&records[i], times);
		json_array_append_new(all, times);
	}
	for (size_t i = 0; sends && i < n_ranks; i++)
		free(sends[i].list);
	free(sends);
	if (!failed)
		return all;
	json_decref(all);
	return NULL;
}
