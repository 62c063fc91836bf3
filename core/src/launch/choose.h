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

/* What an answer about a point's transport (FILES of plugin/inspect.h; NULL: none) says of its launcher. */
void lsb_launcher_needs(struct lsb_prepared_point *p, const json_t *transport);

/*
 * Choose, and see whether each can start its points here: a point whose launcher
 * cannot gets code and reason. Points that need no MPI do without a launcher that was
 * chosen for others and is not here. Of each point, `point`, `code` and what
 * lsb_launcher_needs sets must be there. LSB_ENOMEM.
 */
int lsb_launchers_settle(struct lsb_prepared *p, struct lsb_error *err);

#endif
