/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What memory allows: bytes that a launch read beside the bandwidth that the
 * ranks measured themselves. Pure.
 *
 * Bandwidths are measured in one launch of a point and hold for all of them.
 * They are of memory, not of caches: weights that stay in a cache may be read
 * faster, so these figures stand beside a measurement and bound nothing.
 */
#ifndef LSB_MEMORY_H
#define LSB_MEMORY_H

#include <jansson.h>

/*
 * {"read_bytes", "bandwidth_alone", "bandwidth_all", "memory_s", "share_of_run"} of
 * `launch`, at `peaks` (pool.h): memory_s is the least time that reading takes, by the slowest rank
 * alone or by all ranks together. JSON null when no bandwidth is known. New reference.
 */
json_t *lsb_memory_bound(const json_t *peaks, const json_t *launch);

#endif
