/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of a point's `arrivals` before anything of it starts. */
#ifndef LSB_LAUNCH_ARRIVALS_H
#define LSB_LAUNCH_ARRIVALS_H

#include <jansson.h>

#include "lsbench/types.h"
#include "suite/point.h"

/*
 * All requests can arrive, and within the launch's timeout; the digest of a trace
 * file joins `data`, the provenance by path, unless that is NULL. `last_s`, unless NULL, gets when the
 * last one arrives, 0 where the workload tells. LSB_OK, LSB_ESUITE or LSB_ENOMEM.
 */
int lsb_check_arrivals(const struct lsb_point *point, json_t *data, double *last_s, struct lsb_error *err);

#endif
