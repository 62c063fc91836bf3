/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler alone: what each step holds, in which order, and when it may start. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "schedule/scheduler.h"

enum { SEQUENCES_MAX = 24, IDS_MAX = 12, PROMPT_MAX = 40, STEPS_MAX = 4096, STOP_ID = 7 };

/* A set of requests and what the scheduler made of it. */
struct scene {
	struct lsb_scheduler_limits limits;
	struct lsb_sequence sequences[SEQUENCES_MAX];
	int32_t prompts[SEQUENCES_MAX][PROMPT_MAX], ids[SEQUENCES_MAX][IDS_MAX];
	uint32_t n;
	uint64_t now_ns;		   /* of the run */
	uint32_t continuous, stages, room; /* limits, set before scene_open; stages 0 is 1 */
	struct lsb_scheduler *scheduler;
	/* Steps on their way: number of outputs, and for each the sequence and position it is due for. */
	struct {
		uint32_t lane, n_outputs, sequence[SEQUENCES_MAX], position[SEQUENCES_MAX];
		int decodes;
	} flights[STEPS_MAX];
	uint32_t first, last;
	uint32_t next_position[SEQUENCES_MAX * SEQUENCES_MAX]; /* by slot */
	int32_t owner[SEQUENCES_MAX * SEQUENCES_MAX];	       /* sequence in a slot, -1: none */
	uint32_t seen[SEQUENCES_MAX];			       /* tokens of each sequence handed out */
};

static const int32_t stop_ids[] = { 3, STOP_ID };

static void scene_open(struct scene *s, uint32_t n, uint32_t batch, uint32_t in_flight, uint32_t chunk,
		       uint32_t window)
{
	struct lsb_error err = { 0 };

	s->limits = (struct lsb_scheduler_limits){ .batch = batch,
						   .in_flight = in_flight,
						   .chunk = chunk,
						   .window = window,
						   .stages = s->stages ? s->stages : 1,
						   .is_continuous = s->continuous,
						   .room = s->room,
						   .n_stop_ids = 2,
						   .stop_ids = stop_ids };
	s->n = n;
	memset(s->owner, -1, sizeof(s->owner));
	ck_assert_int_eq(lsb_scheduler_open(&s->limits, s->sequences, n, &s->scheduler, &err), LSB_OK);
}

static void add_sequence(struct scene *s, uint32_t i, uint32_t n_prompt, uint32_t max_new)
{
	for (uint32_t k = 0; k < n_prompt; k++)
		s->prompts[i][k] = (int32_t)(1000 * (i + 1) + k);
	s->sequences[i] = (struct lsb_sequence){ .prompt = s->prompts[i],
						 .ids = s->ids[i],
						 .n_prompt = n_prompt,
						 .max_new = max_new,
						 .sampling = { .request = i, .top_p = 1 } };
}

/* The sequence whose slot was just given away: the one with this prompt's first token. */
static uint32_t sequence_of(const struct scene *s, const struct lsb_token *token)
{
	if (s->owner[token->slot] >= 0)
		return (uint32_t)s->owner[token->slot];
	ck_assert_uint_eq(token->position, 0);
	return (uint32_t)token->id / 1000 - 1;
}

static void take_token(struct scene *s, const struct lsb_token *token, uint32_t lane,
		       const struct lsb_sampling *sampling)
{
	const uint32_t i = sequence_of(s, token);
	const struct lsb_sequence *sequence = &s->sequences[i];
	const uint32_t at = token->position;

	s->owner[token->slot] = (int32_t)i;
	ck_assert_uint_lt(i, s->n);
	ck_assert_uint_le(sequence->arrival_ns, sequence->admitted_ns);
	ck_assert_uint_le(sequence->admitted_ns, s->now_ns);
	ck_assert_uint_eq(sequence->slot, token->slot);
	ck_assert_uint_eq(sequence->lane, lane);
	ck_assert_uint_eq(token->slot / s->limits.batch, lane);
	ck_assert_uint_eq(at, s->next_position[token->slot]);
	ck_assert_uint_eq(at, s->seen[i]);
	s->next_position[token->slot]++;
	s->seen[i]++;
	if (at < sequence->n_prompt)
		ck_assert_int_eq(token->id, sequence->prompt[at]);
	else
		ck_assert_int_eq(token->id, sequence->ids[at - sequence->n_prompt]);
	ck_assert_int_eq((token->flags & LSB_TOKEN_OUTPUT) != 0, at + 1 >= sequence->n_prompt);
	if (token->flags & LSB_TOKEN_OUTPUT) {
		const uint32_t k = s->flights[s->last].n_outputs++;

		s->flights[s->last].sequence[k] = i;
		s->flights[s->last].position[k] = at;
		ck_assert_uint_eq(sampling->request, i);
	}
}

/* One step from the scheduler, checked against everything that scheduler.h says; 0 if there is none. */
static int scene_next(struct scene *s)
{
	struct lsb_step step;
	uint32_t outputs = 0;

	if (!lsb_scheduler_next(s->scheduler, s->now_ns, &step))
		return 0;
	ck_assert_uint_lt(step.lane, s->limits.in_flight);
	ck_assert_uint_ge(step.n_tokens, 1);
	ck_assert_uint_le(step.n_outputs, s->limits.batch);
	ck_assert_uint_le(step.n_tokens, lsb_scheduler_max_tokens(&s->limits));
	memset(&s->flights[s->last], 0, sizeof(s->flights[0]));
	s->flights[s->last].lane = step.lane;
	for (uint32_t i = 0; i < step.n_clear; i++) {
		const int32_t owner = s->owner[step.clear[i]];

		ck_assert_uint_eq(step.clear[i] / s->limits.batch, step.lane);
		ck_assert(owner < 0 || s->sequences[owner].finish != LSB_FINISH_NONE);
		s->owner[step.clear[i]] = -1;
		s->next_position[step.clear[i]] = 0;
	}
	for (uint32_t i = 0; i < step.n_tokens; i++) {
		const int is_output = (step.tokens[i].flags & LSB_TOKEN_OUTPUT) != 0;

		s->flights[s->last].decodes |= s->next_position[step.tokens[i].slot] >=
					       s->sequences[sequence_of(s, &step.tokens[i])].n_prompt;
		take_token(s, &step.tokens[i], step.lane, is_output ? &step.sampling[outputs] : NULL);
		outputs += is_output;
	}
	ck_assert_uint_eq(outputs, step.n_outputs);
	if (!s->flights[s->last].decodes)
		ck_assert_uint_le(step.n_tokens, s->limits.chunk);
	else /* waits for the ids of the steps before it; a static lane has no other on its way */
		for (uint32_t i = s->first; i < s->last; i++)
			ck_assert(s->flights[i].lane != step.lane ||
				  (s->limits.is_continuous && s->flights[i].n_outputs == 0));
	if (s->flights[s->last].decodes && !s->limits.is_continuous)
		ck_assert_uint_eq(step.n_tokens, step.n_outputs);
	s->last++;
	ck_assert_uint_le(s->last - s->first, s->limits.window);
	ck_assert_uint_eq(lsb_scheduler_on_their_way(s->scheduler), s->last - s->first);
	return 1;
}

/* The oldest step completes; its ids are `id`, or differ when that is negative. */
static void scene_complete(struct scene *s, int32_t id)
{
	struct lsb_sequence *touched[SEQUENCES_MAX];
	int32_t ids[SEQUENCES_MAX] = { 0 };
	const uint32_t n = s->flights[s->first].n_outputs;

	for (uint32_t i = 0; i < n; i++)
		ids[i] = id >= 0 ? id
				 : (int32_t)(100 + s->flights[s->first].sequence[i] * 31 +
					     s->flights[s->first].position[i]);
	ck_assert_int_eq(lsb_scheduler_complete(s->scheduler, ids, n, touched), LSB_OK);
	for (uint32_t i = 0; i < n; i++) {
		const struct lsb_sequence *sequence = &s->sequences[s->flights[s->first].sequence[i]];

		ck_assert_ptr_eq(touched[i], sequence);
		ck_assert_int_eq(sequence->ids[sequence->n_ids - 1], ids[i]);
		ck_assert_uint_eq(sequence->n_prompt + sequence->n_ids - 1,
				  s->flights[s->first].position[i] + 1);
	}
	s->first++;
}

static void scene_finish(struct scene *s)
{
	while (!lsb_scheduler_done(s->scheduler)) {
		while (scene_next(s))
			;
		ck_assert_uint_gt(s->last, s->first); /* else it is stuck */
		scene_complete(s, -1);
	}
	ck_assert_int_eq(scene_next(s), 0);
	lsb_scheduler_close(s->scheduler);
}

static struct scene scene; /* large */

static void reset(void)
{
	memset(&scene, 0, sizeof(scene));
}

/* A number below n from a linear congruential generator (Knuth's MMIX constants). */
static uint32_t draw(uint64_t *state, uint32_t n)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33) % n;
}

/* Served in order of arrival, and those that arrived together in order. */
static void check_admissions(const struct scene *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		for (uint32_t k = 0; k < s->n; k++) {
			const struct lsb_sequence *a = &s->sequences[i], *b = &s->sequences[k];

			if (s->seen[i] && s->seen[k] &&
			    (a->arrival_ns < b->arrival_ns || (a->arrival_ns == b->arrival_ns && i < k)))
				ck_assert_uint_le(a->admitted_ns, b->admitted_ns);
		}
}

/* Nothing is on its way: start a step, at the next arrival if there is none before. */
static void scene_go_on(struct scene *s)
{
	if (scene_next(s))
		return;
	ck_assert_uint_gt(lsb_scheduler_next_arrival(s->scheduler), s->now_ns);
	s->now_ns = lsb_scheduler_next_arrival(s->scheduler);
	ck_assert_uint_ne(s->now_ns, LSB_NEVER);
	ck_assert_int_eq(scene_next(s), 1);
}

START_TEST(random_requests_are_served_whole_in_order_and_once)
{
	uint64_t state = (uint64_t)_i * 2654435761u + 12345;

	for (int round = 0; round < 20; round++) {
		const uint32_t n = draw(&state, SEQUENCES_MAX + 1);

		memset(&scene, 0, sizeof(scene));
		for (uint32_t i = 0; i < n; i++) {
			const uint32_t n_prompt = 1 + draw(&state, PROMPT_MAX);

			add_sequence(&scene, i, n_prompt, 1 + draw(&state, IDS_MAX));
			if (draw(&state, 5) == 0)
				scene.sequences[i].finish =
					draw(&state, 2) ? LSB_FINISH_FAILED : LSB_FINISH_LENGTH;
			if (round % 2)
				scene.sequences[i].arrival_ns = draw(&state, 40);
		}
		scene.continuous = draw(&state, 2);
		scene.stages = 1 + draw(&state, 4);
		{
			const uint32_t batch = 1 + draw(&state, 6), in_flight = 1 + draw(&state, 5);
			const uint32_t chunk = 1 + draw(&state, 20);

			scene_open(&scene, n, batch, in_flight, chunk, 1 + draw(&state, 8));
		}
		while (!lsb_scheduler_done(scene.scheduler)) {
			const uint32_t start = draw(&state, 4);

			scene.now_ns += draw(&state, 3);
			for (uint32_t k = 0; k < start && scene_next(&scene); k++)
				;
			if (scene.last == scene.first)
				scene_go_on(&scene);
			scene_complete(&scene, draw(&state, 8) == 0 ? STOP_ID : -1);
		}
		ck_assert_int_eq(scene_next(&scene), 0);
		lsb_scheduler_close(scene.scheduler);
		check_admissions(&scene);
		for (uint32_t i = 0; i < n; i++) {
			const struct lsb_sequence *q = &scene.sequences[i];

			if (scene.seen[i] == 0) {
				ck_assert_uint_eq(q->n_ids, 0);
				continue;
			}
			ck_assert_uint_eq(scene.seen[i], q->n_prompt + q->n_ids - 1);
			if (q->finish == LSB_FINISH_LENGTH)
				ck_assert_uint_eq(q->n_ids, q->max_new);
			else
				ck_assert_int_eq(q->ids[q->n_ids - 1], STOP_ID);
		}
	}
}
END_TEST

START_TEST(chunks_of_a_prompt_are_on_their_way_together_and_decode_waits)
{
	reset();
	add_sequence(&scene, 0, 10, 3);
	scene_open(&scene, 1, 1, 1, 4, 8);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_uint_eq(scene.flights[2].n_outputs, 1);
	ck_assert_int_eq(scene_next(&scene), 0);
	scene_complete(&scene, -1);
	scene_complete(&scene, -1);
	ck_assert_int_eq(scene_next(&scene), 0);
	scene_complete(&scene, -1);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_int_eq(scene.flights[3].decodes, 1);
	ck_assert_int_eq(scene_next(&scene), 0);
	scene_complete(&scene, -1);
	scene_finish(&scene);
	ck_assert_uint_eq(scene.sequences[0].n_ids, 3);
}
END_TEST

START_TEST(no_more_than_the_window_is_on_its_way)
{
	reset();
	add_sequence(&scene, 0, 40, 1);
	scene_open(&scene, 1, 1, 1, 1, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_int_eq(scene_next(&scene), 0);
	scene_complete(&scene, -1);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_int_eq(scene_next(&scene), 0);
	scene_complete(&scene, -1);
	scene_finish(&scene);
}
END_TEST

START_TEST(ready_lanes_take_turns)
{
	reset();
	for (uint32_t i = 0; i < 3; i++)
		add_sequence(&scene, i, 12, 2);
	scene_open(&scene, 3, 1, 3, 4, 16);
	for (uint32_t i = 0; i < 9; i++) {
		ck_assert_int_eq(scene_next(&scene), 1);
		ck_assert_uint_eq(scene.flights[i].lane, i % 3);
	}
	scene_complete(&scene, -1);
	scene_finish(&scene);
}
END_TEST

START_TEST(a_group_takes_as_many_as_there_are_and_the_next_waits_for_it)
{
	reset();
	for (uint32_t i = 0; i < 5; i++)
		add_sequence(&scene, i, 2, 2);
	scene_open(&scene, 5, 4, 1, 64, 4);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_uint_eq(scene.flights[0].n_outputs, 4);
	scene_complete(&scene, -1);
	ck_assert_int_eq(scene_next(&scene), 1);
	scene_complete(&scene, -1);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_uint_eq(scene.flights[2].n_outputs, 1);
	ck_assert_uint_eq(scene.sequences[4].slot, 0);
	scene_complete(&scene, -1);
	scene_finish(&scene);
}
END_TEST

START_TEST(stop_ids_end_an_answer_unless_its_length_decides)
{
	for (uint32_t by_length = 0; by_length < 2; by_length++) {
		struct lsb_error err = { 0 };

		reset();
		add_sequence(&scene, 0, 2, 5);
		scene_open(&scene, 1, 1, 1, 8, 4);
		lsb_scheduler_close(scene.scheduler);
		scene.limits.stop_at_length = by_length;
		ck_assert_int_eq(
			lsb_scheduler_open(&scene.limits, scene.sequences, 1, &scene.scheduler, &err),
			LSB_OK);
		while (scene_next(&scene))
			scene_complete(&scene, STOP_ID);
		ck_assert_int_eq(lsb_scheduler_done(scene.scheduler), 1);
		ck_assert_uint_eq(scene.sequences[0].n_ids, by_length ? 5 : 1);
		ck_assert_int_eq(scene.sequences[0].finish, by_length ? LSB_FINISH_LENGTH : LSB_FINISH_STOP);
		lsb_scheduler_close(scene.scheduler);
	}
}
END_TEST

START_TEST(members_that_ended_leave_the_step)
{
	reset();
	add_sequence(&scene, 0, 1, 1);
	add_sequence(&scene, 1, 1, 4);
	scene_open(&scene, 2, 2, 1, 8, 4);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_uint_eq(scene.flights[0].n_outputs, 2);
	scene_complete(&scene, -1);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_uint_eq(scene.flights[1].n_outputs, 1);
	ck_assert_uint_eq(scene.flights[1].sequence[0], 1);
	scene_complete(&scene, -1);
	scene_finish(&scene);
}
END_TEST

START_TEST(finished_and_failed_requests_are_passed_over)
{
	reset();
	for (uint32_t i = 0; i < 4; i++)
		add_sequence(&scene, i, 3, 2);
	scene.sequences[0].finish = LSB_FINISH_FAILED;
	scene.sequences[2].finish = LSB_FINISH_LENGTH;
	scene_open(&scene, 4, 2, 1, 8, 4);
	scene_finish(&scene);
	ck_assert_uint_eq(scene.seen[0], 0);
	ck_assert_uint_eq(scene.seen[1], 4);
	ck_assert_uint_eq(scene.seen[2], 0);
	ck_assert_uint_eq(scene.seen[3], 4);
	ck_assert_int_eq(scene.sequences[0].finish, LSB_FINISH_FAILED);
}
END_TEST

START_TEST(nothing_to_serve_is_done_at_once)
{
	reset();
	add_sequence(&scene, 0, 3, 2);
	scene.sequences[0].finish = LSB_FINISH_FAILED;
	for (uint32_t n = 0; n < 2; n++) {
		scene_open(&scene, n, 2, 2, 8, 4);
		ck_assert_int_eq(lsb_scheduler_done(scene.scheduler), 1);
		ck_assert_int_eq(scene_next(&scene), 0);
		lsb_scheduler_close(scene.scheduler);
	}
}
END_TEST

START_TEST(a_wrong_number_of_ids_is_refused_and_changes_nothing)
{
	struct lsb_sequence *touched[4];
	const int32_t ids[4] = { 0 };

	reset();
	add_sequence(&scene, 0, 3, 2);
	scene_open(&scene, 1, 1, 1, 2, 4);
	ck_assert_int_eq(lsb_scheduler_complete(scene.scheduler, ids, 0, touched), LSB_EPEER);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_int_eq(lsb_scheduler_complete(scene.scheduler, ids, 1, touched), LSB_EPEER);
	ck_assert_uint_eq(scene.sequences[0].n_ids, 0);
	scene_complete(&scene, -1);
	scene_finish(&scene);
}
END_TEST

START_TEST(who_has_not_arrived_is_not_served_and_the_next_arrival_is_told)
{
	for (uint32_t continuous = 0; continuous < 2; continuous++) {
		reset();
		for (uint32_t i = 0; i < 3; i++) {
			add_sequence(&scene, i, 2, 2);
			scene.sequences[i].arrival_ns = 100 * (3 - i); /* the last comes first */
		}
		scene.continuous = continuous;
		scene_open(&scene, 3, 1, 2, 8, 4);
		ck_assert_int_eq(scene_next(&scene), 0);
		ck_assert_int_eq(lsb_scheduler_done(scene.scheduler), 0);
		ck_assert_uint_eq(lsb_scheduler_next_arrival(scene.scheduler), 100);
		scene.now_ns = 199;
		ck_assert_int_eq(scene_next(&scene), 1);
		ck_assert_uint_eq(scene.flights[0].sequence[0], 2);
		ck_assert_uint_eq(scene.sequences[2].admitted_ns, 199);
		ck_assert_int_eq(scene_next(&scene), 0);
		ck_assert_uint_eq(lsb_scheduler_next_arrival(scene.scheduler), 200);
		scene.now_ns = 1000;
		ck_assert_int_eq(scene_next(&scene), 1);
		ck_assert_uint_eq(scene.flights[1].sequence[0], 1);
		ck_assert_int_eq(scene_next(&scene), 0); /* both slots are taken: time does not help */
		ck_assert_uint_eq(lsb_scheduler_next_arrival(scene.scheduler), LSB_NEVER);
		scene_complete(&scene, -1);
		scene_finish(&scene);
		ck_assert_uint_eq(scene.sequences[0].n_ids, 2);
	}
}
END_TEST

/* How many more the scene's scheduler asks for; prompt_room has how long their prompts may be. */
static uint32_t prompt_room;

static uint32_t wanted_soon(void)
{
	return lsb_scheduler_wants_soon(scene.scheduler, &prompt_room);
}

START_TEST(sequences_handed_over_during_the_run_are_served_and_the_run_waits_for_them)
{
	for (uint32_t continuous = 0; continuous < 2; continuous++) {
		reset();
		for (uint32_t i = 0; i < 4; i++)
			add_sequence(&scene, i, 2, 2);
		scene.continuous = continuous;
		scene.room = 3;
		scene_open(&scene, 0, 2, 1, 8, 4);
		scene.n = 4;
		ck_assert_int_eq(lsb_scheduler_done(scene.scheduler), 1);
		lsb_scheduler_expect(scene.scheduler, 1);
		ck_assert_int_eq(lsb_scheduler_done(scene.scheduler), 0);
		ck_assert_int_eq(scene_next(&scene), 0);
		ck_assert_uint_eq(lsb_scheduler_next_arrival(scene.scheduler), LSB_NEVER);
		ck_assert_uint_eq(wanted_soon(), 2);
		ck_assert_int_eq(lsb_scheduler_add(scene.scheduler, &scene.sequences[0]), LSB_OK);
		ck_assert_uint_eq(wanted_soon(), 1);
		ck_assert_int_eq(scene_next(&scene), 1);
		/* it is near its end: another group, or its slot and the free one */
		ck_assert_uint_eq(wanted_soon(), 2);
		ck_assert_int_eq(lsb_scheduler_add(scene.scheduler, &scene.sequences[1]), LSB_OK);
		ck_assert_int_eq(lsb_scheduler_add(scene.scheduler, &scene.sequences[2]), LSB_OK);
		scene_complete(&scene, -1);
		ck_assert_int_eq(scene_next(&scene), 1);
		ck_assert_uint_eq(scene.flights[1].n_outputs, 1 + continuous);
		scene_complete(&scene, -1);
		ck_assert_int_eq(lsb_scheduler_add(scene.scheduler, &scene.sequences[3]), LSB_OK);
		lsb_scheduler_expect(scene.scheduler, 0);
		scene_finish(&scene);
		for (uint32_t i = 0; i < 4; i++)
			ck_assert_uint_eq(scene.sequences[i].n_ids, 2);
	}
}
END_TEST

START_TEST(more_is_wanted_when_slots_are_about_to_come_free)
{
	struct lsb_error err;

	for (uint32_t continuous = 0; continuous < 2; continuous++) {
		reset();
		add_sequence(&scene, 0, 1, 6);
		add_sequence(&scene, 1, 1, 9);
		scene.continuous = continuous;
		scene_open(&scene, 2, 2, 1, 8, 4);
		ck_assert_uint_eq(wanted_soon(), 0); /* two wait for two slots */
		lsb_scheduler_close(scene.scheduler);
		scene.limits.stop_at_length = 1;
		ck_assert_int_eq(
			lsb_scheduler_open(&scene.limits, scene.sequences, 2, &scene.scheduler, &err),
			LSB_OK);
		for (uint32_t ids = 1; ids < 9; ids++) {
			const uint32_t near_end = (ids >= 4) + (ids >= 7);

			ck_assert_int_eq(scene_next(&scene), 1);
			scene_complete(&scene, -1);
			ck_assert_uint_eq(wanted_soon(), continuous ? near_end : near_end == 2 ? 2 : 0);
		}
		scene_finish(&scene);
	}
}
END_TEST

START_TEST(one_is_wanted_ahead_where_answers_may_stop_anywhere)
{
	for (uint32_t continuous = 0; continuous < 2; continuous++) {
		reset();
		add_sequence(&scene, 0, 1, 12);
		add_sequence(&scene, 1, 1, 12);
		scene.continuous = continuous;
		scene_open(&scene, 2, 2, 1, 8, 4);
		ck_assert_int_eq(scene_next(&scene), 1);
		scene_complete(&scene, -1);
		ck_assert_uint_eq(wanted_soon(), continuous);
		scene_finish(&scene);
	}
}
END_TEST

/* Two steps of 8 tokens: whoever has prompts for those leaves the next one to others. */
START_TEST(prompts_that_could_not_begin_soon_are_not_wanted)
{
	reset();
	add_sequence(&scene, 0, 20, 9);
	add_sequence(&scene, 1, 5, 9);
	scene.continuous = 1;
	scene.room = 2;
	scene_open(&scene, 0, 4, 1, 8, 4);
	scene.n = 2;
	ck_assert_uint_eq(wanted_soon(), 4);
	ck_assert_uint_eq(prompt_room, 16);
	ck_assert_int_eq(lsb_scheduler_add(scene.scheduler, &scene.sequences[0]), LSB_OK);
	ck_assert_uint_eq(wanted_soon(), 0);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_uint_eq(wanted_soon(), 3); /* 12 of its tokens are left */
	ck_assert_uint_eq(prompt_room, 4);
	ck_assert_int_eq(lsb_scheduler_add(scene.scheduler, &scene.sequences[1]), LSB_OK);
	ck_assert_uint_eq(wanted_soon(), 0);
	scene_complete(&scene, -1);
	scene_finish(&scene);
}
END_TEST

START_TEST(groups_are_wanted_whatever_their_prompts)
{
	reset();
	add_sequence(&scene, 0, 20, 2);
	scene.room = 1;
	scene_open(&scene, 0, 2, 1, 8, 4);
	scene.n = 1;
	ck_assert_int_eq(lsb_scheduler_add(scene.scheduler, &scene.sequences[0]), LSB_OK);
	ck_assert_uint_eq(wanted_soon(), 1);
	ck_assert_uint_eq(prompt_room, UINT32_MAX);
	scene_finish(&scene);
}
END_TEST

START_TEST(no_more_than_the_room_can_wait)
{
	reset();
	for (uint32_t i = 0; i < 3; i++)
		add_sequence(&scene, i, 1, 1);
	scene.room = 2;
	scene_open(&scene, 0, 1, 1, 1, 1);
	scene.n = 3;
	ck_assert_int_eq(lsb_scheduler_add(scene.scheduler, &scene.sequences[0]), LSB_OK);
	ck_assert_int_eq(lsb_scheduler_add(scene.scheduler, &scene.sequences[1]), LSB_OK);
	ck_assert_int_eq(lsb_scheduler_add(scene.scheduler, &scene.sequences[2]), LSB_EINVAL);
	scene_finish(&scene);
}
END_TEST

START_TEST(a_freed_slot_is_refilled_and_prompts_ride_beside_decoding)
{
	reset();
	add_sequence(&scene, 0, 2, 6);
	add_sequence(&scene, 1, 2, 1);
	add_sequence(&scene, 2, 7, 2);
	scene.continuous = 1;
	scene_open(&scene, 3, 2, 1, 4, 4);
	ck_assert_int_eq(scene_next(&scene), 1); /* both prompts */
	ck_assert_uint_eq(scene.flights[0].n_outputs, 2);
	ck_assert_int_eq(scene_next(&scene), 0);
	scene_complete(&scene, -1); /* 1 has ended; 2 gets its slot */
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_uint_eq(scene.sequences[2].slot, scene.sequences[1].slot);
	ck_assert_int_eq(scene.flights[1].decodes, 1);
	ck_assert_uint_eq(scene.seen[2], 3); /* the rest of the chunk of 4 */
	ck_assert_uint_eq(scene.flights[1].n_outputs, 1);
	ck_assert_int_eq(scene_next(&scene), 0); /* one stage: nothing goes ahead of the ids */
	scene_complete(&scene, -1);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_uint_eq(scene.seen[2], 6);
	scene_complete(&scene, -1);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_uint_eq(scene.flights[3].n_outputs, 2); /* a token of 0, the last prompt token of 2 */
	scene_complete(&scene, -1);
	scene_finish(&scene);
}
END_TEST

START_TEST(prompts_go_ahead_of_ids_while_a_stage_would_stand_idle)
{
	reset();
	add_sequence(&scene, 0, 2, 6);
	add_sequence(&scene, 1, 12, 2);
	scene.continuous = 1;
	scene.stages = 3;
	scene_open(&scene, 2, 2, 1, 4, 8);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_uint_eq(scene.flights[0].n_outputs, 1);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_int_eq(scene.flights[1].decodes, 0);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_int_eq(scene_next(&scene), 0); /* as many as there are stages */
	scene_complete(&scene, -1);
	ck_assert_int_eq(scene_next(&scene), 1); /* 0 decodes though chunks are on their way */
	ck_assert_int_eq(scene.flights[3].decodes, 1);
	scene_complete(&scene, -1);
	scene_finish(&scene);
}
END_TEST

START_TEST(continuous_lanes_share_what_arrives)
{
	reset();
	for (uint32_t i = 0; i < 4; i++)
		add_sequence(&scene, i, 1, 2);
	scene.continuous = 1;
	scene_open(&scene, 4, 4, 2, 8, 4);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_int_eq(scene_next(&scene), 1);
	ck_assert_uint_eq(scene.flights[0].n_outputs, 2);
	ck_assert_uint_eq(scene.flights[1].n_outputs, 2);
	ck_assert_uint_ne(scene.flights[0].lane, scene.flights[1].lane);
	scene_complete(&scene, -1);
	scene_finish(&scene);
}
END_TEST

START_TEST(a_batch_above_the_chunk_does_not_starve_prompts)
{
	reset();
	for (uint32_t i = 0; i < 4; i++)
		add_sequence(&scene, i, 6, 12);
	scene.continuous = 1;
	scene_open(&scene, 4, 4, 1, 2, 2);
	while (scene.seen[3] < 6) {
		const uint32_t before = scene.seen[0] + scene.seen[1] + scene.seen[2] + scene.seen[3];

		ck_assert_int_eq(scene_next(&scene), 1);
		ck_assert_uint_gt(scene.seen[0] + scene.seen[1] + scene.seen[2] + scene.seen[3], before);
		scene_complete(&scene, -1);
		ck_assert_uint_lt(scene.first,
				  15); /* a token a step at the least, beside three that decode */
	}
	scene_finish(&scene);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scheduler");
	TCase *tcase = tcase_create("scheduler");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, random_requests_are_served_whole_in_order_and_once, 0, 50);
	tcase_add_test(tcase, chunks_of_a_prompt_are_on_their_way_together_and_decode_waits);
	tcase_add_test(tcase, no_more_than_the_window_is_on_its_way);
	tcase_add_test(tcase, ready_lanes_take_turns);
	tcase_add_test(tcase, a_group_takes_as_many_as_there_are_and_the_next_waits_for_it);
	tcase_add_test(tcase, stop_ids_end_an_answer_unless_its_length_decides);
	tcase_add_test(tcase, members_that_ended_leave_the_step);
	tcase_add_test(tcase, finished_and_failed_requests_are_passed_over);
	tcase_add_test(tcase, nothing_to_serve_is_done_at_once);
	tcase_add_test(tcase, a_wrong_number_of_ids_is_refused_and_changes_nothing);
	tcase_add_test(tcase, who_has_not_arrived_is_not_served_and_the_next_arrival_is_told);
	tcase_add_test(tcase, sequences_handed_over_during_the_run_are_served_and_the_run_waits_for_them);
	tcase_add_test(tcase, more_is_wanted_when_slots_are_about_to_come_free);
	tcase_add_test(tcase, one_is_wanted_ahead_where_answers_may_stop_anywhere);
	tcase_add_test(tcase, prompts_that_could_not_begin_soon_are_not_wanted);
	tcase_add_test(tcase, groups_are_wanted_whatever_their_prompts);
	tcase_add_test(tcase, no_more_than_the_room_can_wait);
	tcase_add_test(tcase, a_freed_slot_is_refilled_and_prompts_ride_beside_decoding);
	tcase_add_test(tcase, prompts_go_ahead_of_ids_while_a_stage_would_stand_idle);
	tcase_add_test(tcase, continuous_lanes_share_what_arrives);
	tcase_add_test(tcase, a_batch_above_the_chunk_does_not_starve_prompts);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
