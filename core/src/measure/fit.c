/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/fit.h"

#include <math.h>
#include <string.h>

enum { LEVELS_LEAST = 3 };

static const json_t *transport_of(const json_t *point)
{
	return json_object_get(json_object_get(point, "params"), "transport");
}

static int is_strong(const json_t *point)
{
	const char *kind = json_string_value(json_object_get(point, "kind"));

	return kind && strcmp(kind, "strong") == 0 &&
	       json_is_object(json_object_get(json_object_get(point, "scaling"), "speedup")) &&
	       json_is_object(json_object_get(json_object_get(point, "scaling"), "efficiency"));
}

/* Both belong to one curve. */
static int same_curve(const json_t *a, const json_t *b)
{
	return json_equal(json_object_get(a, "case"), json_object_get(b, "case")) &&
	       json_equal(json_object_get(json_object_get(a, "scaling"), "baseline"),
			  json_object_get(json_object_get(b, "scaling"), "baseline")) &&
	       json_equal(transport_of(a), transport_of(b));
}

static int has_level(const json_t *levels, const json_t *nodes)
{
	const json_t *level;
	size_t i;

	json_array_foreach(levels, i, level)
	{
		if (json_equal(level, nodes))
			return 1;
	}
	return 0;
}

/* Least squares of (1/S - 1/p) = f (1 - 1/p), which goes through S(1) = 1. */
static json_t *fit_curve(const json_t *points, const json_t *first)
{
	double xx = 0, xy = 0, yy = 0, fraction;
	json_t *levels = json_array(), *out;
	const json_t *point;
	size_t i;

	json_array_foreach(points, i, point)
	{
		const double p = json_number_value(json_object_get(point, "nodes"));
		const double s = json_number_value(json_object_get(
			json_object_get(json_object_get(point, "scaling"), "speedup"), "value"));

		if (!is_strong(point) || !same_curve(point, first) || !(s > 0))
			continue;
		if (!has_level(levels, json_object_get(point, "nodes")))
			json_array_append(levels, json_object_get(point, "nodes"));
		xx += (1 - 1 / p) * (1 - 1 / p);
		xy += (1 - 1 / p) * (1 / s - 1 / p);
		yy += (1 / s - 1 / p) * (1 / s - 1 / p);
	}
	fraction = xx > 0 ? xy / xx : 0;
	out = json_pack("{s:O, s:O, s:O?, s:s, s:o}", "case", json_object_get(first, "case"), "baseline",
			json_object_get(json_object_get(first, "scaling"), "baseline"), "transport",
			transport_of(first), "law", "Amdahl: 1/S(p) = f + (1 - f)/p", "levels", levels);
	if (json_array_size(levels) >= LEVELS_LEAST) {
		json_object_set_new(out, "serial_fraction", json_real(fraction));
		json_object_set_new(out, "residual", json_real(sqrt(fmax(0, yy - fraction * xy))));
		json_object_set_new(out, "reason", json_null());
	} else {
		json_object_set_new(out, "serial_fraction", json_null());
		json_object_set_new(out, "residual", json_null());
		json_object_set_new(out, "reason",
				    json_sprintf("no fit: %zu levels of nodes, %d are needed",
						 json_array_size(levels), (int)LEVELS_LEAST));
	}
	return out;
}

json_t *lsb_fits(const json_t *summary)
{
	const json_t *points = json_object_get(summary, "points"), *point;
	json_t *fits = json_array();
	size_t i;

	json_array_foreach(points, i, point)
	{
		size_t k = 0;

		while (k < i && !(is_strong(json_array_get(points, k)) &&
				  same_curve(json_array_get(points, k), point)))
			k++;
		if (k == i && is_strong(point)) {
			json_t *fit = fit_curve(points, point);

			if (json_array_size(json_object_get(fit, "levels")) > 1)
				json_array_append(fits, fit);
			json_decref(fit);
		}
	}
	return fits;
}
