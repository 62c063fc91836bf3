/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/local.h"

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

enum { ARGUMENTS_MAX = 32, FD_ASIDE = 16, FD_REPORT = 4, EXIT_NO_EXEC = 127 };

/* What the child needs; made before the fork, as the child may only call async-signal-safe functions. */
struct start {
	const char *program;
	const char *arguments[ARGUMENTS_MAX + 4];
	int channel, log, nothing, report;
	pid_t controller;
};

/* Signals as a fresh process has them: an ignored one would stay ignored over exec. */
static void reset_signals(void)
{
	static const int numbers[] = { SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD };
	sigset_t none;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		(void)signal(numbers[i], SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* 0 to LSB_NODE_FD as a node expects them, FD_REPORT until exec, nothing else. */
static int arrange_descriptors(struct start *s)
{
	/* Move aside first: any of them may sit on a number that is about to be taken. */
	const int channel = fcntl(s->channel, F_DUPFD_CLOEXEC, FD_ASIDE);
	const int log = fcntl(s->log, F_DUPFD_CLOEXEC, FD_ASIDE);
	const int nothing = fcntl(s->nothing, F_DUPFD_CLOEXEC, FD_ASIDE);

	s->report = fcntl(s->report, F_DUPFD_CLOEXEC, FD_ASIDE);
	if (channel < 0 || log < 0 || nothing < 0 || s->report < 0)
		return -1;
	if (dup2(nothing, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0 ||
	    dup2(channel, LSB_NODE_FD) < 0 || dup3(s->report, FD_REPORT, O_CLOEXEC) < 0)
		return -1;
	s->report = FD_REPORT;
	(void)close_range(FD_REPORT + 1, ~0u, 0); /* what lsbench itself inherited; absent before Linux 5.9 */
	return 0;
}

static _Noreturn void become_node(struct start *s)
{
	int why;

	reset_signals();
	(void)setpgid(0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() != s->controller)
		_exit(EXIT_NO_EXEC); /* the controller died between fork and prctl */
	if (arrange_descriptors(s) == 0)
		execv(s->program, (char *const *)(uintptr_t)s->arguments);
	why = errno;
	if (write(s->report, &why, sizeof(why)) < 0)
		_exit(EXIT_NO_EXEC - 1);
	_exit(EXIT_NO_EXEC);
}

/* Fork, and wait until the child has become the program or has said why not. */
static int fork_node(struct start *s, int heard, pid_t *pid, struct lsb_error *err)
{
	int why = 0;
	ssize_t n;

	s->controller = getpid();
	*pid = fork();
	if (*pid == 0)
		become_node(s);
	close(s->report);
	s->report = -1;
	if (*pid < 0)
		return lsb_fail(err, LSB_EIO, errno, "cannot start a rank: %s", strerror(errno));
	(void)setpgid(*pid, *pid); /* here too: whoever comes first */
	do
		n = read(heard, &why, sizeof(why));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return LSB_OK;
	(void)waitpid(*pid, NULL, 0);
	return lsb_fail(err, LSB_EIO, why, "cannot run '%s' as a rank: %s", s->program,
			n == (ssize_t)sizeof(why) ? strerror(why) : "it ended at once");
}

int lsb_local_start(const char *program, const char *const *arguments, const char *log, pid_t *pid, int *fd,
		    struct lsb_error *err)
{
	struct start s = { .program = program, .channel = -1, .log = -1, .nothing = -1, .report = -1 };
	int pair[2] = { -1, -1 }, report[2] = { -1, -1 };
	size_t n = 0;
	int rc;

	s.arguments[n++] = "lsbench";
	s.arguments[n++] = "node";
	for (size_t i = 0; arguments && arguments[i] && i < ARGUMENTS_MAX; i++)
		s.arguments[n++] = arguments[i];
	s.arguments[n++] = "--fd";
	s.arguments[n] = "3";
	s.log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (s.log < 0) {
		rc = lsb_fail(err, LSB_EIO, errno, "cannot open the log '%s': %s", log, strerror(errno));
		goto done;
	}
	s.nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (s.nothing < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
	    pipe2(report, O_CLOEXEC) < 0) {
		rc = lsb_fail(err, LSB_EIO, errno, "cannot make the control channel of a rank: %s",
			      strerror(errno));
		goto done;
	}
	s.channel = pair[1];
	s.report = report[1];
	report[1] = -1; /* fork_node closes it */
	rc = fork_node(&s, report[0], pid, err);
	if (rc == LSB_OK) {
		*fd = pair[0];
		pair[0] = -1;
	}
done:
	for (size_t i = 0; i < 2; i++) {
		if (pair[i] >= 0)
			close(pair[i]);
		if (report[i] >= 0)
			close(report[i]);
	}
	if (s.log >= 0)
		close(s.log);
	if (s.nothing >= 0)
		close(s.nothing);
	return rc;
}
