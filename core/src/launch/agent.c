/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "launch/dial.h"
#include "launch/inbox.h"
#include "launch/placement.h"
#include "launch/secret.h"
#include "launch/spawn.h"
#include "launch/world.h"

#define MS 1000000u /* nanoseconds */
enum {
	DIAL_MS = 10000,    /* less than the controller waits, which so hears why */
	SILENCE_MS = 15000, /* of the controller, who PINGs every second */
	GRACE_MS = 1000,    /* from a QUIT that is not "done" to SIGTERM, and on to SIGKILL */
	FAREWELL_MS = 3000, /* for the last frames to arrive */
	LOG_LINE_MAX = 4096,
	CHANNEL_FROM = 64, /* clear of descriptors that launchers pass on by number */
};

struct agent {
	const struct lsb_agent_request *request;
	int in, out;		   /* the controller; equal for a socket */
	int channel, log, signals; /* the rank's channel and output; SIGCHLD. -1: ended */
	struct lsb_inbox from_controller, from_rank;
	uint32_t sent_up, sent_down;
	pid_t pid;
	int ended; /* reaped; `how` says the rest */
	siginfo_t how;
	int is_lost; /* the controller is gone: there is nobody to tell */
	uint64_t heard_ns, ending_ns;
	uint64_t patience_ms; /* from QUIT to SIGTERM */
	int ending_step;      /* 1: QUIT passed on, 2: SIGTERM sent, 3: SIGKILL sent */
	char line[LOG_LINE_MAX];
	size_t line_bytes;
};

/* --- to either side --- */

static int write_whole(int fd, struct iovec *parts, int n)
{
	while (n) {
		ssize_t wrote = writev(fd, parts, n);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return -1;
		while (n && (size_t)wrote >= parts->iov_len) {
			wrote -= (ssize_t)parts->iov_len;
			parts++;
			n--;
		}
		if (n) {
			parts->iov_base = (char *)parts->iov_base + wrote;
			parts->iov_len -= (size_t)wrote;
		}
	}
	return 0;
}

static int send_frame(int fd, uint32_t *sequence, enum lsb_frame_type type, const void *payload,
		      size_t length)
{
	uint8_t header[LSB_FRAME_HEADER_BYTES];
	struct iovec parts[2] = { { header, sizeof(header) }, { (void *)(uintptr_t)payload, length } };

	lsb_frame_format(type, length, (*sequence)++, header);
	return write_whole(fd, parts, length ? 2 : 1);
}

static void send_up(struct agent *a, enum lsb_frame_type type, const void *payload, size_t length)
{
	if (!a->is_lost && send_frame(a->out, &a->sent_up, type, payload, length))
		a->is_lost = 1;
}

static void send_up_json(struct agent *a, enum lsb_frame_type type, json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (text)
		send_up(a, type, text, strlen(text));
	else
		a->is_lost = 1; /* no memory: end as if nobody listened */
	free(text);
}

/* --- the rank's end --- */

static void begin_ending(struct agent *a, const char *quit, size_t length)
{
	if (a->ending_step)
		return;
	a->ending_step = 1;
	a->ending_ns = lsb_now_ns();
	a->patience_ms = lsb_quit_is_done(quit, length) ? LSB_DONE_GRACE_MS : GRACE_MS;
	if (a->channel >= 0)
		(void)send_frame(a->channel, &a->sent_down, LSB_FRAME_QUIT, quit, length);
}

/* SIGTERM, SIGKILL: each when what came before was not enough. */
static void enforce(struct agent *a, uint64_t now)
{
	uint64_t passed_ms, patience_ms;

	if (a->is_lost)
		begin_ending(a, "{}", 2);
	if (!a->ending_step || a->ended)
		return;
	passed_ms = (now - a->ending_ns) / MS;
	patience_ms = a->is_lost ? GRACE_MS : a->patience_ms; /* a controller that hangs up has none left */
	if (a->ending_step < 3 && passed_ms > patience_ms + (a->ending_step - 1) * (uint64_t)GRACE_MS) {
		a->ending_step++;
		(void)kill(a->ending_step == 3 ? -a->pid : a->pid, a->ending_step == 3 ? SIGKILL : SIGTERM);
	}
}

static void reap(struct agent *a)
{
	struct signalfd_siginfo heard;

	(void)!read(a->signals, &heard, sizeof(heard));
	a->how = (siginfo_t){ 0 };
	if (a->ended || waitid(P_PID, (id_t)a->pid, &a->how, WEXITED | WNOHANG | WNOWAIT) != 0 ||
	    a->how.si_pid == 0)
		return;
	/* still a zombie: the group is its own */
	(void)kill(-a->pid, SIGKILL);
	(void)waitpid(a->pid, NULL, 0);
	a->ended = 1;
}

/* --- what comes --- */

static int take_from_rank(void *user, enum lsb_frame_type type, const char *payload, size_t length,
			  struct lsb_error *err)
{
	(void)err;
	send_up(user, type, payload, length);
	return LSB_OK;
}

static int take_from_controller(void *user, enum lsb_frame_type type, const char *payload, size_t length,
				struct lsb_error *err)
{
	struct agent *a = user;

	a->heard_ns = lsb_now_ns();
	if (type == LSB_FRAME_PING)
		return LSB_OK;
	if (type == LSB_FRAME_QUIT) {
		begin_ending(a, payload, length);
		return LSB_OK;
	}
	if (type != LSB_FRAME_JOB && type != LSB_FRAME_ADDRESSES && type != LSB_FRAME_START &&
	    type != LSB_FRAME_FINISH)
		return lsb_fail(err, LSB_EPEER, 0, "the controller sent a frame of type %d", (int)type);
	if (a->channel >= 0)
		(void)send_frame(a->channel, &a->sent_down, type, payload, length);
	return LSB_OK;
}

/* Read what there is and feed it; 0 at the stream's end or when it is broken. */
static int hear(int fd, struct lsb_inbox *inbox, const struct lsb_inbox_taker *taker, struct lsb_error *err)
{
	char bytes[65536];
	const ssize_t n = read(fd, bytes, sizeof(bytes));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	return n > 0 && lsb_inbox_feed(inbox, bytes, (size_t)n, taker, err) == LSB_OK;
}

static void flush_line(struct agent *a)
{
	if (a->line_bytes)
		send_up(a, LSB_FRAME_LOG, a->line, a->line_bytes);
	a->line_bytes = 0;
}

/* What the rank prints, line by line. 0 at the end. */
static int hear_log(struct agent *a)
{
	char bytes[4096];
	const ssize_t n = read(a->log, bytes, sizeof(bytes));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] == '\n' || a->line_bytes == sizeof(a->line))
			flush_line(a);
		if (bytes[i] != '\n')
			a->line[a->line_bytes++] = bytes[i];
	}
	return n > 0;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void relay(struct agent *a)
{
	const struct lsb_inbox_taker down = { take_from_controller, a }, up = { take_from_rank, a };
	struct lsb_error why = { 0 };

	/* until the rank has ended and all that it said is passed on */
	while (!a->ended || a->channel >= 0) {
		struct pollfd fds[] = { { .fd = a->is_lost ? -1 : a->in, .events = POLLIN },
					{ .fd = a->channel, .events = POLLIN },
					{ .fd = a->log, .events = POLLIN },
					{ .fd = a->signals, .events = POLLIN } };
		uint64_t now;

		(void)poll(fds, 4, 100);
		if (fds[3].revents)
			reap(a);
		if (fds[2].revents && !hear_log(a))
			close_one(&a->log);
		if (fds[1].revents && !hear(a->channel, &a->from_rank, &up, &why))
			close_one(&a->channel);
		if (fds[0].revents && !hear(a->in, &a->from_controller, &down, &why))
			a->is_lost = 1;
		now = lsb_now_ns();
		if (now - a->heard_ns > SILENCE_MS * (uint64_t)MS)
			a->is_lost = 1;
		enforce(a, now);
	}
	if (a->log >= 0) {
		(void)fcntl(a->log, F_SETFL, O_NONBLOCK);
		while (errno = 0, hear_log(a) && errno != EAGAIN)
			;
	}
	flush_line(a);
}

/* --- the beginning --- */

/* Equal for ranks that share memory and the loopback network, whatever the host is called. */
static void tell_place(const struct lsb_identity *machine, char out[256])
{
	struct stat network = { 0 }, memory = { 0 };

	(void)stat("/proc/self/ns/net", &network);
	(void)stat("/dev/shm", &memory);
	(void)snprintf(out, 256, "%.64s/%.80s/%llu/%u:%u", machine->boot_id, machine->host,
		       (unsigned long long)network.st_ino, major(memory.st_dev), minor(memory.st_dev));
}

static int send_join(struct agent *a, struct lsb_error *err)
{
	char digest[LSB_DIGEST_HEX], place[256];
	struct lsb_identity machine;
	struct lsb_machine m;
	json_t *cpus = json_array();
	int rc = lsb_digest_file("/proc/self/exe", digest, err);

	if (rc == LSB_OK)
		rc = lsb_machine_read(&m, err);
	if (rc) {
		json_decref(cpus);
		return rc;
	}
	lsb_identity_tell(&machine);
	tell_place(&machine, place);
	for (uint32_t i = 0; i < m.n_cpus; i++)
		json_array_append_new(cpus, json_integer(m.cpus[i]));
	send_up_json(a, LSB_FRAME_JOIN,
		     json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:o, s:i}", "version", LSB_VERSION, "lsbench",
			       digest, "pid", (int)getpid(), "host", machine.host, "boot_id", machine.boot_id,
			       "place", place, "cpus", cpus, "cores", (int)m.n_cores));
	lsb_machine_free(&m);
	return LSB_OK;
}

/* Start the rank on a channel of its own; what it prints comes through `log`. */
static int start_rank(struct agent *a, struct lsb_error *err)
{
	char number[16];
	const char *const arguments[] = { "lsbench", "node", "--fd", number, NULL };
	struct lsb_spawn s = {
		.program = "/proc/self/exe",
		.arguments = arguments,
		.in = -1,
		.parting_signal = SIGKILL,
		.keeps_inherited = 1,
	};
	int ends[2] = { -1, -1 }, log[2] = { -1, -1 }, rc;

	rc = lsb_spawn_channel(ends, err);
	if (rc == LSB_OK && pipe2(log, O_CLOEXEC))
		rc = lsb_fail(err, LSB_EIO, errno, "cannot make a pipe: %s", strerror(errno));
	if (rc == LSB_OK) {
		s.out = s.err = log[1];
		s.channel = s.channel_number = fcntl(ends[1], F_DUPFD_CLOEXEC, CHANNEL_FROM);
		(void)snprintf(number, sizeof(number), "%d", s.channel_number);
		if (s.channel < 0)
			rc = lsb_fail(err, LSB_EIO, errno, "cannot keep a channel: %s", strerror(errno));
		else
			rc = lsb_spawn(&s, &a->pid, err);
		close_one(&s.channel);
	}
	close_one(&ends[1]);
	close_one(&log[1]);
	a->channel = ends[0];
	a->log = log[0];
	return rc;
}

static const char *variable(const char *name)
{
	return getenv(name);
}

/* Become a rank's agent: know which, and have a proven way to the controller. */
static int meet_controller(struct agent *a, struct lsb_world_place *who, struct lsb_error *err)
{
	const struct lsb_agent_request *request = a->request;
	uint8_t secret[LSB_SECRET_BYTES];
	int rc = LSB_OK;

	*who = (struct lsb_world_place){ .rank = request->rank, .size = request->size };
	if (!request->addresses) {
		static const char greeting[] = LSB_AGENT_PREFACE;
		struct iovec part = { (void *)(uintptr_t)greeting, sizeof(greeting) - 1 };

		a->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, CHANNEL_FROM);
		a->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, CHANNEL_FROM);
		if (a->in < 0 || a->out < 0 || write_whole(a->out, &part, 1))
			return lsb_fail(err, LSB_EPEER, errno, "cannot speak to the controller: %s",
					strerror(errno));
		return LSB_OK;
	}
	rc = request->token_file ? lsb_secret_read(request->token_file, secret, err)
				 : lsb_secret_take(secret, err);
	if (rc == LSB_OK && request->rank < 0)
		rc = lsb_world_find(variable, who, err);
	if (rc == LSB_OK)
		rc = lsb_dial(request->addresses, secret, who->rank, who->size, DIAL_MS, &a->in, err);
	a->out = a->in;
	sodium_memzero(secret, sizeof(secret));
	return rc;
}

static void say_farewell(struct agent *a)
{
	const uint64_t deadline = lsb_now_ns() + FAREWELL_MS * (uint64_t)MS;
	const int killed = a->how.si_code != CLD_EXITED;

	send_up_json(a, LSB_FRAME_ENDED,
		     json_pack("{s:i, s:b}", killed ? "signal" : "status", (int)a->how.si_status, "forced",
			       a->ending_step > 1));
	/* What is unread at a close would take what was sent with it: let the controller hang up. */
	while (!a->is_lost && a->in == a->out && lsb_now_ns() < deadline) {
		struct pollfd p = { .fd = a->in, .events = POLLIN };
		char bytes[256];

		if (poll(&p, 1, 100) > 0 && read(a->in, bytes, sizeof(bytes)) <= 0)
			break;
	}
}

int lsb_agent_serve(const struct lsb_agent_request *request, struct lsb_error *err)
{
	struct agent a = { .request = request, .in = -1, .out = -1, .channel = -1, .log = -1, .signals = -1 };
	struct lsb_world_place who;
	sigset_t children;
	int rc;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN); /* the controller decides what it means */
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &children, NULL);
	if (sodium_init() < 0)
		return lsb_fail(err, LSB_EUNAVAIL, 0, "libsodium does not work here");
	a.signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
	if (a.signals < 0)
		return lsb_fail(err, LSB_EIO, errno, "cannot watch for the rank's end: %s", strerror(errno));
	rc = meet_controller(&a, &who, err);
	if (rc == LSB_OK)
		rc = send_join(&a, err);
	if (rc == LSB_OK)
		rc = start_rank(&a, err);
	if (rc == LSB_OK) {
		a.heard_ns = lsb_now_ns();
		relay(&a);
		say_farewell(&a);
	} else if (a.out >= 0) {
		send_up(&a, LSB_FRAME_LOG, err->msg, strlen(err->msg));
	}
	lsb_inbox_free(&a.from_controller);
	lsb_inbox_free(&a.from_rank);
	close_one(&a.log);
	close_one(&a.channel);
	close_one(&a.signals);
	if (a.out != a.in)
		close_one(&a.out);
	close_one(&a.in);
	return rc;
}
