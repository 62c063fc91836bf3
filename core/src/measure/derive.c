/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/derive.h"

#include <math.h>
#include <stdlib.h>

#include "measure/loggp.h"
#include "measure/devices.h"
#include "measure/look.h"

#define FLAT 0.1 /* a link of so even times shows no bandwidth */

const json_t *lsb_derive_peaks(const json_t *launches)
{
	const json_t *launch;
	size_t i;

	json_array_foreach(launches, i, launch)
	{
		const json_t *ranks = json_object_get(launch, "ranks");

		if (lsb_look_number(json_array_get(ranks, 0), "read_bandwidth_alone") > 0)
			return ranks;
	}
	return NULL;
}

/*
 * Messages of all sizes take the same, by a tenth of it: a link whose latency is so long that its
 * bandwidth does not show. The mean; 0 when they do not.
 */
static double flat_latency(const struct lsb_line_sample *samples, size_t n)
{
	double least = HUGE_VAL, most = 0, sum = 0;

	for (size_t i = 0; i < n; i++) {
		least = fmin(least, samples[i].y);
		most = fmax(most, samples[i].y);
		sum += samples[i].y / (double)n;
	}
	return n > 1 && most - least <= FLAT * least ? sum : 0;
}

int lsb_derive_link(const json_t *rank, struct lsb_link_line *out)
{
	const json_t *sizes = json_object_get(json_object_get(rank, "link"), "sizes"), *size;
	struct lsb_line_sample *samples = calloc(json_array_size(sizes) + 1, sizeof(*samples));
	struct lsb_line line;
	double flat_s;
	size_t i;
	int rc;

	if (!samples)
		return -1;
	json_array_foreach(sizes, i, size)
	{
		samples[i] = (struct lsb_line_sample){ lsb_look_number(size, "bytes"),
						       lsb_look_number(size, "one_way_s") };
	}
	rc = lsb_line_fit(samples, json_array_size(sizes), &line);
	flat_s = flat_latency(samples, json_array_size(sizes));
	free(samples);
	if (flat_s > 0 && (rc || !(line.slope > 0))) {
		*out = (struct lsb_link_line){ flat_s, INFINITY, 0 };
		return 0;
	}
	/* on a busy machine a small message may take longer than a large one: no line, no figure */
	if (rc || !(line.start > 0) || !(line.slope > 0))
		return -1;
	*out = (struct lsb_link_line){ line.start, 1 / line.slope, line.residual };
	return 0;
}

/* Mean of KEY over the rows of the launch's ledger; NAN without one. */
static double over_ranks(const json_t *launch, const char *key)
{
	const json_t *ledger = json_object_get(launch, "ledger"), *row;
	double sum = 0;
	size_t i;

	json_array_foreach(ledger, i, row)
	{
		sum += lsb_look_number(row, key);
	}
	return i ? sum / (double)i : NAN;
}

/* Mean of KEY over the launch's pipelines; NAN unless each has one. */
static double over_pipelines(const json_t *launch, const char *key)
{
	const json_t *schedule = json_object_get(launch, "schedule"), *row;
	double sum = 0;
	size_t i;

	json_array_foreach(schedule, i, row)
	{
		const json_t *value = json_object_get(row, key);

		if (!json_is_number(value))
			return NAN;
		sum += json_number_value(value);
	}
	return i ? sum / (double)i : NAN;
}

static double compute_s(const json_t *launch, const json_t *peaks)
{
	(void)peaks;
	return over_ranks(launch, "compute_s");
}

static double transfer_s(const json_t *launch, const json_t *peaks)
{
	(void)peaks;
	return over_ranks(launch, "transfer_s");
}

/* What nobody knows is no transfer and no wait: it goes here. */
static double overhead_s(const json_t *launch, const json_t *peaks)
{
	(void)peaks;
	return over_ranks(launch, "overhead_s") + over_ranks(launch, "unattributed_s");
}

/* Only where requests arrive during the run is there any. */
static double idle_s(const json_t *launch, const json_t *peaks)
{
	const double idle = over_ranks(launch, "idle_s");

	(void)peaks;
	return idle > 0 ? idle : NAN;
}

static double bubble_s(const json_t *launch, const json_t *peaks)
{
	(void)peaks;
	return over_pipelines(launch, "balanced_s") - over_ranks(launch, "compute_s");
}

static double imbalance_s(const json_t *launch, const json_t *peaks)
{
	const json_t *replay = json_object_get(json_object_get(launch, "metrics"), "replay_s");

	(void)peaks;
	return json_is_number(replay) ? json_number_value(replay) - over_pipelines(launch, "balanced_s")
				      : NAN;
}

/*
 * What ranks have left of the run when their own pipeline has ended. Replicas do not wait
 * for each other, so it is in no ledger; imbalance_s counts what unequal ones make of it.
 */
static double ended_early_s(const json_t *launch)
{
	const json_t *run = json_object_get(json_object_get(launch, "metrics"), "run_s");

	return json_array_size(json_object_get(launch, "schedule")) > 1
		       ? fmax(0, json_number_value(run) - over_ranks(launch, "wall_s"))
		       : 0;
}

/* Where clocks do not tell a wait from a transfer, it counts as a wait. */
static double late_s(const json_t *launch, const json_t *peaks)
{
	return over_ranks(launch, "wait_s") + over_ranks(launch, "wait_transfer_s") + ended_early_s(launch) -
	       bubble_s(launch, peaks) - imbalance_s(launch, peaks);
}

/* Of the rank where it is largest: KEY of its steps / run time / PEAK of a rank alone. */
static double utilisation(const json_t *launch, const json_t *peaks, const char *key, const char *peak)
{
	const json_t *work = json_object_get(launch, "work"), *row;
	double most = NAN;
	size_t i;

	json_array_foreach(json_object_get(launch, "ledger"), i, row)
	{
		const json_t *its = json_array_get(work, i);
		const double alone = lsb_look_number(json_array_get(peaks, i), peak);
		const double done = lsb_look_number(json_object_get(its, "decode"), key) +
				    lsb_look_number(json_object_get(its, "prefill"), key);

		if (alone > 0 && lsb_look_number(row, "wall_s") > 0 && done > 0)
			most = fmax(isnan(most) ? 0 : most, done / lsb_look_number(row, "wall_s") / alone);
	}
	return most;
}

/* Journals of before there was "work" know the weights that were read alone. */
static double read_utilisation(const json_t *launch, const json_t *peaks)
{
	const json_t *row;
	double most = NAN;
	size_t i;

	json_array_foreach(json_object_get(launch, "ledger"), i, row)
	{
		const double alone = lsb_look_number(json_array_get(peaks, i), "read_bandwidth_alone");

		if (alone > 0 && lsb_look_number(row, "wall_s") > 0)
			most = fmax(isnan(most) ? 0 : most, lsb_look_number(row, "read_bytes") /
								    lsb_look_number(row, "wall_s") / alone);
	}
	return most;
}

static double mbu(const json_t *launch, const json_t *peaks)
{
	return json_array_size(json_object_get(launch, "work"))
		       ? utilisation(launch, peaks, "bytes", "read_bandwidth_alone")
		       : read_utilisation(launch, peaks);
}

static double mfu(const json_t *launch, const json_t *peaks)
{
	return utilisation(launch, peaks, "macs", "matmul_peak_alone");
}

/* Machines count once, whatever the number of ranks on them; NAN unless all tell. */
static double energy_j_per_token(const json_t *launch, const json_t *peaks)
{
	const json_t *ranks = json_object_get(launch, "ranks"), *rank, *other;
	const double tokens = lsb_look_number(json_object_get(launch, "metrics"), "generated_tokens");
	double joules = 0;
	size_t i, k;

	(void)peaks;
	json_array_foreach(ranks, i, rank)
	{
		const json_t *boot_id = json_object_get(rank, "boot_id");
		double most = 0;
		int is_first = 1;

		json_array_foreach(ranks, k, other)
		{
			if (!json_equal(json_object_get(other, "boot_id"), boot_id))
				continue;
			is_first = is_first && k >= i;
			most = fmax(most, lsb_look_number(other, "energy_j"));
		}
		if (!(most > 0))
			return NAN;
		joules += is_first ? most : 0;
	}
	return i && tokens > 0 ? joules / tokens : NAN;
}

static double device_energy_j_per_token(const json_t *launch, const json_t *peaks)
{
	const double tokens = lsb_look_number(json_object_get(launch, "metrics"), "generated_tokens");

	(void)peaks;
	return tokens > 0 ? lsb_devices_sum(json_object_get(launch, "ranks"), "energy_j") / tokens : NAN;
}

/* Mean power of all devices over the run. */
static double device_power_w(const json_t *launch, const json_t *peaks)
{
	const double run_s = lsb_look_number(json_object_get(launch, "metrics"), "run_s");

	(void)peaks;
	return run_s > 0 ? lsb_devices_sum(json_object_get(launch, "ranks"), "energy_j") / run_s : NAN;
}

/* Of the rank that holds most. */
static double device_memory_bytes(const json_t *launch, const json_t *peaks)
{
	const json_t *rank;
	double most = 0;
	size_t i;

	(void)peaks;
	json_array_foreach(json_object_get(launch, "ranks"), i, rank)
	{
		most = fmax(most, lsb_look_number(json_object_get(rank, "counters"), "device_bytes"));
	}
	return most > 0 ? most : NAN;
}

const struct lsb_derived lsb_derived_metrics[] = {
	{ "compute_s", compute_s },
	{ "bubble_s", bubble_s },
	{ "imbalance_s", imbalance_s },
	{ "transfer_s", transfer_s },
	{ "overhead_s", overhead_s },
	{ "late_s", late_s },
	{ "idle_s", idle_s },
	{ "mbu", mbu },
	{ "mfu", mfu },
	{ "energy_j_per_token", energy_j_per_token },
	{ "device_energy_j_per_token", device_energy_j_per_token },
	{ "device_power_w", device_power_w },
	{ "device_memory_bytes", device_memory_bytes },
	{ NULL, NULL },
};
