/* SPDX-License-Identifier: Apache-2.0 */
/* Looking into journal and summary objects: what the pure parts of measure/ share. */
#ifndef LSB_LOOK_H
#define LSB_LOOK_H

#include <jansson.h>
#include <string.h>

#include "measure/statistics.h"

/* A number of an object; 0 when it is absent, so that sums may pass over it. */
static inline double lsb_look_number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

/* A text of an object; "" when it is absent. */
static inline const char *lsb_look_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static inline int lsb_look_is(const json_t *object, const char *key, const char *text)
{
	return strcmp(lsb_look_text(object, key), text) == 0;
}

/* Metric of a point of a summary; NULL when it has none of that name. */
static inline const json_t *lsb_look_metric(const json_t *point, const char *name)
{
	return json_object_get(json_object_get(point, "metrics"), name);
}

/* Its median; 0 when it is absent. */
static inline double lsb_look_median(const json_t *point, const char *name)
{
	return lsb_look_number(lsb_look_metric(point, name), "median");
}

/* "scaling" member of a point that is not null; else NULL. */
static inline const json_t *lsb_look_scaling(const json_t *point, const char *name)
{
	const json_t *value = json_object_get(json_object_get(point, "scaling"), name);

	return json_is_null(value) ? NULL : value;
}

/* End of the "ci95" of a ratio or metric: 0 the lower one, 1 the upper; NULL without an interval. */
static inline const json_t *lsb_look_end(const json_t *estimate, size_t which)
{
	return json_array_get(json_object_get(estimate, "ci95"), which);
}

/* "ci95" of the median of `n` sorted values: [lo, hi], or null where they are too few. New reference. */
static inline json_t *lsb_look_interval(const double *sorted, size_t n)
{
	struct lsb_interval ci;

	return lsb_median_interval(sorted, n, 0.95, &ci) == 0 ? json_pack("[f, f]", ci.lo, ci.hi)
							      : json_null();
}

/* The point has launches that went well. */
static inline int lsb_look_measured(const json_t *point)
{
	return json_array_size(json_object_get(point, "rounds")) > 0;
}

#endif
