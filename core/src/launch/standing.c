/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/standing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lsbench/host.h"
#include "measure/slo.h"
#include "measure/target.h"
#include "suite/baseline.h"

enum { FAILURES_IN_A_ROW = 2 }; /* and a point is not launched again */

static int open_one(struct lsb_standing *s, const struct lsb_suite *suite, size_t i)
{
	const struct lsb_point *point = &suite->points[i];
	const ptrdiff_t other = lsb_baselines_find(suite->points, suite->n_points, i).equal_batch;

	s->point = point;
	s->baseline = other == (ptrdiff_t)i ? -1 : other;
	s->is_searched = strcmp(point->search, "knee") == 0;
	s->rounds = calloc(point->max_reps, sizeof(*s->rounds));
	s->rates = malloc(point->max_reps * sizeof(*s->rates));
	s->shares = malloc(point->max_reps * sizeof(*s->shares));
	if (!s->rounds || !s->rates || !s->shares)
		return LSB_ENOMEM;
	for (uint32_t k = 0; k < point->max_reps; k++)
		s->rates[k] = s->shares[k] = NAN;
	return LSB_OK;
}

int lsb_standings_open(struct lsb_standings *standings, const struct lsb_suite *suite, struct lsb_error *err)
{
	const size_t n = suite->n_points;

	*standings = (struct lsb_standings){ .points = calloc(n + 1, sizeof(*standings->points)), .n = n };
	for (size_t i = 0; i < n; i++)
		if (!standings->points || open_one(&standings->points[i], suite, i))
			return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu points", n);
	return LSB_OK;
}

void lsb_standings_close(struct lsb_standings *standings)
{
	for (size_t i = 0; standings->points && i < standings->n; i++) {
		free(standings->points[i].rounds);
		free(standings->points[i].rates);
		free(standings->points[i].shares);
	}
	free(standings->points);
	*standings = (struct lsb_standings){ 0 };
}

void lsb_standing_note(struct lsb_standing *s, const json_t *line)
{
	const char *status = json_string_value(json_object_get(line, "status"));
	const json_int_t round = json_integer_value(json_object_get(line, "round"));
	const int code = (int)json_integer_value(json_object_get(line, "code"));
	int failed;

	if (!status || strcmp(status, "interrupted") == 0)
		return;
	if (round >= 0 && round < s->point->max_reps)
		s->rounds[round] = 1;
	if (round >= 0 && round < s->point->max_reps && strcmp(status, "ok") == 0) {
		const json_t *metrics = json_object_get(line, "metrics");
		const json_t *rate = json_object_get(metrics, "tokens_per_s");

		s->rates[round] = json_is_number(rate) ? json_number_value(rate) : NAN;
		s->shares[round] = lsb_slo_kept_of_launch(metrics);
	}
	failed = strcmp(status, "failed") == 0 || strcmp(status, "incomplete") == 0;
	s->failures = failed ? s->failures + 1 : 0;
	s->code = code ? code : s->code;
	s->is_over |= strcmp(status, "waived") == 0 || s->failures >= FAILURES_IN_A_ROW;
}

size_t lsb_standing_left(const struct lsb_standing *s)
{
	size_t left = 0;

	for (uint32_t i = 0; i < s->point->max_reps && !s->is_over; i++)
		left += !s->rounds[i];
	return left;
}

void lsb_standings_decide(struct lsb_standings *standings, uint32_t round)
{
	for (size_t i = 0; i < standings->n; i++)
		standings->points[i].goes_on = 0;
	for (size_t i = 0; i < standings->n; i++) {
		struct lsb_standing *s = &standings->points[i];
		struct lsb_standing *other = s->baseline >= 0 ? &standings->points[s->baseline] : NULL;
		uint32_t rounds = round < s->point->max_reps ? round : s->point->max_reps;

		if (other && other->point->max_reps < rounds)
			rounds = other->point->max_reps;
		if (round < s->point->reps || s->is_over || round >= s->point->max_reps ||
		    lsb_target_half_width(s->rates, other ? other->rates : NULL, rounds) <
			    LSB_TARGET_HALF_WIDTH)
			continue;
		s->goes_on = 1;
		if (other)
			other->goes_on = 1;
	}
}

int lsb_standings_need(const struct lsb_standings *standings, const struct lsb_order_slot *slot)
{
	const struct lsb_standing *s = &standings->points[slot->point];

	return !s->is_over && !s->is_searched && !s->rounds[slot->round] &&
	       (slot->round < s->point->reps || s->goes_on);
}
