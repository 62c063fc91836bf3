/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/arrivals.h"

#include <stdlib.h>

#include "base/base.h"
#include "launch/provenance.h"
#include "schedule/arrivals.h"

static int note_file(const struct lsb_point *point, const char *file, json_t *data, struct lsb_error *err)
{
	char *path =
		*file != '/' && point->base ? lsb_format("%s/%s", point->base, file) : lsb_format("%s", file);
	char hex[LSB_DIGEST_HEX];
	int rc = path ? lsb_provenance_digest(path, hex, err)
		      : lsb_fail(err, LSB_ENOMEM, 0, "no memory for a path");

	if (rc == LSB_OK && json_object_set_new(data, file, json_string(hex)))
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for a digest");
	free(path);
	return rc;
}

int lsb_check_arrivals(const struct lsb_point *point, json_t *data, double *last_s, struct lsb_error *err)
{
	uint64_t *times = calloc(point->prompts, sizeof(*times));
	struct lsb_arrivals arrivals;
	int rc = times ? lsb_arrivals_parse(point->arrivals, &arrivals, err)
		       : lsb_fail(err, LSB_ENOMEM, 0, "no memory for the arrivals of %u requests",
				  point->prompts);

	if (rc == LSB_OK)
		rc = lsb_arrivals_times(&arrivals, point->base, point->seed, times, point->prompts, err);
	if (rc == LSB_OK && times[point->prompts - 1] >= point->timeout_ns)
		rc = lsb_fail(
			err, LSB_ESUITE, 0,
			"arrivals = %s: the last of %u requests arrives after %.3g s, when the launch has "
			"had its timeout of %.3g s: ask fewer, or set timeout",
			point->arrivals, point->prompts, (double)times[point->prompts - 1] * 1e-9,
			(double)point->timeout_ns * 1e-9);
	if (rc == LSB_OK && last_s)
		*last_s = (double)times[point->prompts - 1] * 1e-9;
	if (rc == LSB_OK && data && arrivals.kind == LSB_ARRIVALS_FILE)
		rc = note_file(point, arrivals.file, data, err);
	free(times);
	return rc;
}
