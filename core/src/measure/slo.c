/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/slo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/look.h"
#include "measure/open_loop.h"
#include "measure/statistics.h"

static const char *param(const json_t *point, const char *key)
{
	return lsb_look_text(json_object_get(point, "params"), key);
}

static double seconds_of(const json_t *point, const char *key)
{
	struct lsb_error ignored;
	uint64_t ns = 0;

	return lsb_parse_time(param(point, key), &ns, &ignored) == LSB_OK ? (double)ns * 1e-9 : 0;
}

int lsb_slo_of(const json_t *point, struct lsb_slo *out)
{
	*out = (struct lsb_slo){
		.ttft_s = seconds_of(point, "slo.ttft"),
		.tpot_s = seconds_of(point, "slo.tpot"),
		.e2e_s = seconds_of(point, "slo.e2e"),
		.share = strtod(param(point, "slo.share"), NULL),
	};
	return out->ttft_s > 0 || out->tpot_s > 0 || out->e2e_s > 0;
}

double lsb_offered_rate(const json_t *point)
{
	static const char *const kinds[] = { "fixed:", "poisson:" };
	const char *arrivals = param(point, "arrivals");

	for (size_t i = 0; i < LSB_COUNT(kinds); i++)
		if (strncmp(arrivals, kinds[i], strlen(kinds[i])) == 0)
			return strtod(arrivals + strlen(kinds[i]), NULL); /* spelled a second */
	return 0;
}

/* --- a launch ---------------------------------------------------------------------------- */

struct tally {
	size_t n, ttft, tpot, e2e, all; /* issued; that keep a limit; that keep every one */
};

static double span_s(const json_t *request, const char *from, const char *to)
{
	return (lsb_look_number(request, to) - lsb_look_number(request, from)) * 1e-9;
}

static void judge(const struct lsb_slo *slo, const json_t *request, struct tally *t)
{
	const double generated = lsb_look_number(request, "generated_tokens");
	const double ttft_s = span_s(request, "arrival_ns", "first_ns");
	const double e2e_s = span_s(request, "arrival_ns", "last_ns");
	const double tpot_s = generated >= 2 ? span_s(request, "first_ns", "last_ns") / (generated - 1) : 0;
	const int ttft = !(slo->ttft_s > 0) || ttft_s <= slo->ttft_s;
	const int tpot = !(slo->tpot_s > 0) || tpot_s <= slo->tpot_s;
	const int e2e = !(slo->e2e_s > 0) || e2e_s <= slo->e2e_s;

	t->ttft += (size_t)ttft;
	t->tpot += (size_t)tpot;
	t->e2e += (size_t)e2e;
	t->all += ttft && tpot && e2e;
}

static void set_share(json_t *metrics, const char *name, double limit_s, size_t kept, double issued)
{
	if (limit_s > 0)
		json_object_set_new(metrics, name, json_real((double)kept / issued));
}

void lsb_slo_measure(const json_t *point, const json_t *ranks, json_t *metrics)
{
	const double issued = lsb_look_number(point, "prompts"), run_s = lsb_look_number(metrics, "run_s");
	const json_t *rank, *request;
	struct tally t = { 0 };
	struct lsb_slo slo;
	size_t r, i;

	if (!lsb_slo_of(point, &slo) || !(issued > 0))
		return;
	json_array_foreach(ranks, r, rank)
	{
		json_array_foreach(json_object_get(rank, "requests"), i, request)
		{
			if (!lsb_look_is(request, "finish", "failed"))
				judge(&slo, request, &t);
		}
	}
	if (run_s > 0)
		json_object_set_new(metrics, "goodput_rps", json_real((double)t.all / run_s));
	json_object_set_new(metrics, "slo_share", json_real((double)t.all / issued));
	set_share(metrics, "slo_ttft_share", slo.ttft_s, t.ttft, issued);
	set_share(metrics, "slo_tpot_share", slo.tpot_s, t.tpot, issued);
	set_share(metrics, "slo_e2e_share", slo.e2e_s, t.e2e, issued);
}

/* --- a point ------------------------------------------------------------------------------- */

static double kept(double share, const json_t *queue_growth)
{
	return json_number_value(queue_growth) > LSB_QUEUE_GROWTH ? 0 : share;
}

double lsb_slo_kept_of_launch(const json_t *metrics)
{
	const json_t *share = json_object_get(metrics, "slo_share");

	return json_is_number(share)
		       ? kept(json_number_value(share), json_object_get(metrics, "queue_growth"))
		       : NAN;
}

double lsb_slo_kept(const json_t *point)
{
	const json_t *shares = json_object_get(lsb_look_metric(point, "slo_share"), "samples");
	const json_t *growths = json_object_get(lsb_look_metric(point, "queue_growth"), "samples");
	const size_t n = json_array_size(shares);
	double *values = calloc(n + 1, sizeof(*values)), median = NAN;

	for (size_t i = 0; values && i < n; i++)
		values[i] = kept(json_number_value(json_array_get(shares, i)), json_array_get(growths, i));
	if (values && n) {
		lsb_sort(values, n);
		median = lsb_median(values, n);
	}
	free(values);
	return median;
}

static json_t *limit_json(double limit_s)
{
	return limit_s > 0 ? json_real(limit_s) : json_null();
}

json_t *lsb_slo_json(const json_t *point)
{
	const double share = lsb_slo_kept(point);
	struct lsb_slo slo;

	if (!lsb_slo_of(point, &slo))
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:f, s:o}", "ttft_s", limit_json(slo.ttft_s), "tpot_s",
			 limit_json(slo.tpot_s), "e2e_s", limit_json(slo.e2e_s), "share", slo.share, "met",
			 isnan(share) ? json_null() : json_boolean(share >= slo.share));
}
