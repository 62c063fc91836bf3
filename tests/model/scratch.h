/* SPDX-License-Identifier: Apache-2.0 */
/* A file of its own for each test process, gone at its end. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char scratch_path[64];

static void scratch_remove(void)
{
	unlink(scratch_path);
}

static const char *scratch_make(void)
{
	int fd;

	snprintf(scratch_path, sizeof(scratch_path), "/tmp/lsbench-test-XXXXXX");
	fd = mkstemp(scratch_path);
	if (fd < 0)
		abort();
	close(fd);
	atexit(scratch_remove);
	return scratch_path;
}

#endif
