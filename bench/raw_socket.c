/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport-tcp against a bare socket: what does the transport cost?
 *
 *	bench_tcp [--wait block|poll|hybrid] [--rounds N] [--latency | --bandwidth] [PLUGIN.so]
 *
 * Two processes of this machine, on a processor each where there are two, joined
 * by a bare TCP socket and by the plugin, both with TCP_NODELAY and the same wait
 * mode. The bare side sends no header and knows all lengths: the least a program
 * can do. bench_shm is the same with transport-shm in place of tcp: what do ranks
 * of one machine gain over a socket? One launch; bench/transport_speed.py makes several.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef BENCH_SHM
#include "../plugins/transport-shm/shm.h"
#else
#include "../plugins/transport-tcp/tcp.h"
#endif
#include "transport_speed.h"

#ifdef BENCH_SHM
#define PLUGIN "shm"
#else
#define PLUGIN "tcp"
#endif

static int fd_of(const struct speed *s)
{
	return *(const int *)s->bare;
}

static void bare_send(struct speed *s, size_t bytes)
{
	for (size_t sent = 0; sent < bytes;) {
		const ssize_t n = send(fd_of(s), s->out + sent, bytes - sent, MSG_NOSIGNAL);

		if (n <= 0)
			speed_die("send");
		sent += (size_t)n;
	}
}

static void bare_receive(struct speed *s, size_t bytes)
{
	const uint64_t begun = s->wait.how == WAIT_HYBRID ? speed_now() : 0;
	int flags = s->wait.how == WAIT_BLOCK ? MSG_WAITALL : MSG_DONTWAIT;

	for (size_t got = 0; got < bytes;) {
		const ssize_t n = recv(fd_of(s), s->in + got, bytes - got, flags);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			speed_die("recv");
		if (n > 0)
			got += (size_t)n;
		else if (s->wait.how == WAIT_HYBRID && speed_now() - begun > s->wait.spin_ns)
			flags = MSG_WAITALL;
	}
}

static void swap(struct speed *s, const void *mine, void *theirs)
{
	if (send(fd_of(s), mine, LSB_ADDRESS_MAX, 0) != (ssize_t)LSB_ADDRESS_MAX ||
	    recv(fd_of(s), theirs, LSB_ADDRESS_MAX, MSG_WAITALL) != (ssize_t)LSB_ADDRESS_MAX)
		speed_die("exchange of addresses");
}

/* A connected pair of TCP sockets on loopback. */
static void tcp_pair(int fds[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t bytes = sizeof(at);
	const int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (listener < 0 || bind(listener, (struct sockaddr *)&at, bytes) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&at, &bytes))
		speed_die("listen");
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fds[0], (struct sockaddr *)&at, bytes))
		speed_die("connect");
	fds[1] = accept(listener, NULL, NULL);
	for (int i = 0; i < 2; i++)
		if (setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
			speed_die("TCP_NODELAY");
	close(listener);
}

/* The rank-th processor of those that this process may use. */
static void pin(int rank)
{
	cpu_set_t may, mine;
	int nth = 0;

	CPU_ZERO(&mine);
	if (sched_getaffinity(0, sizeof(may), &may))
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &may) && nth++ == rank)
			CPU_SET(cpu, &mine);
	if (CPU_COUNT(&mine))
		(void)sched_setaffinity(0, sizeof(mine), &mine);
}

int main(int argc, char **argv)
{
	struct speed s = { .plugin_name = PLUGIN, .bare_send = bare_send, .bare_receive = bare_receive };
	const char *file =
		speed_arguments(&s, argc, argv, LSB_BINARY_DIR "/plugins/lsbench-transport-" PLUGIN ".so");
#ifdef BENCH_SHM
	const struct shm_options options = { .wait = s.wait, .ring_bytes = 1 << 20 };
#else
	const struct tcp_options options = { .wait = s.wait, .nodelay = 1 };
#endif
	int fds[2], status = 0;
	pid_t child;

	tcp_pair(fds);
	child = fork();
	if (child < 0)
		speed_die("fork");
	s.rank = child == 0;
	s.bare = &fds[s.rank];
	close(fds[!s.rank]);
	pin(s.rank);
	speed_open(&s, file, &options, swap);
	speed_compare(&s);
	speed_close(&s);
	if (s.rank)
		_exit(EXIT_SUCCESS);
	if (waitpid(child, &status, 0) < 0)
		speed_die("waitpid");
	return status != 0;
}
