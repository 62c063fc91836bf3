/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local launcher: one process of this machine per rank.
 *
 * A rank inherits exactly its end of a socket pair, an empty standard input,
 * and its log as output.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "launch/ranks.h"
#include "launch/spawn.h"

enum { ARGUMENTS_MAX = 32, NODE_FD = 3 };

static int start_rank(struct rank *r, struct lsb_error *err)
{
	const struct lsb_launch *what = r->launch->what;
	const char *arguments[ARGUMENTS_MAX + 5];
	struct lsb_spawn s = {
		.program = what->program,
		.arguments = arguments,
		.in = -1,
		.channel_number = NODE_FD,
		.parting_signal = SIGKILL,
	};
	int ends[2] = { -1, -1 }, log, rc;
	size_t n = 0;
	pid_t pid;

	arguments[n++] = "lsbench";
	arguments[n++] = "node";
	for (size_t i = 0; what->arguments && what->arguments[i] && i < ARGUMENTS_MAX; i++)
		arguments[n++] = what->arguments[i];
	arguments[n++] = "--fd";
	arguments[n++] = "3";
	arguments[n] = NULL;
	log = launch_log_open(r->launch, r->number, err);
	if (log < 0)
		return LSB_EIO;
	rc = lsb_spawn_channel(ends, err);
	if (rc == LSB_OK) {
		s.out = s.err = log;
		s.channel = ends[1];
		rc = lsb_spawn(&s, &pid, err);
		close(ends[1]);
	}
	close(log);
	if (rc) {
		if (ends[0] >= 0)
			close(ends[0]);
		return rc == LSB_EUNAVAIL ? (err->code = LSB_EIO)
					  : rc; /* no rank program: nothing to waive */
	}
	launch_process_add(r->launch, "lsbench", pid, r, 1);
	return rank_attach(r, ends[0], err);
}

static int start(struct running *l, struct lsb_error *err)
{
	int rc = LSB_OK;

	for (int32_t i = 0; i < l->n && rc == LSB_OK; i++)
		rc = start_rank(&l->ranks[i], err);
	return rc;
}

const struct lsb_launcher lsb_launcher_local = { .name = "local", .start = start };
