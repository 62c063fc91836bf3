/* SPDX-License-Identifier: Apache-2.0 */
/* A workload that cannot work here, and says so. */
#include "lsbench/plugin.h"

static int waived_probe(const struct lsb_host *host, struct lsb_error *err)
{
	(void)host;
	return lsb_fail(err, LSB_EUNAVAIL, 0, "there is no moon tonight");
}

static int waived_open(const struct lsb_host *host, const void *options, struct lsb_workload **out,
		       struct lsb_error *err)
{
	(void)host;
	(void)options;
	(void)out;
	return lsb_fail(err, LSB_EINVAL, 0, "opened although waived");
}

static uint64_t waived_count(const struct lsb_workload *w)
{
	(void)w;
	return 0;
}

static int waived_get(struct lsb_workload *w, uint64_t index, struct lsb_request *out, struct lsb_error *err)
{
	(void)w;
	(void)index;
	(void)out;
	return lsb_fail(err, LSB_EINVAL, 0, "asked although waived");
}

static void waived_close(struct lsb_workload *w)
{
	(void)w;
}

static const struct lsb_workload_ops ops = { .struct_size = sizeof(ops),
					     .open = waived_open,
					     .count = waived_count,
					     .get = waived_get,
					     .close = waived_close };

LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	LSB_PLUGIN_HEADER,
	.kind = LSB_WORKLOAD,
	.name = "waived",
	.version = "1.0",
	.summary = "Cannot work here",
	.probe = waived_probe,
	.ops = { .workload = &ops },
};
