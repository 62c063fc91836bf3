/* SPDX-License-Identifier: Apache-2.0 */
#include "waive.h"

#include <stdio.h>

#include "options.h"
#include "rig.h"

bool rig_has_device(void)
{
	static const struct cuda_options options = { .device = -1, .graphs = 1 };
	const struct rig_spec spec = { .plugin = "cuda", .options = &options, .model = "random:tiny:f16" };
	struct lsb_error err = { 0 };
	struct rig r;
	const int rc = rig_open(&spec, &r, &err);

	if (rc == LSB_OK)
		rig_close(&r);
	else
		printf("waived: %s\n", err.msg);
	return rc != LSB_EUNAVAIL;
}
