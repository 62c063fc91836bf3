/* SPDX-License-Identifier: Apache-2.0 */
#include "node/counters.h"

#include <math.h>
#include <string.h>

#include "base/base.h"

/* A name that can stand in a journal: [a-z0-9_]+. */
static int is_name(const char *name)
{
	return name && *name && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

void lsb_counters_read(const struct lsb_loaded *backend, struct lsb_backend *handle, struct lsb_counters *out)
{
	struct lsb_metric told[LSB_COUNTERS_MAX];
	struct lsb_error err = { 0 };
	size_t n = LSB_COUNTERS_MAX;

	out->n = 0;
	if (!backend || !handle || !LSB_HAS(&backend->ops.backend, counters))
		return;
	if (lsb_plugin_result(backend, "counters", backend->ops.backend.counters(handle, told, &n, &err),
			      &err)) {
		backend->host.log(backend->host.context, LSB_LOG_WARN, err.msg);
		return;
	}
	for (size_t i = 0; i < n && i < LSB_COUNTERS_MAX; i++)
		if (is_name(told[i].name) && told[i].unit && isfinite(told[i].value))
			out->values[out->n++] = told[i];
}

void lsb_counters_since(const struct lsb_counters *from, struct lsb_counters *to)
{
	for (size_t i = 0; i < to->n; i++)
		for (size_t k = 0; k < from->n; k++)
			if (strcmp(to->values[i].unit, "J") == 0 &&
			    strcmp(to->values[i].name, from->values[k].name) == 0)
				to->values[i].value -= from->values[k].value;
}

void lsb_counters_tell(const struct lsb_counters *c, json_t *rank)
{
	json_t *all;

	if (c->n == 0)
		return;
	all = json_object();
	for (size_t i = 0; i < c->n; i++)
		json_object_set_new(all, c->values[i].name, json_real(c->values[i].value));
	json_object_set_new(rank, "counters", all);
}
