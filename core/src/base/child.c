/* SPDX-License-Identifier: Apache-2.0 */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A file of memory with `text`, to be read from its begin; -1 when there can be none. */
static int memory_file(const char *text)
{
	const int fd = memfd_create("lsbench child", MFD_CLOEXEC);
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

/*
 * Start it as the leader of a process group of its own, so that Ctrl-C ends no
 * child half-way, and that what it forks can be ended with it. 0 or an errno.
 */
static int start(const struct lsb_child *child, const int fds[3], pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, defaults;
	int rc = 0;

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGINT);
	sigaddset(&defaults, SIGTERM);
	sigaddset(&defaults, SIGHUP);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	for (int i = 0; i < 3 && rc == 0; i++)
		if (fds[i] >= 0)
			rc = posix_spawn_file_actions_adddup2(&files, fds[i], i);
	posix_spawnattr_setflags(&attributes,
				 POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	if (rc == 0)
		rc = posix_spawn(pid, child->path, &files, &attributes, child->argv, child->environment);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return rc;
}

/* Read `fd` to its end, to the deadline, or to what it may say. */
static void hear(struct lsb_child *child, int fd)
{
	for (;;) {
		const uint64_t now = lsb_now_ns();
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		char piece[65536];
		ssize_t n;

		if (now >= child->deadline_ns) {
			child->timed_out = 1;
			return;
		}
		if (poll(&wait, 1, (int)((child->deadline_ns - now) / 1000000 + 1)) <= 0)
			continue;
		n = read(fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		if (child->said.length + (size_t)n > child->said_max) {
			child->said_too_much = 1;
			return;
		}
		lsb_text_bytes(&child->said, piece, (size_t)n);
	}
}

/* Give it until the deadline to end by itself, then end it and all that it started. */
static void end(struct lsb_child *child, pid_t pid)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	while (!child->timed_out && !child->said_too_much) {
		siginfo_t info = { 0 };

		/* WNOWAIT: it stays a zombie, so that its group cannot become another's before the kill. */
		if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid)
			break;
		if (lsb_now_ns() >= child->deadline_ns)
			child->timed_out = 1;
		else
			nanosleep(&pause, NULL);
	}
	kill(-pid, SIGKILL);
	while (waitpid(pid, &child->status, 0) < 0 && errno == EINTR)
		;
}

int lsb_child_run(struct lsb_child *child, struct lsb_error *err)
{
	int in = -1, complaints = -1, out[2] = { -1, -1 }, rc = LSB_EIO;
	pid_t pid;

	in = memory_file(child->input);
	if (in < 0 || (child->keeps_complaints && (complaints = memory_file("")) < 0) ||
	    pipe2(out, O_CLOEXEC)) {
		lsb_fail(err, LSB_EIO, errno, "cannot talk to a child: %s", strerror(errno));
		goto done;
	}
	rc = start(child, (const int[]){ in, out[1], complaints }, &pid);
	close(out[1]);
	if (rc) {
		rc = lsb_fail(err, LSB_EIO, rc, "%s cannot be started: %s", child->argv[0], strerror(rc));
		goto done;
	}
	hear(child, out[0]);
	end(child, pid);
	if (complaints >= 0) {
		const ssize_t n = pread(complaints, child->complaints, sizeof(child->complaints) - 1, 0);

		child->complaints[n > 0 ? n : 0] = '\0';
	}
done:
	if (out[0] >= 0)
		close(out[0]);
	if (complaints >= 0)
		close(complaints);
	if (in >= 0)
		close(in);
	return rc;
}
