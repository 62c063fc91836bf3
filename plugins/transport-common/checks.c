/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lsbench/host.h"
#include "transport-common/checks.h"

enum { REQUESTS_MAX = 1 << 24 }; /* so that no table's size overflows */

int world_check(const struct lsb_world *world, struct lsb_error *err)
{
	if (world->max_tag > LSB_TAG_MAX || world->size < 1 || world->rank < 0 ||
	    world->rank >= world->size || world->max_requests < 1 || world->max_requests > REQUESTS_MAX)
		return lsb_fail(err, LSB_EINVAL, 0, "rank %d of %d with tags to %u is not a possible world",
				world->rank, world->size, world->max_tag);
	return LSB_OK;
}

int message_check(const struct lsb_world *world, uint32_t mem_caps, int32_t peer, uint32_t tag,
		  const struct lsb_buf *b, struct lsb_error *err)
{
	if (peer < 0 || peer >= world->size || peer == world->rank || tag > world->max_tag ||
	    b->mem > LSB_MEM_CUDA || !(mem_caps & 1u << b->mem))
		return lsb_fail(err, LSB_EINVAL, 0,
				"rank %d cannot exchange memory of kind %u with rank %d under tag %u",
				world->rank, b->mem, peer, tag);
	return LSB_OK;
}

int message_check_size(const struct lsb_world *world, uint64_t bytes, struct lsb_error *err)
{
	if (bytes > world->max_message_bytes)
		return lsb_fail(err, LSB_EINVAL, 0,
				"a message of %llu bytes is larger than the %llu announced",
				(unsigned long long)bytes, (unsigned long long)world->max_message_bytes);
	return LSB_OK;
}

int counters_tell(const struct lsb_wire_counters *counters, struct lsb_wire_counters *out)
{
	const size_t theirs = out->struct_size;

	memcpy(out, counters, theirs < sizeof(*counters) ? theirs : sizeof(*counters));
	out->struct_size = theirs;
	return LSB_OK;
}
