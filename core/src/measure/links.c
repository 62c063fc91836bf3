/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/links.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "measure/loggp.h"
#include "measure/look.h"
#include "measure/statistics.h"

/* --- one launch --- */

/* A sized metric: NAME_BYTES_UNIT. */
static void set_sized(json_t *metrics, const char *name, json_int_t bytes, const char *unit, double value)
{
	char key[80];

	(void)snprintf(key, sizeof(key), "%s_%lld_%s", name, (long long)bytes, unit);
	json_object_set_new(metrics, key, json_real(value));
}

/* The mean over all ranks' rows number `at + k * n_sizes` of one figure; 0 where a row lacks it. */
static double mean_over_pairs(const json_t *ranks, size_t at, size_t n_sizes, const char *key)
{
	const json_t *rank;
	double sum = 0, n = 0;
	size_t r;

	json_array_foreach(ranks, r, rank)
	{
		const json_t *rows = json_object_get(rank, "links");

		for (size_t i = at; i < json_array_size(rows); i += n_sizes) {
			sum += lsb_look_number(json_array_get(rows, i), key);
			n++;
		}
	}
	return n > 0 ? sum / n : 0;
}

/* Rows of every rank: to each other rank, in one order of sizes. */
static int check_rows(const json_t *ranks, size_t *n_sizes, struct lsb_error *err)
{
	const size_t n_ranks = json_array_size(ranks);
	const json_t *first = json_object_get(json_array_get(ranks, 0), "links"), *rank;
	size_t r;

	*n_sizes = n_ranks > 1 ? json_array_size(first) / (n_ranks - 1) : 0;
	if (*n_sizes == 0)
		return lsb_fail(err, LSB_EPEER, 0, "rank 0 measured no links");
	json_array_foreach(ranks, r, rank)
	{
		const json_t *rows = json_object_get(rank, "links"), *row;
		size_t i;

		if (json_array_size(rows) != *n_sizes * (n_ranks - 1))
			return lsb_fail(err, LSB_EPEER, 0, "rank %zu measured %zu links and sizes of %zu", r,
					json_array_size(rows), *n_sizes * (n_ranks - 1));
		json_array_foreach(rows, i, row)
		{
			if (!json_equal(json_object_get(row, "bytes"),
					json_object_get(json_array_get(first, i % *n_sizes), "bytes")) ||
			    !(lsb_look_number(row, "latency_mean_s") > 0) ||
			    !(lsb_look_number(row, "bytes") >= 1))
				return lsb_fail(err, LSB_EPEER, 0,
						"rank %zu: row %zu of its links cannot be used", r, i);
		}
	}
	return LSB_OK;
}

int lsb_links_measure(const json_t *ranks, json_t *metrics, struct lsb_error *err)
{
	const json_t *first = json_object_get(json_array_get(ranks, 0), "links");
	double run_s = 0, peak = 0, connect_s = 0;
	size_t n_sizes, smallest = 0, largest = 0;
	int rc = check_rows(ranks, &n_sizes, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < json_array_size(ranks); i++) {
		const json_t *rank = json_array_get(ranks, i);

		run_s = lsb_look_number(rank, "run_s") > run_s ? lsb_look_number(rank, "run_s") : run_s;
		peak = lsb_look_number(rank, "peak_memory_bytes") > peak
			       ? lsb_look_number(rank, "peak_memory_bytes")
			       : peak;
		connect_s = lsb_look_number(rank, "connect_s") > connect_s
				    ? lsb_look_number(rank, "connect_s")
				    : connect_s;
	}
	json_object_set_new(metrics, "run_s", json_real(run_s));
	json_object_set_new(metrics, "connect_s", json_real(connect_s));
	json_object_set_new(metrics, "peak_memory_bytes", json_real(peak));
	for (size_t i = 0; i < n_sizes; i++) {
		const json_int_t bytes =
			json_integer_value(json_object_get(json_array_get(first, i), "bytes"));
		const double messages = mean_over_pairs(ranks, i, n_sizes, "messages_per_s");

		set_sized(metrics, "latency", bytes, "s",
			  mean_over_pairs(ranks, i, n_sizes, "latency_mean_s"));
		if (messages > 0) {
			set_sized(metrics, "bandwidth", bytes, "bps",
				  mean_over_pairs(ranks, i, n_sizes, "bandwidth_bps"));
			set_sized(metrics, "messages", bytes, "per_s", messages);
		}
		if (bytes < json_integer_value(json_object_get(json_array_get(first, smallest), "bytes")))
			smallest = i;
		if (bytes > json_integer_value(json_object_get(json_array_get(first, largest), "bytes")))
			largest = i;
	}
	json_object_set_new(metrics, "latency_s",
			    json_real(mean_over_pairs(ranks, smallest, n_sizes, "latency_mean_s")));
	if (mean_over_pairs(ranks, smallest, n_sizes, "messages_per_s") > 0) {
		json_object_set_new(metrics, "messages_per_s",
				    json_real(mean_over_pairs(ranks, smallest, n_sizes, "messages_per_s")));
		json_object_set_new(metrics, "bandwidth_bps",
				    json_real(mean_over_pairs(ranks, largest, n_sizes, "bandwidth_bps")));
	}
	return LSB_OK;
}

/* --- over launches --- */

/*
 * One figure of row `i` of rank `r` over launches: {"median", "ci95", "n"}, or null where a launch lacks it.
 */
static json_t *estimate(const json_t *launches, size_t r, size_t i, const char *key)
{
	const size_t n = json_array_size(launches);
	double *values = calloc(n + 1, sizeof(*values));
	json_t *out = NULL;
	size_t k = 0;

	for (; values && k < n; k++) {
		const json_t *ranks = json_object_get(json_array_get(launches, k), "ranks");
		const json_t *rows = json_object_get(json_array_get(ranks, r), "links");
		const json_t *value = json_object_get(json_array_get(rows, i), key);

		if (!json_is_number(value))
			break;
		values[k] = json_number_value(value);
	}
	if (values && n && k == n) {
		lsb_sort(values, n);
		out = json_pack("{s:f, s:o, s:I}", "median", lsb_median(values, n), "ci95",
				lsb_look_interval(values, n), "n", (json_int_t)n);
	}
	free(values);
	return out ? out : json_null();
}

static json_t *loggp_json(const json_t *sizes)
{
	const size_t n = json_array_size(sizes);
	struct lsb_loggp_sample *samples = calloc(n + 1, sizeof(*samples));
	struct lsb_loggp fit;
	json_t *out = json_null();

	for (size_t i = 0; samples && i < n; i++) {
		const json_t *row = json_array_get(sizes, i);

		samples[i].bytes = lsb_look_number(row, "bytes");
		samples[i].latency_s = lsb_look_number(json_object_get(row, "latency_s"), "median");
		samples[i].send_s = lsb_look_number(json_object_get(row, "send_s"), "median");
		samples[i].messages_per_s = lsb_look_number(json_object_get(row, "messages_per_s"), "median");
	}
	if (samples && lsb_loggp_fit(samples, n, &fit) == 0)
		out = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "start_s", fit.start_s, "latency_s",
				fit.latency_s, "overhead_s", fit.overhead_s, "gap_s", fit.gap_s,
				"gap_per_byte_s", fit.gap_per_byte_s, "residual", fit.residual);
	free(samples);
	return out;
}

/* Rows [from, from + n_sizes) of rank r: the link to one other rank. */
static json_t *pair_json(const json_t *launches, size_t r, const json_t *rows, size_t from, size_t n_sizes)
{
	static const struct {
		const char *name, *key;
	} figures[] = { { "latency_s", "latency_mean_s" },    { "latency_p50_s", "latency_p50_s" },
			{ "latency_p99_s", "latency_p99_s" }, { "send_s", "send_s" },
			{ "bandwidth_bps", "bandwidth_bps" }, { "messages_per_s", "messages_per_s" } };
	json_t *sizes = json_array();

	for (size_t i = from; i < from + n_sizes; i++) {
		json_t *row = json_object();

		json_object_set(row, "bytes", json_object_get(json_array_get(rows, i), "bytes"));
		for (size_t k = 0; k < LSB_COUNT(figures); k++)
			json_object_set_new(row, figures[k].name, estimate(launches, r, i, figures[k].key));
		json_array_append_new(sizes, row);
	}
	return json_pack("{s:I, s:O, s:o, s:o}", "from", (json_int_t)r, "to",
			 json_object_get(json_array_get(rows, from), "to"), "sizes", sizes, "loggp",
			 loggp_json(sizes));
}

json_t *lsb_links_summary(const json_t *launches)
{
	const json_t *ranks = json_object_get(json_array_get(launches, 0), "ranks"), *rank;
	json_t *out = json_array();
	struct lsb_error why;
	size_t n_sizes, r;

	if (!json_array_size(launches) || check_rows(ranks, &n_sizes, &why)) {
		json_decref(out);
		return json_null();
	}
	json_array_foreach(ranks, r, rank)
	{
		const json_t *rows = json_object_get(rank, "links");

		for (size_t i = 0; i < json_array_size(rows); i += n_sizes)
			json_array_append_new(out, pair_json(launches, r, rows, i, n_sizes));
	}
	return out;
}
