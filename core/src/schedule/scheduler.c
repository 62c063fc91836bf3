/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule/scheduler.h"

#include <stdlib.h>

#include "lsbench/host.h"

/* A lane: one group of sequences that step together. */
struct lane {
	struct lsb_sequence **members; /* [batch], views */
	uint32_t n_members;
	uint32_t cursor, cursor_token; /* next prompt token to prefill: of which member, which token */
	uint32_t running;	       /* members that have not ended */
	uint32_t on_their_way;	       /* steps of this lane */
};

/* What a step on its way will give: its lane and the sequences of its outputs. */
struct flight {
	uint32_t lane, n_outputs;
	struct lsb_sequence **outputs; /* [batch], views */
};

struct lsb_scheduler {
	struct lsb_scheduler_limits limits;
	struct lsb_sequence *sequences;
	size_t n_sequences, next_sequence;
	struct lane *lanes;	/* [in_flight] */
	struct flight *flights; /* [window], a ring */
	uint32_t first_flight, n_flights;
	uint32_t turn;		  /* lane to look at first */
	struct lsb_token *tokens; /* of the step handed out last */
	struct lsb_sampling *sampling;
	uint32_t *clear;
	struct lsb_sequence **views; /* storage of all members and outputs */
};

uint32_t lsb_scheduler_max_tokens(const struct lsb_scheduler_limits *limits)
{
	return limits->chunk > limits->batch ? limits->chunk : limits->batch;
}

int lsb_scheduler_open(const struct lsb_scheduler_limits *limits, struct lsb_sequence *sequences, size_t n,
		       struct lsb_scheduler **out, struct lsb_error *err)
{
	const uint32_t max_tokens = lsb_scheduler_max_tokens(limits);
	struct lsb_scheduler *s = calloc(1, sizeof(*s));

	if (!s)
		goto no_memory;
	s->limits = *limits;
	s->sequences = sequences;
	s->n_sequences = n;
	s->lanes = calloc(limits->in_flight, sizeof(*s->lanes));
	s->flights = calloc(limits->window, sizeof(*s->flights));
	s->views = calloc(((size_t)limits->in_flight + limits->window) * limits->batch, sizeof(*s->views));
	s->tokens = calloc(max_tokens, sizeof(*s->tokens));
	s->sampling = calloc(limits->batch, sizeof(*s->sampling));
	s->clear = calloc(limits->batch, sizeof(*s->clear));
	if (!s->lanes || !s->flights || !s->views || !s->tokens || !s->sampling || !s->clear)
		goto no_memory;
	for (uint32_t i = 0; i < limits->in_flight; i++)
		s->lanes[i].members = s->views + (size_t)i * limits->batch;
	for (uint32_t i = 0; i < limits->window; i++)
		s->flights[i].outputs = s->views + ((size_t)limits->in_flight + i) * limits->batch;
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
	free(s->lanes);
	free(s->flights);
	free(s->views);
	free(s->tokens);
	free(s->sampling);
	free(s->clear);
	free(s);
}

/* Give an empty lane the next waiting sequences; their slots are to be forgotten. */
static void lane_admit(struct lsb_scheduler *s, uint32_t index, struct lsb_step *step)
{
	struct lane *lane = &s->lanes[index];

	lane->n_members = 0;
	lane->cursor = lane->cursor_token = 0;
	while (lane->n_members < s->limits.batch && s->next_sequence < s->n_sequences) {
		struct lsb_sequence *sequence = &s->sequences[s->next_sequence++];

		if (sequence->finish != LSB_FINISH_NONE)
			continue;
		sequence->lane = index;
		sequence->slot = index * s->limits.batch + lane->n_members;
		s->clear[step->n_clear++] = sequence->slot;
		lane->members[lane->n_members++] = sequence;
	}
	lane->running = lane->n_members;
}

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

/* The next chunk of the lane's prompts. */
static void lane_prefill(struct lsb_scheduler *s, struct lane *lane, struct lsb_step *step,
			 struct flight *flight)
{
	while (step->n_tokens < s->limits.chunk && lane->cursor < lane->n_members) {
		struct lsb_sequence *sequence = lane->members[lane->cursor];
		const uint32_t at = lane->cursor_token++;
		const int last = lane->cursor_token == sequence->n_prompt;

		step_add(s, step, flight, sequence, sequence->prompt[at], at, last);
		if (last) {
			lane->cursor++;
			lane->cursor_token = 0;
		}
	}
}

/* One token of each member that goes on. */
static void lane_decode(struct lsb_scheduler *s, struct lane *lane, struct lsb_step *step,
			struct flight *flight)
{
	for (uint32_t i = 0; i < lane->n_members; i++) {
		struct lsb_sequence *sequence = lane->members[i];

		if (sequence->finish == LSB_FINISH_NONE)
			step_add(s, step, flight, sequence, sequence->ids[sequence->n_ids - 1],
				 sequence->n_prompt + sequence->n_ids - 1, 1);
	}
}

int lsb_scheduler_next(struct lsb_scheduler *s, struct lsb_step *step)
{
	if (s->n_flights == s->limits.window)
		return 0;
	for (uint32_t i = 0; i < s->limits.in_flight; i++) {
		const uint32_t index = (s->turn + i) % s->limits.in_flight;
		struct lane *lane = &s->lanes[index];
		struct flight *flight = &s->flights[(s->first_flight + s->n_flights) % s->limits.window];

		*step = (struct lsb_step){
			.lane = index, .tokens = s->tokens, .sampling = s->sampling, .clear = s->clear
		};
		flight->lane = index;
		flight->n_outputs = 0;
		if (lane->running == 0 && lane->on_their_way == 0)
			lane_admit(s, index, step);
		if (lane->cursor < lane->n_members)
			lane_prefill(s, lane, step, flight);
		else if (lane->on_their_way == 0 && lane->running > 0)
			lane_decode(s, lane, step, flight);
		if (step->n_tokens == 0)
			continue;
		lane->on_their_way++;
		s->n_flights++;
		s->turn = (index + 1) % s->limits.in_flight;
		return 1;
	}
	return 0;
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
		if (sequence->finish != LSB_FINISH_NONE)
			lane->running--;
		touched[i] = sequence;
	}
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
	if (s->n_flights)
		return 0;
	for (uint32_t i = 0; i < s->limits.in_flight; i++)
		if (s->lanes[i].running)
			return 0;
	for (size_t i = s->next_sequence; i < s->n_sequences; i++)
		if (s->sequences[i].finish == LSB_FINISH_NONE)
			return 0;
	return 1;
}
