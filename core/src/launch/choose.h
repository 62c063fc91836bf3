/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which launcher each point gets. `launcher = auto` is resolved for all points
 * that are compared with each other at once, so that transports, batches and
 * node counts differ in nothing else.
 */
#ifndef LSB_CHOOSE_H
#define LSB_CHOOSE_H

#include "launch/prepare.h"

/*
 * Set the launcher of every point, from its key, its hosts, what its transport
 * needs, and whom it is compared with: points of one case, a point and its
 * baselines, and points that differ only in what [report] compares. An explicit
 * launcher of one of them is everybody's who says auto. `environment` is getenv
 * but in tests. LSB_ENOMEM.
 */
int lsb_launchers_choose(struct lsb_prepared *p, const char *(*environment)(const char *name),
			 struct lsb_error *err);

#endif
