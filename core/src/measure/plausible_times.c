/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of plausibility on transfers and loading: time that what was moved does not explain. */
#include <math.h>

#include "base/base.h"
#include "measure/devices.h"
#include "measure/look.h"
#include "measure/plausible_parts.h"

#define WHOLE_MODEL 0.95    /* of the bytes of one node that holds everything */
#define TRANSFER_SHARE 0.05 /* of run_s: less is not worth a word */
#define TRANSFER_TIMES 3.0  /* exposed transfer over what link and wake-ups cost */
#define FIXED_SHARE 0.5	    /* of communication that does not grow with the tokens sent */
#define TOKENS_DIFFER 1.2   /* two points' totals, to draw a line through */

/* What the messages of the busiest receiver cost. */
struct wire {
	double least_s; /* on the measured link */
	double wake_s;	/* where each is as late as the link's slowest hundredth; 0: not measured */
};

static struct wire wire_of(const json_t *point, const json_t *link)
{
	struct wire most = { 0 };
	const json_t *rank;
	size_t i;

	json_array_foreach(json_object_get(point, "ranks"), i, rank)
	{
		const double received = lsb_look_number(rank, "messages_received");
		const json_t *bandwidth = json_object_get(link, "bandwidth");
		const double bytes_s = json_is_number(bandwidth) ? lsb_look_number(rank, "bytes_received") /
									   json_number_value(bandwidth)
								 : 0;

		most.least_s = fmax(most.least_s, received * lsb_look_number(link, "latency_s") + bytes_s);
		most.wake_s = fmax(most.wake_s, received * lsb_look_number(link, "latency_p99_s"));
	}
	return most;
}

/*
 * What waking up late costs on this machine is no riddle: as much as the link's own slow
 * messages show, or as what peers handed over late for the same reason.
 */
enum lsb_outcome lsb_plausible_transfer(const struct lsb_plausible *look, char **why)
{
	const json_t *link = json_object_get(json_object_get(look->point, "bounds"), "link");
	const double exposed_s = lsb_look_median(look->point, "communication_s");
	struct wire wire;
	double wakes_s;

	if (!(lsb_look_number(link, "latency_s") > 0))
		return LSB_DOES_NOT_APPLY;
	wire = wire_of(look->point, link);
	wakes_s = fmax(wire.wake_s, lsb_look_median(look->point, "late_s"));
	if (exposed_s <= TRANSFER_TIMES * fmax(wire.least_s, wakes_s) ||
	    exposed_s - wire.least_s <= TRANSFER_SHARE * lsb_look_median(look->point, "run_s"))
		return LSB_HOLDS;
	return lsb_plausible_fires(
		why, lsb_format("%.3g s of exposed transfer, where the link as measured needs %.3g s for all "
				"its messages, and late wake-ups cost %.3g s: most of it is no transmission "
				"but processes that were not running",
				exposed_s, wire.least_s, fmax(0, wakes_s)));
}

/* Points that differ in how much is asked, and in nothing that changes a message's cost. */
static int same_messages(const json_t *a, const json_t *b)
{
	static const char *const keys[] = { "nodes", "stages", "replicas", "batch", "in_flight" };

	for (size_t i = 0; i < LSB_COUNT(keys); i++)
		if (!json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])))
			return 0;
	return json_equal(json_object_get(json_object_get(a, "params"), "transport"),
			  json_object_get(json_object_get(b, "params"), "transport"));
}

enum lsb_outcome lsb_plausible_growth(const struct lsb_plausible *look, char **why)
{
	const double mine_s = lsb_look_median(look->point, "communication_s"),
		     mine = lsb_plausible_all_tokens(look->point);
	enum lsb_outcome outcome = LSB_DOES_NOT_APPLY;
	const json_t *other;
	size_t i;

	if (lsb_look_number(look->point, "nodes") < 2 || !lsb_look_metric(look->point, "communication_s"))
		return LSB_DOES_NOT_APPLY;
	json_array_foreach(json_object_get(look->summary, "points"), i, other)
	{
		const double fewer = lsb_plausible_all_tokens(other),
			     fewer_s = lsb_look_median(other, "communication_s");
		double fixed_s;

		if (other == look->point || !same_messages(other, look->point) || !(fewer > 0) ||
		    mine < fewer * TOKENS_DIFFER)
			continue;
		outcome = LSB_HOLDS;
		fixed_s = fewer_s - (mine_s - fewer_s) / (mine - fewer) * fewer;
		if (fixed_s > FIXED_SHARE * mine_s &&
		    fixed_s > TRANSFER_SHARE * lsb_look_median(look->point, "run_s"))
			return lsb_plausible_fires(
				why,
				lsb_format("communication of %.3g s for %.0f tokens and %.3g s for %.0f: "
					   "%.3g s of it do not grow with what is sent, so they are "
					   "start-up or waiting",
					   fewer_s, fewer, mine_s, mine, fixed_s));
	}
	return outcome;
}

static double most_load_bytes(const json_t *point)
{
	const json_t *rank;
	double most = 0;
	size_t i;

	json_array_foreach(json_object_get(point, "ranks"), i, rank)
	{
		most = fmax(most, lsb_look_number(rank, "load_bytes"));
	}
	return most;
}

/* Opening an accelerator takes what it takes, and longer where several ranks do so at once. */
static int opens_device(const json_t *point)
{
	const json_t *ranks = json_object_get(point, "ranks");
	int opens = 0;

	for (size_t i = 0; i < json_array_size(ranks); i++)
		opens |= lsb_devices_owner(ranks, i) >= 0;
	return opens;
}

enum lsb_outcome lsb_plausible_load(const struct lsb_plausible *look, char **why)
{
	const double here = most_load_bytes(look->point), whole = most_load_bytes(look->baseline);
	const json_t *mine = lsb_look_metric(look->point, "load_s"),
		     *theirs = lsb_look_metric(look->baseline, "load_s");

	if (lsb_look_number(look->point, "stages") < 2 || !(whole > 0) || !(here > 0))
		return LSB_DOES_NOT_APPLY;
	if (here > WHOLE_MODEL * whole)
		return lsb_plausible_fires(
			why, lsb_format("a rank that holds a part of the model read %.1f MB of the %.1f "
					"MB that one node reads for all of it",
					here / 1e6, whole / 1e6));
	if (!opens_device(look->point) && lsb_look_end(mine, 0) && lsb_look_end(theirs, 1) &&
	    lsb_plausible_lower_end(mine) > json_number_value(lsb_look_end(theirs, 1)))
		return lsb_plausible_fires(
			why, lsb_format("loading takes %.3g s, longer than the %.3g s of one node, though "
					"each rank reads less: something else than reading",
					lsb_look_number(mine, "median"), lsb_look_number(theirs, "median")));
	return LSB_HOLDS;
}
