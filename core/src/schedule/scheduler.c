/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule/scheduler.h"

#include <stdlib.h>

#include "lsbench/host.h"

enum { SOON = 2 }; /* steps: the one that runs, and the next */

/* A lane: the sequences that step together. */
struct lane {
	struct lsb_sequence **slots; /* [batch], whose each slot is; NULL: free */
	struct lsb_sequence *
		*prompts; /* [batch], a ring: whose prompts are not all handed out, oldest first */
	uint32_t first_prompt, n_prompts;
	uint32_t used;	       /* slots that were ever taken: the first so many */
	int reuses;	       /* a slot was given again, and no step since needed ids */
	uint32_t running;      /* slots that are taken */
	uint32_t ids_due;      /* of its steps on their way */
	uint32_t on_their_way; /* steps of this lane */
};

/* What a step on its way will give: its lane and the sequences of its outputs. */
struct flight {
	uint32_t lane, n_outputs;
	struct lsb_sequence **outputs; /* [batch] */
};

struct lsb_scheduler {
	struct lsb_scheduler_limits limits;
	struct lsb_sequence **waiting; /* [room], a ring in the order of service */
	size_t room, first_waiting, n_waiting;
	uint64_t prompt_tokens; /* of those waiting and admitted, not yet handed out */
	int expects_more;
	struct lane *lanes;	/* [in_flight] */
	struct flight *flights; /* [window], a ring */
	uint32_t first_flight, n_flights;
	uint32_t turn;		  /* lane to look at first */
	struct lsb_token *tokens; /* of the step handed out last */
	struct lsb_sampling *sampling;
	uint32_t *clear;
	struct lsb_sequence **views; /* storage of all slots, prompts and outputs */
};

uint32_t lsb_scheduler_max_tokens(const struct lsb_scheduler_limits *limits)
{
	return limits->chunk > limits->batch ? limits->chunk : limits->batch;
}

/* --- memory ------------------------------------------------------------------------------ */

int lsb_sequence_compare(const void *a, const void *b)
{
	const struct lsb_sequence *x = *(struct lsb_sequence *const *)a,
				  *y = *(struct lsb_sequence *const *)b;

	if (x->arrival_ns != y->arrival_ns)
		return x->arrival_ns < y->arrival_ns ? -1 : 1;
	return (x > y) - (x < y); /* of one array */
}

/* Behind the others; there is room. */
static void enqueue(struct lsb_scheduler *s, struct lsb_sequence *sequence)
{
	s->waiting[(s->first_waiting + s->n_waiting++) % s->room] = sequence;
	s->prompt_tokens += sequence->n_prompt;
}

static void open_queue(struct lsb_scheduler *s, struct lsb_sequence *sequences, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sequences[i].finish == LSB_FINISH_NONE)
			enqueue(s, &sequences[i]);
	qsort(s->waiting, s->n_waiting, sizeof(struct lsb_sequence *), lsb_sequence_compare);
}

int lsb_scheduler_open(const struct lsb_scheduler_limits *limits, struct lsb_sequence *sequences, size_t n,
		       struct lsb_scheduler **out, struct lsb_error *err)
{
	const size_t views = 2 * (size_t)limits->in_flight + limits->window;
	struct lsb_scheduler *s = calloc(1, sizeof(*s));

	if (!s)
		goto no_memory;
	s->limits = *limits;
	s->room = n + limits->room;
	s->waiting = calloc(s->room + 1, sizeof(struct lsb_sequence *));
	s->lanes = calloc(limits->in_flight, sizeof(*s->lanes));
	s->flights = calloc(limits->window, sizeof(*s->flights));
	s->views = calloc(views * limits->batch, sizeof(struct lsb_sequence *));
	s->tokens = calloc(lsb_scheduler_max_tokens(limits), sizeof(*s->tokens));
	s->sampling = calloc(limits->batch, sizeof(*s->sampling));
	s->clear = calloc(limits->batch, sizeof(*s->clear));
	if (!s->waiting || !s->lanes || !s->flights || !s->views || !s->tokens || !s->sampling || !s->clear)
		goto no_memory;
	for (uint32_t i = 0; i < limits->in_flight; i++) {
		s->lanes[i].slots = s->views + 2 * (size_t)i * limits->batch;
		s->lanes[i].prompts = s->lanes[i].slots + limits->batch;
	}
	for (uint32_t i = 0; i < limits->window; i++)
		s->flights[i].outputs = s->views + (2 * (size_t)limits->in_flight + i) * limits->batch;
	open_queue(s, sequences, n);
	*out = s;
	return LSB_OK;
no_memory:
	lsb_scheduler_close(s);
	return lsb_fail(err, LSB_ENOMEM, 0, "no memory to schedule %zu requests", n);
}

void lsb_scheduler_close(struct lsb_scheduler *s)
{
	if (!s)
		return;
	free(s->waiting);
	free(s->lanes);
	free(s->flights);
	free(s->views);
	free(s->tokens);
	free(s->sampling);
	free(s->clear);
	free(s);
}

/* --- admission --------------------------------------------------------------------------- */

int lsb_scheduler_add(struct lsb_scheduler *s, struct lsb_sequence *sequence)
{
	if (s->n_waiting == s->room)
		return LSB_EINVAL;
	enqueue(s, sequence);
	return LSB_OK;
}

void lsb_scheduler_expect(struct lsb_scheduler *s, int more)
{
	s->expects_more = more;
}

/* Slots of `lane` that a sequence may get now. */
static uint32_t lane_free(const struct lsb_scheduler *s, const struct lane *lane)
{
	if (s->limits.is_continuous)
		return s->limits.batch - lane->running;
	return lane->running || lane->on_their_way ? 0 : s->limits.batch;
}

static uint32_t count_free(const struct lsb_scheduler *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->limits.in_flight; i++)
		n += lane_free(s, &s->lanes[i]);
	return n;
}

/* Of the sequences that `lane` serves, those with so few tokens left. */
static uint32_t count_ending(const struct lsb_scheduler *s, const struct lane *lane, uint32_t tokens)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->limits.batch; i++)
		n += lane->slots[i] && lane->slots[i]->max_new - lane->slots[i]->n_ids <= tokens;
	return n;
}

/* Tokens of prompts that could be handed out soon, beyond those of the prompts that are here. */
static uint32_t prompt_room(const struct lsb_scheduler *s)
{
	const uint64_t soon = (uint64_t)SOON * s->limits.chunk * s->limits.in_flight;
	const uint64_t room = soon > s->prompt_tokens ? soon - s->prompt_tokens : 0;

	return room < UINT32_MAX ? (uint32_t)room : UINT32_MAX;
}

uint32_t lsb_scheduler_wants_soon(const struct lsb_scheduler *s, uint32_t *prompt_tokens)
{
	const uint32_t may_stop = s->limits.stop_at_length ? 0 : 1;
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->limits.in_flight; i++) {
		const struct lane *lane = &s->lanes[i];
		const uint32_t ending = count_ending(s, lane, SOON);

		if (s->limits.is_continuous)
			n += s->limits.batch - lane->running + ending;
		else if (lane->running - ending <= may_stop)
			n += s->limits.batch;
	}
	if (s->limits.is_continuous && n == 0)
		n = may_stop;
	*prompt_tokens = s->limits.is_continuous ? prompt_room(s) : UINT32_MAX;
	return n > s->n_waiting && *prompt_tokens ? n - (uint32_t)s->n_waiting : 0;
}

/* The next sequence if it has arrived, else NULL. */
static struct lsb_sequence *next_arrived(const struct lsb_scheduler *s, uint64_t now_ns)
{
	struct lsb_sequence *next = s->n_waiting ? s->waiting[s->first_waiting] : NULL;

	return next && next->arrival_ns <= now_ns ? next : NULL;
}

/* Give the next sequence a slot of lane `index`, which has one free. */
static void admit(struct lsb_scheduler *s, uint32_t index, uint64_t now_ns)
{
	struct lane *lane = &s->lanes[index];
	struct lsb_sequence *sequence = s->waiting[s->first_waiting];
	uint32_t slot = 0;

	while (lane->slots[slot])
		slot++;
	lane->reuses |= slot < lane->used;
	lane->used = slot < lane->used ? lane->used : slot + 1;
	s->first_waiting = (s->first_waiting + 1) % s->room;
	s->n_waiting--;
	sequence->lane = index;
	sequence->slot = index * s->limits.batch + slot;
	sequence->admitted_ns = now_ns;
	sequence->n_given = 0;
	lane->slots[slot] = sequence;
	lane->running++;
	lane->prompts[(lane->first_prompt + lane->n_prompts++) % s->limits.batch] = sequence;
}

/* Static: a group for lane `index`, if it is empty. */
static void form_group(struct lsb_scheduler *s, uint32_t index, uint64_t now_ns)
{
	for (uint32_t room = lane_free(s, &s->lanes[index]); room && next_arrived(s, now_ns); room--)
		admit(s, index, now_ns);
}

/* Continuous: all that have arrived and fit, each to the lane that has the fewest. */
static void refill(struct lsb_scheduler *s, uint64_t now_ns)
{
	while (next_arrived(s, now_ns)) {
		uint32_t fewest = s->turn;

		for (uint32_t i = 1; i < s->limits.in_flight; i++) {
			const uint32_t index = (s->turn + i) % s->limits.in_flight;

			if (s->lanes[index].running < s->lanes[fewest].running)
				fewest = index;
		}
		if (s->lanes[fewest].running == s->limits.batch)
			return;
		admit(s, fewest, now_ns);
	}
}

/* --- steps ------------------------------------------------------------------------------- */

static void step_add(struct lsb_scheduler *s, struct lsb_step *step, struct flight *flight,
		     struct lsb_sequence *sequence, int32_t id, uint32_t position, int wants_output)
{
	s->tokens[step->n_tokens++] = (struct lsb_token){
		.id = id,
		.slot = sequence->slot,
		.position = position,
		.flags = wants_output ? LSB_TOKEN_OUTPUT : 0,
	};
	if (!wants_output)
		return;
	s->sampling[step->n_outputs++] = sequence->sampling;
	flight->outputs[flight->n_outputs++] = sequence;
}

/* Prompt tokens of the lane's, oldest sequence first, until the step has `limit` tokens. */
static void add_prompts(struct lsb_scheduler *s, struct lane *lane, struct lsb_step *step,
			struct flight *flight, uint32_t limit)
{
	while (step->n_tokens < limit && lane->n_prompts) {
		struct lsb_sequence *sequence = lane->prompts[lane->first_prompt];
		const uint32_t at = sequence->n_given++;
		const int last = sequence->n_given == sequence->n_prompt;

		s->prompt_tokens--;
		if (at == 0)
			s->clear[step->n_clear++] = sequence->slot;
		step_add(s, step, flight, sequence, sequence->prompt[at], at, last);
		if (last) {
			lane->first_prompt = (lane->first_prompt + 1) % s->limits.batch;
			lane->n_prompts--;
		}
	}
}

/* One token of each sequence whose prompt is behind it. No ids of the lane are due. */
static void add_decodes(struct lsb_scheduler *s, struct lane *lane, struct lsb_step *step,
			struct flight *flight)
{
	for (uint32_t i = 0; i < s->limits.batch; i++) {
		struct lsb_sequence *sequence = lane->slots[i];

		if (!sequence || sequence->n_given < sequence->n_prompt)
			continue;
		step->needs_ids = 1;
		step_add(s, step, flight, sequence, sequence->ids[sequence->n_ids - 1],
			 sequence->n_prompt + sequence->n_ids - 1, 1);
	}
}

static void fill_static(struct lsb_scheduler *s, struct lane *lane, struct lsb_step *step,
			struct flight *flight)
{
	if (lane->n_prompts)
		add_prompts(s, lane, step, flight, s->limits.chunk);
	else if (lane->on_their_way == 0)
		add_decodes(s, lane, step, flight);
}

static void fill_continuous(struct lsb_scheduler *s, struct lane *lane, struct lsb_step *step,
			    struct flight *flight)
{
	if (lane->ids_due && s->n_flights >= s->limits.stages)
		return;
	if (lane->ids_due == 0)
		add_decodes(s, lane, step, flight);
	/* with a batch above the chunk, decoding alone may fill the latter: prompts go on all the same */
	add_prompts(s, lane, step, flight,
		    step->n_tokens ? lsb_scheduler_max_tokens(&s->limits) : s->limits.chunk);
}

int lsb_scheduler_next(struct lsb_scheduler *s, uint64_t now_ns, struct lsb_step *step)
{
	if (s->n_flights == s->limits.window)
		return 0;
	if (s->limits.is_continuous)
		refill(s, now_ns);
	for (uint32_t i = 0; i < s->limits.in_flight; i++) {
		const uint32_t index = (s->turn + i) % s->limits.in_flight;
		struct lane *lane = &s->lanes[index];
		struct flight *flight = &s->flights[(s->first_flight + s->n_flights) % s->limits.window];

		*step = (struct lsb_step){
			.lane = index, .tokens = s->tokens, .sampling = s->sampling, .clear = s->clear
		};
		flight->lane = index;
		flight->n_outputs = 0;
		if (s->limits.is_continuous) {
			fill_continuous(s, lane, step, flight);
		} else {
			form_group(s, index, now_ns);
			fill_static(s, lane, step, flight);
		}
		if (step->n_tokens == 0)
			continue;
		step->needs_ids = step->needs_ids || (lane->reuses && lane->ids_due == 0);
		lane->reuses = lane->reuses && !step->needs_ids;
		lane->on_their_way++;
		lane->ids_due += step->n_outputs;
		s->n_flights++;
		s->turn = (index + 1) % s->limits.in_flight;
		return 1;
	}
	return 0;
}

uint64_t lsb_scheduler_next_arrival(const struct lsb_scheduler *s)
{
	if (s->n_flights == s->limits.window || s->n_waiting == 0 || count_free(s) == 0)
		return LSB_NEVER;
	return s->waiting[s->first_waiting]->arrival_ns;
}

static int is_stop_id(const struct lsb_scheduler_limits *limits, int32_t id)
{
	if (limits->stop_at_length)
		return 0;
	for (uint32_t i = 0; i < limits->n_stop_ids; i++)
		if (limits->stop_ids[i] == id)
			return 1;
	return 0;
}

int lsb_scheduler_complete(struct lsb_scheduler *s, const int32_t *ids, uint32_t n,
			   struct lsb_sequence **touched)
{
	struct flight *flight = &s->flights[s->first_flight];
	struct lane *lane;

	if (s->n_flights == 0 || flight->n_outputs != n)
		return LSB_EPEER;
	lane = &s->lanes[flight->lane];
	for (uint32_t i = 0; i < n; i++) {
		struct lsb_sequence *sequence = flight->outputs[i];

		sequence->ids[sequence->n_ids++] = ids[i];
		if (is_stop_id(&s->limits, ids[i]))
			sequence->finish = LSB_FINISH_STOP;
		else if (sequence->n_ids == sequence->max_new)
			sequence->finish = LSB_FINISH_LENGTH;
		if (sequence->finish != LSB_FINISH_NONE) {
			lane->slots[sequence->slot % s->limits.batch] = NULL;
			lane->running--;
		}
		touched[i] = sequence;
	}
	lane->ids_due -= n;
	lane->on_their_way--;
	s->first_flight = (s->first_flight + 1) % s->limits.window;
	s->n_flights--;
	return LSB_OK;
}

uint32_t lsb_scheduler_on_their_way(const struct lsb_scheduler *s)
{
	return s->n_flights;
}

int lsb_scheduler_done(const struct lsb_scheduler *s)
{
	if (s->n_flights || s->n_waiting || s->expects_more)
		return 0;
	for (uint32_t i = 0; i < s->limits.in_flight; i++)
		if (s->lanes[i].running)
			return 0;
	return 1;
}
