/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local launcher: one process of this machine per rank.
 *
 * A rank inherits exactly its end of a socket pair (as descriptor 3), an empty
 * standard input, and its log as output. It leads a process group of its own,
 * so that Ctrl-C reaches the controller alone and nothing a plugin may have
 * started outlives its rank. The kernel kills it should the controller die.
 */
#ifndef LSB_LOCAL_H
#define LSB_LOCAL_H

#include <sys/types.h>

#include "lsbench/types.h"

enum { LSB_NODE_FD = 3 };

/*
 * Start `program node --fd 3` (further `arguments` before --fd, NULL-terminated,
 * may be NULL) with its output appended to the file `log`. On success *pid is
 * the child, which the caller must reap, and *fd the controller's end of the
 * channel. LSB_EIO otherwise, nothing left behind.
 */
int lsb_local_start(const char *program, const char *const *arguments, const char *log, pid_t *pid, int *fd,
		    struct lsb_error *err);

#endif
