/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a step plan and as ids: read within their bounds or refused. A
 * plan that is read is written back as the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "node/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct lsb_plan_limits limits = { .max_tokens = 8, .max_outputs = 4, .slots = 6, .context = 50 };

static void try_plan(const void *bytes, size_t size)
{
	struct lsb_plan plan;
	struct lsb_error err;
	unsigned char *back = malloc(lsb_plan_bytes(&limits));

	if (!back || lsb_plan_open(&plan, &limits, &err)) {
		free(back);
		return;
	}
	if (lsb_plan_read(bytes, size, &limits, &plan, &err) == LSB_OK &&
	    (lsb_plan_write(&plan, back) != size || memcmp(back, bytes, size) != 0))
		abort();
	lsb_plan_close(&plan);
	free(back);
}

static void try_ids(const void *bytes, size_t size)
{
	struct lsb_error err;
	const int32_t *ids;
	uint32_t n, step = 0;
	volatile int32_t seen = 0; /* every id is read */

	if (size >= sizeof(step))
		memcpy(&step, bytes, sizeof(step));
	if (lsb_ids_read(bytes, size, step, limits.max_outputs, &ids, &n, &err))
		return;
	for (uint32_t i = 0; i < n; i++)
		seen = ids[i];
	(void)seen;
	if (n > limits.max_outputs || size != 8 + (size_t)n * 4)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Aligned and exactly as long, so that a sanitizer sees the first byte too many. */
	void *bytes = malloc(size ? size : 1);

	if (!bytes)
		return 0;
	if (size)
		memcpy(bytes, data, size);
	try_plan(bytes, size);
	try_ids(bytes, size);
	free(bytes);
	return 0;
}
