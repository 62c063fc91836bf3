/* SPDX-License-Identifier: Apache-2.0 */
/* Which ranks of a launch compute on one accelerator, by the name that their backends tell. Pure. */
#ifndef LSB_DEVICES_H
#define LSB_DEVICES_H

#include <jansson.h>
#include <stddef.h>

/*
 * Of RANK objects `ranks`: the first rank that is on the device of rank i; -1 if rank i tells of no device.
 */
int lsb_devices_owner(const json_t *ranks, size_t i);

/* "ranks 0 and 1 share one device (NVIDIA H200, GPU-...)" (malloc'ed), NULL where none do. */
char *lsb_devices_shared(const json_t *ranks);

/* Sum over devices, each once, of the largest `counter` of its ranks; NAN unless each has one above 0. */
double lsb_devices_sum(const json_t *ranks, const char *counter);

#endif
