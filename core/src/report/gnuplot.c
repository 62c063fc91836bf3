/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking gnuplot: found on PATH, started without its user's settings and with an
 * environment that is always the same, fed from a memory file, heard under a
 * deadline. A machine without it has reports without these charts.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report/chart.h"

enum { SVG_BYTES_MAX = 16 << 20, SAID_BYTES_MAX = 4096, TIMEOUT_MS = 10000 };

static int is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

void lsb_gnuplot_find(struct lsb_gnuplot *out)
{
	const char *path = getenv("PATH");

	*out = (struct lsb_gnuplot){
		.timeout_ms = TIMEOUT_MS,
		.why = "gnuplot is not on PATH; install it and run 'lsbench report' again"
	};
	while (path && *path) {
		const size_t n = strcspn(path, ":");

		/* no relative folders: a report is not to run what lies in the folder it is made in */
		if (*path == '/' && n + sizeof("/gnuplot") <= sizeof(out->path)) {
			memcpy(out->path, path, n);
			memcpy(out->path + n, "/gnuplot", sizeof("/gnuplot"));
			if (is_program(out->path)) {
				out->why[0] = '\0';
				return;
			}
		}
		path += n + (path[n] == ':');
	}
	out->path[0] = '\0';
}

/* A file of memory with `text`, to be read from its begin; -1 when there can be none. */
static int memory_file(const char *text)
{
	const int fd = memfd_create("lsbench chart", MFD_CLOEXEC);
	size_t left = strlen(text);

	while (fd >= 0 && left) {
		const ssize_t n = write(fd, text, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		text += n;
		left -= (size_t)n;
	}
	if (fd < 0 || (left == 0 && lseek(fd, 0, SEEK_SET) == 0))
		return fd;
	close(fd);
	return -1;
}

/* Start it as the leader of a group of its own, so that Ctrl-C ends no chart half-way. */
static int start(const char *path, int in, int out, int said, pid_t *pid)
{
	static char *const environment[] = { "LC_ALL=C", "PATH=/usr/bin:/bin", "HOME=/", NULL };
	char *const argv[] = { "gnuplot", "--default-settings", "-", NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, defaults;
	int rc;

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	rc = posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&files, said, STDERR_FILENO);
	posix_spawnattr_setflags(&attributes,
				 POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	if (rc == 0)
		rc = posix_spawn(pid, path, &files, &attributes, argv, environment);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return rc;
}

/* Read `fd` to its end. 0, or -1 at the deadline or past what a chart may be long. */
static int listen_to(int fd, uint64_t deadline_ns, struct lsb_text *out)
{
	for (;;) {
		const uint64_t now = lsb_now_ns();
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		char piece[65536];
		ssize_t n;

		if (now >= deadline_ns)
			return -1;
		if (poll(&wait, 1, (int)((deadline_ns - now) / 1000000 + 1)) <= 0)
			continue;
		n = read(fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		if (out->length + (size_t)n > SVG_BYTES_MAX)
			return -1;
		lsb_text_bytes(out, piece, (size_t)n);
	}
}

/* The first line that says something of what it complained about. */
static void complaint(int fd, char out[128])
{
	char said[SAID_BYTES_MAX + 1], *at = said;
	const ssize_t n = pread(fd, said, SAID_BYTES_MAX, 0);

	said[n > 0 ? n : 0] = '\0';
	out[0] = '\0';
	while (*at && !out[0]) {
		const size_t bytes = strcspn(at, "\n");

		if (memchr(at, ':', bytes) && strspn(at, " \t^") < bytes)
			(void)snprintf(out, 128, "%.*s", (int)(bytes < 127 ? bytes : 127),
				       at + strspn(at, " \t"));
		at += bytes + (at[bytes] == '\n');
	}
}

int lsb_gnuplot_run(struct lsb_gnuplot *gnuplot, const char *script, struct lsb_text *out,
		    struct lsb_error *err)
{
	const uint64_t deadline_ns = lsb_now_ns() + gnuplot->timeout_ms * (uint64_t)1000000;
	const int in = memory_file(script), said = memory_file("");
	int pipes[2] = { -1, -1 }, status = 0, rc = LSB_EIO, started;
	char why[128];
	pid_t pid;

	if (gnuplot->why[0]) {
		rc = lsb_fail(err, LSB_EIO, 0, "%s", gnuplot->why);
		goto done;
	}
	if (in < 0 || said < 0 || pipe2(pipes, O_CLOEXEC)) {
		rc = lsb_fail(err, LSB_EIO, errno, "cannot talk to gnuplot: %s", strerror(errno));
		goto done;
	}
	started = start(gnuplot->path, in, pipes[1], said, &pid);
	close(pipes[1]);
	pipes[1] = -1;
	if (started) {
		(void)snprintf(gnuplot->why, sizeof(gnuplot->why), "gnuplot could not be started: %s",
			       strerror(started));
		rc = lsb_fail(err, LSB_EIO, started, "%s", gnuplot->why);
		goto done;
	}
	if (listen_to(pipes[0], deadline_ns, out)) {
		rc = lsb_fail(err, LSB_EIO, 0, "gnuplot gave no chart within %u ms", gnuplot->timeout_ms);
		(void)snprintf(gnuplot->why, sizeof(gnuplot->why), "gnuplot gave no chart within %u ms",
			       gnuplot->timeout_ms);
	} else {
		rc = LSB_OK;
	}
	if (rc)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	complaint(said, why);
	if (rc == LSB_OK && (!WIFEXITED(status) || WEXITSTATUS(status)))
		rc = lsb_fail(err, LSB_EIO, 0, "gnuplot ended with status %d%s%s",
			      WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
			      *why ? ": " : "", why);
done:
	for (int i = 0; i < 2; i++)
		if (pipes[i] >= 0)
			close(pipes[i]);
	if (in >= 0)
		close(in);
	if (said >= 0)
		close(said);
	return rc;
}
