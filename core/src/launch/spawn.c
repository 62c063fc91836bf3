/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lsbench/host.h"

enum { FD_ASIDE = 16, EXIT_NO_EXEC = 127 };

/* Beside what was asked: made before the fork, as the child may only call async-signal-safe functions. */
struct start {
	const struct lsb_spawn *what;
	int nothing, report;
	pid_t parent;
};

/* Signals as a fresh process has them: an ignored one would stay ignored over exec. */
static void reset_signals(void)
{
	static const int numbers[] = { SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGXFSZ };
	sigset_t none;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		(void)signal(numbers[i], SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A copy out of the way of the numbers that are about to be taken. */
static int aside(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, FD_ASIDE);
}

/* 0 to 2 and the channel as asked, `report` until exec. */
static int arrange_descriptors(struct start *s)
{
	const struct lsb_spawn *w = s->what;
	const int in = aside(w->in < 0 ? s->nothing : w->in), out = aside(w->out), err = aside(w->err);
	const int channel = w->channel >= 0 ? aside(w->channel) : 0;
	unsigned last = STDERR_FILENO;

	s->report = aside(s->report);
	if (in < 0 || out < 0 || err < 0 || channel < 0 || s->report < 0)
		return -1;
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
		return -1;
	if (w->channel >= 0) {
		if (dup2(channel, w->channel_number) < 0)
			return -1;
		last = (unsigned)w->channel_number;
	}
	if (!w->keeps_inherited && s->report > (int)last) {
		/* not what lsbench itself inherited; absent before Linux 5.9 */
		if (last > STDERR_FILENO + 1)
			(void)close_range(STDERR_FILENO + 1, last - 1, 0);
		(void)close_range(last + 1, (unsigned)s->report - 1, 0);
		(void)close_range((unsigned)s->report + 1, ~0u, 0);
	}
	return 0;
}

static _Noreturn void become(struct start *s)
{
	const struct lsb_spawn *w = s->what;
	int why;

	reset_signals();
	(void)setpgid(0, 0);
	if (prctl(PR_SET_PDEATHSIG, w->parting_signal) == 0 && getppid() != s->parent)
		_exit(EXIT_NO_EXEC); /* the parent died between fork and prctl */
	if (arrange_descriptors(s) == 0) {
		if (w->environment)
			(void)execvpe(w->program, (char *const *)(uintptr_t)w->arguments,
				      (char *const *)(uintptr_t)w->environment);
		else
			(void)execvp(w->program, (char *const *)(uintptr_t)w->arguments);
	}
	why = errno;
	if (write(s->report, &why, sizeof(why)) < 0)
		_exit(EXIT_NO_EXEC - 1);
	_exit(EXIT_NO_EXEC);
}

/* Fork, and wait until the child has become the program or has said why not. */
static int fork_child(struct start *s, int heard, pid_t *pid, struct lsb_error *err)
{
	int why = 0;
	ssize_t n;

	s->parent = getpid();
	*pid = fork();
	if (*pid == 0)
		become(s);
	close(s->report);
	s->report = -1;
	if (*pid < 0)
		return lsb_fail(err, LSB_EIO, errno, "cannot start a process: %s", strerror(errno));
	(void)setpgid(*pid, *pid); /* here too: whoever comes first */
	do
		n = read(heard, &why, sizeof(why));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return LSB_OK;
	(void)waitpid(*pid, NULL, 0);
	*pid = 0;
	return lsb_fail(err, n == (ssize_t)sizeof(why) && why == ENOENT ? LSB_EUNAVAIL : LSB_EIO, why,
			"cannot run '%s': %s", s->what->program,
			n == (ssize_t)sizeof(why) ? strerror(why) : "it ended at once");
}

int lsb_spawn(const struct lsb_spawn *what, pid_t *pid, struct lsb_error *err)
{
	struct start s = { .what = what, .nothing = -1, .report = -1 };
	int report[2] = { -1, -1 };
	int rc;

	*pid = 0;
	s.nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (s.nothing < 0 || pipe2(report, O_CLOEXEC) < 0) {
		rc = lsb_fail(err, LSB_EIO, errno, "cannot prepare to run '%s': %s", what->program,
			      strerror(errno));
	} else {
		s.report = report[1]; /* fork_child closes it */
		rc = fork_child(&s, report[0], pid, err);
	}
	if (report[0] >= 0)
		close(report[0]);
	if (s.nothing >= 0)
		close(s.nothing);
	return rc;
}

int lsb_spawn_channel(int ends[2], struct lsb_error *err)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0)
		return LSB_OK;
	ends[0] = ends[1] = -1;
	return lsb_fail(err, LSB_EIO, errno, "cannot make a control channel: %s", strerror(errno));
}
