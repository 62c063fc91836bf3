/* SPDX-License-Identifier: Apache-2.0 */
/* The search, and its answer in words; predict_break_even.c asks it of a run. */
#include "measure/break_even.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "measure/findings.h"
#include "measure/look.h"
#include "measure/summary.h"

enum { STEPS_MAX = 80 };
#define PRECISION 1e-3

const char *lsb_break_even_word(enum lsb_break_even_kind kind)
{
	static const char *const words[] = { [LSB_PAYS_UP_TO] = "up_to",
					     [LSB_PAYS_ALWAYS] = "always",
					     [LSB_PAYS_NEVER] = "never",
					     [LSB_PAYS_UNKNOWN] = "unknown" };

	return words[kind];
}

struct lsb_break_even lsb_break_even_latency(const struct lsb_break_even_law *law, double target)
{
	double good = 0, bad = LSB_BREAK_EVEN_LATENCY_S;

	if (law->tokens_per_s(law->user, good, law->bytes_per_s) < target)
		return (struct lsb_break_even){ .kind = LSB_PAYS_NEVER };
	if (law->tokens_per_s(law->user, bad, law->bytes_per_s) >= target)
		return (struct lsb_break_even){ .kind = LSB_PAYS_ALWAYS };
	for (int i = 0; i < STEPS_MAX && bad - good > PRECISION * good; i++) {
		const double middle = (good + bad) / 2;

		if (law->tokens_per_s(law->user, middle, law->bytes_per_s) >= target)
			good = middle;
		else
			bad = middle;
	}
	return (struct lsb_break_even){ LSB_PAYS_UP_TO, good };
}

struct lsb_break_even lsb_break_even_bandwidth(const struct lsb_break_even_law *law, double target)
{
	double bad = LSB_BREAK_EVEN_BYTES_PER_S, good = 1e15;

	if (law->tokens_per_s(law->user, law->latency_s, 0) < target)
		return (struct lsb_break_even){ .kind = LSB_PAYS_NEVER };
	if (law->tokens_per_s(law->user, law->latency_s, bad) >= target)
		return (struct lsb_break_even){ .kind = LSB_PAYS_ALWAYS };
	for (int i = 0; i < STEPS_MAX && good > (1 + PRECISION) * bad; i++) {
		const double middle = sqrt(good * bad);

		if (law->tokens_per_s(law->user, law->latency_s, middle) >= target)
			good = middle;
		else
			bad = middle;
	}
	return (struct lsb_break_even){ LSB_PAYS_UP_TO, good };
}

/* --- in words ------------------------------------------------------------------------------- */

const char *lsb_break_even_time(double s, char out[LSB_BREAK_EVEN_SHOWN])
{
	const double scale = s >= 1 ? 1 : s >= 1e-3 ? 1e3 : 1e6;

	(void)snprintf(out, LSB_BREAK_EVEN_SHOWN, "%.3g %s", s * scale,
		       s >= 1	   ? "s"
		       : s >= 1e-3 ? "ms"
				   : "us");
	return out;
}

const char *lsb_break_even_rate(double bytes_per_s, char out[LSB_BREAK_EVEN_SHOWN])
{
	static const char *const units[] = { "B/s", "kB/s", "MB/s", "GB/s" };
	size_t unit = 0;

	while (unit + 1 < LSB_COUNT(units) && bytes_per_s >= 1000) {
		bytes_per_s /= 1000;
		unit++;
	}
	(void)snprintf(out, LSB_BREAK_EVEN_SHOWN, "%.3g %s", bytes_per_s, units[unit]);
	return out;
}

static void add_range(struct lsb_text *to, const json_t *limit,
		      const char *(*show)(double, char[LSB_BREAK_EVEN_SHOWN]))
{
	const json_t *range = json_object_get(limit, "range");
	char lo[LSB_BREAK_EVEN_SHOWN], hi[LSB_BREAK_EVEN_SHOWN];

	if (json_array_size(range) == 2)
		lsb_text_add(to, " [%s, %s]", show(json_number_value(json_array_get(range, 0)), lo),
			     show(json_number_value(json_array_get(range, 1)), hi));
}

static void say_latency(const json_t *answer, struct lsb_text *to)
{
	const json_t *limit = json_object_get(answer, "latency"),
		     *measured = json_object_get(answer, "link_latency_s");
	char shown[LSB_BREAK_EVEN_SHOWN];

	if (lsb_look_is(limit, "pays", "unknown")) {
		lsb_text_add(
			to,
			"not known: measured they give %.3g tokens/s, by the model %.3g, which is on the "
			"other side of the baseline",
			lsb_look_number(answer, "measured_tokens_per_s"),
			lsb_look_number(answer, "predicted_tokens_per_s"));
		return;
	}
	if (lsb_look_is(limit, "pays", "never")) {
		lsb_text_add(
			to,
			"no link makes them pay off: even links that cost nothing would give %.3g tokens/s",
			lsb_look_number(answer, "free_link_tokens_per_s"));
		return;
	}
	if (lsb_look_is(limit, "pays", "always")) {
		lsb_text_add(to, "they pay off even where a message takes %s",
			     lsb_break_even_time(LSB_BREAK_EVEN_LATENCY_S, shown));
	} else {
		lsb_text_add(to, "they pay off while a message takes at most %s",
			     lsb_break_even_time(lsb_look_number(limit, "value"), shown));
		add_range(to, limit, lsb_break_even_time);
	}
	if (json_is_number(measured))
		lsb_text_add(to, " (measured: %s)", lsb_break_even_time(json_number_value(measured), shown));
}

static void say_bandwidth(const json_t *answer, struct lsb_text *to)
{
	const json_t *limit = json_object_get(answer, "bandwidth");
	char shown[LSB_BREAK_EVEN_SHOWN];

	if (lsb_look_is(limit, "pays", "up_to")) {
		lsb_text_add(to, ", or at the measured latency over at least %s",
			     lsb_break_even_rate(lsb_look_number(limit, "value"), shown));
		add_range(to, limit, lsb_break_even_rate);
	} else if (lsb_look_is(limit, "pays", "always")) {
		lsb_text_add(to, ", or at the measured latency over %s and less",
			     lsb_break_even_rate(LSB_BREAK_EVEN_BYTES_PER_S, shown));
	} else if (lsb_look_is(limit, "pays", "never") &&
		   !lsb_look_is(json_object_get(answer, "latency"), "pays", "never")) {
		lsb_text_add(to, "; at the measured latency no bandwidth is enough");
	}
}

static void say(const json_t *summary, const json_t *point, const json_t *answer, json_t *list)
{
	const json_t *baseline = lsb_summary_point(summary, lsb_look_text(answer, "baseline"));
	const int concurrent = lsb_look_is(answer, "against", "equal_concurrency");
	struct lsb_text text = { 0 };

	if (!baseline)
		return;
	say_latency(answer, &text);
	say_bandwidth(answer, &text);
	json_array_append_new(
		list,
		lsb_finding(
			"the run simulated over other links until it is as fast as its baseline",
			(const json_t *const[]){ point, baseline, NULL },
			"Break-even of %.0f nodes (%s) with one node %s (%s, %.3g tokens/s), predicted: %s. "
			"At the link as it is, the model is off by %+.1f %%.",
			lsb_look_number(point, "nodes"), lsb_finding_name(point),
			concurrent ? "with as many sequences at once" : "at the same batch",
			lsb_finding_name(baseline), lsb_look_number(answer, "target_tokens_per_s"),
			text.data ? text.data : "", lsb_look_number(answer, "error") * 100));
	lsb_text_free(&text);
}

/* An earlier point of the case differs in its transport alone, as far as break-even goes. */
static int was_said(const json_t *points, size_t index)
{
	static const char *const same[] = { "case",  "nodes",	"batch",  "in_flight",
					    "split", "prompts", "layers", "threads" };
	const json_t *point = json_array_get(points, index);

	for (size_t i = 0; i < index; i++) {
		const json_t *other = json_array_get(points, i);
		int alike = json_array_size(json_object_get(other, "break_even")) > 0;

		for (size_t k = 0; alike && k < LSB_COUNT(same); k++) {
			const json_t *a = json_object_get(point, same[k]),
				     *b = json_object_get(other, same[k]);

			alike = a == b || json_equal(a, b);
		}
		if (alike)
			return 1;
	}
	return 0;
}

void lsb_break_even_findings(const json_t *summary, json_t *list)
{
	const json_t *points = json_object_get(summary, "points"), *point, *answer;
	size_t i, k;

	json_array_foreach(points, i, point)
	{
		const json_t *answers = json_object_get(point, "break_even");

		if (json_array_size(answers) == 0 || was_said(points, i))
			continue;
		json_array_foreach(answers, k, answer) say(summary, point, answer, list);
	}
}
