/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a suite: findings or points, and each point agrees with itself. */
#include <stdlib.h>
#include <string.h>

#include "suite/baseline.h"
#include "suite/suite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *environment(void *user, const char *name)
{
	(void)user;
	return *name == 'A' ? "1" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct lsb_suite_request request = { .path = "f.ini", .environment = environment };
	struct lsb_diagnostics d = { 0 };
	struct lsb_suite *suite;
	const int rc = lsb_suite_parse(&request, (const char *)data, size, &suite, &d);

	if ((rc == 0) != (suite != NULL) || (rc == 0) != (d.n == 0))
		abort();
	for (size_t i = 0; suite && i < suite->n_points; i++) {
		const struct lsb_point *p = &suite->points[i];

		if ((uint64_t)p->stages * p->replicas != p->nodes || strlen(p->id) != 16 || !p->backend.name)
			abort();
		if (suite->n_points < 64)
			(void)lsb_baselines_find(suite->points, suite->n_points, i);
	}
	lsb_suite_free(suite);
	lsb_diagnostics_free(&d);
	return 0;
}
