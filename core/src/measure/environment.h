/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the machine is and in what state, as far as it decides what is measured.
 *
 * The one part of measure/ that looks outside: /proc, /sys, hwloc. What cannot
 * be learnt is null, never a guess.
 */
#ifndef LSB_ENVIRONMENT_H
#define LSB_ENVIRONMENT_H

#include <jansson.h>

#include "lsbench/types.h"

/*
 * A new object in *out: "collected" (UTC), "system" {host, kernel, machine,
 * boot_id, os, ...}, "cpu" {model, packages, numa_nodes, cores, threads, allowed,
 * instruction_sets, governor, ...}, "caches" [{level, type, bytes, line_bytes,
 * count}], "memory" {MemTotal_bytes, ...}, "limits" {cpu_quota_cores, memory_max},
 * "load" [1, 5, 15 minutes], "libraries" {name: version}, "build" {version, type,
 * compiler, commit, sanitizers}. 0 or LSB_ENOMEM.
 */
int lsb_environment_collect(json_t **out, struct lsb_error *err);

#endif
