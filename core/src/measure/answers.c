/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/answers.h"

#include <stdlib.h>
#include <string.h>

#include "measure/look.h"
#include "measure/statistics.h"

enum { PERIOD_MAX = 16, PERIODS_LEAST = 3, LOOP_LEAST = 12 };

struct tally {
	double *lengths; /* [n] */
	double asked;	 /* sum of limits */
	size_t n, n_limited, n_empty, n_at_once, n_repeated;
	json_t *sums, *counts; /* by score */
};

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

int lsb_answer_is_repeated(const json_t *ids)
{
	const size_t n = json_array_size(ids);

	for (size_t period = 1; period <= PERIOD_MAX && period < n; period++) {
		size_t same = 0;

		while (same + period < n && json_equal(json_array_get(ids, n - 1 - same),
						       json_array_get(ids, n - 1 - same - period)))
			same++;
		if (same + period >= larger(larger(PERIODS_LEAST * period, LOOP_LEAST), (n + 1) / 2) && same)
			return 1;
	}
	return 0;
}

static int is_empty(const char *text)
{
	return text[strspn(text, " \t\r\n\v\f")] == '\0';
}

static void add(json_t *object, const char *name, double value)
{
	json_object_set_new(object, name, json_real(lsb_look_number(object, name) + value));
}

static void add_answer(struct tally *t, const json_t *request)
{
	const double tokens = lsb_look_number(request, "generated_tokens");
	const char *name;
	json_t *score;

	t->lengths[t->n++] = tokens;
	t->asked += lsb_look_number(request, "max_new");
	t->n_limited += json_object_get(request, "max_new") != NULL; /* not in old journals */
	t->n_empty += (size_t)is_empty(lsb_look_text(request, "text"));
	t->n_at_once += tokens <= 1 && lsb_look_is(request, "finish", "stop");
	t->n_repeated += (size_t)lsb_answer_is_repeated(json_object_get(request, "ids"));
	json_object_foreach(json_object_get(request, "scores"), name, score)
	{
		add(t->sums, name, json_number_value(score));
		add(t->counts, name, 1);
	}
}

static void set(json_t *metrics, const char *name, double value)
{
	json_object_set_new(metrics, name, json_real(value));
}

static void set_metrics(json_t *metrics, struct tally *t)
{
	const double n = (double)t->n;
	const char *name;
	json_t *sum;

	lsb_sort(t->lengths, t->n);
	set(metrics, "answer_tokens_mean", lsb_mean(t->lengths, t->n));
	set(metrics, "answer_tokens_min", t->lengths[0]);
	set(metrics, "answer_tokens_p50", lsb_median(t->lengths, t->n));
	set(metrics, "answer_tokens_max", t->lengths[t->n - 1]);
	if (t->n_limited == t->n)
		set(metrics, "asked_tokens", t->asked);
	set(metrics, "empty_share", (double)t->n_empty / n);
	set(metrics, "at_once_share", (double)t->n_at_once / n);
	set(metrics, "repeated_share", (double)t->n_repeated / n);
	/* a workload names its scores; none of them may hide a metric of ours */
	json_object_foreach(t->sums, name, sum)
	{
		if (!json_object_get(metrics, name))
			set(metrics, name, json_number_value(sum) / lsb_look_number(t->counts, name));
	}
}

void lsb_answers_measure(const json_t *ranks, json_t *metrics)
{
	struct tally t = { .sums = json_object(), .counts = json_object() };
	const json_t *rank, *request;
	size_t n = 0, r, i;

	json_array_foreach(ranks, r, rank)
	{
		n += json_array_size(json_object_get(rank, "requests"));
	}
	t.lengths = calloc(n + 1, sizeof(*t.lengths));
	json_array_foreach(ranks, r, rank)
	{
		json_array_foreach(json_object_get(rank, "requests"), i, request)
		{
			if (t.lengths && !lsb_look_is(request, "finish", "failed"))
				add_answer(&t, request);
		}
	}
	if (t.n)
		set_metrics(metrics, &t);
	free(t.lengths);
	json_decref(t.sums);
	json_decref(t.counts);
}
