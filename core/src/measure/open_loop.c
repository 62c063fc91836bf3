/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/open_loop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lsbench/host.h"
#include "measure/statistics.h"

enum { GROWTH_LEAST = 12 }; /* requests: medians of at least 4 */

struct request {
	double arrival_s, queue_s, last_s; /* seconds of rank 0's clock; the last two NAN: never */
};

int lsb_is_open_loop(const json_t *point)
{
	const char *arrivals =
		json_string_value(json_object_get(json_object_get(point, "params"), "arrivals"));

	return arrivals && strcmp(arrivals, "closed") != 0;
}

static double seconds(const struct lsb_clock *clock, const json_t *request, const char *key)
{
	const json_int_t at = json_integer_value(json_object_get(request, key));

	return at > 0 ? (double)lsb_clock_align(clock, (uint64_t)at) * 1e-9 : NAN;
}

static size_t count(const json_t *ranks)
{
	const json_t *rank;
	size_t i, n = 0;

	json_array_foreach(ranks, i, rank)
	{
		n += json_array_size(json_object_get(rank, "requests"));
	}
	return n;
}

static int compare_arrivals(const void *a, const void *b)
{
	const struct request *x = a, *y = b;

	return (x->arrival_s > y->arrival_s) - (x->arrival_s < y->arrival_s);
}

static size_t collect(const json_t *ranks, const struct lsb_clock *clocks, struct request *out)
{
	const json_t *rank, *request;
	size_t r, i, n = 0;

	json_array_foreach(ranks, r, rank)
	{
		json_array_foreach(json_object_get(rank, "requests"), i, request)
		{
			const char *finish = json_string_value(json_object_get(request, "finish"));
			struct request *to = &out[n++];

			to->arrival_s = seconds(&clocks[r], request, "arrival_ns");
			to->queue_s = seconds(&clocks[r], request, "admitted_ns") - to->arrival_s;
			to->last_s = finish && strcmp(finish, "failed") != 0
					     ? seconds(&clocks[r], request, "last_ns")
					     : NAN;
		}
	}
	qsort(out, n, sizeof(*out), compare_arrivals);
	return n;
}

/* Events before the last / from the first to the last; `at` [n] ascending. */
static void set_rate(json_t *metrics, const char *name, const double *at, size_t n)
{
	size_t before = n;

	while (before && !(at[before - 1] < at[n - 1]))
		before--;
	if (before)
		json_object_set_new(metrics, name, json_real((double)before / (at[n - 1] - at[0])));
}

static double median_queue(const struct request *requests, size_t n, double *room)
{
	for (size_t i = 0; i < n; i++)
		room[i] = requests[i].queue_s;
	lsb_sort(room, n);
	return lsb_median(room, n);
}

/* `requests` [n]: all admitted, in order of arrival. */
static void set_growth(json_t *metrics, const struct request *requests, size_t n, double *room)
{
	const size_t third = n / 3;
	const struct request *last = requests + n - third;
	double apart_s;

	if (n < GROWTH_LEAST)
		return;
	apart_s = last[third / 2].arrival_s - requests[third / 2].arrival_s;
	if (apart_s > 0)
		json_object_set_new(
			metrics, "queue_growth",
			json_real((median_queue(last, third, room) - median_queue(requests, third, room)) /
				  apart_s));
}

int lsb_open_loop_add(const json_t *ranks, const struct lsb_clock *clocks, json_t *metrics,
		      struct lsb_error *err)
{
	const size_t all = count(ranks);
	struct request *requests = calloc(all + 1, sizeof(*requests));
	double *room = calloc(all + 1, sizeof(*room));
	size_t n, n_ended = 0, n_admitted = 0;

	if (!requests || !room) {
		free(requests);
		free(room);
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the arrivals of %zu requests", all);
	}
	n = collect(ranks, clocks, requests);
	for (size_t i = 0; i < n; i++)
		room[i] = requests[i].arrival_s;
	set_rate(metrics, "offered_rps", room, n);
	for (size_t i = 0; i < n; i++)
		if (isfinite(requests[i].last_s))
			room[n_ended++] = requests[i].last_s;
	lsb_sort(room, n_ended);
	set_rate(metrics, "achieved_rps", room, n_ended);
	for (size_t i = 0; i < n; i++)
		if (isfinite(requests[i].queue_s))
			requests[n_admitted++] = requests[i];
	set_growth(metrics, requests, n_admitted, room);
	free(requests);
	free(room);
	return LSB_OK;
}
