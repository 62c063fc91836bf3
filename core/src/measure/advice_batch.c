/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recommendations on how many sequences there are at once: the batch, the groups
 * in flight, the prompts that fill them.
 */
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "measure/advice.h"
#include "measure/findings.h"
#include "measure/look.h"

/* --- batch --- */

static const json_t *batch_baseline(const json_t *summary, const json_t *point)
{
	return lsb_advice_point(summary, json_object_get(lsb_look_scaling(point, "batch_gain"), "baseline"));
}

/* Some point of the same baseline was seen to give more tokens/s. */
static int is_beaten(const json_t *summary, const json_t *point)
{
	const json_t *baseline = batch_baseline(summary, point), *other;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, other)
	{
		struct lsb_verdict verdict;

		if (other == point || batch_baseline(summary, other) != baseline)
			continue;
		lsb_verdict_points(other, point, "tokens_per_s", 1, &verdict);
		if (verdict.kind == LSB_VERDICT_FASTER)
			return 1;
	}
	return 0;
}

/* Of two that were not seen to differ: in the smaller batch each request is done sooner. */
static int is_rather(const json_t *a, const json_t *b)
{
	const double more = lsb_look_number(a, "batch") - lsb_look_number(b, "batch");

	return more < 0 ||
	       (more == 0 && lsb_look_median(a, "tokens_per_s") > lsb_look_median(b, "tokens_per_s"));
}

/* The smallest batch that gains over batch 1 and that no other beats; once for each baseline. */
void lsb_advise_batch(const json_t *summary, const json_t *point, json_t *list)
{
	const json_t *baseline = batch_baseline(summary, point),
		     *gain = lsb_look_scaling(point, "batch_gain");
	const char *refill = "";
	const json_t *other;
	int is_largest = 1;
	size_t i;

	if (!baseline || baseline == point || lsb_advice_verdict(gain) != LSB_VERDICT_FASTER ||
	    is_beaten(summary, point))
		return;
	json_array_foreach(json_object_get(summary, "points"), i, other)
	{
		if (batch_baseline(summary, other) != baseline)
			continue;
		if (is_rather(other, point) && !is_beaten(summary, other) &&
		    lsb_advice_verdict(lsb_look_scaling(other, "batch_gain")) == LSB_VERDICT_FASTER)
			return;
		is_largest = is_largest && lsb_look_number(other, "batch") <= lsb_look_number(point, "batch");
	}
	if (lsb_look_is(json_object_get(point, "params"), "batching", "continuous"))
		refill = ", batching = continuous";
	lsb_advise(
		list,
		lsb_finding(
			"the smallest batch that no other was seen to beat in tokens/s at equal nodes",
			(const json_t *const[]){ point, baseline, NULL },
			"On %.0f node%s take batch %.0f: %s gave %.2f times the tokens/s of %s (faster); %s.",
			lsb_look_number(point, "nodes"), lsb_look_number(point, "nodes") > 1 ? "s" : "",
			lsb_look_number(point, "batch"), lsb_finding_name(point),
			lsb_look_number(gain, "value"), lsb_finding_name(baseline),
			is_largest ? "a larger one was not measured" : "no larger one was seen to be faster"),
		"batch", "measured", lsb_look_number(gain, "value"),
		lsb_format("batch = %.0f%s", lsb_look_number(point, "batch"), refill));
}

/*
 * Twice the batch reads the weights half as often; arithmetic stays. For the most
 * nodes, where no larger batch was measured on as many.
 */
void lsb_advise_larger_batch(const json_t *summary, const json_t *point, json_t *list)
{
	const json_t *decode = json_object_get(json_object_get(point, "bounds"), "decode");
	const double bytes_s = lsb_look_number(decode, "bytes_s"), macs_s = lsb_look_number(decode, "macs_s");
	const double saved_s =
		fmin(bytes_s, lsb_look_number(decode, "measured_s")) - fmax(bytes_s / 2, macs_s);
	const double run_s = lsb_look_median(point, "run_s"), batch = lsb_look_number(point, "batch");
	const json_t *other;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, other)
	{
		const double more = lsb_look_number(other, "nodes") - lsb_look_number(point, "nodes");

		if (more > 0 || (more == 0 && lsb_look_number(other, "batch") > batch))
			return;
	}
	if (!lsb_look_is(decode, "limit", "memory") || !(saved_s > 0) || saved_s >= run_s ||
	    lsb_look_number(point, "prompts") < 2 * lsb_look_number(point, "concurrency"))
		return;
	lsb_advise(
		list,
		lsb_finding(
			"decode is bound by memory, and twice the batch reads the weights half as often",
			(const json_t *const[]){ point, NULL },
			"%s: batch %.0f instead of %.0f should be up to %.2f times as fast, since decoding "
			"waits for weights from memory and a larger batch reads them less often.",
			lsb_finding_name(point), batch * 2, batch, run_s / (run_s - saved_s)),
		"batch", "predicted", run_s / (run_s - saved_s), lsb_format("batch = %.0f", batch * 2));
}

/* --- batching --- */

/* The same factors but for `batching`, which both name. */
static int is_other_batching(const json_t *a, const json_t *b)
{
	json_t *mine = json_object_get(a, "params"), *theirs = json_object_get(b, "params"), *value;
	const char *key;

	if (!json_object_get(mine, "batching") || !json_object_get(theirs, "batching") ||
	    json_equal(json_object_get(mine, "batching"), json_object_get(theirs, "batching")))
		return 0;
	json_object_foreach(mine, key, value)
	{
		if (strcmp(key, "batching") != 0 && !json_equal(value, json_object_get(theirs, key)))
			return 0;
	}
	return 1;
}

/* The other batching at equal slots, where it was measured to give more tokens/s. */
void lsb_advise_batching(const json_t *summary, const json_t *point, json_t *list)
{
	const json_t *other;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, other)
	{
		const char *batching = lsb_look_text(json_object_get(other, "params"), "batching");
		struct lsb_verdict verdict;

		if (!lsb_look_measured(other) || !is_other_batching(point, other))
			continue;
		lsb_verdict_points(other, point, "tokens_per_s", 1, &verdict);
		if (verdict.kind != LSB_VERDICT_FASTER)
			continue;
		lsb_advise(list,
			   lsb_finding("the other batching is faster at equal slots by the paired test",
				       (const json_t *const[]){ other, point, NULL },
				       "Take batching %s: %s gave %.2f times the tokens/s of %s.", batching,
				       lsb_finding_name(other), verdict.ratio, lsb_finding_name(point)),
			   "batching", "measured", verdict.ratio, lsb_format("batching = %s", batching));
	}
}

/* --- prompts in flight --- */

void lsb_advise_in_flight(const json_t *point, json_t *list)
{
	const double share = lsb_advice_share(point, "bubble"), gain = 1 / (1 - share);
	const double stages = lsb_look_number(point, "stages"), flight = lsb_look_number(point, "in_flight");
	const double prompts = lsb_look_number(point, "prompts"),
		     slots = lsb_look_number(point, "concurrency");
	const double rounds = slots > 0 ? ceil(prompts / slots) : 0;
	const json_t *const points[] = { point, NULL };

	if (stages < 2 || share < LSB_ADVICE_NOTABLE || share >= 1)
		return;
	if (flight < stages)
		lsb_advise(
			list,
			lsb_finding(
				"fewer groups in flight than stages leave stages idle", points,
				"%s: %.0f group%s in flight cannot keep %.0f stages busy; with %.0f the run "
				"would be up to %.2f times as fast.",
				lsb_finding_name(point), flight, flight > 1 ? "s" : "", stages, stages, gain),
			"in_flight", "predicted", gain, lsb_format("in_flight = %.0f", stages));
	else if (rounds < 2)
		lsb_advise(
			list,
			lsb_finding("all prompts are in flight at once, so that stages idle at both ends",
				    points,
				    "%s: all %.0f prompts are on their way at once, so the idle %.0f %% are "
				    "the run's start and end; of more prompts they are a smaller part, and "
				    "the rate grows up to %.2f times.",
				    lsb_finding_name(point), prompts, share * 100, gain),
			"prompts", "predicted", gain, NULL);
	else if (rounds * slots > prompts)
		lsb_advise(
			list,
			lsb_finding(
				"prompts that do not fill the last round leave stages idle", points,
				"%s: %.0f prompts in %.0f at once leave the last round with %.0f; with a "
				"full queue (%.0f prompts, or a long one) the idle %.0f %% shrink, and the "
				"rate grows up to %.2f times.",
				lsb_finding_name(point), prompts, slots, prompts - (rounds - 1) * slots,
				rounds * slots, share * 100, gain),
			"prompts", "predicted", gain, lsb_format("prompts = %.0f", rounds * slots));
	else
		lsb_advise(
			list,
			lsb_finding(
				"stages idle although groups in flight are as many as stages", points,
				"%s: stages are idle %.0f %% of the run with %.0f groups in flight; one more "
				"lets prompts of one overlap decoding of another, for up to %.2f times.",
				lsb_finding_name(point), share * 100, flight, gain),
			"in_flight", "predicted", gain, lsb_format("in_flight = %.0f", flight + 1));
}
