/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the machine allows a point, from what its launches measured of the machine
 * themselves: rooflines of decode and prefill, what sharing memory costs, the
 * link. Pure; losses.h sets these beside what was reached.
 */
#ifndef LSB_BOUNDS_H
#define LSB_BOUNDS_H

#include <jansson.h>

/*
 * points[].bounds of docs/summary.md, of `launch` among the point's `launches`, at `peaks` (pool.h):
 * {"ideal_speedup", "decode", "prefill", "shared", "link"}; a member that nothing
 * was measured for is null. New reference.
 */
json_t *lsb_bounds_json(const json_t *point, const json_t *launches, const json_t *launch,
			const json_t *peaks);

#endif
