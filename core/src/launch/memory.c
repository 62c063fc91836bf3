/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lsbench/host.h"

/* The first number of a file; UINT64_MAX where there is none, as "max" says. */
static uint64_t number_in(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long long value;
	const int found = file && fscanf(file, "%llu", &value) == 1;

	if (file)
		fclose(file);
	return found ? value : UINT64_MAX;
}

uint64_t lsb_machine_memory(void)
{
	static const char *const groups[] = { "/sys/fs/cgroup/memory.max",
					      "/sys/fs/cgroup/memory/memory.limit_in_bytes" };
	const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	uint64_t bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		const uint64_t limit = number_in(groups[i]);

		bytes = limit < bytes ? limit : bytes;
	}
	return bytes;
}

static double member(const json_t *model, const char *key)
{
	return json_number_value(json_object_get(model, key));
}

/* Of one pipeline; in floating point, so that no product overflows. */
static double pipeline_bytes(const struct lsb_point *p, const json_t *model, uint64_t context,
			     const uint32_t *layers, double *cache)
{
	const double slots = (double)p->batch * p->in_flight;
	double n_layers = 0;

	for (uint32_t s = 0; s < p->stages; s++)
		n_layers += layers[s];
	*cache = n_layers * member(model, "kv_bytes_per_position") * (double)context * slots;
	return n_layers * member(model, "layer_bytes") + member(model, "head_bytes") + *cache;
}

static double needed(const struct lsb_point *p, const json_t *model, uint64_t context, const uint32_t *layers,
		     double *cache)
{
	*cache = 0;
	if (p->n_hosts || !json_is_true(json_object_get(model, "in_host_memory")) || !layers)
		return 0;
	return pipeline_bytes(p, model, context, layers, cache) * p->replicas;
}

uint64_t lsb_point_memory(const struct lsb_point *point, const json_t *model, uint64_t context,
			  const uint32_t *layers)
{
	double cache;
	const double bytes = needed(point, model, context, layers, &cache);

	return bytes < 1e18 ? (uint64_t)bytes : (uint64_t)1e18;
}

int lsb_check_memory(const struct lsb_point *point, const json_t *model, uint64_t context,
		     const uint32_t *layers, struct lsb_error *err)
{
	const double has = (double)lsb_machine_memory();
	double cache, bytes = needed(point, model, context, layers, &cache);

	if (bytes <= has)
		return LSB_OK;
	return lsb_fail(
		err, LSB_ESUITE, 0,
		"its ranks need at least %.1f GiB, and this machine has %.1f: the KV caches (%u x %u slots "
		"of "
		"%llu positions) alone are %.1f GiB; use a smaller batch, in_flight or context, or fewer "
		"replicas",
		bytes / (1u << 30), has / (1u << 30), point->replicas, point->batch * point->in_flight,
		(unsigned long long)context, cache * point->replicas / (1u << 30));
}
