/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exercise of a transport: two processes on this machine, tied by a socket
 * pair, open the plugin as ranks 0 and 1 and go through a table of cases in
 * step. A case passes when it did on both.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "plugin/conform.h"

/* What one rank tells the other after a case. */
struct verdict {
	int32_t rc;
	char msg[508];
};

/* --- the other rank, over the socket pair --------------------------------- */

int lsb_pair_send(const struct lsb_pair *p, const void *data, size_t n)
{
	return send(p->control, data, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -1;
}

/* Wait for a packet; 0 when none comes. */
static int packet_await(const struct lsb_pair *p)
{
	struct pollfd wait = { .fd = p->control, .events = POLLIN };

	return poll(&wait, 1, 2 * (int)(LSB_CONFORM_PATIENCE_NS / 1000000)) > 0;
}

ssize_t lsb_pair_receive(const struct lsb_pair *p, void *data, size_t room)
{
	return packet_await(p) ? recv(p->control, data, room, 0) : -1;
}

int lsb_pair_signalled(const struct lsb_pair *p)
{
	char byte;

	return packet_await(p) && recv(p->control, &byte, 1, MSG_PEEK | MSG_TRUNC) == 1;
}

/* --- the two ranks --------------------------------------------------------- */

/* Exchange verdicts after a case; `own` becomes the worse of the two. */
static void verdict_share(const struct lsb_pair *p, struct verdict *own)
{
	struct verdict theirs;
	ssize_t n = -1;

	if (lsb_pair_send(p, own, sizeof(*own)) == 0)
		do
			n = lsb_pair_receive(p, &theirs, sizeof(theirs));
		while (n == 1); /* a signal that a failed case did not wait for */
	if (n != sizeof(theirs)) {
		if (own->rc == LSB_OK)
			*own = (struct verdict){ .rc = LSB_EPEER,
						 .msg = "the other rank crashed, hung or gave up" };
		return;
	}
	theirs.msg[sizeof(theirs.msg) - 1] = '\0';
	if (theirs.rc && (own->rc == LSB_OK || own->rc == LSB_EPEER)) /* the cause, not its consequence */
		*own = theirs;
}

/* Go through the cases until one fails; rank 0 reports. */
static void rank_run(struct lsb_pair *p, const struct lsb_conform_case *cases, size_t n)
{
	struct verdict v = { 0 };

	p->send = calloc(2, LSB_CONFORM_MESSAGE_MAX);
	if (!p->send)
		return;
	p->receive = p->send + LSB_CONFORM_MESSAGE_MAX;
	for (size_t i = 0; i < n && v.rc == LSB_OK; i++) {
		struct lsb_error err = { 0 };

		v.rc = cases[i].run(p, &err);
		(void)snprintf(v.msg, sizeof(v.msg), "%s", v.rc ? err.msg : "");
		if (!cases[i].alone)
			verdict_share(p, &v);
		if (p->world.rank == 0)
			lsb_answer_result(p->to, v.rc == LSB_OK, cases[i].name, v.rc ? v.msg : NULL);
	}
	free(p->send);
}

static struct lsb_pair rank_pair(const struct lsb_asker *to, const struct lsb_loaded *l, int rank,
				 int control)
{
	return (struct lsb_pair){
		.to = to,
		.l = l,
		.ops = &l->ops.transport,
		.control = control,
		.world = { .struct_size = sizeof(struct lsb_world),
			   .rank = rank,
			   .size = 2,
			   .host_count = 1,
			   .max_requests = 16,
			   .max_tag = 16,
			   .max_message_bytes = LSB_CONFORM_MESSAGE_MAX,
			   .nonce = "conformance run",
			   .bind_address = "127.0.0.1" },
	};
}

/* Rank 1 is a child that ends without running destructors; rank 0 is this process. */
static void launch(const struct lsb_asker *to, const struct lsb_loaded *l,
		   const struct lsb_conform_case *cases, size_t n)
{
	struct lsb_pair p;
	int sockets[2], status = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets)) {
		lsb_answer_result(to, 0, "two ranks", strerror(errno));
		return;
	}
	pid = fork();
	if (pid < 0) {
		lsb_answer_result(to, 0, "two ranks", strerror(errno));
		close(sockets[0]);
		close(sockets[1]);
		return;
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(sockets[0]);
		p = rank_pair(to, l, 1, sockets[1]);
		rank_run(&p, cases, n);
		_exit(0);
	}
	close(sockets[1]);
	p = rank_pair(to, l, 0, sockets[0]);
	rank_run(&p, cases, n);
	close(sockets[0]); /* a rank 1 that waits for this one ends */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		lsb_answer_result(to, 0, "rank 1 lives to its end", strsignal(WTERMSIG(status)));
}

void lsb_conform_transport(const struct lsb_asker *to, const struct lsb_loaded *l)
{
	const char *excuse = NULL;

	if (lsb_loaded_needs_mpirun(l))
		excuse = "not tried: its ranks must be started by mpirun";
	else if (!(l->ops.transport.mem_caps & (1u << LSB_MEM_HOST)))
		excuse = "not tried: it does not send from host memory";
	if (excuse) {
		lsb_answer_result(to, 1, "exercise", excuse);
		return;
	}
	launch(to, l, lsb_conform_messages, lsb_conform_messages_count);
	launch(to, l, lsb_conform_death, lsb_conform_death_count);
}
