/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How near a point's figures are to what its repetitions are for. Pure.
 *
 * The target is met when the half-width of the 95 % interval is under 2 % both of
 * the point's tokens_per_s and of its ratio, round by round, to the point that it is
 * compared with (method.md section 3.5).
 */
#ifndef LSB_TARGET_H
#define LSB_TARGET_H

#include <jansson.h>
#include <stddef.h>

#define LSB_TARGET_HALF_WIDTH 0.02

/*
 * The larger relative half-width of both intervals. it[i] and baseline[i] are
 * tokens_per_s of round i, NAN where the round has no such launch; `baseline` NULL:
 * it is compared with nothing. INFINITY while an interval is not known.
 */
double lsb_target_half_width(const double *it, const double *baseline, size_t n_rounds);

/*
 * Set "target" of every point of `summary` that has launches (docs/summary.md), and
 * the flag `target_missed` where more launches than `reps` were allowed, all were
 * made, and it is not met.
 */
void lsb_target_add(const json_t *header, json_t *summary);

#endif
