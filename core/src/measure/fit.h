/* SPDX-License-Identifier: Apache-2.0 */
/* Laws fitted over several levels of one case. Pure. */
#ifndef LSB_FIT_H
#define LSB_FIT_H

#include <jansson.h>

/*
 * Amdahl's law 1/S(p) = f + (1 - f)/p through each strong case's points that
 * share a baseline and a transport: [{"case", "baseline", "transport", "law",
 * "levels": [p, ...], "serial_fraction": f or null, "residual", "reason"}].
 * A curve of one level is left out, one of two
 * has no fit but the reason. New reference.
 */
json_t *lsb_fits(const json_t *summary);

#endif
