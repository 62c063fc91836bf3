/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of a point's `arrivals` before anything of it starts. */
#ifndef LSB_LAUNCH_ARRIVALS_H
#define LSB_LAUNCH_ARRIVALS_H

#include <jansson.h>

#include "lsbench/types.h"
#include "suite/point.h"

/*
 * All requests can arrive, and within the launch's timeout; the digest of a trace
 * file joins `data`, the provenance by path. LSB_OK, LSB_ESUITE or LSB_ENOMEM.
 */
int lsb_check_arrivals(const struct lsb_point *point, json_t *data, struct lsb_error *err);

#endif
