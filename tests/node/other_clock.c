/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into the ranks of a run: the first of them enters the time namespace
 * OTHER_CLOCK, as a rank of another machine would have a clock of its own. Who is
 * first makes the folder OTHER_CLOCK_TAKEN. Before main, since only a process of
 * one thread may change its time namespace.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether this process is `lsbench node ...`. */
static int is_rank(void)
{
	char line[256] = "";
	FILE *file = fopen("/proc/self/cmdline", "re");
	size_t n = file ? fread(line, 1, sizeof(line) - 1, file) : 0;

	if (file)
		fclose(file);
	return n > strlen(line) + 1 && strcmp(line + strlen(line) + 1, "node") == 0;
}

__attribute__((constructor)) static void enter(void)
{
	const char *name = getenv("OTHER_CLOCK"), *taken = getenv("OTHER_CLOCK_TAKEN");
	int fd;

	if (!name || !taken || !is_rank() || mkdir(taken, 0700))
		return;
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWTIME)) {
		perror("cannot enter the other time namespace");
		abort();
	}
	close(fd);
}
