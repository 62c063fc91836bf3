/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peaks of a machine, pooled over a run: each point measures them once and for
 * some milliseconds, in which other work on the machine may take its share, and the
 * largest figure seen is nearest to what the machine can do. Pure.
 */
#ifndef LSB_POOL_H
#define LSB_POOL_H

#include <jansson.h>

/*
 * What was measured of the machine by all launches of a run that went well: a list
 * of {"key", "nodes", "read_bandwidth_alone", ...}, one for each host, backend,
 * model, threads of a rank and number of ranks. `header` is the journal's. New reference.
 */
json_t *lsb_pool_collect(const json_t *header, const json_t *launches);

/*
 * Peaks of the ranks of a point's `launches`, in their order: {"read_bandwidth_alone",
 * "read_bandwidth_all", "matmul_peak_alone", "matmul_peak_all"}. Alone: the largest of
 * the pool at equal host, backend, model and threads; all at once: of those with as
 * many ranks. JSON null where no launch of the point measured any. New reference.
 */
json_t *lsb_pool_peaks(const json_t *pool, const json_t *entry, const json_t *launches);

#endif
